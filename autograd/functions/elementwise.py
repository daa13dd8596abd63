"""NumPy's elementwise functions, where no operation has their name already."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, DTypeError
from ..core.ops import elementwise as ops
from ..core.ops.axes import axis_number, lengths
from ..core.ops.elementwise import cast, isfinite, isnan, stop_gradient
from ..core.ops.shape import broadcast_to_p, getitem
from ..core.primitive import Array, result_dtype, spec_of
from ..core.tensor import Tensor, raw_value
from .at import At
from .protocols import implements, plain
from .special import signbit


def promoted(ufunc: np.ufunc, *arrays: Array) -> list[Array]:
    """The arrays in the dtype in which NumPy gives a ufunc of them."""
    parts = [x if isinstance(x, (int, float)) else as_array(x) for x in arrays]
    dtype = result_dtype(ufunc, *map(spec_of, parts))
    return [x if hasattr(x, "dtype") and x.dtype == dtype else cast(as_array(x), dtype) for x in parts]


# ----- the same under another name, or with a factor -----
@implements("positive")
def positive(x: Array) -> Array:
    """x itself."""
    return promoted(np.positive, x)[0].kept()


def _of_reals(x: Array) -> Array:
    """The argument of a function that does something else to complex numbers.

    Raises:
        DTypeError: they are complex.
    """
    x = as_array(x)
    if x.dtype.kind == "c":
        raise DTypeError(f"functions of tensors are those of real numbers, got {x.dtype}: use x.numpy()")
    return x


@implements("conjugate")
def conjugate(x: Array) -> Array:
    """x itself: arrays here are real."""
    return promoted(np.conjugate, _of_reals(x))[0].kept()


@implements("real")
def real(val: Array) -> Array:
    """x itself: arrays here are real."""
    return _of_reals(val)


@implements("real_if_close")
def real_if_close(a: Array, tol: float = 100) -> Array:
    """x itself: arrays here are real."""
    return _of_reals(a)


@implements("imag")
def imag(val: Array) -> Array:
    """Zeros: arrays here are real."""
    return np.zeros(_of_reals(val).shape, val.dtype)


@implements("angle")
def angle(z: Array, deg: bool = False) -> Array:
    """0 for numbers from 0 on, π (180 degrees) below; no gradient."""
    z = cast(_of_reals(z), np.angle(np.zeros((), as_array(z).dtype)).dtype)
    return where(signbit(z), 180.0 if deg else math.pi, 0.0 * stop_gradient(z))


@implements("fabs")
def fabs(x: Array) -> Array:
    """|x|; derivative 0 at 0."""
    return ops.abs_p(*promoted(np.fabs, x))


@implements("square")
def square(x: Array) -> Array:
    """x · x"""
    (x,) = promoted(np.square, x)
    return x * x


@implements("reciprocal")
def reciprocal(x: Array) -> Array:
    """1 / x; of integers an integer in NumPy, which is refused here."""
    if as_array(x).dtype.kind in "iub":
        raise DTypeError(
            f"reciprocal of {as_array(x).dtype} is 0 nearly everywhere: write 1 / x, or x.astype(float) first"
        )
    return 1 / x


@implements("deg2rad", "radians")
def deg2rad(x: Array) -> Array:
    """x · π/180"""
    return promoted(np.deg2rad, x)[0] * (math.pi / 180)


@implements("rad2deg", "degrees")
def rad2deg(x: Array) -> Array:
    """x · 180/π"""
    return promoted(np.rad2deg, x)[0] * (180 / math.pi)


@implements("exp2")
def exp2(x: Array) -> Array:
    """2 ** x"""
    return ops.power(2.0, *promoted(np.exp2, x))


@implements("float_power")
def float_power(a: Array, b: Array) -> Array:
    """a ** b in double precision at least."""
    return ops.power(*promoted(np.float_power, a, b))


@implements("astype")
def astype(x: Array, dtype: Any, /, *, copy: bool = True) -> Array:
    """x cast to a dtype; the gradient is cast back to the dtype of x (none flows through integers and bools).

    The bytes of tensors are in the machine's order, whatever that of the dtype is.

    >>> import autograd as ag
    >>> ag.astype(ag.Tensor([1, 2]), float).data
    array([1., 2.])
    """
    return cast(x, dtype)


@implements("copy")
def copy(a: Array) -> Array:
    """The same values; recorded results never change, so nothing is copied."""
    return a.kept()


# ----- selection -----
@implements("where")
def where(condition: Array, x: Array | None = None, y: Array | None = None) -> Array:
    """x where the condition holds, else y; without them the positions where it holds.

    Args:
        condition: array of truths; no gradient.
        x, y: arrays that broadcast with it; gradients go to the chosen side only.

    Where the side not chosen is nan or inf, its *gradient* can still be nan (0 * inf): make its input safe first,
    ``where(x > 0, log(where(x > 0, x, 1.0)), 0.0)``.

    >>> import autograd as ag
    >>> ag.where(ag.Tensor([True, False]), 1.0, 2.0).data
    array([1., 2.])
    """
    if x is None and y is None:
        return np.nonzero(condition)
    if x is None or y is None:
        raise ArgumentError("where takes both x and y, or neither")
    return ops.where(*(part if isinstance(part, (int, float)) else as_array(part) for part in (condition, x, y)))


@implements("clip")
def clip(
    a: Array,
    a_min: Array | None = None,
    a_max: Array | None = None,
    out: None = None,
    *,
    min: Array | None = None,
    max: Array | None = None,
) -> Array:
    """min(max(a, a_min), a_max); the gradient passes where a is within the bounds, the bounds included.

    Args:
        a: array.
        a_min, min: the lower bound, under either name; None for none.
        a_max, max: the upper bound.
        out: refused.

    >>> import autograd as ag
    >>> ag.clip(ag.Tensor([-2.0, 0.5, 3.0]), -1.0, max=1.0).data
    array([-1. ,  0.5,  1. ])
    """
    if not (a_min is None or min is None) or not (a_max is None or max is None):
        raise ArgumentError("clip takes each bound under one name: a_min and a_max, or min and max")
    low, high = min if a_min is None else a_min, max if a_max is None else a_max
    a = as_array(a)
    if a.dtype.kind in "iub" and (low is None or high is None):  # (an infinite bound would make floats of them)
        a = a if low is None else ops.maximum(a, low)
        return (a if high is None else ops.minimum(a, high)).kept()
    return ops.clip(a, -math.inf if low is None else low, math.inf if high is None else high)


@implements("fmax")
def fmax(a: Array, b: Array) -> Array:
    """The larger one; a number before nan; a tie shares the gradient."""
    return ops.maximum(where(isnan(a), b, a), where(isnan(b), a, b))


@implements("fmin")
def fmin(a: Array, b: Array) -> Array:
    """The smaller one; a number before nan; a tie shares the gradient."""
    return ops.minimum(where(isnan(a), b, a), where(isnan(b), a, b))


@implements("copysign")
def copysign(a: Array, b: Array) -> Array:
    """|a| with the sign of b; gradient to a only, sign(a) sign(b)."""
    size, _ = promoted(np.copysign, a, b)
    return where(ops.equal(signbit(a), signbit(b)), size, -size)


@implements("heaviside")
def heaviside(x: Array, at_zero: Array) -> Array:
    """0 below 0, 1 above, `at_zero` at 0; gradient to `at_zero` only."""
    x, at_zero = promoted(np.heaviside, x, at_zero)
    return where(x == 0, at_zero, 0.5 * ops.sign(x) + 0.5)


@implements("nan_to_num")
def nan_to_num(
    x: Array, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """Numbers in place of nan and ±inf, at which the gradient is 0."""
    x = as_array(x)
    if x.dtype.kind != "f":
        return x
    largest = np.finfo(x.dtype).max
    high, low = (end if end is not None else big for end, big in ((posinf, largest), (neginf, -largest)))
    found = where(x == math.inf, cast(high, x.dtype), where(x == -math.inf, cast(low, x.dtype), x))
    return where(isnan(x), cast(nan, x.dtype), found)


@implements("select")
def select(condlist: Any, choicelist: Any, default: Array = 0) -> Array:
    """The first choice whose condition holds, else the default."""
    if not any(isinstance(x, Tensor) for x in (*condlist, *choicelist)) and not getattr(
        default, "requires_grad", False
    ):
        default = raw_value(default)  # (which NumPy does not ask)
    choices = [c if isinstance(c, (int, float)) else as_array(c) for c in (*choicelist, default)]
    dtype = np.result_type(*(c if isinstance(c, (int, float)) else c.dtype for c in choices))
    *choices, result = (cast(c, dtype) for c in choices)
    for condition, choice in reversed(list(zip(condlist, choices, strict=True))):
        if as_array(condition).dtype != bool:
            raise DTypeError(f"select takes conditions that are truths, got dtype {as_array(condition).dtype}")
        result = where(condition, choice, result)
    return result


@implements("choose")
def choose(a: Array, choices: Any, out: None = None, mode: str = "raise") -> Array:
    """Of the choices, element by element, the one that `a` numbers."""
    a, parts = as_array(a), list(choices)
    if mode == "raise" and not getattr(a, "traced", False):
        numbers = plain(a)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(parts)):
            raise ArgumentError(
                f"choose between {len(parts)} takes numbers from 0 to {len(parts) - 1}, or another mode"
            )
    a = a % len(parts) if mode == "wrap" else clip(a, 0, len(parts) - 1) if mode == "clip" else a
    return select([a == i for i in range(len(parts))], parts, parts[-1])


@implements("piecewise")
def piecewise(x: Array, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Array:
    """Each function at the elements where its condition holds, a last one (or 0) elsewhere; conditions are looked at."""
    conditions = list(condlist) if isinstance(condlist, (list, tuple)) and np.ndim(condlist[0]) else [condlist]
    masks = [np.broadcast_to(np.asarray(plain(condition), bool), x.shape) for condition in conditions]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    y: Array = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist, strict=True):
        if mask.any():
            value = function(getitem(x, mask), *args, **kw) if callable(function) else function
            y = At(y)[mask].set(value)
    return y


# ----- rounding: no gradient but for what is left -----
@implements("trunc", "fix")
def trunc(x: Array, out: None = None) -> Array:
    """The whole number next to x on the side of 0; no gradient."""
    return where(as_array(x) < 0, ops.ceil(x), ops.floor(x))


@implements("round", "around")
def round(a: Array, decimals: int = 0, out: None = None) -> Array:
    """The elements rounded to that many decimals, halves to even; no gradient.

    >>> import autograd as ag
    >>> ag.round(ag.Tensor([0.126, 1.5, 2.5]), 2).data, ag.round(ag.Tensor([0.126, 1.5, 2.5])).data
    (array([0.13, 1.5 , 2.5 ]), array([0., 2., 2.]))
    """
    a = as_array(a)
    if a.dtype.kind in "iu":
        return a.kept() if decimals >= 0 else cast(round(cast(a, float), decimals), a.dtype)
    if decimals == 0:
        return ops.round_p(a)
    scale = 10.0 ** abs(decimals)
    return ops.round_p(a * scale) / scale if decimals > 0 else ops.round_p(a / scale) * scale


@implements("fmod")
def fmod(a: Array, b: Array) -> Array:
    """a - b · trunc(a / b): the remainder with the sign of a."""
    a, b = promoted(np.fmod, a, b)
    size = ops.abs_p(b)
    return where(a < 0, -ops.mod(-a, size), ops.mod(a, size))


@implements("divmod")
def divmod(a: Array, b: Array) -> tuple[Array, Array]:
    """⌊a / b⌋ (no gradient) and the remainder."""
    return ops.floor_divide(a, b), ops.mod(a, b)


@implements("modf")
def modf(x: Array) -> tuple[Array, Array]:
    """The part of x after the decimal point, and the whole number (no gradient)."""
    x = cast(as_array(x), np.modf(np.zeros((), as_array(x).dtype))[0].dtype)
    whole = trunc(x)
    return where(isfinite(x), x - whole, 0.0 * stop_gradient(where(isfinite(x), x, ops.sign(x)))), whole


@implements("ldexp")
def ldexp(x: Array, i: Array) -> Array:
    """x · 2**i"""
    i = stop_gradient(as_array(i))
    dtype = result_dtype(np.ldexp, spec_of(x if isinstance(x, (int, float)) else as_array(x)), spec_of(i))
    wide = np.dtype(float) if dtype.itemsize < 8 else dtype
    half = ops.floor_divide(i, 2)  # 2**i may be beyond the largest number where the product is not
    powers = [ops.power(wide.type(2), part) for part in (half, i - half)]
    return cast(cast(as_array(x), wide) * powers[0] * powers[1], dtype)


# ----- truths -----
@implements("isinf")
def isinf(x: Array) -> Array:
    """Is inf or -inf; no gradient."""
    return ops.abs_p(x) == math.inf


@implements("isposinf")
def isposinf(x: Array, out: None = None) -> Array:
    """Is inf; no gradient."""
    return as_array(x) == math.inf


@implements("isneginf")
def isneginf(x: Array, out: None = None) -> Array:
    """Is -inf; no gradient."""
    return as_array(x) == -math.inf


@implements("logical_xor")
def logical_xor(a: Array, b: Array) -> Array:
    """Exactly one of them is not 0; no gradient."""
    return (as_array(a) != 0) != (as_array(b) != 0)


@implements("isclose")
def isclose(a: Array, b: Array, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Array:
    """|a - b| <= atol + rtol |b|, or equal; no gradient."""
    a, b = as_array(a), as_array(b)
    b = cast(b, np.result_type(b.dtype, 1.0))
    near = (ops.abs_p(a - b) <= atol + rtol * ops.abs_p(b)) & isfinite(b) | (a == b)
    return near | (isnan(a) & isnan(b)) if equal_nan else near


# ----- beyond arithmetic -----
@implements("sinc")
def sinc(x: Array) -> Array:
    """sin(πx) / (πx), 1 at 0; near 0 by its series, whose derivatives of every order are right there."""
    y = math.pi * as_array(x)
    near = ops.abs_p(y) < 0.3
    far = where(near, 1.0, y)
    square, series = where(near, y, 0.0) ** 2, 0.0
    for n in (6, 5, 4, 3, 2, 1, 0):
        series = series * square + (-1) ** n / math.factorial(2 * n + 1)
    return where(near, series, ops.sin(far) / far)


@implements("unwrap")
def unwrap(p: Array, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi) -> Array:
    """Angles with jumps of more than half a period taken out: whole periods are added, the gradient is 1."""
    axis = axis_number(axis, p.ndim)
    steps = np.diff(p, axis=axis)
    half = period / 2
    wrapped = ops.mod(steps + half, period) - half
    wrapped = where((wrapped == -half) & (steps > 0), half, wrapped)
    turns = where(ops.abs_p(steps) < (half if discont is None else discont), 0.0, wrapped - steps)
    first = [(1, 0) if i == axis else (0, 0) for i in range(p.ndim)]
    return p + stop_gradient(np.cumsum(np.pad(turns, first), axis=axis))


@implements("full_like")
def full_like(a: Array, fill_value: Array, dtype: Any = None, *, shape: Any = None) -> Array:
    """The fill value in the shape and dtype of a."""
    return broadcast_to_p(
        cast(as_array(fill_value), dtype or a.dtype), shape=a.shape if shape is None else lengths(shape)
    )


@implements("zeros_like")
def zeros_like(a: Array, dtype: Any = None, *, shape: Any = None) -> Array:
    """A plain array of zeros of that shape and dtype."""
    return np.zeros(a.shape if shape is None else shape, dtype or a.dtype)


@implements("empty_like")
def empty_like(prototype: Array, dtype: Any = None, *, shape: Any = None) -> Array:
    """A plain array of that shape and dtype."""
    return np.empty(prototype.shape if shape is None else shape, dtype or prototype.dtype)


@implements("ones_like")
def ones_like(a: Array, dtype: Any = None, *, shape: Any = None) -> Array:
    """A plain array of ones of that shape and dtype."""
    return np.ones(a.shape if shape is None else shape, dtype or a.dtype)
