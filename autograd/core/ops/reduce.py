"""Reductions over axes, and the running sum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Array, Primitive, Rule, Spec, example, shape_of
from .axes import Axis, axis_number, normal_axis, reduced_axis, whole
from .elementwise import astype, maximum, minimum
from .shape import broadcast_to_p, concatenate, flip, getitem, reshape, transpose


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape that a reduction with keepdims=True gives."""
    return tuple(1 if axis is None or i in axis else n for i, n in enumerate(shape))


def _keep(g: Array, x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    """g with its reduced axes back in place, of length one."""
    return g if keepdims or axis is None else reshape(g, kept_shape(x.shape, axis))


def _reduction(name: str, ufunc: np.ufunc, vjp: Rule, **facts: Any) -> Primitive:
    def forward(x: Array, *, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
        return ufunc.reduce(x, axis=axis, keepdims=keepdims)

    def shape(spec: Spec | type, *, axis: tuple[int, ...] | None, keepdims: bool) -> Spec:
        before = shape_of(spec)
        axis = normal_axis(axis, len(before))
        kept = kept_shape(before, axis)
        after = kept if keepdims else tuple(n for i, n in enumerate(before) if not (axis is None or i in axis))
        return after, np.asarray(forward(example(spec), axis=axis, keepdims=False)).dtype

    return Primitive(name, forward, (vjp,), kind="reduction", shape=shape, reduces=ufunc, **facts)


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


sum_p = _reduction("sum", np.add, _sum_vjp, symbol="Σ", linear="each")
prod_p = _reduction("prod", np.multiply, _prod_vjp, symbol="Π")
max_p = _reduction("max", np.maximum, _extremum_vjp, exact=True)
min_p = _reduction("min", np.minimum, _extremum_vjp, exact=True)


def _cumsum_forward(x: Array, *, axis: int) -> Array:
    return np.add.accumulate(x, axis=axis)


cumsum_p = Primitive(
    "cumsum",
    _cumsum_forward,
    (lambda g, y, x, *, axis: flip(cumsum(flip(g, axis), axis), axis),),
    kind="reduction",
    shape=lambda spec, *, axis: (shape_of(spec), _cumsum_forward(example(spec), axis=axis).dtype),
    numpy="np.cumsum({0}, axis={axis})",
    linear="each",
)


def _index_of(name: str, forward: Callable[..., Array]) -> Primitive:
    def shape(spec: Spec | type, *, axis: int | None, keepdims: bool) -> Spec:
        before = shape_of(spec)
        axes = None if axis is None else (axis_number(axis, len(before)),)
        forward(example(spec), axis=axis, keepdims=False)  # (which refuses to look among no elements)
        kept = kept_shape(before, axes)
        return kept if keepdims else tuple(n for i, n in enumerate(before) if axes and i not in axes), np.dtype(np.intp)

    return Primitive(name, forward, kind="reduction", shape=shape, exact=True)


argmax_p = _index_of("argmax", lambda x, *, axis, keepdims: np.argmax(x, axis=axis, keepdims=keepdims))
argmin_p = _index_of("argmin", lambda x, *, axis, keepdims: np.argmin(x, axis=axis, keepdims=keepdims))


def sum(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Sum over the axes (all by default).

    >>> import autograd as ag
    >>> ag.sum(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).data
    array([4., 6.])
    """
    return sum_p(x, axis=None if axis is None else reduced_axis(axis, np.ndim(x)), keepdims=keepdims)


def prod(x: Array, axis: Axis = None, keepdims: bool = False) -> Array:
    """Product over the axes; its gradient is exact where elements are 0.

    >>> import autograd as ag
    >>> x = ag.Tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> ag.prod(x).backward()
    >>> x.grad
    array([0., 6., 0.])
    """
    return prod_p(x, axis=reduced_axis(axis, np.ndim(x)), keepdims=keepdims)


def _extremum(reduce: Primitive, pick: Primitive, x: Array, axis: Axis, keepdims: bool, initial: float | None) -> Array:
    axes = reduced_axis(axis, np.ndim(x))
    shape = np.shape(x)
    if initial is not None and 0 in [n for i, n in enumerate(shape) if axes is None or i in axes]:
        return astype(sum(x, axis, keepdims) + initial, x.dtype)
    best = reduce(x, axis=axes, keepdims=keepdims)
    return best if initial is None else pick(best, astype(initial, best.dtype))


def max(x: Array, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None) -> Array:
    """Largest element over the axes, and the initial one if it is given; ties share the gradient equally.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> ag.max(x).backward()
    >>> x.grad
    array([0. , 0.5, 0.5])
    """
    return _extremum(max_p, maximum, x, axis, keepdims, initial)


def min(x: Array, axis: Axis = None, keepdims: bool = False, *, initial: float | None = None) -> Array:
    """Smallest element over the axes, and the initial one if it is given; ties share the gradient equally.

    >>> import autograd as ag
    >>> float(ag.min(ag.Tensor([3.0, 1.0, 2.0])))
    1.0
    """
    return _extremum(min_p, minimum, x, axis, keepdims, initial)


def cumsum(x: Array, axis: int | None = None) -> Array:
    """Running sum along an axis; of all elements in order by default.

    >>> import autograd as ag
    >>> ag.cumsum(ag.Tensor([1.0, 2.0, 3.0])).data
    array([1., 3., 6.])
    """
    x, axis = running(x, axis)
    return cumsum_p(x, axis=axis)


def running(x: Array, axis: int | None) -> tuple[Array, int]:
    """The array and the axis that a running sum or product goes along: all elements in a row for None."""
    if axis is None or np.ndim(x) == 0:
        return reshape(x, (-1,)), axis_number(0 if axis is None else axis, 1)
    return x, axis_number(axis, np.ndim(x))


def _one_axis(axis: int | None, ndim: int) -> int | None:
    return None if axis is None or (ndim == 0 and whole(axis) in (0, -1)) else axis_number(axis, ndim)


def argmax(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first largest element; no gradient.

    >>> import autograd as ag
    >>> int(ag.argmax(ag.Tensor([1.0, 5.0, 2.0])))
    1
    """
    return argmax_p(x, axis=_one_axis(axis, np.ndim(x)), keepdims=keepdims)


def argmin(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
    """Index of the first smallest element; no gradient.

    >>> import autograd as ag
    >>> int(ag.argmin(ag.Tensor([1.0, 5.0, 0.5])))
    2
    """
    return argmin_p(x, axis=_one_axis(axis, np.ndim(x)), keepdims=keepdims)
