"""How long each group of a program takes: measured in a copy that reads the clock in between.

The copy has memory of its own, so that nothing of the step that is measured changes.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..explain import Times
from ..lower import groups_of
from ..program import NativeProgram
from ..tasks.fallback import Fallback

_SECONDS, _LEAST = 0.2, 5  # a program is measured so long, or so many times


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
    groups = [float(next(outside if isinstance(group[0], Fallback) else inside)) for group in groups_of(timed.tasks)]
    return Times(groups, float(next(inside)))
