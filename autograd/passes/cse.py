"""Common subexpression elimination: equations that compute the same thing are computed once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ir.graph import Atom, Eqn, Graph, Literal, substitute
from ..ir.literal import setting_key


def share_common(graph: Graph) -> Graph:
    """Keep the first of equal equations; random draws are never equal."""
    seen: dict[tuple[Any, ...], Atom] = {}
    known: dict[Atom, Atom] = {}
    kept: list[Eqn] = []
    for original in graph.eqns:
        eqn = substitute(original, known)
        if eqn.primitive.kind != "random":
            key = _key(eqn)
            if key in seen:
                known[eqn.out] = seen[key]
                _keep_name(seen[key], eqn.out)
                continue
            seen[key] = eqn.out
        kept.append(eqn)
    return replace(graph, eqns=tuple(kept), outputs=tuple(known.get(a, a) for a in graph.outputs))


def _key(eqn: Eqn) -> tuple[Any, ...]:
    atoms: list[Any] = [a.key() if isinstance(a, Literal) else ("var", id(a)) for a in eqn.inputs]
    if eqn.primitive.commutative:
        atoms.sort(key=repr)
    params = tuple((k, setting_key(v)) for k, v in sorted(eqn.params.items()))
    return eqn.primitive.name, tuple(atoms), params


def _keep_name(first: Atom, other: Atom) -> None:
    if not first.name and other.name and not isinstance(first, Literal):
        first.name = other.name
