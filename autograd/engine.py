"""The backward pass: the chain rule applied to a tape, outputs first.

A tape is the DAG of tensors: each knows its creator and its inputs, none knows its consumers, so reference counting
alone frees it.  Cotangents live in a dict local to the pass and are dropped as soon as they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .errors import GraphError, InplaceError
from .mode import current
from .ops.shape import reduce_to
from .ops.elementwise import astype
from .primitive import Array, Box, reads

_serial = attrgetter("serial")


def toposort(roots: Iterable[Any], check: bool = True) -> list[Any]:
    """Every recorded tensor the roots were computed from, in the order of recording (inputs before outputs).

    A tensor's serial number is larger than those of its inputs, so sorting by it is a topological order.  No recursion.

    Raises:
        GraphError: an earlier backward pass freed part of the graph.
        InplaceError: a value that a rule needs was changed after it was recorded.
    """
    stack = [root for root in roots if root.creator is not None]
    seen = set(stack)
    order = list(seen)
    while stack:
        tensor = stack.pop()
        if tensor.inputs is None:
            raise GraphError(_freed_message(tensor, roots))
        for index, parent in enumerate(tensor.inputs):
            if isinstance(parent, Box) and parent.requires_grad:
                if parent.creator is not None and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
                    order.append(parent)
                if check and parent.changed > tensor.serial:
                    _check_unchanged(tensor, index, parent)
            elif check and isinstance(parent, Box) and getattr(parent, "changed", 0) > tensor.serial:
                _check_unchanged(tensor, index, parent)
        if check and tensor.changed > tensor.serial:
            _check_unchanged(tensor, -1, tensor)
    order.sort(key=_serial)
    return order


def _needs(tensor: Any, position: int) -> bool:
    """Whether the rules of this operation look at the value in that position (-1: its output)."""
    for i, parent in enumerate(tensor.inputs):
        rule = tensor.creator.rule(i)
        if rule is not None and isinstance(parent, Box) and parent.requires_grad:
            read = reads(rule)
            if read is None or position + 2 in read:
                return True
    return False


def _check_unchanged(tensor: Any, index: int, changed: Any) -> None:
    if _needs(tensor, index):
        raise InplaceError(
            f"{_called(changed)} was changed in place after {tensor.creator.name!r} at {_at(tensor.site)} recorded it "
            f"(version {changed.changed}, recorded at {tensor.serial}), and its gradient needs the old value. "
            "Compute a new tensor instead of writing into this one, or run backward before the write"
        )


def _freed_message(tensor: Any, roots: Iterable[Any]) -> str:
    if any(tensor is root for root in roots):
        shared = "recompute the forward pass before the second backward"
    else:
        shared = (
            f"recompute the forward pass: {_called(tensor)}, made by {tensor.creator.name!r} at {_at(tensor.site)}, "
            "is shared by both passes (was it made outside the loop?)"
        )
    return f"graph already freed by the backward at {_at(tensor.freed_at)}; {shared}, or pass retain_graph=True to the first"


def _called(tensor: Any) -> str:
    name = f"{tensor.name!r}, " if tensor.name else ""
    return f"tensor {name}shape {tuple(tensor.shape)}"


def _at(site: tuple[str, int] | None) -> str:
    return f"{site[0]}:{site[1]}" if site else "an unknown line"


def fit(g: Array, owner: Array) -> Array:
    """Bring a cotangent to the shape and dtype of its owner: undo broadcasting, then cast."""
    if g.shape != owner.shape:
        g = reduce_to(g, owner.shape)
    if g.dtype != owner.dtype:
        g = astype(g, owner.dtype)
    return g


def pull(
    roots: Sequence[Any],
    seeds: Sequence[Array],
    *,
    graph: bool = False,
    free: Callable[[Any], None] | None = None,
    visit: Callable[[Any, Array], None] | None = None,
    targets: set[Any] | None = None,
) -> dict[Any, Array]:
    """Cotangents of everything the roots were computed from that has no creator, or is among the targets.

    Args:
        roots, seeds: tensors, and the cotangent of each.
        graph: run the rules on tensors, so that the pass itself is recorded (higher order); else on plain values.
        free: called with each tensor after its rules have run.
        visit: called with each interior tensor and its cotangent.
        targets: interior tensors whose cotangents are kept; their inputs are still visited.
    """
    mode = current()
    order = toposort(roots)
    cotangents: dict[Any, Array] = {}
    owned: set[Any] = set()  # tensors whose cotangent is an array this pass made itself, so it may add in place
    for root, seed in zip(roots, seeds, strict=True):
        cotangents[root] = cotangents[root] + seed if root in cotangents else seed
    value_of = _tensor if graph else (_plain if mode.trace is None else mode.trace.value_of)
    kept: dict[Any, Array] = {}
    while order:
        tensor = order.pop()
        g = cotangents.pop(tensor, None)
        if g is None:
            continue
        if visit is not None:
            visit(tensor, g)
        if targets is not None and tensor in targets:
            kept[tensor] = g
        inputs = tensor.inputs
        creator = tensor.creator
        settings = tensor.settings
        values = [value_of(a) if isinstance(a, Box) else a for a in inputs]
        y = value_of(tensor)
        vjps = creator.vjps
        for index, parent in enumerate(inputs):
            if not (isinstance(parent, Box) and parent.requires_grad):
                continue
            rule = vjps(index) if callable(vjps) else vjps[index]
            if rule is None:
                continue
            value = values[index]
            part = rule(g, y, *values, **settings) if settings else rule(g, y, *values)
            if type(part) is not type(value) or isinstance(part, np.ndarray) or graph:
                part = fit(part, value)
            before = cotangents.get(parent)
            if before is None:
                cotangents[parent] = part
            elif parent in owned and isinstance(before, np.ndarray):
                before += part
            else:
                cotangents[parent] = before + part
                owned.add(parent)
        if free is not None:
            free(tensor)
    cotangents.update(kept)
    return cotangents


def _plain(tensor: Any) -> Array:
    return tensor.value


def _tensor(tensor: Any) -> Array:
    return tensor
