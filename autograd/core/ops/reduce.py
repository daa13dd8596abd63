"""Reductions over axes, and the running sum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..primitive import Array, Primitive, Rule, Spec, example, shape_of
from .axes import axis_number, normal_axis
from .shape import broadcast_to_p, concatenate_p, flip_p, getitem_p, reshape_p, transpose_p


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape that a reduction with keepdims=True gives."""
    return tuple(1 if axis is None or i in axis else n for i, n in enumerate(shape))


def _keep(g: Array, x: Array, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    """g with its reduced axes back in place, of length one."""
    return g if keepdims or axis is None else reshape_p(g, shape=kept_shape(x.shape, axis))


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
    return _keep(g, x, axis, keepdims) * best / sum_p(best, axis=axis, keepdims=True)


def _prod_vjp(g: Array, y: Array, x: Array, *, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    return _keep(g, x, axis, keepdims) * products_of_others(x, axis)


def products_of_others(x: Array, axis: tuple[int, ...] | None) -> Array:
    """For each element the product of all others along the axes: exact where elements are 0, at every order.

    Running products from both ends, doubling the reach at each turn, so that nothing is divided.
    """
    axes = tuple(range(x.ndim)) if axis is None else axis
    order = tuple(i for i in range(x.ndim) if i not in axes) + axes
    if not x.size:
        return x
    moved = transpose_p(x, axes=order)
    length = math.prod(x.shape[i] for i in axes)
    rows = reshape_p(moved, shape=(x.size // length, length))
    before, after, reach = _shifted(rows, 1), _shifted(rows, -1), 1
    while reach < length:
        before, after, reach = before * _shifted(before, reach), after * _shifted(after, -reach), 2 * reach
    inverse = tuple(int(i) for i in np.argsort(order))
    return transpose_p(reshape_p(before * after, shape=moved.shape), axes=inverse)


def _shifted(rows: Array, by: int) -> Array:
    """Rows moved `by` places to the right (left when negative), ones moving in."""
    by = by if abs(by) < rows.shape[1] else rows.shape[1]
    ones = np.ones((rows.shape[0], abs(by)), rows.dtype)
    rest = getitem_p(rows, index=(slice(None), slice(None, -by) if by > 0 else slice(-by, None)))
    return concatenate_p(*((ones, rest) if by > 0 else (rest, ones)), axis=1)


sum_p = _reduction("sum", np.add, _sum_vjp, symbol="Σ", linear="each")
prod_p = _reduction("prod", np.multiply, _prod_vjp, symbol="Π")
max_p = _reduction("max", np.maximum, _extremum_vjp, exact=True)
min_p = _reduction("min", np.minimum, _extremum_vjp, exact=True)


def _cumsum_forward(x: Array, *, axis: int) -> Array:
    return np.add.accumulate(x, axis=axis)


cumsum_p: Primitive = Primitive(
    "cumsum", _cumsum_forward,
    (lambda g, y, x, *, axis: flip_p(cumsum_p(flip_p(g, axis=axis), axis=axis), axis=axis),),
    kind="reduction", numpy="np.cumsum({0}, axis={axis})", linear="each",
    shape=lambda spec, *, axis: (shape_of(spec), _cumsum_forward(example(spec), axis=axis).dtype),
)  # fmt: skip


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
