"""From an optimised graph to LLVM assembly: what is computed how, where every array lives, and the text of it all.

Equations become tasks: small arrays are computed in registers, groups of elementwise operations and reductions as one
nest of loops, products as tiles or by BLAS, movements as views or copies, and the rest by NumPy between two segments of
machine code.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...ir.graph import Atom, Eqn, Graph, Literal, Var
from ...ops.elementwise import stop_gradient
from ...passes.memory import Plan, plan_memory
from . import gather, matmul, moves, registers
from .loops import Nest, Reduction, copy, offsets, read
from .ops import emit, operand_dtypes
from .place import Place, fresh, view
from .tasks import Task, normalise, tasks_of
from .text import KINDS, Code, Value

CHECK_BITS = 16  # a segment returns 0, or how many steps it has done and the number of the check that stopped it


class Lowering:
    """One graph on its way to assembly."""

    def __init__(self, graph: Graph, keep: frozenset[int], overwrite: Mapping[int, int]) -> None:
        self.original = graph
        self.graph = graph = normalise(graph)
        self.in_place = {
            output: number
            for output, number in overwrite.items()
            if _alike(graph.outputs[output], graph.inputs[number])
        }
        self.tasks = tasks_of(graph)
        self.final = self._final()
        # (what stays in the arena is somebody's gradient until the next step has come through)
        self.keep = frozenset(i for i in keep if graph.outputs[i].shape and self.final < 0)
        self.places: dict[Var, Place] = {}
        self.pointers: dict[str, str] = {}  # name in the text -> what it points to: how it is found in the table
        self.table: list[tuple[str, Any]] = []
        self._table()
        self.homes: dict[Var, str] = {}  # variable -> base that it is computed into, if that is not the arena
        self._choose_homes()
        self.plan = self._plan()
        self.scratch = 0
        self.blas: set[str] = set()
        self.work = 0  # multiplications, to judge whether a call is long
        self.checks: list[Task] = []
        self.segments, self.numpy = self._segments()

    def _final(self) -> int:
        """The last task that may still raise, and then nothing must have changed; -1 where all do so first of all."""
        raising = [i for i, task in enumerate(self.tasks) if task.kind in ("numpy", "check")]
        return -1 if all(self.tasks[i].kind == "check" for i in range(len(raising))) else raising[-1]

    # ----- where things are -----
    def _table(self) -> None:
        graph = self.graph
        for i, var in enumerate(graph.inputs):
            self.table.append((f"%in{i}", ("input", i)))
            self.places[var] = fresh(f"%in{i}", var.dtype, var.shape)
        for i in range(len(graph.outputs)):
            if i not in self.keep and i not in self.in_place:
                self.table.append((f"%out{i}", ("output", i)))
        for i, (var, value) in enumerate(graph.constants.items()):
            self.table.append((f"%const{i}", ("constant", value)))
            self.places[var] = fresh(f"%const{i}", var.dtype, var.shape)
        self.table.append(("%arena", ("arena", None)))

    def base_of_output(self, number: int) -> str:
        """The pointer that an output ends up at."""
        return f"%in{self.in_place[number]}" if number in self.in_place else f"%out{number}"

    def _choose_homes(self) -> None:
        """Outputs are computed where they belong, unless that would overwrite what is still read."""
        when = {eqn.out: i for i, task in enumerate(self.tasks) for eqn in task.eqns}
        last: dict[Var, int] = {}
        root: dict[Var, Var] = {}
        for i, task in enumerate(self.tasks):
            for var in task.inputs:
                last[root.get(var, var)] = i
            if task.kind == "view":
                root[task.eqns[0].out] = root.get(task.inputs[0], task.inputs[0])
        for out in self.graph.outputs:
            if out in root:  # a view: its elements are read when everything else is done
                last[root[out]] = len(self.tasks)
        for number, out in enumerate(self.graph.outputs):
            assert isinstance(out, Var)
            if number in self.keep or out in root:
                continue
            task = self.tasks[when[out]]
            if number in self.in_place:
                old = self.graph.inputs[self.in_place[number]]
                if when[out] <= self.final:
                    continue
                if last.get(old, -1) > when[out]:
                    continue
                if last.get(old) == when[out] and not self._aligned(task, old, out, root):
                    continue
            self.homes[out] = self.base_of_output(number)

    def _aligned(self, task: Task, old: Var, out: Var, root: dict[Var, Var]) -> bool:
        """Whether the task reads each old element just where, and before, it writes the new one."""
        if task.kind == "registers":
            return True
        if task.kind not in ("loop", "single"):
            return False
        made = next(eqn for eqn in task.eqns if eqn.out is out)
        if made.primitive.name in registers.REDUCTIONS or out.shape != task.space:
            return False
        return all(var is old and old.shape == task.space for var in task.inputs if root.get(var, var) is old)

    def _plan(self) -> Plan:
        """Memory for what must have an address: what loops, products and NumPy read or write, and outputs."""
        graph = self.graph
        addressed: set[Atom] = {out for i, out in enumerate(graph.outputs)}
        segment, where = 0, {}
        for task in self.tasks:
            segment += task.kind == "numpy"
            for eqn in task.eqns:
                where[eqn.out] = segment
            segment += task.kind == "numpy"
        for task in self.tasks:
            here = where[task.eqns[0].out]
            for var in task.inputs:
                if task.kind != "registers" or where.get(var, here) != here:
                    addressed.add(var)
            if task.kind not in ("registers", "loop"):
                addressed.add(task.eqns[0].out)
            if task.kind == "loop":
                addressed.update(eqn.out for eqn in task.eqns if eqn.primitive.name in registers.REDUCTIONS)
        looped = {eqn.out for task in self.tasks if task.kind == "loop" for eqn in task.eqns}
        addressed.update(var for task in self.tasks for var in task.inputs if var in looped)
        alias: dict[Var, Var] = {}
        for task in self.tasks:
            for eqn in task.eqns:
                source = eqn.inputs[0] if eqn.inputs else None
                shared = None
                if task.kind == "view" and isinstance(source, Var) and source in self.places:
                    shared = view(eqn, self.places[source])
                if shared is not None:
                    self.places[eqn.out] = shared
                    alias[eqn.out] = source  # type: ignore[assignment]
                elif eqn.out in self.homes:
                    self.places[eqn.out] = fresh(self.homes[eqn.out], eqn.out.dtype, eqn.out.shape)
                elif eqn.out in addressed:
                    self.places[eqn.out] = fresh(f"%m{len(self.places)}", eqn.out.dtype, eqn.out.shape)
                if task.kind == "view" and shared is None:
                    task.kind = "move"
        self.addressed = addressed
        nothing = Var((), np.dtype(bool))
        steps: list[Eqn] = []
        for task in self.tasks:
            inputs = tuple(task.inputs)
            if task.kind == "loop":
                outs = [eqn.out for eqn in task.eqns if eqn.out in self.places]
                steps += [replace(eqn, inputs=inputs) for eqn in task.eqns if eqn.out in self.places]
                steps.append(Eqn(nothing.like(), stop_gradient, (*inputs, *outs)))
            else:
                steps += task.eqns
        end = [out for i, out in enumerate(graph.outputs) if i in self.keep or out not in self.homes]
        plan = plan_memory(
            steps,
            lambda eqn: eqn.out in self.places and self.places[eqn.out].base.startswith("%m"),
            lambda eqn: alias.get(eqn.out),
            end,
        )
        return plan

    def _scratch(self, size: int) -> str:
        self.scratch = max(self.scratch, size)
        return "%scratch"

    def _blas(self, letter: str) -> str | None:
        if matmul.blas_library() is None:
            return None
        self.blas.add(letter)
        return f"%gemm_{letter}"

    # ----- text -----
    def _segments(self) -> tuple[list[str], list[Task]]:
        """The text of each segment, and the NumPy tasks between them."""
        texts: list[str] = []
        between: list[Task] = []
        runs: list[list[Task]] = [[]]
        for task in self.tasks:
            if task.kind == "numpy":
                between.append(task)
                runs.append([])
            else:
                runs[-1].append(task)
        self.declarations: dict[str, str] = {}
        for number, run in enumerate(runs):
            body = Segment(self, run, last=number == len(runs) - 1)
            texts.append(body.text(f"segment{number}"))
            self.declarations.update(body.code.declarations)
        return texts, between

    @functools.cached_property
    def stepping(self) -> dict[str, int]:
        """Pointers that may move from step to step of a loop over steps (arguments, stacked results), numbered."""
        held = {f"%in{number}" for number in self.in_place.values()}
        moving = (name for name, (kind, _) in self.table if kind in ("input", "output") and name not in held)
        return {name: number for number, name in enumerate(moving)}


def _alike(a: Atom, b: Atom) -> bool:
    return (a.shape, a.dtype) == (b.shape, b.dtype)


class Segment:
    """A run of tasks as one function of machine code."""

    def __init__(self, lowering: Lowering, tasks: list[Task], last: bool) -> None:
        self.lowering = lowering
        self.code = Code()
        self.values: dict[Var, Value] = {}
        for task in tasks:
            self._emit(task)
        if last:
            self._outputs()

    def _emit(self, task: Task) -> None:
        eqn, places = task.eqns[0], self.lowering.places
        if task.kind == "registers":
            value = registers.compute(self.code, eqn, [self._value(a) for a in eqn.inputs])
            self.values[eqn.out] = value
            if eqn.out in places:
                place = places[eqn.out]
                self.code.store(value.cast(place.kind), self.code.offset(place.base, place.offset, place.kind))
        elif task.kind in ("loop", "single"):
            self._loop(task)
        elif task.kind == "product":
            a, b = (places[x] for x in eqn.inputs if isinstance(x, Var))
            self.lowering.work += matmul.multiplications(a, b)

            def one(a: Place, b: Place, c: Place) -> None:
                matmul.product(self.code, a, b, c, self.lowering._scratch, self.lowering._blas)

            matmul.batched(self.code, a, b, places[eqn.out], one)
        elif task.kind == "gather":
            gather.move(self.code, eqn, [places[x] for x in eqn.inputs if isinstance(x, Var)], places[eqn.out])
        elif task.kind == "check":
            self._check(task)
        elif task.kind == "move":
            moves.move(self.code, eqn, [places[x] for x in eqn.inputs if isinstance(x, Var)], places[eqn.out])

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

    def _loop(self, task: Task) -> None:
        places, code = self.lowering.places, self.code
        reduced = [eqn for eqn in task.eqns if eqn.primitive.name in registers.REDUCTIONS]
        space = reduced[0].inputs[0].shape if reduced else task.eqns[0].out.shape
        given = task.inputs
        reads = [places[var].broadcast(space) for var in given]
        written = [eqn.out for eqn in task.eqns if eqn not in reduced and eqn.out in places]
        writes = [places[var] for var in written]
        reductions = []
        for eqn in reduced:
            place = places[eqn.out]
            whole = fresh(place.base, place.dtype, registers.kept(eqn), place.offset).broadcast(space)
            reductions.append(Reduction(registers.REDUCTIONS[eqn.primitive.name], whole))
        self.lowering.work += math.prod(space) * len(task.eqns)

        def body(values: list[Value], lanes: int) -> list[Value]:
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

        Nest(code, space, reads, writes, reductions, body).emit()

    def _outputs(self) -> None:
        """Outputs that could not be computed in their places are copied there now that nothing is read any more."""
        lowering = self.lowering
        for number, out in enumerate(lowering.graph.outputs):
            if number not in lowering.keep and out not in lowering.homes:
                source = lowering.places[out]  # type: ignore[index]
                dtype = (
                    out.dtype if out.dtype in KINDS else np.dtype(f"i{out.dtype.itemsize}")
                )  # the bits are all that counts
                target = fresh(lowering.base_of_output(number), dtype, out.shape)
                copy(self.code, replace(source, dtype=dtype), target)

    def text(self, name: str) -> str:
        """The function, with the pointers it uses taken from the table.

        It returns 0, or where a check has failed its number (from 1 on) beside the number of whole steps before it.
        """
        lowering, lines = self.lowering, self.code.lines
        body = "\n".join(lines)
        head = [f"define i64 @{name}(ptr %table, ptr %steps, i64 %count) nounwind {{", "start:", *self.code.entry]
        inside: list[str] = []
        stepping = lowering.stepping
        for index, (pointer, _) in enumerate(lowering.table):
            if pointer in stepping:
                number = stepping[pointer]
                head += _from_table(f"{pointer}.start", "%table", index, "ptr")
                head += _from_table(f"{pointer}.step", "%steps", number, "i64")
                inside += [
                    f"  {pointer}.by = mul i64 %step, {pointer}.step",
                    f"  {pointer} = getelementptr i8, ptr {pointer}.start, i64 {pointer}.by",
                ]
            else:
                head += _from_table(pointer, "%table", index, "ptr")
        index = len(lowering.table)
        for i, letter in enumerate("sd"):
            head += _from_table(f"%gemm_{letter}", "%table", index + i, "ptr")
        for var, offset in lowering.plan.offsets.items():
            head.append(f"  {lowering.places[var].base} = getelementptr i8, ptr %arena, i64 {offset}")
        head.append(f"  %scratch = getelementptr i8, ptr %arena, i64 {lowering.plan.size}")
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


def _from_table(name: str, table: str, index: int, kind: str) -> list[str]:
    return [
        f"  {name}.place = getelementptr {kind}, ptr {table}, i64 {index}",
        f"  {name} = load {kind}, ptr {name}.place, align 8",
    ]
