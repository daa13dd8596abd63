"""Machine code on every shape up to 9 x 9 of every movement and join: values and gradients exactly as eager.

The numbers are small whole ones, so that no order of adding them up can excuse a difference.
"""

import itertools
import re

import numpy as np
import pytest

import autograd as ag
from autograd.backends.native.lower import lower
from autograd.backends.native.tasks import nest, small
from autograd.core.primitive import REGISTRY
from tests.samples import SAMPLES, draws
from tests.test_native_processors import older  # noqa: F401  (a fixture)

LONGEST = 9


def _taken(x, axis):
    return np.take(x, np.arange(2 * x.shape[axis] + 1)[::-2] % x.shape[axis], axis=axis)


def _along(x, axis):
    order = np.add.outer(np.arange(x.shape[0]), np.arange(x.shape[1])) % x.shape[axis]
    return np.take_along_axis(x, order, axis=axis)


def _parts(x, axis):
    cut = (x.shape[axis] + 1) // 2
    first, second = np.split(x, [cut], axis=axis)
    return np.concatenate([second, first * 2, second], axis=axis)


OPERATIONS = {
    "transpose": lambda x: x.T,
    "flip": lambda x: np.flip(x),
    "flip 0": lambda x: np.flip(x, 0),
    "flip 1": lambda x: np.flip(x, 1),
    "roll": lambda x: np.roll(x, 2),
    "roll 0": lambda x: np.roll(x, -1, axis=0),
    "roll 1": lambda x: np.roll(x, 3, axis=1),
    "roll both": lambda x: np.roll(x, (1, -2), axis=(0, 1)),
    "pad": lambda x: np.pad(x, ((1, 2), (0, 3)), constant_values=5),
    "pad rows": lambda x: np.pad(x, ((0, 0), (2, 1))),
    "concatenate 0": lambda x: np.concatenate([x, x * 2, x], axis=0),
    "concatenate 1": lambda x: np.concatenate([x, x], axis=1),
    "concatenate uneven": lambda x: np.concatenate([x, x[:, :1], x[:, 1:] * 3], axis=1),
    "stack 0": lambda x: np.stack([x, x]),
    "stack 1": lambda x: np.stack([x, x * 2, x], axis=1),
    "stack 2": lambda x: np.stack([x, x], axis=2),
    "stack 2 of five": lambda x: np.stack([x, x * 2, x, x * 3, x], axis=2),
    "steps": lambda x: x[::2, ::-1],
    "steps back": lambda x: x[::-2, ::3],
    "inner": lambda x: x[1:, :-1] if min(x.shape) > 1 else x[:, None],
    "row": lambda x: x[-1],
    "column": lambda x: x[:, 0],
    "ravel": lambda x: np.reshape(x, -1),
    "reshape": lambda x: np.reshape(x, x.shape[::-1]),
    "reshape of the transposed": lambda x: np.reshape(x.T, x.shape),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat 0": lambda x: np.repeat(x, 3, axis=0),
    "repeat 1": lambda x: np.repeat(x, 2, axis=1),
    "tile": lambda x: np.tile(x, (2, 3)),
    "broadcast": lambda x: np.broadcast_to(x, (3, *x.shape)),
    "broadcast row": lambda x: np.broadcast_to(x[:1], x.shape) + x[:, :1],
    "split 0": lambda x: _parts(x, 0),
    "split 1": lambda x: _parts(x, 1),
    "take 0": lambda x: _taken(x, 0),
    "take 1": lambda x: _taken(x, 1),
    "take along 0": lambda x: _along(x, 0),
    "take along 1": lambda x: _along(x, 1),
    "gather": lambda x: x[np.arange(x.shape[0])[::-1], np.arange(x.shape[0]) % x.shape[1]],
    "mask": lambda x: x[np.add.outer(np.arange(x.shape[0]), np.arange(x.shape[1])) % 2 == 0],
    "tril": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x),
    "diagonal": lambda x: np.diagonal(x),
    "diagonal below": lambda x: np.diagonal(x, -1) if x.shape[0] > 1 else x * 2,
    "set": lambda x: x.at[::2].set(x[::2] * 2),
    "add to": lambda x: x.at[:, -1].add(x[:, 0]),
    "move axis": lambda x: np.moveaxis(x[:, None, :] * x[:1, :, None], 0, -1),
    "sum 0": lambda x: x.sum(axis=0),
    "sum 1": lambda x: x.sum(axis=1, keepdims=True),
    "max 0": lambda x: x.max(axis=0),
    "cumsum 1": lambda x: np.cumsum(x, axis=1),
    "product": lambda x: x @ x.T,
}


def compare(name, shapes, dtype):
    """One compiled step with the operation on every shape, and what the same step gives eagerly."""
    operation = OPERATIONS[name]
    rng = np.random.default_rng(len(name))
    given = [rng.integers(-3, 4, shape).astype(dtype) for shape in shapes]

    def step(arrays):
        found = []
        for array in arrays:
            y, pullback = ag.vjp(lambda x: operation(1 - x), array)
            found += [y, y * y.sum(), *pullback(y * 2)]
        return found

    got = ag.compile(step, backend="native")([ag.Tensor(x) for x in given])
    want = step([ag.Tensor(x) for x in given])
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        where = (name, shapes[number // 3], ("value", "weighted value", "gradient")[number % 3])
        a, b = np.asarray(a.data), np.asarray(b.data)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), where
        assert np.array_equal(a, b), where


SHAPES = [*itertools.product(range(1, LONGEST + 1), repeat=2), (3, 43)]  # (the last one makes more than one block)


@pytest.mark.parametrize("name", OPERATIONS)
def test_some_shapes(name):
    first = sorted(OPERATIONS).index(name) % 20
    compare(name, SHAPES[first::40], "float32")
    compare(name, SHAPES[first + 20 :: 40], "float64")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_all_shapes(name, dtype):
    compare(name, SHAPES, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_all_shapes_on_older_processors(older, dtype):  # noqa: F811
    for name in OPERATIONS:
        compare(name, SHAPES[::9], dtype)


@pytest.mark.parametrize("name", [name for name in OPERATIONS if re.match("concatenate|stack", name)])
def test_joins_of_what_is_in_registers(name):
    """Found wrong where a vector of 24 lanes was stored four at a time: two stores became one of the wrong half."""
    compare(name, [(3, 8), (4, 6), (6, 4), (8, 3), (5, 5)], "float32")


@pytest.mark.parametrize("lanes", [small.LANES, 0])
@pytest.mark.parametrize("block", [nest.BLOCK, 16])
def test_vectors_are_powers_of_two_long(lanes, block, monkeypatch):
    monkeypatch.setattr(small, "LANES", lanes)
    monkeypatch.setattr(nest, "BLOCK", block)
    lengths = set()
    for name in SAMPLES:
        if name != "draw":
            for arrays, settings in draws(name, np.float32):
                graph = ag.trace(lambda *xs, p=REGISTRY[name], s=settings: p(*xs, **s), *arrays)
                text = lower(graph, frozenset(), {}).module.text("")
                lengths |= {int(n) for n in re.findall(r"<(\d+) x ", text)}
    assert lengths
    assert [n for n in lengths if n & (n - 1)] == []
