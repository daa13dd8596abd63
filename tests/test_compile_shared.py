"""Containers of the arguments are those of the caller: one or apart, changed and returned as in eager mode."""

import dataclasses

import numpy as np
import pytest

import autograd as ag
from autograd.backends import native
from autograd.core import tree
from autograd.core.errors import TraceError

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
X = np.ones(2)


@dataclasses.dataclass
class Settings:
    rate: float = 1.0
    count: int = 0


@dataclasses.dataclass(frozen=True)
class Frozen:
    rate: float = 1.0


def of_lists(a, b, x):
    a[0] = a[0] * 2
    return x * b[0]


def of_dicts(a, b, x):
    a["k"] = a["k"] * 2
    return x * b["k"]


def of_dataclasses(a, b, x):
    a.rate = a.rate * 2
    return x * b.rate


def of_inner_ones(a, b, x):
    a["inner"][0] = a["inner"][0] * 2
    return x * b[0]


PAIRS = {
    of_lists: (lambda: [1.0], lambda one: one),
    of_dicts: (lambda: {"k": 1.0}, lambda one: one),
    of_dataclasses: (Settings, lambda one: one),
    of_inner_ones: (lambda: {"inner": [1.0]}, lambda one: one["inner"]),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("function", PAIRS)
def test_containers_are_one_or_apart_as_the_caller_gives_them(function, backend):
    make, part = PAIRS[function]
    found = []
    for step in (function, ag.compile(function, backend=backend)):
        one, other = make(), make()
        results = []
        for a, b in [(one, one), (one, other), (one, one), (other, one), (other, other), (one, other)] * 2:
            results.append(step(a, part(b), X).tolist())
        found.append((results, one, other))
    assert found[0] == found[1]


def test_is_tells_whether_containers_are_one():
    step = ag.compile(lambda a, b, x: x * (2.0 if a is b else 3.0))
    one, other = [1.0], [1.0]
    pairs = [(one, other), (one, one), (other, one), (other, other)]
    assert [step(a, b, X)[0] for a, b in pairs] == [3.0, 2.0, 3.0, 2.0]


def test_what_is_given_and_reached_may_be_read_but_not_changed():
    shared = {"k": 2.0}

    def changing_what_is_given(a, x):
        a["k"] = a["k"] * 2
        return x * shared["k"]

    def changing_what_is_reached(a, x):
        shared["k"] = shared["k"] * 2
        return x * a["k"]

    for function in (changing_what_is_given, changing_what_is_reached):
        with pytest.raises(TraceError, match="also reaches in another way"):
            ag.compile(function)(shared, X)
        assert shared == {"k": 2.0}
        step = ag.compile(function)
        for _ in range(3):
            step({"k": 1.0}, X)
        shared["k"] = 2.0
        with pytest.raises(TraceError, match="also reaches in another way"):
            step(shared, X)
    read = ag.compile(lambda a, x: x * a["k"] * shared["k"])
    for rate in (2.0, 3.0, 4.0):
        shared["k"] = rate
        assert read(shared, X).tolist() == [rate * rate] * 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_containers_of_the_arguments_come_back_as_they_are(backend):
    kept = Settings()

    @ag.compile(backend=backend)
    def step(held, x):
        held["n"] = held["n"] + x.sum()
        kept.count = held
        return held, [held["items"]], x * 2

    for _ in range(4):
        held = {"n": 1.0, "items": [2.0]}
        first, (second,), _ = step(held, X)
        assert first is held is kept.count
        assert second is held["items"]
        assert held["n"] == 3.0


def test_dataclasses_that_are_arguments_are_changed():
    @ag.compile
    def step(settings, x):
        settings.rate = settings.rate * 2
        settings.count += 1
        return x * settings.rate

    settings = Settings()
    assert [step(settings, X)[0] for _ in range(4)] == [2.0, 4.0, 8.0, 16.0]
    assert settings == Settings(16.0, 4)


def test_changes_of_frozen_dataclasses_are_refused():
    @ag.compile
    def step(settings, x):
        object.__setattr__(settings, "rate", settings.rate * 2)
        return x * settings.rate

    settings = Frozen()
    with pytest.raises(TraceError, match="frozen"):
        step(settings, X)
    assert settings.rate == 1.0


def test_repeat_stacks_what_each_step_left_in_a_container():
    @ag.compile
    def step(held):
        held["n"] = held["n"] * 2
        return held

    held = {"n": 1.0}
    assert step.repeat(4, held)["n"].tolist() == [2.0, 4.0, 8.0, 16.0]
    assert held == {"n": 16.0}


def test_flatten_leaves_some_containers_whole():
    inner = [1, 2]
    leaves, structure = tree.flatten({"a": inner, "b": [3]}, whole={id(inner)})
    assert leaves[0] is inner
    assert leaves[1:] == [3]
    assert tree.unflatten(structure, leaves)["a"] is inner
