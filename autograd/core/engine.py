"""The backward pass: the chain rule applied to a tape, outputs first.

A tape is the DAG of tensors: each knows its creator and its inputs, none knows its consumers, so reference counting
alone frees it.  Cotangents live in a dict local to the pass and are dropped as soon as they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from .errors import GraphError
from .inplace_checks import check_unchanged, freed_message
from .mode import clock, current, switch
from .ops.elementwise import cast
from .ops.shape import reduce_to_p
from .primitive import Array, Box

_serial = attrgetter("serial")


def toposort(roots: Sequence[Any]) -> list[Any]:
    """Every recorded tensor the roots were computed from, in the order of recording (inputs before outputs).

    Raises:
        GraphError: an earlier backward pass freed part of the graph.
    """
    return _reached(roots, set(), 0)[0]


def _reached(roots: Sequence[Any], seen: set[Any], since: int) -> tuple[list[Any], bool]:
    """The same without what is seen already and what lies behind it, and without what was recorded before `since`;
    also whether anything else that requires a gradient was met.

    A tensor's serial number is larger than those of its inputs, so sorting by it is a topological order.  No recursion.
    """
    order: list[Any] = []
    outside = False
    for root in roots:
        if root not in seen:
            if root.creator is not None and root.serial >= since:
                seen.add(root)
                order.append(root)
            else:
                outside = outside or root.requires_grad
    for tensor in order:  # the list grows while it is walked
        inputs = tensor.inputs
        if inputs is None:
            raise GraphError(freed_message(tensor, roots))
        for index in tensor.wrt:
            parent = inputs[index]
            if parent not in seen:
                if parent.creator is not None and parent.serial >= since:
                    seen.add(parent)
                    order.append(parent)
                else:
                    outside = True
    order.sort(key=_serial)
    return order, outside


class Span(NamedTuple):
    """What lies between the sources of a pass and its roots; all that a transformation inside another may cost."""

    order: list[Any]  # recorded tensors that depend on a source, in the order of recording
    within: set[Any]  # these and the sources
    outside: bool  # whether the roots also depend on something else that requires a gradient


def between(roots: Sequence[Any], sources: Iterable[Any], since: int = 0) -> Span:
    """The tensors through which the roots depend on the sources; none of them was recorded before `since`.

    Raises:
        GraphError: an earlier backward pass freed part of the graph.
    """
    within = set(sources)
    seen = set(within)  # what a source itself was computed from is no matter
    order, outside = _reached(roots, seen, since)
    if not outside:
        return Span(order, seen, False)
    depending = []
    for tensor in order:
        if not within.isdisjoint([tensor.inputs[index] for index in tensor.wrt]):
            within.add(tensor)
            depending.append(tensor)
    return Span(depending, within, True)


def fit(g: Array, owner: Array) -> Array:
    """Bring a cotangent to the shape and dtype of its owner: undo broadcasting, then cast."""
    if g.shape != owner.shape:
        g = (reduce_to_p.forward if type(g) is np.ndarray else reduce_to_p)(g, shape=owner.shape)
    return g if g.dtype == owner.dtype else cast(g, owner.dtype)


def pull(
    roots: Sequence[Any],
    seeds: Sequence[Array],
    *,
    graph: bool = False,
    freed: dict[str, Any] | None = None,
    visit: Callable[[Any, Array], None] | None = None,
    span: Span | None = None,
) -> dict[Any, Array]:
    """Cotangents of everything the roots were computed from that has no creator; of the sources, if a span is given.

    Args:
        roots, seeds: tensors, and the cotangent of each.
        graph: run the rules on tensors, so that the pass itself is recorded (higher order); else on plain values.
        freed: free the graph behind the pass, leaving this in the params of every tensor.
        visit: called with each interior tensor and its cotangent.
        span: what the pass is limited to.
    """
    order = toposort(roots) if span is None else span.order[:]
    within = span.within if span is not None and span.outside else None
    if order and clock.changed > order[0].serial:
        check_unchanged(order)
    delicate = not graph and order and clock.delicate > order[0].serial and current().trace is None
    if delicate and any(t.creator.singular is not None and t.creator.singular(t) for t in order):
        return _recorded(roots, seeds, order if freed is not None else [], freed, visit, span)
    cotangents: dict[Any, Array] = {}
    for root, seed in zip(roots, seeds, strict=True):
        cotangents[root] = cotangents[root] + seed if root in cotangents else seed
    trace = current().trace
    value_of = (lambda tensor: tensor) if graph else None if trace is None else trace.value_of
    anomaly = current().anomaly
    if anomaly is not None:
        visit = anomaly.watching(visit)
    if trace is None:
        _walk(order, cotangents, value_of, freed, visit, within)
    else:
        with trace.during("backward"):
            _walk(order, cotangents, value_of, freed, trace.watch_cotangents(visit), within)
    return cotangents


def _recorded(roots: Any, seeds: Any, order: list[Any], freed: Any, visit: Any, span: Span | None) -> dict[Any, Array]:
    """The same pass recorded, and its results as plain values: for rules that take limits."""
    shown = visit and (lambda tensor, g: visit(tensor, _plain(g)))
    with switch("record", True):
        found = pull(roots, seeds, graph=True, visit=shown, span=span)
    for tensor in order:
        tensor.inputs, tensor.params = None, freed
    return {tensor: _plain(g) for tensor, g in found.items()}


def _plain(g: Any) -> Array:
    return g.value.copy() if isinstance(g, Box) else g  # type: ignore[attr-defined]


def _walk(
    order: list[Any],
    cotangents: dict[Any, Array],
    value_of: Callable[[Any], Array] | None,
    freed: dict[str, Any] | None,
    visit: Callable[[Any, Array], None] | None,
    within: set[Any] | None,
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
        inputs, creator, params = tensor.inputs, tensor.creator, tensor.params
        if value_of is None:
            values = [a.value if isinstance(a, Box) else a for a in inputs]  # type: ignore[attr-defined]
            y = tensor.value
        else:
            values = [value_of(a) if isinstance(a, Box) else a for a in inputs]
            y = value_of(tensor)
        wrt = tensor.wrt
        if within is not None:
            wrt = [index for index in wrt if inputs[index] in within]
        if creator.variadic:
            if (
                creator.deposit is not None
                and value_of is None
                and wrt
                and inputs[0] in owned
                and not isinstance(g, Box)
            ):
                creator.deposit(cotangents[inputs[0]], g, *values[1:], **params)
                wrt = ()
            parts = iter(creator.jointly(wrt, g, y, *values, **params))
        vjps = creator.vjps
        for index in wrt:
            if creator.variadic:
                part = next(parts)
            else:
                rule = vjps[index]
                part = rule(g, y, *values, **params) if params else rule(g, y, *values)
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
                total = cotangents[parent] = cotangents[parent] + part
                if type(total) is np.ndarray:
                    owned.add(parent)
        if freed is not None:
            tensor.inputs, tensor.params = None, freed
