"""Arithmetic on Python numbers that Python does, so that it is Python's: on numbers that a step keeps (``self.steps += 1``),
and wherever the values decide whether there is a result: what divides by zero, overflows or becomes complex.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.ops.elementwise import div, floor_divide, mod, power
from ..core.primitive import Primitive
from .graph import Atom, Eqn, Graph, Literal, Var

LARGEST = 1 << 62  # whole numbers that machine code can hold lie below
_TYPES: dict[str, type] = {"f": float, "i": int, "b": bool}


@dataclass(slots=True)
class Host:
    """Statements of the entry, the local variables that stand for values of the graph, and the constants they use."""

    lines: list[str] = field(default_factory=list)
    names: dict[Any, str] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    # Each true where a result has another type than the trace took it for.
    checks: list[str] = field(default_factory=list)

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

    def statements(self, used: Iterable[str]) -> list[str]:
        """The statements for the entry; whole numbers among the `used` variables are to be such as machine code can hold."""
        if not self.lines:
            return []
        checks = [*self.checks]
        checks += [f"type({name}) is int and not {-LARGEST} < {name} < {LARGEST}" for name in used if name[0] == "h"]
        return [
            "try:",
            *(f"    {line}" for line in self.lines),
            "except ArithmeticError: return PLAIN",
            *(f"if {check}: return PLAIN" for check in checks),
        ]

    def without(self, graph: Graph) -> Graph:
        """The graph without what Python works out: that is given to it."""
        rest = tuple(eqn for eqn in graph.eqns if eqn.out not in self.names)
        used: dict[Atom, None] = dict.fromkeys(a for eqn in rest for a in eqn.inputs)
        used.update(dict.fromkeys(graph.outputs))
        inputs = [var for var in self.names if var in used and var not in graph.inputs]
        return replace(graph, inputs=(*graph.inputs, *inputs), eqns=rest)


def _python(op: Primitive, parts: list[str]) -> str:
    """The operation as Python writes it."""
    if op.symbol.isidentifier():
        return f"{op.symbol}({', '.join(parts)})"
    return f"{op.symbol}{parts[0]}" if len(parts) == 1 else f" {op.symbol} ".join(parts)


def split(eqns: Sequence[Eqn], kept: Mapping[Var, str], given: Mapping[Var, str]) -> Host:
    """What of the equations Python does.

    Args:
        kept: numbers that the step keeps, by local variable: all arithmetic on them.
        given: numbers among the arguments: as much as tells whether it has a result.
    """
    host, telling = Host(names=dict(kept)), _telling(eqns)
    for eqn in eqns:
        if not _is_arithmetic(eqn) or not (eqn.out in telling or any(a in host.names for a in eqn.inputs)):
            continue
        parts = []
        for atom in eqn.inputs:
            if isinstance(atom, Literal):
                name = f"k{len(host.constants)}"
                host.constants[name] = atom.value
                parts.append(name)
            elif atom in host.names or atom in given:
                parts.append(host.names.get(atom) or given[atom])
        if len(parts) < len(eqn.inputs):
            continue
        name = host.names[eqn.out] = f"h{len(host.lines)}"
        host.lines.append(f"{name} = {_python(eqn.primitive, parts)}")
        if eqn.primitive is power:
            host.checks.append(f"type({name}) is not {_TYPES[eqn.out.dtype.kind].__name__}")
    return host


def _is_arithmetic(eqn: Eqn) -> bool:
    return eqn.out.weak and eqn.primitive.weak


def _telling(eqns: Sequence[Eqn]) -> set[Atom]:
    """Results of arithmetic that may fail or become complex, and all that they depend on."""
    found: set[Atom] = set()
    for eqn in reversed(eqns):
        if _is_arithmetic(eqn) and (eqn.out in found or _may_fail(eqn)):
            found.update((eqn.out, *eqn.inputs))
    return found


def _may_fail(eqn: Eqn) -> bool:
    op, last = eqn.primitive, eqn.inputs[-1]
    by_number = isinstance(last, Literal) and last.value != 0
    return op is power or (op in (div, floor_divide, mod) and not by_number)
