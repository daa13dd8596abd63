"""One graph as a program of machine code: what Python calls, and the memory that belongs to it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...ir.graph import Atom, Eqn, Graph, Literal, Var
from ...passes.memory import ALIGNMENT, Plan
from .explain import Times, counted, listing
from .ir.module import CHECK_BITS
from .ir.target import blas_library
from .lower import lower
from .runtime import calling, threads
from .runtime.jit import Machine
from .tasks import gather, random
from .tasks.base import Task
from .tasks.fallback import Fallback

_LONG = 100_000  # cost of a step from which on other threads may run meanwhile
_CHUNK = 0.05  # seconds of uninterrupted machine code in a loop over steps

_Step = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


class NativeProgram:
    """Machine code for a graph.

    `run(*inputs, *fresh)` (`direct`; else it gets one tuple) computes one step and returns None, or True, having changed
    nothing, where an argument is not an array in rows, one that is to be overwritten is shared, or an index lies outside
    of its axis; `run_prepared` then computes the step, or raises.  `in_place` maps outputs to the inputs that they overwrite,
    `fresh` lists outputs that are computed into arrays given after the inputs, `scalars` holds the 0-d arrays that numbers
    are left in, and `buffers` the outputs that stay in the arena.
    """

    def __init__(self, graph: Graph, keep: frozenset[int], overwrite: Mapping[int, int], timed: bool = False) -> None:
        self._lowered = lowered = lower(graph, keep, overwrite, timed)
        self._module, buffers = lowered.module, lowered.buffers
        self.graph = graph = lowered.graph
        self.tasks: Sequence[Task] = buffers.tasks
        self.plan: Plan = buffers.plan
        self.in_place = buffers.in_place
        raw = np.zeros(buffers.plan.size + lowered.module.scratch_size + 2 * ALIGNMENT, np.uint8)
        self._arena = raw[-raw.ctypes.data % ALIGNMENT :]
        outputs = [p.what for p in buffers.table.pointers if p.kind == "output"]
        self.fresh = [i for i in outputs if graph.outputs[i].shape]
        self.scalars = {i: np.empty((), graph.outputs[i].dtype) for i in outputs if not graph.outputs[i].shape}
        self.cells = {
            i: np.empty((), graph.inputs[i].dtype) for i in self.in_place.values() if not graph.inputs[i].shape
        }
        self.scalars.update({o: self.cells[i] for o, i in self.in_place.items() if i in self.cells})
        self.buffers = {i: self._array(graph.outputs[i]) for i in buffers.keep}
        self._refresh: list[tuple[Any, Any]] = []
        self._fill_table(outputs)
        stepping = buffers.table.stepping
        self._stepping = [(i, p.kind, p.what) for i, p in enumerate(buffers.table.pointers) if p.name in stepping]
        self._choice = threads.Choice()
        self._chunk = 1  # how many steps of a loop to run before Python may stop it
        self._build()

    def _array(self, var: Atom) -> Any:
        """The array of the arena that a variable lives in."""
        assert isinstance(var, Var)
        layout, item = self._module.layouts[var], var.dtype.itemsize
        offset = self._module.table.offsets[layout.base] + layout.offset * item
        return np.ndarray(var.shape, var.dtype, self._arena, offset, tuple(s * item for s in layout.strides))

    def _fill_table(self, outputs: list[int]) -> None:
        table = self._module.table
        entries: list[int] = []
        arguments: dict[tuple[str, int], int] = {}
        self._held: list[Any] = []
        for index, (_, kind, what) in enumerate(table.pointers):
            address = 0
            if kind in ("input", "output"):
                arguments[kind, what] = index
                cells = self.scalars if kind == "output" else self.cells
                if what in cells:
                    address = cells[what].ctypes.data
            elif kind == "constant":
                array = what
                if not (array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative):
                    array = np.ascontiguousarray(what, what.dtype.newbyteorder("="))
                    self._refresh.append((array, what))
                self._held.append(array)
                address = array.ctypes.data
            elif kind == "address":
                address = what
            elif kind == "stamps":
                self._stamps = np.zeros(len(self._lowered.stamps), np.uint64)
                address = self._stamps.ctypes.data
            else:
                address = self._arena.ctypes.data
            entries.append(address)
        library = blas_library()
        entries += [library[0][letter] if library else 0 for letter in "sd"]
        entries += threads.addresses() if self._module.parts else []
        self._helpers = len(entries)
        self._still = np.zeros(max(len(table.stepping), 1), np.int64)
        overwritten = set(self.in_place.values())
        self._arguments = [
            calling.Argument(arguments["input", i], var, i in overwritten and i not in self.cells, self.cells.get(i))
            for i, var in enumerate(self.graph.inputs)
        ]
        self._arguments += [calling.Argument(arguments["output", i], self.graph.outputs[i]) for i in self.fresh]
        described = calling.described(self._arguments)
        entries += [*calling.helper_addresses(), self._still.ctypes.data, described.ctypes.data]
        self._table = np.array(entries, np.uint64).view(calling.Table)
        self._table.needs = [described]

    # ----- listings -----
    def explain(self, times: Times | None = None) -> list[str]:
        """What became of each equation, and how long it takes if that has been measured."""
        made = "loaded from the cache" if self.machine.cached else "made"
        segments = f"{len(self._segments)} segment{'s' * (len(self._segments) > 1)}"
        lines = [f"machine code in {segments}, {made} in {self.compile_seconds * 1e3:.0f} ms: {counted(self.tasks)}"]
        if self._module.parts:
            lines.append(
                f"  {len(self._module.parts)} parts are cut into chunks for up to {threads.get_num_threads()} threads"
            )
        return lines + listing(self.tasks, times)

    def with_clock(self) -> NativeProgram:
        """The same program with memory of its own, and with readings of the clock between its groups."""
        return NativeProgram(self._lowered.original, self._lowered.buffers.keep, self.in_place, timed=True)

    @property
    def ends(self) -> list[int]:
        """Which of the times that passed between two readings of the clock belong to a group."""
        return [i - 1 for i, end in enumerate(self._lowered.stamps) if end]

    def run_with_clock(self, arguments: tuple[Any, ...]) -> tuple[Any, list[float]]:
        """One step of a program that reads the clock: its readings, and the seconds that NumPy took in between."""
        taken: list[float] = []

        def timed(between: Callable[[tuple[Any, ...]], None]) -> None:
            start = time.perf_counter()
            between(arguments)
            taken.append(time.perf_counter() - start)

        self._enter(arguments)
        self._compute(timed)
        return self._stamps.copy(), taken

    def overwrites(self, output: int) -> bool:
        """Whether the step itself brings this output to the tensor it belongs to."""
        return output in self.in_place and self.in_place[output] not in self.cells

    def _build(self) -> None:
        module = self._module
        self.native = len(module.segments) == 1
        self.text = module.text(calling.glue(len(self._arguments), self._helpers, self._lowered.cost > _LONG))
        start = time.perf_counter()
        self.machine = Machine(self.text)
        self._table.needs.append(self.machine)
        self.compile_seconds = time.perf_counter() - start
        self._segments = [_Step(self.machine.address(f"segment{i}")) for i in range(len(module.segments))]
        self.bind = calling.python_function("bind", self.machine.address("bind"), self._table)
        self._between: list[Callable[[tuple[Any, ...]], None]] = []
        self.direct = self.native and not self._refresh and not module.generators
        if self.direct:
            self.run: Callable[..., Any] = calling.python_function("call", self.machine.address("call"), self._table)
        else:
            self._prepare_numpy()
            self.run = self._run_in_parts

    def _run_segment(self, segment: Callable[[int, int, int], int], table: int, steps: int, count: int) -> int:
        with random.locked(self._module.generators):
            return segment(table, steps, count)

    # ----- segments with NumPy between them -----
    def _prepare_numpy(self) -> None:
        self._between = [self._numpy_runner(task.eqn) for task in self.tasks if isinstance(task, Fallback)]

    def _numpy_runner(self, eqn: Eqn) -> Callable[[tuple[Any, ...]], None]:
        """A function that runs an equation through NumPy, given the arguments of the step."""
        readers, target = [self._reader(a) for a in eqn.inputs], self._reader(eqn.out)
        forward, params = eqn.primitive.forward, dict(eqn.params)

        def run(args: tuple[Any, ...]) -> None:
            with np.errstate(all="ignore"):
                target(args)[...] = forward(*[read(args) for read in readers], **params)

        return run

    def _reader(self, atom: Atom) -> Callable[[tuple[Any, ...]], Any]:
        """A function that gives the array of an atom, given the arguments of the step."""
        if isinstance(atom, Literal):
            return lambda args: atom.value
        if atom in self.graph.inputs:
            number = self.graph.inputs.index(atom)
            return lambda args: args[number]
        if atom in self.graph.constants:
            return lambda args: self.graph.constants[atom]
        layout = self._module.layouts[atom]
        root = self._root(layout.base)
        if root is None:
            array = self._array(atom)
            return lambda args: array
        item = atom.dtype.itemsize
        strides = tuple(s * item for s in layout.strides)
        return lambda args: np.ndarray(atom.shape, atom.dtype, np.asarray(root(args)), layout.offset * item, strides)

    def _root(self, base: str) -> Callable[[tuple[Any, ...]], Any] | None:
        """A function that gives the array at a base that is not in the arena."""
        if base.startswith("%in"):
            return lambda args: args[int(base[3:])]
        if base.startswith("%const"):
            held = self._held[int(base[6:])]
            return lambda args: held
        if not base.startswith("%out"):
            return None
        number = int(base[4:])
        if number in self.scalars:
            return lambda args: self.scalars[number]
        at = len(self.graph.inputs) + self.fresh.index(number)
        return lambda args: args[at]

    def _run_in_parts(self, arguments: tuple[Any, ...]) -> Any:
        if self.bind(*arguments) is not None:
            return True
        self._compute(lambda between: between(arguments))
        return None

    def _compute(self, through_numpy: Callable[[Callable[[tuple[Any, ...]], None]], None]) -> None:
        """One step on the arguments in the table; the function given runs what comes between two segments."""
        for array, source in self._refresh:
            np.copyto(array, source)
        table, still = self._table.ctypes.data, self._still.ctypes.data
        for number, segment in enumerate(self._segments):
            if number:
                through_numpy(self._between[number - 1])
            self._complain(self._run_segment(segment, table, still, 1), self._table)

    # ----- arguments that machine code has refused -----
    def run_prepared(self, arguments: tuple[Any, ...]) -> None:
        """One step on arguments that `run` has refused, copied where they do not lie as machine code reads them.

        Raises:
            IndexError: an index lies outside of its axis.
            GraphError: an argument has another shape or dtype than the program was made for.
        """
        prepared = tuple(calling.fitting(x, a) for x, a in zip(arguments, self._arguments, strict=True))
        self._enter(prepared)
        self._compute(lambda between: between(prepared))

    def fitting(self, number: int, value: Any) -> Any:
        """The value of an input as machine code reads it."""
        return calling.fitting(value, self._arguments[number])

    def _enter(self, arrays: tuple[Any, ...]) -> None:
        """Enter arrays into the table of pointers; numbers that the step overwrites are copied to their cells."""
        for argument, array in zip(self._arguments, arrays, strict=True):
            if argument.cell is None:
                self._table[argument.index] = calling.address(array)
            else:
                argument.cell[...] = array

    # ----- indices outside of their axes -----
    def _complain(self, failed: int, table: Any) -> None:
        """Raise NumPy's error where a segment says that a check has failed; `table` has the pointers of that step."""
        if not failed:
            return
        eqn = self._module.checks[failed % (1 << CHECK_BITS) - 1]
        gather.complain(eqn, [self._found(a, table) for a in eqn.inputs[1:] if isinstance(a, Var)])

    def _found(self, var: Var, table: Any) -> Any:
        """A copy of what a variable holds, wherever the table says that is."""
        layout = self._module.layouts[var]
        if layout.base.startswith("%m"):
            return np.array(self._array(var))
        index = next(i for i, p in enumerate(self._module.table.pointers) if p.name == layout.base)
        item = layout.dtype.itemsize
        spread = sum((n - 1) * abs(s) for n, s in zip(layout.shape, layout.strides, strict=True)) + 1
        low = layout.offset + sum((n - 1) * min(s, 0) for n, s in zip(layout.shape, layout.strides, strict=True))
        memory = memoryview((ctypes.c_ubyte * (spread * item)).from_address(int(table[index]) + low * item))
        strides = tuple(s * item for s in layout.strides)
        return np.ndarray(layout.shape, layout.dtype, memory, (layout.offset - low) * item, strides).copy()

    # ----- loops over steps -----
    def steps(
        self, count: int, inputs: list[Any], strides: Mapping[int, int], results: Mapping[int, tuple[Any, int]]
    ) -> Iterator[int]:
        """Run `count` steps in machine code, in chunks, so that Python can stop between two steps.

        After each chunk it gives the number of steps in it that have come through.

        Args:
            count: how many steps.
            inputs: per input its array, in rows; those that the steps overwrite are overwritten.
            strides: bytes by which the address of an input moves from step to step (0 if not named).
            results: per output that is not in place its array, and the bytes by which it moves.
        """
        for array, source in self._refresh:
            np.copyto(array, source)
        entries, moving = self._table.tolist(), []
        for array, argument in zip(inputs, self._arguments, strict=False):
            entries[argument.index] = calling.address(array)
        for index, kind, what in self._stepping:
            if kind == "output":
                array, by = results[what]
                entries[index] = calling.address(array)
                moving.append(by)
            else:
                moving.append(strides.get(what, 0))
        table, steps = np.array(entries, np.uint64), np.array(moving or [0], np.int64)
        indices = [index for index, _, _ in self._stepping]
        at, by = calling.address(table), calling.address(steps)
        while count:
            now, helped = min(self._chunk, count), True
            if self._module.parts:
                now, helped = self._choice.next(now)
                table[self._helpers - 1] = threads.Choice.address(helped)
            start = time.perf_counter()
            failed = self._run_segment(self._segments[0], at, by, now)
            done = failed >> CHECK_BITS if failed else now
            yield done
            count -= now
            if count or failed:
                table[indices] += (steps[: len(indices)] * done).astype(np.uint64)
                self._complain(failed, table)
            elapsed = max(time.perf_counter() - start, 1e-7)
            self._choice.learn(helped, elapsed / now)
            self._chunk = max(1, min(16 * now, int(now * _CHUNK / elapsed)))
