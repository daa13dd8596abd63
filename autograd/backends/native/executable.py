"""Machine code as the driver knows it: one call of a step, loops over steps, and listings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..base import Executable, Given, Step
from .program import NativeProgram
from .runtime import profile
from .runtime.step_loop import Loop, own_arrays


class MachineCode(Executable):
    """A program of machine code."""

    machine_integers = True

    def __init__(self, program: NativeProgram) -> None:
        super().__init__(program.graph)
        self.program = program
        self.text, self.plan, self.buffers = program.text, program.plan, program.buffers

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """The outputs for these inputs."""
        program, outputs = self.program, self.graph.outputs
        fresh = {i: np.empty(outputs[i].shape, outputs[i].dtype) for i in program.fresh}
        given = (*inputs, *fresh.values())
        if (program.run(*given) if program.direct else program.run(given)) is not None:
            program.run_prepared(given)
        results = {
            **{i: inputs[number] for i, number in program.in_place.items()},
            **{i: cell[()] for i, cell in program.scalars.items()},
            **{i: np.copy(array) for i, array in program.buffers.items()},
            **fresh,
        }
        return tuple([results[i] for i in range(len(outputs))])

    def statements(self, given: Sequence[Given], owned: Sequence[str], names: dict[str, Any]) -> list[str]:
        """Call the machine code; where it refuses the arrays as they lie, prepare them and call it again."""
        program, outputs = self.program, self.graph.outputs
        lines, inputs, overwritten = [], [], set(program.in_place.values())
        for number, (each, var) in enumerate(zip(given, self.graph.inputs, strict=True)):
            read = each.expression
            if each.owner is not None and number in overwritten and each.local is not None:
                lines.append(f"{each.local} = None")  # no local variable may refer to an array that is overwritten
                read = f"{each.owner}.value"
            inputs.append(f"int64({read})" if var.weak and var.dtype.kind == "i" else read)
        names |= {"call": program.run, "int64": np.int64, "empty": np.empty}
        names |= {"own_arrays": own_arrays, "run_prepared": program.run_prepared}
        for i in program.fresh:
            names[f"shape{i}"], names[f"dtype{i}"] = outputs[i].shape, outputs[i].dtype
            lines.append(f"r{i} = empty(shape{i}, dtype{i})")
        values = "".join(f"{e}, " for e in (*inputs, *(f"r{i}" for i in program.fresh)))
        lines += [
            f"if call({values if program.direct else f'({values})'}) is not None:",
            f"    own_arrays(({''.join(f'{tensor}, ' for tensor in owned)}))",
            f"    run_prepared(({values}))",
        ]
        for i, cell in program.scalars.items():
            names[f"cell{i}"] = cell
            lines.append(f"r{i} = cell{i}[()]")
        return lines

    def overwrites(self, output: int) -> bool:
        """Whether the step writes this output over an array."""
        return self.program.overwrites(output)

    def loop(self, step: Step) -> Loop:
        """The loop over steps, within machine code where results can be stacked."""
        return Loop(self.program, step)

    def explain(self, times: Any = None) -> list[str]:
        """What became of each equation, and how long it takes if that has been measured."""
        return self.program.explain(times)

    def measure(self, values: Sequence[Any]) -> Any:
        """How long each group of the program takes on these inputs."""
        return profile.measure(self.program, list(values))

    def listing(self, notation: str) -> str | None:
        """The optimised LLVM assembly, or the processor's own."""
        return str(getattr(self.program.machine, notation)) if notation in ("llvm", "asm") else None
