"""The entry of a compiled trace: one generated Python function that checks, runs, assigns and returns.

At a few microseconds per step every attribute look-up counts.
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..ir import guards
from ..ir.graph import Graph
from ..ir.trace import Outcome, Trace
from ..ir.walk import Walk
from ..mode import clock, current
from ..tensor import Tensor, constant
from . import native, numpy_source
from .native.steps import body as native_body

Enter = Callable[[tuple[Any, ...], dict[str, Any]], Any]
MISS = object()  # what `enter` returns when the program was made for other circumstances


def generate(
    recorder: Trace,
    graph: Graph,
    outcome: Outcome,
    compiled: numpy_source.Compiled | native.NativeProgram,
    walk: Walk,
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
        "structure": structure, "current": current, "run": compiled.run, "quiet": _quiet_context().copy,
        "lock": lock, "constant": constant, "clock": clock, "refs": sys.getrefcount, "sole": _sole_references(),
        "wanted": mode.record, "keep": mode.keep, "usual": mode,
    }  # fmt: skip
    simple = (
        isinstance(structure[2][0], tuple)
        and not structure[2][1][1]
        and all(p == tree.LEAF for p in structure[2][0][2])
    )
    fails: list[str] = []
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
        if kind == "static":  # (the walk looks at these)
            continue
        if kind == "float":
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
    lines.append("except (LookupError, AttributeError, ValueError, TypeError, ReferenceError): return MISS")
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
