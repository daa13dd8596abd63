"""The `compile` decorator: trace a step, optimise it, run the program; trace again when what it depends on changes."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..backends import base, numpy_source
from ..core import tree
from ..core.errors import ArgumentError, MissingDependencyError, TraceError
from ..core.mode import current
from ..core.subclasses import numbers
from ..core.tensor import Tensor
from ..ir.arguments import Call
from ..ir.graph import Graph
from ..ir.state import Snapshot
from ..ir.trace import name_of
from .checked import run_checked
from .entry import MISS, PLAIN
from .program import Program
from .traces import Traces


class CompiledFunction:
    """A function that is traced at its first call and then runs as a program; see `compile`."""

    def __init__(
        self, function: Callable[..., Any], backend: str | None, static: frozenset[str], check: bool, max_traces: int
    ) -> None:
        self.function, self.backend, self.max_traces = function, backend, max_traces
        self._static, self._check = static, check
        self._traces = Traces(function, backend, static, max_traces)
        self._enter = self._traces.run
        self._held = self._traces.lock._is_owned  # whether this very thread is in the step
        functools.update_wrapper(self, function)

    # ----- calling -----
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._check and not self._plain():
            call = Call(self.function, args, kwargs, self._static)
            return run_checked(call, lambda: self._run(args, kwargs))
        return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._held():
            return self._from_within(args, kwargs)
        result = self._enter(args, kwargs)
        if result is MISS and not self._plain() and not self._traces.complete:
            result = self._traces.trace(args, kwargs)
        return self.function(*args, **kwargs) if result is MISS or result is PLAIN else result

    def _plain(self) -> bool:
        """Whether calls run as the Python that they were made from; inside another trace they become part of it."""
        mode = current()
        return mode.trace is not None or mode.anomaly is not None or not mode.compiled

    def _from_within(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call by a primitive of the user's, or by a signal handler, while this very thread traces or runs the step."""
        if not self._plain() and self._traces.changing:
            raise TraceError(
                f"{name_of(self.function)} is called from within itself, by a primitive or a signal handler: what it changes "
                "is half done. Call it before or after, or write the call so that it changes no tensor"
            )
        return self.function(*args, **kwargs)

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
        for program in self._traces.programs:
            if program.loop is not None:
                results = program.loop.run(n, args, kwargs, stacked, (MISS, PLAIN))
                if results is not None:
                    self._traces.use(program)
                    return program.returns, results
        return None

    @property
    def looped(self) -> bool:
        """Whether `scan` keeps the loop over steps of the kind that ran last inside machine code."""
        programs = self._traces.programs
        loop = programs[0].loop if programs else None
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
        return len(self._traces.history)

    def _latest(self) -> Program:
        if self._traces.latest is None:
            raise TraceError(f"{name_of(self.function)} has not been traced yet: call it once first")
        return self._traces.latest

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
        history = self._traces.history
        if not history:
            return f"{name_of(self.function)}: not traced yet"
        measured, times = (None, None) if profile is None else self._measured(profile)
        count = f"{len(history)} trace{'s' * (len(history) > 1)}"
        lines = [f"{name_of(self.function)}: {count}, backend {self._latest().backend}"]
        for number, program in enumerate(history, start=1):
            lines.append(f"trace {number}: {program.reason}")
            lines += [f"  {line}" for line in program.explain(times if program is measured else None)]
        return "\n".join(lines)

    def _measured(self, args: tuple[Any, ...]) -> tuple[Program, Any]:
        """The machine code that runs for these arguments, and the times of its groups."""
        if not isinstance(args, tuple):
            raise ArgumentError(f"profile= is the tuple of a call's arguments, such as (x, y), not {args!r}")
        name = name_of(self.function)
        for program in self._traces.history:
            with self._traces.lock:
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
    a change traces anew.  A float or array that has changed becomes an input, so a schedule of learning rates traces twice.
    So it is with objects of libraries, bytes and files in memory, names and flags of tensors; what no guard can see (the
    state of a random generator, ``np.geterr()``) is refused.

    Bound anew: parameters, gradients and optimizer state, and also attributes, variables, keys of dicts and items of lists
    (``self.mean = 0.9 * self.mean + 0.1 * x.mean(axis=0)``, ``self.out = x @ w``, ``count += 1``), with the types that they
    have without compilation, by `repeat`, `scan` and `fit` too.  Such a step is traced once more at its second call, where
    what it keeps becomes an input.  Lists that grow, keys that go and arrays that are written into are refused.

    The second call of each kind runs the function once more and compares the two programs.  Where they differ (an iterator,
    a clock, attributes behind code), the second call returns what its own trace computed, and from the third on the function
    runs without compilation, with one warning that names the line.  A trace that is refused or fails leaves everything in
    reach as it was; but an iterator that it has advanced stays advanced.

    Printing and logging happen while the function is traced, and not afterwards; the text of a traced value is its name and
    shape.  What nothing depends on is not computed, so its errors do not come.  Not seen are an iterator from outside whose
    first two values agree, and whether two arrays among the arguments are one.

    Results have the types that they have without compilation, and carry no graph.  Machine code may round the last bits of
    them differently.  A program computes inf and nan without the warnings and errors that NumPy may be told to give
    (`np.errstate` and `np.seterr` inside the step are refused); where Python numbers among the arguments divide by zero,
    overflow or become complex, the call runs as the Python it was made from.

    Calls of one step from several threads run one after the other.  What it writes (values of tensors, their gradients) may
    be seen half done by a thread that reads it meanwhile, or in a process forked meanwhile: only a call's result is its own.
    No other thread should change, or compute with, what a step can reach while it is traced.
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
        _check_static(f, names)
        return CompiledFunction(f, backend, names, check, max_traces)

    return wrap if function is None else wrap(function)


def _apart(result: Any) -> Any:
    """A result in containers of its own: those of the arguments are changed by later steps."""
    return tree.map(lambda leaf: leaf, result)


def _check_static(function: Callable[..., Any], static: frozenset[str]) -> None:
    """Refuse names in `static` that are no parameters of the function."""
    parameters = inspect.signature(function).parameters
    unknown = sorted(static - parameters.keys())
    if unknown:
        raise ArgumentError(f"static={unknown} names no argument of {name_of(function)}; it has {list(parameters)}")


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
