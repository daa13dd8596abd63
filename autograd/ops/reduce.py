"""Reductions over axes, and the running sum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import ArgumentError
from ..primitive import Array, Primitive, Rule, Spec, example, shape_of
from .shape import broadcast_to_p, concatenate, flip, getitem, reshape, transpose

Axis = int | tuple[int, ...] | None


def normal_axis(axis: Axis, ndim: int) -> tuple[int, ...] | None:
    """Axes as a sorted tuple of numbers >= 0; None (all axes) stays None."""
    if axis is None:
        return None
    axes = (axis,) if isinstance(axis, (int, np.integer)) else tuple(axis)
    if any(not -ndim <= a < ndim for a in axes) or len({a % ndim for a in axes}) < len(axes):
        raise ArgumentError(
            f"axis {axis} is not valid for an array with {ndim} axes: use -{ndim}..{ndim - 1}, each once"
        )
    return tuple(sorted(int(a) % ndim for a in axes))


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape that a reduction with keepdims=True gives."""
    return tuple(1 if axis is None or i in axis else n for i, n in enumerate(shape))


def _keep(g: Array, x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    """g with its reduced axes back in place, of length one."""
    return g if keepdims or axis is None else reshape(g, kept_shape(x.shape, axis))


def _reduction(name: str, forward: Callable[..., Array], vjps: Sequence[Rule | None], symbol: str = "") -> Primitive:
    def shape(spec: Spec | type, *, axis: tuple[int, ...] | None, keepdims: bool) -> Spec:
        before = shape_of(spec)
        kept = kept_shape(before, axis)
        after = kept if keepdims else tuple(n for i, n in enumerate(before) if not (axis is None or i in axis))
        return after, np.asarray(forward(example(spec), axis=None, keepdims=False)).dtype

    return Primitive(name, forward, vjps, kind="reduction", shape=shape, symbol=symbol)


def _sum_vjp(g: Array, y: Array, x: Array, *, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    return broadcast_to_p(_keep(g, x, axis, keepdims), shape=x.shape)


def _extremum_vjp(g: Array, y: Array, x: Array, *, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    best = x == _keep(y, x, axis, keepdims)
    return _keep(g, x, axis, keepdims) * best / sum(best, axis=axis, keepdims=True)


def _prod_vjp(g: Array, y: Array, x: Array, *, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    return _keep(g, x, axis, keepdims) * products_of_others(x, axis)


def products_of_others(x: Array, axis: tuple[int, ...] | None) -> Array:
    """For each element the product of all others along the axes: exact where elements are 0, at every order.

    Running products from both ends, doubling the reach at each turn, so that nothing is divided.
    """
    axes = tuple(range(x.ndim)) if axis is None else axis
    order = tuple(i for i in range(x.ndim) if i not in axes) + axes
    moved = transpose(x, order)
    rows = reshape(moved, (math.prod(x.shape[i] for i in order[: x.ndim - len(axes)]), -1)) if x.size else moved
    if not x.size:
        return x
    length = rows.shape[1]
    before, after, reach = _shifted(rows, 1), _shifted(rows, -1), 1
    while reach < length:
        before, after, reach = before * _shifted(before, reach), after * _shifted(after, -reach), 2 * reach
    inverse = tuple(int(i) for i in np.argsort(order))
    return transpose(reshape(before * after, moved.shape), inverse)


def _shifted(rows: Array, by: int) -> Array:
    """Rows moved `by` places to the right (left when negative), ones moving in."""
    by = by if abs(by) < rows.shape[1] else rows.shape[1]
    ones = np.ones((rows.shape[0], abs(by)), rows.dtype)
    rest = getitem(rows, (slice(None), slice(None, -by) if by > 0 else slice(-by, None)))
    return concatenate((ones, rest) if by > 0 else (rest, ones), axis=1)


sum_p = _reduction("sum", lambda x, *, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims), (_sum_vjp,), "Σ")
prod_p = _reduction(
    "prod", lambda x, *, axis, keepdims: np.multiply.reduce(x, axis=axis, keepdims=keepdims), (_prod_vjp,), "Π"
)
max_p = _reduction(
    "max", lambda x, *, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims), (_extremum_vjp,)
)
min_p = _reduction(
    "min", lambda x, *, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims), (_extremum_vjp,)
)
cumsum_p = Primitive(
    "cumsum",
    lambda x, *, axis: np.add.accumulate(x, axis=axis),
    (lambda g, y, x, *, axis: flip(cumsum(flip(g, axis), axis), axis),),
    kind="reduction",
    shape=lambda spec, *, axis: (shape_of(spec), np.add.accumulate(np.atleast_1d(example(spec)), axis=0).dtype),
)


def _index_of(name: str, forward: Callable[..., Array]) -> Primitive:
    def shape(spec: Spec | type, *, axis: int | None, keepdims: bool) -> Spec:
        before = shape_of(spec)
        axes = None if axis is None else (axis,)
        kept = kept_shape(before, axes)
        return kept if keepdims else tuple(n for i, n in enumerate(before) if axes and i not in axes), np.dtype(np.intp)

    return Primitive(name, forward, kind="reduction", shape=shape)


argmax_p = _index_of("argmax", lambda x, *, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims))
argmin_p = _index_of("argmin", lambda x, *, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims))


def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over the axes (all by default).

    >>> import autograd as ag
    >>> ag.sum(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).data
    array([4., 6.])
    """
    return sum_p(x, axis=None if axis is None else normal_axis(axis, np.ndim(x)), keepdims=keepdims)


def prod(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over the axes; its gradient is exact where elements are 0.

    >>> import autograd as ag
    >>> x = ag.Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ag.prod(x).backward()
    >>> x.grad
    array([0., 6., 0.])
    """
    return prod_p(x, axis=normal_axis(axis, np.ndim(x)), keepdims=keepdims)


def max(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Largest element over the axes; ties share the gradient equally.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> ag.max(x).backward()
    >>> x.grad
    array([0. , 0.5, 0.5])
    """
    return max_p(x, axis=normal_axis(axis, np.ndim(x)), keepdims=keepdims)


def min(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Smallest element over the axes; ties share the gradient equally.

    >>> import autograd as ag
    >>> float(ag.min(ag.Tensor([3.0, 1.0, 2.0])))
    1.0
    """
    return min_p(x, axis=normal_axis(axis, np.ndim(x)), keepdims=keepdims)


def cumsum(x: Array, axis: int | None = None) -> Array:
    """Running sum along an axis; of all elements in order by default.

    >>> import autograd as ag
    >>> ag.cumsum(ag.Tensor([1.0, 2.0, 3.0])).data
    array([1., 3., 6.])
    """
    if axis is None:
        return cumsum_p(reshape(x, (-1,)), axis=0)
    axes = normal_axis(axis, np.ndim(x))
    return cumsum_p(x, axis=axes[0] if axes else 0)


def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first largest element; no gradient.

    >>> import autograd as ag
    >>> int(ag.argmax(ag.Tensor([1.0, 5.0, 2.0])))
    1
    """
    axes = normal_axis(axis, np.ndim(x))
    return argmax_p(x, axis=axes and axes[0], keepdims=keepdims)


def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first smallest element; no gradient.

    >>> import autograd as ag
    >>> int(ag.argmin(ag.Tensor([1.0, 5.0, 0.5])))
    2
    """
    axes = normal_axis(axis, np.ndim(x))
    return argmin_p(x, axis=axes and axes[0], keepdims=keepdims)
