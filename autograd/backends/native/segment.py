"""A run of tasks as one function of machine code."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...ir.graph import Atom, Literal, Var
from .ir.builder import KINDS, Code, Value
from .ir.scalar_ops import emit, operand_dtypes
from .runtime.jit import clock
from .runtime.profile import groups_of
from .schedule import outlining, tiling
from .schedule.layout import Place, fresh
from .tasks import copies, gather, matmul, random, scan, small
from .tasks.loops import Reduction, copy, offsets, read

if TYPE_CHECKING:
    from .lower import Lowering
    from .tasks.base import Task

CHECK_BITS = 16  # a segment returns 0, or how many steps it has done and the number of the check that stopped it
_PIECES = frozenset({"loop", "single", "product", "move", "gather"})  # tasks that work on memory alone
_POINTER = re.compile(r"%(?:in|out|const|m)\d+")  # what stands in the table or lies in the arena


class Segment:
    """A run of tasks as one function of machine code."""

    def __init__(self, lowering: Lowering, tasks: list[Task], last: bool) -> None:
        self.lowering = lowering
        self.code = Code()
        self.values: dict[Var, Value] = {}
        self.pieces: list[outlining.Piece] = []
        self._read_clock()
        self._read_clock()  # how long reading it takes
        for group in groups_of(tasks):
            for task in group:
                if task.kind in _PIECES:
                    self._emit_piece(task)
                else:
                    self.emit(task)
            self._read_clock(end=True)
        if last:
            self._outputs()
            self._read_clock(end=True)

    def _emit_piece(self, task: Task) -> None:
        """A task between labels of its own, so that it can become a function if there are others like it."""
        code = self.code
        name, start, top = code.fresh("piece"), len(code.lines), len(code.entry)
        code.jump(name)
        self.emit(task)
        self.pieces.append(outlining.Piece(start, len(code.lines), tuple(code.entry[top:])))
        code.jump(f"{name}.end")

    def emit(self, task: Task) -> None:
        """Append a task."""
        eqn, places = task.eqns[0], self.lowering.places
        if task.kind == "registers":
            value = small.compute(self.code, eqn, [self._value(a) for a in eqn.inputs])
            self.values[eqn.out] = value
            if eqn.out in places:
                place = places[eqn.out]
                self.code.store(value.cast(place.kind), self.code.offset(place.base, place.offset, place.kind))
        elif task.kind in ("loop", "single"):
            tiling.nest(self, task)
        elif task.kind == "band":
            tiling.band(self, task)
        elif task.kind == "product":
            tiling.product(self, task)
        elif task.kind == "gather":
            gather.move(self.code, eqn, [places[x] for x in eqn.inputs if isinstance(x, Var)], places[eqn.out])
        elif task.kind == "check":
            self._check(task)
        elif task.kind == "running":
            scan.run(self.code, eqn, places[eqn.inputs[0]], places[eqn.out])  # type: ignore[index]
        elif task.kind == "draw":
            number = self.lowering.generators.index(eqn.params["generator"])
            random.draw(self.code, number, places[eqn.out])
        elif task.kind == "move":
            copies.move(self.code, eqn, [places[x] for x in eqn.inputs if isinstance(x, Var)], places[eqn.out])

    def _read_clock(self, end: bool = False) -> None:
        """In a program that is to be measured, leave the time; `end`: of what was emitted since it was left last."""
        lowering = self.lowering
        if lowering.timed:
            instruction, declaration = clock()
            self.code.declarations[instruction] = declaration
            number = len(lowering.stamps)
            self.code.store(self.code.add(instruction, "i64"), self.code.offset("%stamps", number, "i64"))
            lowering.stamps.append(end)

    def _check(self, task: Task) -> None:
        """Return at once, saying which check it was, where an index names nothing."""
        code, places, looking = self.code, self.lowering.places, task.eqns[0]
        arrays = [places[x] for x in looking.inputs if isinstance(x, Var)]
        assert task.guarded is not None
        bad = gather.check(code, task.guarded, arrays, places[looking.out])
        self.lowering.checks.append(task)
        name, number = code.fresh("check"), len(self.lowering.checks)
        code.line(f"  br i1 {bad.name}, label %{name}.bad, label %{name}.good")
        code.label(f"{name}.bad")
        code.line(f"  %{name} = add i64 %whole, {number}")
        code.line(f"  ret i64 %{name}")
        code.label(f"{name}.good")

    def _value(self, atom: Atom) -> Value:
        """A small array in registers."""
        if isinstance(atom, Literal):
            return self.code.constant(atom.value, KINDS[atom.dtype])
        if atom not in self.values:
            place = self.lowering.places[atom]
            where = offsets(atom.shape, place.strides)
            self.values[atom] = read(
                self.code, self.code.offset(place.base, place.offset, place.kind), place.kind, where
            )
        return self.values[atom]

    def loop(self, task: Task) -> tiling.Loop:
        """What a loop reads, writes and computes."""
        places = self.lowering.places
        reduced = [eqn for eqn in task.eqns if eqn.primitive.name in small.REDUCTIONS]
        space = reduced[0].inputs[0].shape if reduced else task.eqns[0].out.shape
        given = task.inputs
        reads = [places[var].broadcast(space) for var in given]
        written = [eqn.out for eqn in task.eqns if eqn not in reduced and eqn.out in places]
        writes = [places[var] for var in written]
        reductions = []
        for eqn in reduced:
            place = places[eqn.out]
            whole = fresh(place.base, place.dtype, small.kept(eqn), place.offset).broadcast(space)
            reductions.append(Reduction(small.REDUCTIONS[eqn.primitive.name], whole))
        self.lowering.work += math.prod(space) * len(task.eqns)

        def body(code: Code, values: list[Value], lanes: int) -> list[Value]:
            known: dict[Atom, Value] = dict(zip(given, values, strict=True))
            combined: dict[Var, Value] = {}
            for eqn in task.eqns:
                dtypes = [eqn.inputs[0].dtype] if eqn in reduced else operand_dtypes(eqn)
                args = []
                for atom, dtype in zip(eqn.inputs, dtypes, strict=True):
                    if isinstance(atom, Literal):
                        own = eqn.primitive.name == "astype" or eqn in reduced
                        args.append(code.constant(atom.value, KINDS[atom.dtype if own else dtype], lanes))
                    else:
                        args.append(known[atom])
                if eqn in reduced:
                    combined[eqn.out] = args[0]
                else:
                    known[eqn.out] = emit(eqn, args)
            return [known[var] for var in written] + [combined[eqn.out] for eqn in reduced]

        return tiling.Loop(space, reads, writes, reductions, lambda code: functools.partial(body, code))

    def product(self, task: Task) -> tuple[Place, Place, Place]:
        """The factors and the result of a product."""
        eqn, places = task.eqns[0], self.lowering.places
        a, b = (places[x] for x in eqn.inputs if isinstance(x, Var))
        self.lowering.work += matmul.multiplications(a, b)
        return a, b, places[eqn.out]

    # ----- chunks for several threads -----
    def share(self, chunks: int, emit: Callable[[Code, str], None]) -> None:
        """Write a function that computes one chunk, given its number, and offer it to the threads."""
        code, lowering = Code(), self.lowering
        emit(code, "%chunk")
        name = f"@part{len(lowering.parts)}"
        body = "\n".join(code.lines)
        head, inside = lowering.addresses(set(_POINTER.findall(body)))
        lowering.declarations.update(code.declarations)
        lowering.parts.append("\n".join([
            f"define internal void {name}(ptr %table, ptr %steps, i64 %step, i64 %chunk) nounwind {{", "start:", *code.entry,
            *head, *inside, "  br label %first", "first:", body, "  ret void", "}",
        ]))  # fmt: skip
        self.code.line(f"  call void %share(ptr %pool, ptr {name}, i64 {chunks}, ptr %table, ptr %steps, i64 %step)")

    def scratch(self, size: int) -> str:
        """Memory for one task, whose former content is lost."""
        self.lowering.scratch = max(self.lowering.scratch, size)
        return "%scratch"

    def _outputs(self) -> None:
        """Outputs that could not be computed in their places are copied there now that nothing is read any more."""
        lowering = self.lowering
        for number, out in enumerate(lowering.graph.outputs):
            if number not in lowering.keep and out not in lowering.homes:
                source = lowering.places[out]  # type: ignore[index]
                target = fresh(lowering.base_of_output(number), out.dtype, out.shape)
                copy(self.code, source.as_bits(), target.as_bits())

    def text(self, name: str) -> str:
        """The function, with the pointers it uses taken from the table.

        It returns 0, or where a check has failed its number (from 1 on) beside the number of whole steps before it.
        """
        lowering = self.lowering
        lines, functions, moved = outlining.share(self.code.lines, self.pieces, name)
        body = "\n".join(lines)
        head = [*functions, f"define i64 @{name}(ptr %table, ptr %steps, i64 %count) nounwind {{", "start:"]
        head += [line for line in self.code.entry if line not in moved]
        above, inside = lowering.addresses(None)
        head += above
        head += [
            "  br label %each",
            "each:",
            "  %step = phi i64 [ 0, %start ], [ %step.next, %finish ]",
            f"  %whole = shl i64 %step, {CHECK_BITS}",
            *inside,
            "  br label %first",
        ]
        tail = [
            "  br label %finish", "finish:", "  %step.next = add nuw nsw i64 %step, 1",
            "  %step.more = icmp slt i64 %step.next, %count", "  br i1 %step.more, label %each, label %done", "done:",
            "  ret i64 0", "}",
        ]  # fmt: skip
        return "\n".join([*head, "first:", body, *tail])
