"""One compiled trace: the checks that say whether it may run, the program itself, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..backends import base
from ..backends.base import Backend, Executable, Loop, Step
from ..core.tensor import Tensor
from ..ir import guards
from ..ir.arguments import Call, leaf_kind
from ..ir.graph import Graph
from ..ir.places import Place
from ..ir.transaction import Traced, slot_kind
from ..ir.walk import Walk
from ..passes import optimise
from ..passes.fuse import fusion_groups
from ..passes.memory import nbytes
from .entry import Enter, generate

AT_ONCE = "numpy"  # the backend that costs least to compile for


@dataclass(slots=True)
class Program:
    """A trace of one function for one kind of call."""

    reason: str
    stages: list[tuple[str, Graph]]
    backend: str
    executable: Executable
    run: Enter  # checks, runs, and leaves behind what the step does
    gather: Enter  # checks only; whoever calls it holds the lock
    loop: Loop | None  # many steps without Python in between
    walk: Walk
    returns: Any  # the structure of the result
    changes: bool  # whether the step leaves anything behind besides its result
    structure: Any  # of the arguments
    leaves: list[tuple[str, str, Any]]  # per leaf of the arguments, then per slot: name, kind, what it must be
    slots: list[Place]
    passing: bool  # whether it changes what it depends on, so that the next call will hardly fit

    @property
    def graph(self) -> Graph:
        """The optimised graph."""
        return self.stages[-1][1]

    def mismatches(self, call: Call) -> list[str]:
        """Why the program does not fit this call."""
        if call.structure != self.structure:
            return ["the arguments have another structure"]
        found = []
        present = [*call.leaves, *(place.get() for place in self.slots)]
        for leaf, (name, kind, expected) in zip(present, self.leaves, strict=True):
            now = leaf_kind(leaf, kind == "static") if kind != "int" else slot_kind(leaf)
            if now[0] != kind or (kind != "static" and now[1] != expected):
                found.append(f"{name}: {_leaf_text(kind, expected)} -> {_leaf_text(*now)}")
        return found + guards.failures(self.walk, arguments=call.variables)

    def explain(self, times: Any) -> list[str]:
        """The passes with equation counts, what became of the equations, and the memory plan."""
        counts = [f"{name} {len(graph.eqns)}" for name, graph in self.stages]
        groups = fusion_groups(self.graph)
        loops = [group for group in groups if group.kind == "loop"]
        lines = [
            f"equations: {' -> '.join(counts)}",
            f"fusion groups: {len(groups)}, of which {len(loops)} loops",
            *self.executable.explain(times),
        ]
        plan = self.executable.plan
        if plan is not None:
            apart = sum(nbytes(var) for var in plan.offsets)
            lines.append(f"memory: {len(plan.offsets)} arrays in {plan.size} bytes (apart they would take {apart})")
        return lines


def _leaf_text(kind: str, what: Any) -> str:
    if kind in ("tensor", "array"):
        text = f"{kind} {what[1]}{list(what[0])}"
        return text + (" requires_grad" if kind == "tensor" and what[2] else "")
    return kind if kind in ("float", "int") else repr(what)


def build(call: Call, traced: Traced, reason: str, backend: str | None, lock: Any, reused: bool = False) -> Program:
    """Optimise and compile a traced call, and let go of its arguments.

    `lock` is held by every run of the program.  A trace that changes what it depends on, as a first call does, is not worth
    machine code unless it is `reused` by later calls.
    """
    recorder, outcome = traced.recorder, traced.outcome
    walk = traced.watch(call)
    guards.guard_contents(walk, recorder, outcome)
    for tensor, var in recorder.captured.items():
        var.name = var.name or walk.tensors.get(tensor, "")
    stages = optimise(traced.host.without(recorder.graph(outcome.outputs, outcome.labels)))
    graph = stages[-1][1]
    held = {place.identity for place in traced.slots}
    passing = not reused and any(effect.place.identity not in held for effect in outcome.effects)
    chosen = choose(backend, graph, passing)
    executable = _compiled(traced, graph, chosen)
    run, gather = generate(traced, graph, executable, walk, lock)
    step = _released(traced, graph, gather, lock)
    return Program(
        reason=reason,
        stages=stages,
        backend=chosen.name,
        executable=executable,
        run=run,
        gather=gather,
        loop=None if outcome.effects else executable.loop(step),
        walk=walk,
        returns=outcome.structure,
        changes=bool(outcome.updates or outcome.gradients or outcome.effects),
        structure=traced.structure,
        leaves=[(n, k, w) for n, (k, w) in zip(traced.names, traced.kinds, strict=True)],
        slots=traced.slots,
        passing=passing,
    )


def _compiled(traced: Traced, graph: Graph, backend: Backend) -> Executable:
    """The executable, with what of its outputs may stay in its memory, and what may be overwritten."""
    recorder, outcome = traced.recorder, traced.outcome
    position = {var: i for i, var in enumerate(graph.inputs)}
    # Gradients of arguments leave the arena at once: the next call may bring other tensors.
    keep = frozenset(i for t, i in outcome.gradients.items() if i is not None and t not in recorder.arguments)
    owners = recorder.outside
    overwrite = {number: position[owners[tensor]] for tensor, number in outcome.updates.items()}
    return backend.compile(graph, keep, overwrite)


def _released(traced: Traced, graph: Graph, gather: Enter, lock: Any) -> Step:
    """What loops over steps need, with the arguments told by their positions."""
    recorder, outcome = traced.recorder, traced.outcome
    position = {var: i for i, var in enumerate(graph.inputs)}
    inputs = {id(thing): position.get(var) for thing, var in recorder.arguments.items()}
    numbers = [inputs.get(id(thing)) for thing in traced.given[: traced.count]]
    accumulates = not recorder.captured_gradients.keys().isdisjoint(outcome.gradients)
    traced.release()
    given = list(enumerate(traced.given[: traced.count]))
    arguments = {thing: i for i, thing in reversed(given) if isinstance(thing, Tensor)}
    return Step(outcome, gather, lock, arguments, numbers, accumulates)


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
