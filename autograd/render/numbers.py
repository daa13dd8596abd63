"""The numbers of one tape, all of them: values, gradients, and along every edge what flows back through it.

Gradients are computed here, by the engine's own backward pass, so nothing has to have been kept and no `.grad` changes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..core.engine import fit, pull
from ..core.primitive import Box
from .model import Diagram, Edge, Node

Numbers = dict[tuple[str, str], Any]  # (what, id of the node or the edge): see `numbers`
VALUE, GRAD, PART, FACTOR = "value", "grad", "part", "factor"


def edge_key(edge: Edge) -> str:
    """The same for the same operand of the same operation, however the graph is folded."""
    return f"{edge.head.id}:{edge.position}"


def has_gradient(node: Node) -> bool:
    """Whether a gradient arrives at it."""
    return isinstance(node.thing, Box) and bool(node.thing.requires_grad)


def numbers(output: Any, diagram: Diagram) -> Numbers:
    """Everything there is to know of a tape, from its unfolded diagram.

    Returns:
        (VALUE, node): its value; (GRAD, node): the derivative of the output by it.
        (PART, edge): what comes back through the edge, where the gradient of its tail is the sum of several.
        (FACTOR, edge): the local derivative, where the operation works entry by entry: the part before broadcasting is
        undone is the gradient of the head times the factor.
        Gradients only if the output is a single number that depends on something with a gradient.
    """
    found: Numbers = {(VALUE, node.id): getattr(node.thing, "value", node.thing) for node in diagram.nodes}
    if not (output.requires_grad and output.value.size == 1):
        return found
    gradients: dict[Any, Any] = {}
    with np.errstate(all="ignore"):
        seed = np.ones_like(output.value)
        gradients |= pull([output], [seed], visit=gradients.__setitem__)
        uses = Counter(edge.tail for edge in diagram.edges if has_gradient(edge.tail) and edge.head.thing in gradients)
        for node in diagram.nodes:
            if has_gradient(node) and node.thing in gradients:
                found[GRAD, node.id] = gradients[node.thing]
        for edge in diagram.edges:
            g, head = gradients.get(edge.head.thing), edge.head.thing
            if g is None or not has_gradient(edge.tail):
                continue
            rule, creator = head.creator.rule(edge.position), head.creator
            values = [
                operand.value if isinstance(operand, Box) else operand  # type: ignore[attr-defined]
                for operand in head.inputs
            ]
            if uses[edge.tail] > 1:
                part = np.asarray(rule(g, head.value, *values, **head.params))
                found[PART, edge_key(edge)] = fit(part, np.asarray(edge.tail.thing.value))
            if creator.kind == "elementwise":
                factor = rule(np.ones_like(g), head.value, *values, **head.params)
                found[FACTOR, edge_key(edge)] = np.broadcast_to(factor, np.shape(head.value))
    return found


def structure(diagram: Diagram) -> tuple[Any, ...]:
    """Equal for tapes of the same operations on the same shapes."""
    return tuple(
        (
            node.kind,
            node.symbol,
            node.shape,
            node.params,
            tuple(operand.id if isinstance(operand, Node) else "number" for operand in node.operands),
        )
        for node in diagram.nodes
    )
