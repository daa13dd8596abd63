"""Row fusion: tasks that go through the same rows, as one.

The layers of a network read, row by row, what the layer before has written.  Fused, a few rows go through all of them
while they are in the cache of one core, and threads need not wait for each other between two layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from ....ir.graph import Eqn, Var
from ..ir.builder import Code
from ..ir.module import Module, Scratch
from ..ir.tiles import cut
from ..tasks.base import Task
from ..tasks.copies import View
from ..tasks.loops import Loop
from ..tasks.matmul import Matmul
from .tiling import chunks_of

_ROWS = 16  # at least
_BEGIN = 40_000  # cost of a task that a group begins with
_AHEAD = 500  # tasks looked at for one group


@dataclass(frozen=True, slots=True, eq=False)
class RowFusion(Task):
    """Loops and products of matrices, in chunks of rows."""

    members: tuple[Loop | Matmul, ...]

    plural: ClassVar[str] = "groups of fused rows"

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """It is made of tasks, not of equations."""
        return False

    def cost(self) -> int:
        """That of all members."""
        return sum(member.cost() for member in self.members)

    def rows(self) -> int:
        """Those of every member."""
        return self.members[0].rows()

    def stored(self) -> list[Var]:
        """What the members store."""
        return [out for member in self.members for out in member.stored()]

    def describe(self, operations: str) -> str:
        """How many rows there are."""
        return f"fused over {self.rows()} rows: {operations}"

    def emit(self, module: Module, chunks: int) -> None:
        """Every member on the first rows, then on the next; or one member after the other if there is but one chunk."""
        which = cut(self.rows(), max(member.row_unit(module) for member in self.members), chunks)
        if which.chunks == 1:
            for member in self.members:
                member.emit(module, chunks_of(member))
            return
        scratch = Scratch(module)
        prepared = [member.prepared(module, scratch) for member in self.members]
        tiled = [member.tiled(which, scratch) for member in prepared]

        def emit(code: Code, chunk: str | int) -> None:
            for tile in tiled:
                tile.emit(code, chunk)

        module.share(which.chunks, emit)
        if which.rest:
            emit(module.code, which.chunks)
        for tile in tiled:
            tile.finish(module.code)


def fuse_rows(tasks: Sequence[Task], apart: AbstractSet[Var]) -> list[Task]:
    """The tasks with those fused that can be, in an order in which they can run.

    Args:
        tasks: in an order in which they can run.
        apart: variables that are not computed so: they may overwrite what a group reads.
    """
    result: list[Task] = []
    rest = list(tasks)
    while rest:
        first = next((i for i, task in enumerate(rest) if _begins(task)), len(rest))
        result += rest[:first]
        rest = rest[first:]
        if rest:
            before, group, after = _collect(rest, apart)
            if len(group) > 1:
                eqns = tuple(eqn for task in group for eqn in task.eqns)
                result += [*before, RowFusion(eqns, tuple(group))]
                rest = after
            else:
                result.append(rest[0])
                rest = rest[1:]
    return result


def _begins(task: Task) -> bool:
    """Whether it can be the first of a group."""
    return task.rows() >= _ROWS and task.cost() >= _BEGIN


def _collect(tasks: list[Task], apart: AbstractSet[Var]) -> tuple[list[Task], list[Loop | Matmul], list[Task]]:
    """What can run before the group that the first task begins, the group, and what comes after it."""
    before: list[Task] = []
    group: list[Loop | Matmul] = []
    after: list[Task] = []
    inside: dict[Var, bool] = {}  # computed in the group -> whether a chunk finds what it needs of it in its own rows
    late: set[Var] = set()
    views = {task.eqn.out for task in tasks[:_AHEAD] if isinstance(task, View)}
    rows = tasks[0].rows()
    for number, task in enumerate(tasks):
        if task.is_barrier or number == _AHEAD:
            return before, group, [*after, *tasks[number:]]
        waits = any(x in late for x in task.inputs)
        fits = (
            isinstance(task, Loop | Matmul) and task.rows() == rows and not any(eqn.out in apart for eqn in task.eqns)
        )
        found = task.by_rows(inside, views) if fits and not waits else None
        if found is not None and isinstance(task, Loop | Matmul):
            group.append(task)
            inside.update(found)
        elif waits or any(x in inside for x in task.inputs):
            after.append(task)
            late.update(eqn.out for eqn in task.eqns)
        else:
            before.append(task)
    return before, group, after
