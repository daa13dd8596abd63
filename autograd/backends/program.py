"""One compiled trace: the checks that say whether it may run, the program itself, and what it leaves behind.

The whole entry is one generated Python function: at a few microseconds per step every attribute look-up counts.
"""

from __future__ import annotations

import contextlib
import contextvars
import gc
import sys
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
from ..mode import clock, current
from ..passes import optimise
from ..tensor import Tensor, constant
from . import native, numpy_source
from .native.steps import Loop
from .native.steps import body as native_body

Enter = Callable[[tuple[Any, ...], dict[str, Any]], Any]
MOST_FOR_MACHINE_CODE = 20_000  # equations: beyond, LLVM takes longer than anybody who has not asked for it would wait
MISS = object()  # what `enter` returns when the program was made for other circumstances


@dataclass(slots=True)
class Program:
    """A trace of one function for one kind of call."""

    reason: str
    stages: list[tuple[str, Graph]]
    compiled: numpy_source.Compiled | native.NativeProgram
    enter: Callable[[tuple[Any, ...], dict[str, Any]], Any]
    walk: guards.Walk
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
            if (
                now[0] != kind
                or (kind != "static" and now[1] != expected)
                or (kind == "static" and not guards.same(now[1], expected))
            ):
                found.append(f"{name}: {_leaf_text(kind, expected)} -> {_leaf_text(*now)}")
        return found + guards.failures(self.walk)


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
    before = guards.collect(function, None)
    given: list[Any] = []
    for value, name, (kind, _) in zip(values, names, kinds, strict=True):
        if isinstance(value, np.random.Generator):
            given.append(TracedGenerator(value, recorder))
        else:
            given.append(value if kind == "static" else stand_in(recorder, value, name))
    call_args, call_kwargs = tree.unflatten(structure, given)
    lifted = {before.key(guard): guard for guard in before.guards if before.key(guard) in varying}
    inputs = {
        key: recorder.input((), np.dtype(float), guard.label.rpartition(".")[2], weak=True)
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
    except TraceError:
        if not lifted:
            raise
        return build(function, args, kwargs, static, reason, first=first, backend=backend, lock=lock)
    walk = guards.collect(function, recorder.codes)
    changed = guards.failures(before, {walk.key(guard) for guard in walk.guards})
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
    walk.guard_contents([array for var, array in recorder.constants.values() if var in read], computed)
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
        reach[inputs[walk.key(guard)].var] = guard.path
    enter, gather = _entry(recorder, graph, outcome, compiled, walk, values, kinds, structure, given, reach, lock)
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
        )
    return Program(reason, stages, compiled, enter, walk, leaves, structure, loop, outcome)


def _entry(
    recorder: Trace,
    graph: Graph,
    outcome: Outcome,
    compiled: numpy_source.Compiled | native.NativeProgram,
    walk: guards.Walk,
    values: list[Any],
    kinds: list[tuple[str, Any]],
    structure: Any,
    given: list[Any],
    reach: dict[Any, str],
    lock: Any,
) -> tuple[Enter, Enter]:
    """Generate `enter(args, kwargs)`: check, run, assign, return; `reach` has the expressions of some inputs already.

    Beside it `gather`, which checks and returns the values of the graph's inputs.
    """
    mode = current()
    names: dict[str, Any] = {
        "MISS": MISS, "Tensor": Tensor, "ndarray": np.ndarray, "flatten": tree.flatten, "unflatten": tree.unflatten,
        "structure": structure, "same": guards.same, "current": current, "run": compiled.run, "quiet": _quiet_context().copy,
        "lock": lock, "constant": constant, "clock": clock, "refs": sys.getrefcount, "sole": _sole_references(),
        "wanted": mode.record, "keep": mode.keep, "usual": mode,
    }  # fmt: skip
    simple = (
        isinstance(structure[2][0], tuple)
        and not structure[2][1][1]
        and all(p == tree.LEAF for p in structure[2][0][2])
    )
    fails = [f"type({path}) is not float" for path in reach.values()]
    lines = [
        "mode = current()",
        "if mode is not usual and (mode.record is not wanted or mode.keep is not keep or mode.trace is not None"
        " or mode.anomaly is not None or not mode.compiled): return MISS",
    ]
    if simple:
        count = len(values)
        lines.append(f"if kwargs or len(args) != {count}: return MISS")
        if count:
            lines.append(f"{', '.join(f'a{i}' for i in range(count))}, = args")
    else:
        lines += ["leaves, found = flatten((args, kwargs))", "if found != structure: return MISS"]
        lines += [f"{', '.join(f'a{i}' for i in range(len(values)))}, = leaves"] if values else []
    first: dict[int, int] = {}  # id of a tensor argument -> its first position
    for i, (value, (kind, what)) in enumerate(zip(values, kinds, strict=True)):
        if kind == "static":
            names[f"s{i}"] = value
            fails.append(f"a{i} is not s{i} and not same(a{i}, s{i})")
        elif kind == "float":
            fails.append(f"type(a{i}) is not float")
            reach[recorder.arguments[given[i]]] = f"a{i}"
        else:
            names[f"s{i}"], names[f"d{i}"] = what[0], what[1]
            held = f"v{i}"
            if kind == "tensor":
                names[f"c{i}"], names[f"q{i}"] = type(value), what[2]
                fails.append(f"type(a{i}) is not c{i} or a{i}.requires_grad is not q{i} or a{i} in captured")
                fails.append(f"({held} := a{i}.value).shape != s{i} or {held}.dtype != d{i}")
                if id(value) in first:
                    fails.append(f"a{i} is not a{first[id(value)]}")
                else:
                    if value in walk.tensors:  # the function may have read it without taking it from its arguments
                        names[f"x{i}"] = value
                        fails.append(f"a{i} is not x{i}")
                    fails += [f"a{i} is a{j}" for other, j in first.items() if _may_alias(recorder, values[j], value)]
                    first[id(value)] = i
            else:
                names[f"c{i}"] = type(value)
                held = f"a{i}"
                fails.append(f"type(a{i}) is not c{i} or a{i}.shape != s{i} or a{i}.dtype != d{i}")
            reach.setdefault(recorder.arguments[given[i]], held)
    tensors = {tensor: f"a{i}" for i, tensor in ((j, values[j]) for j in first.values())}
    loads: list[str] = []
    for tensor, var in recorder.captured.items():
        t = tensors[tensor] = f"t{len(tensors)}"
        names[t], names[f"{t}_grad"] = tensor, tensor.requires_grad
        fails.append(f"{t}.requires_grad is not {t}_grad")
        loads.append(f"{t}_value = {t}.value")
        reach[var] = f"{t}_value"
    for tensor in (*recorder.captured_gradients, *outcome.gradients):
        if tensor not in tensors:  # only its gradient is read or set
            names[tensors.setdefault(tensor, f"t{len(tensors)}")] = tensor
    names["captured"] = frozenset(t for t, name in tensors.items() if name.startswith("t"))
    for tensor, start in recorder.captured_gradients.items():
        t = tensors[tensor]
        fails.append(f"{t}.stored_grad is {'not ' if start is None else ''}None")
        if start is not None:
            reach[start] = f"{t}.stored_grad"
    conditions, roots = guards.checks(walk)
    names.update(roots)
    fails += conditions
    lines.append("try:")
    lines += [f"    if {condition}: return MISS" for condition in fails]
    lines.append("except (LookupError, AttributeError, ValueError): return MISS")
    inputs = [reach[var] for var in graph.inputs]
    gathering = [*lines, *loads, f"return [{', '.join(inputs)}]"]
    lines.append("with lock:")
    if isinstance(compiled, native.NativeProgram):
        inside = _direct(recorder, outcome, tensors, graph, inputs)
        inside += native_body(compiled, outcome, inputs, tensors, names)
    else:
        inside = [*loads, *_numpy_body(compiled, graph, inputs, reach)]
    for tensor, number in outcome.updates.items():
        if number not in compiled.buffers and not (
            isinstance(compiled, native.NativeProgram) and compiled.overwrites(number)
        ):
            inside.append(f"{tensors[tensor]}.value = r{number}")
    if outcome.updates:
        inside.append(f"{' = '.join(f'{tensors[t]}.changed' for t in outcome.updates)} = clock.changed = clock.tick()")
    for tensor, output in outcome.gradients.items():
        if output is None:
            inside.append(f"{tensors[tensor]}._grad = None")
        elif output in compiled.buffers:
            names[f"copy{output}"] = compiled.buffers[output].copy  # left in the arena until somebody looks
            inside.append(f"{tensors[tensor]}._grad = copy{output}")
        else:
            inside.append(f"{tensors[tensor]}._grad = r{output}")
    inside.append(f"return {_result(outcome, names, tensors)}")
    lines += [f"    {line}" for line in inside]
    text = f"def make({', '.join(names)}):\n    def enter(args, kwargs):\n"
    text += "\n".join(f"        {line}" for line in lines) + "\n    def gather(args, kwargs):\n"
    text += "\n".join(f"        {line}" for line in gathering) + "\n    return enter, gather\n"
    space: dict[str, Any] = {}
    exec(compile(text, f"<autograd entry of {recorder.name}>", "exec"), space)
    enter, gather = space["make"](*names.values())
    return enter, gather


def _numpy_body(compiled: numpy_source.Compiled, graph: Graph, inputs: list[str], reach: dict[Any, str]) -> list[str]:
    """Statements that run one step of the NumPy program."""
    inside, inputs = [], list(inputs)
    for number in compiled.reuse:
        value = reach[graph.inputs[compiled.reuse[number]]]
        # An array that only its tensor and this frame refer to may be written into: nobody can see the old value go.
        inside.append(f"o{number} = {value} if refs({value}) == sole and {value}.base is None else None")
        inputs.append(f"o{number}")
    results = "".join(f"r{i}, " for i in range(len(graph.outputs)))
    call = f"quiet().run({', '.join(['run', *inputs])})"
    return [*inside, f"{results.rstrip()} = {call}" if results else call]


def _direct(
    recorder: Trace, outcome: Outcome, tensors: dict[Tensor, str], graph: Graph, inputs: list[str]
) -> list[str]:
    """Let what tensors hold be read in the call itself: no local variable may refer to an array that is overwritten."""
    lines = []
    number = {var: i for i, var in enumerate(graph.inputs)}
    for tensor, name in tensors.items():
        if tensor in recorder.captured:
            inputs[number[recorder.captured[tensor]]] = f"{name}.value"
        elif tensor in outcome.updates:
            at = number[recorder.arguments[tensor]]
            lines.append(f"{inputs[at]} = None")
            inputs[at] = f"{name}.value"
    return lines


def _sole_references() -> int:
    """What getrefcount says of an array that only one tensor and one local variable refer to; it varies with Python."""
    holder = constant(np.empty(1))
    value = holder.value
    return sys.getrefcount(value)


def _quiet_context() -> contextvars.Context:
    """A context in which NumPy does not warn of overflow and the like; running in a copy costs less than np.errstate."""
    context = contextvars.copy_context()
    context.run(np.seterr, all="ignore")
    return context


def _may_alias(recorder: Trace, a: Tensor, b: Tensor) -> bool:
    """Whether it would matter if both arguments were one tensor: it is written to, or carries a gradient."""
    return any(t in recorder.written or t.requires_grad for t in (a, b))


def _result(outcome: Outcome, names: dict[str, Any], tensors: dict[Tensor, str]) -> str:
    """The expression that rebuilds what the function returned."""
    parts = []
    for i, (kind, what) in enumerate(outcome.leaves):
        if kind == "tensor":
            parts.append(f"constant(r{what})")
        elif kind == "array":
            parts.append(f"r{what}")
        elif kind == "same" and what in tensors:
            parts.append(tensors[what])
        else:
            names[f"fixed{i}"] = what
            parts.append(f"fixed{i}")
    if outcome.structure == tree.LEAF:
        return parts[0]
    names["returned"] = outcome.structure
    return f"unflatten(returned, [{', '.join(parts)}])"


def check_static(function: Callable[..., Any], static: frozenset[str]) -> None:
    """Refuse names in `static` that are no parameters of the function."""
    import inspect

    parameters = inspect.signature(function).parameters
    unknown = sorted(static - parameters.keys())
    if unknown:
        raise ArgumentError(f"static={unknown} names no argument of {name_of(function)}; it has {list(parameters)}")
