"""Elementary functions as branch-free code, for every finite and infinite input, nan and subnormal numbers included.

Everything is computed in double precision: a float32 argument is widened, the shorter polynomial suffices, and the
result is rounded once.  Methods:

* exp, expm1: W. J. Cody and W. Waite, "Software Manual for the Elementary Functions" (1980): x = n ln 2 + r with
  ln 2 in two parts; exp r - 1 - r = r² q(r), q interpolating at Chebyshev nodes (relative error below 2e-17).
* log, log1p, sin, cos, erf: the kernels and coefficients of Sun Microsystems' fdlibm (e_log.c, s_log1p.c, k_sin.c,
  k_cos.c, s_erf.c).  Angles beyond 1600 go to the C library, which reduces them exactly.
* Polynomials are evaluated by G. Estrin's scheme ("Organization of computer systems", 1960): short chains.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np

from .builder import Value, width_of

_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
_ROUND_BITS = int(np.float64(_ROUND).view(np.int64))
_Q_DOUBLE = (
    0.5000000000000001, 0.16666666666666669, 0.04166666666662414, 0.008333333333330025, 0.0013888888917203944,
    0.00019841269863145097, 2.4801521312193153e-05, 2.75572683768078e-06, 2.76200804218235e-07, 2.5100411380681652e-08,
)  # fmt: skip
_Q_FLOAT = (
    0.5000000013459222, 0.16666666681615916, 0.041666464991106766, 0.008333310932790466, 0.0013933642689829208,
    0.0001989098271080572,
)  # fmt: skip
_LOG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip
_SIN = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
    -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
_COS = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05, -2.75573143513906633035e-07,
    2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """c0 + c1 x + c2 x² + ..., halved again and again so that the halves run side by side."""
    powers = {1: x}

    def power(n: int) -> Value:
        if n not in powers:
            powers[n] = power(n // 2) * power(n // 2)
        return powers[n]

    def part(c: Sequence[float]) -> Value:
        if len(c) == 1:
            return x.like(c[0])
        half = 1 << ((len(c) - 1).bit_length() - 1)
        high = power(half) * part(c[half:]) if len(c) > half + 1 else power(half) * c[half]
        return high + (part(c[:half]) if half > 1 else c[0])

    return part(coefficients)


def in_double(function: Callable[..., Value]) -> Callable[..., Value]:
    """Compute float32 arguments in double precision and round the result once."""

    @functools.wraps(function)
    def widened(*args: Value) -> Value:
        if args[0].kind == "double":
            return function(*args, True)
        return function(*[a.cast("double") for a in args], False).cast("float")

    return widened


def _clamp(x: Value, low: float, high: float) -> Value:
    """Between the bounds; nan stays nan."""
    x = x.code.select(x < low, x.like(low), x)
    return x.code.select(x > high, x.like(high), x)


def _reduced(x: Value, precise: bool) -> tuple[Value, Value, Value]:
    """The integer n nearest x / ln 2 (as i64), r = x - n ln 2, and exp(r) - 1 - r."""
    shifted = x * (1 / math.log(2)) + _ROUND
    n = shifted - _ROUND
    high = x - n * _LN2_HIGH
    r = high - n * _LN2_LOW
    tail = (r * r) * polynomial(r, _Q_DOUBLE if precise else _Q_FLOAT)
    if precise:
        tail = tail + ((high - r) - n * _LN2_LOW)  # what rounding r lost
    return shifted.bits() - _ROUND_BITS, r, tail


def _mantissa(r: Value, tail: Value, precise: bool) -> Value:
    """1 + r + tail, rounded once where it must be precise."""
    if not precise:
        return (r + tail) + 1.0
    whole = r + 1.0
    return whole + ((r - (whole - 1.0)) + tail)


def _two_to(n: Value) -> Value:
    """2**n for -1022 <= n <= 1023."""
    return ((n + 1023) << 52).bits()


def _exp(x: Value, precise: bool) -> Value:
    if not precise:  # neither end of float32 is near an end of double
        n, r, tail = _reduced(_clamp(x, -120.0, 120.0), False)
        return _mantissa(r, tail, False) * _two_to(n)
    n, r, tail = _reduced(_clamp(x, -746.0, 710.0), True)
    half = n >> 1  # 2**n itself need not be a normal number
    return (_mantissa(r, tail, True) * _two_to(half)) * _two_to(n - half)


def _expm1(x: Value, precise: bool) -> Value:
    n, r, tail = _reduced(_clamp(x, -40.0, 710.0 if precise else 120.0), precise)
    scale = _two_to(n - 1)  # half of 2**n: that has no exponent of its own where the result is close to overflow
    result = ((r + tail) * scale + (scale - 0.5)) * 2.0
    return x.code.select(_magnitude(x) < 2.0**-54, x, result)


def _magnitude(x: Value) -> Value:
    return x.code.call("llvm.fabs", x)


def _tanh(x: Value, precise: bool) -> Value:
    """e / (e + 2) for e = exp(2 |x|) - 1, which near 0 is as exact as 2 |x| is."""
    code = x.code
    size = _magnitude(x)
    n, r, tail = _reduced(code.select(size > 22.0, x.like(22.0), size) * 2.0, precise)
    scale = _two_to(n)
    e = tail * scale + (r * scale + (scale - 1.0))
    under = e + 2.0
    result = e / under
    if precise:  # near 0 it matters what rounding e + 2 has lost
        lost = code.select(size < 0.5, e - (under - 2.0), x.like(0.0))
        result = result - (result * 0.5) * lost
    return code.call("llvm.copysign", result, x)


def _sigmoid(x: Value, precise: bool) -> Value:
    """1 / (1 + exp(-x)); 0 where exp(-x) overflows, as in NumPy."""
    power = _exp(-x, precise)
    if not precise:
        power = x.code.select(x < -88.72283935546875, x.like(math.inf), power)
    return 1.0 / (power + 1.0)


def _log_parts(u: Value) -> tuple[Value, Value]:
    """k (a whole number, as a float) and f with u = 2**k (1 + f), 1 + f between √½ and √2; u positive and normal."""
    bits = u.bits()
    k = (bits - 0x3FE6A09E667F3BCD) >> 52
    return (k + _ROUND_BITS).bits() - _ROUND, (bits - (k << 52)).bits() - 1.0


def _log_series(k: Value, f: Value, correction: Value | None) -> Value:
    """k ln 2 + log(1 + f) + correction."""
    s = f / (f + 2.0)
    z = s * s
    half_square = (f * f) * 0.5
    r = z * polynomial(z, _LOG)
    low = k * _LN2_LOW
    if correction is not None:
        low = low + correction
    return k * _LN2_HIGH - ((half_square - (s * (half_square + r) + low)) - f)


def _log(x: Value, precise: bool) -> Value:
    code = x.code
    tiny = x < 2.2250738585072014e-308
    k, f = _log_parts(code.select(tiny, x * 2.0**54, x))
    k = k - code.select(tiny, x.like(54.0), x.like(0.0))
    result = _log_series(k, f, None)
    result = code.select(x < math.inf, result, x)
    result = code.select(x < 0.0, x.like(math.nan), result)
    return code.select(x.compare("==", 0.0), x.like(-math.inf), result)


def _log1p(x: Value, precise: bool) -> Value:
    code = x.code
    u = x + 1.0
    error = code.select(x > 1.0, 1.0 - (u - x), x - (u - 1.0))  # what rounding 1 + x lost
    k, f = _log_parts(u)
    result = _log_series(k, f, error / u)
    result = code.select(x < math.inf, result, x)
    result = code.select(x < -1.0, x.like(math.nan), result)
    result = code.select(x.compare("==", -1.0), x.like(-math.inf), result)
    return code.select(_magnitude(x) < 2.0**-54, x, result)


def _softplus(x: Value, precise: bool) -> Value:
    """max(x, 0) + log(1 + exp(-|x|))."""
    positive = x.code.select(x < 0.0, x.like(0.0), x)
    return positive + _log1p(_exp(-_magnitude(x), precise), precise)


def _circular(x: Value, name: str) -> Value:
    """sin or cos: the angle less n π/2 in two parts, both kernels, and the quadrant chooses among them."""
    code = x.code
    shifted = x * (2 / math.pi) + _ROUND
    n = shifted - _ROUND
    t = x - n * 1.57079632673412561417e00
    w = n * 6.07710050630396597660e-11
    high = t - w
    low = n * 2.02226624879595063154e-21 - ((t - high) - w)
    r = high - low
    y = (high - r) - low
    z = r * r
    cube = z * r
    sine = r - ((z * (y * 0.5 - cube * polynomial(z, _SIN[1:])) - y) - cube * _SIN[0])
    half = z * 0.5
    rest = 1.0 - half
    cosine = rest + (((1.0 - rest) - half) + ((z * z) * polynomial(z, _COS) - r * y))
    quadrant = shifted.bits() + (0 if name == "sin" else 1)
    chosen = code.select((quadrant & 1).compare("==", 0), sine, cosine)
    result = (chosen.bits() ^ ((quadrant & 2) << 62)).bits()
    result = code.select(x.compare("==", 0.0), x, result) if name == "sin" else result
    near = _magnitude(x) < 1600.0
    return _else_library(near, result, name, x)


def _else_library(good: Value, result: Value, name: str, x: Value) -> Value:
    """The result where it is good; where a lane is not, the C library computes that vector."""
    code = x.code
    if x.lanes == 1:
        every = good
    else:
        lanes = width_of(x.lanes)
        good = good.shuffle(
            [min(lane, x.lanes - 1) for lane in range(lanes)]
        )  # (a vector may be longer than its lanes)
        whole = f"i{lanes}"
        packed = code.add(f"bitcast {good.type} {good.name} to {whole}", whole)
        every = code.add(f"icmp eq {whole} {packed.name}, -1", "i1")
    before, slow, after = code.block, code.fresh("slow"), code.fresh("after")
    code.line(f"  br i1 {every.name}, label %{after}, label %{slow}")
    code.label(slow)
    exact = code.library(name, x)
    code.line(f"  br label %{after}")
    code.label(after)
    return code.add(f"phi {x.type} [ {result.name}, %{before} ], [ {exact.name}, %{slow} ]", x.kind, x.lanes)


# Coefficients of s_erf.c: (interval of |x|, numerator, denominator).
# fmt: off
_ERF = {
    "small": ((1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
               -5.77027029648944159157e-03,
               -2.37630166566501626084e-05),
              (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
               1.32494738004321644526e-04, -3.96022827877536812320e-06)),
    "middle": ((-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
                3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
                -2.16637559486879084300e-03),
               (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
                1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02)),
    "large": ((-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
               -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
               -8.12874355063065934246e+01, -9.81432934416914548592e+00),
              (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
               6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
               6.57024977031928170135e+00, -6.04244152148580987438e-02)),
    "huge": ((-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
              -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
              -4.83519191608651397019e+02),
             (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
              3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
              -2.24409524465858183362e+01)),
}
# fmt: on


def _erf(x: Value, precise: bool) -> Value:
    code = x.code
    size = _magnitude(x)

    def ratio(t: Value, name: str) -> Value:
        over, under = _ERF[name]
        return polynomial(t, over) / polynomial(t, under)

    small = x + x * ratio(x * x, "small")
    middle = ratio(size - 1.0, "middle") + 8.45062911510467529297e-01
    near = _clamp(size, 1.25, 6.5)
    inverse = 1.0 / (near * near)
    tail = code.select(size < 1 / 0.35, ratio(inverse, "large"), ratio(inverse, "huge"))
    head = near.cast("float").cast("double")  # few enough bits that its square is exact
    decay = _exp(-(head * head) - 0.5625, precise) * _exp((head - near) * (head + near) + tail, precise)
    far = code.select(size < 6.0, 1.0 - decay / near, x.like(1.0))
    beyond = code.select(size < 1.25, middle, far)
    result = code.select(size < 0.84375, small, code.call("llvm.copysign", beyond, x))
    return code.select(x.is_nan(), x, result)


exp, expm1, tanh, sigmoid = map(in_double, (_exp, _expm1, _tanh, _sigmoid))
log, log1p, softplus, erf = map(in_double, (_log, _log1p, _softplus, _erf))
sin = in_double(lambda x, precise: _circular(x, "sin"))
cos = in_double(lambda x, precise: _circular(x, "cos"))


def from_library(name: str) -> Callable[..., Value]:
    """A function of the C library, one call per element: right, but not fast."""
    return in_double(lambda *args: args[0].code.library(name, *args[:-1]))
