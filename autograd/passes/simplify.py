"""Rewrites that are exact for every input, nan, inf and signed zeros included."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..core.ops.elementwise import astype_p, neg, stop_gradient
from ..core.ops.shape import broadcast_to_p, reduce_to_p, reshape_p, transpose_p
from ..core.primitive import Primitive
from ..ir.graph import Atom, Eqn, Graph, Literal, Var, spec, substitute

Definitions = dict[Atom, Eqn]


def simplify(graph: Graph) -> Graph:
    """Drop operations that change nothing and merge movements that undo or continue each other."""
    known: dict[Atom, Atom] = {}
    made: Definitions = {}
    kept: list[Eqn] = []
    for original in graph.eqns:
        eqn = substitute(original, known)
        if eqn.primitive.kind == "elementwise":
            eqn = _broadcast_by_itself(eqn, made)
            eqn = _weaken(eqn)
        rewrite = RULES.get(eqn.primitive, _without_neutral)
        result = rewrite(eqn, made)
        if isinstance(result, Eqn):
            made[result.out] = result
            kept.append(result)
        else:
            known[eqn.out] = result
            if isinstance(result, Var) and not result.name:
                result.name = eqn.out.name
    return replace(graph, eqns=tuple(kept), outputs=tuple(known.get(a, a) for a in graph.outputs))


def _broadcast_by_itself(eqn: Eqn, made: Definitions) -> Eqn:
    """Elementwise operations broadcast their arguments themselves: broadcast_to before them is often not needed."""
    inputs = list(eqn.inputs)
    for i, atom in enumerate(inputs):
        source = made.get(atom)
        if source is not None and source.primitive is broadcast_to_p:
            trial = [*inputs[:i], source.inputs[0], *inputs[i + 1 :]]
            shape, dtype = eqn.primitive.shape(*map(spec, trial), **eqn.params)
            if (tuple(shape), dtype) == (eqn.out.shape, eqn.out.dtype):
                inputs = trial
    if tuple(inputs) != eqn.inputs:
        return replace(eqn, inputs=tuple(inputs))
    return _number_everywhere(eqn, made)


def _number_everywhere(eqn: Eqn, made: Definitions) -> Eqn:
    """An operation on arrays that hold one number each is that number, computed now, in every place."""
    sources = [made[a].inputs[0] if a in made and made[a].primitive is broadcast_to_p else a for a in eqn.inputs]
    if not eqn.out.shape or eqn.params or not all(isinstance(a, Literal) for a in sources):
        return eqn
    with np.errstate(all="ignore"):
        value = eqn.primitive.forward(*(a.value for a in sources if isinstance(a, Literal)))
    number = Literal(np.asarray(value, eqn.out.dtype)[()])
    return replace(eqn, primitive=broadcast_to_p, inputs=(number,), params={"shape": eqn.out.shape})


def _weaken(eqn: Eqn) -> Eqn:
    """Write NumPy scalars as Python numbers where that changes neither dtype nor value."""
    for i, atom in enumerate(eqn.inputs):
        if isinstance(atom, Literal) and not atom.weak and atom.dtype.kind in "fi":
            trial = (*eqn.inputs[:i], Literal(atom.value.item()), *eqn.inputs[i + 1 :])
            if (
                not all(a.weak for a in trial)
                and eqn.primitive.shape(*map(spec, trial), **eqn.params)[1] == eqn.out.dtype
            ):
                eqn = replace(eqn, inputs=trial)
    return eqn


def _same(eqn: Eqn, atom: Atom) -> Eqn | Atom:
    """The atom in place of the equation, if it has just its shape and dtype."""
    fits = (atom.shape, atom.dtype, atom.weak) == (eqn.out.shape, eqn.out.dtype, eqn.out.weak)
    return atom if fits else eqn


def _is(atom: Atom, number: float) -> bool:
    """Whether it is just this number, the sign of a zero included."""
    if not isinstance(atom, Literal) or atom.dtype.kind not in "biuf" or atom.value != number:
        return False
    return math.copysign(1, atom.value) == math.copysign(1, number)


def _without_neutral(eqn: Eqn, made: Definitions) -> Eqn | Atom:
    """The other argument where one is the operation's neutral number: x * 1, but not x + 0.0, which -0.0 is changed by."""
    for i, number in reversed(list(enumerate(eqn.primitive.neutral))):
        if number is not None and _is(eqn.inputs[i], number):
            other = _same(eqn, eqn.inputs[1 - i])
            if other is not eqn:
                return other
    return eqn


def _identity(eqn: Eqn, made: Definitions) -> Eqn | Atom:
    return _same(eqn, eqn.inputs[0])


def _neg(eqn: Eqn, made: Definitions) -> Eqn | Atom:
    source = made.get(eqn.inputs[0])
    return source.inputs[0] if source is not None and source.primitive is neg else eqn


def _reshape(eqn: Eqn, made: Definitions) -> Eqn | Atom:
    source = made.get(eqn.inputs[0])
    if source is not None and source.primitive is reshape_p:
        eqn = replace(eqn, inputs=source.inputs)
    return _same(eqn, eqn.inputs[0])


def _transpose(eqn: Eqn, made: Definitions) -> Eqn | Atom:
    source = made.get(eqn.inputs[0])
    if source is not None and source.primitive is transpose_p:
        axes = tuple(source.params["axes"][i] for i in eqn.params["axes"])
        eqn = replace(eqn, inputs=source.inputs, params={"axes": axes})
    axes = eqn.params["axes"]
    return eqn.inputs[0] if axes == tuple(range(len(axes))) else eqn


def _broadcast(eqn: Eqn, made: Definitions) -> Eqn | Atom:
    source = made.get(eqn.inputs[0])
    if source is not None and source.primitive is broadcast_to_p:
        eqn = replace(eqn, inputs=source.inputs)
    return _same(eqn, eqn.inputs[0])


RULES: dict[Primitive, Callable[[Eqn, Definitions], Eqn | Atom]] = {
    stop_gradient: _identity,
    astype_p: _identity,
    reduce_to_p: _identity,
    neg: _neg,
    reshape_p: _reshape,
    transpose_p: _transpose,
    broadcast_to_p: _broadcast,
}
