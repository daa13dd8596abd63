"""The text form of a graph: stable, one equation per line, readable by whoever reads jaxprs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph import Atom, Eqn, Graph, Var, type_text


def unique_names(graph: Graph, reserved: frozenset[str] = frozenset()) -> dict[Var, str]:
    """A distinct identifier for every Var: its own name where that is free, else with a number; t1, t2, ... if unnamed."""
    names: dict[Var, str] = {}
    taken = set(reserved)
    count: dict[str, int] = {}
    temporaries = 0
    for var in (*graph.inputs, *graph.constants, *(eqn.out for eqn in graph.eqns)):
        base = identifier(var.name)
        if not base:
            temporaries += 1
            name = f"t{temporaries}"
            while name in taken:
                temporaries += 1
                name = f"t{temporaries}"
        else:
            name = base
            while name in taken:
                count[base] = count.get(base, 1) + 1
                name = f"{base}_{count[base]}"
        taken.add(name)
        names[var] = name
    return names


def identifier(name: str) -> str:
    """The name with everything that Python does not allow in an identifier made an underscore; at most 60 characters."""
    clean = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)[:60].strip("_")
    return f"v_{clean}" if clean and clean[0].isdigit() else clean


def param_text(value: Any) -> str:
    """A setting as it would be written in Python: slices as a:b, dtypes by name."""
    if isinstance(value, slice):
        parts = ["" if v is None else str(v) for v in (value.start, value.stop, value.step)]
        return ":".join(parts if value.step is not None else parts[:2])
    if isinstance(value, tuple):
        return "(" + ", ".join(map(param_text, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, np.random.Generator):
        return "generator"
    return "..." if value is Ellipsis else repr(value)


def eqn_text(eqn: Eqn, names: Mapping[Var, str]) -> str:
    """ "h: f64[4,3] = tanh z", params in brackets behind the operation."""

    def show(atom: Atom) -> str:
        return names[atom] if isinstance(atom, Var) else repr(atom)

    params = ", ".join(f"{key}={param_text(value)}" for key, value in eqn.params.items())
    operation = eqn.primitive.name + (f"[{params}]" if params else "")
    return f"{names[eqn.out]}: {type_text(eqn.out)} = {operation} {' '.join(map(show, eqn.inputs))}".rstrip()


def text(graph: Graph) -> str:
    """The whole program: signature, equations under a heading per phase, what is returned and what is updated."""
    names = unique_names(graph)
    lines = [f"graph {graph.name}(" + ", ".join(f"{names[v]}: {type_text(v)}" for v in graph.inputs) + ")"]
    for var, value in graph.constants.items():
        lines.append(f"  {names[var]}: {type_text(var)} = constant {preview(value)}")
    body = [(eqn, eqn_text(eqn, names)) for eqn in graph.eqns]
    width = min(max((len(line) for _, line in body), default=0), 88)
    phase = ""
    for eqn, line in body:
        if eqn.phase != phase:
            phase = eqn.phase
            lines.append(f"  -- {phase} --")
        origin = ", ".join(part for part in (eqn.scope, place(eqn)) if part)
        lines.append(f"  {line:<{width}}  # {origin}" if origin else f"  {line}")
    for atom, label in zip(graph.outputs, graph.labels, strict=True):
        shown = names[atom] if isinstance(atom, Var) else repr(atom)
        lines.append(f"  return {shown}" if label == "return" else f"  {label} <- {shown}")
    return "\n".join(lines)


def place(eqn: Eqn) -> str:
    """The user's file (without folders) and line."""
    return f"{os.path.basename(eqn.site[0])}:{eqn.site[1]}" if eqn.site else ""


def preview(value: Any) -> str:
    """The first few elements of an array, on one line."""
    return np.array2string(np.asarray(value), threshold=6, edgeitems=2, separator=", ").replace("\n", "")
