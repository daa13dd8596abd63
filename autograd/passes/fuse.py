"""Fusion groups: equations that can run as one loop over one iteration space."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.ops.shape import broadcast_to_p
from ..ir.graph import Eqn, Graph, Var


@dataclass(slots=True)
class Group:
    """Equations of one loop.  `space` is the shape it runs over; None for an equation that stands alone."""

    space: tuple[int, ...] | None
    eqns: list[Eqn] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """ "loop", or the kind of the primitive that stands alone."""
        return "loop" if self.space is not None else self.eqns[0].primitive.kind


def iteration_space(eqn: Eqn) -> tuple[int, ...] | None:
    """The shape a loop for this equation runs over: its result's, or the argument's for a reduction; None if no loop."""
    op = eqn.primitive
    if op.kind == "elementwise" or op is broadcast_to_p:  # that only says where an element is read
        return eqn.out.shape
    return eqn.inputs[0].shape if op.reduces is not None else None


def is_reduction(eqn: Eqn) -> bool:
    """Whether the result is complete only when the whole loop has run."""
    return eqn.primitive.reduces is not None


def fusion_groups(graph: Graph) -> list[Group]:
    """Groups in an order in which they can run, every equation in exactly one.

    An equation joins the latest group of its iteration space that comes no earlier than everything it reads; inside
    that group it may read elementwise results, but not reductions, which are complete only after the loop.
    """
    groups: list[Group] = []
    home: dict[Var, int] = {}
    latest: dict[tuple[int, ...], int] = {}
    reduced: set[Var] = set()
    for eqn in graph.eqns:
        space = iteration_space(eqn)
        ready = -1  # the first group that may hold the equation
        for atom in eqn.inputs:
            if isinstance(atom, Var) and atom in home:
                here = home[atom]
                blocked = space is None or atom in reduced or groups[here].space != space
                ready = max(ready, here + 1 if blocked else here)
        index = latest.get(space, -1) if space is not None else -1
        if index < 0 or index < ready:
            index = len(groups)
            groups.append(Group(space))
            if space is not None:
                latest[space] = index
        groups[index].eqns.append(eqn)
        home[eqn.out] = index
        if is_reduction(eqn):
            reduced.add(eqn.out)
    return groups
