"""What no guard can see - iterators, clocks, state behind C - is found by the second trace."""

import itertools
import time
import types
import warnings

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
X = np.array([1.0, 2.0])


class Hidden:
    """State that no walk finds: it is kept in an iterator."""

    def __init__(self):
        object.__setattr__(self, "_next", itertools.count(1).__next__)

    def __getattr__(self, name):
        if name == "rate":
            return float(self._next())
        raise AttributeError(name)


def a_list_iterator():
    values = iter([float(i) for i in range(1, 100)])
    return lambda x: x * next(values)


def a_generator():
    values = (float(i) for i in range(1, 100))
    return lambda x: x + next(values)


def a_counter():
    values = itertools.count(1)
    return lambda x: x**2 + next(values)


def an_attribute_behind_code():
    hidden = Hidden()
    return lambda x: x * hidden.rate


def an_array_from_a_generator():
    values = (np.full(2, float(i)) for i in range(1, 100))
    return lambda x: x * next(values)


def a_static_result():
    values = iter(range(1, 100))
    return lambda x: (x * 2, next(values))


def an_index():
    values = itertools.cycle([0, 1])
    return lambda x: x[next(values)] * 3


def more_work_each_time():
    values = itertools.count(1)

    def step(x):
        for _ in range(next(values)):
            x = x * 2
        return x

    return step


def less_work_each_time():
    values = iter(range(20, 0, -1))

    def step(x):
        for _ in range(next(values)):
            x = x + 1
        return x

    return step


def what_is_bound():
    values = iter(range(1, 100))
    held = Hidden()

    def step(x):
        held.last = next(values)
        return x * 2, held.last

    return step


def another_tensor_each_time():
    tensors = itertools.cycle([Tensor(1.0), Tensor(10.0)])
    return lambda x: x * next(tensors).data


CHANGING = [
    a_list_iterator, a_generator, a_counter, an_attribute_behind_code, an_array_from_a_generator, a_static_result, an_index,
    more_work_each_time, less_work_each_time, what_is_bound, another_tensor_each_time,
]  # fmt: skip


def leaves(results):
    return [np.asarray(leaf) for result in results for leaf in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", CHANGING, ids=lambda make: make.__name__)
def test_what_differs_at_every_call_is_right_at_every_call(make, backend):
    plain = make()
    expected = [plain(X) for _ in range(6)]
    step = ag.compile(make(), backend=backend)
    with pytest.warns(UserWarning, match="at every call") as caught:
        got = [step(X) for _ in range(6)]
    assert len(caught) == 1
    for result, wanted in zip(leaves(got), leaves(expected), strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-14)


@pytest.mark.parametrize("run", [lambda step: step.repeat(6, X), lambda step: step.scan(np.stack([X] * 6))])
def test_loops_over_steps_trace_twice_first(run):
    with pytest.warns(UserWarning, match="at every call"):
        np.testing.assert_array_equal(run(ag.compile(a_list_iterator())), np.outer(range(1, 7), X))


def test_the_warning_names_the_line_and_the_values():
    values = iter([3.0, 4.0, 5.0])

    @ag.compile
    def step(x):
        y = x + 1
        return y * next(values)

    step(X)
    with pytest.warns(UserWarning, match=r"test_compile_confirm.py:\d+ computes mul\(y, 3.0\) .* mul\(y, 4.0\)"):
        step(X)
    assert "mul" in repr(step.graph)  # what was traced can still be looked at
    assert "trace 1" in step.explain()


def test_a_clock():
    step = ag.compile(lambda x: x * 0 + time.perf_counter())
    with pytest.warns(UserWarning, match="at every call"):
        got = [float(step(1.0)) for _ in range(5)]
    assert got == sorted(set(got))


def test_an_iterator_that_ends_raises_as_it_does_eagerly():
    values = iter([1.0])
    step = ag.compile(lambda x: x * next(values))
    assert float(step(2.0)) == 2.0
    with pytest.raises(StopIteration):
        step(2.0)


@pytest.mark.parametrize("draw", [
    "random.random()", "random.gauss(0, 1)", "np.random.normal()", "old.normal()", "plain.random()",
])  # fmt: skip
def test_draws_of_the_older_kinds_are_refused_and_put_back(draw):
    import random

    space = {"random": random, "np": np, "old": np.random.RandomState(3), "plain": random.Random(4)}
    exec(f"def step(x):\n    return x * {draw}", space)
    before = random.getstate(), space["plain"].getstate(), space["old"].normal()
    space["old"].seed(3)
    with pytest.raises(errors.TraceError, match="draws"):
        ag.compile(space["step"])(X)
    assert (random.getstate(), space["plain"].getstate(), space["old"].normal()) == before


def test_a_generator_made_in_the_step_is_the_same_each_time():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step = ag.compile(lambda x: x * np.random.RandomState(0).normal())
        assert len({float(step(1.0)) for _ in range(4)}) == 1


def noisy(x):
    return x * 2


@pytest.mark.parametrize("function", [
    lambda x: x @ np.arange(4.0).reshape(2, 2), lambda x: (x * 2, np.arange(3), [1, "a"], None, {"k": 2.5}),
    lambda x: ag.where(np.array([True, False]), x, 0.0), lambda x: x[np.array([1, 0])], lambda x: x[::-1],
    lambda x: ag.checkpoint(lambda y: ag.sin(y))(x), lambda x: ag.vmap(lambda a: a * 2)(x),
    lambda x: ag.grad(lambda y: (y * y).sum())(x), lambda x: noisy(x), lambda x: np.pad(x, 1), lambda x: float("nan") * x,
])  # fmt: skip
def test_what_is_the_same_each_time_is_confirmed(function):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        step = ag.compile(function)
        for i in range(4):
            got, expected = step(X + i), function(X + i)
            for a, b in zip(leaves([got]), leaves([expected]), strict=True):
                if a.dtype != object:
                    np.testing.assert_array_equal(a, b)
    assert step.trace_count == 1


def test_the_function_runs_twice_and_then_never(capsys):
    step = ag.compile(lambda x: (print("run"), x * 2)[1])
    for _ in range(10):
        step(X)
    assert capsys.readouterr().out.count("run") == 2


def test_fit_of_a_model_with_an_iterator_is_that_of_the_plain_loop():
    class Noisy(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense, self.noise = nn.Dense(2, 1, seed=0), itertools.cycle([0.5, 1.0, 2.0])

        def forward(self, x):
            return self.dense(x) * next(self.noise)

    X, y = np.random.default_rng(0).normal(size=(12, 2)), np.ones((12, 1))
    models = [Noisy(), Noisy()]
    with pytest.warns(UserWarning, match="at every call"):
        models[0].fit(X, y, loss=nn.MSE(), epochs=4, batch_size=4, verbose=0)
    with ag.disable_compile():
        models[1].fit(X, y, loss=nn.MSE(), epochs=4, batch_size=4, verbose=0)
    np.testing.assert_allclose(models[0].dense.weight.data, models[1].dense.weight.data, rtol=1e-12)


def calls_itself(x):
    def count(n):
        return n and 1 + count(n - 1)

    return x * 2.0, count


class Uncertain:
    """Its == gives an array, of which nobody can say whether it is true."""

    def __eq__(self, other):
        return np.array([True, False])

    __hash__ = None


DEEP = {
    "lists": lambda x: [[[[[[[[[[x * 2.0]]]]]]]]]],
    "dicts": lambda x: (x * 2.0, {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1.0}}}}}}}}}),
    "a function that calls itself": calls_itself,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", DEEP)
def test_deep_and_circular_constants_are_the_same_each_time(name, backend):
    step = ag.compile(DEEP[name], backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            step(X)
    assert step.trace_count <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_constants_whose_equality_cannot_be_told_are_no_crash(backend):
    step = ag.compile(lambda x: (x * 2.0, Uncertain()), backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            assert np.array_equal(step(X)[0], X * 2.0)


def test_names_of_arguments_within_names_of_attributes_are_no_variables():
    """a1, the second argument's variable, occurs in alpha1: the two attributes are to be told apart."""
    held = types.SimpleNamespace(alpha1=0.1, alph=0.5)
    step = ag.compile(lambda x, held: x * held.alpha1 + held.alph)
    for number in range(8):
        held.alpha1 = 0.1 * number
        assert np.array_equal(step(X, held), X * held.alpha1 + 0.5)
    assert step.trace_count <= 3
