"""Elementwise operations and reductions over one iteration space, fused into one nest of loops."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import ClassVar

from ....ir.graph import Atom, Eqn, Literal, Var
from ..ir import scalar_ops
from ..ir.builder import KINDS, Code, Value
from ..ir.layout import Layout, row_major_strides
from ..ir.module import Module, Scratch
from ..ir.tiles import Cut, cut, section
from . import nest as nests
from .base import ACCESS, SIMPLE, Task
from .nest import Body, LoopNest, Reduction, add_up, collapse, each_once

REDUCTIONS = {"sum": "sum", "prod": "prod", "max": "max", "min": "min", "reduce_to": "sum"}


def is_reduction(eqn: Eqn) -> bool:
    """Whether it combines elements along axes."""
    return eqn.primitive.name in REDUCTIONS


def kept_shape(eqn: Eqn) -> tuple[int, ...]:
    """A reduction's result with its reduced axes in place, of length one."""
    before = eqn.inputs[0].shape
    if eqn.primitive.name == "reduce_to":
        return (1,) * (len(before) - len(eqn.out.shape)) + eqn.out.shape
    axis = eqn.params["axis"]
    return tuple(1 if axis is None or i in axis else n for i, n in enumerate(before))


class Loop(Task):
    """Equations of one iteration space."""

    __slots__ = ()
    plural: ClassVar[str] = "fused loops"
    in_memory: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Elementwise operations and reductions on dtypes that there are instructions for."""
        if is_reduction(eqn):
            source = eqn.inputs[0]
            known = source.dtype in KINDS and eqn.out.dtype in KINDS
            return known and (0 not in source.shape or eqn.primitive.name in ("sum", "prod", "reduce_to"))
        return scalar_ops.supported(eqn)

    @property
    def space(self) -> tuple[int, ...]:
        """The iteration space."""
        return self.eqn.inputs[0].shape if is_reduction(self.eqn) else self.eqn.out.shape

    def cost(self) -> int:
        """What is read, written and computed for each element."""
        operations = sum(max(SIMPLE, eqn.primitive.cost) for eqn in self.eqns)
        elements = max(math.prod(x.shape) for x in (*self.eqn.inputs, self.eqn.out))
        return elements * (operations + ACCESS * (len(self.inputs) + 1))

    def describe(self, operations: str) -> str:
        """Its iteration space."""
        return f"loop over {list(self.space)}: {operations}"

    def stored(self) -> list[Var]:
        """Sums are kept where they are added up; the rest is in registers while the loop runs."""
        return [eqn.out for eqn in self.eqns if is_reduction(eqn)]

    def may_overwrite(self, old: Var, out: Var, root: Mapping[Var, Var]) -> bool:
        """So it is if the loop runs over both as they are."""
        made = next(eqn for eqn in self.eqns if eqn.out is out)
        if is_reduction(made) or out.shape != self.space:
            return False
        return all(x is old and old.shape == self.space for x in self.inputs if root.get(x, x) is old)

    def rows(self) -> int:
        """The first axis of its iteration space."""
        return self.space[0] if self.space else 0

    def by_rows(self, inside: Mapping[Var, bool], views: AbstractSet[Var]) -> dict[Var, bool] | None:
        """Every operation goes row by row, unless it reads something that has no such rows."""
        space = self.space
        for x in self.inputs:
            if x in inside and not (inside[x] and len(x.shape) == len(space) and x.shape[0] == space[0]):
                return None
        shapes = {eqn.out: kept_shape(eqn) if is_reduction(eqn) else eqn.out.shape for eqn in self.eqns}
        return {out: shape[0] == space[0] for out, shape in shapes.items()}

    def emit(self, module: Module, chunks: int) -> None:
        """A nest of loops, cut along its longest or first axis if it is worth several chunks."""
        nest = self.nest(module.layouts)
        layouts = nest.layouts
        lengths, strides = collapse(nest.space, [x.strides for x in layouts]) if chunks > 1 else ([], [])
        axis = 0 if lengths and lengths[0] >= chunks else max(range(len(lengths)), key=lengths.__getitem__, default=0)
        smallest = min((x.dtype.itemsize for x in layouts), default=8)
        unit = nests.BLOCK // smallest if axis == len(lengths) - 1 else 1
        which = cut(lengths[axis], unit, chunks) if lengths else Cut(1, 0)
        if which.chunks == 1:
            nest.emit(module.code)
            return
        shaped = [replace(x, shape=tuple(lengths), strides=s) for x, s in zip(layouts, strides, strict=True)]
        tiled = TiledNest(nest.over(shaped), axis, which, Scratch(module))
        module.share(which.chunks, tiled.emit)
        if which.rest:
            tiled.emit(module.code, which.chunks)
        tiled.finish(module.code)

    def nest(self, layouts: Mapping[Var, Layout]) -> Nest:
        """What is read, written and computed, and where."""
        space, given = self.space, self.inputs
        reduced = [eqn for eqn in self.eqns if is_reduction(eqn)]
        written = [eqn.out for eqn in self.eqns if eqn not in reduced and eqn.out in layouts]
        reductions = []
        for eqn in reduced:
            at = layouts[eqn.out]
            whole = Layout.row_major(at.base, at.dtype, kept_shape(eqn), at.offset).broadcast(space)
            reductions.append(Reduction(REDUCTIONS[eqn.primitive.name], whole))
        reads, writes = [layouts[x].broadcast(space) for x in given], [layouts[x] for x in written]
        return Nest(space, reads, writes, reductions, lambda code: functools.partial(self._body, code, given, written))

    def prepared(self, module: Module, scratch: Scratch) -> Nest:
        """The loop for chunks of rows."""
        return self.nest(module.layouts)

    def row_unit(self, module: Module) -> int:
        """Any number of rows will do."""
        return 1

    def _body(self, code: Code, given: list[Var], written: list[Var], values: list[Value], lanes: int) -> list[Value]:
        """The operations on one block of elements: what is written, then what is summed up."""
        known: dict[Atom, Value] = dict(zip(given, values, strict=True))
        combined: list[Value] = []
        for eqn in self.eqns:
            reduced = is_reduction(eqn)
            dtypes = [eqn.inputs[0].dtype] if reduced else scalar_ops.operand_dtypes(eqn)
            args = []
            for atom, dtype in zip(eqn.inputs, dtypes, strict=True):
                if isinstance(atom, Literal):
                    own = eqn.primitive.name == "astype" or reduced
                    args.append(code.constant(atom.value, KINDS[atom.dtype if own else dtype], lanes))
                else:
                    args.append(known[atom])
            if reduced:
                combined.append(args[0])
            else:
                known[eqn.out] = scalar_ops.emit(eqn, args)
        return [known[var] for var in written] + combined


@dataclass(frozen=True, slots=True)
class Nest:
    """A nest of loops to be: its arrays are broadcast over the space."""

    space: tuple[int, ...]
    reads: list[Layout]
    writes: list[Layout]
    reductions: list[Reduction]
    body: Callable[[Code], Body]

    @property
    def layouts(self) -> list[Layout]:
        """All of them, in order."""
        return [*self.reads, *self.writes, *(r.layout for r in self.reductions)]

    def over(self, layouts: list[Layout]) -> Nest:
        """The same on other arrays."""
        first, last = len(self.reads), len(self.reads) + len(self.writes)
        found = [Reduction(r.how, x) for r, x in zip(self.reductions, layouts[last:], strict=True)]
        return replace(
            self, space=layouts[0].shape, reads=layouts[:first], writes=layouts[first:last], reductions=found
        )

    def tiled(self, which: Cut, scratch: Scratch) -> TiledNest:
        """The same in chunks along the first axis."""
        return TiledNest(self, 0, which, scratch)

    def emit(self, code: Code) -> None:
        """Append it."""
        LoopNest(code, self.space, self.reads, self.writes, self.reductions, self.body(code)).emit()


class TiledNest:
    """A nest in chunks along one axis; a reduction along that axis leaves one result per chunk, added up in the end."""

    def __init__(self, nest: Nest, axis: int, which: Cut, scratch: Scratch) -> None:
        self.nest, self.axis, self.which = nest, axis, which
        self.layouts = nest.layouts
        self.partial: dict[int, Layout] = {}  # number of the array -> the results of all chunks
        for i in range(len(nest.reads) + len(nest.writes), len(self.layouts)):
            layout = self.layouts[i]
            if layout.strides[axis] == 0:
                kept = tuple(n if s else 1 for n, s in zip(layout.shape, layout.strides, strict=True))
                self.partial[i] = scratch(layout.dtype, (which.count, *kept))

    def emit(self, code: Code, chunk: str | int) -> None:
        """One chunk."""
        found = [section(code, x, self.axis, self.which, chunk) for x in self.layouts]
        for i, partial in self.partial.items():
            one = section(code, partial, 0, Cut(self.which.count, 1), chunk)
            found[i] = replace(one, shape=one.shape[1:], strides=one.strides[1:]).broadcast(found[i].shape)
        self.nest.over(found).emit(code)

    def finish(self, code: Code) -> None:
        """Add up what the chunks have left."""
        for i, partial in self.partial.items():
            whole = each_once(self.layouts[i])
            shape = (self.which.count, *whole.shape)
            how = self.nest.reductions[i - len(self.nest.reads) - len(self.nest.writes)].how
            add_up(code, replace(partial, shape=shape, strides=row_major_strides(shape)), how, whole)
