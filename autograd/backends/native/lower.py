"""From an optimised graph to LLVM assembly: what is computed how, where every array lives, and the text of it all.

Equations become tasks: small arrays are computed in registers, groups of elementwise operations and reductions as one
nest of loops, products as tiles or by BLAS, movements as views or copies, and the rest by NumPy between two segments of
machine code.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...core.ops.elementwise import stop_gradient
from ...ir.graph import Atom, Eqn, Graph, Var
from ...passes.memory import Plan, plan_memory
from .schedule.cost import STEP, work
from .schedule.layout import Place, fresh, view
from .schedule.row_fusion import in_bands
from .schedule.sinking import sunk
from .segment import Segment
from .tasks import matmul, random, small
from .tasks.base import Task, normalise, tasks_of


class Lowering:
    """One graph on its way to assembly."""

    def __init__(self, graph: Graph, keep: frozenset[int], overwrite: Mapping[int, int], timed: bool = False) -> None:
        self.original = graph
        self.timed = timed  # whether the clock is read between groups
        self.stamps: list[bool] = []  # per reading, whether it is the end of a group
        self.graph = graph = normalise(graph)
        self.in_place = {
            output: number
            for output, number in overwrite.items()
            if _alike(graph.outputs[output], graph.inputs[number])
        }
        self.tasks = tasks_of(graph)
        self.large = sum(map(work, self.tasks)) >= STEP
        if self.large:
            self.tasks = sunk(self.tasks, set(graph.outputs))  # type: ignore[arg-type]
            self.tasks = in_bands(self.tasks, {graph.outputs[i] for i in self.in_place})  # type: ignore[misc]
        self.final = self._final()
        drawing = {eqn.params["generator"] for task in self.tasks if task.kind == "draw" for eqn in task.eqns}
        self.generators = sorted(drawing, key=id)  # (in one order for all, since each will be locked)
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
        for number, generator in enumerate(self.generators):
            self.table += [(name, ("address", address)) for name, address in random.pointers(generator, number)]
        if self.timed:
            self.table.append(("%stamps", ("stamps", None)))

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
        if made.primitive.name in small.REDUCTIONS or out.shape != task.space:
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
        single = [member for task in self.tasks for member in task.members or [task]]
        for task in single:
            here = where[task.eqns[0].out]
            for var in task.inputs:
                if task.kind != "registers" or where.get(var, here) != here:
                    addressed.add(var)
            if task.kind not in ("registers", "loop"):
                addressed.add(task.eqns[0].out)
            if task.kind == "loop":
                addressed.update(eqn.out for eqn in task.eqns if eqn.primitive.name in small.REDUCTIONS)
        looped = {eqn.out for task in single if task.kind == "loop" for eqn in task.eqns}
        addressed.update(var for task in single for var in task.inputs if var in looped)
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
            if task.kind in ("loop", "band"):
                outs = [eqn.out for eqn in task.eqns if eqn.out in self.places]
                steps += [replace(eqn, inputs=inputs) for eqn in task.eqns if eqn.out in self.places]
                steps.append(Eqn(nothing.like(), stop_gradient, (*inputs, *outs)))
            else:
                steps += task.eqns
        end = [out for i, out in enumerate(graph.outputs) if i in self.keep or out not in self.homes]
        # A check that fails must not have written where the last step has left a gradient.
        end += [task.eqns[0].out for task in self.tasks if task.kind == "check"]
        plan = plan_memory(
            steps,
            lambda eqn: eqn.out in self.places and self.places[eqn.out].base.startswith("%m"),
            lambda eqn: alias.get(eqn.out),
            end,
        )
        return plan

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
        self.parts: list[str] = []
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

    def addresses(self, used: set[str] | None) -> tuple[list[str], list[str]]:
        """Instructions for the pointers that are used (None: for all): those that hold for every step, and for one."""
        head: list[str] = []
        inside: list[str] = []
        for index, (pointer, (kind, _)) in enumerate(self.table):
            if used is not None and pointer not in used and kind != "arena":
                continue
            if pointer in self.stepping:
                head += _from_table(f"{pointer}.start", "%table", index, "ptr")
                head += _from_table(f"{pointer}.step", "%steps", self.stepping[pointer], "i64")
                inside += [
                    f"  {pointer}.by = mul i64 %step, {pointer}.step",
                    f"  {pointer} = getelementptr i8, ptr {pointer}.start, i64 {pointer}.by",
                ]
            else:
                head += _from_table(pointer, "%table", index, "ptr")
        further = ["%gemm_s", "%gemm_d", *(["%share", "%pool"] if self.parts else [])]
        for index, name in enumerate(further, start=len(self.table)):
            head += _from_table(name, "%table", index, "ptr")
        for var, offset in self.plan.offsets.items():
            base = self.places[var].base
            if used is None or base in used:
                head.append(f"  {base} = getelementptr i8, ptr %arena, i64 {offset}")
        head.append(f"  %scratch = getelementptr i8, ptr %arena, i64 {self.plan.size}")
        return head, inside


def _alike(a: Atom, b: Atom) -> bool:
    return (a.shape, a.dtype) == (b.shape, b.dtype)


def _from_table(name: str, table: str, index: int, kind: str) -> list[str]:
    return [
        f"  {name}.place = getelementptr {kind}, ptr {table}, i64 {index}",
        f"  {name} = load {kind}, ptr {name}.place, align 8",
    ]
