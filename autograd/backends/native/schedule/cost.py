"""How much work a task is, in multiplications of a product: each takes about 0.03 nanoseconds."""

from __future__ import annotations

import math

from ..tasks.base import Task

STEP = 3_000_000  # a step of less work than this is computed by one thread,
WORTH = 150_000  # and so is a task of a larger step that is less than this
_FUNCTIONS = frozenset(
    {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "erf", "power", "mod"}
)
_ACCESS, _SIMPLE, _FUNCTION = 4, 2, 30  # per element: read or written, computed with, of an elementary function


def work(task: Task) -> int:
    """The work of a loop, a product, or a band of them; of anything else 0."""
    if task.kind == "band":
        return sum(work(member) for member in task.members)
    if task.kind in ("loop", "single"):
        operations = sum(_FUNCTION if eqn.primitive.name in _FUNCTIONS else _SIMPLE for eqn in task.eqns)
        elements = max(math.prod(x.shape) for x in (*task.eqns[0].inputs, task.eqns[0].out))
        return elements * (operations + _ACCESS * (len(task.inputs) + 1))
    if task.kind == "product":
        eqn = task.eqns[0]
        (a, b), out = (math.prod(x.shape) for x in eqn.inputs), math.prod(eqn.out.shape)
        return out * eqn.inputs[0].shape[-1] + _ACCESS * (a + b + out)
    return 0
