"""What every operation means for all rows of a batch at once: the values and the rules behind `vmap`.

A `Batched` value stands for one array per row.  All rows are kept in one array with the rows in front, whose length is
that of the batch, or one where the rows are all the same.  Operations on it are the same operations on that array, with
shapes and axes moved by one: one rule per kind of operation, and one each where that does not say enough.
"""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.array_methods import ArrayMethods
from ..core.conversions import as_array
from ..core.errors import ArgumentError, BatchError
from ..core.ops.reduce import kept_shape, sum_p
from ..core.ops.shape import ARRAY, broadcast_to_p, getitem_p, reshape_p, stack_p, transpose_p, with_axis
from ..core.primitive import Array, Primitive, spec_of
from ..core.source_location import at, here
from .run import Run

Rule = Callable[..., Array]  # rule(frame, primitive, *arrays, **params): the rows of the result
_levels = itertools.count(1)


class Frame(Run):
    """One run of `vmap`.  Frames made later stand further inside, and their operations are resolved first."""

    __slots__ = ("finished", "level", "name", "size")

    def __init__(self, size: int, name: str) -> None:
        super().__init__()
        self.size, self.name, self.finished = size, name, False
        self.level = next(_levels)

    def __repr__(self) -> str:
        return f"{self.size} rows of {self.name}"

    def needs_value(self, thing: Any, what: str) -> BatchError:
        """The error for code that needs one number where there is one per row."""
        if self.finished:
            return BatchError(
                f"{at(here())} uses a value of shape {tuple(thing.shape)} that belongs to the finished vmap of {self.name}: "
                "it was kept (in a list, an attribute, a global) while the function ran. Return it from the function"
            )
        return self.refused(
            BatchError(
                f"{at(here())} needs the value of an array of shape {tuple(thing.shape)} for {what}, but inside vmap of "
                f"{self.name} it has one for each of {self.size} rows. Use autograd.where(condition, a, b) instead of a "
                "branch, x.at[i].set(v) instead of x[i] = v, and pass what is the same for all rows with in_axes=None"
            )
        )


class Batched(ArrayMethods):
    """One array per row of a frame; shape and dtype are those of one row."""

    __slots__ = ("content", "frame", "level")
    traced = True
    base = None
    changed = 0

    def __init__(self, frame: Frame, content: Array) -> None:
        self.frame, self.content, self.level = frame, content, frame.level

    shape = property(lambda self: tuple(self.content.shape[1:]), doc="Lengths of the axes of one row.")
    dtype = property(lambda self: self.content.dtype, doc="NumPy dtype of the elements.")
    ndim = property(lambda self: self.content.ndim - 1, doc="Number of axes of one row.")
    size = property(lambda self: math.prod(self.content.shape[1:]), doc="Number of elements of one row.")
    value = property(lambda self: self, doc="Itself: a constant, as far as a tape knows.")
    recorder = property(lambda self: self.frame, doc="Who knows what to say to code that needs the numbers.")

    def apply_op(self, primitive: Primitive, arrays: Sequence[Array], params: dict[str, Any]) -> Array:
        """Compute a primitive for all rows at once."""
        rule = RULES.get(primitive.name) or (_elementwise if primitive.kind == "elementwise" else _looped)
        return Batched(self.frame, rule(self.frame, primitive, *arrays, **params))

    def __setitem__(self, key: Any, new: Any) -> None:
        raise self.frame.needs_value(self, "x[i] = v")

    def copy(self) -> Batched:
        """Itself: its rows are never written to."""
        return self

    def _concrete(self, what: str) -> Any:
        raise self.frame.needs_value(self, what)

    def __repr__(self) -> str:
        return f"one of {self.frame.size} rows, shape {self.shape}, dtype {self.dtype}"


# ----- taking rows apart and together -----
def own(frame: Frame, x: Array) -> bool:
    """Whether x has rows in this frame."""
    return isinstance(x, Batched) and x.frame is frame


def rows(frame: Frame, x: Array) -> Array:
    """The rows of x along axis 0; an array that is the same for all of them becomes a single one."""
    return x.content if own(frame, x) else with_axis(x if hasattr(x, "ndim") else np.asarray(x), 0)


def full(frame: Frame, content: Array) -> Array:
    """All rows, each by itself."""
    if content.shape[0] == frame.size:
        return content
    return broadcast_to_p(content, shape=(frame.size, *content.shape[1:]))


def single(frame: Frame, x: Array) -> Array:
    """The array that all rows of x are; None where they differ."""
    if not own(frame, x):
        return x
    return reshape_p(x.content, shape=x.shape) if x.content.shape[0] == 1 else None


def moved(x: Array, source: int, target: int) -> Array:
    """x with one axis at another place."""
    order = [i for i in range(x.ndim) if i != source]
    order.insert(target, source)
    return x if source == target else transpose_p(x, axes=order)


def _ndim(x: Array) -> int:
    return getattr(x, "ndim", 0)


def _aligned(frame: Frame, x: Array, ndim: int) -> Array:
    """Rows with as many axes behind the first as the widest operand has, so that they broadcast row by row."""
    if not own(frame, x) or x.ndim == ndim:
        return x.content if own(frame, x) else x
    return reshape_p(x.content, shape=(x.content.shape[0], *(1,) * (ndim - x.ndim), *x.shape))


def _together(frame: Frame, arrays: Sequence[Array]) -> list[Array]:
    """The rows of several arrays, the same number of each."""
    parts = [rows(frame, a) for a in arrays]
    return parts if len({p.shape[0] for p in parts}) == 1 else [full(frame, p) for p in parts]


# ----- rules by kind -----
def _elementwise(frame: Frame, op: Primitive, *arrays: Array, **params: Any) -> Array:
    ndim = max(map(_ndim, arrays))
    return op(*[_aligned(frame, a, ndim) for a in arrays], **params)


def _looped(frame: Frame, op: Primitive, *arrays: Array, **params: Any) -> Array:
    """Row by row: for operations of the user's own, of which only the forward function is known."""
    if not frame.size:
        raise ArgumentError(f"{op.name} at {at(here())} has no rule for batches, and without rows it cannot be tried")
    parts = [full(frame, a.content) if own(frame, a) else None for a in arrays]
    rows_of = [
        [a if part is None else part[i] for a, part in zip(arrays, parts, strict=True)] for i in range(frame.size)
    ]
    return stack_p(*[as_array(op(*row, **params)) for row in rows_of], axis=0)


def _reduction(frame: Frame, op: Primitive, x: Array, *, axis: tuple[int, ...] | None, keepdims: bool) -> Array:
    axes = range(x.ndim) if axis is None else axis
    return op(x.content, axis=tuple(a + 1 for a in axes), keepdims=keepdims)


def _index_of(frame: Frame, op: Primitive, x: Array, *, axis: int | None, keepdims: bool) -> Array:
    if axis is not None:
        return op(x.content, axis=axis + 1, keepdims=keepdims)
    count = x.content.shape[0]
    flat = op(reshape_p(x.content, shape=(count, x.size)), axis=1, keepdims=False)
    return reshape_p(flat, shape=(count, *kept_shape(x.shape, None))) if keepdims else flat


def _stacked(frame: Frame, op: Primitive, x: Array) -> Array:
    """Functions of matrices, which take stacks of them."""
    return op(x.content)


def _joined(frame: Frame, op: Primitive, *arrays: Array, axis: int) -> Array:
    return op(*_together(frame, arrays), axis=axis + 1)


def _triangle(frame: Frame, op: Primitive, x: Array, *, k: int) -> Array:
    content = x.content
    if x.ndim == 1:  # a vector becomes the rows of a matrix
        content = broadcast_to_p(with_axis(content, 1), shape=(content.shape[0], *x.shape, *x.shape))
    return op(content, k=k)


def _flip(frame: Frame, op: Primitive, x: Array, *, axis: int | tuple[int, ...] | None) -> Array:
    return op(x.content, axis=_axes(range(x.ndim) if axis is None else axis, x.ndim))


def _axes(axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    return tuple(a % ndim + 1 for a in ((axis,) if isinstance(axis, int) else axis))


def _roll(frame: Frame, op: Primitive, x: Array, *, shift: Any, axis: int | tuple[int, ...] | None) -> Array:
    if axis is not None:
        return op(x.content, shift=shift, axis=_axes(axis, x.ndim))
    flat = reshape_p(x.content, shape=(x.content.shape[0], x.size))
    return reshape_p(op(flat, shift=int(np.sum(shift)), axis=1), shape=x.content.shape)


def _reshape(frame: Frame, op: Primitive, x: Array, *, shape: tuple[int, ...]) -> Array:
    return op(x.content, shape=(x.content.shape[0], *shape))


def _broadcast_to(frame: Frame, op: Primitive, x: Array, *, shape: tuple[int, ...]) -> Array:
    return op(_aligned(frame, x, len(shape)), shape=(x.content.shape[0], *shape))


def _reduce_to(frame: Frame, op: Primitive, x: Array, *, shape: tuple[int, ...]) -> Array:
    count = x.content.shape[0]
    return reshape_p(op(x.content, shape=(count, *(1,) * (x.ndim - len(shape)), *shape)), shape=(count, *shape))


# ----- products and solving -----
def _matmul(frame: Frame, op: Primitive, a: Array, b: Array) -> Array:
    left, right = single(frame, a), single(frame, b)
    if left is not None and right is not None:
        return with_axis(op(left, right), 0)
    if right is not None and b.ndim <= 2:  # one matrix for all rows: a single product
        lead = a.content.shape[:-1]
        return reshape_p(
            op(reshape_p(a.content, shape=(math.prod(lead), a.shape[-1])), right), shape=(*lead, *b.shape[1:])
        )
    if left is not None and a.ndim == 1 and b.ndim > 1:
        return op(left, b.content)
    if left is not None and b.ndim == 1 and a.ndim <= 2:
        return op(b.content, left.T)
    if a.ndim == b.ndim == 1:
        return sum_p(a.content * b.content, axis=(1,), keepdims=False)
    x, y = rows(frame, a), rows(frame, b)
    x, y = (with_axis(x, 1) if a.ndim == 1 else x), (with_axis(y, -1) if b.ndim == 1 else y)
    ndim = max(x.ndim, y.ndim)
    x, y = (reshape_p(z, shape=(z.shape[0], *(1,) * (ndim - z.ndim), *z.shape[1:])) for z in (x, y))
    product = op(x, y)
    shape = product.shape if b.ndim > 1 else product.shape[:-1]
    return reshape_p(product, shape=shape if a.ndim > 1 else (*shape[: ndim - 2], *shape[ndim - 1 :]))


def _einsum(frame: Frame, op: Primitive, *arrays: Array, subscripts: str) -> Array:
    left, _, result = subscripts.partition("->")
    row = next(c for c in string.ascii_letters if c not in subscripts)
    shared = [single(frame, a) for a in arrays]
    if not any(s is None for s in shared):
        return with_axis(op(*shared, subscripts=subscripts), 0)
    terms = [term if s is not None else row + term for term, s in zip(left.split(","), shared, strict=True)]
    operands = [a.content if s is None else s for a, s in zip(arrays, shared, strict=True)]
    return op(*operands, subscripts=",".join(terms) + "->" + row + result)


def _solve(frame: Frame, op: Primitive, a: Array, b: Array) -> Array:
    x, y = rows(frame, a), rows(frame, b)
    y = with_axis(y, -1) if b.ndim == 1 else y
    ndim = max(x.ndim, y.ndim)
    x, y = (reshape_p(z, shape=(z.shape[0], *(1,) * (ndim - z.ndim), *z.shape[1:])) for z in (x, y))
    found = op(x, y)
    return reshape_p(found, shape=found.shape[:-1]) if b.ndim == 1 else found


# ----- indexing -----
def _advanced(template: tuple[Any, ...]) -> list[int]:
    """Positions of index arrays, and of the numbers that NumPy treats like them where there are arrays."""
    return [i for i, part in enumerate(template) if part is not None and not isinstance(part, slice | type(...))]


def _scattered(template: tuple[Any, ...]) -> bool:
    """Whether something stands between the index arrays, so that NumPy puts their axes in front."""
    advanced = _advanced(template)
    return advanced[-1] - advanced[0] >= len(advanced)


def _places(template: tuple[Any, ...], ndim: int) -> int:
    """How many axes of the result come before those of the index arrays."""
    if _scattered(template):
        return 0
    taken = sum(part is not None and part is not ... for part in template)
    return sum(ndim - taken if part is ... else 1 for part in template[: _advanced(template)[0]])


def _getitem(frame: Frame, op: Primitive, x: Array, *arrays: Array, index: tuple[Any, ...]) -> Array:
    shared = [single(frame, a) for a in arrays]
    inner = max(map(_ndim, arrays), default=0)
    if not any(s is None for s in shared):  # the same places in every row
        found = op(rows(frame, x), *shared, index=(slice(None), *index))
        return moved(found, inner, 0) if arrays and _scattered(index) else found
    first = _places(index, x.ndim)
    aligned = [_aligned(frame, a, inner) for a in arrays]
    one = single(frame, x)
    if one is not None:  # other places of one array in every row
        return moved(op(one, *aligned, index=index), first, 0)
    found = op(x.content, _numbers(frame, inner), *aligned, index=(ARRAY, *index))
    rest = [0, *range(1 + inner, found.ndim)]
    return transpose_p(found, axes=(*rest[: 1 + first], *range(1, 1 + inner), *rest[1 + first :]))


def _numbers(frame: Frame, ndim: int) -> Array:
    return np.arange(frame.size).reshape(-1, *(1,) * ndim)


def _scatter_add(
    frame: Frame, op: Primitive, x: Array, *arrays: Array, index: tuple[Any, ...], shape: tuple[int, ...]
) -> Array:
    shared = [single(frame, a) for a in arrays]
    inner = max(map(_ndim, arrays), default=0)
    wanted = getitem_p.shape((shape, x.dtype), *map(spec_of, arrays), index=index)[0]
    content = broadcast_to_p(_widened(rows(frame, x), len(wanted)), shape=(rows(frame, x).shape[0], *wanted))
    if not any(s is None for s in shared):
        if arrays and _scattered(index):
            content = moved(content, 0, inner)
        return op(content, *shared, index=(slice(None), *index), shape=(rows(frame, x).shape[0], *shape))
    first = _places(index, len(shape))
    content = full(frame, content)
    rest = [i for i in range(content.ndim) if not first < i <= first + inner]
    content = transpose_p(content, axes=(0, *range(first + 1, first + inner + 1), *rest[1:]))
    aligned = [_aligned(frame, a, inner) for a in arrays]
    return op(content, _numbers(frame, inner), *aligned, index=(ARRAY, *index), shape=(frame.size, *shape))


def _widened(content: Array, ndim: int) -> Array:
    return reshape_p(content, shape=(content.shape[0], *(1,) * (ndim + 1 - content.ndim), *content.shape[1:]))


def _take_along_axis(frame: Frame, op: Primitive, x: Array, indices: Array, *, axis: int) -> Array:
    return op(*_together(frame, (x, indices)), axis=axis + 1)


# Operations that work element by element need no row, and those of the user's own are run row by row.
RULES: dict[str, Rule] = {
    "sum": _reduction,
    "prod": _reduction,
    "max": _reduction,
    "min": _reduction,
    "cumsum": lambda frame, op, x, *, axis: op(x.content, axis=axis + 1),
    "argmax": _index_of,
    "argmin": _index_of,
    "reshape": _reshape,
    "transpose": lambda frame, op, x, *, axes: op(x.content, axes=(0, *(a + 1 for a in axes))),
    "broadcast_to": _broadcast_to,
    "reduce_to": _reduce_to,
    "flip": _flip,
    "roll": _roll,
    "tril": _triangle,
    "triu": _triangle,
    "pad": lambda frame, op, x, *, width, value: op(x.content, width=((0, 0), *width), value=value),
    "concatenate": _joined,
    "stack": _joined,
    "diagonal": lambda frame, op, x, *, offset, axes: op(x.content, offset=offset, axes=tuple(a + 1 for a in axes)),
    "make_diagonal": lambda frame, op, x, *, offset, axes, shape: op(
        x.content, offset=offset, axes=tuple(a + 1 for a in axes), shape=(x.content.shape[0], *shape)
    ),
    "getitem": _getitem,
    "scatter_add": _scatter_add,
    "take_along_axis": _take_along_axis,
    "matmul": _matmul,
    "einsum": _einsum,
    "solve": _solve,
    "inv": _stacked,
    "det": _stacked,
    "logabsdet": _stacked,
    "cholesky": _stacked,
    "detsign": _stacked,
}
UNSUPPORTED = {"draw": "takes no arrays, so it never sees a row: one draw serves all of them"}
