"""Calls of compiled steps that differ in how many arguments they give, in whose method they call, and in what they keep."""

import itertools
import types

import numpy as np
import pytest

import autograd as ag

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
