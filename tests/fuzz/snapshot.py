"""Everything that can be reached from a value, as a flat table of copies: what a step gave, changed or left alone."""

from __future__ import annotations

import types
from typing import Any, NamedTuple

import numpy as np

from autograd import Tensor
from autograd.core.primitive import Box


class Leaf(NamedTuple):
    """What stands at one place: its type, and an array, or anything else that can be compared."""

    kind: str
    value: Any


def snapshot(value: Any, path: str, result: bool = False) -> dict[str, Leaf]:
    """The leaves below a value, by the text of how they are reached.

    The order of bytes is left out (NumPy too gives what it computes in the machine's own), of a result gradients as well.
    """
    found: dict[str, Leaf] = {}
    _walk(value, path, found, not result, set())
    for name, (kind, array) in found.items():
        if isinstance(array, np.ndarray):
            found[name] = Leaf(kind, array.astype(array.dtype.newbyteorder("=")))
    return found


def _walk(value: Any, path: str, found: dict[str, Leaf], grads: bool, seen: set[int]) -> None:
    kind = type(value).__name__
    if isinstance(value, np.ndarray | np.generic):
        kind = "array" if np.ndim(value) else "number"  # (NumPy's functions differ in which of them are arrays)
        found[path] = Leaf(kind, np.array(value, subok=False))
    elif value is None or isinstance(value, bool | int | float | str):
        found[path] = Leaf(kind, np.asarray(value) if isinstance(value, float) else value)
    elif isinstance(value, Tensor):
        if isinstance(value.value, Box):
            found[path] = Leaf("a dead tracer", None)
            return
        found[path] = Leaf(kind, np.array(value.value, subok=False))
        if grads:
            grad = value.stored_grad
            found[f"{path}.grad"] = Leaf("none" if grad is None else "array", None if grad is None else np.array(grad))
    elif isinstance(value, set):
        found[path] = Leaf(kind, tuple(sorted(map(repr, value))))
    elif isinstance(value, np.random.Generator):
        found[path] = Leaf(kind, repr(value.bit_generator.state))
    elif id(value) in seen:
        found[path] = Leaf(kind, "met before")
    else:
        seen.add(id(value))
        _walk_into(value, kind, path, found, grads, seen)


def _walk_into(value: Any, kind: str, path: str, found: dict[str, Leaf], grads: bool, seen: set[int]) -> None:
    if isinstance(value, dict):
        found[path] = Leaf(kind, tuple(map(str, value)))
        items = [(f"{path}[{key!r}]", item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        found[path] = Leaf(kind, len(value))
        items = [(f"{path}[{i}]", item) for i, item in enumerate(value)]
    elif isinstance(value, types.ModuleType | type):
        found[path] = Leaf(kind, value.__name__)
        return
    else:
        attributes = getattr(value, "__dict__", {})
        if any(base.__module__.startswith("nn.") for base in type(value).__mro__):  # what is private there is its own
            attributes = {name: item for name, item in attributes.items() if name[0] != "_"}
        found[path] = Leaf(kind, getattr(value, "__qualname__", ""))
        items = [(f"{path}.{name}", item) for name, item in attributes.items()]
    for name, item in items:
        _walk(item, name, found, grads, seen)
