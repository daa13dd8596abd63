"""NumPy's functions that only move elements.

Most of them are NumPy's own function applied to the *numbers* of the elements, and then one indexing operation: whatever
it does to an array, it does to the numbers, and the gradient of indexing is right for every index.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, DTypeError
from ..core.ops import shape as ops
from ..core.ops.axes import axis_number, axis_numbers, lengths, whole
from ..core.ops.elementwise import cast, where
from ..core.ops.reduce import sum_p
from ..core.ops.shape import getitem
from ..core.primitive import Array
from .protocols import implements, plain


def moved(move: Callable[..., Any], *arrays: Array) -> Array:
    """What `move` makes of the arrays, of which it sees the numbers 0, 1, 2, ... of all their elements instead."""
    parts = [as_array(a) for a in arrays]
    numbers, start = [], 0
    for part in parts:
        size = math.prod(part.shape)
        numbers.append(np.arange(start, start + size).reshape(part.shape))
        start += size
    flat = [reshape(part, (-1,)) for part in parts]
    return getitem(flat[0] if len(flat) == 1 else concatenate(flat), move(*numbers))


def _reordered(a: Array, move: Callable[[Any], Any]) -> Array:
    """Axes in the order in which `move` puts those of an array with axes of lengths 0, 1, 2, ..."""
    return transpose(a, move(np.empty(tuple(range(a.ndim)))).shape)


# ----- shape -----
@implements("shape")
def shape(a: Array) -> tuple[int, ...]:
    """Lengths of the axes."""
    lengths: tuple[int, ...] = a.shape
    return lengths


@implements("ndim")
def ndim(a: Array) -> int:
    """Number of axes."""
    number: int = a.ndim
    return number


@implements("size")
def size(a: Array, axis: Any = None) -> int:
    """Number of elements, or the length of axes."""
    axes = range(a.ndim) if axis is None else axis_numbers(axis, a.ndim)
    return math.prod(a.shape[i] for i in axes)


@implements("reshape")
def reshape(a: Array, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    """The same elements in another shape; one length may be -1 and is then worked out.

    Args:
        a: array.
        shape: an integer or several.
        order: "C", or "F" for the first axis running fastest.
        copy: as for NumPy; a result here is never written into, so it makes no difference.

    Raises:
        ShapeError: the lengths do not multiply to the number of elements.

    >>> import autograd as ag
    >>> ag.reshape(ag.Tensor([1.0, 2.0, 3.0, 4.0]), (2, -1)).shape
    (2, 2)
    """
    if order in ("F", "f"):
        return moved(lambda i: np.reshape(i, shape, order="F"), a)
    if order not in ("C", "c", "A", "a"):
        raise ArgumentError(f"reshape takes order 'C', 'F' or 'A', got {order!r}")
    a, wanted = as_array(a), lengths(shape)
    if -1 in wanted:
        known = -math.prod(wanted)
        if wanted.count(-1) > 1 or (a.size % known if known else a.size):
            raise ArgumentError(
                f"cannot reshape {a.shape} to {wanted}: at most one -1, and the rest must divide {a.size}"
            )
        wanted = tuple((a.size // known if known else 0) if n == -1 else n for n in wanted)
    return ops.reshape_p(a, shape=wanted)


@implements("ravel")
def ravel(a: Array, order: str = "C") -> Array:
    """All elements in one axis."""
    return reshape(a, -1, "C" if order in ("K", "k") else order)


@implements("transpose", "permute_dims")
def transpose(a: Array, axes: Any = None) -> Array:
    """Axes in the given order; reversed by default.

    >>> import autograd as ag
    >>> ag.transpose(ag.Tensor([[1.0, 2.0, 3.0]])).shape
    (3, 1)
    """
    a = as_array(a)
    order = tuple(range(a.ndim))[::-1] if axes is None else axis_numbers(axes, a.ndim)
    if len(order) != a.ndim:
        raise ArgumentError(f"transpose of shape {a.shape} needs {a.ndim} axes, got {axes}")
    return ops.transpose_p(a, axes=order)


@implements("matrix_transpose", "linalg.matrix_transpose")
def matrix_transpose(x: Array, /) -> Array:
    """The last two axes exchanged."""
    return swapaxes(x, -1, -2)


@implements("swapaxes")
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """Two axes exchanged.

    >>> import autograd as ag
    >>> ag.swapaxes(ag.Tensor([[1.0, 2.0, 3.0]]), 0, 1).shape
    (3, 1)
    """
    a = as_array(a)
    first, second, axes = axis_number(axis1, a.ndim), axis_number(axis2, a.ndim), list(range(a.ndim))
    axes[first], axes[second] = second, first
    return ops.transpose_p(a, axes=tuple(axes))


@implements("moveaxis")
def moveaxis(a: Array, source: Any, destination: Any) -> Array:
    """Axes at other places, the rest in their order."""
    return _reordered(a, lambda i: np.moveaxis(i, source, destination))


@implements("rollaxis")
def rollaxis(a: Array, axis: int, start: int = 0) -> Array:
    """An axis moved before another one."""
    return _reordered(a, lambda i: np.rollaxis(i, axis, start))


@implements("expand_dims")
def expand_dims(a: Array, axis: Any) -> Array:
    """New axes of length one at the given places of the result.

    >>> import autograd as ag
    >>> ag.expand_dims(ag.Tensor([1.0, 2.0]), -1).shape
    (2, 1)
    """
    a = as_array(a)
    ndim = a.ndim + (len(axis) if isinstance(axis, Sequence) else 1)
    places, rest = axis_numbers(axis, ndim), iter(a.shape)
    return ops.reshape_p(a, shape=tuple(1 if i in places else next(rest) for i in range(ndim)))


@implements("squeeze")
def squeeze(a: Array, axis: Any = None) -> Array:
    """Axes of length one removed: all of them, or those named.

    >>> import autograd as ag
    >>> ag.squeeze(ag.Tensor([[1.0, 2.0]])).shape
    (2,)
    """
    a = as_array(a)
    axes = [i for i, n in enumerate(a.shape) if n == 1] if axis is None else axis_numbers(axis, a.ndim)
    if any(a.shape[i] != 1 for i in axes):
        raise ArgumentError(f"cannot squeeze axis {axis} of shape {a.shape}: its length is not 1")
    return ops.reshape_p(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in axes))


@implements("atleast_1d")
def atleast_1d(*arys: Array) -> Any:
    """With one axis at least."""
    found = [reshape(a, np.atleast_1d(np.broadcast_to(0, a.shape)).shape) for a in map(as_array, arys)]
    return found[0] if len(found) == 1 else tuple(found)


@implements("atleast_2d")
def atleast_2d(*arys: Array) -> Any:
    """With two axes at least; vectors become rows."""
    found = [reshape(a, np.atleast_2d(np.broadcast_to(0, a.shape)).shape) for a in map(as_array, arys)]
    return found[0] if len(found) == 1 else tuple(found)


@implements("atleast_3d")
def atleast_3d(*arys: Array) -> Any:
    """With three axes at least, as NumPy places them."""
    found = [reshape(a, np.atleast_3d(np.broadcast_to(0, a.shape)).shape) for a in map(as_array, arys)]
    return found[0] if len(found) == 1 else tuple(found)


@implements("broadcast_to")
def broadcast_to(array: Array, shape: Any) -> Array:
    """Repeated along new and length-one axes up to a shape.

    >>> import autograd as ag
    >>> ag.broadcast_to(ag.Tensor([1.0, 2.0]), (2, 2)).data
    array([[1., 2.],
           [1., 2.]])
    """
    return ops.broadcast_to_p(as_array(array), shape=lengths(shape))


@implements("broadcast_arrays")
def broadcast_arrays(*args: Array) -> tuple[Array, ...]:
    """All in the shape that they broadcast to."""
    parts = [as_array(a) for a in args]
    lengths = np.broadcast_shapes(*(a.shape for a in parts))
    return tuple(broadcast_to(a, lengths) for a in parts)


@implements("meshgrid")
def meshgrid(*xi: Array, sparse: bool = False, indexing: str = "xy") -> tuple[Array, ...]:
    """Coordinates of all points of a grid."""
    parts = [as_array(x) for x in xi]
    shapes: list[Any] = [np.broadcast_to(0, x.shape) for x in parts]
    like: Any = indexing
    lengths = np.meshgrid(*shapes, sparse=True, indexing=like)
    grids = [reshape(x, grid.shape) for x, grid in zip(parts, lengths, strict=True)]
    return tuple(grids) if sparse else broadcast_arrays(*grids)


@implements("resize")
def resize(a: Array, new_shape: Any) -> Array:
    """Elements over and over until the shape is full."""
    return moved(lambda i: np.resize(i, new_shape), a)


# ----- order and repetition -----
@implements("flip")
def flip(m: Array, axis: Any = None) -> Array:
    """Elements in reverse order along the axes (all by default).

    >>> import autograd as ag
    >>> ag.flip(ag.Tensor([1.0, 2.0])).data
    array([2., 1.])
    """
    m = as_array(m)
    return ops.flip_p(m, axis=None if axis is None else axis_numbers(axis, m.ndim))


@implements("fliplr")
def fliplr(m: Array) -> Array:
    """The second axis in reverse order."""
    return flip(m, 1)


@implements("flipud")
def flipud(m: Array) -> Array:
    """The first axis in reverse order."""
    return flip(m, 0)


@implements("roll")
def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    """Elements moved cyclically by `shift` places; over the flattened array where axis is None.

    >>> import autograd as ag
    >>> ag.roll(ag.Tensor([1.0, 2.0, 3.0]), 1).data
    array([3., 1., 2.])
    """
    a = as_array(a)
    if axis is None:
        return ops.roll_p(a, shift=int(np.sum(shift)), axis=None)
    shifts, axes = np.broadcast_arrays(shift, axis_numbers(axis, a.ndim, repeated=True))
    if shifts.ndim != 1 or shifts.dtype.kind not in "iu":
        raise ArgumentError(f"roll shifts by an integer or one for each axis, got {shift!r} for axis {axis}")
    return ops.roll_p(a, shift=tuple(shifts.tolist()), axis=tuple(axes.tolist()))


@implements("rot90")
def rot90(m: Array, k: int = 1, axes: Any = (0, 1)) -> Array:
    """Turned by quarters in the plane of two axes."""
    return moved(lambda i: np.rot90(i, k, axes), m)


@implements("tile")
def tile(A: Array, reps: Any) -> Array:
    """Copies of the whole array side by side."""
    return moved(lambda i: np.tile(i, reps), A)


@implements("repeat")
def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    """Each element several times."""
    return moved(lambda i: np.repeat(i, repeats, axis), a)


@implements("fft.fftshift")
def fftshift(x: Array, axes: Any = None) -> Array:
    """Frequency 0 moved to the middle."""
    return moved(lambda i: np.fft.fftshift(i, axes), x)


@implements("fft.ifftshift")
def ifftshift(x: Array, axes: Any = None) -> Array:
    """Frequency 0 moved back to the start."""
    return moved(lambda i: np.fft.ifftshift(i, axes), x)


# ----- joining -----
def _joinable(name: str, arrays: Any) -> list[Array]:
    parts = [as_array(a) for a in arrays]
    if not parts:
        raise ArgumentError(f"{name} needs one array at least")
    return parts


def _in(joined: Array, dtype: Any, casting: str) -> Array:
    """What has been joined in another dtype, where that is allowed."""
    if dtype is None:
        return joined
    if not np.can_cast(joined.dtype, dtype, casting):  # type: ignore[arg-type]
        raise DTypeError(f"arrays of {joined.dtype} are not joined as {np.dtype(dtype)} by casting={casting!r}")
    return cast(joined, dtype)


@implements("concatenate", "concat")
def concatenate(
    arrays: Any, /, axis: int | None = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    """Arrays joined along an axis that they have; flattened first where that is None.

    >>> import autograd as ag
    >>> ag.concatenate([ag.Tensor([1.0]), ag.Tensor([2.0, 3.0])]).data
    array([1., 2., 3.])
    """
    parts = _joinable("concatenate", arrays)
    if axis is None:
        parts, axis = [reshape(a, (-1,)) for a in parts], 0
    return _in(ops.concatenate_p(*parts, axis=axis_number(axis, parts[0].ndim)), dtype, casting)


@implements("stack")
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Arrays of one shape joined along a new axis.

    >>> import autograd as ag
    >>> ag.stack([ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])]).shape
    (2, 2)
    """
    parts = _joinable("stack", arrays)
    return _in(ops.stack_p(*parts, axis=axis_number(axis, parts[0].ndim + 1)), dtype, casting)


@implements("hstack")
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Side by side: along the second axis, vectors along their only one."""
    parts = [atleast_1d(a) for a in tup]
    return concatenate(parts, int(bool(parts) and parts[0].ndim > 1), dtype=dtype, casting=casting)


@implements("vstack")
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """One below the other; vectors become rows."""
    return concatenate([atleast_2d(a) for a in tup], 0, dtype=dtype, casting=casting)


@implements("dstack")
def dstack(tup: Any) -> Array:
    """Along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], 2)


@implements("column_stack")
def column_stack(tup: Any) -> Array:
    """Vectors become columns."""
    return concatenate([reshape(a, (-1, 1)) if a.ndim < 2 else a for a in map(as_array, tup)], 1)


@implements("append")
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """Values after the elements of an array."""
    return concatenate([arr, values], axis)


@implements("insert")
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """Values before the given positions."""
    arr = as_array(arr)
    return moved(lambda i, new: np.insert(i, obj, new, axis), arr, cast(as_array(values), arr.dtype))


@implements("block")
def block(arrays: Any) -> Array:
    """An array out of nested lists of blocks: the innermost lists along the last axis."""
    leaves: list[Array] = []

    def collect(part: Any) -> Any:
        if isinstance(part, list):
            return [collect(inner) for inner in part]
        leaves.append(part)
        return len(leaves) - 1

    tree = collect(arrays)

    def assemble(*numbers: Any) -> Any:
        def place(part: Any) -> Any:
            return [place(inner) for inner in part] if isinstance(part, list) else numbers[part]

        return np.block(place(tree))

    return moved(assemble, *leaves)


# ----- cutting -----
@implements("split")
def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Cut along an axis: into equal sections, or before the given positions.

    >>> import autograd as ag
    >>> [part.shape for part in ag.split(ag.Tensor([1.0, 2.0, 3.0]), [1])]
    [(1,), (2,)]
    """
    ary = as_array(ary)
    axis = axis_number(axis, ary.ndim)
    length = ary.shape[axis]
    places: Any = indices_or_sections
    if np.ndim(places) == 0:
        n = whole(places, "a number of sections")
        if n < 1 or length % n:
            raise ArgumentError(f"axis {axis} of shape {ary.shape} does not split into {n} equal sections")
        places = range(length // n, length, length // n) if length else [0] * (n - 1)
    head = (slice(None),) * axis
    return [getitem(ary, (*head, slice(a, b))) for a, b in itertools.pairwise([0, *places, length])]


@implements("array_split")
def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Cut into sections as equal as possible, or before positions."""
    axis = axis_number(axis, ary.ndim)
    head = (slice(None),) * axis
    parts = np.array_split(np.arange(ary.shape[axis]), indices_or_sections)
    return [getitem(ary, (*head, slice(int(p[0]), int(p[-1]) + 1) if p.size else slice(0, 0))) for p in parts]


@implements("hsplit")
def hsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """Cut along the second axis (vectors along their only one)."""
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@implements("vsplit")
def vsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """Cut along the first axis."""
    return split(ary, indices_or_sections, 0)


@implements("dsplit")
def dsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """Cut along the third axis."""
    return split(ary, indices_or_sections, 2)


@implements("unstack")
def unstack(x: Array, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices along an axis."""
    axis = axis_number(axis, x.ndim)
    head = (slice(None),) * axis
    return tuple(getitem(x, (*head, i)) for i in range(x.shape[axis]))


@implements("delete")
def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """Without the elements at the given positions."""
    return moved(lambda i: np.delete(i, obj, axis), arr)


@implements("trim_zeros")
def trim_zeros(filt: Array, trim: str = "fb", axis: Any = None) -> Array:
    """Without the zeros at the ends; the values are looked at."""
    there = np.nonzero(plain(filt))[0]
    if filt.ndim != 1 or axis is not None:
        raise ArgumentError(f"trim_zeros takes vectors here, got shape {filt.shape}")
    first = int(there[0]) if "f" in trim.lower() and there.size else 0
    last = int(there[-1]) + 1 if "b" in trim.lower() and there.size else filt.size if there.size else 0
    return getitem(filt, slice(first, last))


# ----- picking -----
@implements("take")
def take(a: Array, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Array:
    """Elements at indices of the flattened array, or of an axis."""
    a = as_array(a)
    a = reshape(a, (-1,)) if axis is None or a.ndim == 0 else a
    axis = 0 if axis is None else axis_number(axis, a.ndim)
    n, indices = a.shape[axis], as_array(indices)
    if mode == "wrap":
        indices = indices % n
    elif mode == "clip":
        indices = np.clip(indices, 0, n - 1)
    return getitem(a, (*(slice(None),) * axis, indices))


@implements("take_along_axis")
def take_along_axis(arr: Array, indices: Array, axis: int | None = -1) -> Array:
    """Element indices[...] of an array along an axis, the other indices staying as they are.

    Args:
        arr: array.
        indices: integer array with as many axes as `arr`, equal to it in length on the other axes.
        axis: the axis that the indices count along; None for all elements in a row.

    >>> import autograd as ag
    >>> ag.take_along_axis(ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), [[1], [0]], axis=1).data
    array([[2.],
           [3.]])
    """
    arr, indices = as_array(arr), as_array(indices)
    if axis is None:
        arr, axis = reshape(arr, -1), 0
    axis = axis_number(axis, arr.ndim)
    if indices.ndim != arr.ndim or any(
        n != m for i, (n, m) in enumerate(zip(arr.shape, indices.shape, strict=True)) if i != axis
    ):
        raise ArgumentError(f"indices {indices.shape} must match the array {arr.shape} on every axis but {axis}")
    return ops.take_along_axis_p(arr, indices, axis=axis)


@implements("compress")
def compress(condition: Any, a: Array, axis: int | None = None, out: None = None) -> Array:
    """The slices along an axis where the condition, a vector, holds; the condition is looked at."""
    return moved(lambda i: np.compress(plain(condition), i, axis), a)


@implements("extract")
def extract(condition: Any, arr: Array) -> Array:
    """The elements where the condition holds; the condition is looked at."""
    return moved(lambda i: np.extract(plain(condition), i), arr)


# ----- diagonals and triangles -----
@implements("diagonal")
def diagonal(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """The diagonal over two axes, as the last axis of the result.

    >>> import autograd as ag
    >>> ag.diagonal(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).data
    array([1., 4.])
    """
    a = as_array(a)
    axes = axis_numbers((axis1, axis2), a.ndim)
    return ops.diagonal_p(a, offset=whole(offset, "an offset"), axes=(axes[0], axes[1]))


@implements("linalg.diagonal")
def matrix_diagonal(x: Array, *, offset: int = 0) -> Array:
    """The diagonals of matrices."""
    return diagonal(x, offset, -2, -1)


@implements("trace")
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
    """Σ of the diagonal over two axes."""
    entries = diagonal(a, offset, axis1, axis2)
    total = sum_p(entries, axis=(entries.ndim - 1,), keepdims=False)
    return total if dtype is None else cast(total, dtype)


@implements("linalg.trace")
def matrix_trace(x: Array, *, offset: int = 0, dtype: Any = None) -> Array:
    """Σ of the diagonals of matrices."""
    return trace(x, offset, -2, -1, dtype)


@implements("diag")
def diag(v: Array, k: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ArgumentError(f"diag takes vectors and matrices, got shape {v.shape}")
    n = v.shape[0] + abs(k)
    return ops.make_diagonal_p(v, offset=k, axes=(0, 1), shape=(n, n))


@implements("diagflat")
def diagflat(v: Array, k: int = 0) -> Array:
    """The matrix with all elements on its diagonal."""
    return diag(reshape(as_array(v), (-1,)), k)


@implements("tril")
def tril(m: Array, k: int = 0) -> Array:
    """Zeros above a diagonal of the last two axes; `k` counts diagonals above the main one.

    >>> import autograd as ag
    >>> ag.tril(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).data
    array([[1., 0.],
           [3., 4.]])
    """
    return ops.tril_p(as_array(m), k=k)


@implements("triu")
def triu(m: Array, k: int = 0) -> Array:
    """Zeros below a diagonal of the last two axes; `k` counts diagonals above the main one.

    >>> import autograd as ag
    >>> ag.triu(ag.Tensor([[1.0, 2.0], [3.0, 4.0]])).data
    array([[1., 2.],
           [0., 4.]])
    """
    return ops.triu_p(as_array(m), k=k)


# ----- borders -----
_MOVES = ("edge", "reflect", "symmetric", "wrap")


@implements("pad")
def pad(array: Array, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Array:
    """A border of a constant, or of the array's own elements.

    Args:
        array: array.
        pad_width: n, (before, after), one such pair per axis, or a dictionary of axes and widths.
        mode: "constant", "edge", "reflect", "symmetric" or "wrap".
        kwargs: `constant_values` (0 by default), `reflect_type` ("even").

    >>> import autograd as ag
    >>> ag.pad(ag.Tensor([1.0]), (1, 2), constant_values=5.0).data
    array([5., 1., 5., 5.])
    """
    array = as_array(array)
    numpys: Any = np.pad
    border = kwargs.get("constant_values", 0)
    if mode == "constant" and kwargs.keys() <= {"constant_values"} and np.ndim(border) == 0:
        if isinstance(pad_width, dict):
            pad_width = [pad_width.get(i, pad_width.get(i - array.ndim, 0)) for i in range(array.ndim)]
            pad_width = [(n, n) if np.ndim(n) == 0 else n for n in pad_width]
        pairs = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2))
        if pairs.dtype.kind not in "iu" or (pairs < 0).any():
            raise ArgumentError(f"a border has widths 0, 1, 2, ..., got {pad_width}")
        return ops.pad_p(array, width=tuple((int(before), int(after)) for before, after in pairs), value=border)
    if mode == "constant":
        inside = np.pad(np.ones(array.shape, bool), pad_width)
        ring = np.pad(np.zeros(array.shape, array.dtype), pad_width, constant_values=border)
        return where(inside, moved(lambda i: np.pad(i, pad_width), array), ring)
    if mode not in _MOVES or kwargs.get("reflect_type", "even") != "even":
        raise ArgumentError(
            f"pad takes mode 'constant', {', '.join(map(repr, _MOVES))} here, got {mode!r} {kwargs or ''}"
        )
    return moved(lambda i: numpys(i, pad_width, mode, **kwargs), array)


# ----- along axes -----
@implements("apply_along_axis")
def apply_along_axis(func1d: Callable[..., Array], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """A function of vectors applied to every vector along an axis."""
    axis = axis_number(axis, arr.ndim)
    rest = [i for i in range(arr.ndim) if i != axis]
    rows = transpose(arr, (*rest, axis))
    lengths = rows.shape[:-1]
    found = [as_array(func1d(getitem(rows, index), *args, **kwargs)) for index in np.ndindex(*lengths)]
    joined = reshape(stack(found), (*lengths, *found[0].shape))
    inner = range(len(lengths), joined.ndim)
    return transpose(joined, (*range(axis), *inner, *range(axis, len(lengths))))


@implements("apply_over_axes")
def apply_over_axes(func: Callable[[Array, int], Array], a: Array, axes: Any) -> Array:
    """A function applied to one axis after the other, which stays with length one."""
    for axis in axis_numbers(axes, a.ndim, repeated=True):
        result = func(a, axis)
        a = result if result.ndim == a.ndim else expand_dims(result, axis)
    return a


@implements("ix_")
def ix_(*args: Array) -> tuple[Array, ...]:
    """Vectors along an axis of their own each."""
    n = len(args)
    args = tuple(np.nonzero(a)[0] if as_array(a).dtype == bool else a for a in args)
    return tuple(reshape(as_array(a), (*(1,) * i, -1, *(1,) * (n - 1 - i))) for i, a in enumerate(args))
