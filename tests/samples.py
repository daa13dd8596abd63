"""One row per primitive: where to sample its arguments, which settings to try, and what NumPy says the result is.

Many tests are driven by this table: values, shape rules and derivatives here, every backend elsewhere.

>>> from tests.samples import SAMPLES
>>> [case.label for case in SAMPLES["sum"].cases][:2]
['(2, 3), axis=None, keepdims=False', '(2, 3), axis=(0,), keepdims=True']
>>> arrays, settings = SAMPLES["sum"].cases[0].draw("float32", seed=0)
>>> arrays[0].shape, str(arrays[0].dtype)
((2, 3), 'float32')
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from autograd.core.ops.shape import ARRAY
from autograd.core.primitive import REGISTRY, Primitive

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape], Any]

ANALYTIC = "analytic"  # differentiable, and NumPy takes complex numbers: the complex step measures it exactly
SMOOTH = "smooth"  # differentiable; measured by central differences
KINKED = "kinked"  # differentiable almost everywhere; sampled at least 0.1 away from kinks and ties
NONE = "none"  # no gradient


@dataclass(frozen=True)
class Arg:
    """One array argument: how its elements are drawn, and its shape."""

    draw: Draw
    shape: Shape


def domain(draw: Draw) -> Callable[[Shape], Arg]:
    """A named set to draw from; call it with a shape to get an argument."""
    return lambda shape: Arg(draw, shape)


def _matrix(rng: np.random.Generator, shape: Shape) -> Any:
    flips = np.where(rng.random(shape[:-1]) < 0.5, -1.0, 1.0)[..., None]
    return flips * (rng.uniform(-1, 1, shape) + 3 * np.eye(shape[-1]))


def _positive_definite(rng: np.random.Generator, shape: Shape) -> Any:
    a = rng.uniform(-1, 1, shape)
    return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1])


def _odd(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.choice([-np.inf, np.nan, np.inf, 0.0, 1.5], shape)


real = domain(lambda rng, shape: rng.uniform(-2, 2, shape))
positive = domain(lambda rng, shape: rng.uniform(0.5, 2.5, shape))
inside_unit = domain(lambda rng, shape: rng.uniform(-0.8, 0.8, shape))
nonzero = domain(lambda rng, shape: rng.choice([-1, 1], shape) * rng.uniform(0.4, 2, shape))
small_whole = domain(lambda rng, shape: rng.integers(-1, 2, shape).astype(float))  # many ties
halves = domain(lambda rng, shape: rng.integers(-5, 6, shape) / 2)
nonzero_halves = domain(lambda rng, shape: rng.choice([-1, 1], shape) * rng.integers(1, 6, shape) / 2)
distinct = domain(lambda rng, shape: 0.3 * rng.permutation(math.prod(shape)).reshape(shape) - 1)
even_grid = domain(lambda rng, shape: 0.4 * rng.integers(-5, 6, shape))
odd_grid = domain(lambda rng, shape: 0.4 * rng.integers(-5, 6, shape) + 0.2)  # never within 0.2 of the even one
low_bound = domain(lambda rng, shape: 0.4 * rng.integers(-3, 0, shape) + 0.2)
high_bound = domain(lambda rng, shape: 0.4 * rng.integers(0, 3, shape) + 0.2)
between_multiples = domain(lambda rng, shape: 1.75 * (rng.integers(-3, 4, shape) + rng.uniform(0.2, 0.8, shape)))
divisor = domain(lambda rng, shape: 1.75 * rng.choice([-1.0, 1.0], shape))
odd = domain(_odd)
whole = domain(lambda rng, shape: rng.integers(-100, 100, shape))
places = domain(lambda rng, shape: rng.integers(0, 8, shape))
truth = domain(lambda rng, shape: rng.random(shape) < 0.5)
matrix = domain(_matrix)
positive_definite = domain(_positive_definite)


def below(n: int) -> Callable[[Shape], Arg]:
    """Indices from -n to n - 1."""
    return domain(lambda rng, shape: rng.integers(-n, n, shape))


def exactly(*values: int) -> Arg:
    """These indices."""
    return Arg(lambda rng, shape: np.array(values, dtype=np.int64), (len(values),))


def strided(argument: Arg) -> Arg:
    """The same argument as a view that is not contiguous, running backwards."""
    doubled = (*argument.shape[:-1], 2 * argument.shape[-1])
    return Arg(lambda rng, shape: argument.draw(rng, doubled)[..., ::-2], argument.shape)


class Case:
    """Arguments (an `Arg`, or a Python number that is passed as it is) and settings of one call."""

    def __init__(self, *args: Arg | float, **settings: Any) -> None:
        self.args, self.settings = args, settings
        shapes = [str(a.shape) if isinstance(a, Arg) else repr(a) for a in args]
        self.label = ", ".join([*shapes, *(f"{name}={value}" for name, value in settings.items())])

    def draw(self, dtype: Any = np.float64, seed: int = 0) -> tuple[list[Any], dict[str, Any]]:
        """Positional arrays and keyword settings: floats of that dtype, 0-d ones as NumPy scalars."""
        rng = np.random.default_rng(seed)
        return [self._one(a, np.dtype(dtype), rng) for a in self.args], dict(self.settings)

    @staticmethod
    def _one(argument: Arg | float, dtype: np.dtype[Any], rng: np.random.Generator) -> Any:
        if not isinstance(argument, Arg):
            return argument
        value = argument.draw(rng, argument.shape)
        if np.asarray(value).dtype.kind == "f" and np.asarray(value).dtype != dtype:
            value = np.asarray(value).astype(dtype)
        return value if np.ndim(value) else np.asarray(value)[()]


@dataclass(frozen=True)
class Sample:
    """What is known of a primitive besides its own record."""

    reference: Callable[..., Any]  # the same value, written independently
    kind: str
    cases: tuple[Case, ...]
    tangent: Callable[[Any], Any] = lambda v: v  # makes a direction one that the domain allows

    @property
    def differentiable(self) -> bool:
        """Whether any argument has a gradient."""
        return self.kind != NONE


def draws(name: str, dtype: Any = np.float64, seed: int = 0) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arrays and settings of every case of a primitive."""
    for case in SAMPLES[name].cases:
        yield case.draw(dtype, seed)


def rows(*, differentiable: bool = False) -> list[tuple[str, Primitive, Sample, Case]]:
    """Every (name, primitive, sample, case), or those that have a gradient; for pytest.mark.parametrize."""
    return [
        (name, REGISTRY[name], sample, case)
        for name, sample in SAMPLES.items()
        if sample.differentiable or not differentiable
        for case in sample.cases
    ]


# ----- ways to build rows -----
def unary(reference: Callable[..., Any], kind: str, of: Callable[[Shape], Arg] = real) -> Sample:
    cases = [Case(of(shape)) for shape in ((2, 3), (), (1,), (0,), (2, 0, 3))]
    return Sample(reference, kind, (*cases, Case(strided(of((2, 3))))))


def each(function: Callable[[float], float]) -> Callable[..., Any]:
    """A function of Python floats, element by element."""
    return np.vectorize(function, otypes=[float])


PAIRS = (
    ((2, 3), (2, 3)), ((), ()), ((3,), ()), ((), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((1, 1), (1,)),
    ((0,), (1,)), ((2, 0), (1, 1)), ((3, 1, 2), (4, 1)),
)  # fmt: skip


def binary(
    reference: Callable[..., Any],
    kind: str,
    left: Callable[[Shape], Arg] = real,
    right: Callable[[Shape], Arg] = real,
    numbers: tuple[float, ...] = (1.25, 2),
) -> Sample:
    cases = [Case(left(a), right(b)) for a, b in PAIRS]
    cases += [Case(left((2, 3)), number) for number in numbers] + [Case(number, right((3,))) for number in numbers]
    return Sample(reference, kind, (*cases, Case(strided(left((2, 3))), right((3,)))))


def bits(function: Callable[[int, int], int]) -> Callable[..., Any]:
    """A function of Python integers, element by element."""
    return np.vectorize(function, otypes=[np.int64])


def movement(reference: Callable[..., Any], *cases: Case) -> Sample:
    return Sample(reference, ANALYTIC, cases)


def reduction(
    reference: Callable[..., Any], kind: str, *of: Callable[[Shape], Arg], empty: bool = False, several: bool = True
) -> Sample:
    """Axes none, one and several, with and without keepdims; several=False for axis=int|None alone."""
    axes: list[tuple[Shape, Any]] = [((2, 3), None), ((2, 3), 0), ((3, 2, 4), 1), ((2, 1), 1), ((1,), 0), ((), None)]
    if several:
        axes = [(shape, axis if axis is None else (axis,)) for shape, axis in axes]
        axes += [((3, 2, 4), (0, 2)), ((2, 3), (0, 1)), ((2, 3), ())]
    if empty:
        axes += [((0,), None), ((2, 0), (1,)), ((2, 0), (0,))]
    cases = [Case(draw(shape), axis=axis, keepdims=bool(i % 2)) for draw in of for i, (shape, axis) in enumerate(axes)]
    return Sample(reference, kind, (*cases, Case(strided(of[0]((2, 3))), axis=axes[1][1], keepdims=False)))


def _index(arrays: tuple[Any, ...], template: tuple[Any, ...]) -> tuple[Any, ...]:
    remaining = list(arrays)
    return tuple(remaining.pop(0) if isinstance(part, str) else part for part in template)


def _scattered(x: Any, *arrays: Any, index: tuple[Any, ...], shape: Shape) -> Any:
    """Number the places, look up which places the index reads, and count x into them one by one."""
    places = np.arange(math.prod(shape)).reshape(shape)[_index(arrays, index)]
    out = np.zeros(math.prod(shape), np.asarray(x).dtype)
    for place, value in zip(np.ravel(places), np.ravel(np.broadcast_to(x, np.shape(places)))):
        out[place] += value
    return out.reshape(shape)


def _with_diagonal(x: Any, *, offset: int, axes: tuple[int, int], shape: Shape) -> Any:
    out = np.zeros(shape, x.dtype)
    for position in np.ndindex(*shape):
        if position[axes[1]] - position[axes[0]] == offset:
            rest = tuple(p for i, p in enumerate(position) if i not in axes)
            out[position] = x[(*rest, min(position[axes[0]], position[axes[1]]))]
    return out


def _taken(x: Any, indices: Any, *, axis: int) -> Any:
    out = np.empty(indices.shape, x.dtype)
    for position in np.ndindex(*indices.shape):
        out[position] = x[(*position[:axis], indices[position], *position[axis + 1 :])]
    return out


def _summed_down(x: Any, *, shape: Shape) -> Any:
    """The sum over every way to reach an element by broadcasting."""
    out = np.zeros(shape, np.asarray(x).dtype)
    source = np.broadcast_to(np.arange(out.size).reshape(shape), np.shape(x))
    np.add.at(out.reshape(-1), source.reshape(-1), np.reshape(x, -1))
    return out


def _product(a: Any, b: Any) -> Any:
    """The matrix product as a sum of elementwise products."""
    left, right = (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)
    out = np.sum(left[..., :, :, None] * right[..., None, :, :], axis=-2)
    out = out[..., 0] if b.ndim == 1 else out
    return (out[..., 0, :] if b.ndim > 1 else out[..., 0]) if a.ndim == 1 else out


def _by_minors(x: Any) -> Any:
    """The determinant by expansion along the first row."""
    if x.shape[-1] == 1:
        return x[..., 0, 0]
    rest = range(x.shape[-1])
    minors = [_by_minors(np.delete(x[..., 1:, :], j, axis=-1)) for j in rest]
    return sum((-1) ** j * x[..., 0, j] * minors[j] for j in rest)


def _cholesky(x: Any) -> Any:
    """Column by column, as in a textbook."""
    out = np.zeros_like(x)
    for j in range(x.shape[-1]):
        rest = x[..., j:, j] - np.sum(out[..., j:, :j] * out[..., j : j + 1, :j], axis=-1)
        out[..., j:, j] = rest / np.sqrt(rest[..., :1])
    return out


def _extreme_index(x: Any, *, axis: int | None, keepdims: bool, sign: int) -> Any:
    rows = np.moveaxis(x, axis, -1) if axis is not None else np.reshape(x, -1)
    best = np.argsort(sign * rows, axis=-1, kind="stable")[..., 0] if np.ndim(x) else np.intp(0)
    if not keepdims:
        return best
    return np.reshape(best, [1 if axis is None or i == axis else n for i, n in enumerate(np.shape(x))])


SQUARE = ((3, 3), (1, 1), (2, 3, 3), (0, 2, 2))

# fmt: off
SAMPLES: dict[str, Sample] = {
    # arithmetic
    "add": binary(lambda a, b: np.subtract(a, -b), ANALYTIC),
    "sub": binary(lambda a, b: a + -1 * b, ANALYTIC),
    "mul": binary(lambda a, b: a * np.asarray(b), ANALYTIC),
    "div": binary(lambda a, b: a / np.asarray(b), ANALYTIC, real, nonzero),
    "neg": unary(lambda x: 0 - x, ANALYTIC),
    "power": Sample(
        np.vectorize(math.pow, otypes=[float]),
        ANALYTIC,
        (*binary(np.power, ANALYTIC, positive, real, (1.25,)).cases, Case(real((2, 3)), 2), Case(nonzero((3,)), -1)),
    ),
    "abs": unary(lambda x: np.sqrt(x * x), KINKED, nonzero),
    "sign": unary(lambda x: (x > 0) * 1.0 - (x < 0), NONE, small_whole),
    "sqrt": unary(each(math.sqrt), ANALYTIC, positive),
    # exponentials and trigonometry
    "exp": unary(each(math.exp), ANALYTIC),
    "expm1": unary(each(math.expm1), ANALYTIC),
    "log": unary(each(math.log), ANALYTIC, positive),
    "log1p": unary(each(math.log1p), ANALYTIC, inside_unit),
    "sin": unary(each(math.sin), ANALYTIC),
    "cos": unary(each(math.cos), ANALYTIC),
    "tan": unary(each(math.tan), ANALYTIC, inside_unit),
    "arcsin": unary(each(math.asin), ANALYTIC, inside_unit),
    "arccos": unary(each(math.acos), ANALYTIC, inside_unit),
    "arctan": unary(each(math.atan), ANALYTIC),
    "arctan2": binary(np.vectorize(math.atan2, otypes=[float]), SMOOTH, nonzero, nonzero),
    "sinh": unary(each(math.sinh), ANALYTIC),
    "cosh": unary(each(math.cosh), ANALYTIC),
    "tanh": unary(each(math.tanh), ANALYTIC),
    # activations
    "sigmoid": unary(special.expit, ANALYTIC),
    "softplus": unary(each(lambda x: math.log1p(math.exp(x))), SMOOTH),
    "erf": unary(each(math.erf), SMOOTH),
    "relu": unary(lambda x: x * (x > 0), KINKED, nonzero),
    # selection
    "maximum": binary(lambda a, b: (a + b + np.abs(a - b)) / 2, KINKED, even_grid, odd_grid, (0.3, 3)),
    "minimum": binary(lambda a, b: (a + b - np.abs(a - b)) / 2, KINKED, even_grid, odd_grid, (0.3, 3)),
    "where": Sample(
        lambda c, a, b: np.array(c, int) * a + (1 - np.array(c, int)) * b,
        ANALYTIC,
        (
            Case(truth((2, 3)), real((2, 3)), real((2, 3))),
            Case(truth(()), real(()), real(())),
            Case(truth((3,)), real((2, 1)), real(())),
            Case(truth((2, 1)), real((3,)), 0.5),
            Case(truth((2, 3)), 0, real((2, 3))),
            Case(truth((0,)), real((0,)), real((1,))),
        ),
    ),
    "clip": Sample(
        lambda x, low, high: np.where(x < low, low, np.where(x > high, high, x)),
        KINKED,
        (
            Case(even_grid((2, 3)), low_bound((2, 3)), high_bound((2, 3))),
            Case(even_grid((2, 3)), low_bound((3,)), high_bound(())),
            Case(even_grid(()), low_bound(()), high_bound(())),
            Case(even_grid((4,)), -1.0, 0.6),
            Case(even_grid((4,)), -math.inf, 1),
            Case(even_grid((0,)), low_bound((1,)), math.inf),
        ),
    ),
    # no gradient
    "equal": binary(lambda a, b: ~(a != b), NONE, small_whole, small_whole, (0.0, 1)),
    "not_equal": binary(lambda a, b: (a < b) | (a > b), NONE, small_whole, small_whole, (0.0, 1)),
    "less": binary(lambda a, b: b > a, NONE, small_whole, small_whole, (0.0, 1)),
    "less_equal": binary(lambda a, b: ~(a > b), NONE, small_whole, small_whole, (0.0, 1)),
    "greater": binary(lambda a, b: b < a, NONE, small_whole, small_whole, (0.0, 1)),
    "greater_equal": binary(lambda a, b: ~(a < b), NONE, small_whole, small_whole, (0.0, 1)),
    "logical_and": binary(lambda a, b: (a != 0) & (b != 0), NONE, truth, truth, (True,)),
    "logical_or": binary(lambda a, b: (a != 0) | (b != 0), NONE, truth, truth, (False,)),
    "logical_not": unary(lambda x: x == 0, NONE, truth),
    "bitwise_and": binary(bits(operator.and_), NONE, whole, whole, (6, -1)),
    "bitwise_or": binary(bits(operator.or_), NONE, whole, whole, (6, -1)),
    "bitwise_xor": binary(bits(operator.xor), NONE, whole, whole, (6, -1)),
    "invert": unary(lambda x: -1 - x, NONE, whole),
    "left_shift": binary(bits(operator.lshift), NONE, whole, places, (3,)),
    "right_shift": binary(bits(operator.rshift), NONE, whole, places, (3,)),
    "isfinite": unary(np.vectorize(math.isfinite, otypes=[bool]), NONE, odd),
    "isnan": unary(lambda x: x != x, NONE, odd),
    "floor": unary(each(math.floor), NONE, halves),
    "ceil": unary(each(math.ceil), NONE, halves),
    "round": unary(each(round), NONE, halves),
    "floor_divide": binary(lambda a, b: np.floor(a / b), NONE, halves, nonzero_halves, (1.5, 2)),
    "mod": Sample(
        lambda a, b: a - b * np.floor(a / b),
        KINKED,
        (*binary(np.mod, KINKED, between_multiples, divisor, ()).cases, Case(between_multiples((3,)), 1.75),
         Case(6.5, divisor((3,)))),
    ),
    "stop_gradient": unary(lambda x: x, NONE),
    "astype": Sample(
        lambda x, *, dtype: np.array(x, dtype),
        SMOOTH,
        (Case(real((2, 3)), dtype=np.dtype(np.float64)), Case(real(()), dtype=np.dtype(np.float64)),
         Case(real((0,)), dtype=np.dtype(np.float64)), Case(truth((2,)), dtype=np.dtype(np.float32)),
         Case(small_whole((2,)), dtype=np.dtype(np.int64)), Case(small_whole((2,)), dtype=np.dtype(bool))),
    ),
    # movement
    "reshape": movement(
        lambda x, *, shape: np.array(x).ravel().reshape(shape),
        Case(real((2, 3)), shape=(3, 2)), Case(real(()), shape=(1, 1)), Case(real((1,)), shape=()),
        Case(real((0, 2)), shape=(0,)), Case(strided(real((2, 3))), shape=(6,)),
    ),
    "transpose": movement(
        lambda x, *, axes: np.einsum(x, list(range(x.ndim)), list(axes)),
        Case(real((2, 3)), axes=(1, 0)), Case(real((2, 3, 4)), axes=(2, 0, 1)), Case(real((3,)), axes=(0,)),
        Case(real(()), axes=()), Case(real((0, 2)), axes=(1, 0)),
    ),
    "broadcast_to": movement(
        lambda x, *, shape: x + np.zeros(shape, np.asarray(x).dtype),
        Case(real((3,)), shape=(2, 3)), Case(real((2, 1)), shape=(2, 3)), Case(real(()), shape=(2, 2)),
        Case(real(()), shape=()), Case(real((1,)), shape=(0,)), Case(real((2, 1, 3)), shape=(4, 2, 5, 3)),
    ),
    "reduce_to": movement(
        _summed_down,
        Case(real((2, 3)), shape=(3,)), Case(real((2, 3)), shape=(2, 1)), Case(real((2, 2)), shape=()),
        Case(real((2, 3)), shape=(2, 3)), Case(real((0,)), shape=(1,)), Case(real((4, 2, 5, 3)), shape=(2, 1, 3)),
    ),
    "flip": movement(
        lambda x, *, axis: x[tuple(slice(None, None, -1) if axis is None or i in np.atleast_1d(axis) % x.ndim
                                   else slice(None) for i in range(x.ndim))],
        Case(real((2, 3)), axis=None), Case(real((2, 3)), axis=1), Case(real((2, 3, 2)), axis=(0, -1)),
        Case(real((0,)), axis=0), Case(real((1,)), axis=0),
    ),
    "roll": movement(
        np.roll,
        Case(real((4,)), shift=1, axis=None), Case(real((2, 3)), shift=-1, axis=1),
        Case(real((2, 3)), shift=4, axis=None), Case(real((2, 3)), shift=(1, -2), axis=(0, 1)),
        Case(real((0,)), shift=1, axis=None),
    ),
    "tril": movement(
        lambda x, *, k: x * (np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None] <= k),
        Case(real((3, 3)), k=0), Case(real((2, 3)), k=1), Case(real((2, 3, 2)), k=-1), Case(real((0, 0)), k=0),
    ),
    "triu": movement(
        lambda x, *, k: x * (np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None] >= k),
        Case(real((3, 3)), k=0), Case(real((2, 3)), k=1), Case(real((2, 3, 2)), k=-1), Case(real((0, 0)), k=0),
    ),
    "pad": movement(
        lambda x, *, width, value: np.pad(x, width, mode="constant", constant_values=value),
        Case(real((3,)), width=((1, 2),), value=0.0), Case(real((2, 3)), width=((0, 1), (2, 0)), value=1.5),
        Case(real((0,)), width=((1, 1),), value=0.0), Case(real((2,)), width=((0, 0),), value=0.0),
    ),
    "concatenate": movement(
        lambda *arrays, axis: np.append(arrays[0], np.concatenate(arrays[1:], axis), axis) if arrays[1:] else arrays[0],
        Case(real((2,)), real((3,)), axis=0), Case(real((2, 1)), real((2, 3)), real((2, 2)), axis=1),
        Case(real((2, 3)), axis=0), Case(real((0,)), real((2,)), axis=0),
    ),
    "stack": movement(
        lambda *arrays, axis: np.moveaxis(np.array(arrays), 0, axis),
        Case(real((2,)), real((2,)), axis=0), Case(real((2, 3)), real((2, 3)), real((2, 3)), axis=2),
        Case(real(()), real(()), axis=0), Case(real((0,)), axis=1),
    ),
    # indexing
    "getitem": movement(
        lambda x, *arrays, index: np.array(x)[_index(arrays, index)],
        Case(real((4,)), index=(2,)), Case(real((2, 3)), index=(-1,)), Case(real((4, 3)), index=(slice(1, None, 2),)),
        Case(real((4,)), index=(slice(None, None, -1),)), Case(real((2, 3)), index=(Ellipsis, None, 0)),
        Case(real((3,)), exactly(0, 0, 2), index=(ARRAY,)), Case(real((3,)), exactly(), index=(ARRAY,)),
        Case(real((3, 4)), below(3)((2, 2)), index=(ARRAY,)),
        Case(real((3, 4)), below(4)((5,)), index=(slice(0, 2), ARRAY)),
        Case(real((3, 4)), below(3)((2, 1)), below(4)((3,)), index=(ARRAY, ARRAY)),
        Case(real((3, 2, 4)), below(3)((5,)), below(4)((5,)), index=(ARRAY, slice(None), ARRAY)),
        Case(real((3, 2, 4)), below(4)((5,)), index=(0, slice(None), ARRAY)),
        Case(real((3,)), below(3)(()), index=(ARRAY,)), Case(real((0, 2)), index=(slice(None), 1)),
        Case(real(()), index=()), Case(real(()), index=(None,)),
    ),
    "scatter_add": movement(
        _scattered,
        Case(real(()), index=(2,), shape=(4,)), Case(real((2, 3)), index=(slice(1, None, 2),), shape=(4, 3)),
        Case(real((3,)), exactly(0, 0, 2), index=(ARRAY,), shape=(3,)),
        Case(real((2, 2, 4)), below(3)((2, 2)), index=(ARRAY,), shape=(3, 4)),
        Case(real((5, 2)), below(3)((5,)), below(4)((5,)), index=(ARRAY, slice(None), ARRAY), shape=(3, 2, 4)),
        Case(real((0,)), exactly(), index=(ARRAY,), shape=(3,)), Case(real((1,)), index=(None,), shape=()),
    ),
    "take_along_axis": movement(
        _taken,
        Case(real((2, 3)), below(3)((2, 4)), axis=1), Case(real((2, 3)), below(2)((1, 3)), axis=0),
        Case(real((3,)), exactly(1, 1), axis=0), Case(real((2, 3, 2)), below(3)((2, 1, 2)), axis=1),
        Case(real((2, 3)), below(3)((2, 0)), axis=1),
    ),
    "diagonal": movement(
        lambda x, *, offset, axes: np.diagonal(x, offset=offset, axis1=axes[0], axis2=axes[1]).copy(),
        Case(real((3, 3)), offset=0, axes=(0, 1)), Case(real((2, 4)), offset=1, axes=(0, 1)),
        Case(real((3, 2, 4)), offset=-1, axes=(2, 0)), Case(real((3, 2)), offset=-5, axes=(0, 1)),
        Case(real((0, 0)), offset=0, axes=(0, 1)),
    ),
    "make_diagonal": movement(
        _with_diagonal,
        Case(real((3,)), offset=0, axes=(0, 1), shape=(3, 3)), Case(real((2,)), offset=1, axes=(0, 1), shape=(2, 4)),
        Case(real((2, 2)), offset=-1, axes=(2, 0), shape=(3, 2, 3)),
        Case(real((0,)), offset=0, axes=(0, 1), shape=(0, 2)),
    ),
    # contractions
    "matmul": Sample(_product, ANALYTIC, tuple(
        Case(real(a), real(b)) for a, b in (
            ((2, 3), (3, 4)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
            ((5, 1, 2, 3), (4, 3, 2)), ((3,), (5, 3, 2)), ((5, 2, 3), (3,)), ((1, 1), (1, 1)), ((2, 0), (0, 3)),
            ((0, 3), (3, 2)), ((1, 2, 3), (5, 3, 1)),
        ))),
    "einsum": Sample(
        lambda *arrays, subscripts: np.einsum(subscripts, *arrays, optimize=False),
        ANALYTIC,
        tuple(
            Case(*map(real, shapes), subscripts=subscripts)
            for subscripts, *shapes in (
                ("ij,jk->ik", (2, 3), (3, 4)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ii->i", (3, 3)),
                ("ii->", (3, 3)), ("i,i->", (3,), (3,)), ("i,j->ij", (2,), (3,)),
                ("bij,bjk->bik", (2, 3, 2), (2, 2, 3)),
                ("ijk,kj->i", (2, 3, 4), (4, 3)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 3)),
                ("ij,ij->j", (1, 3), (2, 3)), ("iij,j->i", (2, 2, 3), (3,)), ("ij,jk->ik", (2, 0), (0, 3)), ("->", ()),
                (",i->i", (), (3,)),
            )
        ),
    ),
    # linear algebra
    "solve": Sample(
        lambda a, b: _product(np.linalg.inv(a), b),
        ANALYTIC,
        tuple(Case(matrix(a), real(b)) for a, b in (
            ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (2, 3, 2)), ((2, 3, 3), (3, 2)), ((3, 3), (2, 3, 2)),
            ((2, 3, 3), (3,)), ((1, 1), (1,)), ((2, 2), (2, 0)),
        )),
    ),
    "inv": Sample(
        lambda x: np.linalg.solve(x, np.eye(x.shape[-1], dtype=x.dtype)),
        ANALYTIC,
        tuple(map(Case, map(matrix, SQUARE))),
    ),
    "det": Sample(_by_minors, ANALYTIC, tuple(map(Case, map(matrix, SQUARE)))),
    "logabsdet": Sample(lambda x: np.log(np.abs(_by_minors(x))), SMOOTH, tuple(map(Case, map(matrix, SQUARE)))),
    "cholesky": Sample(
        _cholesky, SMOOTH, tuple(map(Case, map(positive_definite, SQUARE))), lambda v: v + np.swapaxes(v, -1, -2)
    ),
    "detsign": Sample(lambda x: np.sign(_by_minors(x)), NONE, tuple(map(Case, map(matrix, SQUARE)))),
    # reductions
    "sum": reduction(
        lambda x, *, axis, keepdims: np.einsum(x, [*range(np.ndim(x))], []) if axis is None and not keepdims
        else np.sum(x, axis=axis, keepdims=keepdims), ANALYTIC, real, empty=True,
    ),
    "prod": reduction(np.prod, ANALYTIC, real, halves, empty=True),
    "max": reduction(lambda x, **settings: -np.amin(-x, **settings), KINKED, distinct),
    "min": reduction(lambda x, **settings: -np.amax(-x, **settings), KINKED, distinct),
    "cumsum": movement(
        lambda x, *, axis: np.moveaxis(np.moveaxis(x, axis, -1) @ np.tri(x.shape[axis]).T, -1, axis),
        Case(real((4,)), axis=0), Case(real((2, 3)), axis=1), Case(real((3, 2, 2)), axis=0), Case(real((0,)), axis=0),
    ),
    "argmax": reduction(
        lambda x, **settings: _extreme_index(x, **settings, sign=-1), NONE, distinct, small_whole, several=False
    ),
    "argmin": reduction(
        lambda x, **settings: _extreme_index(x, **settings, sign=1), NONE, distinct, small_whole, several=False
    ),
}
# fmt: on
