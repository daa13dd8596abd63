"""A diagram as JSON, for viewers and scripts of other people."""

from __future__ import annotations

import json
from typing import Any

from .model import Diagram, Edge, Node


def to_json(diagram: Diagram) -> str:
    """The nodes in the order of the walk and the edges between them, the same for the same diagram.

    Numbers are the words that pictures show; what a node or an edge does not have is left out.
    """
    data = {
        "title": diagram.title,
        "notes": diagram.notes,
        "nodes": [_node(node) for node in diagram.nodes],
        "edges": [_edge(edge) for edge in diagram.edges],
    }
    return json.dumps(data, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def _node(node: Node) -> dict[str, Any]:
    return _present(
        {
            "id": node.id,
            "kind": node.kind,
            "operation": node.symbol,
            "formula": node.formula,
            "name": node.name,
            "shape": None if node.shape is None else list(node.shape),
            "dtype": node.dtype,
            "params": node.params,
            "scope": node.scope,
            "phase": node.phase,
            "output": node.output,
            "stands_for": node.count if node.count > 1 else "",
            "value": node.value and node.value.text,
            "gradient": node.grad and node.grad.text,
            "source": node.source,
        }
    )


def _edge(edge: Edge) -> dict[str, Any]:
    return _present(
        {
            "id": edge.id,
            "from": edge.tail.id,
            "to": edge.head.id,
            "position": edge.position,
            "derivative": edge.derivative,
            "flow": None if edge.flow is None else round(float(edge.flow), 4),
        }
    )


def _present(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact is not None and fact is not False and fact != ""}
