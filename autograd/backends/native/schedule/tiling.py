"""Large loops and products cut into chunks, which the threads of the pool compute side by side.

Where the cuts lie depends on the shapes alone, and so do the results.  A sum along the axis that is cut becomes one sum
per chunk first; these are then added in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.builder import Code
from ..tasks import matmul
from ..tasks.loops import BLOCK, Body, Nest, Reduction, collapse, each_once
from .cost import WORTH, work
from .layout import Place, fresh, row_major

if TYPE_CHECKING:
    from ..segment import Segment
    from ..tasks.base import Task

_CHUNK = 100_000  # work
_MOST = 32  # chunks
_LONG, _SUMS = 4, 4  # a product of factors so many times longer than it is wide is cut into so many sums

MakeBody = Callable[[Code], Body]


@dataclass(frozen=True, slots=True)
class Cut:
    """An axis as `chunks` stretches of `size` elements and a rest."""

    chunks: int
    size: int
    rest: int = 0


def cut(length: int, unit: int, wanted: int) -> Cut:
    """About as many chunks as wanted, each a multiple of the unit long; no rest and an even number, if possible."""
    units = length // unit
    wanted = min(wanted, units)
    if wanted < 2:
        return Cut(1, length)
    whole = [n for n in range(wanted, wanted // 2, -1) if length % (n * unit) == 0]
    if whole:
        chunks = next((n for n in whole if n % 2 == 0), whole[0])
        return Cut(chunks, length // chunks) if chunks > 1 else Cut(1, length)
    size = -(-units // wanted) * unit
    return Cut(length // size, size, length % size)


def section(code: Code, place: Place, axis: int, which: Cut, chunk: str | int) -> Place:
    """What one chunk has of a place; chunk number `chunks` is the rest."""
    distance = which.size * place.strides[axis]
    by: str | int
    if isinstance(chunk, int):
        by = chunk * distance
    else:
        by = code.add(f"mul nsw i64 {chunk}, {distance}", "i64").name if distance else 0
    size = which.rest if chunk == which.chunks else which.size
    shape = tuple(size if i == axis else n for i, n in enumerate(place.shape))
    return replace(place, base=code.offset(place.base, by, place.kind), shape=shape)


@dataclass(frozen=True, slots=True)
class Loop:
    """A nest of loops: its places are broadcast over the space."""

    space: tuple[int, ...]
    reads: list[Place]
    writes: list[Place]
    reductions: list[Reduction]
    body: MakeBody

    @property
    def places(self) -> list[Place]:
        """All of them, in order."""
        return [*self.reads, *self.writes, *(r.place for r in self.reductions)]

    def over(self, places: list[Place]) -> Loop:
        """The same on other places."""
        first, last = len(self.reads), len(self.reads) + len(self.writes)
        found = [Reduction(r.how, p) for r, p in zip(self.reductions, places[last:], strict=True)]
        return replace(self, space=places[0].shape, reads=places[:first], writes=places[first:last], reductions=found)

    def emit(self, code: Code) -> None:
        """Append it."""
        Nest(code, self.space, self.reads, self.writes, self.reductions, self.body(code)).emit()


class Pieces:
    """A loop in chunks along one axis; a reduction along that axis leaves one result per chunk at first."""

    def __init__(self, loop: Loop, axis: int, which: Cut, room: Shelf) -> None:
        self.loop, self.axis, self.which = loop, axis, which
        self.sums = which.chunks + bool(which.rest)
        self.places = loop.places
        self.partial: dict[int, Place] = {}  # number of the place -> the results of all chunks
        for i in range(len(loop.reads) + len(loop.writes), len(self.places)):
            place = self.places[i]
            if place.strides[axis] == 0:
                kept = tuple(n if s else 1 for n, s in zip(place.shape, place.strides, strict=True))
                self.partial[i] = room(place.dtype, (self.sums, *kept))

    def emit(self, code: Code, chunk: str | int) -> None:
        """One chunk."""
        found = [section(code, p, self.axis, self.which, chunk) for p in self.places]
        for i, partial in self.partial.items():
            one = section(code, partial, 0, Cut(self.sums, 1), chunk)
            found[i] = replace(one, shape=one.shape[1:], strides=one.strides[1:]).broadcast(found[i].shape)
        self.loop.over(found).emit(code)

    def finish(self, code: Code) -> None:
        """Add up what the chunks have left."""
        for i, partial in self.partial.items():
            whole = each_once(self.places[i])
            rows = replace(partial, shape=(self.sums, *whole.shape), strides=row_major((self.sums, *whole.shape)))
            how = self.loop.reductions[i - len(self.loop.reads) - len(self.loop.writes)].how
            _add_up(code, rows, how, whole)


class Shelf:
    """Memory for one task, handed out bit by bit."""

    def __init__(self, segment: Segment) -> None:
        self._segment, self._taken = segment, 0

    def __call__(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Place:
        """Room for an array, where nothing else is."""
        offset = self._taken // dtype.itemsize
        self._taken += -(-math.prod(shape) * dtype.itemsize // 64) * 64
        return fresh(self._segment.scratch(self._taken), dtype, shape, offset)


def _wanted(segment: Segment, task: Task) -> int:
    """How many chunks a task is worth."""
    amount = work(task)
    return min(_MOST, amount // _CHUNK) if segment.lowering.large and amount >= WORTH else 1


def nest(segment: Segment, task: Task) -> None:
    """A nest of loops, in chunks if it is much work."""
    loop, wanted = segment.loop(task), _wanted(segment, task)
    places = loop.places
    lengths, strides = collapse(loop.space, [p.strides for p in places]) if wanted > 1 else ([], [])
    axis = 0 if lengths and lengths[0] >= wanted else max(range(len(lengths)), key=lengths.__getitem__, default=0)
    smallest = min((p.dtype.itemsize for p in places), default=8)
    unit = BLOCK // smallest if axis == len(lengths) - 1 else 1
    which = cut(lengths[axis], unit, wanted) if lengths else Cut(1, 0)
    if which.chunks == 1:
        loop.emit(segment.code)
        return
    shaped = [replace(p, shape=tuple(lengths), strides=s) for p, s in zip(places, strides, strict=True)]
    pieces = Pieces(loop.over(shaped), axis, which, Shelf(segment))
    segment.share(which.chunks, pieces.emit)
    if which.rest:
        pieces.emit(segment.code, which.chunks)
    pieces.finish(segment.code)


def band(segment: Segment, task: Task) -> None:
    """Loops and products that go through the same rows, in chunks of rows."""
    shelf, unit = Shelf(segment), 1
    members: list[Loop | tuple[Place, Place, Place]] = []
    for member in task.members:
        if member.kind == "loop":
            members.append(segment.loop(member))
        else:
            a, b, c = segment.product(member)
            unit = max(unit, matmul.tile(a, b)[0] if b.shape[1] >= 4 else 1)
            if matmul.rearranges(a, b):
                b = matmul.rearranged(segment.code, b, shelf(b.dtype, b.shape))
            members.append((a, b, c))
    assert task.space is not None
    which = cut(task.space[0], unit, _wanted(segment, task))
    if which.chunks == 1:
        for member in task.members:
            segment.emit(member)
        return
    pieces = [Pieces(x, 0, which, shelf) if isinstance(x, Loop) else x for x in members]

    def chunk_of(code: Code, chunk: str | int) -> None:
        for piece in pieces:
            if isinstance(piece, Pieces):
                piece.emit(code, chunk)
            else:
                a, b, c = piece
                _plain(
                    segment,
                    code,
                    section(code, a, 0, which, chunk),
                    b,
                    section(code, c, 0, which, chunk),
                    segment.scratch,
                )

    segment.share(which.chunks, chunk_of)
    if which.rest:
        chunk_of(segment.code, which.chunks)
    for piece in pieces:
        if isinstance(piece, Pieces):
            piece.finish(segment.code)


def product(segment: Segment, task: Task) -> None:
    """c = a @ b, in chunks if it is much work: of the first axis of a stack, or of rows and columns of c."""
    a, b, c = segment.product(task)
    if len(a.shape) == 2 and len(b.shape) == 1:
        b, c = (replace(x, shape=(*x.shape, 1), strides=(*x.strides, 0)) for x in (b, c))
    elif len(a.shape) == 1 and len(b.shape) == 2:
        a, c = (replace(x, shape=(1, *x.shape), strides=(0, *x.strides)) for x in (a, c))
    wanted = _wanted(segment, task)
    if wanted < 2 or len(a.shape) < 2 or len(b.shape) < 2 or matmul.for_blas(a, b):
        _plain(segment, segment.code, a, b, c, segment.scratch)
        return
    if len(c.shape) == 2 and a.shape[1] >= _LONG * max(c.shape) and not matmul.rearranges(a, b):
        _along(segment, a, b, c, cut(a.shape[1], 1, min(wanted, _SUMS)))
        return
    if len(c.shape) > 2:
        a, b = (x.broadcast((*c.shape[:-2], *x.shape[-2:])) for x in (a, b))
        rows, columns = cut(c.shape[0], 1, wanted), Cut(1, 1)
    else:
        rows, columns = _grid(a, b, wanted)
        if rows.chunks > 1 and columns.chunks == 1 and matmul.rearranges(a, b):
            b = matmul.rearranged(segment.code, b, fresh(segment.scratch(b.size * b.dtype.itemsize), b.dtype, b.shape))
    if rows.chunks * columns.chunks == 1:
        _plain(segment, segment.code, a, b, c, segment.scratch)
        return

    def chunk_of(code: Code, row: str | int | None, column: str | int | None, scratch: matmul.Scratch) -> None:
        x, y, z = a, b, c
        if row is not None:
            x, z = section(code, x, 0, rows, row), section(code, z, 0, rows, row)
            y = section(code, y, 0, rows, row) if len(c.shape) > 2 else y
        if column is not None:
            y, z = section(code, y, 1, columns, column), section(code, z, 1, columns, column)
        _plain(segment, code, x, y, z, scratch)

    count = rows.chunks * columns.chunks

    def shared(code: Code, chunk: str) -> None:
        row = code.add(f"udiv i64 {chunk}, {columns.chunks}", "i64").name if rows.chunks > 1 else None
        column = code.add(f"urem i64 {chunk}, {columns.chunks}", "i64").name if columns.chunks > 1 else None

        def scratch(size: int) -> str:
            size = -(-size // 64) * 64
            by = code.add(f"mul nsw i64 {chunk}, {size}", "i64").name
            return code.offset(segment.scratch(count * size), by, "i8")

        chunk_of(code, row, column, scratch)

    segment.share(count, shared)
    if rows.rest:
        chunk_of(segment.code, rows.chunks, None, segment.scratch)
    if columns.rest:
        chunk_of(segment.code, None, columns.chunks, segment.scratch)


def _along(segment: Segment, a: Place, b: Place, c: Place, which: Cut) -> None:
    """A small product of large factors: each core reads the rows that it has computed itself, not those of others."""
    sums = which.chunks + bool(which.rest)
    partial = fresh(segment.scratch(sums * c.size * c.dtype.itemsize), c.dtype, (sums, *c.shape))

    def none(size: int) -> str:
        raise AssertionError("nothing is rearranged here")

    def chunk_of(code: Code, chunk: str | int) -> None:
        one = section(code, partial, 0, Cut(sums, 1), chunk)
        one = replace(one, shape=one.shape[1:], strides=one.strides[1:])
        _plain(segment, code, section(code, a, 1, which, chunk), section(code, b, 0, which, chunk), one, none)

    segment.share(which.chunks, chunk_of)
    if which.rest:
        chunk_of(segment.code, which.chunks)
    _add_up(segment.code, partial, "dot", c)


def _add_up(code: Code, partial: Place, how: str, whole: Place) -> None:
    """Combine what the chunks have left, in order."""
    target = Reduction(how, whole.broadcast(partial.shape))
    Nest(code, partial.shape, [partial], [], [target], lambda values, lanes: values).emit()


def _grid(a: Place, b: Place, wanted: int) -> tuple[Cut, Cut]:
    """Where the rows and columns of a product are cut: so that little is read again and again."""
    (m, n), (high, wide) = (a.shape[0], b.shape[1]), matmul.tile(a, b)
    grids = [(cut(m, high, wanted // q), cut(n, wide, q)) for q in range(1, max(min(wanted, n // wide), 1) + 1)]
    most = max(rows.chunks * columns.chunks for rows, columns in grids)
    enough = [grid for grid in grids if 2 * grid[0].chunks * grid[1].chunks > most]
    return min(enough, key=lambda grid: a.size * grid[1].chunks + b.size * grid[0].chunks)


def _plain(segment: Segment, code: Code, a: Place, b: Place, c: Place, scratch: matmul.Scratch) -> None:
    matmul.batched(code, a, b, c, lambda x, y, z: matmul.product(code, x, y, z, scratch, segment.lowering._blas))
