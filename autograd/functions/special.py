"""Elementwise functions that need a rule of their own, since their accuracy would be lost in a formula.

They are primitives outside of the registry: backends call the forward function of NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.custom import unlisted
from ..core.ops.elementwise import exp, sqrt, where
from ..core.primitive import Array, Primitive, Spec, result_dtype, shape_of
from .protocols import implements


def _elementwise(name: str, forward: Any, *rules: Any, doc: str) -> Primitive:
    def shape(*specs: Spec | type) -> Spec:
        return np.broadcast_shapes(*(shape_of(s) for s in specs)), result_dtype(forward, *specs)

    made = unlisted(name, forward, rules, shape=shape, doc=doc, ufunc=forward)
    implements(name)(made)
    return made


log2 = _elementwise("log2", np.log2, lambda g, y, x: g / (x * math.log(2)), doc="logarithm to base 2")
log10 = _elementwise("log10", np.log10, lambda g, y, x: g / (x * math.log(10)), doc="logarithm to base 10")
cbrt = _elementwise("cbrt", np.cbrt, lambda g, y, x: g / (3 * y * y), doc="cube root, of negative numbers too")
arcsinh = _elementwise("arcsinh", np.arcsinh, lambda g, y, x: g / sqrt(x * x + 1), doc="inverse hyperbolic sine")
arccosh = _elementwise(
    "arccosh", np.arccosh, lambda g, y, x: g / (sqrt(x - 1) * sqrt(x + 1)), doc="inverse hyperbolic cosine, x > 1"
)
arctanh = _elementwise(
    "arctanh", np.arctanh, lambda g, y, x: g / ((1 - x) * (1 + x)), doc="inverse hyperbolic tangent, |x| < 1"
)


def _share(y: Array, a: Array) -> Array:
    """a / y, and 0 where both are: by a root, so that the derivative there, which is none, comes out as nan."""
    kink = y == 0
    return where(kink, sqrt(abs(where(kink, a, 1.0))), a / where(kink, 1.0, y))


hypot = _elementwise(
    "hypot",
    np.hypot,
    lambda g, y, a, b: g * _share(y, a),
    lambda g, y, a, b: g * _share(y, b),
    doc="√(a² + b²) without overflow; its gradient at 0 is 0, its second derivatives there are nan",
)
logaddexp = _elementwise(
    "logaddexp",
    np.logaddexp,
    lambda g, y, a, b: g * exp(a - y),
    lambda g, y, a, b: g * exp(b - y),
    doc="log(e**a + e**b), without overflow",
)
logaddexp2 = _elementwise(
    "logaddexp2",
    np.logaddexp2,
    lambda g, y, a, b: g * exp((a - y) * math.log(2)),
    lambda g, y, a, b: g * exp((b - y) * math.log(2)),
    doc="log2(2**a + 2**b), without overflow",
)


def positions(name: str, forward: Callable[..., Array], shape: Callable[..., tuple[int, ...]]) -> Primitive:
    """A primitive that answers in integers (where something is) and so has no gradient, but can be traced."""

    def spec(*specs: Spec, **params: Any) -> Spec:
        return shape(*map(shape_of, specs), **params), np.dtype(np.intp)

    return unlisted(name, forward, (None,) * (2 if name == "searchsorted" else 1), shape=spec, doc=name)


def _argsort(x: Array, *, axis: int, kind: Any) -> Array:
    return np.argsort(x, axis=axis, kind=kind)


def _argpartition(x: Array, *, axis: int, kth: Any) -> Array:
    return np.argpartition(x, kth, axis=axis)


def _searchsorted(a: Array, v: Array, *, side: Any) -> Array:
    return np.searchsorted(a, v, side)


argsort_p = positions("argsort", _argsort, lambda x, *, axis, kind: x)
argpartition_p = positions("argpartition", _argpartition, lambda x, *, axis, kth: x)
searchsorted_p = positions("searchsorted", _searchsorted, lambda a, v, *, side: v)
signbit = unlisted(
    "signbit",
    np.signbit,
    (None,),
    shape=lambda x: (shape_of(x), np.dtype(bool)),
    doc="is -0.0 or less; no gradient",
    ufunc=np.signbit,
)
implements("signbit")(signbit)
