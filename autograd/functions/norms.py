"""Norms of vectors and matrices, as `numpy.linalg.norm` gives them; at 0 their gradient is 0, their Hessian nan."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError
from ..core.ops.axes import Axis, axis_numbers, normal_axis
from ..core.ops.elementwise import abs_p, cast, power, sqrt, where
from ..core.ops.reduce import kept_shape
from ..core.ops.shape import reshape_p, transpose_p
from ..core.primitive import Array
from .protocols import implements
from .reductions import max, min, total


@implements("linalg.norm")
def norm(x: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Norm of vectors (one axis) or matrices (two); by default √Σ x² over all elements.  Its gradient at 0 is 0.

    Args:
        x: array.
        ord: for vectors p in (Σ |x|**p)**(1/p), or ±inf, or 0; for matrices "fro", "nuc", ±1, ±2, ±inf.
        axis: the axis of the vectors, or the two axes of the matrices; all axes by default.
        keepdims: keep the reduced axes, with length one.

    Raises:
        ArgumentError: there is no such norm, or neither one axis nor two.
        AxisError: the array has no such axis.

    >>> import autograd as ag
    >>> float(ag.norm(ag.Tensor([3.0, 4.0]))), float(ag.norm(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), 1))
    (5.0, 6.0)
    """
    x = _inexact(x)
    if axis is None and ord is None:
        return _euclidean(x, None, keepdims)
    axes = tuple(range(x.ndim)) if axis is None else axis_numbers(axis, x.ndim)
    if len(axes) == 1:
        return vector_norm(x, 2 if ord is None else ord, axes, keepdims)
    if len(axes) != 2:
        raise ArgumentError(f"norm with ord={ord!r} takes one axis or two, got {len(axes)} for shape {x.shape}")
    return matrix_norm(x, "fro" if ord is None else ord, axes, keepdims)


def _inexact(x: Array) -> Array:
    x = as_array(x)
    return x if x.dtype.kind == "f" else cast(x, float)


def _euclidean(x: Array, axis: Axis, keepdims: bool) -> Array:
    square = total(x * x, axis, keepdims)
    return where(square == 0, _flat(square), sqrt(where(square == 0, 1.0, square)))


def _flat(square: Array) -> Array:
    """0 where the sum is 0, with the derivative 0, as is the convention there, and without a second one: nan."""
    return power(where(square == 0, square, 1.0), 1.5)


def vector_norm(x: Array, ord: Any, axis: Axis, keepdims: bool) -> Array:
    """(Σ |x|**ord)**(1/ord) over the axes, and its limits."""
    x = _inexact(x)
    size, axis = abs_p(x), normal_axis(axis, x.ndim)
    if ord == math.inf:
        return _largest(size, axis, keepdims)
    if ord == -math.inf:
        return min(size, axis, keepdims=keepdims)
    if ord == 0:
        return cast(total(x != 0, axis, keepdims), x.dtype)
    if ord == 1:
        return total(size, axis, keepdims)
    if ord == 2:
        return _euclidean(x, axis, keepdims)
    if isinstance(ord, str):
        raise ArgumentError(f"the norm {ord!r} is one of matrices, got an axis of vectors: pass two axes")
    powers = total(power(size, float(ord)), axis, keepdims)
    return where(powers == 0, _flat(powers) if ord > 0 else math.inf, power(where(powers == 0, 1.0, powers), 1 / ord))


def _largest(x: Array, axis: Axis, keepdims: bool = False) -> Array:
    """The largest of elements that are not negative, 0 where there are none."""
    return max(x, axis, keepdims=keepdims, initial=None if x.size else 0.0)


def matrix_norm(x: Array, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Norms of the matrices whose rows and columns are counted along the two axes."""
    x = _inexact(x)
    row, column = axis_numbers(axes, x.ndim)
    if ord in ("fro", "f"):
        return _euclidean(x, (row, column), keepdims)
    rest = [i for i in range(x.ndim) if i not in (row, column)]
    matrices = transpose_p(x, axes=(*rest, row, column))
    if ord in (1, -1, math.inf, -math.inf):
        sums = total(abs_p(matrices), -2 if abs(ord) == 1 else -1)
        found = _largest(sums, -1) if ord > 0 else min(sums, -1)
    elif ord in (2, -2, "nuc"):
        values = np.linalg.svd(matrices, compute_uv=False)
        found = total(values, -1) if ord == "nuc" else _largest(values, -1) if ord == 2 else min(values, -1)
    else:
        raise ArgumentError(f"matrices have the norms 'fro', 'nuc', ±1, ±2 and ±inf, got {ord!r}")
    return reshape_p(found, shape=kept_shape(x.shape, (row, column))) if keepdims else found
