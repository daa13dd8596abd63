"""Constant folding: equations between numbers are computed now, by the very function that would compute them later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir.graph import Atom, Eqn, Graph, Literal, substitute


def fold_numbers(graph: Graph) -> Graph:
    """Replace equations of literals by their result; arrays are left alone, since their contents may change."""
    known: dict[Atom, Atom] = {}
    kept: list[Eqn] = []
    for original in graph.eqns:
        eqn = substitute(original, known)
        if eqn.out.shape == () and eqn.inputs and all(isinstance(a, Literal) for a in eqn.inputs):
            with np.errstate(all="ignore"):
                value = eqn.primitive.forward(*(a.value for a in eqn.inputs if isinstance(a, Literal)), **eqn.params)
            known[eqn.out] = Literal(value.item() if eqn.out.weak else np.asarray(value, eqn.out.dtype)[()])
        else:
            kept.append(eqn)
    return replace(graph, eqns=tuple(kept), outputs=tuple(known.get(a, a) for a in graph.outputs))
