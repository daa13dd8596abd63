"""The backward pass: the chain rule applied to a tape, outputs first.

A tape is the DAG of tensors: each knows its creator and its inputs, none knows its consumers, so reference counting
alone frees it.  Cotangents live in a dict local to the pass and are dropped as soon as they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .errors import GraphError
from .mode import clock, current
from .ops.elementwise import astype
from .ops.shape import reduce_to_p
from .primitive import Array, Box
from .safety import check_unchanged, freed_message

_serial = attrgetter("serial")


def toposort(roots: Sequence[Any]) -> list[Any]:
    """Every recorded tensor the roots were computed from, in the order of recording (inputs before outputs).

    A tensor's serial number is larger than those of its inputs, so sorting by it is a topological order.  No recursion.

    Raises:
        GraphError: an earlier backward pass freed part of the graph.
    """
    order = list(dict.fromkeys(root for root in roots if root.creator is not None))
    seen = set(order)
    for tensor in order:  # the list grows while it is walked
        inputs = tensor.inputs
        if inputs is None:
            raise GraphError(freed_message(tensor, roots))
        for index in tensor.wrt:
            parent = inputs[index]
            if parent.creator is not None and parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=_serial)
    return order


def fit(g: Array, owner: Array) -> Array:
    """Bring a cotangent to the shape and dtype of its owner: undo broadcasting, then cast."""
    if g.shape != owner.shape:
        g = (reduce_to_p.forward if type(g) is np.ndarray else reduce_to_p)(g, shape=owner.shape)
    return g if g.dtype == owner.dtype else astype(g, owner.dtype)


def pull(
    roots: Sequence[Any],
    seeds: Sequence[Array],
    *,
    graph: bool = False,
    freed: dict[str, Any] | None = None,
    visit: Callable[[Any, Array], None] | None = None,
    targets: set[Any] | None = None,
) -> dict[Any, Array]:
    """Cotangents of everything the roots were computed from that has no creator, or is among the targets.

    Args:
        roots, seeds: tensors, and the cotangent of each.
        graph: run the rules on tensors, so that the pass itself is recorded (higher order); else on plain values.
        freed: free the graph behind the pass, leaving this in the settings of every tensor.
        visit: called with each interior tensor and its cotangent.
        targets: interior tensors whose cotangents are kept; their inputs are still visited.
    """
    order = toposort(roots)
    if order and clock.changed > order[0].serial:
        check_unchanged(order)
    cotangents: dict[Any, Array] = {}
    kept: dict[Any, Array] = {}
    for root, seed in zip(roots, seeds, strict=True):
        cotangents[root] = cotangents[root] + seed if root in cotangents else seed
    trace = current().trace
    value_of = (lambda tensor: tensor) if graph else None if trace is None else trace.value_of
    anomaly = current().anomaly
    if anomaly is not None:
        visit = anomaly.watching(visit)
    if trace is None:
        _walk(order, cotangents, kept, value_of, freed, visit, targets)
    else:
        with trace.during("backward"):
            _walk(order, cotangents, kept, value_of, freed, trace.watch_cotangents(visit), targets)
    cotangents.update(kept)
    return cotangents


def _walk(
    order: list[Any],
    cotangents: dict[Any, Array],
    kept: dict[Any, Array],
    value_of: Callable[[Any], Array] | None,
    freed: dict[str, Any] | None,
    visit: Callable[[Any, Array], None] | None,
    targets: set[Any] | None,
) -> None:
    """Take tensors off the end of `order`, run their rules, and add what they give to `cotangents`."""
    owned: set[Any] = set()  # tensors whose cotangent is an array this pass made itself, so it may add in place
    float64 = np.float64
    while order:
        tensor = order.pop()
        g = cotangents.pop(tensor, None)
        if g is None:
            continue
        if visit is not None:
            visit(tensor, g)
        if targets is not None and tensor in targets:
            kept[tensor] = g
        inputs, creator, settings = tensor.inputs, tensor.creator, tensor.settings
        if value_of is None:
            values = [a.value if isinstance(a, Box) else a for a in inputs]  # type: ignore[attr-defined]
            y = tensor.value
        else:
            values = [value_of(a) if isinstance(a, Box) else a for a in inputs]
            y = value_of(tensor)
        vjps = creator.vjps
        for index in tensor.wrt:
            rule = vjps(index) if creator.variadic else vjps[index]
            part = rule(g, y, *values, **settings) if settings else rule(g, y, *values)
            value = values[index]
            if not (type(part) is float64 is type(value)) and (
                part.shape != value.shape or part.dtype is not value.dtype
            ):
                part = fit(part, value)
            parent = inputs[index]
            if parent not in cotangents:
                cotangents[parent] = part
            elif parent in owned and type(part) is np.ndarray:
                cotangents[parent] += part
            else:
                cotangents[parent] = cotangents[parent] + part
                owned.add(parent)
        if freed is not None:
            tensor.inputs, tensor.settings = None, freed
