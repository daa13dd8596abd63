"""Dead code elimination: equations whose result nobody needs."""

from __future__ import annotations

from dataclasses import replace

from ..ir.graph import Atom, Eqn, Graph


def drop_unused(graph: Graph) -> Graph:
    """Keep what the outputs need, and every random draw: leaving one out would change all that follow it."""
    needed: set[Atom] = set(graph.outputs)
    kept: list[Eqn] = []
    for eqn in reversed(graph.eqns):
        if eqn.out in needed or eqn.primitive.kind == "random":
            kept.append(eqn)
            needed.update(eqn.inputs)
    constants = {var: value for var, value in graph.constants.items() if var in needed}
    return replace(graph, eqns=tuple(reversed(kept)), constants=constants)
