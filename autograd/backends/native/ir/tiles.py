"""An axis cut into chunks, which are computed side by side or one after the other.

Where the cuts lie depends on the shapes alone, and so do the results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .builder import Code
from .layout import Layout


@dataclass(frozen=True, slots=True)
class Cut:
    """An axis as `chunks` stretches of `size` elements and a rest."""

    chunks: int
    size: int
    rest: int = 0

    @property
    def count(self) -> int:
        """How many chunks there are, the rest included."""
        return self.chunks + bool(self.rest)


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


def section(code: Code, layout: Layout, axis: int, which: Cut, chunk: str | int) -> Layout:
    """What one chunk has of an array; chunk number `chunks` is the rest."""
    distance = which.size * layout.strides[axis]
    by: str | int
    if isinstance(chunk, int):
        by = chunk * distance
    else:
        by = code.add(f"mul nsw i64 {chunk}, {distance}", "i64").name if distance else 0
    size = which.rest if chunk == which.chunks else which.size
    shape = tuple(size if i == axis else n for i, n in enumerate(layout.shape))
    return replace(layout, base=code.offset(layout.base, by, layout.kind), shape=shape)
