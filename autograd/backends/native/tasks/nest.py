"""Loop nests over one iteration space: read, compute, store, reduce, a block of elements at a time.

The innermost axes, as far as they fit, make up a block that is held in vector registers; where a lane's element lies is
worked out beforehand, so that a block may span rows, broadcast or stride.  Loops run over the rest.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..ir.builder import Code, Value
from ..ir.layout import Layout
from ..ir.scalar_ops import maximum, minimum
from . import transpose

BLOCK = 128  # bytes of a block: two of the widest registers, so that two chains of instructions run side by side
Lanes = tuple[int, ...]
Body = Callable[[list[Value], int], list[Value]]


@dataclass(slots=True, eq=False)
class Reduction:
    """A value of the body is combined over all positions that show the same element of `layout`."""

    how: str  # sum, dot, prod, max, min
    layout: Layout  # broadcast over the iteration space: stride 0 along the axes that are reduced
    level: int = 0  # the loops from this one on show the same elements
    combine: bool = False  # whether something stands there already
    slots: list[str] = field(default_factory=list)  # accumulators, one per piece


class LoopNest:
    """One nest of loops: the body gets the values of `reads` for a block, and returns those of `writes`, then `reductions`.

    Where the innermost loop does not divide evenly, a second, smaller block (a second piece) does the rest.
    """

    def __init__(
        self,
        code: Code,
        space: Lanes,
        reads: list[Layout],
        writes: list[Layout],
        reductions: list[Reduction],
        body: Body,
    ) -> None:
        self.code, self.space, self.body = code, space, body
        self.reads, self.writes, self.reductions = reads, writes, reductions
        self.layouts = [*reads, *writes, *(r.layout for r in reductions)]
        self.ready: dict[int, Value] = {}

    def emit(self) -> None:
        """Append the loops."""
        if 0 in self.space:
            for reduction in self.reductions:
                fill(self.code, each_once(reduction.layout), identity(reduction.how, reduction.layout))
            return
        lengths, self.strides = collapse(self.space, [x.strides for x in self.layouts])
        widest = max((x.dtype.itemsize for x in self.layouts), default=8)
        block, chunk = _block(lengths, BLOCK // max(widest, 4))
        self.split = len(lengths) - len(block)  # axes before this one are loops
        self.counts = lengths[: self.split]
        self.chunk = chunk
        self.pieces = [(0, 1, tuple(block))]  # first step, number of blocks, lanes
        if self.split:
            length = self.counts[-1]
            self.counts[-1] = length // chunk
            head = (chunk,) if chunk > 1 else ()
            self.pieces = [(0, length // chunk, (*head, *block))]
            if length % chunk:
                self.pieces.append((length - length % chunk, 1, (length % chunk, *block)))
        for reduction, steps in zip(self.reductions, self.strides[len(self.reads) + len(self.writes) :], strict=True):
            self._prepare(reduction, steps)
        pointers = [layout.start(self.code) for layout in self.layouts]
        for i, layout in enumerate(self.reads):
            if not any(self.strides[i]):
                self.ready[i] = self.code.load(pointers[i], layout.kind)
        self._loop(0, pointers)

    def _prepare(self, reduction: Reduction, steps: Lanes) -> None:
        """At which loop its accumulators begin, and whether it adds to what is stored already."""
        level = self.split
        while level and steps[level - 1] == 0:
            level -= 1
        reduction.level = level
        again = any(steps[i] == 0 and self.counts[i] > 1 for i in range(level))
        reduction.combine = again or (len(self.pieces) > 1 and level < self.split)
        if reduction.combine:
            fill(self.code, each_once(reduction.layout), identity(reduction.how, reduction.layout))

    def _loop(self, level: int, pointers: list[str]) -> None:
        if level == self.split:
            self._block(0, pointers)
            return
        begun = [r for r in self.reductions if r.level == level]
        for reduction in begun:
            nothing = identity(reduction.how, reduction.layout)
            for _, _, lanes in self.pieces:
                value = self.code.constant(nothing, reduction.layout.kind, math.prod(lanes))
                reduction.slots.append(self.code.alloca(value.kind, value.lanes))
                self.code.store_slot(value, reduction.slots[-1])
        if level < self.split - 1:
            self._repeat(level, self.counts[level], 0, 1, pointers, lambda moved: self._loop(level + 1, moved))
        else:
            for number, (start, count, _) in enumerate(self.pieces):
                self._repeat(level, count, start, self.chunk, pointers, functools.partial(self._block, number))
        for reduction in begun:
            at = len(self.reads) + len(self.writes) + self.reductions.index(reduction)
            for slot, (_, _, lanes) in zip(reduction.slots, self.pieces, strict=True):
                held = self.code.load_slot(slot, reduction.layout.kind, math.prod(lanes))
                self._finish(reduction, held, offsets(lanes, self.strides[at]), pointers[at])

    def _repeat(
        self, level: int, count: int, start: int, step: int, pointers: list[str], inner: Callable[[list[str]], None]
    ) -> None:
        """Run the inner part `count` times, with pointers that move along one axis."""
        code = self.code
        moved = [
            code.offset(pointer, start * steps[level], layout.kind)
            for pointer, steps, layout in zip(pointers, self.strides, self.layouts, strict=True)
        ]
        if count == 1:
            inner(moved)
            return
        loop = code.begin_loop(count)
        by: dict[int, str] = {0: "0", 1: loop[0]}
        for i, (steps, layout) in enumerate(zip(self.strides, self.layouts, strict=True)):
            distance = steps[level] * step
            if distance and i not in self.ready:
                if distance not in by:
                    by[distance] = code.add(f"mul nsw i64 {loop[0]}, {distance}", "i64").name
                moved[i] = code.offset(moved[i], by[distance], layout.kind)
        inner(moved)
        code.end_loop(loop)

    def _finish(self, reduction: Reduction, value: Value, where: Lanes, pointer: str) -> None:
        """Fold lanes that belong to one element, and store."""
        different = sorted(set(where))
        code, kind = self.code, reduction.layout.kind
        if len(different) == 1:
            value = fold(value, reduction.how)
        elif len(different) < len(where):
            members = [[i for i, w in enumerate(where) if w == d] for d in different]
            total = value.shuffle([m[0] for m in members])
            for i in range(1, len(members[0])):
                total = combine(reduction.how, total, value.shuffle([m[i] for m in members]))
            value = total
        else:
            value = value.shuffle([where.index(d) for d in different])
        if reduction.combine:
            value = combine(reduction.how, read(code, pointer, kind, tuple(different)), value)
        write(code, value, pointer, tuple(different))

    def _block(self, piece: int, pointers: list[str]) -> None:
        """Load, compute, store."""
        code, lanes = self.code, self.pieces[piece][2]
        size = math.prod(lanes)
        values = []
        for i, layout in enumerate(self.reads):
            if i in self.ready:
                values.append(self.ready[i].splat(size))
            else:
                values.append(read(code, pointers[i], layout.kind, offsets(lanes, self.strides[i])))
        results = self.body(values, size)
        for i, layout in enumerate(self.writes, start=len(self.reads)):
            write(code, results[i - len(self.reads)].cast(layout.kind), pointers[i], offsets(lanes, self.strides[i]))
        first = len(self.reads) + len(self.writes)
        for i, reduction in enumerate(self.reductions, start=first):
            value = results[i - len(self.reads)].cast(reduction.layout.kind)
            if reduction.level == self.split:
                self._finish(reduction, value, offsets(lanes, self.strides[i]), pointers[i])
            else:
                held = code.load_slot(reduction.slots[piece], value.kind, size)
                code.store_slot(combine(reduction.how, held, value), reduction.slots[piece])


def each_once(layout: Layout) -> Layout:
    """Each element once."""
    kept = [(n, s) for n, s in zip(layout.shape, layout.strides, strict=True) if s]
    return replace(layout, shape=tuple(n for n, _ in kept), strides=tuple(s for _, s in kept))


def collapse(space: tuple[int, ...], strides: Sequence[tuple[int, ...]]) -> tuple[list[int], list[Lanes]]:
    """Axes of length one dropped, and neighbours merged along which every array runs on as along one axis."""
    axes = [i for i, n in enumerate(space) if n != 1]
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for i in axes:
        if lengths and all(s[-1] == given[i] * space[i] for s, given in zip(steps, strides, strict=True)):
            lengths[-1] *= space[i]
            for s, given in zip(steps, strides, strict=True):
                s[-1] = given[i]
        else:
            lengths.append(space[i])
            for s, given in zip(steps, strides, strict=True):
                s.append(given[i])
    return lengths, [tuple(s) for s in steps]


def _block(lengths: list[int], most: int) -> tuple[list[int], int]:
    """Inner axes that fit in one block, and how many steps of the next axis out are added to it."""
    block: list[int] = []
    size = 1
    rest = list(lengths)
    while rest and size * rest[-1] <= most:
        size *= rest[-1]
        block.insert(0, rest.pop())
    if not rest:
        return block, 1
    chunk = most // size
    if size > 1 and chunk < 2:  # a little too wide is better than one short row at a time
        chunk = 1
    return block, max(1, min(chunk, rest[-1]))


def offsets(lanes: Lanes, strides: Lanes) -> Lanes:
    """Where each lane of a block lies, relative to its first: `strides` ends with those of the block's axes."""
    steps = strides[len(strides) - len(lanes) :]
    return tuple(
        sum(i * s for i, s in zip(index, steps, strict=True)) for index in itertools.product(*map(range, lanes))
    )


def read(code: Code, pointer: str, kind: str, where: Lanes) -> Value:
    """Elements at these distances from a pointer: one load where they are close together, else one each."""
    low, high = min(where), max(where)
    different = sorted(set(where))
    start = code.offset(pointer, low, kind)
    if high - low + 1 <= max(2 * len(different), 8):
        loaded = code.load(start, kind, high - low + 1)
        return loaded.shuffle([w - low for w in where])
    parts = [code.load(code.offset(pointer, d, kind), kind) for d in different]
    index = {d: i for i, d in enumerate(different)}
    return code.gathered(parts).shuffle([index[w] for w in where])


def write(code: Code, value: Value, pointer: str, where: Lanes) -> None:
    """Store lanes at these distances: one store per run of neighbours."""
    start = 0
    for i in range(1, len(where) + 1):
        if i == len(where) or where[i] != where[i - 1] + 1:
            part = value.shuffle(range(start, i))
            code.store(part, code.offset(pointer, where[start], value.kind))
            start = i


def identity(how: str, layout: Layout) -> float:
    """What changes nothing: -0.0 rather than 0.0 for sums, since 0.0 + -0.0 is 0.0."""
    if how == "dot":  # a product of matrices begins at 0.0
        return 0.0
    if how in ("sum", "prod"):
        return float(how == "prod") or (-0.0 if layout.dtype.kind == "f" and layout.size else 0)
    if layout.dtype.kind == "f":
        return -math.inf if how == "max" else math.inf
    if layout.dtype.kind == "b":
        return how == "min"
    limits = np.iinfo(layout.dtype)
    return limits.min if how == "max" else limits.max


def combine(how: str, a: Value, b: Value) -> Value:
    """One step of a reduction."""
    if how in ("sum", "dot"):
        op = "fadd reassoc contract" if a.is_float else "add"
        return a.code.add(f"{op} {a.type} {a.name}, {b.name}", a.kind, a.lanes)
    if how == "prod":
        return a * b
    return maximum(a, b) if how == "max" else minimum(a, b)


def fold(value: Value, how: str) -> Value:
    """All lanes of a vector reduced to one, in halves."""
    while value.lanes > 1:
        half = 1 << ((value.lanes - 1).bit_length() - 1)
        low, high = value.shuffle(range(half)), value.shuffle(range(half, value.lanes))
        if high.lanes < half:
            done = combine(how, value.shuffle(range(high.lanes)), high)
            rest = value.shuffle(range(high.lanes, half))
            value = value.code.joined(done, rest)
        else:
            value = combine(how, low, high)
    return value


def copy(code: Code, source: Layout, target: Layout) -> None:
    """Elements of one array into another of the same shape; the dtype may differ."""
    side = transpose.block_side(source, target)
    if side:
        for left in transpose.copy_blocks(code, source, target, side):
            copy(code, *left)
        return
    LoopNest(code, target.shape, [source], [target], [], lambda values, lanes: values).emit()


def add_up(code: Code, partial: Layout, how: str, whole: Layout) -> None:
    """Combine the results of several chunks, in order, along the first axis."""
    target = Reduction(how, whole.broadcast(partial.shape))
    LoopNest(code, partial.shape, [partial], [], [target], lambda values, lanes: values).emit()


def fill(code: Code, target: Layout, number: float) -> None:
    """One number everywhere."""
    LoopNest(
        code, target.shape, [], [target], [], lambda values, lanes: [code.constant(number, target.kind, lanes)]
    ).emit()


def loop_over(
    code: Code, layouts: Sequence[Layout], axes: Iterable[int], inner: Callable[[list[str]], None]
) -> None:  # fmt: skip
    """Run the inner part for every index along some axes of arrays of one shape, with pointers that move along."""
    order = [i for i in axes if layouts[0].shape[i] > 1]

    def nested(level: int, pointers: list[str]) -> None:
        if level == len(order):
            inner(pointers)
            return
        axis = order[level]
        loop = code.begin_loop(layouts[0].shape[axis])
        moved = []
        for pointer, layout in zip(pointers, layouts, strict=True):
            step = layout.strides[axis]
            by = code.add(f"mul nsw i64 {loop[0]}, {step}", "i64").name if step else 0
            moved.append(code.offset(pointer, by, layout.kind))
        nested(level + 1, moved)
        code.end_loop(loop)

    nested(0, [layout.start(code) for layout in layouts])
