"""Movement of elements: reshape, transpose, broadcast, pad, join, index.  Adjoint pairs are each other's rules."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import numpy_helpers
from ..errors import ArgumentError, OutOfBoundsError, ShapeError
from ..primitive import Array, Box, Primitive, Rule, Spec, hollow, shape_of
from ..subclasses import check_all
from .axes import axis_number

Shape = tuple[int, ...]


def _movement(name: str, forward: Any, vjps: Any, shape: Callable[..., Shape], **facts: Any) -> Primitive:
    """A primitive that only moves elements: the dtype stays."""

    def spec_rule(*specs: Spec, **params: Any) -> Spec:
        return tuple(shape(*map(shape_of, specs), **params)), np.result_type(*(s[1] for s in specs))

    facts = {"linear": "jointly", "exact": True, **facts}
    return Primitive(name, forward, vjps, kind="movement", shape=spec_rule, **facts)


def _viewing(name: str, forward: Callable[..., Array], vjps: Any, numpy: str = "") -> Primitive:
    """A primitive whose result is a view in NumPy, which is therefore asked for its shape."""

    def spec_rule(spec: Spec | type, **params: Any) -> Spec:
        view = np.asarray(forward(hollow(spec), **params))
        return view.shape, view.dtype

    facts: dict[str, Any] = {"linear": "jointly", "exact": True, "view": True, "numpy": numpy}
    return Primitive(name, forward, vjps, kind="movement", shape=spec_rule, **facts)


# ----- shape -----
reshape_p: Primitive = _viewing(
    "reshape", lambda x, *, shape: np.reshape(x, shape), (lambda g, y, x, *, shape: reshape_p(g, shape=x.shape),),
    numpy="np.reshape({0}, {shape})",
)  # fmt: skip
transpose_p: Primitive = _viewing(
    "transpose", lambda x, *, axes: np.transpose(x, axes),
    (lambda g, y, x, *, axes: transpose_p(g, axes=tuple(axes.index(i) for i in range(len(axes)))),),
)  # fmt: skip


def _broadcast_forward(x: Array, *, shape: Shape) -> Array:
    if x.ndim == 0 and shape:  # the common case, at a third of the time of np.broadcast_to
        return np.ndarray(shape, x.dtype, x if type(x) is np.ndarray else np.asarray(x), 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)[()]


def _reduce_forward(x: Array, *, shape: Shape) -> Array:
    extra = x.ndim - len(shape)
    if x.shape[extra:] == shape:
        return np.add.reduce(x, axis=tuple(range(extra)) if extra > 1 else 0, dtype=x.dtype) if extra else x
    axes = tuple([i for i in range(x.ndim) if i < extra or (shape[i - extra] == 1 and x.shape[i] != 1)])
    return np.add.reduce(x, axis=axes, dtype=x.dtype).reshape(shape)


def _reduce_shape(x: Shape, *, shape: Shape) -> Shape:
    if np.broadcast_shapes(x, shape) != x:
        raise ShapeError(f"shape {x} is not one that {shape} broadcasts to")
    return shape


broadcast_to_p = _viewing(
    "broadcast_to", _broadcast_forward, (lambda g, y, x, *, shape: reduce_to_p(g, shape=x.shape),),
    numpy="np.broadcast_to({0}, {shape})",
)  # fmt: skip
reduce_to_p: Primitive = _movement(
    "reduce_to", _reduce_forward, (lambda g, y, x, *, shape: broadcast_to_p(g, shape=x.shape),), _reduce_shape,
    exact=False, reduces=np.add, view=lambda x, *, shape: x == shape,
)  # fmt: skip


def with_axis(x: Array, place: int) -> Array:
    """x with a new axis of length one, which is axis number `place` of the result (-1: the last one)."""
    shape = x.shape
    place %= len(shape) + 1
    return reshape_p(x, shape=(*shape[:place], 1, *shape[place:]))


def mT(x: Array) -> Array:
    """Matrices with rows and columns exchanged."""
    n = x.ndim
    return transpose_p(x, axes=(*range(n - 2), n - 1, n - 2))


# ----- order -----
flip_p: Primitive = _viewing(
    "flip", lambda x, *, axis: np.flip(x, axis), (lambda g, y, x, *, axis: flip_p(g, axis=axis),),
    numpy="np.flip({0}, axis={axis})",
)  # fmt: skip


def _roll_vjp(g: Array, y: Array, x: Array, *, shift: Any, axis: Any) -> Array:
    return roll_p(g, shift=tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis=axis)


def _roll_shape(x: Shape, *, shift: Any, axis: Any) -> Shape:
    np.roll(np.zeros([n and 1 for n in x]), shift, axis)  # (which refuses what it would refuse of any length)
    return x


roll_p: Primitive = _movement(
    "roll", lambda x, *, shift, axis: np.roll(x, shift, axis), (_roll_vjp,), _roll_shape,
    numpy="np.roll({0}, shift={shift}, axis={axis})",
)  # fmt: skip


def _triangle(name: str, function: Callable[..., Array]) -> Primitive:
    made: Primitive = _movement(
        name, lambda x, *, k: function(x, k), (lambda g, y, x, *, k: made(g, k=k),),
        lambda x, *, k: x if len(x) > 1 else (*x, *x),  # a vector becomes the rows of a matrix, as in NumPy
        numpy=f"np.{name}({{0}}, k={{k}})",
    )  # fmt: skip
    return made


tril_p, triu_p = _triangle("tril", np.tril), _triangle("triu", np.triu)


# ----- pad, join -----
def _pad_vjp(g: Array, y: Array, x: Array, *, width: Any, value: Any) -> Array:
    return getitem_p(g, index=tuple(slice(b, b + n) for (b, _), n in zip(width, x.shape, strict=True)))


def _pad_shape(x: Shape, *, width: Any, value: Any) -> Shape:
    if any(n < 0 for pair in width for n in pair):
        raise ArgumentError(f"a border cannot have a negative width, got {width}")
    return tuple(n + before + after for n, (before, after) in zip(x, width, strict=True))


pad_p = _movement(
    "pad", lambda x, *, width, value: np.pad(x, width, constant_values=value), (_pad_vjp,), _pad_shape,
    numpy="np.pad({0}, pad_width={width}, constant_values={value})",
)  # fmt: skip


def _each(jointly: Callable[..., Sequence[Array]]) -> Callable[[int], Rule]:
    """The rule of every single argument, from one that takes them together."""
    return functools.cache(lambda index: lambda *given, **params: jointly((index,), *given, **params)[0])


def _concatenate_parts(which: Sequence[int], g: Array, y: Array, *arrays: Array, axis: int) -> list[Array]:
    stops = list(itertools.accumulate([a.shape[axis] for a in arrays], initial=0))
    head = (slice(None),) * axis
    return [getitem_p(g, index=(*head, slice(stops[i], stops[i + 1]))) for i in which]


def _concatenate_shape(*shapes: Shape, axis: int) -> Shape:
    axis = axis_number(axis, len(shapes[0]))
    around = {(s[:axis], s[axis + 1 :]) for s in shapes}
    if len(around) > 1 or len(set(map(len, shapes))) > 1:
        raise ShapeError(f"lengths must be equal on every axis but {axis}")
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


concatenate_p = _movement(
    "concatenate", lambda *arrays, axis: np.concatenate(arrays, axis), _each(_concatenate_parts), _concatenate_shape,
    jointly=_concatenate_parts,
)  # fmt: skip


def _stack_parts(which: Sequence[int], g: Array, y: Array, *arrays: Array, axis: int) -> list[Array]:
    head = (slice(None),) * axis
    return [getitem_p(g, index=(*head, i)) for i in which]


def _stack_shape(*shapes: Shape, axis: int) -> Shape:
    if len(set(shapes)) > 1:
        raise ShapeError("all shapes must be equal")
    axis = axis_number(axis, len(shapes[0]) + 1)
    return (*shapes[0][:axis], len(shapes), *shapes[0][axis:])


stack_p = _movement(
    "stack", lambda *arrays, axis: np.stack(arrays, axis), _each(_stack_parts), _stack_shape, jointly=_stack_parts
)


# ----- indexing -----
ARRAY = "array"  # stands in an index template where an index array is taken from the arguments


def _index(template: tuple[Any, ...], arrays: Sequence[Array]) -> tuple[Any, ...]:
    remaining = iter(arrays)
    return tuple(next(remaining) if part is ARRAY or part == ARRAY else part for part in template)


def _getitem_shape(spec: Spec, *arrays: Spec, index: tuple[Any, ...]) -> Spec:
    return hollow(spec)[_index(index, [hollow(s) for s in arrays])].shape, spec[1]


def _scatter_shape(spec: Spec, *arrays: Spec, index: tuple[Any, ...], shape: Shape) -> Spec:
    place, _ = _getitem_shape((shape, spec[1]), *arrays, index=index)
    if np.broadcast_shapes(shape_of(spec), place) != place:
        raise ShapeError(f"shape {shape_of(spec)} does not fit the place of shape {place}")
    return shape, spec[1]


def _getitem_deposit(total: np.ndarray[Any, Any], g: Array, *arrays: Array, index: tuple[Any, ...]) -> None:
    if arrays:
        np.add.at(total, _index(index, arrays), g)
    else:
        total[index] += g


getitem_p: Primitive = Primitive(
    "getitem", lambda x, *arrays, index: np.asarray(x)[_index(index, arrays)], lambda i: _getitem_vjp if i == 0 else None,
    kind="indexing", shape=_getitem_shape, symbol="[ ]", deposit=_getitem_deposit, linear="each", exact=True,
    view=lambda x, *arrays, index: not any(arrays),  # (of arrays with a shape the elements are copied)
)  # fmt: skip
scatter_add_p = Primitive(
    "scatter_add",
    lambda g, *arrays, index, shape: numpy_helpers.scatter_add(g, _index(index, arrays), shape),
    lambda i: _scatter_vjp if i == 0 else None,
    kind="indexing", shape=_scatter_shape, linear="each",
)  # fmt: skip


def _getitem_vjp(g: Array, y: Array, x: Array, *arrays: Array, index: tuple[Any, ...]) -> Array:
    return scatter_add_p(g, *arrays, index=index, shape=x.shape)


def _scatter_vjp(g: Array, y: Array, x: Array, *arrays: Array, index: tuple[Any, ...], shape: Shape) -> Array:
    return getitem_p(g, *arrays, index=index)


def split_index(key: Any, shape: Shape) -> tuple[tuple[Any, ...], list[Array], Shape]:
    """An index as NumPy takes it: a template of slices and numbers, the index arrays that go into it, and the shape.

    A single truth stands for a new axis of which it takes one element or none, so the shape is that with such axes.

    Raises:
        ArgumentError: the index holds something else than integers, slices and truths.
        OutOfBoundsError: a mask is not of the lengths of the axes that it stands for.
        TraceError, BatchError: a mask is known only as a traced value.
    """
    parts = [_index_part(part) for part in (key if isinstance(key, tuple) else (key,))]
    if any(_is_mask(part) for part in parts):
        parts, shape = _masks_as_positions(parts, shape)
    arrays = [part for part in parts if isinstance(part, (Box, np.ndarray))]
    return tuple(ARRAY if isinstance(part, (Box, np.ndarray)) else part for part in parts), arrays, shape


def _index_part(part: Any) -> Any:
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (int, np.integer)) and not isinstance(part, (bool, np.bool_)):
        return int(part)
    array: Any = part if isinstance(part, Box) else np.asarray(check_all(part, "an index"))
    if not isinstance(part, Box) and array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.intp)  # an empty list has no integers to tell its dtype by
    if array.dtype.kind not in "iub":
        raise ArgumentError(f"an index must be integers, slices or a boolean mask, got dtype {array.dtype}")
    if array.dtype != bool:
        return array
    if getattr(array, "traced", False):
        array._concrete("a boolean mask")  # raises
    return np.asarray(array)


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == bool


def _masks_as_positions(parts: list[Any], shape: Shape) -> tuple[list[Any], Shape]:
    """Index arrays in place of masks, each held to the axes that it stands for."""
    masks = list(map(_is_mask, parts))
    taken = [part.ndim if mask else 0 if part is None or part is Ellipsis else 1 for part, mask in zip(parts, masks)]
    new: list[Any] = []
    axis, lengths_of = 0, list(shape)
    for part, mask, n in zip(parts, masks, taken, strict=True):
        if mask and part.shape != shape[axis : axis + n]:
            raise OutOfBoundsError(f"a mask of shape {part.shape} does not fit axes {axis}.. of shape {shape}")
        if mask and n == 0:
            lengths_of.insert(axis + len(lengths_of) - len(shape), 1)
            new.append(np.arange(int(part)))
        else:
            new.extend(np.nonzero(part) if mask else [part])
        axis += len(shape) - sum(taken) if part is Ellipsis else n
    return new, tuple(lengths_of)


def getitem(x: Array, key: Any) -> Array:
    """x[key] with all of NumPy's indexing; repeated indices add up in the gradient."""
    template, arrays, shape = split_index(key, np.shape(x))
    return getitem_p(x if shape == np.shape(x) else reshape_p(x, shape=shape), *arrays, index=template)


def _along(indices: Array, axis: int) -> tuple[Any, ...]:
    """The full index that take_along_axis stands for."""
    shape = indices.shape
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    return tuple(indices if i == axis else grid for i, grid in enumerate(grids))


def _take_vjp(g: Array, y: Array, x: Array, indices: Array, *, axis: int) -> Array:
    return scatter_add_p(g, *_along(indices, axis), index=(ARRAY,) * x.ndim, shape=x.shape)


take_along_axis_p = Primitive(
    "take_along_axis",
    lambda x, indices, *, axis: np.take_along_axis(x, indices, axis),
    (_take_vjp, None),
    kind="indexing", shape=lambda x, indices, *, axis: (_taken_shape(x[0], indices[0], axis), x[1]),
    numpy="np.take_along_axis({0}, {1}, axis={axis})", linear="each", exact=True,
)  # fmt: skip


def _taken_shape(x: Shape, indices: Shape, axis: int) -> Shape:
    if len(x) != len(indices):
        raise ShapeError(f"{len(x)} axes of the array and {len(indices)} of the indices must be as many")
    axis = axis_number(axis, len(x))
    return np.broadcast_shapes((*x[:axis], 1, *x[axis + 1 :]), indices)


diagonal_p = _viewing(
    "diagonal", lambda x, *, offset, axes: np.diagonal(x, offset, axes[0], axes[1]),
    (lambda g, y, x, *, offset, axes: make_diagonal_p(g, offset=offset, axes=axes, shape=x.shape),),
    numpy="np.diagonal({0}, {offset}, *{axes})",
)  # fmt: skip


def _make_diagonal_shape(x: Shape, *, offset: int, axes: tuple[int, int], shape: Shape) -> Shape:
    first, second = axes
    place = np.diagonal(hollow((shape, np.dtype(bool))), offset, first, second).shape
    if place != x:
        raise ShapeError(f"the diagonal has shape {place}")
    return shape


make_diagonal_p: Primitive = _movement(
    "make_diagonal",
    lambda x, *, offset, axes, shape: numpy_helpers.make_diagonal(x, offset, axes, shape),
    (lambda g, y, x, *, offset, axes, shape: diagonal_p(g, offset=offset, axes=axes),),
    _make_diagonal_shape, numpy="make_diagonal({0}, offset={offset}, axes={axes}, shape={shape})",
)  # fmt: skip
