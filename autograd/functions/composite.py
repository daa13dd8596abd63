"""Functions made of primitives: they have no rules of their own, so whatever is true of the primitives is true of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ..core.errors import ShapeError
from ..core.ops.axes import Axis, axis_numbers, normal_axis, whole
from ..core.ops.elementwise import astype, erf, exp, isfinite, log, sigmoid, sqrt, stop_gradient, where
from ..core.ops.linalg import matmul
from ..core.ops.reduce import max, sum
from ..core.ops.shape import reshape, transpose
from ..core.primitive import Array, Box
from ..core.subclasses import numbers


def _array(x: Array) -> Array:
    """x itself where it stands for an array, else an array of it."""
    return x if isinstance(x, Box) else numbers(x)


_WIDER = dict.fromkeys("bhilqBHILQ", np.dtype(np.float64)) | {"e": np.dtype(np.float32)}


def widened(x: Array) -> Array:
    """x in the dtype in which NumPy averages it: float32 for float16, float64 for integers."""
    wider = _WIDER.get(x.dtype.char)
    return x if wider is None else astype(x, wider)


def narrowed(y: Array, x: Array) -> Array:
    """A result of `widened(x)` in the dtype that it has for x."""
    return astype(y, x.dtype) if x.dtype.char == "e" else y


def count(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> int:
    """How many elements go into each result of a reduction."""
    return math.prod(shape if axis is None else [shape[i] for i in axis])


def mean(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over the axes divided by the number of elements; float16 is summed in float32.

    >>> import autograd as ag
    >>> float(ag.mean(ag.Tensor([1.0, 2.0, 6.0])))
    3.0
    """
    x = _array(x)
    axes = normal_axis(axis, x.ndim)
    return narrowed(sum(widened(x), axes, keepdims) / count(x.shape, axes), x)


def var(x: Array, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Array:
    """Σ (x - mean)² / (n - ddof) over the axes; inf or nan where n is not above ddof.

    >>> import autograd as ag
    >>> float(ag.var(ag.Tensor([1.0, 3.0])))
    1.0
    """
    x = _array(x)
    return narrowed(_spread(widened(x), axis, keepdims, ddof), x)


def std(x: Array, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Array:
    """Square root of the variance.

    >>> import autograd as ag
    >>> float(ag.std(ag.Tensor([1.0, 3.0])))
    1.0
    """
    x = _array(x)
    return narrowed(sqrt(_spread(widened(x), axis, keepdims, ddof)), x)


def _spread(x: Array, axis: Axis, keepdims: bool, ddof: float) -> Array:
    axes = normal_axis(axis, x.ndim)
    centred = x - mean(x, axes, keepdims=True)
    return sum(centred * centred, axes, keepdims) / free(count(x.shape, axes), ddof)


def free(n: int, ddof: float) -> float:
    """Degrees of freedom, of which there are none below 0."""
    return n - ddof if n > ddof else 0


def _top(x: Array, axis: Axis) -> Array:
    """The largest element as a constant; 0 where it is infinite, so that subtracting it gives no nan."""
    top = stop_gradient(max(x, axis, keepdims=True))
    return where(isfinite(top), top, 0.0)


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """log Σ exp(x) over the axes, without overflow.

    >>> import autograd as ag
    >>> float(ag.logsumexp(ag.Tensor([1000.0, 1000.0]))) == 1000 + math.log(2)
    True
    """
    top = _top(x, axis)
    total = log(sum(exp(x - top), axis, keepdims=True)) + top
    return total if keepdims else reshape(total, _dropped(x, axis))


def _dropped(x: Array, axis: Axis) -> tuple[int, ...]:
    axes = normal_axis(axis, x.ndim)
    return tuple(n for i, n in enumerate(x.shape) if axes is not None and i not in axes)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """exp(x) / Σ exp(x) along the axes, without overflow.

    >>> import autograd as ag
    >>> ag.softmax(ag.Tensor([0.0, 0.0])).data
    array([0.5, 0.5])
    """
    powers = exp(x - _top(x, axis))
    return powers / sum(powers, axis, keepdims=True)


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """x - log Σ exp(x) along the axes, without overflow.

    >>> import autograd as ag
    >>> bool(ag.log_softmax(ag.Tensor([1e4, 0.0])).data[1] == -1e4)
    True
    """
    shifted = x - _top(x, axis)
    return shifted - log(sum(exp(shifted), axis, keepdims=True))


def gelu(x: Array) -> Array:
    """x Φ(x) with the normal distribution function Φ (Hendrycks and Gimpel, 2016), exactly: ½ x (1 + erf(x / √2)).

    >>> import autograd as ag
    >>> float(ag.gelu(ag.Tensor(0.0)))
    0.0
    """
    return 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def silu(x: Array) -> Array:
    """x sigmoid(x), also called swish.

    >>> import autograd as ag
    >>> float(ag.silu(ag.Tensor(0.0)))
    0.0
    """
    return x * sigmoid(x)


def leaky_relu(x: Array, negative_slope: float = 0.01) -> Array:
    """x where x > 0, else negative_slope * x.

    >>> import autograd as ag
    >>> ag.leaky_relu(ag.Tensor([-1.0, 2.0])).data
    array([-0.01,  2.  ])
    """
    return where(x > 0, x, negative_slope * x)


def dot(a: Array, b: Array) -> Array:
    """NumPy's dot: product with a number, inner product of vectors, last axis of a with second to last of b.

    >>> import autograd as ag
    >>> float(ag.dot(ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])))
    11.0
    """
    a, b = _array(a), _array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 2,)))


def outer(a: Array, b: Array) -> Array:
    """a_i b_j for all pairs of the flattened arguments.

    >>> import autograd as ag
    >>> ag.outer(ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])).data
    array([[3., 4.],
           [6., 8.]])
    """
    return reshape(_array(a), (-1, 1)) * reshape(_array(b), (1, -1))


def tensordot(a: Array, b: Array, axes: int | Sequence[Sequence[int]] = 2) -> Array:
    """Sum of products over the given axes: a number n (the last n of a with the first n of b) or two lists.

    >>> import autograd as ag
    >>> ag.tensordot(ag.Tensor([[1.0, 2.0]]), ag.Tensor([3.0, 4.0]), axes=1).data
    array([11.])
    """
    a, b = _array(a), _array(b)
    if not isinstance(axes, Iterable) or getattr(axes, "ndim", 1) == 0:
        n = whole(axes)
        axes = (range(a.ndim - n, a.ndim), range(n))
    left, right = (axis_numbers(part, x.ndim) for x, part in zip((a, b), axes, strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(f"tensordot of {a.shape} and {b.shape} over axes {left} and {right}: their lengths differ")
    free_a, free_b = ([i for i in range(x.ndim) if i not in used] for x, used in ((a, left), (b, right)))
    rows, inner = [a.shape[i] for i in free_a], math.prod(a.shape[i] for i in left)
    columns = [b.shape[i] for i in free_b]
    flat_a = reshape(transpose(a, (*free_a, *left)), (math.prod(rows), inner))
    flat_b = reshape(transpose(b, (*right, *free_b)), (inner, math.prod(columns)))
    return reshape(matmul(flat_a, flat_b), (*rows, *columns))
