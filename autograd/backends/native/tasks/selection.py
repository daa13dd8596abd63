"""Which kind of task computes each equation: the first, in the order below, that supports it."""

from __future__ import annotations

import math

from ....ir.graph import Graph
from ....passes.fuse import fusion_groups
from ..ir import scalar_ops
from . import gather, scan, small
from .base import Task
from .copies import Copy, View
from .fallback import Fallback
from .gather import Gather
from .loops import REDUCTIONS, Loop
from .matmul import Matmul
from .random import Random
from .scan import Scan
from .small import InRegisters

KINDS_OF_TASKS: tuple[type[Task], ...] = (InRegisters, View, Loop, Matmul, Gather, Scan, Copy, Random, Fallback)
TABLE = frozenset({*scalar_ops.ELEMENTWISE, *small.MOVEMENTS, *REDUCTIONS, *gather.NAMES, *scan.NAMES, "matmul"})


def tasks_of(graph: Graph) -> list[Task]:
    """The equations in an order in which they can run, each with the way it is computed."""
    tasks: list[Task] = []
    for group in fusion_groups(graph):
        tiny = group.space is not None and math.prod(group.space) <= small.LANES
        if group.space is not None and not tiny and all(map(Loop.supported, group.eqns)):
            tasks.append(Loop(tuple(group.eqns)))
        else:
            tasks += [next(kind for kind in KINDS_OF_TASKS if kind.supported(eqn))((eqn,)) for eqn in group.eqns]
    return gather.with_checks(tasks)
