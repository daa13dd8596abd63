"""From an optimised graph to LLVM assembly: what is computed how, where every array lives, and the text of it all.

Equations become tasks: small arrays are computed in registers, groups of elementwise operations and reductions as one
nest of loops, products as tiles or by BLAS, movements as views or copies, and the rest by NumPy between two segments of
machine code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...core.ops.elementwise import stop_gradient
from ...ir.graph import Atom, Eqn, Graph, Var
from .ir.module import Module
from .ir.target import clock
from .schedule import outlining
from .schedule.buffers import Buffers, assign_buffers
from .schedule.row_fusion import fuse_rows
from .schedule.sinking import sink
from .schedule.tiling import STEP, chunks_of
from .tasks.base import Task
from .tasks.fallback import Fallback
from .tasks.nest import copy
from .tasks.selection import tasks_of


@dataclass(frozen=True, slots=True)
class Lowered:
    """A graph as assembly.

    Args:
        original: the graph that was given.
        graph: the same with every output a variable of its own.
        buffers: the tasks, and where their arrays live.
        module: the text.
        cost: what one step costs.
        stamps: per reading of the clock whether it is the end of a group.
    """

    original: Graph
    graph: Graph
    buffers: Buffers
    module: Module
    cost: int
    stamps: tuple[bool, ...]


def lower(graph: Graph, keep: frozenset[int], overwrite: Mapping[int, int], timed: bool = False) -> Lowered:
    """Assembly for an optimised graph.

    Args:
        graph: the program.
        keep: outputs that may stay in the memory of the program.
        overwrite: outputs that replace an input.
        timed: whether the clock is read between groups of tasks.
    """
    original, graph = graph, _with_own_outputs(graph)
    in_place = {o: i for o, i in overwrite.items() if _alike(graph.outputs[o], graph.inputs[i])}
    tasks = tasks_of(graph)
    cost = sum(task.cost() for task in tasks)
    large = cost >= STEP
    if large:
        tasks = sink(tasks, set(graph.outputs))  # type: ignore[arg-type]
        tasks = fuse_rows(tasks, {graph.outputs[i] for i in in_place})  # type: ignore[misc]
    buffers = assign_buffers(graph, tasks, keep, in_place, timed)
    module = Module(buffers.layouts, buffers.table, buffers.generators)
    stamps: list[bool] = []
    runs = _between_fallbacks(buffers.tasks)
    for number, run in enumerate(runs):
        _emit_segment(module, run, stamps if timed else None, large, buffers if number == len(runs) - 1 else None)
    return Lowered(original, graph, buffers, module, cost, tuple(stamps))


def _with_own_outputs(graph: Graph) -> Graph:
    """Every output a variable of its own, computed by the program: copies stand for inputs, numbers and repetitions."""
    eqns, outputs = list(graph.eqns), list(graph.outputs)
    made = {eqn.out for eqn in eqns}
    seen: set[Atom] = set()
    for i, atom in enumerate(outputs):
        if atom in made and atom not in seen:
            seen.add(atom)
            continue
        out = Var(atom.shape, atom.dtype)
        eqns.append(Eqn(out, stop_gradient, (atom,), phase="update"))
        outputs[i] = out
    return replace(graph, eqns=tuple(eqns), outputs=tuple(outputs))


def _alike(a: Atom, b: Atom) -> bool:
    return (a.shape, a.dtype) == (b.shape, b.dtype)


def _between_fallbacks(tasks: Sequence[Task]) -> list[list[Task]]:
    """The tasks of each segment: what NumPy computes comes between two."""
    runs: list[list[Task]] = [[]]
    for task in tasks:
        if isinstance(task, Fallback):
            runs.append([])
        else:
            runs[-1].append(task)
    return runs


def groups_of(tasks: Sequence[Task]) -> list[list[Task]]:
    """Tasks that are told apart in listings: neighbours in registers count as one, and views take no time."""
    groups: list[list[Task]] = []
    for task in tasks:
        if task.in_registers and groups and groups[-1][0].in_registers:
            groups[-1].append(task)
        elif task.emits_code:
            groups.append([task])
    return groups


def _emit_segment(
    module: Module, tasks: list[Task], stamps: list[bool] | None, large: bool, last: Buffers | None
) -> None:
    """Write the function that runs these tasks; the `last` also copies what could not be computed where it belongs."""
    module.begin_segment()
    pieces: list[outlining.Piece] = []
    _read_clock(module, stamps)
    _read_clock(module, stamps)  # how long reading it takes
    for group in groups_of(tasks):
        for task in group:
            chunks = chunks_of(task) if large else 1
            if task.in_memory:
                pieces.append(_emit_piece(module, task, chunks))
            else:
                task.emit(module, chunks)
        _read_clock(module, stamps, end=True)
    if last is not None:
        for source, target in last.late:
            copy(module.code, source.as_bits(), target.as_bits())
        _read_clock(module, stamps, end=True)
    lines, functions, moved = outlining.outline(module.code.lines, pieces, f"segment{len(module.segments)}")
    module.end_segment(lines, [line for line in module.code.entry if line not in moved], functions)


def _emit_piece(module: Module, task: Task, chunks: int) -> outlining.Piece:
    """A task between labels of its own, so that it can become a function if there are others like it."""
    code = module.code
    name, start, top = code.fresh("piece"), len(code.lines), len(code.entry)
    code.jump(name)
    task.emit(module, chunks)
    piece = outlining.Piece(start, len(code.lines), tuple(code.entry[top:]))
    code.jump(f"{name}.end")
    return piece


def _read_clock(module: Module, stamps: list[bool] | None, end: bool = False) -> None:
    """In a program that is to be measured, leave the time; `end`: of what was emitted since it was left last."""
    if stamps is None:
        return
    instruction, declaration = clock()
    module.code.declarations[instruction] = declaration
    at = module.code.offset("%stamps", len(stamps), "i64")
    module.code.store(module.code.add(instruction, "i64"), at)
    stamps.append(end)
