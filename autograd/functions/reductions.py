"""NumPy's sums, products, extrema and running ones, with every keyword that has a meaning here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, ShapeError
from ..core.ops import reduce
from ..core.ops.axes import Axis, axis_number, axis_numbers, normal_axis
from ..core.ops.elementwise import astype, isnan, logical_not, maximum, sqrt, where
from ..core.ops.shape import concatenate, expand_dims, getitem, reshape
from ..core.primitive import Array
from . import composite
from .composite import free, narrowed, widened
from .protocols import implements


def masked(a: Array, mask: Array, other: float) -> Array:
    """a, but `other` where the mask does not hold."""
    return a if mask is True or mask is None else where(mask, a, other)


def cast(a: Array, dtype: Any) -> Array:
    """a, in that dtype where one is named."""
    return as_array(a) if dtype is None else astype(as_array(a), dtype)


@implements("sum")
def sum(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """Σ over the axes."""
    total = reduce.sum(masked(cast(a, dtype), where, 0), axis, keepdims)
    return total if initial is None else total + astype(initial, total.dtype)


@implements("prod")
def prod(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """Π over the axes."""
    total = reduce.prod(masked(cast(a, dtype), where, 1), axis, keepdims)
    return total if initial is None else total * astype(initial, total.dtype)


@implements("max", "amax")
def max(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """The largest element; ties share the gradient."""
    return reduce.max(_chosen(a, initial, where), axis, keepdims, initial=initial)


@implements("min", "amin")
def min(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """The smallest element; ties share the gradient."""
    return reduce.min(_chosen(a, initial, where), axis, keepdims, initial=initial)


def _chosen(a: Array, initial: float | None, mask: Array) -> Array:
    if initial is None and mask is not True and mask is not None:
        raise ArgumentError("the largest or smallest of elements chosen by where= may be that of none: pass initial=")
    a = as_array(a)
    return a if initial is None else masked(a, mask, astype(initial, a.dtype))


@implements("ptp")
def ptp(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """Largest less smallest element."""
    return reduce.max(a, axis, keepdims) - reduce.min(a, axis, keepdims)


@implements("count_nonzero")
def count_nonzero(a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """How many elements are not 0; no gradient."""
    return reduce.sum(as_array(a) != 0, axis, keepdims)


@implements("any")
def any(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Array = True) -> Array:
    """Whether some element is not 0; no gradient."""
    return count_nonzero(masked(a, where, 0), axis, keepdims=keepdims) > 0


@implements("all")
def all(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Array = True) -> Array:
    """Whether no element is 0; no gradient."""
    return reduce.sum(masked(a, where, 1) == 0, axis, keepdims) == 0


@implements("argmax")
def argmax(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first largest element; no gradient."""
    return reduce.argmax(a, axis, keepdims)


@implements("argmin")
def argmin(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first smallest element; no gradient."""
    return reduce.argmin(a, axis, keepdims)


# ----- running -----
@implements("cumsum")
def cumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running sum."""
    return reduce.cumsum(cast(a, dtype), axis)


@implements("cumprod")
def cumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running product, doubling its reach at each turn, so that gradients are exact where elements are 0."""
    x = cast(a, dtype)
    x, axis = reduce.running(x, axis)
    if x.dtype.kind in "iub":
        x = astype(x, np.multiply.accumulate(np.ones(1, x.dtype)).dtype)  # short integers become long ones
    reach = 1
    head = (slice(None),) * axis
    while reach < x.shape[axis]:
        product = getitem(x, (*head, slice(reach, None))) * getitem(x, (*head, slice(None, -reach)))
        x, reach = concatenate((getitem(x, (*head, slice(None, reach))), product), axis), 2 * reach
    return x


def _with_initial(x: Array, y: Array, axis: int | None, include: bool, first: float) -> Array:
    if axis is None and x.ndim > 1:
        raise ArgumentError(f"cumulative sums and products of shape {x.shape} need an axis")
    if not include:
        return y
    axis = axis_number(0 if axis is None else axis, y.ndim)
    shape = tuple(1 if i == axis else n for i, n in enumerate(y.shape))
    return concatenate((np.full(shape, first, y.dtype), y), axis)


@implements("cumulative_sum")
def cumulative_sum(
    x: Array, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Array:
    """Running sum, from 0 if the initial value is included."""
    return _with_initial(x, cumsum(x, axis, dtype), axis, include_initial, 0)


@implements("cumulative_prod")
def cumulative_prod(
    x: Array, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Array:
    """Running product, from 1 if the initial value is included."""
    return _with_initial(x, cumprod(x, axis, dtype), axis, include_initial, 1)


# ----- means and spreads -----
def count(a: Array, axis: Axis, mask: Array, keepdims: bool = False) -> Array:
    """How many elements go into each result of a reduction."""
    axes = normal_axis(axis, a.ndim)
    if mask is True or mask is None:
        return composite.count(a.shape, axes)
    here = reduce.sum(np.broadcast_to(mask, a.shape) if isinstance(mask, np.ndarray) else mask, axis, keepdims)
    return astype(here, a.dtype if a.dtype.kind == "f" else float)


@implements("mean")
def mean(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Array = True
) -> Array:
    """Σ x / n over the axes."""
    a = cast(a, dtype)
    wide = widened(a)
    return narrowed(sum(wide, axis, keepdims=keepdims, where=where) / count(wide, axis, where, keepdims), a)


@implements("var")
def var(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Array = True,
    mean: Array | None = None,
    correction: float | None = None,
) -> Array:
    """Σ (x - mean)² / (n - ddof) over the axes."""
    a = cast(a, dtype)
    return narrowed(_spread(widened(a), axis, ddof if correction is None else correction, keepdims, where, mean), a)


def _spread(a: Array, axis: Axis, ddof: float, keepdims: bool, where: Array, mean: Array | None) -> Array:
    if mean is None:
        mean = sum(a, axis, keepdims=True, where=where) / count(a, axis, where, True)
    n = count(a, axis, where, keepdims)
    left = free(n, ddof) if isinstance(n, int) else maximum(n - ddof, 0)
    away = masked(a - mean, where, 0)
    return reduce.sum(away * away, axis, keepdims) / left


@implements("std")
def std(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Array = True,
    mean: Array | None = None,
    correction: float | None = None,
) -> Array:
    """Square root of the variance."""
    a = cast(a, dtype)
    return narrowed(
        sqrt(_spread(widened(a), axis, ddof if correction is None else correction, keepdims, where, mean)), a
    )


# ----- leaving out nan -----
def present(a: Array, mask: Array = True) -> Array:
    """Where the elements are numbers, and named by the mask."""
    there = logical_not(isnan(a))
    return there if mask is True or mask is None else there & mask


@implements("nansum")
def nansum(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """Sum of all that is not nan."""
    return sum(a, axis, dtype, None, keepdims, initial, present(a, where))


@implements("nanprod")
def nanprod(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """Product of all that is not nan."""
    return prod(a, axis, dtype, None, keepdims, initial, present(a, where))


def _nan_where_empty(a: Array, result: Array, axis: Axis, keepdims: bool) -> Array:
    return where(reduce.sum(present(a), axis, keepdims) > 0, result, math.nan)


@implements("nanmax")
def nanmax(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """The largest number; nan where there is none."""
    if as_array(a).dtype.kind in "iub":  # (no nan among these)
        return max(a, axis, None, keepdims, initial, where)
    best = max(masked(a, present(a), -math.inf), axis, None, keepdims, initial, where)
    return best if initial is not None else _nan_where_empty(a, best, axis, keepdims)


@implements("nanmin")
def nanmin(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """The smallest number; nan where there is none."""
    if as_array(a).dtype.kind in "iub":  # (no nan among these)
        return min(a, axis, None, keepdims, initial, where)
    best = min(masked(a, present(a), math.inf), axis, None, keepdims, initial, where)
    return best if initial is not None else _nan_where_empty(a, best, axis, keepdims)


@implements("nanargmax")
def nanargmax(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first largest number; no gradient."""
    return reduce.argmax(masked(a, present(a), -math.inf), axis, keepdims)


@implements("nanargmin")
def nanargmin(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first smallest number; no gradient."""
    return reduce.argmin(masked(a, present(a), math.inf), axis, keepdims)


@implements("nancumsum")
def nancumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running sum with 0 for nan."""
    return cumsum(masked(a, present(a), 0), axis, dtype)


@implements("nancumprod")
def nancumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running product with 1 for nan."""
    return cumprod(masked(a, present(a), 1), axis, dtype)


@implements("nanmean")
def nanmean(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Array = True
) -> Array:
    """Mean of all that is not nan."""
    return mean(a, axis, dtype, None, keepdims, where=present(a, where))


@implements("nanvar")
def nanvar(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Array = True,
    mean: Array | None = None,
    correction: float | None = None,
) -> Array:
    """Variance of all that is not nan."""
    mask = present(a, where)
    found = var(a, axis, dtype, None, ddof, keepdims, where=mask, mean=mean, correction=correction)
    return _nan_where_none_is_free(found, mask, axis, keepdims, ddof if correction is None else correction)


def _nan_where_none_is_free(found: Array, mask: Array, axis: Axis, keepdims: bool, ddof: float) -> Array:
    return where(reduce.sum(mask, axis, keepdims) > ddof, found, math.nan)


@implements("nanstd")
def nanstd(
    a: Array,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Array = True,
    mean: Array | None = None,
    correction: float | None = None,
) -> Array:
    """Standard deviation of all that is not nan."""
    mask = present(a, where)
    found = std(a, axis, dtype, None, ddof, keepdims, where=mask, mean=mean, correction=correction)
    return _nan_where_none_is_free(found, mask, axis, keepdims, ddof if correction is None else correction)


@implements("trapezoid")
def trapezoid(y: Array, x: Array | None = None, dx: float = 1.0, axis: int = -1) -> Array:
    """Σ Δx (y_i + y_{i+1}) / 2 along an axis."""
    y = as_array(y)
    axis = axis_number(axis, y.ndim)
    head = (slice(None),) * axis
    width: Array = dx
    if x is not None:
        width = np.diff(as_array(x), axis=axis if np.ndim(x) == y.ndim else -1)
        for _ in range(y.ndim - 1 - axis if width.ndim == 1 else 0):
            width = expand_dims(width, -1)
    between = getitem(y, (*head, slice(1, None))) + getitem(y, (*head, slice(None, -1)))
    return reduce.sum(width * between / 2.0, axis)


@implements("average")
def average(
    a: Array, axis: Axis = None, weights: Array | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Σ w x / Σ w; with `returned` also Σ w."""
    a = as_array(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        total = np.full(result.shape, float(count(a, axis, True)), result.dtype)[()]
        return (result, total) if returned else result
    w = as_array(weights)
    wide = np.result_type(a.dtype, w.dtype, *([float] if a.dtype.kind in "iub" else []))
    a, w = cast(a, wide), cast(w, wide)
    normal_axis(axis, a.ndim)
    if w.shape != a.shape:
        axes = axis_numbers(() if axis is None else axis, a.ndim)
        if axis is None or w.shape != tuple(a.shape[i] for i in axes):
            raise ShapeError(f"weights of shape {w.shape} do not fit axis {axis} of shape {a.shape}")
        lengths = tuple(n if i in axes else 1 for i, n in enumerate(a.shape))
        w = reshape(np.transpose(w, tuple(np.argsort(axes))), lengths) + np.zeros(a.shape, w.dtype)
    total = reduce.sum(w, axis, keepdims)
    result = reduce.sum(a * w, axis, keepdims) / total
    return (result, total) if returned else result
