"""Where every array lives: in an argument, in an output, or in the arena, at a place that others have left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ....core.ops.elementwise import stop_gradient
from ....ir.graph import Atom, Eqn, Graph, Var
from ....passes.memory import Plan, plan_memory
from ..ir.layout import Layout
from ..ir.table import Pointer, Table
from ..tasks.base import Task
from ..tasks.copies import Copy, View
from ..tasks.fallback import Fallback
from ..tasks.gather import IndexCheck
from ..tasks.random import Random, pointers
from .row_fusion import RowFusion


@dataclass(frozen=True, slots=True)
class Buffers:
    """The tasks of a program, views that need a copy made copies, and where their results live.

    Args:
        tasks: in the order of running.
        layouts: where each array lies that has an address.
        plan: the arena.
        table: the pointers that the program is called with.
        generators: those that machine code draws from, in the order of their pointers.
        in_place: outputs that overwrite an input.
        keep: outputs that stay in the arena.
        late: outputs that could not be computed where they belong, and are copied there in the end: from, to.
    """

    tasks: tuple[Task, ...]
    layouts: Mapping[Var, Layout]
    plan: Plan
    table: Table
    generators: tuple[np.random.Generator, ...]
    in_place: Mapping[int, int]
    keep: frozenset[int]
    late: tuple[tuple[Layout, Layout], ...]


def assign_buffers(
    graph: Graph, tasks: Sequence[Task], keep: frozenset[int], in_place: Mapping[int, int], timed: bool
) -> Buffers:
    """Give every array that needs an address its place.

    Args:
        graph: the program; every output is a variable of its own.
        tasks: its equations, in the order of running.
        keep: outputs that may stay in the arena.
        in_place: outputs that overwrite an input.
        timed: whether the program leaves readings of the clock.
    """
    final = _last_that_may_raise(tasks)
    # What stays in the arena is somebody's gradient until the next step has come through.
    keep = frozenset(i for i in keep if graph.outputs[i].shape and final < 0)
    drawing = {task.generator for task in tasks if isinstance(task, Random)}
    generators = tuple(sorted(drawing, key=id))  # (in one order for all, since each will be locked)
    entries = _pointers(graph, keep, in_place, generators, timed)
    homes = _homes(graph, tasks, keep, in_place, final)
    layouts = {var: Layout.row_major(f"%in{i}", var.dtype, var.shape) for i, var in enumerate(graph.inputs)}
    constants = enumerate(graph.constants)
    layouts |= {var: Layout.row_major(f"%const{i}", var.dtype, var.shape) for i, var in constants}
    tasks, alias = _lay_out(tasks, layouts, homes, _addressed(graph, tasks))
    end: list[Atom] = [out for i, out in enumerate(graph.outputs) if i in keep or out not in homes]
    # A check that fails must not have written where the last step has left a gradient.
    end += [task.eqn.out for task in tasks if isinstance(task, IndexCheck)]
    plan = plan_memory(
        _memory_steps(tasks, layouts),
        lambda eqn: eqn.out in layouts and layouts[eqn.out].base.startswith("%m"),
        lambda eqn: alias.get(eqn.out),
        end,
    )
    offsets = {layouts[var].base: offset for var, offset in plan.offsets.items()}
    table = Table(tuple(entries), frozenset(f"%in{i}" for i in in_place.values()), offsets, plan.size)
    late = []
    for number, out in enumerate(graph.outputs):
        if number not in keep and out not in homes:
            source = layouts[out]  # type: ignore[index]
            late.append((source, Layout.row_major(_base_of_output(number, in_place), out.dtype, out.shape)))
    return Buffers(tuple(tasks), layouts, plan, table, generators, in_place, keep, tuple(late))


def _last_that_may_raise(tasks: Sequence[Task]) -> int:
    """The number of the last task before which nothing may have changed; -1 where checks that come first are all."""
    raising = [i for i, task in enumerate(tasks) if task.may_raise]
    first = all(isinstance(tasks[i], IndexCheck) for i in range(len(raising)))
    return -1 if first else raising[-1]


def _pointers(
    graph: Graph, keep: frozenset[int], in_place: Mapping[int, int], generators: Sequence[np.random.Generator], timed: bool
) -> list[Pointer]:  # fmt: skip
    """What the table points to, in order."""
    entries = [Pointer(f"%in{i}", "input", i) for i in range(len(graph.inputs))]
    entries += [
        Pointer(f"%out{i}", "output", i) for i in range(len(graph.outputs)) if i not in keep and i not in in_place
    ]
    entries += [Pointer(f"%const{i}", "constant", value) for i, value in enumerate(graph.constants.values())]
    entries.append(Pointer("%arena", "arena", None))
    for number, generator in enumerate(generators):
        entries += [Pointer(name, "address", address) for name, address in pointers(generator, number)]
    return [*entries, Pointer("%stamps", "stamps", None)] if timed else entries


def _base_of_output(number: int, in_place: Mapping[int, int]) -> str:
    """The pointer that an output ends up at."""
    return f"%in{in_place[number]}" if number in in_place else f"%out{number}"


def _homes(
    graph: Graph, tasks: Sequence[Task], keep: frozenset[int], in_place: Mapping[int, int], final: int
) -> dict[Atom, str]:
    """Outputs are computed where they belong, unless that would overwrite what is still read."""
    when = {eqn.out: i for i, task in enumerate(tasks) for eqn in task.eqns}
    last: dict[Var, int] = {}
    root: dict[Var, Var] = {}
    for i, task in enumerate(tasks):
        for var in task.inputs:
            last[root.get(var, var)] = i
        if isinstance(task, View):
            root[task.eqn.out] = root.get(task.inputs[0], task.inputs[0])
    for out in graph.outputs:
        if out in root:  # a view: its elements are read when everything else is done
            last[root[out]] = len(tasks)
    homes: dict[Atom, str] = {}
    for number, out in enumerate(graph.outputs):
        assert isinstance(out, Var)
        if number in keep or out in root:
            continue
        if number in in_place:
            old, made = graph.inputs[in_place[number]], when[out]
            if made <= final or last.get(old, -1) > made:
                continue
            if last.get(old) == made and not tasks[made].may_overwrite(old, out, root):
                continue
        homes[out] = _base_of_output(number, in_place)
    return homes


def _addressed(graph: Graph, tasks: Sequence[Task]) -> set[Atom]:
    """What must have an address: what loops, products and NumPy read or write, and outputs."""
    addressed: set[Atom] = set(graph.outputs)
    in_registers: set[Var] = set()  # results that are in registers where the next task is
    for task in tasks:
        if isinstance(task, Fallback):
            in_registers.clear()
        addressed.update(task.stored())
        addressed.update(x for x in task.inputs if not (task.in_registers and x in in_registers))
        if isinstance(task, RowFusion):
            addressed.update(x for member in task.members for x in member.inputs)
        if task.in_registers:
            in_registers.update(eqn.out for eqn in task.eqns)
    return addressed


def _lay_out(
    tasks: Sequence[Task], layouts: dict[Var, Layout], homes: Mapping[Atom, str], addressed: set[Atom]
) -> tuple[list[Task], dict[Var, Var]]:
    """Fill in the layouts of results, and give the tasks with views that need a copy made copies; and what views show."""
    alias: dict[Var, Var] = {}
    result: list[Task] = []
    for task in tasks:
        shared = None
        if isinstance(task, View):
            (source,) = task.inputs
            shared = task.layout(layouts[source]) if source in layouts else None
            if shared is None:
                task = Copy(task.eqns)
            else:
                layouts[task.eqn.out] = shared
                alias[task.eqn.out] = source
        for eqn in task.eqns if shared is None else ():
            out = eqn.out
            if out in homes:
                layouts[out] = Layout.row_major(homes[out], out.dtype, out.shape)
            elif out in addressed:
                layouts[out] = Layout.row_major(f"%m{len(layouts)}", out.dtype, out.shape)
        result.append(task)
    return result, alias


def _memory_steps(tasks: Sequence[Task], layouts: Mapping[Var, Layout]) -> list[Eqn]:
    """The tasks as the memory plan sees them: all that a task reads or writes is alive while it runs."""
    nothing = Var((), np.dtype(bool))
    steps: list[Eqn] = []
    for task in tasks:
        inputs = tuple(task.inputs)
        stored = [eqn for eqn in task.eqns if eqn.out in layouts]
        steps += [replace(eqn, inputs=inputs) for eqn in stored]
        steps.append(Eqn(nothing.like(), stop_gradient, (*inputs, *(eqn.out for eqn in stored))))
    return steps
