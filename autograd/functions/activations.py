"""Activations and their kin, made of primitives: whatever is true of the primitives is true of them."""

from __future__ import annotations

import math

from ..core.conversions import as_array
from ..core.ops.axes import Axis, normal_axis
from ..core.ops.elementwise import erf, exp, isfinite, log, sigmoid, stop_gradient, where
from ..core.primitive import Array
from .movement import reshape
from .reductions import max, narrowed, total, widened


def _top(x: Array, axis: Axis) -> Array:
    """The largest element as a constant; 0 where it is infinite, so that subtracting it gives no nan."""
    top = stop_gradient(max(x, axis, keepdims=True, initial=None if x.size else -math.inf))
    return where(isfinite(top), top, 0.0)


def logsumexp(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """log Σ exp(x) over the axes, without overflow.

    >>> import autograd as ag
    >>> float(ag.logsumexp(ag.Tensor([1000.0, 1000.0]))) == 1000 + math.log(2)
    True
    """
    x = as_array(x)
    top = _top(x, axis)
    powers = exp(x - top)
    found = narrowed(log(total(widened(powers), axis, True)) + top, powers)
    return found if keepdims else reshape(found, _dropped(x, axis))


def _dropped(x: Array, axis: Axis) -> tuple[int, ...]:
    axes = normal_axis(axis, x.ndim)
    return tuple(n for i, n in enumerate(x.shape) if axes is not None and i not in axes)


def _nothing(x: Array, axis: Axis) -> Array:
    """What is made of no elements."""
    normal_axis(axis, x.ndim)
    return exp(x)


def softmax(x: Array, axis: Axis = -1) -> Array:
    """exp(x) / Σ exp(x) along the axes, without overflow.

    >>> import autograd as ag
    >>> ag.softmax(ag.Tensor([0.0, 0.0])).data
    array([0.5, 0.5])
    """
    x = as_array(x)
    if not x.size:
        return _nothing(x, axis)
    powers = exp(x - _top(x, axis))
    wide = widened(powers)
    return narrowed(wide / total(wide, axis, True), powers)


def log_softmax(x: Array, axis: Axis = -1) -> Array:
    """x - log Σ exp(x) along the axes, without overflow.

    >>> import autograd as ag
    >>> bool(ag.log_softmax(ag.Tensor([1e4, 0.0])).data[1] == -1e4)
    True
    """
    x = as_array(x)
    if not x.size:
        return _nothing(x, axis)
    shifted = x - _top(x, axis)
    powers = exp(shifted)
    return narrowed(shifted - log(total(widened(powers), axis, True)), powers)


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
