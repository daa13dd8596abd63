"""Movement of elements: reshape, transpose, broadcast, pad, join, index.  Adjoint pairs are each other's rules."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import numpy_helpers
from ..errors import ArgumentError, OutOfBoundsError, ShapeError
from ..primitive import Array, Box, Primitive, Rule, Spec, hollow, shape_of
from ..subclasses import numbers
from .axes import axis_number, axis_numbers, lengths, whole

Shape = tuple[int, ...]


def _movement(
    name: str, forward: Callable[..., Array], vjps: Any, shape: Callable[..., Shape], **facts: Any
) -> Primitive:
    """A primitive that only moves elements: the dtype stays."""

    def spec_rule(*specs: Spec, **params: Any) -> Spec:
        return tuple(shape(*map(shape_of, specs), **params)), np.result_type(*(s[1] for s in specs))

    return Primitive(
        name, forward, vjps, kind="movement", shape=spec_rule, linear="jointly", **{"exact": True, **facts}
    )


def _viewing(name: str, forward: Callable[..., Array], vjps: Any, numpy: str = "") -> Primitive:
    """A primitive whose result is a view in NumPy, which is therefore asked for its shape."""

    def spec_rule(spec: Spec | type, **params: Any) -> Spec:
        view = np.asarray(forward(hollow(spec), **params))
        return view.shape, view.dtype

    facts: dict[str, Any] = {"linear": "jointly", "exact": True, "view": True, "numpy": numpy}
    return Primitive(name, forward, vjps, kind="movement", shape=spec_rule, **facts)


def _same_shape(forward: Callable[..., Array]) -> Callable[..., Shape]:
    """The shape rule of a movement within the array; what it is told is tried on the smallest array of that rank."""

    def shape(x: Shape, **params: Any) -> Shape:
        forward(np.zeros([n and 1 for n in x]), **params)
        return x

    return shape


def _arrays(arrays: Sequence[Array]) -> list[Array]:
    return [a if isinstance(a, Box) else numbers(a) for a in arrays]


# ----- shape -----
reshape_p = _viewing(
    "reshape", lambda x, *, shape: np.reshape(x, shape), (lambda g, y, x, *, shape: reshape(g, x.shape),),
    numpy="np.reshape({0}, {shape})",
)  # fmt: skip
transpose_p = _viewing(
    "transpose",
    lambda x, *, axes: np.transpose(x, axes),
    (lambda g, y, x, *, axes: transpose(g, tuple(axes.index(i) for i in range(len(axes)))),),
)


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
    "broadcast_to", _broadcast_forward, (lambda g, y, x, *, shape: reduce_to(g, x.shape),),
    numpy="np.broadcast_to({0}, {shape})",
)  # fmt: skip
reduce_to_p = _movement(
    "reduce_to", _reduce_forward, (lambda g, y, x, *, shape: broadcast_to(g, x.shape),), _reduce_shape,
    exact=False, reduces=np.add, view=lambda x, *, shape: x == shape,
)  # fmt: skip


def reshape(x: Array, *shape: int | Sequence[int]) -> Array:
    """The same elements in another shape; one length may be -1 and is then worked out.

    >>> import autograd as ag
    >>> ag.reshape(ag.Tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    wanted = lengths(shape[0] if len(shape) == 1 else shape)
    if -1 in wanted:
        known = -math.prod(wanted)
        size = math.prod(np.shape(x))
        if wanted.count(-1) > 1 or (size % known if known else size):
            raise ArgumentError(
                f"cannot reshape {np.shape(x)} to {wanted}: at most one -1, and the rest must divide {size}"
            )
        wanted = tuple((size // known if known else 0) if n == -1 else n for n in wanted)
    return reshape_p(x, shape=wanted)


def transpose(x: Array, axes: Sequence[int] | None = None) -> Array:
    """Axes in the given order; reversed by default.

    >>> import autograd as ag
    >>> ag.transpose(ag.Tensor([[1.0, 2.0, 3.0]])).shape
    (3, 1)
    """
    ndim = np.ndim(x)
    order = tuple(range(ndim))[::-1] if axes is None else axis_numbers(axes, ndim)
    if len(order) != ndim:
        raise ArgumentError(f"transpose of shape {np.shape(x)} needs {ndim} axes, got {axes}")
    return transpose_p(x, axes=order)


def swapaxes(x: Array, a: int, b: int) -> Array:
    """Exchange two axes.

    >>> import autograd as ag
    >>> ag.swapaxes(ag.Tensor([[1.0, 2.0, 3.0]]), 0, 1).shape
    (3, 1)
    """
    ndim = np.ndim(x)
    a, b, axes = axis_number(a, ndim), axis_number(b, ndim), list(range(ndim))
    axes[a], axes[b] = b, a
    return transpose(x, axes)


def expand_dims(x: Array, axis: int | Sequence[int]) -> Array:
    """New axes of length one at the given places of the result.

    >>> import autograd as ag
    >>> ag.expand_dims(ag.Tensor([1.0, 2.0]), -1).shape
    (2, 1)
    """
    shape = np.shape(x)
    if type(axis) is int and -len(shape) - 1 <= axis <= len(shape):
        place = axis % (len(shape) + 1)
        return reshape_p(x, shape=(*shape[:place], 1, *shape[place:]))
    ndim = len(shape) + (len(axis) if isinstance(axis, Sequence) else 1)
    places, rest = axis_numbers(axis, ndim), iter(shape)
    return reshape_p(x, shape=tuple(1 if i in places else next(rest) for i in range(ndim)))


def squeeze(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """Axes of length one removed: all of them, or those named.

    >>> import autograd as ag
    >>> ag.squeeze(ag.Tensor([[1.0, 2.0]])).shape
    (2,)
    """
    shape = np.shape(x)
    axes = [i for i, n in enumerate(shape) if n == 1] if axis is None else axis_numbers(axis, len(shape))
    if any(shape[i] != 1 for i in axes):
        raise ArgumentError(f"cannot squeeze axis {axis} of shape {shape}: its length is not 1")
    return reshape(x, tuple(n for i, n in enumerate(shape) if i not in axes))


def broadcast_to(x: Array, shape: Sequence[int]) -> Array:
    """Repeat x along new and length-one axes up to `shape` (NumPy's broadcasting); its adjoint is `reduce_to`.

    >>> import autograd as ag
    >>> ag.broadcast_to(ag.Tensor([1.0, 2.0]), (2, 2)).data
    array([[1., 2.],
           [1., 2.]])
    """
    return broadcast_to_p(x, shape=lengths(shape))


def reduce_to(x: Array, shape: Sequence[int]) -> Array:
    """Sum x down to `shape`: the adjoint of broadcasting `shape` up to that of x.

    >>> import autograd as ag
    >>> ag.reduce_to(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), (2,)).data
    array([4., 6.])
    """
    return reduce_to_p(x, shape=lengths(shape))


# ----- order -----
flip_p: Primitive = _viewing(
    "flip", lambda x, *, axis: np.flip(x, axis), (lambda g, y, x, *, axis: flip_p(g, axis=axis),),
    numpy="np.flip({0}, axis={axis})",
)  # fmt: skip


def _roll_forward(x: Array, *, shift: Any, axis: Any) -> Array:
    return np.roll(x, shift, axis)


roll_p = _movement(
    "roll",
    _roll_forward,
    (lambda g, y, x, *, shift, axis: roll(g, tuple(-s for s in shift) if isinstance(shift, tuple) else -shift, axis),),
    _same_shape(_roll_forward), numpy="np.roll({0}, shift={shift}, axis={axis})",
)  # fmt: skip


def _triangle(name: str, function: Callable[..., Array]) -> Primitive:
    made: Primitive = _movement(
        name,
        lambda x, *, k: function(x, k),
        (lambda g, y, x, *, k: made(g, k=k),),
        lambda x, *, k: x if len(x) > 1 else (*x, *x),  # a vector becomes the rows of a matrix, as in NumPy
        numpy=f"np.{name}({{0}}, k={{k}})",
    )
    return made


tril_p, triu_p = _triangle("tril", np.tril), _triangle("triu", np.triu)


def flip(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """Elements in reverse order along the axes (all by default).

    >>> import autograd as ag
    >>> ag.flip(ag.Tensor([1.0, 2.0])).data
    array([2., 1.])
    """
    return flip_p(x, axis=None if axis is None else axis_numbers(axis, np.ndim(x)))


def roll(x: Array, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Array:
    """Elements moved cyclically by `shift` places; over the flattened array where axis is None.

    >>> import autograd as ag
    >>> ag.roll(ag.Tensor([1.0, 2.0, 3.0]), 1).data
    array([3., 1., 2.])
    """
    if axis is None:
        return roll_p(x, shift=int(np.sum(shift)), axis=None)
    shifts, axes = np.broadcast_arrays(shift, axis_numbers(axis, np.ndim(x), repeated=True))
    if shifts.ndim != 1 or shifts.dtype.kind not in "iu":
        raise ArgumentError(f"roll shifts by an integer or one for each axis, got {shift!r} for axis {axis}")
    return roll_p(x, shift=tuple(shifts.tolist()), axis=tuple(axes.tolist()))


def tril(x: Array, k: int = 0) -> Array:
    """Lower triangle of the last two axes, zeros elsewhere; `k` counts diagonals above the main one.

    >>> import autograd as ag
    >>> ag.tril(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).data
    array([[1., 0.],
           [3., 4.]])
    """
    return tril_p(x, k=k)


def triu(x: Array, k: int = 0) -> Array:
    """Upper triangle of the last two axes, zeros elsewhere; `k` counts diagonals above the main one.

    >>> import autograd as ag
    >>> ag.triu(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).data
    array([[1., 2.],
           [0., 4.]])
    """
    return triu_p(x, k=k)


# ----- pad, join -----
pad_p = _movement(
    "pad",
    lambda x, *, width, value: np.pad(x, width, constant_values=value),
    (
        lambda g, y, x, *, width, value: getitem(
            g, tuple(slice(b, b + n) for (b, _), n in zip(width, x.shape, strict=True))
        ),
    ),
    lambda x, *, width, value: _pad_shape(x, width),
    numpy="np.pad({0}, pad_width={width}, constant_values={value})",
)


def _pad_shape(x: Shape, width: Any) -> Shape:
    if any(n < 0 for pair in width for n in pair):
        raise ArgumentError(f"a border cannot have a negative width, got {width}")
    return tuple(n + before + after for n, (before, after) in zip(x, width, strict=True))


def pad(x: Array, width: int | Sequence[Any], value: float = 0.0) -> Array:
    """A border of `value` around x; width as in NumPy: n, (before, after), or one such pair per axis.

    >>> import autograd as ag
    >>> ag.pad(ag.Tensor([1.0]), (1, 2)).data
    array([0., 1., 0., 0.])
    """
    pairs = np.broadcast_to(np.asarray(width), (np.ndim(x), 2))
    return pad_p(x, width=tuple((int(b), int(a)) for b, a in pairs), value=value)


def _each(jointly: Callable[..., Sequence[Array]]) -> Callable[[int], Rule]:
    """The rule of every single argument, from one that takes them together."""
    return functools.cache(lambda index: lambda *given, **params: jointly((index,), *given, **params)[0])


def _concatenate_parts(which: Sequence[int], g: Array, y: Array, *arrays: Array, axis: int) -> list[Array]:
    stops = list(itertools.accumulate([a.shape[axis] for a in arrays], initial=0))
    head = (slice(None),) * axis
    return [getitem(g, (*head, slice(stops[i], stops[i + 1]))) for i in which]


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
    return [getitem(g, (*head, i)) for i in which]


def _stack_shape(*shapes: Shape, axis: int) -> Shape:
    if len(set(shapes)) > 1:
        raise ShapeError("all shapes must be equal")
    axis = axis_number(axis, len(shapes[0]) + 1)
    return (*shapes[0][:axis], len(shapes), *shapes[0][axis:])


stack_p = _movement(
    "stack", lambda *arrays, axis: np.stack(arrays, axis), _each(_stack_parts), _stack_shape, jointly=_stack_parts
)


def concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """Arrays joined along an axis that they have.

    >>> import autograd as ag
    >>> ag.concatenate([ag.Tensor([1.0]), ag.Tensor([2.0, 3.0])]).data
    array([1., 2., 3.])
    """
    parts = _joinable("concatenate", arrays)
    return concatenate_p(*parts, axis=axis_number(axis, parts[0].ndim))


def _joinable(name: str, arrays: Sequence[Array]) -> list[Array]:
    parts = _arrays(arrays)
    if not parts:
        raise ArgumentError(f"{name} needs one array at least")
    return parts


def stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one shape joined along a new axis.

    >>> import autograd as ag
    >>> ag.stack([ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])]).shape
    (2, 2)
    """
    parts = _joinable("stack", arrays)
    return stack_p(*parts, axis=axis_number(axis, parts[0].ndim + 1))


def split(x: Array, sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """x cut along an axis: into equal sections, or before the given positions.

    >>> import autograd as ag
    >>> [part.shape for part in ag.split(ag.Tensor([1.0, 2.0, 3.0]), [1])]
    [(1,), (2,)]
    """
    axis = axis_number(axis, np.ndim(x))
    length = np.shape(x)[axis]
    places: Any = sections
    if np.ndim(places) == 0:
        n = whole(places, "a number of sections")
        if n < 1 or length % n:
            raise ArgumentError(f"axis {axis} of shape {np.shape(x)} does not split into {n} equal sections")
        places = range(length // n, length, length // n) if length else [0] * (n - 1)
    bounds = [0, *places, length]
    head = (slice(None),) * axis
    return [getitem(x, (*head, slice(a, b))) for a, b in itertools.pairwise(bounds)]


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


getitem_p = Primitive(
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
    array: Any = part if isinstance(part, Box) else np.asarray(part)
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
            raise OutOfBoundsError(
                f"a mask of shape {part.shape} does not fit axes {axis}.. of an array of shape {shape}"
            )
        if mask and n == 0:
            lengths_of.insert(axis + len(lengths_of) - len(shape), 1)
            new.append(np.arange(int(part)))
        else:
            new.extend(np.nonzero(part) if mask else [part])
        axis += len(shape) - sum(taken) if part is Ellipsis else n
    return new, tuple(lengths_of)


def getitem(x: Array, key: Any) -> Array:
    """x[key] with all of NumPy's indexing; repeated indices add up in the gradient.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> ag.getitem(x, [0, 0]).sum().backward()
    >>> x.grad
    array([2., 0.])
    """
    template, arrays, shape = split_index(key, np.shape(x))
    return getitem_p(x if shape == np.shape(x) else reshape(x, shape), *arrays, index=template)


def scatter_add(x: Array, key: Any, shape: Sequence[int]) -> Array:
    """Zeros of `shape` into which x is added at [key]: the adjoint of `getitem`; repeated indices add up.

    >>> import autograd as ag
    >>> ag.scatter_add(ag.Tensor([1.0, 2.0]), [1, 1], (3,)).data
    array([0., 3., 0.])
    """
    goal = lengths(shape)
    template, arrays, wide = split_index(key, goal)
    found = scatter_add_p(x, *arrays, index=template, shape=wide)
    return found if wide == goal else reshape(found, goal)


def _along(indices: Array, axis: int) -> tuple[Any, ...]:
    """The full index that take_along_axis stands for."""
    shape = indices.shape
    grids = np.ogrid[tuple(slice(n) for n in shape)]
    return tuple(indices if i == axis else grid for i, grid in enumerate(grids))


take_along_axis_p = Primitive(
    "take_along_axis",
    lambda x, indices, *, axis: np.take_along_axis(x, indices, axis),
    (lambda g, y, x, indices, *, axis: scatter_add(g, _along(indices, axis), x.shape), None),
    kind="indexing", shape=lambda x, indices, *, axis: (_taken_shape(x[0], indices[0], axis), x[1]),
    numpy="np.take_along_axis({0}, {1}, axis={axis})", linear="each", exact=True,
)  # fmt: skip


def _taken_shape(x: Shape, indices: Shape, axis: int) -> Shape:
    if len(x) != len(indices):
        raise ShapeError(f"{len(x)} axes of the array and {len(indices)} of the indices must be as many")
    axis = axis_number(axis, len(x))
    return np.broadcast_shapes((*x[:axis], 1, *x[axis + 1 :]), indices)


def take_along_axis(x: Array, indices: Array, axis: int) -> Array:
    """Element indices[...] of x along an axis, the other indices staying as they are.

    Args:
        x: array.
        indices: integer array with as many axes as x, equal to it in length on the other axes.
        axis: the axis that the indices count along.

    >>> import autograd as ag
    >>> ag.take_along_axis(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1).data
    array([[2.],
           [3.]])
    """
    x, indices = _arrays((x, indices))
    axis = axis_number(axis, x.ndim)
    if indices.ndim != x.ndim or any(
        n != m for i, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != axis
    ):
        raise ArgumentError(f"indices {indices.shape} must match x {x.shape} on every axis but {axis}")
    return take_along_axis_p(x, indices, axis=axis)


diagonal_p = _viewing(
    "diagonal",
    lambda x, *, offset, axes: np.diagonal(x, offset, axes[0], axes[1]),
    (lambda g, y, x, *, offset, axes: make_diagonal_p(g, offset=offset, axes=axes, shape=x.shape),),
    numpy="np.diagonal({0}, {offset}, *{axes})",
)


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


def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonal over two axes, as the last axis of the result.

    >>> import autograd as ag
    >>> ag.diagonal(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).data
    array([1., 4.])
    """
    axes = axis_numbers((axis1, axis2), np.ndim(x))
    return diagonal_p(x, offset=whole(offset, "an offset"), axes=(axes[0], axes[1]))
