"""Cheap results are computed where they are read, if that is one later loop: they need not be written and read again."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from ....ir.graph import Eqn, Var
from ..tasks.base import Task
from ..tasks.loops import Loop


def sink(tasks: Sequence[Task], kept: AbstractSet[Var]) -> list[Task]:
    """The tasks with such equations moved from loop to loop.

    Args:
        tasks: in an order in which they can run.
        kept: variables that are wanted for themselves.
    """
    eqns = [list(task.eqns) for task in tasks]
    readers: dict[Var, set[tuple[int, Var]]] = {}  # variable -> task and result of the equations that read it
    for number, task in enumerate(tasks):
        for eqn in task.eqns:
            for x in eqn.inputs:
                if isinstance(x, Var):
                    readers.setdefault(x, set()).add((number, eqn.out))
    for number, task in enumerate(tasks):
        if not isinstance(task, Loop):
            continue
        for eqn in reversed(task.eqns):
            goals = {reader for reader, _ in readers.get(eqn.out, ())}
            if len(goals) != 1 or eqn.out in kept or eqn.primitive.cost > 1:
                continue
            (goal,) = goals
            other = tasks[goal]
            if goal == number or not isinstance(other, Loop) or other.space != task.space:
                continue
            moved = _with_sources(eqn, eqns[number], readers, kept)
            if _worth(moved, number, eqns[goal], {e.out for e in eqns[number]}, readers, kept):
                outs = {e.out for e in moved}
                eqns[number] = [e for e in eqns[number] if e.out not in outs]
                eqns[goal] = [*moved, *eqns[goal]]
                for x in {x for e in moved for x in e.inputs if isinstance(x, Var)}:
                    readers[x] = {(goal if out in outs else reader, out) for reader, out in readers[x]}
    return [replace(task, eqns=tuple(own)) for task, own in zip(tasks, eqns, strict=True) if own]


def _with_sources(
    eqn: Eqn, own: list[Eqn], readers: dict[Var, set[tuple[int, Var]]], kept: AbstractSet[Var]
) -> list[Eqn]:
    """The equation and the cheap ones of its loop that nothing else reads, in order."""
    moved = {eqn.out}
    wanted = {x for x in eqn.inputs if isinstance(x, Var)}
    for other in reversed(own):
        alone = other.out in wanted and all(out in moved for _, out in readers[other.out])
        if alone and other.out not in kept and other.primitive.cost == 1:
            moved.add(other.out)
            wanted.update(x for x in other.inputs if isinstance(x, Var))
    return [e for e in own if e.out in moved]


def _worth(
    moved: list[Eqn], number: int, there: list[Eqn], here: set[Var], readers: dict[Var, set[tuple[int, Var]]],
    kept: AbstractSet[Var],
) -> bool:  # fmt: skip
    """Whether at most one array is read instead, and one that is in memory anyway."""
    outs = {e.out for e in moved}
    found = {x for e in there for x in e.inputs if isinstance(x, Var)} | {e.out for e in there}
    new = {x for e in moved for x in e.inputs if isinstance(x, Var)} - outs - found
    stored = all(x not in here or x in kept or any(reader != number for reader, _ in readers[x]) for x in new)
    return stored and len(new) <= 1
