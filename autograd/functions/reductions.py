"""NumPy's sums, products, extrema, means and running ones, with every keyword that has a meaning here."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, ShapeError
from ..core.ops import elementwise as ops
from ..core.ops import reduce
from ..core.ops.axes import Axis, axis_number, axis_numbers, normal_axis, reduced_axis, whole
from ..core.ops.elementwise import cast, isnan, logical_not, maximum, minimum, sqrt, where
from ..core.ops.shape import concatenate_p, getitem
from ..core.primitive import Array, Primitive
from .movement import expand_dims, reshape
from .protocols import UFUNC_METHODS, implements
from .special import logaddexp


def masked(a: Array, mask: Array, other: float) -> Array:
    """a, but `other` where the mask does not hold."""
    return a if mask is True or mask is None else where(mask, a, other)


def in_dtype(a: Array, dtype: Any) -> Array:
    """a, in that dtype where one is named."""
    return as_array(a) if dtype is None else cast(as_array(a), dtype)


def _over(op: Primitive, a: Array, axis: Axis, keepdims: bool) -> Array:
    return op(a, axis=None if axis is None else reduced_axis(axis, a.ndim), keepdims=bool(keepdims))


def total(a: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Σ over the axes, of what is an array already."""
    return _over(reduce.sum_p, a, axis, keepdims)


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
    """Σ over the axes (all by default).

    Args:
        a: array.
        axis: an axis, or several.
        dtype: that of the result; by default that of the array (integers become long ones).
        out: refused.
        keepdims: keep the reduced axes, with length one.
        initial: a number to start from.
        where: which elements are summed.

    >>> import autograd as ag
    >>> ag.sum(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).data
    array([4., 6.])
    """
    result = total(masked(in_dtype(a, dtype), where, 0), axis, keepdims)
    return result if initial is None else result + cast(initial, result.dtype)


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
    """Π over the axes, with the params of `sum`; its gradient is exact where elements are 0.

    >>> import autograd as ag
    >>> x = ag.Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ag.prod(x).backward()
    >>> x.grad
    array([0., 6., 0.])
    """
    result = _over(reduce.prod_p, masked(in_dtype(a, dtype), where, 1), axis, keepdims)
    return result if initial is None else result * cast(initial, result.dtype)


@implements("max", "amax")
def max(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """Largest element over the axes; ties share the gradient equally.

    Args:
        a: array.
        axis: an axis, or several; all by default.
        out: refused.
        keepdims: keep the reduced axes, with length one.
        initial: a number that is one of those looked at; needed where there may be no others.
        where: which elements are looked at.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> ag.max(x).backward()
    >>> x.grad
    array([0. , 0.5, 0.5])
    """
    return _extremum(reduce.max_p, maximum, a, axis, keepdims, initial, where)


@implements("min", "amin")
def min(
    a: Array,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: float | None = None,
    where: Array = True,
) -> Array:
    """Smallest element over the axes; ties share the gradient equally.

    Args:
        a: array.
        axis: an axis, or several; all by default.
        out: refused.
        keepdims: keep the reduced axes, with length one.
        initial: a number that is one of those looked at; needed where there may be no others.
        where: which elements are looked at.

    >>> import autograd as ag
    >>> float(ag.min(ag.Tensor([3.0, 1.0, 2.0])))
    1.0
    """
    return _extremum(reduce.min_p, minimum, a, axis, keepdims, initial, where)


def _extremum(
    op: Primitive, pick: Primitive, a: Array, axis: Axis, keepdims: bool, initial: float | None, mask: Array
) -> Array:
    if initial is None and mask is not True and mask is not None:
        raise ArgumentError("the largest or smallest of elements chosen by where= may be that of none: pass initial=")
    a = as_array(a)
    if initial is None:
        return _over(op, a, axis, keepdims)
    first = cast(initial, a.dtype)
    a, axes = masked(a, mask, first), reduced_axis(axis, a.ndim)
    if 0 in [n for i, n in enumerate(a.shape) if axes is None or i in axes]:
        return cast(total(a, axes, keepdims) + first, a.dtype)
    return pick(_over(op, a, axes, keepdims), first)


@implements("ptp")
def ptp(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False) -> Array:
    """Largest less smallest element."""
    a = as_array(a)
    return _over(reduce.max_p, a, axis, keepdims) - _over(reduce.min_p, a, axis, keepdims)


@implements("count_nonzero")
def count_nonzero(a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """How many elements are not 0; no gradient."""
    return total(as_array(a) != 0, axis, keepdims)


@implements("any")
def any(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Array = True) -> Array:
    """Whether some element is not 0; no gradient."""
    return total(masked(as_array(a), where, 0) != 0, axis, keepdims) > 0


@implements("all")
def all(a: Array, axis: Axis = None, out: None = None, keepdims: bool = False, *, where: Array = True) -> Array:
    """Whether no element is 0; no gradient."""
    return total(masked(as_array(a), where, 1) == 0, axis, keepdims) == 0


def _index_of(op: Primitive, a: Array, axis: int | None, keepdims: bool) -> Array:
    alone = axis is None or (a.ndim == 0 and whole(axis) in (0, -1))
    return op(a, axis=None if alone else axis_number(axis, a.ndim), keepdims=bool(keepdims))


@implements("argmax")
def argmax(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first largest element; no gradient.

    >>> import autograd as ag
    >>> int(ag.argmax(ag.Tensor([1.0, 5.0, 2.0])))
    1
    """
    return _index_of(reduce.argmax_p, as_array(a), axis, keepdims)


@implements("argmin")
def argmin(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first smallest element; no gradient.

    >>> import autograd as ag
    >>> int(ag.argmin(ag.Tensor([1.0, 5.0, 0.5])))
    2
    """
    return _index_of(reduce.argmin_p, as_array(a), axis, keepdims)


# ----- running -----
@implements("cumsum")
def cumsum(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running sum along an axis; of all elements in order by default.

    >>> import autograd as ag
    >>> ag.cumsum(ag.Tensor([1.0, 2.0, 3.0])).data
    array([1., 3., 6.])
    """
    x, axis = _in_order(in_dtype(a, dtype), axis)
    return reduce.cumsum_p(x, axis=axis)


def _in_order(x: Array, axis: int | None) -> tuple[Array, int]:
    """The array and the axis that a running sum or product goes along: all elements in a row for None."""
    if axis is None or x.ndim == 0:
        return reshape(x, -1), axis_number(0 if axis is None else axis, 1)
    return x, axis_number(axis, x.ndim)


def _running(op: Callable[[Array, Array], Array], x: Array, axis: int) -> Array:
    """x_0, op(x_0, x_1), ... for what may be bracketed at will, doubling its reach at each turn."""
    reach = 1
    head = (slice(None),) * axis
    while reach < x.shape[axis]:
        further = op(getitem(x, (*head, slice(None, -reach))), getitem(x, (*head, slice(reach, None))))
        x, reach = concatenate_p(getitem(x, (*head, slice(None, reach))), further, axis=axis), 2 * reach
    return x


@implements("cumprod")
def cumprod(a: Array, axis: int | None = None, dtype: Any = None, out: None = None) -> Array:
    """Running product, whose gradients are exact where elements are 0."""
    x, axis = _in_order(in_dtype(a, dtype), axis)
    if x.dtype.kind in "iub":
        x = cast(x, np.multiply.accumulate(np.ones(1, x.dtype)).dtype)  # short integers become long ones
    return _running(ops.mul, x, axis)


def _with_initial(x: Array, y: Array, axis: int | None, include: bool, first: float) -> Array:
    if axis is None and x.ndim > 1:
        raise ArgumentError(f"cumulative sums and products of shape {x.shape} need an axis")
    if not include:
        return y
    axis = axis_number(0 if axis is None else axis, y.ndim)
    shape = tuple(1 if i == axis else n for i, n in enumerate(y.shape))
    return concatenate_p(np.full(shape, first, y.dtype), y, axis=axis)


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
_WIDER = dict.fromkeys("bhilqBHILQ?", np.dtype(np.float64)) | {"e": np.dtype(np.float32)}


def widened(x: Array) -> Array:
    """x in the dtype in which NumPy averages it: float32 for float16, float64 for integers."""
    wider = _WIDER.get(x.dtype.char)
    return x if wider is None else cast(x, wider)


def narrowed(y: Array, x: Array) -> Array:
    """A result of `widened(x)` in the dtype that it has for x."""
    return cast(y, x.dtype) if x.dtype.char == "e" else y


def count(a: Array, axis: Axis, mask: Array = True, keepdims: bool = False) -> Array:
    """How many elements go into each result of a reduction."""
    if mask is True or mask is None:
        axes = normal_axis(axis, a.ndim)
        return math.prod(a.shape if axes is None else [a.shape[i] for i in axes])
    here = total(np.broadcast_to(mask, a.shape) if isinstance(mask, np.ndarray) else mask, axis, keepdims)
    return cast(here, a.dtype if a.dtype.kind == "f" else float)


@implements("mean")
def mean(
    a: Array, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False, *, where: Array = True
) -> Array:
    """Σ x / n over the axes, with the params of `sum`; float16 is summed in float32.

    >>> import autograd as ag
    >>> float(ag.mean(ag.Tensor([1.0, 2.0, 6.0])))
    3.0
    """
    a = in_dtype(a, dtype)
    wide = widened(a)
    return narrowed(total(masked(wide, where, 0), axis, keepdims) / count(wide, axis, where, keepdims), a)


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
    """Σ (x - mean)² / (n - ddof) over the axes; inf or nan where n is not above ddof.

    Args:
        a: array.
        axis, dtype, out, keepdims, where: as for `sum`.
        ddof, correction: what is taken off the number of elements.
        mean: the mean, with its axes kept, where it is known already.

    >>> import autograd as ag
    >>> float(ag.var(ag.Tensor([1.0, 3.0])))
    1.0
    """
    a = in_dtype(a, dtype)
    return narrowed(_spread(widened(a), axis, ddof if correction is None else correction, keepdims, where, mean), a)


def _spread(a: Array, axis: Axis, ddof: float, keepdims: bool, where: Array, mean: Array | None) -> Array:
    n = count(a, axis, where, True)
    if mean is None:
        mean = total(masked(a, where, 0), axis, True) / n
    away = masked(a - mean, where, 0)
    if isinstance(n, int):
        return total(away * away, axis, keepdims) / (n - ddof if n > ddof else 0)
    return total(away * away, axis, keepdims) / maximum(count(a, axis, where, keepdims) - ddof, 0)


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
    """Square root of the variance, with the params of `var`.

    >>> import autograd as ag
    >>> float(ag.std(ag.Tensor([1.0, 3.0])))
    1.0
    """
    a = in_dtype(a, dtype)
    ddof = ddof if correction is None else correction
    return narrowed(sqrt(_spread(widened(a), axis, ddof, keepdims, where, mean)), a)


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
    return where(total(present(a), axis, keepdims) > 0, result, math.nan)


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
    return argmax(masked(a, present(a), -math.inf), axis, keepdims=keepdims)


@implements("nanargmin")
def nanargmin(a: Array, axis: int | None = None, out: None = None, *, keepdims: bool = False) -> Array:
    """Index of the first smallest number; no gradient."""
    return argmin(masked(a, present(a), math.inf), axis, keepdims=keepdims)


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
    return where(total(mask, axis, keepdims) > ddof, found, math.nan)


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
    return total(width * between / 2.0, axis)


@implements("average")
def average(
    a: Array, axis: Axis = None, weights: Array | None = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Σ w x / Σ w; with `returned` also Σ w."""
    a = as_array(a)
    if weights is None:
        result = mean(a, axis, keepdims=keepdims)
        weight = np.full(result.shape, float(count(a, axis, True)), result.dtype)[()]
        return (result, weight) if returned else result
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
    weight = total(w, axis, keepdims)
    result = total(a * w, axis, keepdims) / weight
    return (result, weight) if returned else result


# ----- methods of ufuncs: along the first axis, where functions take all of them -----
def _accumulating(op: Primitive) -> Callable[..., Array]:
    def accumulate(array: Array, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
        return _running(op, in_dtype(array, dtype), axis_number(axis, np.ndim(array)))

    return accumulate


UFUNC_METHODS |= {
    (np.add, "reduce"): sum,
    (np.multiply, "reduce"): prod,
    (np.maximum, "reduce"): max,
    (np.minimum, "reduce"): min,
    (np.logical_and, "reduce"): all,
    (np.logical_or, "reduce"): any,
    (np.add, "accumulate"): cumsum,
    (np.multiply, "accumulate"): cumprod,
    (np.maximum, "accumulate"): _accumulating(maximum),
    (np.minimum, "accumulate"): _accumulating(minimum),
    (np.logaddexp, "accumulate"): _accumulating(logaddexp),
}
