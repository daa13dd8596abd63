"""Arithmetic on Python numbers that a step keeps, such as ``self.steps += 1``: Python does it, so that it is Python's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .graph import Atom, Eqn, Graph, Literal, Var

_PYTHON = {
    "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "div": "{} / {}", "floor_divide": "{} // {}", "mod": "{} % {}",
    "power": "{} ** {}", "neg": "-{}", "abs": "abs({})",
}  # fmt: skip
_TYPES: dict[str, type] = {"f": float, "i": int, "b": bool}


@dataclass(slots=True)
class Host:
    """Statements of the entry, the local variables that stand for values of the graph, and the constants they use."""

    lines: list[str] = field(default_factory=list)
    names: dict[Any, str] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    checks: list[str] = field(
        default_factory=list
    )  # each true where a result has another type than the trace took it for

    def right(self, given: Mapping[str, Any]) -> bool:
        """Whether the statements can be run for the given numbers, with results of the types that the trace expects."""
        if not self.lines:
            return True
        space = {**self.constants, **given}
        try:
            exec("\n".join(self.lines), space)
        except ArithmeticError:
            return False
        return not any(eval(check, space) for check in self.checks)

    def without(self, graph: Graph) -> Graph:
        """The graph without what Python works out: that is given to it."""
        rest = tuple(eqn for eqn in graph.eqns if eqn.out not in self.names)
        used: dict[Atom, None] = dict.fromkeys(a for eqn in rest for a in eqn.inputs)
        used.update(dict.fromkeys(graph.outputs))
        inputs = [var for var in self.names if var in used and var not in graph.inputs]
        return replace(graph, inputs=(*graph.inputs, *inputs), eqns=rest)


def split(eqns: Iterable[Eqn], numbers: Mapping[Var, str]) -> Host:
    """What of the equations is arithmetic on Python numbers only and uses one of those given, by local variable."""
    host = Host(names=dict(numbers))
    for eqn in eqns:
        if not eqn.out.weak or eqn.primitive.name not in _PYTHON or not any(a in host.names for a in eqn.inputs):
            continue
        parts = []
        for atom in eqn.inputs:
            if isinstance(atom, Literal):
                name = f"k{len(host.constants)}"
                host.constants[name] = atom.value
                parts.append(name)
            elif atom in host.names:
                parts.append(host.names[atom])
        if len(parts) < len(eqn.inputs):
            continue
        name = host.names[eqn.out] = f"h{len(host.lines)}"
        host.lines.append(f"{name} = {_PYTHON[eqn.primitive.name].format(*parts)}")
        if eqn.primitive.name == "power":
            host.checks.append(f"type({name}) is not {_TYPES[eqn.out.dtype.kind].__name__}")
    return host
