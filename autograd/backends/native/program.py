"""One graph as a program of machine code: what Python calls, and the memory that belongs to it."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ...ir.graph import Atom, Eqn, Graph, Literal, Var
from ...passes.memory import ALIGNMENT, Plan
from .lower import Lowering
from .runtime import calling, profile, threads
from .runtime.jit import Machine
from .segment import CHECK_BITS
from .tasks import gather, random
from .tasks.base import Task
from .tasks.matmul import blas_library

_LONG = 20_000  # element operations from which on other threads may run meanwhile
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
        self._lowering = lowering = Lowering(graph, keep, overwrite, timed)
        graph = lowering.graph
        self.graph = graph
        self.plan: Plan = lowering.plan
        self.in_place = lowering.in_place
        raw = np.zeros(lowering.plan.size + lowering.scratch + 2 * ALIGNMENT, np.uint8)
        self._arena = raw[-raw.ctypes.data % ALIGNMENT :]
        outputs = [index for _, (kind, index) in lowering.table if kind == "output"]
        self.fresh = [i for i in outputs if graph.outputs[i].shape]
        self.scalars = {i: np.empty((), graph.outputs[i].dtype) for i in outputs if not graph.outputs[i].shape}
        self.cells = {
            i: np.empty((), graph.inputs[i].dtype) for i in self.in_place.values() if not graph.inputs[i].shape
        }
        self.scalars.update({o: self.cells[i] for o, i in self.in_place.items() if i in self.cells})
        self.buffers = {i: self._array(graph.outputs[i]) for i in lowering.keep}
        self._refresh: list[tuple[Any, Any]] = []
        self._fill_table(outputs)
        self._stepping = [(i, *found) for i, (name, found) in enumerate(lowering.table) if name in lowering.stepping]
        self._help = threads.Choice()
        self._chunk = 1  # how many steps of a loop to run before Python may stop it
        self._build()

    def _array(self, var: Atom) -> Any:
        """The array of the arena that a variable lives in."""
        assert isinstance(var, Var)
        place = self._lowering.places[var]
        root = next(v for v in self.plan.offsets if self._lowering.places[v].base == place.base)
        item = var.dtype.itemsize
        offset = self.plan.offsets[root] + place.offset * item
        return np.ndarray(var.shape, var.dtype, self._arena, offset, tuple(s * item for s in place.strides))

    def _fill_table(self, outputs: list[int]) -> None:
        lowering = self._lowering
        entries: list[int] = []
        arguments: dict[tuple[str, int], int] = {}
        self._held: list[Any] = []
        for index, (_, (kind, what)) in enumerate(lowering.table):
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
                self._stamps = np.zeros(len(lowering.stamps), np.uint64)
                address = self._stamps.ctypes.data
            else:
                address = self._arena.ctypes.data
            entries.append(address)
        library = blas_library()
        entries += [library[0][letter] if library else 0 for letter in "sd"]
        entries += threads.addresses() if lowering.parts else []
        self._helpers = len(entries)
        self._still = np.zeros(max(len(lowering.stepping), 1), np.int64)
        overwritten = set(self.in_place.values())
        self._arguments = [
            calling.Argument(arguments["input", i], var, i in overwritten and i not in self.cells, self.cells.get(i))
            for i, var in enumerate(lowering.graph.inputs)
        ]
        self._arguments += [calling.Argument(arguments["output", i], lowering.graph.outputs[i]) for i in self.fresh]
        described = calling.described(self._arguments)
        entries += [*calling.helper_addresses(), self._still.ctypes.data, described.ctypes.data]
        self._table = np.array(entries, np.uint64).view(calling.Table)
        self._table.needs = [described]

    # ----- listings -----
    @property
    def tasks(self) -> list[Task]:
        """What is computed how, in the order of running."""
        return self._lowering.tasks

    def explain(self, times: profile.Times | None = None) -> list[str]:
        """What became of each equation, and how long it takes if that has been measured."""
        counts: dict[str, int] = {}
        for task in self._lowering.tasks:
            counts[task.kind] = counts.get(task.kind, 0) + 1
        names = {"registers": "in registers", "band": "bands of rows", "loop": "fused loops",
                 "single": "loops of one operation", "product": "products",
                 "view": "views", "move": "copies", "gather": "index loops", "running": "running loops",
                 "draw": "draws",
                 "numpy": "through NumPy"}  # fmt: skip
        listed = ", ".join(f"{counts[kind]} {name}" for kind, name in names.items() if kind in counts)
        made = "loaded from the cache" if self.machine.cached else "made"
        parts = f"{len(self._segments)} segment{'s' * (len(self._segments) > 1)}"
        lines = [f"machine code in {parts}, {made} in {self.compile_seconds * 1e3:.0f} ms: {listed}"]
        if self._lowering.parts:
            lines.append(
                f"  {len(self._lowering.parts)} parts are cut into chunks for up to {threads.get_num_threads()} threads"
            )
        return lines + profile.listing(self._lowering, times)

    def with_clock(self) -> NativeProgram:
        """The same program with memory of its own, and with readings of the clock between its groups."""
        lowering = self._lowering
        return NativeProgram(lowering.original, lowering.keep, lowering.in_place, timed=True)

    @property
    def ends(self) -> list[int]:
        """Which of the times that passed between two readings of the clock belong to a group."""
        return [i - 1 for i, end in enumerate(self._lowering.stamps) if end]

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
        lowering = self._lowering
        self.native = len(lowering.segments) == 1
        release = lowering.work > _LONG
        glue = calling.glue(len(self._arguments), self._helpers, release)
        self.text = "\n\n".join([*lowering.declarations.values(), *lowering.parts, *lowering.segments, glue])
        start = time.perf_counter()
        self.machine = Machine(self.text)
        self._table.needs.append(self.machine)
        self.compile_seconds = time.perf_counter() - start
        self._segments = [_Step(self.machine.address(f"segment{i}")) for i in range(len(lowering.segments))]
        self.bind = calling.python_function("bind", self.machine.address("bind"), self._table)
        self._between: list[Callable[[tuple[Any, ...]], None]] = []
        self.direct = self.native and not self._refresh and not lowering.generators
        if self.direct:
            self.run: Callable[..., Any] = calling.python_function("call", self.machine.address("call"), self._table)
        else:
            self._prepare_numpy()
            self.run = self._run_in_parts

    def _run_segment(self, segment: Callable[[int, int, int], int], table: int, steps: int, count: int) -> int:
        with random.held(self._lowering.generators):
            return segment(table, steps, count)

    # ----- segments with NumPy between them -----
    def _prepare_numpy(self) -> None:
        lowering = self._lowering
        inputs = {var: i for i, var in enumerate(lowering.graph.inputs)}
        count = len(lowering.graph.inputs)

        def reader(atom: Atom) -> Callable[[tuple[Any, ...]], Any]:
            if isinstance(atom, Literal):
                return lambda args: atom.value
            if atom in inputs:
                return lambda args: args[inputs[atom]]
            if atom in lowering.graph.constants:
                return lambda args: lowering.graph.constants[atom]
            base = lowering.places[atom].base
            place = lowering.places[atom]
            root: Callable[[tuple[Any, ...]], Any] | None = None
            if base.startswith("%in"):
                root = lambda args: args[int(base[3:])]  # noqa: E731
            elif base.startswith("%out"):
                number = int(base[4:])
                if number in self.scalars:
                    root = lambda args: self.scalars[number]  # noqa: E731
                else:
                    at = count + self.fresh.index(number)
                    root = lambda args: args[at]  # noqa: E731
            elif base.startswith("%const"):
                held = self._held[int(base[6:])]
                root = lambda args: held  # noqa: E731
            if root is None:
                array = self._array(atom)
                return lambda args: array
            item = atom.dtype.itemsize
            strides = tuple(s * item for s in place.strides)
            return lambda args: np.ndarray(atom.shape, atom.dtype, np.asarray(root(args)), place.offset * item, strides)

        def task_runner(task: Task) -> Callable[[tuple[Any, ...]], None]:
            eqn: Eqn = task.eqns[0]
            readers = [reader(a) for a in eqn.inputs]
            target = reader(eqn.out)
            forward, params = eqn.primitive.forward, dict(eqn.params)

            def run(args: tuple[Any, ...]) -> None:
                with np.errstate(all="ignore"):
                    target(args)[...] = forward(*[r(args) for r in readers], **params)

            return run

        self._between = [task_runner(task) for task in lowering.numpy]

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
        task = self._lowering.checks[failed % (1 << CHECK_BITS) - 1]
        assert task.guarded is not None
        gather.complain(task.guarded, [self._found(a, table) for a in task.eqns[0].inputs if isinstance(a, Var)])

    def _found(self, var: Var, table: Any) -> Any:
        """A copy of what a variable holds, wherever the table says that is."""
        place = self._lowering.places[var]
        if place.base.startswith("%m"):
            return np.array(self._array(var))
        index = next(i for i, (name, _) in enumerate(self._lowering.table) if name == place.base)
        item = place.dtype.itemsize
        spread = sum((n - 1) * abs(s) for n, s in zip(place.shape, place.strides, strict=True)) + 1
        low = place.offset + sum((n - 1) * min(s, 0) for n, s in zip(place.shape, place.strides, strict=True))
        memory = memoryview((ctypes.c_ubyte * (spread * item)).from_address(int(table[index]) + low * item))
        strides = tuple(s * item for s in place.strides)
        return np.ndarray(place.shape, place.dtype, memory, (place.offset - low) * item, strides).copy()

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
            if self._lowering.parts:
                now, helped = self._help.next(now)
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
            self._help.learn(helped, elapsed / now)
            self._chunk = max(1, min(16 * now, int(now * _CHUNK / elapsed)))
