"""What is computed how: the equations of a graph as tasks, each with the kind of machine code that it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from ....core.ops.elementwise import stop_gradient
from ....ir.graph import Atom, Eqn, Graph, Literal, Var
from ....passes.fuse import fusion_groups
from ..ir import scalar_ops
from ..ir.builder import KINDS
from ..schedule.layout import is_view
from . import copies, gather, random, scan, small

UNSUPPORTED = {
    "einsum": "NumPy chooses the order of contraction",
    "solve": "LAPACK through NumPy",
    "inv": "LAPACK through NumPy",
    "det": "LAPACK through NumPy",
    "logabsdet": "LAPACK through NumPy",
    "detsign": "LAPACK through NumPy",
    "cholesky": "LAPACK through NumPy",
    "left_shift": "by as many places as there are bits, it is what NumPy says",
    "right_shift": "by as many places as there are bits, it is what NumPy says",
    "draw": "numbers are those of NumPy's generator, whose method random alone is called from machine code",
}
TABLE = frozenset({*scalar_ops.ELEMENTWISE, *small.MOVES, *small.REDUCTIONS, *gather.NAMES, *scan.NAMES, "matmul"})


@dataclass(slots=True)
class Task:
    """Equations that run together: "registers", "loop", "product", "view", "move", "gather", "running", "draw" or
    "numpy".

    A "check" has no equation of the graph: it looks at the index arrays of `guarded`, so that nothing has changed yet
    where one of them names a place that is not there.  A "band" has tasks as its members.
    """

    kind: str
    eqns: list[Eqn]
    space: tuple[int, ...] | None = None
    guarded: Eqn | None = None
    members: list[Task] = field(default_factory=list)

    @property
    def inputs(self) -> list[Var]:
        """What is read from outside."""
        own = {eqn.out for eqn in self.eqns}
        return list(dict.fromkeys(a for eqn in self.eqns for a in eqn.inputs if isinstance(a, Var) and a not in own))


def normalise(graph: Graph) -> Graph:
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


def tasks_of(graph: Graph) -> list[Task]:
    """The equations in an order in which they can run, each with the way it is computed."""
    tasks: list[Task] = []
    for group in fusion_groups(graph):
        tiny = group.space is not None and math.prod(group.space) <= small.LANES
        if group.space is not None and not tiny and all(_loops(eqn) for eqn in group.eqns):
            tasks.append(Task("loop", group.eqns, group.space))
        else:
            tasks += [Task(_kind(eqn), [eqn], eqn.out.shape) for eqn in group.eqns]
    return _with_checks(tasks)


def _with_checks(tasks: list[Task]) -> list[Task]:
    """The tasks with a check as soon as the index arrays of a gather are known: mostly before everything else."""
    made = {eqn.out: number for number, task in enumerate(tasks, start=1) for eqn in task.eqns}
    checks: list[list[Task]] = [[] for _ in range(len(tasks) + 1)]
    seen: set[tuple[tuple[Atom, int], ...]] = set()
    for task in tasks:
        if task.kind != "gather":
            continue
        eqn = task.eqns[0]
        arrays = eqn.inputs[1:]
        key = tuple(zip(arrays, gather.lengths(eqn), strict=True))
        if key not in seen:
            seen.add(key)
            looking = replace(eqn, out=Var((), np.dtype(bool)), inputs=arrays)
            ready = max((made.get(a, 0) for a in arrays if isinstance(a, Var)), default=0)
            checks[ready].append(Task("check", [looking], None, eqn))
    return [*checks[0], *(t for task, after in zip(tasks, checks[1:], strict=True) for t in (task, *after))]


def _loops(eqn: Eqn) -> bool:
    if eqn.primitive.name in small.REDUCTIONS:
        return (
            eqn.inputs[0].dtype in KINDS
            and eqn.out.dtype in KINDS
            and (0 not in eqn.inputs[0].shape or eqn.primitive.name in ("sum", "prod", "reduce_to"))
        )
    return scalar_ops.supported(eqn)


def _kind(eqn: Eqn) -> str:
    name = eqn.primitive.name
    if small.fits(eqn):
        return "registers"
    if any(a.dtype not in KINDS for a in (*eqn.inputs, eqn.out)):
        return "numpy"
    if name == "matmul":
        same = all(isinstance(a, Var) and a.dtype == eqn.out.dtype for a in eqn.inputs)
        return "product" if same and eqn.out.dtype.kind == "f" else "numpy"
    if name == "draw":
        return "draw" if random.supported(eqn) else "numpy"
    number = not eqn.inputs or isinstance(eqn.inputs[0], Literal)
    if number and name not in scalar_ops.ELEMENTWISE:
        return "numpy"
    if (name in scalar_ops.ELEMENTWISE and (name != "broadcast_to" or number)) or name in small.REDUCTIONS:
        return "single" if _loops(eqn) else "numpy"
    if is_view(eqn) or name == "reshape":
        return "view"
    if name in scan.NAMES:
        return "running" if scan.supported(eqn) else "numpy"
    if gather.by_arrays(eqn):
        return "gather" if gather.supported(eqn) else "numpy"
    return "move" if copies.supported(eqn) else "numpy"
