"""Calls of compiled steps that differ in how many arguments they give, in whose method they call, and in what they keep."""

import copy
import gc
import itertools
import pickle
import threading
import types
import weakref

import numpy as np
import pytest

import autograd as ag
from autograd.compiler import traces
from autograd.ir.trace import Trace

X = np.arange(1.0, 4.0)


# ----- another number of arguments -----
def weigh(x, parts):
    """A step that reads numbers, text and attributes of however many parts it is given."""
    total = x.sum()
    for part in parts:
        if isinstance(part, types.SimpleNamespace):
            part = part.rate
        total = total * part if not isinstance(part, str) else total + len(part)
    return total


GIVEN = {
    "whole numbers": ([1, 2], [3], [], [3, 4, 5], [1, 2]),
    "truths, then none": ([True, False], [True], []),
    "texts": (["ab", "c"], ["abc"], ["a", "b", "c"]),
    "floats": ([0.5, 2.0], [3.0], [1.0, 2.0, 3.0], [0.25]),
    "floats of NumPy's": ([np.float64(0.5), np.float32(2.0)], [np.float64(3.0)]),
    "of several kinds": ([2, "ab", 0.5], ["ab", 2], [0.5], [2, "ab", 0.5], [2]),
    "objects with attributes": (
        [types.SimpleNamespace(rate=0.5), types.SimpleNamespace(rate=3)],
        [types.SimpleNamespace(rate=0.25)],
        [types.SimpleNamespace(rate=4), types.SimpleNamespace(rate=0.5), 2],
    ),
}
WAYS = {
    "a list": (lambda x, parts: weigh(x, parts), lambda parts: ((X, list(parts)), {})),
    "a tuple": (lambda x, parts: weigh(x, parts), lambda parts: ((X, tuple(parts)), {})),
    "positions": (lambda x, *parts: weigh(x, parts), lambda parts: ((X, *parts), {})),
    "a dict": (
        lambda x, parts: weigh(x, parts.values()),
        lambda parts: ((X, {f"k{i}": part for i, part in enumerate(parts)}), {}),
    ),
    "keywords": (
        lambda x, **parts: weigh(x, parts.values()),
        lambda parts: ((X,), {f"k{i}": part for i, part in enumerate(parts)}),
    ),
    "keywords that end": (
        lambda x, **parts: weigh(x, parts.values()),
        lambda parts: ((X,), {f"k{9 - i}": part for i, part in enumerate(parts)}),
    ),
    "lists in a list": (
        lambda x, parts: weigh(x, itertools.chain(*parts)),
        lambda parts: ((X, [[part] for part in parts]), {}),
    ),
}


@pytest.mark.parametrize(("way", "backend"), [*((way, "numpy") for way in WAYS), ("a list", "native")])
@pytest.mark.parametrize("given", GIVEN)
def test_calls_may_give_more_or_fewer_arguments(way, given, backend):
    function, call = WAYS[way]
    step = ag.compile(function, backend=backend)
    for parts in (*GIVEN[given], *reversed(GIVEN[given])):
        args, kwargs = call(parts)
        assert float(step(*args, **kwargs)) == float(function(*args, **kwargs))
    step.explain()


def test_a_closed_over_rate_still_becomes_an_input_when_the_arguments_have_another_structure():
    settings = types.SimpleNamespace(rate=0.5)
    step = ag.compile(lambda x, parts: x * settings.rate * sum(parts))
    for parts, rate in (([1, 2], 0.5), ([3], 0.25), ([3], 0.125), ([3], 0.75), ([3], 2.0)):
        settings.rate = rate
        np.testing.assert_array_equal(step(X, parts), X * rate * sum(parts))
    assert step.trace_count <= 3


# ----- methods -----
class Base:
    def step(self, x):
        return x * 2

    def other(self, x):
        return x * 3


def method_cases():
    class Two:
        f = ag.compile(lambda self, x: x * 2)
        g = ag.compile(lambda self, x: x * 3)

    class A:
        @ag.compile
        def step(self, x):
            return x * 3

    class B(A):
        def step(self, x):
            return super().step(x) + 1

    class C(A):
        @ag.compile
        def step(self, x):
            return super().step(x) + 1

    class D(C):
        @ag.compile
        def step(self, x):
            return super().step(x) * 2

    class Renamed:
        def _impl(self, x):
            return x + 1

        step = ag.compile(_impl)

    class Later:
        pass

    Later.step = ag.compile(Base.step)
    Later.more = ag.compile(Base.step)

    class Whole:
        step = ag.compile(np.exp)

    return {
        "two lambdas": (Two, {"f": X * 2, "g": X * 3}),
        "super": (B, {"step": X * 3 + 1}),
        "super, both compiled": (C, {"step": X * 3 + 1}),
        "three of a name": (D, {"step": (X * 3 + 1) * 2}),
        "under another name": (Renamed, {"step": X + 1, "_impl": X + 1}),
        "given later, twice": (Later, {"step": X * 2, "more": X * 2}),
        "not bound": (Whole, {"step": np.exp(X)}),
    }


@pytest.mark.parametrize("case", method_cases())
def test_every_method_is_its_own(case):
    kind, expected = method_cases()[case]
    instance = kind()
    for _ in range(4):
        for name, right in expected.items():
            np.testing.assert_array_equal(getattr(instance, name)(X), right)
    compiled = {name: getattr(instance, name) for name in expected}
    for name, step in compiled.items():
        assert getattr(instance, name) == step  # the same at every access


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_methods_of_a_copy_are_the_copys(way):
    model = Keeper(2.0)
    for _ in range(3):
        np.testing.assert_array_equal(model.step(X), X * 2)
    other = way(model)
    other.scale = 5.0
    np.testing.assert_array_equal(other.step(X), X * 5)
    np.testing.assert_array_equal(model.step(X), X * 2)
    assert other.step.function.__self__ is other


class Keeper:
    """An instance that can be pickled."""

    def __init__(self, scale):
        self.scale = scale

    @ag.compile
    def step(self, x):
        return x * self.scale


# ----- what is kept -----
def test_tensors_that_were_arguments_are_let_go():
    def step(w, data):
        loss = (w * w * data["x"]).sum()
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        return loss, w

    for calls in (1, 2, 5):
        for backend in ("numpy", "native"):
            compiled = ag.compile(step, backend=backend)
            gone, results = [], []
            for _ in range(calls):
                w = ag.Tensor(X, requires_grad=True)
                array = X.copy()
                x = ag.Tensor(array)
                results.append(compiled(w, {"x": x})[1] is w)
                gone += [weakref.ref(w), weakref.ref(x), weakref.ref(x.value), weakref.ref(array)]
            del w, x, array
            gc.collect()
            assert results == [True] * calls
            assert [ref for ref in gone if ref() is not None] == []


# ----- traces that come to an end -----
def test_calls_beyond_the_last_trace_neither_wait_nor_look_for_a_reason(monkeypatch):
    step = ag.compile(lambda x, n: x * n, max_traces=2)
    with pytest.warns(UserWarning, match="traced 2 times"):
        for n in (1, 1, 2, 2, 3):
            step(X, n)
    monkeypatch.setattr(type(step._latest()), "mismatches", None)
    with traces._tracing:  # as while another thread traces something else
        found = []
        thread = threading.Thread(target=lambda: found.append(step(X, 4)))
        thread.start()
        thread.join(30)
        np.testing.assert_array_equal(found[0], X * 4)
    np.testing.assert_array_equal(step(X, 2), X * 2)


def test_a_kind_traced_last_is_still_confirmed():
    step = ag.compile(lambda x, n: x * n, max_traces=2)
    step(X, 1), step(X, 1), step(X, 2)
    with pytest.warns(UserWarning, match="traced 2 times"):
        step(X, 3)
    for n in (2, 2, 3, 1):
        np.testing.assert_array_equal(step(X, n), X * n)
    assert step.trace_count == 2


def test_an_abandoned_step_waits_for_nobody():
    numbers = iter(range(100))
    step = ag.compile(lambda x: x * next(numbers))
    with pytest.warns(UserWarning):
        step(X), step(X)
    with traces._tracing:
        found = []
        thread = threading.Thread(target=lambda: found.append(step(X)))
        thread.start()
        thread.join(30)
        assert len(found) == 1


def test_a_number_that_is_branched_on_is_tried_as_an_input_only_once(monkeypatch):
    state, runs, run = types.SimpleNamespace(rate=0.5), itertools.count(), Trace.run
    step = ag.compile(lambda x: x * 2 if state.rate > 0.25 else x * 3)
    monkeypatch.setattr(Trace, "run", lambda *given: (next(runs), run(*given))[1])
    rates = (0.5, 0.1, 0.2, 0.3, 0.4, 0.6)
    for rate in rates:
        state.rate = rate
        np.testing.assert_array_equal(step(X), X * (2 if rate > 0.25 else 3))
    assert next(runs) == len(rates) + 1


def test_an_error_of_the_users_own_runs_the_step_once():
    state, runs = types.SimpleNamespace(rate=0.5), itertools.count()

    class Own(Exception):
        pass

    def step(x):
        if fail[0]:
            seen.append(next(runs))
            raise Own
        return x * state.rate

    fail, seen = [False], []
    step = ag.compile(step)
    for rate in (0.5, 0.25, 0.125):
        state.rate = rate
        step(X)
    fail[0] = True
    before = next(runs)
    with pytest.raises(Own):
        step(X)
    assert next(runs) == before + 2


# ----- check=True -----
def test_a_checked_step_inside_another_is_part_of_it():
    inner = ag.compile(lambda x: x * 2, check=True)
    outer = ag.compile(lambda x: inner(x) + 1)
    for _ in range(3):
        np.testing.assert_array_equal(outer(X), X * 2 + 1)
    with ag.disable_compile():
        np.testing.assert_array_equal(inner(X), X * 2)


# ----- scan -----
def test_scan_says_what_to_do_with_constants_and_with_no_rows():
    step = ag.compile(lambda x, w: x * w)
    with pytest.raises(ag.core.errors.ArgumentError, match="close over what stays the same"):
        step.scan(np.ones((3, 2)), np.ones(2))
    with pytest.raises(ag.core.errors.ArgumentError, match=r"np\.broadcast_to"):
        step.scan(np.ones((3, 2)), 2.0)
    with pytest.raises(ag.core.errors.ArgumentError, match="at least one row"):
        step.scan(np.ones((0, 2)), np.ones((0, 2)))
    w = np.array([1.0, 2.0])
    np.testing.assert_array_equal(ag.compile(lambda x: step(x, w)).scan(np.ones((3, 2))), np.ones((3, 2)) * w)
    np.testing.assert_array_equal(step.scan(np.ones((3, 2)), np.broadcast_to(w, (3, 2))), np.ones((3, 2)) * w)
