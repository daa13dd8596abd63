"""Differences, interpolation, convolution, polynomials and spaced numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.ops.axes import axis_number, axis_numbers, whole
from ..core.ops.elementwise import cast, clip, mod, sqrt, stop_gradient, where
from ..core.ops.linalg import matmul
from ..core.ops.shape import getitem
from ..core.primitive import Array
from .movement import broadcast_to, concatenate, expand_dims, flip, pad, reshape, stack
from .protocols import as_double, implements, plain
from .reductions import total
from .special import searchsorted_p


def _cut(x: Array, axis: int, *bounds: Any) -> Array:
    """A slice along one axis."""
    return getitem(x, (*(slice(None),) * axis_number(axis, x.ndim), slice(*bounds)))


# ----- differences -----
@implements("diff")
def diff(a: Array, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Array:
    """x_{i+1} - x_i along an axis, n times."""
    a = as_array(a)
    ends = [None if end is None else as_array(end) for end in (prepend, append)]
    axis = axis_number(axis, a.ndim)
    if whole(n, "n") < 0:
        raise ArgumentError(f"diff takes differences n = 0, 1, 2, ... times, got {n}")
    if n == 0:
        return a
    lengths = tuple(1 if i == axis else m for i, m in enumerate(a.shape))
    first, last = ([] if e is None else [broadcast_to(e, lengths) if e.ndim == 0 else e] for e in ends)
    if first or last:
        a = concatenate([*first, a, *last], axis)
    for _ in range(n):
        after, before = _cut(a, axis, 1, None), _cut(a, axis, None, -1)
        a = after != before if a.dtype == bool else after - before
    return a


@implements("ediff1d")
def ediff1d(ary: Array, to_end: Any = None, to_begin: Any = None) -> Array:
    """x_{i+1} - x_i of all elements, between a beginning and an end."""
    flat = reshape(as_array(ary), (-1,))
    parts = [getitem(flat, slice(1, None)) - getitem(flat, slice(None, -1))]
    for end, place in ((to_begin, 0), (to_end, 2)):
        if end is not None:
            end = reshape(as_array(end), (-1,))
            if not np.can_cast(end.dtype, flat.dtype, "same_kind"):
                raise DTypeError(f"ediff1d of {flat.dtype} takes ends of that kind, got {end.dtype}")
            parts.insert(place, cast(end, flat.dtype))
    return concatenate(parts)


@implements("gradient")
def gradient(f: Array, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """∂f/∂x on a grid: central differences of second order inside, one-sided ones of `edge_order` at the ends."""
    f = as_array(f)
    if f.dtype == bool:
        raise DTypeError("truths have no slope: use .astype(float)")
    if f.dtype.kind in "iu":
        f = cast(f, float)  # differences of unsigned numbers would wrap around
    axes = range(f.ndim) if axis is None else axis_numbers(axis, f.ndim)
    spacings = varargs * len(axes) if len(varargs) == 1 else varargs or (1.0,) * len(axes)
    if len(spacings) != len(axes) or (varargs and not axes):
        raise ArgumentError(f"gradient takes no spacing, one, or one per axis: {len(varargs)} for {len(axes)} axes")
    found = tuple(cast(_slope(f, h, i, edge_order), f.dtype) for h, i in zip(spacings, axes, strict=True))
    return found[0] if len(found) == 1 else found


def _slope(f: Array, h: Array, axis: int, edge_order: int) -> Array:
    if f.shape[axis] < edge_order + 1:
        raise ArgumentError(f"gradient needs {edge_order + 1} elements along axis {axis}, shape {f.shape} has fewer")
    steps = (diff(h) if np.ndim(h) else h) * np.ones(f.shape[axis] - 1, f.dtype)
    wide = tuple(-1 if i == axis else 1 for i in range(f.ndim))
    steps = reshape(steps, wide)

    def at(i: int) -> Array:
        return _cut(f, axis, i, i + 1 or None)

    def step(i: int) -> Array:
        return _cut(steps, axis, i, i + 1 or None)

    left, right = _cut(steps, axis, None, -1), _cut(steps, axis, 1, None)
    low, middle, high = (_cut(f, axis, i, (i - 2) or None) for i in range(3))
    inside = (high * left**2 - low * right**2 + middle * (right**2 - left**2)) / (left * right * (left + right))
    if edge_order == 1:
        first, last = (at(1) - at(0)) / step(0), (at(-1) - at(-2)) / step(-1)
    else:
        a, b = step(0), step(1)
        first = at(0) * -(2 * a + b) / (a * (a + b)) + at(1) * (a + b) / (a * b) - at(2) * a / (b * (a + b))
        a, b = step(-2), step(-1)
        last = at(-3) * b / (a * (a + b)) - at(-2) * (a + b) / (a * b) + at(-1) * (2 * b + a) / (b * (a + b))
    return concatenate([first, inside, last], axis)


@implements("interp")
def interp(x: Array, xp: Array, fp: Array, left: Any = None, right: Any = None, period: float | None = None) -> Array:
    """Straight lines between the points (xp, fp), at x; gradients to x, xp and fp."""
    x, xp, fp = (as_double(z) for z in (x, xp, fp))
    if period is not None:
        x, xp = mod(x, period), mod(xp, period)
        order = np.argsort(xp)
        xp, fp = getitem(xp, order), getitem(fp, order)
        xp = concatenate((_cut(xp, 0, -1, None) - period, xp, _cut(xp, 0, 0, 1) + period))
        fp = concatenate((_cut(fp, 0, -1, None), fp, _cut(fp, 0, 0, 1)))
    last = xp.shape[0] - 1
    if last == 0:
        inside = broadcast_to(fp[0], x.shape)
    else:
        i = clip(searchsorted_p(stop_gradient(xp), stop_gradient(x), side="right") - 1, 0, last - 1)
        start, base = getitem(xp, i), getitem(fp, i)
        inside = base + (x - start) * (getitem(fp, i + 1) - base) / (getitem(xp, i + 1) - start)
    below, above = fp[0] if left is None else left, fp[-1] if right is None else right
    inside = where(x == xp[-1], fp[-1] + (inside - stop_gradient(inside)), inside)
    return where(x < xp[0], below, where(x > xp[-1], above, inside))


# ----- products -----
@implements("convolve")
def convolve(a: Array, v: Array, mode: str = "full") -> Array:
    """y_k = Σ_i a_i v_{k-i}: of all k, of as many as the longer one has, or where they overlap fully."""
    a, v = (reshape(as_array(x), (-1,)) for x in (a, v))
    long, short = (a, v) if a.size >= v.size else (v, a)
    n, m = long.size, short.size
    start, length = {"full": (0, n + m - 1), "same": ((m - 1) // 2, n), "valid": (m - 1, n - m + 1)}[mode]
    windows = np.arange(start, start + length)[:, None] + np.arange(m)
    return matmul(getitem(pad(long, (m - 1, m - 1)), windows), flip(short))


@implements("correlate")
def correlate(a: Array, v: Array, mode: str = "valid") -> Array:
    """y_k = Σ_i a_{i+k} v_i, with the modes of `convolve`."""
    a, v = as_array(a), as_array(v)
    if a.ndim != 1 or v.ndim != 1:
        raise ShapeError(f"correlate takes vectors, got shapes {a.shape} and {v.shape}")
    return convolve(a, flip(v), mode) if a.size >= v.size else flip(convolve(v, flip(a), mode))


@implements("cross")
def cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """Cross products of vectors of length three."""
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis, axis, axis)
    a, b = (np.moveaxis(x, axis_number(i, x.ndim), -1) for x, i in ((as_array(a), axisa), (as_array(b), axisb)))
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ArgumentError(f"cross takes vectors of length 3, got shapes {a.shape} and {b.shape}")
    (a0, a1, a2), (b0, b1, b2) = ([x[..., i] for i in range(3)] for x in (a, b))
    found = stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)
    return np.moveaxis(found, -1, axis_number(axisc, found.ndim))


@implements("linalg.cross")
def cross_along(x1: Array, x2: Array, *, axis: int = -1) -> Array:
    """Cross products of vectors of length three."""
    return cross(x1, x2, whole(axis), axis, axis)


@implements("kron")
def kron(a: Array, b: Array) -> Array:
    """Kronecker product: each element of a times the whole of b, as blocks."""
    a, b = as_array(a), as_array(b)
    ndim = max(a.ndim, b.ndim)
    left, right = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    wide = reshape(a, tuple(n for m in left for n in (m, 1))) * reshape(b, tuple(n for m in right for n in (1, m)))
    return reshape(wide, tuple(m * n for m, n in zip(left, right, strict=True)))


# ----- polynomials, highest power first -----
@implements("polyval")
def polyval(p: Array, x: Array) -> Array:
    """p_0 x^(n-1) + ... + p_{n-1}, by Horner's rule; gradients to both."""
    p, x = as_array(p), as_array(x)
    y: Array = np.zeros(x.shape, x.dtype)
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


def _aligned(a: Array, b: Array) -> list[Array]:
    parts = [reshape(as_array(x), (-1,)) for x in (a, b)]
    n = max(x.size for x in parts)
    return [pad(x, (n - x.size, 0)) for x in parts]


@implements("polyadd")
def polyadd(a1: Array, a2: Array) -> Array:
    """Coefficients of the sum."""
    a, b = _aligned(a1, a2)
    return a + b


@implements("polysub")
def polysub(a1: Array, a2: Array) -> Array:
    """Coefficients of the difference."""
    a, b = _aligned(a1, a2)
    return a - b


@implements("polymul")
def polymul(a1: Array, a2: Array) -> Array:
    """Coefficients of the product, leading zeros left away, so that a trace refuses it."""
    return convolve(*(_without_leading_zeros(a) for a in (a1, a2)))


def _without_leading_zeros(a: Array) -> Array:
    a = reshape(as_array(a), (-1,))
    kept = np.flatnonzero(plain(a))
    return getitem(a, slice(kept[0], None)) if len(kept) else np.zeros(1, a.dtype)


@implements("polydiv")
def polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """Coefficients of quotient and remainder (with leading zeros where NumPy looks at the values to drop them)."""
    u, v = (0.0 + reshape(as_array(x), (-1,)) for x in (u, v))
    dtype = np.result_type(u.dtype, v.dtype)
    u, v = cast(u, dtype), cast(v, dtype)
    quotient, rest = [], u
    for _ in range(u.size - v.size + 1):
        quotient.append(rest[0] / v[0])
        rest = _cut(rest - pad(quotient[-1] * v, (0, rest.size - v.size)), 0, 1, None)
    return (stack(quotient) if quotient else np.zeros(1, u.dtype)), rest if rest.size else np.zeros(1, rest.dtype)


@implements("polyder")
def polyder(p: Array, m: int = 1) -> Array:
    """Coefficients of the m-th derivative."""
    for _ in range(m):
        p = _cut(p, 0, None, -1) * np.arange(p.shape[0] - 1, 0, -1)
    return p


@implements("polyint")
def polyint(p: Array, m: int = 1, k: Any = None) -> Array:
    """Coefficients of the m-th integral, k being the constants."""
    constants = np.zeros(m) if k is None else as_array(k)
    for i in range(m):
        constant = reshape(constants if constants.ndim == 0 else constants[i if constants.shape[0] > 1 else 0], (1,))
        p = concatenate((p / np.arange(p.shape[0], 0, -1), constant))
    return p


@implements("vander")
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """Columns of powers of x: x^(N-1) ... x^0, or the other way round."""
    x = cast(x, np.result_type(x.dtype, int))
    powers = [x**i if i else np.ones(x.shape, x.dtype) for i in range(x.shape[0] if N is None else N)]
    return stack(powers if increasing else powers[::-1], -1)


@implements("polyfit")
def polyfit(x: Array, y: Array, deg: int, rcond: float | None = None, full: bool = False, w: Any = None) -> Array:
    """Coefficients of the polynomial of least squares; gradients to x, y and the weights."""
    x, y = 0.0 + as_array(x), 0.0 + as_array(y)
    if full:
        raise ArgumentError("polyfit returns coefficients only here: leave full out")
    left, right = vander(x, deg + 1), y
    if w is not None:
        w = as_array(w)
        left, right = left * expand_dims(w, -1), y * (expand_dims(w, -1) if y.ndim == 2 else w)
    scale = sqrt(total(left * left, 0))
    found = matmul(np.linalg.pinv(left / scale, x.shape[0] * 2.0**-52 if rcond is None else rcond), right)
    return found / (reshape(scale, (-1, 1)) if y.ndim == 2 else scale)


@implements("poly")
def poly(seq_of_zeros: Array) -> Array:
    """Coefficients of Π (x - z) for a vector of zeros."""
    zeros = as_array(seq_of_zeros)
    zeros = cast(zeros, float) if zeros.dtype.kind in "iub" or zeros.dtype == np.float16 else zeros
    if zeros.ndim != 1:
        raise ArgumentError(f"poly takes a vector of zeros here, got shape {zeros.shape}")
    p: Array = np.ones(1, zeros.dtype)
    for i in range(zeros.shape[0]):
        p = convolve(p, stack([np.ones((), zeros.dtype), -zeros[i]]))
    return p


# ----- spaced numbers -----
@implements("linspace")
def linspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`num` numbers from start to stop at equal distances."""
    start, stop = (x if isinstance(x, (int, float)) else as_array(x) for x in (start, stop))
    kind = np.result_type(*(x if isinstance(x, (int, float)) else x.dtype for x in (start, stop)))
    start, stop = (cast(as_array(x), kind if kind.kind == "f" else float) for x in (start, stop))
    parts = num - 1 if endpoint else num
    step = (stop - start) / parts if parts else math.nan * (stop - start)
    places = reshape(
        np.arange(num, dtype=start.dtype) / max(parts, 1), (-1, *(1,) * max(np.ndim(start), np.ndim(stop)))
    )
    places = cast(places, (1.0 * (stop - start)).dtype)
    found = start * (1 - places) + stop * places
    found = np.moveaxis(found if dtype is None else cast(found, dtype), 0, axis_number(axis, found.ndim))
    return (found, step) if retstep else found


@implements("logspace")
def logspace(
    start: Array,
    stop: Array,
    num: int = 50,
    endpoint: bool = True,
    base: Array = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Array:
    """base ** x for `num` exponents x from start to stop at equal distances."""
    found = base ** linspace(start, stop, num, endpoint, axis=axis)
    return found if dtype is None else cast(found, dtype)


@implements("geomspace")
def geomspace(
    start: Array, stop: Array, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """`num` numbers from start to stop with equal ratios."""
    start, stop = as_array(start), as_array(stop)
    found = start * (stop / start) ** linspace(0.0 * start, 0.0 * stop + 1.0, num, endpoint)
    return np.moveaxis(found if dtype is None else cast(found, dtype), 0, axis_number(axis, found.ndim))
