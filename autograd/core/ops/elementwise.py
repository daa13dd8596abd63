"""Elementwise primitives.  Broadcasting is undone once, by the engine; rules are written as in a table of derivatives.

Conventions at kinks and ties: relu'(0) = 0, abs'(0) = 0, maximum and minimum share the gradient of a tie equally,
clip passes the gradient at its bounds, sqrt'(0) = inf.  Each row of `tests/test_conventions.py` is one of them.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .. import numpy_helpers
from ..errors import DTypeError
from ..mode import quiet
from ..primitive import Array, Primitive, elementwise, operator, shape_of

# ----- arithmetic -----
add = operator(
    "add", "+", np.add, (lambda g, y, a, b: g, lambda g, y, a, b: g),
    commutative=True, neutral=(-0.0, -0.0), weak=True, cost=1,
)  # fmt: skip
sub = operator(
    "sub", "-", np.subtract, (lambda g, y, a, b: g, lambda g, y, a, b: -g), neutral=(None, 0.0), weak=True, cost=1
)
mul = operator(
    "mul", "*", np.multiply, (lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    commutative=True, neutral=(1.0, 1.0), weak=True, cost=1,
)  # fmt: skip
div = operator(
    "div", "/", np.true_divide, (lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    neutral=(None, 1.0), weak=True,
)  # fmt: skip
neg = elementwise(
    "neg", np.negative, (lambda g, y, x: -g,), symbol="-", numpy="-{0}", doc="-x", weak=True, exact=True, cost=1
)


def _power_base_rule(g: Array, y: Array, a: Array, b: Array) -> Array:
    """b * a**(b - 1); where b is 0 that is 0 whatever a is, also where a is 0, inf or nan."""
    if isinstance(b, (int, float)):
        return g * b * a ** (b - 1) if b else g * 0.0
    return g * b * where((b != 0) | isfinite(a / a), a, 1.0) ** (b - 1)


def _power_exponent_rule(g: Array, y: Array, a: Array, b: Array) -> Array:
    """a**b * log(a); 0 where a is 0, and where a**b is (a is inf, b negative)."""
    return g * y * log(where((a == 0) | (y == 0), 1.0, a))


power = operator(
    "power", "**", np.power, (_power_base_rule, _power_exponent_rule), doc="a ** b; the gradient for b at a = 0 is 0",
    neutral=(None, 1.0), by_value=True, weak=True, cost=30,
)  # fmt: skip
abs_p = elementwise("abs", np.abs, (lambda g, y, x: g * sign(x),), doc="|x|; derivative 0 at 0", weak=True, exact=True)
sign: Primitive = elementwise("sign", np.sign, doc="-1, 0 or 1; no gradient", exact=True)
sqrt = elementwise("sqrt", np.sqrt, (lambda g, y, x: g / (2 * y),), symbol="√", doc="√x; derivative inf at 0")

# ----- exponentials -----
_function = functools.partial(elementwise, cost=30)
exp = _function("exp", np.exp, (lambda g, y, x: g * y,), doc="e**x")
expm1 = _function("expm1", np.expm1, (lambda g, y, x: g * (y + 1),), doc="e**x - 1, accurate near 0")
log: Primitive = _function("log", np.log, (lambda g, y, x: g / x,), doc="natural logarithm")
log1p = _function("log1p", np.log1p, (lambda g, y, x: g / (1 + x),), doc="log(1 + x), accurate near 0")

# ----- trigonometry -----
sin = _function("sin", np.sin, (lambda g, y, x: g * cos(x),), doc="sine of x in radians")
cos: Primitive = _function("cos", np.cos, (lambda g, y, x: -g * sin(x),), doc="cosine of x in radians")
tan = _function("tan", np.tan, (lambda g, y, x: g * (1 + y * y),), doc="tangent of x in radians")
arcsin = _function("arcsin", np.arcsin, (lambda g, y, x: g / sqrt(1 - x * x),), doc="inverse sine, in radians")
arccos = _function("arccos", np.arccos, (lambda g, y, x: -g / sqrt(1 - x * x),), doc="inverse cosine, in radians")
arctan = _function("arctan", np.arctan, (lambda g, y, x: g / (1 + x * x),), doc="inverse tangent, in radians")
arctan2 = _function(
    "arctan2", np.arctan2, (lambda g, y, a, b: g * b / (a * a + b * b), lambda g, y, a, b: -g * a / (a * a + b * b)),
    doc="angle of the point (b, a), in radians",
)  # fmt: skip
sinh = _function("sinh", np.sinh, (lambda g, y, x: g * cosh(x),), doc="hyperbolic sine")
cosh: Primitive = _function("cosh", np.cosh, (lambda g, y, x: g * sinh(x),), doc="hyperbolic cosine")
tanh = _function("tanh", np.tanh, (lambda g, y, x: g * (1 - y * y),), doc="hyperbolic tangent")


# ----- activations -----
def _sigmoid(x: Array) -> Array:
    return 1 / (1 + quiet.run(np.exp, -x))  # exp overflows to inf where the quotient is 0 anyway


sigmoid = _function(
    "sigmoid", _sigmoid, (lambda g, y, x: g * y * (1 - y),),
    symbol="σ", numpy="1 / (1 + np.exp(-{0}))", doc="1 / (1 + e**-x)",
)  # fmt: skip
softplus = _function(
    "softplus", lambda x: np.logaddexp(x, 0), (lambda g, y, x: g * sigmoid(x),),
    numpy="np.logaddexp({0}, 0)", doc="log(1 + e**x), without overflow",
)  # fmt: skip
erf = _function(
    "erf", numpy_helpers.erf, (lambda g, y, x: g * (2 / math.sqrt(math.pi)) * exp(-x * x),),
    numpy="erf({0})", doc="error function 2/√π ∫₀ˣ exp(-t²) dt",
)  # fmt: skip
relu = elementwise(
    "relu", lambda x: np.maximum(x, 0), (lambda g, y, x: g * (x > 0),),
    numpy="np.maximum({0}, 0)", doc="max(x, 0); derivative 0 at 0", exact=True,
)  # fmt: skip

# ----- selection -----
_exact = functools.partial(elementwise, exact=True)
maximum = _exact(
    "maximum", np.maximum, (lambda g, y, a, b: _share(g, a, b), lambda g, y, a, b: _share(g, b, a)),
    doc="elementwise larger of a and b; a tie shares the gradient", commutative=True,
)  # fmt: skip
minimum = _exact(
    "minimum", np.minimum, (lambda g, y, a, b: _share(g, b, a), lambda g, y, a, b: _share(g, a, b)),
    doc="elementwise smaller of a and b; a tie shares the gradient", commutative=True,
)  # fmt: skip


def _share(g: Array, winner: Array, other: Array) -> Array:
    """g where `winner` exceeds `other`, half of it at a tie."""
    return where(winner > other, g, where(winner == other, g * 0.5, 0.0))


where: Primitive = _exact(
    "where", np.where, (None, lambda g, y, c, a, b: where(c, g, 0.0), lambda g, y, c, a, b: where(c, 0.0, g)),
    numpy="np.where({0}, {1}, {2})", operands=("bool", "result", "result"),
)  # fmt: skip
clip = _exact(
    "clip", lambda x, low, high: np.minimum(np.maximum(x, low), high), (
        lambda g, y, x, low, high: where((x >= low) & (x <= high), g, 0.0),
        lambda g, y, x, low, high: where((x < low) & (low < high), g, 0.0),
        lambda g, y, x, low, high: where(maximum(x, low) > high, g, 0.0),
    ), numpy="np.minimum(np.maximum({0}, {1}), {2})",
)  # fmt: skip


# ----- no gradient -----
_comparison = functools.partial(operator, operands="common", exact=True)
_logical = functools.partial(elementwise, operands="bool", exact=True)
_exact_operator = functools.partial(operator, exact=True)
equal = _comparison("equal", "==", np.equal, doc="a == b, elementwise; no gradient", commutative=True)
not_equal = _comparison("not_equal", "!=", np.not_equal, doc="a != b, elementwise; no gradient", commutative=True)
less = _comparison("less", "<", np.less, doc="a < b, elementwise; no gradient")
less_equal = _comparison("less_equal", "<=", np.less_equal, doc="a <= b, elementwise; no gradient")
greater = _comparison("greater", ">", np.greater, doc="a > b, elementwise; no gradient")
greater_equal = _comparison("greater_equal", ">=", np.greater_equal, doc="a >= b, elementwise; no gradient")
logical_and = _logical(
    "logical_and", np.logical_and, symbol="&", doc="a and b, elementwise; no gradient", commutative=True
)
logical_or = _logical("logical_or", np.logical_or, symbol="|", doc="a or b, elementwise; no gradient", commutative=True)
logical_not = _logical("logical_not", np.logical_not, symbol="~", doc="not x, elementwise; no gradient")
bitwise_and = _exact_operator(
    "bitwise_and", "&", np.bitwise_and, doc="a & b, bit by bit; no gradient", commutative=True
)
bitwise_or = _exact_operator("bitwise_or", "|", np.bitwise_or, doc="a | b, bit by bit; no gradient", commutative=True)
bitwise_xor = _exact_operator(
    "bitwise_xor", "^", np.bitwise_xor, doc="a ^ b, bit by bit; no gradient", commutative=True
)
invert = _exact("invert", np.invert, symbol="~", doc="~x, bit by bit; no gradient")
left_shift = _exact_operator("left_shift", "<<", np.left_shift, doc="a << b: a * 2**b; no gradient")
right_shift = _exact_operator("right_shift", ">>", np.right_shift, doc="a >> b: floor(a / 2**b); no gradient")
isfinite = _exact("isfinite", np.isfinite, doc="neither nan nor inf, elementwise; no gradient", operands="common")
isnan = _exact("isnan", np.isnan, doc="is nan, elementwise; no gradient", operands="common")
floor = _exact("floor", np.floor, doc="largest whole number not above x; no gradient")
ceil = _exact("ceil", np.ceil, doc="smallest whole number not below x; no gradient")
round_p = _exact("round", np.rint, doc="nearest whole number, halves to even; no gradient")
floor_divide = _exact_operator(
    "floor_divide", "//", np.floor_divide, doc="floor(a / b); no gradient", weak=True, cost=30
)
mod = _exact_operator(
    "mod", "%", np.mod, (lambda g, y, a, b: g, lambda g, y, a, b: -g * floor_divide(a, b)),
    doc="a - b * floor(a / b)", weak=True, cost=30,
)  # fmt: skip


def _copied(x: Array) -> Array:
    return np.array(x) if np.ndim(x) else np.asarray(x)[()]


stop_gradient = elementwise(
    "stop_gradient", _copied, numpy="np.positive({0})", exact=True,
    doc="x itself, through which no gradient flows: a constant as far as backward can see",
)  # fmt: skip


astype_p = Primitive(
    "astype",  # (of an array [()] would be a view, which a tensor does not let anybody write into)
    lambda x, *, dtype: np.asarray(x).astype(dtype) if np.ndim(x) else np.asarray(x).astype(dtype)[()],
    (lambda g, y, x, *, dtype: g,),
    kind="elementwise",
    shape=lambda spec, *, dtype: (shape_of(spec), dtype),
)


def cast(x: Array, dtype: np.typing.DTypeLike) -> Array:
    """x in that dtype; the gradient is cast back to the dtype of x (none flows through integers and bools).

    The bytes of tensors are in the machine's order, whatever that of the dtype is.
    """
    target = np.dtype(dtype).newbyteorder("=")
    if target.kind not in "biufc":
        raise DTypeError(f"arrays here are of numbers and truths, got dtype {target}: use x.numpy().astype({dtype!r})")
    return astype_p(x if target.kind == "f" else stop_gradient(x), dtype=target)
