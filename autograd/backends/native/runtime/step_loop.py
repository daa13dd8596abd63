"""Many steps within machine code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....core import tree
from ....core.mode import clock
from ....core.tensor import Tensor
from ...base import Step
from ..program import NativeProgram

_STACKED = ("tensor", "array", "float", "int", "bool")  # kinds of results that are rows of an array after many steps


def own_arrays(tensors: Sequence[Tensor]) -> None:
    """Give each tensor an array of its own, which nobody else sees being overwritten."""
    for tensor in tensors:
        if isinstance(tensor.value, np.ndarray):
            tensor.value = np.array(tensor.value, order="C")


@dataclass(slots=True)
class Loop:
    """A program, and the step that it runs many times."""

    program: NativeProgram
    step: Step

    can_repeat: bool = field(init=False)  # whether the whole step is machine code whose results can be stacked
    can_scan: bool = field(init=False)  # the same along stacked arguments: no step changes its own
    _held: list[tuple[int, Tensor]] = field(init=False)  # input that is overwritten, and the tensor that it belongs to
    _read: list[int] = field(init=False)  # the other inputs
    _results: list[tuple[int, bool, Any, Any]] = field(init=False)  # output, whether it is stacked, shape, dtype

    def __post_init__(self) -> None:
        program, outcome = self.program, self.step.outcome
        complete = set(outcome.updates.values()) <= set(program.in_place)
        returns = all(kind in _STACKED for kind, _ in outcome.leaves)
        self.can_repeat = program.native and complete and returns and not self.step.accumulates
        self.can_scan = self.can_repeat and not any(
            t in self.step.arguments for t in (*outcome.updates, *outcome.gradients)
        )
        place = program.in_place
        self._held = [(place[output], tensor) for tensor, output in outcome.updates.items() if output in place]
        self._read = sorted(set(range(len(program.graph.inputs))) - {number for number, _ in self._held})
        returned = {output for kind, output in outcome.leaves if kind in _STACKED}
        self._results = [
            (i, i in returned, out.shape, out.dtype)
            for i, out in enumerate(program.graph.outputs)
            if i not in program.in_place and i not in program.buffers
        ]

    def run(
        self,
        count: int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        stacked: list[Any] | None,
        misses: tuple[object, ...],
    ) -> Any:
        """`count` more steps; `stacked` has per argument leaf the array that the steps walk along.

        None where that cannot be, or gathering the inputs gives one of `misses`.
        """
        if not (self.can_repeat if stacked is None else self.can_scan):
            return None
        with self.step.lock:
            values = self.step.gather(args, kwargs)
            if values in misses:
                return None
            leaves = [] if self.can_scan else tree.flatten((args, kwargs))[0]  # (arguments are not assigned)
            return self._run(count, values, leaves, stacked)

    def _run(self, count: int, values: list[Any], leaves: list[Any], stacked: list[Any] | None) -> Any:
        program, outcome = self.program, self.step.outcome

        def now(tensor: Tensor) -> Tensor:
            """The tensor of this call that stands where that one stood when the step was traced."""
            found: Tensor = leaves[self.step.arguments[tensor]] if tensor in self.step.arguments else tensor
            return found

        held = self._held if self.can_scan else [(number, now(tensor)) for number, tensor in self._held]
        own_arrays([tensor for _, tensor in held])
        inputs = list(values)
        for number, tensor in held:
            inputs[number] = tensor.value if isinstance(tensor.value, np.ndarray) else np.array(tensor.value)
        for number in self._read:
            inputs[number] = program.fitting(number, values[number])
        strides = {}
        for array, at in zip(stacked or (), self.step.leaf_inputs, strict=False):
            if at is not None:
                inputs[at], strides[at] = array, array.strides[0]
        results: dict[int, tuple[Any, int]] = {}
        for number, stacked_too, shape, dtype in self._results:
            array = np.empty((count, *shape) if stacked_too else shape, dtype)
            results[number] = array, array.strides[0] if stacked_too else 0
        done = 0
        try:
            for steps in program.steps(count, inputs, strides, results):
                done += steps
        finally:
            clock.changed = changed = clock.tick()
            for number, tensor in held:
                if not isinstance(tensor.value, np.ndarray):
                    tensor.value = inputs[number][()]
                tensor.changed = changed
            for tensor, output in outcome.gradients.items() if done else ():
                if output is None:
                    now(tensor)._grad = None
                elif output in program.buffers:
                    now(tensor)._grad = program.buffers[output].copy
                else:
                    now(tensor)._grad = results[output][0][()]
        return [results[output][0] for _, output in outcome.leaves]
