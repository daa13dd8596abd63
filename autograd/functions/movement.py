"""NumPy's functions that only move elements.

Most of them are NumPy's own function applied to the *numbers* of the elements, and then one indexing operation: whatever
it does to an array, it does to the numbers, and the gradient of indexing is right for every index.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError
from ..core.ops import shape as ops
from ..core.ops.axes import axis_number, axis_numbers, lengths
from ..core.ops.elementwise import astype, where
from ..core.ops.reduce import sum as sum_
from ..core.ops.shape import broadcast_to, concatenate, getitem, reshape, transpose
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
def reshape_(a: Array, shape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    """The same elements in another shape."""
    if order in ("F", "f"):
        return moved(lambda i: np.reshape(i, shape, order="F"), a)
    return reshape(a, lengths(shape))


@implements("ravel")
def ravel(a: Array, order: str = "C") -> Array:
    """All elements in one axis."""
    return reshape_(a, (-1,), order)


@implements("transpose", "permute_dims")
def transpose_(a: Array, axes: Any = None) -> Array:
    """Axes in the given order; reversed by default."""
    return transpose(as_array(a), axes)


@implements("matrix_transpose", "linalg.matrix_transpose")
def matrix_transpose(x: Array) -> Array:
    """The last two axes exchanged."""
    return ops.swapaxes(x, -1, -2)


@implements("swapaxes")
def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """Two axes exchanged."""
    return ops.swapaxes(a, axis1, axis2)


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
    """New axes of length one."""
    return ops.expand_dims(a, axis)


@implements("squeeze")
def squeeze(a: Array, axis: Any = None) -> Array:
    """Axes of length one removed."""
    return ops.squeeze(a, axis)


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
def broadcast_to_(array: Array, shape: Any) -> Array:
    """Repeated along new and length-one axes."""
    return broadcast_to(array, shape)


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
    """In reverse order along the axes."""
    return ops.flip(m, axis)


@implements("fliplr")
def fliplr(m: Array) -> Array:
    """The second axis in reverse order."""
    return ops.flip(m, 1)


@implements("flipud")
def flipud(m: Array) -> Array:
    """The first axis in reverse order."""
    return ops.flip(m, 0)


@implements("roll")
def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    """Moved cyclically."""
    return ops.roll(a, shift, axis)


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
def _joined(arrays: Any) -> list[Array]:
    return [as_array(a) for a in arrays]


@implements("concatenate", "concat")
def concatenate_(arrays: Any, axis: int | None = 0, out: None = None, *, dtype: Any = None) -> Array:
    """Joined along an axis; flattened first where that is None."""
    parts = _joined(arrays)
    if axis is None:
        parts, axis = [reshape(a, (-1,)) for a in parts], 0
    joined = concatenate(parts, axis)
    return joined if dtype is None else astype(joined, dtype)


@implements("stack")
def stack(arrays: Any, axis: int = 0, out: None = None, *, dtype: Any = None) -> Array:
    """Joined along a new axis."""
    joined = ops.stack(_joined(arrays), axis)
    return joined if dtype is None else astype(joined, dtype)


@implements("hstack")
def hstack(tup: Any, *, dtype: Any = None) -> Array:
    """Side by side: along the second axis, vectors along their only one."""
    parts = [atleast_1d(a) for a in _joined(tup)]
    return concatenate_(parts, 0 if parts[0].ndim == 1 else 1, dtype=dtype)


@implements("vstack")
def vstack(tup: Any, *, dtype: Any = None) -> Array:
    """One below the other; vectors become rows."""
    return concatenate_([atleast_2d(a) for a in _joined(tup)], 0, dtype=dtype)


@implements("dstack")
def dstack(tup: Any) -> Array:
    """Along the third axis."""
    return concatenate_([atleast_3d(a) for a in _joined(tup)], 2)


@implements("column_stack")
def column_stack(tup: Any) -> Array:
    """Vectors become columns."""
    return concatenate_([reshape(a, (-1, 1)) if a.ndim < 2 else a for a in _joined(tup)], 1)


@implements("append")
def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """Values after the elements of an array."""
    return concatenate_([arr, values], axis)


@implements("insert")
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """Values before the given positions."""
    arr = as_array(arr)
    return moved(lambda i, new: np.insert(i, obj, new, axis), arr, astype(as_array(values), arr.dtype))


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
    """Cut into equal sections, or before positions."""
    return ops.split(ary, indices_or_sections, axis)


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
    return ops.split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@implements("vsplit")
def vsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """Cut along the first axis."""
    return ops.split(ary, indices_or_sections, 0)


@implements("dsplit")
def dsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """Cut along the third axis."""
    return ops.split(ary, indices_or_sections, 2)


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
    """Elements at indices that count along one axis."""
    return (
        ops.take_along_axis(reshape(arr, (-1,)), indices, 0)
        if axis is None
        else ops.take_along_axis(arr, indices, axis)
    )


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
    """The diagonal over two axes, as the last axis."""
    return ops.diagonal(a, offset, axis1, axis2)


@implements("linalg.diagonal")
def matrix_diagonal(x: Array, *, offset: int = 0) -> Array:
    """The diagonals of matrices."""
    return ops.diagonal(x, offset, -2, -1)


@implements("trace")
def trace(a: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Array:
    """Σ of the diagonal over two axes."""
    total = sum_(ops.diagonal(a, offset, axis1, axis2), -1)
    return total if dtype is None else astype(total, dtype)


@implements("linalg.trace")
def matrix_trace(x: Array, *, offset: int = 0, dtype: Any = None) -> Array:
    """Σ of the diagonals of matrices."""
    return trace(x, offset, -2, -1, dtype)


@implements("diag")
def diag(v: Array, k: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    if v.ndim == 2:
        return ops.diagonal(v, k)
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
    """Zeros above a diagonal."""
    return ops.tril(m, k)


@implements("triu")
def triu(m: Array, k: int = 0) -> Array:
    """Zeros below a diagonal."""
    return ops.triu(m, k)


# ----- borders -----
_MOVES = ("edge", "reflect", "symmetric", "wrap")


@implements("pad")
def pad(array: Array, pad_width: Any, mode: str = "constant", **kwargs: Any) -> Array:
    """A border of a constant, or of the array's own elements (edge, reflect, symmetric, wrap)."""
    padded: Any = np.pad
    if mode in _MOVES and kwargs.get("reflect_type", "even") == "even":
        return moved(lambda i: padded(i, pad_width, mode, **kwargs), array)
    if mode != "constant":
        raise ArgumentError(
            f"pad takes mode 'constant', {', '.join(map(repr, _MOVES))} here, got {mode!r} {kwargs or ''}"
        )
    border = kwargs.get("constant_values", 0)
    if np.ndim(border) == 0 and not isinstance(pad_width, dict):
        return ops.pad(array, pad_width, border)
    inside = np.pad(np.ones(array.shape, bool), pad_width)
    ring = np.pad(np.zeros(array.shape, array.dtype), pad_width, constant_values=border)
    return where(inside, moved(lambda i: np.pad(i, pad_width), array), ring)


# ----- along axes -----
@implements("apply_along_axis")
def apply_along_axis(func1d: Callable[..., Array], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """A function of vectors applied to every vector along an axis."""
    axis = axis_number(axis, arr.ndim)
    rest = [i for i in range(arr.ndim) if i != axis]
    rows = transpose(arr, (*rest, axis))
    lengths = rows.shape[:-1]
    found = [as_array(func1d(getitem(rows, index), *args, **kwargs)) for index in np.ndindex(*lengths)]
    joined = reshape(ops.stack(found), (*lengths, *found[0].shape))
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
