"""One compiled trace: the checks that say whether it may run, the program itself, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import base
from ..backends.base import Backend, Executable, Loop, Step
from ..core import tree
from ..core.errors import ArgumentError
from ..core.tensor import Tensor
from ..ir import guards
from ..ir.arguments import argument_names
from ..ir.elements import Looks
from ..ir.graph import Graph, Literal
from ..ir.outcome import Outcome
from ..ir.places import Place
from ..ir.trace import name_of
from ..ir.transaction import Traced, leaf_kind, slot_kind
from ..ir.walk import Walk
from ..passes import optimise
from .entry import MISS, Enter, generate

AT_ONCE = "numpy"  # the backend that costs least to compile for


def missed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `enter` is until the program is confirmed."""
    return MISS


@dataclass(slots=True)
class Program:
    """A trace of one function for one kind of call."""

    reason: str
    stages: list[tuple[str, Graph]]
    backend: str
    executable: Executable
    run: Enter  # checks, runs, and leaves behind what the step does
    gather: Enter  # checks only
    steps: Loop | None  # many steps within machine code
    walk: Walk
    outcome: Outcome
    structure: Any  # of the arguments
    leaves: list[tuple[str, str, Any]]  # per leaf of the arguments, then per slot: name, kind, what it must be
    slots: list[Place]
    passing: bool  # whether it changes what it depends on, so that the next call will hardly fit
    traced: Traced | None  # until a second trace has been compared with it
    enter: Enter = missed  # `run` from then on
    loop: Loop | None = None  # `steps` from then on

    @property
    def graph(self) -> Graph:
        """The optimised graph."""
        return self.stages[-1][1]

    @property
    def changes(self) -> bool:
        """Whether the step leaves anything behind besides its result."""
        return bool(self.outcome.updates or self.outcome.gradients or self.outcome.effects)

    def confirm(self) -> None:
        """From now on the program may run at every call that it fits."""
        self.enter, self.loop, self.traced = self.run, self.steps, None

    def mismatches(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
        """Why the program does not fit this call."""
        leaves, structure = tree.flatten((args, kwargs))
        if structure != self.structure:
            return ["the arguments have another structure"]
        found = []
        for leaf, (name, kind, expected) in zip([*leaves, *(p.get() for p in self.slots)], self.leaves, strict=True):
            now = leaf_kind(leaf, kind == "static") if kind != "int" else slot_kind(leaf)
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


def _leaf_text(kind: str, what: Any) -> str:
    if kind in ("tensor", "array"):
        text = f"{kind} {what[1]}{list(what[0])}"
        return text + (" requires_grad" if kind == "tensor" and what[2] else "")
    return kind if kind in ("float", "int") else repr(what)


def build(
    function: Callable[..., Any], traced: Traced, reason: str, backend: str | None, lock: Any, reused: bool = False
) -> Program:
    """Optimise and compile a traced call.

    `lock` is held by every run of the program.  A trace that changes what it depends on, as a first call does, is not worth
    machine code unless it is `reused` by later calls.
    """
    recorder, outcome = traced.recorder, traced.outcome
    walk = traced.watch(function)
    read = {a for eqn in recorder.eqns if eqn.phase != "backward" for a in eqn.inputs}
    computed = any(isinstance(a, Literal) and not a.weak for a in read)
    left = [*outcome.leaves, *(leaf for effect in outcome.effects for leaf in effect.leaves)]
    computed = computed or any(
        kind in ("static", "copy") and isinstance(x, np.ndarray | np.generic) for kind, x in left
    )
    constants = [array for var, array in recorder.constants.values() if var in read]
    guards.guard_contents(walk, constants, computed, Looks(recorder.codes, recorder.holding))
    for tensor, var in recorder.captured.items():
        var.name = var.name or walk.tensors.get(tensor, "")
    stages = optimise(traced.host.without(recorder.graph(outcome.outputs, outcome.labels)))
    graph = stages[-1][1]
    position = {var: i for i, var in enumerate(graph.inputs)}
    owners = recorder.outside
    # Gradients of arguments leave the arena at once: the next call may bring other tensors.
    keep = frozenset(i for t, i in outcome.gradients.items() if i is not None and t not in recorder.arguments)
    overwrite = {number: position[owners[tensor]] for tensor, number in outcome.updates.items()}
    held = {place.identity for place in traced.slots}
    passing = not reused and any(effect.place.identity not in held for effect in outcome.effects)
    chosen = choose(backend, graph, passing)
    executable = chosen.compile(graph, keep, overwrite)
    run, gather = generate(traced, graph, executable, walk, lock)
    inputs = {id(thing): position.get(var) for thing, var in recorder.arguments.items()}
    numbers = [inputs.get(id(thing)) for thing in traced.given[: traced.count]]
    accumulates = not recorder.captured_gradients.keys().isdisjoint(outcome.gradients)
    traced.release()
    steps = None
    if not outcome.effects:
        given = traced.given[: traced.count]
        arguments = {t: i for i, t in reversed(list(enumerate(given))) if isinstance(t, Tensor)}
        steps = executable.loop(Step(outcome, gather, lock, arguments, numbers, accumulates))
    leaves = [(n, k, w) for n, (k, w) in zip(traced.names, traced.kinds, strict=True)]
    return Program(
        reason,
        stages,
        chosen.name,
        executable,
        run,
        gather,
        steps,
        walk,
        outcome,
        traced.structure,
        leaves,
        traced.slots,
        passing,
        traced,
    )


def choose(name: str | None, graph: Graph, passing: bool) -> Backend:
    """The backend for a graph: the one named, or the first that can run and for which the graph is not too large.

    What will hardly run a second time is compiled by one that compiles at once.
    """
    fitting = [base.find(each) for each in ([name] if name else base.names())]
    for backend in fitting:
        most = backend.most_equations
        if backend.available() and (name or most is None or len(graph.eqns) <= most):
            return base.find(AT_ONCE) if passing and most is not None else backend
    return fitting[0]


def check_static(function: Callable[..., Any], static: frozenset[str]) -> None:
    """Refuse names in `static` that are no parameters of the function."""
    import inspect

    parameters = inspect.signature(function).parameters
    unknown = sorted(static - parameters.keys())
    if unknown:
        raise ArgumentError(f"static={unknown} names no argument of {name_of(function)}; it has {list(parameters)}")
