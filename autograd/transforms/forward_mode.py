"""Forward mode: tangents pushed along a tape, inputs first, with no rules besides the vjps.

Three facts make the rules unnecessary.  The Jacobian of an elementwise operation is diagonal, hence its own transpose:
the vjp rule applied to the tangent is the jvp.  The tangent of an operation linear in an argument is the operation
applied to the argument's tangent.  For any other operation the rule g -> vjp(g) is linear in g, so transposing that by
one backward pass gives the jvp (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core.engine import between, fit, pull
from ..core.inplace_checks import check_unchanged
from ..core.mode import clock, current, switch
from ..core.ops.elementwise import cast
from ..core.ops.shape import broadcast_to_p
from ..core.primitive import Array, Box, Primitive
from ..core.tensor import Tensor
from .argument import tie, variable


def push(roots: Sequence[Any], tangents: Mapping[Any, Array], graph: bool, since: int = 0) -> dict[Any, Array]:
    """Tangents of the roots, from those of the leaves that they were computed from.

    Args:
        roots: tensors.
        tangents: of leaves, each of its leaf's shape and dtype.
        graph: run the rules on tensors, so that the pass itself is recorded; else on plain values.
        since: a serial number before which nothing depends on the leaves.

    Returns:
        The tangents of the roots that have one.
    """
    order = between(roots, tangents, since).order
    if order and clock.changed > order[0].serial:
        check_unchanged(order)
    found = dict(tangents)
    with np.errstate(all="ignore"):
        if graph and not current().record:
            with switch("record", True):
                _walk(order, found, graph, set(roots))
        else:
            _walk(order, found, graph, set(roots))
    return found


def _walk(order: Sequence[Any], found: dict[Any, Array], graph: bool, wanted: set[Any]) -> None:
    """Add to `found` the tangents of tensors in order; drop each after its last use unless it is wanted."""
    value_of = _value_of()
    seen: Callable[[Any], Array] = (lambda x: x) if graph else value_of
    last = {tensor.inputs[i]: tensor for tensor in order for i in tensor.wrt}
    for tensor in order:
        inputs = tensor.inputs
        moving = {i: found[inputs[i]] for i in tensor.wrt if inputs[i] in found}
        if moving:
            y, values = seen(tensor), [seen(a) for a in inputs]
            part = _pushed(tensor.creator, moving, y, values, tensor.params)
            if part.shape != y.shape:
                part = broadcast_to_p(part, shape=y.shape)
            found[tensor] = part if part.dtype == y.dtype else cast(part, y.dtype)
        for i in moving:
            if last[inputs[i]] is tensor and inputs[i] not in wanted:
                found.pop(inputs[i], None)


def _value_of() -> Callable[[Any], Array]:
    """What a recorded operand holds: in a trace the tracer for it."""
    trace = current().trace
    if trace is None:
        return lambda x: x.value if isinstance(x, Box) else x  # type: ignore[attr-defined]
    return lambda x: trace.value_of(x) if isinstance(x, Box) else x


def _pushed(op: Primitive, moving: dict[int, Array], y: Array, values: list[Array], params: dict[str, Any]) -> Array:
    """The tangent of one operation's result, given those of some arguments; it may still have to be broadcast."""
    if op.linear == "jointly":
        if "value" in params:  # a number that fills in does not move
            params = {**params, "value": 0.0}
        still = (np.broadcast_to(np.zeros((), getattr(a, "dtype", float)), np.shape(a)) for a in values)
        return op(*[moving.get(i, zero) for i, zero in enumerate(still)], **params)
    total: Array = None
    others: dict[int, Array] = {}
    for i, tangent in moving.items():
        if op.kind == "elementwise":
            part = op.rule(i)(tangent, y, *values, **params)  # type: ignore[misc]
        elif op.linear == "each" or i in op.linear:
            part = op(*values[:i], tangent, *values[i + 1 :], **params)
        else:
            others[i] = tangent
            continue
        if total is None:
            total = part
        elif op.kind == "contraction" and type(total) is np.ndarray is type(part):
            total += part  # both are new arrays
        else:
            total = total + part
    if others:
        part = _transposed(op, others, y, values, params)
        total = part if total is None else total + part
    return total


def _transposed(
    op: Primitive, moving: dict[int, Array], y: Array, values: list[Array], params: dict[str, Any]
) -> Array:
    """The same by transposing the vjp rules: recorded as functions of the cotangent, then pulled back."""
    value_of, since = _value_of(), clock.tick()
    leaves: list[tuple[Tensor, Tensor]] = []

    def cut(x: Array) -> Array:
        """A leaf in place of a tensor, so that the pass ends here and not at the beginning of the tape."""
        if not isinstance(x, Tensor) or not x.requires_grad:
            return x
        leaf = variable(value_of(x))
        leaves.append((leaf, x))
        return leaf

    graph = isinstance(y, Tensor)
    u = variable(value_of(y))  # any value would do: what is linear has the same derivative everywhere
    y, values = cut(y), [cut(x) for x in values]
    with switch("record", True):
        parts = {i: fit(op.rule(i)(u, y, *values, **params), values[i]) for i in moving}  # type: ignore[misc]
        roots = {i: part for i, part in parts.items() if isinstance(part, Tensor) and part.requires_grad}
        ends = list(roots.values())
        found = pull(ends, [moving[i] for i in roots], graph=graph, span=between(ends, [u], since))
    for leaf, source in leaves:
        tie(leaf, source)
    return found[u] if u in found else np.zeros(y.shape, y.dtype)[()]
