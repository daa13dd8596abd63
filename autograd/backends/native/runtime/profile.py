"""What the groups of a program are, and how long each takes: measured in a copy that reads the clock in between.

The copy has memory of its own, so that nothing of the step that is measured changes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.graph import Var, type_text
from ....ir.printer import place
from ..tasks import matmul
from ..tasks.base import UNSUPPORTED, Task

if TYPE_CHECKING:
    from ..lower import Lowering
    from ..program import NativeProgram

_SECONDS, _LEAST = 0.2, 5  # a program is measured so long, or so many times


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that each group takes, and the copying of outputs to their places at the end."""

    groups: list[float]
    outputs: float


def groups_of(tasks: list[Task]) -> list[list[Task]]:
    """Tasks that are told apart: neighbours in registers count as one, and views take no time."""
    groups: list[list[Task]] = []
    for task in tasks:
        if task.kind == "registers" and groups and groups[-1][0].kind == "registers":
            groups[-1].append(task)
        elif task.kind != "view":
            groups.append([task])
    return groups


def listing(lowering: Lowering, times: Times | None) -> list[str]:
    """One line per group: what it is, its equations, whose lines they come from, and perhaps how long it takes."""
    groups = groups_of(lowering.tasks)
    rows = []
    for group in groups:
        eqns = [eqn for task in group for eqn in task.eqns]
        names = " ".join(eqn.primitive.name for eqn in eqns[:12]) + (" ..." if len(eqns) > 12 else "")
        if group[0].kind == "numpy":
            names += f" ({UNSUPPORTED.get(names, 'on these dtypes or indices')})"
        origin = list(dict.fromkeys(part for eqn in eqns for part in (eqn.scope, place(eqn)) if part))
        rows.append(f"{_kind(lowering, group[0])}: {names}" + (f"  # {', '.join(origin[:6])}" if origin else ""))
    if times is None:
        return [f"  {row}" for row in rows]
    taken = [*times.groups, times.outputs]
    rows.append("outputs copied to their places")
    shown = [
        f"  {seconds * 1e6:10.2f} us {100 * seconds / max(sum(taken), 1e-12):4.0f} %  {row}"
        for seconds, row in zip(taken, rows, strict=True)
    ]
    return [*shown, f"  {sum(taken) * 1e6:10.2f} us  100 %  one step, Python's part of the call not counted"]


def _kind(lowering: Lowering, task: Task) -> str:
    eqn = task.eqns[0]
    if task.kind == "product":
        a, b = (lowering.places[x] for x in eqn.inputs if isinstance(x, Var))
        way = "by BLAS" if matmul.for_blas(a, b) and matmul.blas_library() else "in tiles"
        return f"product {' @ '.join(type_text(x) for x in eqn.inputs)} {way}"
    if task.kind in ("loop", "single"):
        return f"loop over {list(task.space or ())}"
    if task.kind == "band" and task.space:
        return f"band over {task.space[0]} rows"
    names = {"numpy": "through NumPy", "registers": "in registers", "move": "copy", "gather": "index loop",
             "running": "running loop", "check": "check of the indices for", "draw": "random numbers"}  # fmt: skip
    return names[task.kind]


def measure(program: NativeProgram, values: list[Any]) -> Times:
    """The times of a program on these values of its inputs, which stay as they are."""
    timed = program.with_clock()
    inputs = [np.array(value, order="C") for value in values]
    fresh = [np.empty(program.graph.outputs[i].shape, program.graph.outputs[i].dtype) for i in program.fresh]
    before = [(timed.cells.get(i, inputs[i]), values[i]) for i in timed.in_place.values()]
    generators = {eqn.params["generator"] for eqn in program.graph.eqns if eqn.primitive.name == "draw"}
    states = [(generator, generator.bit_generator.state) for generator in generators]
    runs: list[tuple[Any, list[float]]] = []
    start = time.perf_counter()
    try:
        while len(runs) < _LEAST or time.perf_counter() < start + _SECONDS:
            for array, value in before:
                array[...] = value
            runs.append(timed.run_with_clock((*inputs, *fresh)))
        end = time.perf_counter()
    finally:
        for generator, state in states:
            generator.bit_generator.state = state
    stamps = np.array([run[0] for run in runs]).astype(np.int64)
    python = np.array([run[1] for run in runs])
    unit = (end - start) / (stamps[-1, -1] - stamps[0, 0])  # seconds per tick of the processor's clock
    passed = np.diff(stamps, axis=1) * unit
    fastest = np.argsort(passed.sum(axis=1) + python.sum(axis=1))[: (len(runs) + 1) // 2]  # the others were disturbed
    reading = passed[:, 0].min()
    inside = iter(np.maximum(passed[fastest].mean(axis=0) - reading, 0.0)[timed.ends])
    outside = iter(python[fastest].mean(axis=0))
    groups = [float(next(outside if group[0].kind == "numpy" else inside)) for group in groups_of(timed.tasks)]
    return Times(groups, float(next(inside)))
