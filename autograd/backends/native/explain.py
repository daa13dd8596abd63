"""Listings: what became of each equation of a program, and how long it takes if that has been measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.printer import place
from .lower import groups_of
from .tasks.base import Task


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that each group takes, and the copying of outputs to their places at the end."""

    groups: list[float]
    outputs: float


def counted(tasks: Sequence[Task]) -> str:
    """How many tasks there are of each kind."""
    kinds = dict.fromkeys(type(task) for task in tasks)
    return ", ".join(f"{sum(type(task) is kind for task in tasks)} {kind.plural}" for kind in kinds)


def listing(tasks: Sequence[Task], times: Times | None) -> list[str]:
    """One line per group: what it is, its equations, whose lines they come from, and perhaps how long it takes."""
    rows = []
    for group in groups_of(tasks):
        eqns = [eqn for task in group for eqn in task.eqns]
        names = " ".join(eqn.primitive.name for eqn in eqns[:12]) + (" ..." if len(eqns) > 12 else "")
        origin = list(dict.fromkeys(part for eqn in eqns for part in (eqn.scope, place(eqn)) if part))
        rows.append(group[0].describe(names) + (f"  # {', '.join(origin[:6])}" if origin else ""))
    if times is None:
        return [f"  {row}" for row in rows]
    taken = [*times.groups, times.outputs]
    rows.append("outputs copied to their places")
    shown = [
        f"  {seconds * 1e6:10.2f} us {100 * seconds / max(sum(taken), 1e-12):4.0f} %  {row}"
        for seconds, row in zip(taken, rows, strict=True)
    ]
    return [*shown, f"  {sum(taken) * 1e6:10.2f} us  100 %  one step, Python's part of the call not counted"]
