"""The entry of a compiled trace: one generated Python function that checks, runs, assigns and returns.

At a few microseconds per step every attribute look-up counts.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import native, numpy_source
from ..backends.native.runtime.step_loop import body as native_body
from ..core import tree
from ..core.mode import clock, current
from ..core.tensor import Tensor, constant
from ..ir import guards
from ..ir.graph import Graph
from ..ir.objects import IMMUTABLE
from ..ir.outcome import Leaf, Outcome
from ..ir.trace import Trace
from ..ir.tracer import Tracer
from ..ir.transaction import Traced
from ..ir.walk import Walk

Enter = Callable[[tuple[Any, ...], dict[str, Any]], Any]
MISS = object()  # what `enter` returns when the program was made for other circumstances
PLAIN = object()  # ... and for a call that only the Python it was made from can answer


def generate(
    traced: Traced, graph: Graph, compiled: numpy_source.Compiled | native.NativeProgram, walk: Walk, lock: Any
) -> tuple[Enter, Enter]:
    """Generate `enter(args, kwargs)`: check, run, assign, return.

    All that another call may change is read with the lock held.  Beside it `gather`, which checks and returns the values
    of the graph's inputs; whoever calls it holds the lock.
    """
    mode = current()
    recorder, outcome = traced.recorder, traced.outcome
    names: dict[str, Any] = {
        "MISS": MISS, "PLAIN": PLAIN, "Tensor": Tensor, "ndarray": np.ndarray, "flatten": tree.flatten,
        "unflatten": tree.unflatten, "structure": traced.structure, "current": current, "run": compiled.run,
        "clock": clock, "quiet": _quiet_context().copy, "lock": lock, "constant": constant, "refs": sys.getrefcount,
        "sole": _sole_references(), "wanted": mode.record, "keep": mode.keep, "usual": mode, "int64": np.int64,
        "errstate": np.errstate,
        **traced.host.constants,
    }  # fmt: skip
    lines = [
        "mode = current()",
        "if mode is not usual and (mode.record is not wanted or mode.keep is not keep or mode.trace is not None"
        " or mode.anomaly is not None or not mode.compiled): return MISS",
        *_unpacked(traced),
    ]
    reach: dict[Any, str] = {}  # input of the graph -> expression
    fails, tensors = _conditions(traced, walk, names, reach)
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
    reach.update(traced.host.names)
    machine_code = isinstance(compiled, native.NativeProgram)
    checking = ["try:"]
    checking += [f"    a{i} = {p.source(f'p{i}', names)}" for i, p in enumerate(traced.slots, start=traced.count)]
    checking += [f"    if {condition}: return MISS" for condition in [*fails, *conditions]]
    checking.append("except (LookupError, AttributeError, ValueError, TypeError, ReferenceError): return MISS")
    checking += traced.host.statements([reach[var] for var in graph.inputs if var.weak] if machine_code else [])
    inputs = [
        f"int64({reach[var]})" if machine_code and var.weak and var.dtype.kind == "i" else reach[var]
        for var in graph.inputs
    ]
    gathering = [*lines, *checking, *loads, f"return [{', '.join(inputs)}]"]
    if isinstance(compiled, native.NativeProgram):
        inside = _direct(recorder, outcome, tensors, graph, inputs)
        inside += native_body(compiled, outcome, inputs, tensors, names)
    else:
        inside = [*loads, *_numpy_body(compiled, graph, inputs, reach)]
    inside += _assigned(outcome, compiled, tensors, names)
    inside += _Results(traced, tensors, names).lines()
    lines += ["with lock:", *(f"    {line}" for line in [*checking, *inside])]
    text = f"def make({', '.join(names)}):\n    def enter(args, kwargs):\n"
    text += "\n".join(f"        {line}" for line in lines) + "\n    def gather(args, kwargs):\n"
    text += "\n".join(f"        {line}" for line in gathering) + "\n    return enter, gather\n"
    space: dict[str, Any] = {}
    exec(compile(text, f"<autograd entry of {recorder.name}>", "exec"), space)
    enter, gather = space["make"](*names.values())
    return enter, gather


def _unpacked(traced: Traced) -> list[str]:
    """Statements that put the leaves of the arguments into a0, a1, ..."""
    structure, count = traced.structure, traced.count
    simple = (
        isinstance(structure[2][0], tuple)
        and not structure[2][1][1]
        and all(p == tree.LEAF for p in structure[2][0][2])
    )
    targets = ", ".join(f"a{i}" for i in range(count))
    if simple:
        lines = [f"if kwargs or len(args) != {count}: return MISS"]
        return [*lines, f"{targets}, = args"] if count else lines
    lines = ["leaves, found = flatten((args, kwargs))", "if found != structure: return MISS"]
    return [*lines, f"{targets}, = leaves"] if count else lines


def _conditions(
    traced: Traced, walk: Walk, names: dict[str, Any], reach: dict[Any, str]
) -> tuple[list[str], dict[Tensor, str]]:
    """What must not be so of the leaves, and the expressions of those that are tensors; fills in `reach`."""
    recorder, values, given = traced.recorder, traced.values, traced.given
    fails: list[str] = []
    first: dict[int, int] = {}  # id of a tensor argument -> its first position
    for i, (value, (kind, what)) in enumerate(zip(values, traced.kinds, strict=True)):
        if kind == "static":  # (the walk looks at these)
            continue
        if kind in ("float", "int"):
            large = f" or not {-(1 << 62)} < a{i} < {1 << 62}" if kind == "int" else ""
            fails.append(f"type(a{i}) is not {kind}{large}")
            reach[given[i].atom] = f"a{i}"
        else:
            names[f"c{i}"], names[f"s{i}"], names[f"d{i}"] = type(value), what[0], what[1]
            held = f"v{i}"
            if kind == "tensor":
                names[f"q{i}"] = what[2]
                alone = f" or a{i} in captured" if i < traced.count or _matters(recorder, value) else ""
                fails.append(f"type(a{i}) is not c{i} or a{i}.requires_grad is not q{i}{alone}")
                fails.append(f"({held} := a{i}.value).shape != s{i} or {held}.dtype != d{i}")
                if id(value) in first:
                    fails.append(f"a{i} is not a{first[id(value)]}")
                else:
                    if value in walk.tensors:  # the function may have read it without taking it from its arguments
                        names[f"x{i}"] = value
                        fails.append(f"a{i} is not x{i}")
                    fails += [f"a{i} is a{j}" for j in first.values() if _matters(recorder, values[j], value)]
                    first[id(value)] = i
            else:
                held = f"a{i}"
                fails.append(f"type(a{i}) is not c{i} or a{i}.shape != s{i} or a{i}.dtype != d{i}")
            reach.setdefault(recorder.arguments[given[i]], held)
    if any(effect.place.holder is not None for effect in traced.outcome.effects):
        for i, (kind, what) in enumerate(traced.kinds):
            if kind == "static" and not isinstance(what, IMMUTABLE):  # what is bound anew belongs to this very object
                names[f"s{i}"] = what
                fails.append(f"a{i} is not s{i}")
    return fails, {values[i]: f"a{i}" for i in first.values()}


def _assigned(
    outcome: Outcome,
    compiled: numpy_source.Compiled | native.NativeProgram,
    tensors: dict[Tensor, str],
    names: dict[str, Any],
) -> list[str]:
    """Statements that give tensors their new values and gradients."""
    lines = []
    for tensor, number in outcome.updates.items():
        if number not in compiled.buffers and not (
            isinstance(compiled, native.NativeProgram) and compiled.overwrites(number)
        ):
            lines.append(f"{tensors[tensor]}.value = r{number}")
    if outcome.updates:
        lines.append(f"{' = '.join(f'{tensors[t]}.changed' for t in outcome.updates)} = clock.changed = clock.tick()")
    for tensor, output in outcome.gradients.items():
        if output is None:
            lines.append(f"{tensors[tensor]}._grad = None")
        elif output in compiled.buffers:
            names[f"copy{output}"] = compiled.buffers[output].copy  # left in the arena until somebody looks
            lines.append(f"{tensors[tensor]}._grad = copy{output}")
        else:
            lines.append(f"{tensors[tensor]}._grad = r{output}")
    return lines


class _Results:
    """Writes the statements that bind places anew and return the result; what was one object is made once."""

    def __init__(self, traced: Traced, tensors: dict[Tensor, str], names: dict[str, Any]) -> None:
        self.outcome, self.tensors, self.names = traced.outcome, tensors, names
        arrays = [g if isinstance(g, Tracer) else None for g in traced.given]
        self.whole = {g.atom: f"a{i}" for i, g in reversed(list(enumerate(arrays))) if g is not None}
        self.made: list[str] = []
        self.known: dict[Any, str] = {}

    def lines(self) -> list[str]:
        """The statements."""
        bound = []
        for i, effect in enumerate(self.outcome.effects):
            value = self._container(effect.structure, effect.leaves, f"form{i}")
            bound.append(f"{effect.place.source(f'e{i}', self.names)} = {value}")
        result = self._container(self.outcome.structure, self.outcome.leaves, "returned")
        return [*self.made, *bound, f"return {result}"]

    def _container(self, structure: Any, leaves: list[Leaf], name: str) -> str:
        parts = [self._leaf(leaf) for leaf in leaves]
        if structure == tree.LEAF:
            return parts[0]
        self.names[name] = structure
        return f"unflatten({name}, [{', '.join(parts)}])"

    def _leaf(self, leaf: Leaf) -> str:
        kind, what = leaf
        key = kind, id(what) if kind in ("same", "static", "copy") else what  # (True equals 1 and is another object)
        if key not in self.known:
            self.known[key] = self._made(kind, what)
        return self.known[key]

    def _made(self, kind: str, what: Any) -> str:
        if kind in ("array", "float", "int", "bool") and self.outcome.outputs[what] in self.whole:
            return self.whole[self.outcome.outputs[what]]
        if kind == "array":
            return f"r{what}"
        if kind == "host":
            return str(what)
        if kind == "same" and what in self.tensors:
            return self.tensors[what]
        name = f"o{len(self.known)}_"
        if kind in ("same", "static"):
            self.names[name] = what
        elif kind == "copy":
            self.names[f"{name}k"] = what.copy()
            self.made.append(f"{name} = {name}k.copy()")
        elif kind == "tensor":
            self.made.append(f"{name} = constant(r{what})")
        elif kind == "parameter":
            value, gradient = what
            self.made += [f"{name} = constant(r{value})", f"{name}.requires_grad = True"]
            self.made += [f"{name}._grad = r{gradient}"] if gradient is not None else []
        else:
            return f"{kind}(r{what})"
        return name


def _numpy_body(compiled: numpy_source.Compiled, graph: Graph, inputs: list[str], reach: dict[Any, str]) -> list[str]:
    """Statements that run one step of the NumPy program."""
    inside, inputs = [], list(inputs)
    for number in compiled.reuse:
        value = reach[graph.inputs[compiled.reuse[number]]]
        # An array that only its tensor and this frame refer to may be written into: nobody can see the old value go.
        inside.append(f"o{number} = {value} if refs({value}) == sole and {value}.base is None else None")
        inputs.append(f"o{number}")
    results = "".join(f"r{i}, " for i in range(len(graph.outputs)))
    if any(eqn.primitive.kind == "user" for eqn in graph.eqns):  # which may read and set context variables
        call = f"run({', '.join(inputs)})"
        return [
            *inside,
            "with errstate(all='ignore'):",
            f"    {results.rstrip()} = {call}" if results else f"    {call}",
        ]
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
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


def _matters(recorder: Trace, *tensors: Tensor) -> bool:
    """Whether it would matter if a tensor had two names: it is written to, or carries a gradient."""
    return any(t in recorder.written or t.requires_grad for t in tensors)
