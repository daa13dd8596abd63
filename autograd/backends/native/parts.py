"""Large loops and products cut into chunks, which the threads of the pool compute side by side.

Where the cuts lie depends on the shapes alone, and so do the results.  A sum along the axis that is cut becomes one sum
per chunk first; these are then added in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...ir.graph import Eqn
from . import matmul
from .loops import BLOCK, Body, Nest, Reduction, collapse, each_once
from .place import Place, fresh, row_major
from .text import Code

if TYPE_CHECKING:
    from .segment import Segment

# Work is counted in multiplications of a product, which are about 0.03 nanoseconds each.
WORTH = 150_000  # from which on a loop or product is cut
_CHUNK = 100_000
_MOST = 32  # chunks
_FUNCTIONS = frozenset(
    {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "power", "mod"}
)
_ACCESS, _SIMPLE, _FUNCTION = 4, 2, 30  # work per element: read or written, computed with, of an elementary function

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


def work_of_loop(eqns: Iterable[Eqn], elements: int, accesses: int) -> int:
    """How much work a loop over so many elements is."""
    each = sum(_FUNCTION if eqn.primitive.name in _FUNCTIONS else _SIMPLE for eqn in eqns)
    return elements * (each + _ACCESS * accesses)


def work_of_product(a: Place, b: Place) -> int:
    """How much work a product is."""
    rows = a.size // a.shape[-1] if a.shape[-1] else 0
    columns = b.shape[-1] if len(b.shape) > 1 else 1
    return rows * columns * a.shape[-1] + _ACCESS * (a.size + b.size + rows * columns)


def nest(
    segment: Segment, space: tuple[int, ...], reads: list[Place], writes: list[Place], reductions: list[Reduction],
    body: MakeBody, work: int,
) -> None:  # fmt: skip
    """A nest of loops, in chunks if it is much work."""
    places = [*reads, *writes, *(r.place for r in reductions)]
    lengths, strides = collapse(space, [p.strides for p in places]) if work >= WORTH else ([], [])
    wanted = min(_MOST, work // _CHUNK)
    axis = 0 if lengths and lengths[0] >= wanted else max(range(len(lengths)), key=lengths.__getitem__, default=0)
    smallest = min((p.dtype.itemsize for p in places), default=8)
    unit = BLOCK // smallest if axis == len(lengths) - 1 else 1
    which = cut(lengths[axis], unit, wanted) if lengths else Cut(1, 0)
    if which.chunks == 1:
        Nest(segment.code, space, reads, writes, reductions, body(segment.code)).emit()
        return
    shaped = [replace(p, shape=tuple(lengths), strides=s) for p, s in zip(places, strides, strict=True)]
    count, sums = len(reads) + len(writes), which.chunks + bool(which.rest)
    partial: dict[int, tuple[Place, int]] = {}  # reduction -> its results of chunk 0, their size
    total = 0
    for i, place in enumerate(shaped[count:]):
        if place.strides[axis] == 0:
            kept = tuple(n if s else 1 for n, s in zip(place.shape, place.strides, strict=True))
            size = fresh("", place.dtype, kept).size
            partial[i] = fresh("", place.dtype, kept, total // place.dtype.itemsize), size
            total += -(-sums * size * place.dtype.itemsize // 64) * 64
    scratch = segment.scratch(total) if total else ""

    def chunk_of(code: Code, chunk: str | int) -> None:
        parts = [section(code, p, axis, which, chunk) for p in shaped]
        for i, (place, size) in partial.items():
            rows = replace(place, base=scratch, shape=(sums, *place.shape), strides=(size, *place.strides))
            one = section(code, rows, 0, Cut(sums, 1), chunk)
            parts[count + i] = replace(one, shape=one.shape[1:], strides=one.strides[1:]).broadcast(
                parts[count + i].shape
            )
        found = [Reduction(r.how, p) for r, p in zip(reductions, parts[count:], strict=True)]
        Nest(code, parts[0].shape, parts[: len(reads)], parts[len(reads) : count], found, body(code)).emit()

    segment.share(which.chunks, chunk_of)
    if which.rest:
        chunk_of(segment.code, which.chunks)
    for i, (place, size) in partial.items():
        whole = each_once(shaped[count + i])
        rows = Place(scratch, place.dtype, (sums, *whole.shape), (size, *row_major(whole.shape)), place.offset)
        target = Reduction(reductions[i].how, whole.broadcast(rows.shape))
        Nest(segment.code, rows.shape, [rows], [], [target], lambda values, lanes: values).emit()


def product(segment: Segment, a: Place, b: Place, c: Place) -> None:
    """c = a @ b, in chunks if it is much work: of the first axis of a stack, or of rows and columns of c."""
    if len(a.shape) == 2 and len(b.shape) == 1:
        b, c = (replace(x, shape=(*x.shape, 1), strides=(*x.strides, 0)) for x in (b, c))
    elif len(a.shape) == 1 and len(b.shape) == 2:
        a, c = (replace(x, shape=(1, *x.shape), strides=(0, *x.strides)) for x in (a, c))
    work = work_of_product(a, b)
    wanted = min(_MOST, work // _CHUNK)
    if work < WORTH or len(a.shape) < 2 or len(b.shape) < 2 or matmul.for_blas(a, b):
        _plain(segment, segment.code, a, b, c, segment.scratch)
        return
    if len(c.shape) > 2:
        a, b = (x.broadcast((*c.shape[:-2], *x.shape[-2:])) for x in (a, b))
        rows, columns = cut(c.shape[0], 1, wanted), Cut(1, 1)
    else:
        high, wide = matmul.tile(a, b)
        rows, columns = cut(c.shape[0], high, wanted), cut(c.shape[1], wide, wanted)
        if c.shape[0] >= c.shape[1]:
            columns = cut(c.shape[1], wide, wanted // rows.chunks)
        else:
            rows = cut(c.shape[0], high, wanted // columns.chunks)
        if rows.chunks > 1 and columns.chunks == 1 and matmul.rearranges(a, b):
            b = matmul.rearranged(segment.code, b, segment.scratch)
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


def _plain(segment: Segment, code: Code, a: Place, b: Place, c: Place, scratch: matmul.Scratch) -> None:
    matmul.batched(code, a, b, c, lambda x, y, z: matmul.product(code, x, y, z, scratch, segment.lowering._blas))
