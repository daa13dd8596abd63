"""Where eigenvalues or singular values coincide: quotients 0 / 0 in the rules of decompositions, and their limits.

The vectors of equal values are any basis of their space.  A function that does not depend on which (``(U * exp(w)) @ U.T``)
has a derivative, and a numerator that is 0 wherever two values are equal, whatever the other values are.  So by
l'Hôpital's rule the quotient is the derivative of the numerator when the two move apart, half of it by each, while the
vectors stay; forward mode takes it through the recorded backward pass.  That way also the second derivatives are right.
A numerator that is not 0 belongs to a function that depends on the choice: nan.  So is what a trace or `vmap` cannot
look at.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.mode import current
from ..core.ops.elementwise import abs_p, stop_gradient, where
from ..core.ops.shape import getitem
from ..core.primitive import Array, Box
from ..core.source_location import at, here
from ..core.tensor import Tensor
from ..transforms.forward_mode import push
from .movement import expand_dims
from .reductions import max


def _tolerance(dtype: Any, count: int) -> float:
    """Values as close as that, relative to the largest, differ by rounding alone."""
    return 16 * count * float(np.finfo(dtype).eps)


def near(gap: Array, values: Array) -> Array:
    """Where a difference or sum of some values is 0 but for rounding; no gradient."""
    n = values.shape[-1]
    size = max(abs_p(stop_gradient(values)), -1, keepdims=True) if n else values
    size = size if gap.ndim == values.ndim else expand_dims(size, -1)
    return abs_p(stop_gradient(gap)) <= size * _tolerance(values.dtype, n)


def largest(x: Array) -> Array:
    """The largest magnitude in each matrix; no gradient."""
    size = abs_p(stop_gradient(x))
    return max(size, (-2, -1), keepdims=True) if x.size else size


def coincide(tensor: Tensor, row: int, zero: bool = False) -> bool:
    """Whether some values in a row of stacked factors are equal, or one is 0; False where that cannot be seen."""
    if isinstance(tensor.value, Box):
        return False
    values = tensor.value[..., row, :]
    gaps = expand_dims(values, -2) - expand_dims(values, -1)
    return bool(
        (near(gaps, values) & ~np.eye(values.shape[-1], dtype=bool)).any() or (zero and near(values, values).any())
    )


def undefined(g: Array, values: Array) -> Array:
    """A matrix of zeros; nan where two values are equal but not what is asked of them, which then depends on the choice."""
    n = values.shape[-1]
    equal = near(expand_dims(values, -2) - expand_dims(values, -1), values)
    apart = abs_p(stop_gradient(expand_dims(g, -2) - expand_dims(g, -1)))
    size = expand_dims(max(abs_p(stop_gradient(g)), -1, keepdims=True), -1) if n else apart
    return where(equal & (apart > _rounding(size, values)), np.nan, np.zeros((n, n), values.dtype))


def _rounding(size: Array, values: Array) -> Array:
    """How far from 0 numerators are that would be 0 without rounding, where the largest has this size."""
    eps = float(np.finfo(values.dtype).eps)
    return size * np.sqrt(eps).astype(values.dtype) + 256 * eps


def divided(numerator: Array, y: Array, row: int, sign: int, size: Array, diagonal: Array = None) -> Array:
    """numerator_ij / (v_j + sign v_i) beside the diagonal, for the values v in a row of y; 0 on the diagonal.

    Args:
        numerator: antisymmetric.
        y: the stacked factors, of which the numerator is a function.
        row: where the values stand.
        sign: 1 or -1.
        size: what rounding errors of the numerator are relative to.
        diagonal: the cotangents of the values, which turn into the quotients as the vectors turn; else a warning is given.
    """
    values = getitem(y, (..., row, slice(None)))
    bottom = expand_dims(values, -2) + sign * expand_dims(values, -1)
    singular = near(bottom, values) & ~np.eye(values.shape[-1], dtype=bool)
    quotient = numerator / where(near(bottom, values), 1.0, bottom)
    if not (visible(singular) and isinstance(y, Tensor)):
        return where(singular, _nan(singular, numerator), quotient)
    bad = singular & (abs_p(stop_gradient(numerator)) > _rounding(size, values))
    for i, j in np.argwhere(np.triu(_any(singular))).tolist():
        entry, place = getitem(numerator, (..., i, j)), np.zeros((values.shape[-1],) * 2, values.dtype)
        place[i, j], place[j, i] = 1, -sign
        limit = _moved(entry, y, _split(y, row, {j: 0.5, i: 0.5 * sign}))
        quotient = where(singular & (place != 0), _matrix(limit) * place, quotient)
        if diagonal is not None:  # another basis of their space must not matter
            turn = _turn(y, row, i, j)
            turned = abs_p(stop_gradient(_matrix(_moved(entry, y, turn))))
            bad = bad | (singular & (place != 0) & (turned > _rounding(size, values)))
            apart = getitem(diagonal, (..., j)) - getitem(diagonal, (..., i))
            _warn(getitem(singular, (..., i, j)), _moved(limit, y, turn) - apart, diagonal)
    return where(bad, _nan(bad, numerator), quotient)


def check_zeros(inner: Array, g: Array, y: Array, row: int) -> None:
    """Warn where a singular value of 0 is asked for something odd, such as a sum: like abs, it has no derivative there."""
    values = getitem(y, (..., row, slice(None)))
    if visible(values) and isinstance(y, Tensor):
        zero = near(values, values)
        for i in np.nonzero(_any(expand_dims(zero, -2))[0])[0].tolist():
            moved = _moved(getitem(inner, (..., i, i)), y, _split(y, row, {i: 1.0}))
            _warn(getitem(zero, (..., i)), moved - getitem(g, (..., i)), g)


def _warn(singular: Array, error: Array, g: Array) -> None:
    singular, error, g = (x.value if isinstance(x, Tensor) else x for x in (singular, error, g))
    if (singular & (np.abs(error) > _rounding(np.abs(g).max(), g))).any():
        warnings.warn(
            f"{at(here())}: eigenvalues or singular values are equal (or 0), so the derivative by a single one depends on the "
            "choice of vectors: use a function of all of them in which they are alike (sum, max, a norm)",
            RuntimeWarning,
            stacklevel=2,
        )


def over_zero(numerator: Array, y: Array, row: int, size: Array) -> Array:
    """Each column of the numerator divided by its value; where that is 0, the limit."""
    values = getitem(y, (..., row, slice(None)))
    zero = expand_dims(near(values, values), -2)
    quotient = numerator / where(zero, 1.0, expand_dims(values, -2))
    if not (visible(zero) and isinstance(y, Tensor)):
        return where(zero, _nan(zero, numerator), quotient)
    columns = np.arange(values.shape[-1])
    for i in np.nonzero(_any(zero)[0])[0].tolist():
        limit = _moved(getitem(numerator, (..., i)), y, _split(y, row, {i: 1.0}))
        quotient = where(zero & (columns == i), expand_dims(limit, -1), quotient)
    bad = zero & (abs_p(stop_gradient(numerator)) > _rounding(size, values))
    return where(bad, _nan(bad, numerator), quotient)


def _nan(where_: Array, numerator: Array) -> Array:
    """nan that depends on the numerator, so that its derivatives are nan as well; they leave other places alone."""
    return np.nan * where(where_, numerator, 0.0)


def visible(x: Array) -> bool:
    """Whether values can be looked at, and a pass be followed through them: neither in a trace nor for all rows of vmap."""
    return current().trace is None and not isinstance(x.value if isinstance(x, Tensor) else x, Box)


def _any(condition: Array) -> Any:
    """Where it holds in any of a stack of matrices."""
    value = condition.value if isinstance(condition, Tensor) else condition
    return value.reshape(-1, *value.shape[-2:]).any(axis=0)


def _matrix(entry: Array) -> Array:
    return expand_dims(expand_dims(entry, -1), -1)


def _split(y: Array, row: int, moves: dict[int, float]) -> Any:
    """The direction in which some of the values move, and all else stays."""
    direction = np.zeros(y.shape, y.dtype)
    for place, by in moves.items():
        direction[..., row, place] = by
    return direction


def _turn(y: Array, row: int, i: int, j: int) -> Any:
    """The direction in which two vectors turn in their plane, and all else stays."""
    value = y.value if isinstance(y, Tensor) else y
    direction = np.zeros(value.shape, value.dtype)
    direction[..., i], direction[..., j] = value[..., j], -value[..., i]
    direction[..., row, :] = 0
    return direction


def _moved(entry: Array, y: Array, direction: Any) -> Array:
    """How an entry changes when the factors move; 0 if it does not depend on them."""
    still = np.zeros(entry.shape, entry.dtype)[()]
    if not isinstance(entry, Tensor) or not isinstance(y, Tensor) or not entry.requires_grad:
        return still
    return push([entry], {y: direction}, graph=True, since=y.serial).get(entry, still)
