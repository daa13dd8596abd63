"""One compiled trace: the checks that say whether it may run, the program itself, and what it leaves behind."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, TraceError
from ..ir import guards
from ..ir.graph import Graph, Literal
from ..ir.randomness import TracedGenerator, Watch
from ..ir.trace import Outcome, Trace, argument_names, collect, name_of, stand_in
from ..ir.walk import Walk
from ..passes import optimise
from ..tensor import Tensor
from . import native, numpy_source
from .entry import generate
from .native.steps import Loop

MOST_FOR_MACHINE_CODE = 20_000  # equations: beyond, LLVM takes longer than anybody who has not asked for it would wait


@dataclass(slots=True)
class Program:
    """A trace of one function for one kind of call."""

    reason: str
    stages: list[tuple[str, Graph]]
    compiled: numpy_source.Compiled | native.NativeProgram
    enter: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    walk: Walk
    leaves: list[tuple[str, str, Any]]  # per argument leaf: name, kind, what it must be
    structure: Any
    loop: Loop | None  # many steps within machine code
    outcome: Outcome

    @property
    def graph(self) -> Graph:
        """The optimised graph."""
        return self.stages[-1][1]

    @property
    def changes(self) -> bool:
        """Whether the step leaves anything behind besides its result."""
        return bool(self.outcome.updates or self.outcome.gradients)

    def mismatches(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """Why the program does not fit this call."""
        leaves, structure = tree.flatten((args, kwargs))
        if structure != self.structure:
            return ["the arguments have another structure"]
        found = []
        for leaf, (name, kind, expected) in zip(leaves, self.leaves, strict=True):
            now = leaf_kind(leaf, kind == "static")
            if now[0] != kind or (kind != "static" and now[1] != expected):
                found.append(f"{name}: {_leaf_text(kind, expected)} -> {_leaf_text(*now)}")
        return found + guards.failures(self.walk, arguments=variables(leaves))


def variables(leaves: list[Any]) -> dict[str, Any]:
    """The leaves of the arguments under the names that they have in the entry."""
    return {f"a{i}": leaf for i, leaf in enumerate(leaves)}


def static_arguments(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[str]
) -> dict[str, tuple[str, Any]]:
    """Leaves of the arguments that are no inputs, and so have to be watched: by variable of the entry, name and value."""
    leaves = tree.flatten((args, kwargs))[0]
    named = zip(leaves, *argument_names(function, args, kwargs), strict=True)
    kinds = [(name, leaf, leaf_kind(leaf, parameter in static)[0]) for leaf, parameter, name in named]
    return {f"a{i}": (name, leaf) for i, (name, leaf, kind) in enumerate(kinds) if kind == "static"}


def leaf_kind(leaf: Any, static: bool) -> tuple[str, Any]:
    """How a leaf of the arguments enters the key: as an array of some shape and dtype, a float, or a fixed value."""
    if not static:
        if isinstance(leaf, Tensor):
            return "tensor", (leaf.shape, leaf.dtype, leaf.requires_grad)
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "biuf":
            return "array", (leaf.shape, leaf.dtype)
        if type(leaf) is float:
            return "float", None
    return "static", leaf


def _leaf_text(kind: str, what: Any) -> str:
    if kind in ("tensor", "array"):
        text = f"{kind} {what[1]}{list(what[0])}"
        return text + (" requires_grad" if kind == "tensor" and what[2] else "")
    return kind if kind == "float" else repr(what)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which would go through all equations so far again and again; they make no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def build(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    static: frozenset[str],
    reason: str,
    varying: frozenset[tuple[int, str]] = frozenset(),
    first: bool = True,
    backend: str = "numpy",
    *,
    lock: Any,
) -> Program:
    """Trace a call, optimise and compile it; nothing is computed yet and no tensor changes.

    `varying` has the keys of floats in closures and attributes that have changed before: they become inputs, unless the
    function needs their value.  `lock` is held by every run of the program.
    """
    recorder = Trace(name_of(function))
    values, structure = tree.flatten((args, kwargs))
    parameters, names = argument_names(function, args, kwargs)
    kinds = [leaf_kind(v, parameter in static) for v, parameter in zip(values, parameters, strict=True)]
    watched = static_arguments(function, args, kwargs, static)
    before = guards.collect(function, None, watched)
    given: list[Any] = []
    for value, name, (kind, _) in zip(values, names, kinds, strict=True):
        if isinstance(value, np.random.Generator):
            given.append(TracedGenerator(value, recorder))
        else:
            given.append(value if kind == "static" else stand_in(recorder, value, name))
    call_args, call_kwargs = tree.unflatten(structure, given)
    lifted = {
        before.key(guard): guard
        for guard in before.guards
        if before.key(guard) in varying and isinstance(guard.expected, guards.FLOATS)
    }
    inputs = {
        key: recorder.input(
            (), np.dtype(type(guard.expected)), guard.label.rpartition(".")[2], weak=type(guard.expected) is float
        )
        for key, guard in lifted.items()
    }
    try:
        with Watch(recorder, before.generators):
            try:
                for key, guard in lifted.items():
                    guard.put(Tensor(inputs[key]))  # type: ignore[misc]
                result = recorder.run(function, call_args, call_kwargs)
            finally:
                for guard in lifted.values():
                    guard.put(guard.expected)  # type: ignore[misc]
    except Exception:  # whatever it says to a tensor where there was a float
        if not lifted:
            raise
        return build(function, args, kwargs, static, reason, first=first, backend=backend, lock=lock)
    walk = guards.collect(function, recorder.codes, watched)
    keys = {walk.key(guard) for guard in walk.guards}
    changed = guards.failures(before, keys, variables(values))
    known = {before.key(guard) for guard in before.guards}
    made = [guard for guard in walk.guards if "__dict__" in guard.path and walk.key(guard) not in known]
    if (changed or made) and first:  # a cache that it has filled, perhaps: then the second run leaves it alone
        return build(function, args, kwargs, static, reason, varying, False, backend, lock=lock)
    if changed:
        raise TraceError(
            f"{name_of(function)} changes what it reads while it runs ({'; '.join(changed)}), and a compiled step would not "
            "do so again: return the value, pass it as an argument, or keep it in a Tensor"
        )
    read = {a for eqn in recorder.eqns if eqn.phase != "backward" for a in eqn.inputs}
    computed = any(isinstance(a, Literal) and not a.weak for a in read)
    guards.guard_contents(walk, [array for var, array in recorder.constants.values() if var in read], computed)
    for tensor, var in recorder.captured.items():
        var.name = var.name or walk.tensors.get(tensor, "")
    outcome = collect(recorder, result)
    stages = optimise(recorder.graph(outcome.outputs, outcome.labels))
    graph = stages[-1][1]
    position = {var: i for i, var in enumerate(graph.inputs)}
    owners = {**recorder.arguments, **recorder.captured}
    # Gradients of arguments leave the arena at once: the next call may bring other tensors.
    keep = frozenset(i for t, i in outcome.gradients.items() if i is not None and t not in recorder.arguments)
    overwrite = {number: position[owners[tensor]] for tensor, number in outcome.updates.items()}
    machine_code = backend == "native" or (backend == "auto" and len(graph.eqns) <= MOST_FOR_MACHINE_CODE)
    compiled = (native if machine_code else numpy_source).compile_graph(graph, keep, overwrite)
    reach = {tracer.var: "0.0" for tracer in inputs.values()}  # (what the function did not read is any number)
    for guard in [g for g in walk.guards if walk.key(g) in lifted]:
        walk.guards.remove(guard)
        walk.must_be(f"type of {guard.label}", f"type({guard.path})", type(guard.expected), by_value=False)
        reach[inputs[walk.key(guard)].var] = guard.path
    enter, gather = generate(recorder, graph, outcome, compiled, walk, values, kinds, structure, given, reach, lock)
    leaves = [(n, k, w) for n, (k, w) in zip(names, kinds, strict=True)]
    loop = None
    if isinstance(compiled, native.NativeProgram):
        numbers = [
            position.get(recorder.arguments[g]) if k != "static" and isinstance(g, Tensor) else None
            for g, (k, _) in zip(given, kinds, strict=True)
        ]
        loop = Loop(
            compiled,
            outcome,
            gather,
            lock,
            {t: i for i, t in reversed(list(enumerate(given))) if isinstance(t, Tensor)},
            numbers,
            accumulates=not recorder.captured_gradients.keys().isdisjoint(outcome.gradients),
        )
    return Program(reason, stages, compiled, enter, walk, leaves, structure, loop, outcome)


def check_static(function: Callable[..., Any], static: frozenset[str]) -> None:
    """Refuse names in `static` that are no parameters of the function."""
    import inspect

    parameters = inspect.signature(function).parameters
    unknown = sorted(static - parameters.keys())
    if unknown:
        raise ArgumentError(f"static={unknown} names no argument of {name_of(function)}; it has {list(parameters)}")
