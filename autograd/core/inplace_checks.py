"""What the engine refuses: writes into values that a gradient still needs, and graphs that are gone."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import GraphError, InplaceError
from .mode import clock, refused
from .primitive import Box, reads
from .source_location import at, called, here


def check_unchanged(order: Sequence[Any]) -> None:
    """Refuse a backward pass that would read a value written to after it was recorded.

    Raises:
        InplaceError: names the tensor, the operation and its line.
    """
    for tensor in order:
        for index in tensor.wrt:
            source = tensor.inputs[index]
            if source.creator is not None and source.serial < source.changed < tensor.serial:
                raise InplaceError(
                    f"{called(source)}, made by {source.creator.name!r} at {at(source.site)}, was given another value (x.data "
                    f"= v) before {tensor.creator.name!r} at {at(tensor.site)} read it, so no gradient can be told: make a "
                    "new tensor, Tensor(v) or x.detach(), instead of writing into a result"
                )
        needed: set[int] | None = set()
        for index in tensor.wrt:
            read = reads(tensor.creator.rule(index))
            needed = None if read is None or needed is None else needed | read
        for position, value in enumerate((tensor, *tensor.inputs), start=1):
            changed = _last_write(value) if isinstance(value, type(tensor)) else 0  # (tracers never change)
            if changed > tensor.serial and (needed is None or position in needed):
                raise InplaceError(
                    f"{called(value)} was changed in place after {tensor.creator.name!r} at {at(tensor.site)} recorded "
                    f"it (version {changed}, expected at most {tensor.serial}), and the gradient needs the old "
                    "value. Compute a new tensor instead of writing into this one, or run backward before the write"
                )


def _last_write(tensor: Any) -> int:
    """When the tensor's value last changed, by itself or through another tensor whose memory it is a view of."""
    array = tensor.value
    owner = array.base if isinstance(array, np.ndarray) and array.base is not None else array
    changed: int = tensor.changed
    return max(changed, clock.written.get(id(owner), 0))


def refuse_lost(tensor: Any) -> None:
    """Refuse ``x[i] = v`` for a value that requires a gradient: as a plain value it would lose it, silently.

    Raises:
        InplaceError: always.
    """
    error = InplaceError(
        f"{at(here())}: x[i] = v writes a value that requires a gradient into {called(tensor)}: that gradient would be "
        "lost. Use x = x.at[index].set(v), through which gradients flow, or write v.detach() if none shall"
    )
    raise refused(error)


def refuse_inside(order: Sequence[Any]) -> None:
    """Refuse ``backward()`` where an argument of a transformation would get its ``.grad``, a value without history.

    Raises:
        GraphError: one of the recorded tensors was computed from such an argument.
    """
    for tensor in order:
        for source in [tensor.inputs[index] for index in tensor.wrt]:
            if source.stands_in and source.creator is None:
                error = GraphError(
                    f"{at(here())} calls backward() on a value computed from {called(source)}, the argument of a "
                    "transformation: .grad is a plain value, so the derivative of what is made of it would be lost. "
                    "Use autograd.grad or vjp here"
                )
                raise refused(error)


def freed_message(tensor: Any, roots: Sequence[Any]) -> str:
    """The error for a second backward pass: what is shared, where it was made, where it was freed."""
    if any(tensor is root for root in roots):
        shared = "recompute the forward pass before the second backward"
    else:
        shared = (
            f"recompute the forward pass: {called(tensor)}, made by {tensor.creator.name!r} at {at(tensor.site)}, "
            "is shared by both passes (was it made outside the loop?)"
        )
    return f"graph already freed by the backward at {at(tensor.freed_at)}; {shared}, or pass retain_graph=True to the first"


def refuse_write(tensor: Any) -> None:
    """Refuse ``x[i] = v`` on a tensor that a recorded operation made or read.

    Which operation read it only the garbage collector can tell: no tensor knows its consumers (that would be a cycle),
    and only this error wants to know.

    Raises:
        InplaceError: names the operation and its line, and the way to write it instead.
    """
    users = (
        user
        for holder in gc.get_referrers(tensor)
        if isinstance(holder, tuple)
        for user in gc.get_referrers(holder)
        if isinstance(user, Box) and getattr(user, "inputs", None) is holder
    )
    user: Any = next(users, None)
    if user is None and tensor.creator is None:
        if tensor.site is not None and getattr(tensor.value, "base", None) is not None:
            error = InplaceError(
                f"{called(tensor)}, made at {at(tensor.site)}, is part of another tensor, which would not change with "
                "it: write x[0, 1] = v, not x[0][1] = v, or use x.at[index].set(value)"
            )
            raise refused(error)
        return
    needs = (
        f"{user.creator.name!r} at {at(user.site)}" if user is not None else f"{tensor.creator.name!r}, which made it,"
    )
    error = InplaceError(
        f"cannot assign into {called(tensor)}: {needs} needs its old value. Use x.at[index].set(value), "
        "or write before the computation"
    )
    raise refused(error)
