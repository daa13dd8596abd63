"""Bands: tasks that go through the same rows, as one.

The layers of a network read, row by row, what the layer before has written.  In a band a few rows go through all of them
while they are in the cache of one core, and threads need not wait for each other between two layers.
"""

from __future__ import annotations

import math
from collections.abc import Set as AbstractSet

from ....ir.graph import Var
from ..tasks import small
from ..tasks.base import Task
from .cost import work

_ROWS = 16  # at least
_BEGIN = 40_000  # work of a task that a band begins with
_WEIGHTS = 1 << 19  # bytes of a matrix that every chunk of rows reads: more does not stay in the cache
_AHEAD = 500  # tasks looked at for one band


def in_bands(tasks: list[Task], apart: AbstractSet[Var]) -> list[Task]:
    """The tasks with bands made of those that can be, in an order in which they can run.

    Args:
        tasks: in an order in which they can run.
        apart: variables that no band computes: they may overwrite what it reads.
    """
    result: list[Task] = []
    while tasks:
        first = next((i for i, task in enumerate(tasks) if _begins(task)), len(tasks))
        result += tasks[:first]
        tasks = tasks[first:]
        if tasks:
            before, band, after = _gather(tasks, apart)
            if len(band) > 1:
                eqns = [eqn for task in band for eqn in task.eqns]
                result += [*before, Task("band", eqns, (_rows(band[0]),), members=band)]
                tasks = after
            else:
                result.append(tasks[0])
                tasks = tasks[1:]
    return result


def _gather(tasks: list[Task], apart: AbstractSet[Var]) -> tuple[list[Task], list[Task], list[Task]]:
    """What can run before the band that the first task begins, the band, and what comes after it."""
    before: list[Task] = []
    band: list[Task] = []
    after: list[Task] = []
    inside: dict[Var, bool] = {}  # computed in the band -> whether a chunk finds what it needs of it in its own rows
    late: set[Var] = set()
    turned = {task.eqns[0].out for task in tasks[:_AHEAD] if task.kind == "view"}
    rows = _rows(tasks[0])
    for number, task in enumerate(tasks):
        if task.kind in ("numpy", "check", "draw") or number == _AHEAD:
            return before, band, [*after, *tasks[number:]]
        inputs = task.inputs
        waits = any(x in late for x in inputs)
        found = None if waits or any(eqn.out in apart for eqn in task.eqns) else _by_rows(task, rows, inside, turned)
        if found is not None:
            band.append(task)
            inside.update(found)
        elif waits or any(x in inside for x in inputs):
            after.append(task)
            late.update(eqn.out for eqn in task.eqns)
        else:
            before.append(task)
    return before, band, after


def _rows(task: Task) -> int:
    """The length of the axis that it could go along."""
    shape = task.eqns[0].out.shape if task.kind == "product" else task.space
    return shape[0] if shape else 0


def _begins(task: Task) -> bool:
    """Whether it can be the first of a band."""
    flat = task.kind == "loop" or (task.kind == "product" and len(task.eqns[0].out.shape) == 2)
    return flat and _rows(task) >= _ROWS and work(task) >= _BEGIN


def _by_rows(task: Task, rows: int, inside: dict[Var, bool], turned: AbstractSet[Var]) -> dict[Var, bool] | None:
    """What the task computes, and whether row by row, if a chunk of rows needs nothing but these rows of the band."""
    if _rows(task) != rows or rows < _ROWS:
        return None
    eqn = task.eqns[0]
    if task.kind == "product":
        a, b = eqn.inputs
        if a in turned:  # its rows may be columns in memory: such a product is cut better on its own
            return None
        if len(a.shape) != 2 or len(b.shape) != 2 or math.prod(b.shape) * b.dtype.itemsize > _WEIGHTS:
            return None
        return None if b in inside or not inside.get(a, True) else {eqn.out: True}  # type: ignore[arg-type]
    if task.kind != "loop" or task.space is None:
        return None
    for x in task.inputs:
        if x in inside and not (inside[x] and len(x.shape) == len(task.space) and x.shape[0] == rows):
            return None
    found = {}
    for eqn in task.eqns:
        reduced = eqn.primitive.name in small.REDUCTIONS
        found[eqn.out] = (small.kept(eqn) if reduced else eqn.out.shape)[0] == rows
    return found
