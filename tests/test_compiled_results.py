"""What a compiled step returns beside what it computes: constants of every kind, made anew where eager makes them anew."""

import collections

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor

Pair = collections.namedtuple("Pair", "first second")
ARRAY, LIST, DICT, SET = np.arange(5.0), [1, 2], {"a": np.ones(2)}, {1, 2}
FUNCTIONS = {
    "an array": lambda x: (x * 2, np.arange(3)),
    "nothing else": lambda x: np.arange(3),
    "lists": lambda x: [x * 2, [1, 2, [3]], "s", None, 2.5],
    "dicts": lambda x: {"y": x * 2, "a": {"b": np.zeros(2), "c": None}},
    "a set": lambda x: (x * 2, {1, 2}),
    "bytes": lambda x: (x * 2, bytearray(b"ab"), b"c"),
    "outer array": lambda x: (x * 2, ARRAY),
    "outer containers": lambda x: (x * 2, LIST, DICT, SET),
    "None": lambda x: None,
    "a string": lambda x: "text",
    "numbers": lambda x: (x * 2, np.float32(1.5), np.int64(3), True, 1j, 7, 2.5),
    "a 0-d array": lambda x: (x * 2, np.array(1.5)),
    "a big-endian array": lambda x: (x * 2, np.arange(3, dtype=">f4"), np.ones(2, np.longdouble)),
    "strings in an array": lambda x: (x * 2, np.array(["a", "b"])),
    "a named tuple": lambda x: Pair(x * 2, np.arange(2)),
    "tensors": lambda x: (x * 2, Tensor(np.arange(2.0)), Tensor(3.0), Tensor([1.0], requires_grad=True)),
    "the argument": lambda x: (x, x * 2, x),
    "facts": lambda x: (x.shape, x.dtype, x.ndim),
    "types": lambda x: (x * 2, np.float32, len, slice(1, 2)),
    "an empty tuple": lambda x: (),
}  # fmt: skip


def told(value):
    """Everything that can be seen of a result."""
    if isinstance(value, Tensor):
        return "tensor", value.requires_grad, told(value.data)
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.shape, value.tolist()
    if isinstance(value, list | tuple):
        return type(value), [told(part) for part in value]
    if isinstance(value, dict):
        return [(key, told(part)) for key, part in value.items()]
    return type(value), repr(value)


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_eager(name, backend):
    function, x = FUNCTIONS[name], Tensor([1.0, 2.0])
    step = ag.compile(function, backend=backend)
    for _ in range(3):
        assert told(step(x)) == told(function(x))
    mutable = np.ndarray | set | bytearray
    for ours, theirs in zip((step(x), step(x)), (function(x), function(x)), strict=True):
        assert told(ours) == told(theirs)
    same = [a is b for a, b in zip(leaves(step(x)), leaves(step(x)), strict=True) if isinstance(a, mutable)]
    assert same == [
        a is b for a, b in zip(leaves(function(x)), leaves(function(x)), strict=True) if isinstance(a, mutable)
    ]


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_what_a_caller_does_to_a_constant_is_not_seen_by_the_next(backend):
    step = ag.compile(lambda x: (x * 2, np.arange(3.0), {1}), backend=backend)
    for _ in range(4):
        _, array, numbers = step(Tensor(1.0))
        np.testing.assert_array_equal(array, [0, 1, 2])
        assert numbers == {1}
        array += 10
        numbers.add(5)


@pytest.mark.parametrize("name", ["an array", "dicts", "numbers", "a named tuple", "an array and updates"])
def test_repeat_stacks_them(name):
    weight = Tensor(1.0)

    def updating(x):
        weight.data = weight.data * 2
        return x * weight, np.arange(2)

    function = FUNCTIONS.get(name, updating)
    results = []
    for backend in ("numpy", "native"):
        weight.data = 1.0
        step = ag.compile(function, backend=backend)
        step(Tensor([1.0, 2.0]))
        results.append(told(step.repeat(3, Tensor([1.0, 2.0]))))
    assert results[0] == results[1]
