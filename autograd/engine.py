"""The backward pass: the chain rule applied to a tape, outputs first.

A tape is the DAG of tensors: each knows its creator and its inputs, none knows its consumers, so reference counting
alone frees it.  Cotangents live in a dict local to the pass and are dropped as soon as they are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .errors import GraphError, InplaceError
from .mode import clock, current
from .ops.shape import reduce_to
from .ops.elementwise import astype
from .primitive import Array, Box, reads

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
            raise GraphError(_freed_message(tensor, roots))
        for index in tensor.wrt:
            parent = inputs[index]
            if parent.creator is not None and parent not in seen:
                seen.add(parent)
                order.append(parent)
    order.sort(key=_serial)
    return order


def check_unchanged(order: Sequence[Any]) -> None:
    """Refuse a backward pass that would read a value written to after it was recorded.

    Raises:
        InplaceError: names the tensor, the operation and its line.
    """
    for tensor in order:
        needed: set[int] | None = set()
        for index in tensor.wrt:
            read = reads(tensor.creator.rule(index))
            needed = None if read is None or needed is None else needed | read
        for position, value in enumerate((tensor, *tensor.inputs), start=1):
            changed = _last_write(value) if isinstance(value, Box) else 0
            if changed > tensor.serial and (needed is None or position in needed):
                raise InplaceError(
                    f"{_called(value)} was changed in place after {tensor.creator.name!r} at {_at(tensor.site)} recorded "
                    f"it (version {changed}, expected at most {tensor.serial}), and the gradient needs the old "
                    "value. Compute a new tensor instead of writing into this one, or run backward before the write"
                )


def _last_write(tensor: Any) -> int:
    """When the tensor's value last changed, by itself or through another tensor whose memory it is a view of."""
    array = tensor.value
    owner = array.base if isinstance(array, np.ndarray) and array.base is not None else array
    changed: int = tensor.changed
    return max(changed, clock.written.get(id(owner), 0))


def _freed_message(tensor: Any, roots: Sequence[Any]) -> str:
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
    order = toposort(roots)
    if order and clock.changed > order[0].serial:
        check_unchanged(order)
    cotangents: dict[Any, Array] = {}
    kept: dict[Any, Array] = {}
    for root, seed in zip(roots, seeds, strict=True):
        cotangents[root] = cotangents[root] + seed if root in cotangents else seed
    trace = current().trace
    value_of = _tensor if graph else (trace.value_of if trace is not None else _value)
    if trace is not None:
        visit = trace.watch_cotangents(visit)
    with trace.during("backward") if trace is not None else contextlib.nullcontext():
        _walk(order, cotangents, kept, value_of, free, visit, targets)
    cotangents.update(kept)
    return cotangents


def _walk(
    order: list[Any],
    cotangents: dict[Any, Array],
    kept: dict[Any, Array],
    value_of: Callable[[Any], Array],
    free: Callable[[Any], None] | None,
    visit: Callable[[Any, Array], None] | None,
    targets: set[Any] | None,
) -> None:
    """Take tensors off the end of `order`, run their rules, and add what they give to `cotangents`."""
    owned: set[Any] = set()  # tensors whose cotangent is an array this pass made itself, so it may add in place
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
        values = [value_of(a) if isinstance(a, Box) else a for a in inputs]
        y = value_of(tensor)
        vjps = creator.vjps
        for index in tensor.wrt:
            parent, value = inputs[index], values[index]
            rule = vjps(index) if creator.variadic else vjps[index]
            part = rule(g, y, *values, **settings) if settings else rule(g, y, *values)
            if not (type(part) is type(value) is np.float64) and (
                part.shape != value.shape or part.dtype is not value.dtype
            ):
                part = fit(part, value)
            before = cotangents.get(parent)
            if before is None:
                cotangents[parent] = part
            elif type(before) is np.ndarray and parent in owned:
                before += part
            else:
                cotangents[parent] = before + part
                owned.add(parent)
        if free is not None:
            free(tensor)


def _value(tensor: Any) -> Array:
    return tensor.value


def _tensor(tensor: Any) -> Array:
    return tensor
