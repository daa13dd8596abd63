"""The `compile` decorator: trace a step, optimise it, run the program; trace again when what it depends on changes."""

from __future__ import annotations

import copy
import functools
import gc
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..backends import base, numpy_source
from ..core import tree
from ..core.errors import ArgumentError, MissingDependencyError, TraceError
from ..core.mode import current
from ..core.subclasses import numbers
from ..core.tensor import Tensor
from ..ir import guards
from ..ir.confirm import difference
from ..ir.graph import Graph
from ..ir.state import Snapshot
from ..ir.trace import name_of
from ..ir.transaction import Initialising, Traced, record
from ..ir.undo import Undo
from ..passes.fuse import fusion_groups
from ..passes.memory import nbytes
from .checked import run_checked
from .entry import MISS, PLAIN
from .locks import step_lock
from .program import AT_ONCE, Program, build, check_static, static_arguments, variables

_tracing = step_lock()  # one trace at a time: it puts stand-ins into objects that other steps may read as well


class CompiledFunction:
    """A function that is traced at its first call and then runs as a program; see `compile`."""

    def __init__(
        self, function: Callable[..., Any], backend: str | None, static: frozenset[str], check: bool, max_traces: int
    ) -> None:
        self.function = function
        self.backend = backend
        self.max_traces = max_traces
        self._static, self._check = static, check
        self._programs: list[Program] = []  # the one used last comes first
        self._history: list[Program] = []  # in the order of tracing
        self._lock = step_lock()
        self._held = self._lock._is_owned  # whether this very thread is in the step
        self._warned = False
        self._abandoned = False  # whether two traces of one call have been found to differ
        self._varying: frozenset[tuple[Any, str]] = frozenset()  # places whose value is an input from now on
        self._fixed: frozenset[tuple[Any, str]] = frozenset()  # places of which the function needs the value
        functools.update_wrapper(self, function)

    # ----- calling -----
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._check and not self._plain():
            watched = static_arguments(self.function, args, kwargs, self._static)
            return run_checked(self.function, lambda *a, **k: self._run(a, k), args, kwargs, watched)
        return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._held():
            return self._from_within(args, kwargs)
        result = self._by_program(args, kwargs)
        if result is MISS and not self._plain() and not self._complete():
            with self._lock, _tracing:
                result = self._by_program(args, kwargs)  # another thread may have traced it while this one waited
                if result is MISS:
                    result = self._traced(args, kwargs)
        return self.function(*args, **kwargs) if result is MISS or result is PLAIN else result

    def _plain(self) -> bool:
        """Whether calls run as the Python that they were made from; inside another trace they become part of it."""
        mode = current()
        return mode.trace is not None or mode.anomaly is not None or not mode.compiled

    def _complete(self) -> bool:
        """Whether the function is traced no more, so that calls which fit no program run as Python."""
        return self._abandoned or (self._warned and all(program.traced is None for program in self._programs))

    def _from_within(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call by a primitive of the user's, or by a signal handler, while this very thread traces or runs the step."""
        if not self._plain() and any(program.changes for program in self._programs):
            raise TraceError(
                f"{name_of(self.function)} is called from within itself, by a primitive or a signal handler: what it changes "
                "is half done. Call it before or after, or write the call so that it changes no tensor"
            )
        return self.function(*args, **kwargs)

    def _by_program(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the trace that fits the call, MISS, or PLAIN."""
        programs = self._programs
        for program in programs:
            result = program.enter(args, kwargs)
            if result is not MISS:
                if program is not programs[0]:
                    self._use(program)
                return result
        return MISS

    def _use(self, program: Program) -> None:
        """Let the program be tried first next time, unless another thread has replaced it meanwhile."""
        with self._lock:
            if program in self._programs:
                self._programs = [program, *(p for p in self._programs if p is not program)]

    def _traced(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a new trace, or MISS or PLAIN where the call is to run as the Python that it was made from.

        The only place where the function is traced: a first call of its kind makes a program, the second traces once more.
        """
        if self._abandoned:
            return MISS
        # The garbage collector would go through all equations so far again and again; they make no cycles.
        undo = Undo(*[gc.enable] * gc.isenabled())
        with undo, undo:
            gc.disable()
            for program in self._programs:
                if program.traced is not None and program.gather(args, kwargs) is not MISS:
                    return self._confirmed(program, program.traced, args, kwargs)
            if self._complete():
                return MISS
            reason = "first call"
            if self._programs:
                reason = (
                    "; ".join(self._programs[0].mismatches(args, kwargs))
                    or "gradients or their recording are in another state"
                )
            if len(self._history) >= self.max_traces:
                if not self._warned:
                    self._warned = True
                    warnings.warn(
                        f"{name_of(self.function)} has been traced {self.max_traces} times; calls that fit none of the traces "
                        f"now run without compilation. Last reason: {reason}. Pass what varies as an argument (arrays or "
                        "floats), or raise max_traces",
                        stacklevel=4,
                    )
                return MISS
            if self._programs:
                latest, (leaves, structure) = self._programs[0], tree.flatten((args, kwargs))
                # In arguments of another structure a variable may stand for something else.
                given = variables(leaves) if structure == latest.structure else {}
                self._varying |= guards.varying(latest.walk, given) - self._fixed
            try:
                traced = record(self.function, args, kwargs, self._static, self._varying)
            except Initialising:
                return MISS  # (what it makes now is there at the next call)
            self._fixed |= traced.failed
            self._varying |= {effect.place.identity for effect in traced.outcome.effects}
            self._varying -= self._fixed
            traced.keep_passes()
            program = build(self.function, traced, reason, self.backend, self._lock)
        self._programs = [program, *self._programs]
        self._history.append(program)
        result = program.run(args, kwargs)
        if result is MISS:
            raise TraceError(
                f"{name_of(self.function)} changes what it reads while it runs "
                f"({'; '.join(program.mismatches(args, kwargs))}), so no trace of it can be used twice: "
                "pass that value as an argument, or keep it in a Tensor"
            )
        return result

    def _confirmed(self, program: Program, first: Traced, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a second call of one kind, whose own trace shows whether the program may be used again."""
        places = frozenset(place.identity for place in program.slots)
        try:
            second = record(self.function, args, kwargs, self._static, places)
        except Initialising:
            return MISS
        second.keep_passes()
        found = difference(first, second)
        if found is None and not program.passing:
            if (result := program.run(args, kwargs)) is not MISS:
                program.confirm()
                return result
            found = f"it changes what it reads ({'; '.join(program.mismatches(args, kwargs))})"
        again = build(
            self.function, second, program.reason, self.backend if found is None else AT_ONCE, self._lock, True
        )
        if found is None:  # its places have been set back since: it is used again after all
            again.confirm()
            self._programs, self._history = [
                [again if each is program else each for each in programs]
                for programs in (self._programs, self._history)
            ]
        else:
            self._abandoned, self._programs = True, []
            warnings.warn(
                f"{name_of(self.function)} does something else at every call, so it runs without compilation from now on: "
                f"{found}. Pass what varies as an argument (arrays or floats), draw from a numpy.random.Generator, or leave "
                "the function uncompiled",
                stacklevel=5,
            )
        return again.run(args, kwargs)

    def repeat(self, n: int, *args: Any, **kwargs: Any) -> Any:
        """Run the step n times on the same arguments, as n calls would, where possible without Python in between.

        Args:
            n: how many times, at least 1.
            args, kwargs: what each of the n calls gets; arguments that the step updates go on from call to call.

        Returns:
            What the step returns, with every tensor replaced by the array of its n values stacked along axis 0.

        >>> import autograd as ag
        >>> w = ag.Tensor(1.0)
        >>> @ag.compile
        ... def step():
        ...     w.data = w.data * 2
        ...     return w * 1
        >>> step.repeat(3)
        array([2., 4., 8.])
        """
        if not isinstance(n, (int, np.integer)) or n < 1:
            raise ArgumentError(f"repeat needs a whole number of steps, at least 1, got {n!r}")
        done: list[Any] = []
        while len(done) < n:
            rest = self._in_machine_code(n - len(done), args, kwargs, None)
            if rest is not None:
                return _joined(done, rest)
            done.append(_apart(self(*args, **kwargs)))
        return _stacked(done)

    def _in_machine_code(self, n: int, args: tuple[Any, ...], kwargs: dict[str, Any], stacked: list[Any] | None) -> Any:
        """n steps without Python in between, and their stacked results as `_joined` takes them; None where that cannot be."""
        if self._check or self._held() or current().trace is not None:
            return None
        for program in self._programs:
            if program.loop is not None:
                results = program.loop.run(n, args, kwargs, stacked, (MISS, PLAIN))
                if results is not None:
                    self._use(program)
                    return program.outcome.structure, results
        return None

    @property
    def looped(self) -> bool:
        """Whether `scan` keeps the loop over steps of the kind that ran last inside machine code."""
        loop = self._programs[0].loop if self._programs else None
        return loop is not None and not self._check and current().compiled and loop.can_scan

    def scan(self, *stacked: Any, **stacked_kwargs: Any) -> Any:
        """Run one step per leading index of the arguments.

        Args:
            stacked: as the step's arguments, with one more axis in front, of the same length (at least 1) for all.  What is
                to stay the same is closed over, or given with such an axis: ``np.broadcast_to(x, (n, *x.shape))``.

        Returns:
            What the step returns, stacked along axis 0.

        >>> import autograd as ag
        >>> ag.compile(lambda x: x.sum()).scan(np.array([[1.0, 2.0], [3.0, 4.0]]))
        array([3., 7.])
        """
        leaves, structure = tree.flatten((stacked, stacked_kwargs))
        arrays = [numbers(_array(x), "an argument of scan") for x in leaves]
        lengths = {x.shape[0] if x.ndim else None for x in arrays}
        if len(lengths) != 1 or None in lengths:
            raise ArgumentError(
                f"scan needs arrays with one common leading length, got shapes {[x.shape for x in arrays]}: let the step "
                "close over what stays the same (scan a lambda that passes it), or give it that axis: "
                "np.broadcast_to(x, (n, *x.shape))"
            )
        length = lengths.pop() or 0
        if not length:
            raise ArgumentError("scan needs at least one row: over none, nothing says what the step returns")
        arrays = [np.ascontiguousarray(x) for x in arrays]
        done: list[Any] = []

        def row(i: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
            given: tuple[tuple[Any, ...], dict[str, Any]] = tree.unflatten(
                structure, [Tensor(x.data[i]) if isinstance(x, Tensor) else x[i] for x in leaves]
            )
            return given

        while len(done) < length:
            args, kwargs = row(len(done))
            rest = self._in_machine_code(length - len(done), args, kwargs, [x[len(done) :] for x in arrays])
            if rest is not None:
                return _joined(done, rest)
            done.append(_apart(self(*args, **kwargs)))
        return _stacked(done)

    @property
    def generators(self) -> list[np.random.Generator]:
        """The random generators that the function can reach, and so may draw from."""
        return list({id(g): g for g, _ in Snapshot((name_of(self.function), self.function)).generators}.values())

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a method: a compiled function per instance, kept by the instance, so that instances never share traces."""
        if instance is None or not hasattr(self.function, "__get__"):
            return self
        if current().trace is not None:  # where it runs as plain Python, and nothing may be kept
            return self.function.__get__(instance, owner)
        try:
            attributes: dict[str, Any] = instance.__dict__
        except AttributeError:
            raise ArgumentError(
                f"{type(instance).__name__} has no __dict__ to keep its compiled {name_of(self.function)} in: add '__dict__' "
                "to its __slots__, or compile a function outside the class"
            ) from None
        kept = attributes.get(_Methods.NAME)
        if kept is None or kept.instance is not instance:  # (a copy of an instance has what that one has)
            kept = attributes[_Methods.NAME] = _Methods(instance)
        found: CompiledFunction | None = kept.compiled.get(self)
        if found is None:
            found = kept.compiled.setdefault(self, self._copy(self.function.__get__(instance, owner)))
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> CompiledFunction:
        """The same function, of the copied instance where it is a method, with nothing traced yet."""
        return self._copy(copy.deepcopy(self.function, memo))

    def _copy(self, function: Callable[..., Any]) -> CompiledFunction:
        return CompiledFunction(function, self.backend, self._static, self._check, self.max_traces)

    # ----- looking inside -----
    @property
    def trace_count(self) -> int:
        """How many times the function has been traced."""
        return len(self._history)

    def _latest(self) -> Program:
        if not self._history:
            raise TraceError(f"{name_of(self.function)} has not been traced yet: call it once first")
        return self._programs[0] if self._programs else self._history[-1]

    @property
    def graph(self) -> Graph:
        """The optimised graph of the trace used last."""
        return self._latest().graph

    @property
    def stages(self) -> list[tuple[str, Graph]]:
        """The graph as traced and after each pass, with the pass's name."""
        return self._latest().stages

    @property
    def source(self) -> str:
        """The step as a NumPy program that runs on its own."""
        return numpy_source.source(self.graph)

    @property
    def program(self) -> str:
        """The program that really runs: the source with a place for every array that can have one."""
        return self._latest().executable.text

    @property
    def llvm(self) -> str:
        """The optimised LLVM assembly of the trace used last (native backend)."""
        return self._listing("llvm")

    @property
    def asm(self) -> str:
        """The processor's own assembly of the trace used last (native backend)."""
        return self._listing("asm")

    def _listing(self, notation: str) -> str:
        program = self._latest()
        text = program.executable.listing(notation)
        if text is None:
            raise ArgumentError(
                f'{name_of(self.function)} runs by the {program.backend} backend: use compile(backend="native") to get '
                "machine code"
            )
        return text

    def draw(self, path: str | None = None, **options: Any) -> Any:
        """A picture of the optimised graph; the options are those of `autograd.draw`."""
        from ..render import draw

        return draw(self.graph, path, **options)

    def explain(self, profile: tuple[Any, ...] | None = None) -> str:
        """Every trace with its reason, the passes with equation counts, the fusion groups, and the memory plan.

        For machine code each group is listed with what it became (a loop, a product in tiles or by BLAS, a call of
        NumPy), its operations, and the lines of the source that they come from.

        Args:
            profile: the arguments of a call, such as ``(x, y)``: the groups are then listed with the time that each takes
                in this call.  A copy of the program is measured, and neither tensors nor random generators change.
                Only machine code can be measured (``backend="native"``).

        Raises:
            ArgumentError: `profile` for a step that does not run as machine code, or has not been called with such arguments.
        """
        if not self._history:
            return f"{name_of(self.function)}: not traced yet"
        measured, times = (None, None) if profile is None else self._measured(profile)
        lines = [
            f"{name_of(self.function)}: {len(self._history)} trace{'s' * (len(self._history) > 1)}, "
            f"backend {self._latest().backend}"
        ]
        for number, program in enumerate(self._history, start=1):
            lines.append(f"trace {number}: {program.reason}")
            counts = [f"{name} {len(graph.eqns)}" for name, graph in program.stages]
            lines.append(f"  equations: {' -> '.join(counts)}")
            groups = fusion_groups(program.graph)
            loops = [g for g in groups if g.kind == "loop"]
            lines.append(f"  fusion groups: {len(groups)}, of which {len(loops)} loops")
            lines += [f"  {line}" for line in program.executable.explain(times if program is measured else None)]
            plan = program.executable.plan
            if plan is not None:
                apart = sum(nbytes(var) for var in plan.offsets)
                lines.append(
                    f"  memory: {len(plan.offsets)} arrays in {plan.size} bytes (apart they would take {apart})"
                )
        return "\n".join(lines)

    def _measured(self, args: tuple[Any, ...]) -> tuple[Program, Any]:
        """The machine code that runs for these arguments, and the times of its groups."""
        if not isinstance(args, tuple):
            raise ArgumentError(f"profile= is the tuple of a call's arguments, such as (x, y), not {args!r}")
        name = name_of(self.function)
        for program in self._programs:
            with self._lock:
                values = program.gather(args, {})
                if values is MISS or values is PLAIN:
                    continue
                values = [np.array(value) for value in values]
            times = program.executable.measure(values)
            if times is None:
                raise ArgumentError(
                    f"only machine code can be profiled, and {name} runs by the {program.backend} backend: use "
                    'compile(backend="native")'
                )
            return program, times
        raise ArgumentError(f"{name} has no trace for these arguments: call it with them first, then profile the call")

    def __repr__(self) -> str:
        return f"<compiled {name_of(self.function)}, {self.trace_count} traces>"


class _Methods:
    """The compiled methods of one instance, by their descriptors; a copy of the instance begins with none."""

    __slots__ = ("compiled", "instance")
    NAME = "__compiled__"  # of the attribute that keeps them

    def __init__(self, instance: Any = None) -> None:
        self.instance = instance
        self.compiled: dict[CompiledFunction, CompiledFunction] = {}

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return _Methods, ()


def compile(
    function: Callable[..., Any] | None = None,
    *,
    backend: str | None = None,
    static: str | Iterable[str] = (),
    check: bool = False,
    max_traces: int = 16,
) -> Any:
    """Trace a whole step (forward, backward, optimizer update) at its first call and from then on run it as a program.

    **What a step reads is an argument, is watched, or is refused; what it binds anew is a result, bound again at every call;
    every other thing that it changes is refused, and undone.**

    Read: tensors and arrays are inputs by reference, random draws are drawn anew, float arguments may vary.  Everything else
    (numbers, strings, functions, methods and attributes in closures, globals and arguments, shapes and dtypes) is guarded:
    a change traces anew.  A number that has changed becomes an input, so a schedule of learning rates traces twice.

    Bound anew: parameters, gradients and optimizer state, and also attributes, variables, keys of dicts and items of lists
    (``self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)``, ``self.out = x @ w``, ``count += 1``), with the types that they
    have without compilation, by `repeat`, `scan` and `fit` too.  Such a step is traced once more at its second call, where
    what it keeps becomes an input.  Lists that grow, keys that go and arrays that are written into are refused.

    The second call of each kind runs the function once more and compares the two programs.  Where they differ (an iterator,
    a clock, attributes behind code), the second call returns what its own trace computed, and from the third on the function
    runs without compilation, with one warning that names the line.  A trace that is refused or fails leaves everything in
    reach as it was; but an iterator that it has advanced stays advanced.

    Results have the types that they have without compilation, and carry no graph.  Machine code may round the last bits of
    them differently.  A program computes inf and nan without the warnings and errors that NumPy may be told to give
    (`np.errstate` and `np.seterr` inside the step are refused); where Python numbers among the arguments divide by zero,
    overflow or become complex, the call runs as the Python it was made from.

    Calls of one step from several threads run one after the other.  What it writes (values of tensors, their gradients) may
    be seen half done by a thread that reads it meanwhile, or in a process forked meanwhile: only a call's result is its own.
    A step that changes something is refused where it is called from within itself, by a primitive or a signal handler.

    Args:
        function: the step; left out where options are given (``@compile(backend="numpy")``).
        backend: "native" (machine code, needs llvmlite), "numpy", or "reference" (each operation alone, to test the others
            by); by default native where llvmlite is installed and the step has no more than 20,000 operations.
        static: names of arguments whose values become part of the trace, for branches on them.
        check: run every call both ways and raise where the results differ.
        max_traces: after so many traces, calls that fit none run eagerly, with one warning.

    Returns:
        A `CompiledFunction`: call it, or use its repeat, scan, graph, source, explain and draw.

    Raises:
        ArgumentError: unknown backend or static name.
        MissingDependencyError: backend="native" without llvmlite.
        TraceError: at one of the first calls, if the step needs the value of a traced tensor, draws random numbers in a way
            that no trace can follow, or changes what no program can change again.

    >>> import autograd as ag
    >>> w = ag.Tensor([1.0, 2.0], requires_grad=True)
    >>> @ag.compile
    ... def step(x):
    ...     w.grad = None
    ...     loss = ((w - x) ** 2).sum()
    ...     loss.backward()
    ...     w.data = w.data - 0.25 * w.grad
    ...     return loss
    >>> [float(step(np.zeros(2))) for _ in range(3)]
    [5.0, 1.25, 0.3125]
    """
    if backend is not None:
        missing = base.find(backend).missing()
        if missing is not None:
            raise MissingDependencyError(missing)
    names = frozenset([static] if isinstance(static, str) else static)

    def wrap(f: Callable[..., Any]) -> CompiledFunction:
        check_static(f, names)
        return CompiledFunction(f, backend, names, check, max_traces)

    return wrap if function is None else wrap(function)


def _apart(result: Any) -> Any:
    """A result in containers of its own: those of the arguments are changed by later steps."""
    return tree.map(lambda leaf: leaf, result)


def _stacked(results: list[Any]) -> Any:
    leaves = [tree.flatten(result)[0] for result in results]
    structure = tree.flatten(results[0])[1] if results else None
    return tree.unflatten(
        structure, [np.stack([np.asarray(_array(x)) for x in column]) for column in zip(*leaves, strict=True)]
    )


def _joined(first: list[Any], rest: tuple[Any, list[Any]]) -> Any:
    """Results of single steps, then structure and stacked results of many."""
    structure, columns = rest
    if first:
        single = zip(*(tree.flatten(result)[0] for result in first), strict=True)
        columns = [
            np.concatenate([np.stack([np.asarray(_array(x)) for x in column]), more])
            for column, more in zip(single, columns, strict=True)
        ]
    return tree.unflatten(structure, columns)


def _array(value: Any) -> Any:
    return value.value if isinstance(value, Tensor) else value
