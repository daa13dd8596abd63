"""Order and spread: sorting, quantiles, covariance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.ops.axes import Axis, axis_number, normal_axis
from ..core.ops.elementwise import cast, ceil, clip, floor, isnan, round_p, stop_gradient, where
from ..core.ops.linalg import matmul
from ..core.ops.reduce import kept_shape
from ..core.ops.shape import getitem
from ..core.primitive import Array, Box
from .at import scatter_add
from .movement import diagonal, reshape, take_along_axis, transpose
from .protocols import as_double, implements, plain
from .reductions import average, in_dtype, narrowed, present, total, widened
from .special import argpartition_p, argsort_p


def _along(a: Array, axis: int | None) -> tuple[Array, int]:
    """The array and the axis to sort along: all elements in a row for None."""
    a = as_array(a)
    return (reshape(a, (-1,)), 0) if axis is None else (a, axis_number(axis, a.ndim))


@implements("argsort")
def argsort(
    a: Array, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: Any = None
) -> Array:
    """Indices that sort along an axis (None: all elements); no gradient."""
    a, axis = _along(a, axis)
    return argsort_p(stop_gradient(a), axis=axis, kind="stable" if stable else kind)


@implements("sort")
def sort(a: Array, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: Any = None) -> Array:
    """Elements in rising order along an axis (None: all); the gradient goes back to where each came from."""
    a, axis = _along(a, axis)
    return take_along_axis(a, argsort(a, axis, "stable"), axis)


@implements("partition")
def partition(a: Array, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Array:
    """Elements so that the k-th is where sorting would put it, smaller ones before and larger ones after it."""
    a, axis = _along(a, axis)
    return take_along_axis(a, argpartition(a, kth, axis), axis)


@implements("argpartition")
def argpartition(a: Array, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Array:
    """The indices that `partition` takes; no gradient."""
    a, axis = _along(a, axis)
    return argpartition_p(stop_gradient(a), axis=axis, kth=kth if isinstance(kth, int) else tuple(kth))


@implements("unique")
def unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **kwargs: Any,
) -> Any:
    """The different values in rising order; the gradient goes to the first of equal ones.  The values are looked at."""
    look: Any = np.unique
    _, first, *others = look(plain(ar), True, return_inverse, return_counts, axis, **kwargs)
    head = (slice(None),) * (0 if axis is None else axis_number(axis, ar.ndim))
    values = getitem(reshape(ar, (-1,)) if axis is None else ar, (*head, first))
    found = (values, *([first] if return_index else []), *others)
    return found if len(found) > 1 else values


@implements("unique_counts")
def unique_counts(x: Array) -> Any:
    """The different values, recorded, and how often each occurs."""
    return np.unique_counts(plain(x))._replace(values=unique(as_array(x), equal_nan=False))


@implements("unique_inverse")
def unique_inverse(x: Array) -> Any:
    """The different values, recorded, and which of them each element is."""
    return np.unique_inverse(plain(x))._replace(values=unique(as_array(x), equal_nan=False))


@implements("unique_all")
def unique_all(x: Array) -> Any:
    """The different values, recorded, where each is first, which of them each element is, and how often each occurs."""
    return np.unique_all(plain(x))._replace(values=unique(as_array(x), equal_nan=False))


# ----- quantiles -----
# Where quantile q of n sorted elements lies, by the parameters of R. Hyndman and Y. Fan, "Sample quantiles in statistical
# packages", The American Statistician 50 (1996).
_PARAMETERS = {
    "linear": (1.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
_STEPS: dict[str, Callable[[Array], Array]] = {
    "lower": floor,
    "higher": ceil,
    "nearest": round_p,
    "midpoint": lambda at: 0.5 * (floor(at) + ceil(at)),
}


def _rows(a: Array, axis: Axis) -> tuple[Array, tuple[int, ...] | None]:
    """The reduced axes as one at the end, sorted."""
    a = as_array(a)
    axes = normal_axis(axis, a.ndim)
    if axes is None:
        return sort(reshape(a, (1, -1)))[0], axes
    rest = tuple(i for i in range(a.ndim) if i not in axes)
    moved = transpose(a, rest + axes)
    lengths = tuple(a.shape[i] for i in rest)
    return sort(reshape(moved, (*lengths, math.prod(a.shape[i] for i in axes)))), axes


def _quantile(a: Array, q: Array, axis: Axis, method: str, keepdims: bool, skip: bool) -> Array:
    """Quantiles q in 0..1; nan is left out if `skip` says so, else it spreads."""
    a = as_array(a)
    if isinstance(q, Box):
        raise ArgumentError("quantiles have no gradient by q: pass a number or a plain array for it")
    if method not in _PARAMETERS and method not in _STEPS:
        raise ArgumentError(f"quantile takes method {', '.join([*_PARAMETERS, *_STEPS])}, got {method!r}")
    if a.dtype == bool:
        raise DTypeError("truths have no quantiles: use .astype(float)")
    weak = isinstance(q, (int, float)) and a.dtype.kind == "f"
    levels = np.asarray(q, a.dtype if weak else np.result_type(np.asarray(q).dtype, np.float16))
    if levels.size and not (levels.min() >= 0 and levels.max() <= 1):
        raise ArgumentError(f"quantiles lie between 0 and 1 (percentiles between 0 and 100), got {q}")
    rows, axes = _rows(a, axis)
    alpha, beta = _PARAMETERS.get(method, (1.0, 1.0))
    flat = widened(levels.reshape(-1))  # (positions in float16 would end at 65,504)
    n: Array = cast(total(present(rows), -1, True), flat.dtype) if skip else rows.shape[-1]
    place = n * flat + (alpha + flat * (1 - alpha - beta)) - 1
    place = stop_gradient(clip(place, 0, np.maximum(n - 1, 0) if skip else max(n - 1, 0)))
    if method in _STEPS:
        place = _STEPS[method](place)
    below = floor(place)
    share = narrowed(place - below, levels)
    shape = (*rows.shape[:-1], flat.size)
    numbers = [np.broadcast_to(cast(i, np.intp), shape) for i in (below, ceil(place))]
    low, high = (take_along_axis(rows, i, -1) for i in numbers)
    distance = high - low
    found = where(share < 0.5, low + distance * share, high - distance * (1 - share))
    if method in ("lower", "higher", "nearest"):
        found = low
    spoilt = n == 0 if skip else total(isnan(rows), -1, True) > 0
    if found.dtype.kind == "f":
        found = where(spoilt, math.nan, found)
    found = reshape(transpose(found, (len(shape) - 1, *range(len(shape) - 1))), (*levels.shape, *shape[:-1]))
    return reshape(found, (*levels.shape, *kept_shape(a.shape, axes))) if keepdims else found


@implements("quantile")
def quantile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """The value below which the share q of the elements lies, between two elements by linear interpolation."""
    return _quantile(a, q, axis, method, keepdims, skip=False)


@implements("percentile")
def percentile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """The value below which q percent of the elements lie."""
    return _quantile(
        a, q / 100 if isinstance(q, (int, float)) else np.true_divide(q, 100), axis, method, keepdims, False
    )


@implements("nanquantile")
def nanquantile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """The quantile of all that is not nan."""
    return _quantile(a, q, axis, method, keepdims, skip=True)


@implements("nanpercentile")
def nanpercentile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: None = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
) -> Array:
    """The percentile of all that is not nan."""
    return _quantile(
        a, q / 100 if isinstance(q, (int, float)) else np.true_divide(q, 100), axis, method, keepdims, True
    )


@implements("median")
def median(
    a: Array, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    """The middle element, or the mean of the two in the middle."""
    a = as_array(a)
    return _quantile(cast(a, float) if a.dtype == bool else a, 0.5, axis, "linear", keepdims, skip=False)


@implements("nanmedian")
def nanmedian(
    a: Array, axis: Axis = None, out: None = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    """The median of all that is not nan."""
    return _quantile(a, 0.5, axis, "linear", keepdims, skip=True)


# ----- covariance -----
@implements("cov")
def cov(
    m: Array,
    y: Array | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Array | None = None,
    aweights: Array | None = None,
    *,
    dtype: Any = None,
) -> Array:
    """Covariances of variables that are rows: Σ_k w_k (x_ik - mean_i)(x_jk - mean_j) / (Σ w - ddof)."""
    x = np.concatenate([_variables(part, rowvar) for part in ([m] if y is None else [m, y])], axis=0)
    x = in_dtype(x, dtype or np.result_type(x.dtype, float))
    free = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        centred = x - total(x, 1, True) / x.shape[1]
        return np.squeeze(matmul(centred, transpose(centred)) / max(x.shape[1] - free, 0))
    w = 1.0 * as_array(1 if fweights is None else fweights) * as_array(1 if aweights is None else aweights)
    mean, weight = average(x, 1, w, True)
    spread = 1 if aweights is None else total(w * as_array(aweights)) / weight[0]
    centred = x - reshape(mean, (-1, 1))
    return np.squeeze(matmul(centred * w, transpose(centred)) / (weight[0] - free * spread))


def _variables(m: Array, rowvar: bool) -> Array:
    m = as_array(m)
    return reshape(m, (1, -1)) if m.ndim < 2 else m if rowvar else transpose(m)


@implements("corrcoef")
def corrcoef(x: Array, y: Array | None = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """Covariances divided by both standard deviations."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(diagonal(c))
    return clip(c / reshape(deviation, (-1, 1)) / deviation, -1, 1)


# ----- counting -----
def _looked_at(function: Callable[..., Any], arrays: Any, bins: Any, range: Any, density: Any, weights: Any) -> Any:
    """A histogram: the values are looked at, and sums of weights would have a gradient that is not there."""
    if isinstance(weights, Box):
        raise DTypeError(
            f"numpy.{function.__name__} has no gradient by its weights: use numpy.bincount(bins, weights), "
            "or weights.numpy() to leave the graph"
        )
    return function(*map(plain, arrays), plain(bins), plain(range), density, weights)


@implements("histogram")
def histogram(a: Array, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """How many elements lie in each bin; no gradient."""
    return _looked_at(np.histogram, (a,), bins, range, density, weights)


@implements("histogram2d")
def histogram2d(x: Array, y: Array, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """How many points of the plane lie in each bin; no gradient."""
    return _looked_at(np.histogram2d, (x, y), bins, range, density, weights)


@implements("histogramdd")
def histogramdd(sample: Array, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """How many points lie in each bin; no gradient."""
    return _looked_at(np.histogramdd, (sample,), bins, range, density, weights)


@implements("bincount")
def bincount(x: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each whole number occurs, or the sum of the weights of each; gradient to the weights."""
    numbers = np.asarray(plain(x))
    counts = np.bincount(numbers, minlength=minlength)
    if weights is None:
        return counts
    w = as_double(weights)
    if w.shape != numbers.shape:
        raise ShapeError(f"bincount needs a weight for each number, got {w.shape} for {numbers.shape}")
    return scatter_add(w, numbers.astype(np.intp), counts.shape)
