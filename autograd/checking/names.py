"""What a caller calls a Tensor: its own name, variables of the calling function, paths in modules and containers."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from ..core.errors import ArgumentError
from ..core.tensor import Tensor


def tensors_of(name: str, thing: Any, deep: bool = True) -> Iterator[tuple[str, Tensor]]:
    """The Tensors that a variable holds, with every name that one would call them by."""
    if isinstance(thing, Tensor):
        yield name, thing
    elif hasattr(type(thing), "named_parameters"):  # of the class: a lazy object in somebody's globals stays untouched
        for path, parameter in thing.named_parameters():
            for written in (path, path.replace(".", "_")):
                yield written, parameter
                yield (f"{name}.{written}" if "." in path else f"{name}_{written}"), parameter
    elif deep and isinstance(thing, Mapping):
        for key, item in thing.items():
            if isinstance(key, str):
                yield from tensors_of(key, item, False)
    elif deep and type(thing) in (list, tuple):
        for i, item in enumerate(thing):
            if isinstance(item, Tensor):
                yield f"{name}[{i}]", item
                yield f"{name}{i}", item


def in_frame(frame: FrameType) -> list[tuple[str, Tensor]]:
    """The Tensors within reach of a function, its local variables first."""
    found: list[tuple[str, Tensor]] = []
    spaces = [frame.f_locals] if frame.f_locals is frame.f_globals else [frame.f_locals, frame.f_globals]
    for space in spaces:
        for name, thing in list(space.items()):
            if not name.startswith("__"):
                found.extend(tensors_of(name, thing))
    return found


def spellings(key: str) -> list[str]:
    """The tensor names that a gradient of this name can mean, the likeliest first."""
    shorter = [re.sub(pattern, "", key) for pattern in (r"^grad_", r"^d_", r"^d", r"[_.]grad$", r"^∂")]
    return [key, *(name for name in shorter if name and name != key)]


class Names:
    """Finds the Tensor that the name of a gradient means."""

    def __init__(self, pairs: list[tuple[str, Tensor]]) -> None:
        self.by_name: dict[str, Tensor] = {}
        self.by_tensor: dict[Tensor, str] = {}
        for name, tensor in pairs:
            self.by_name.setdefault(name, tensor)
            self.by_tensor.setdefault(tensor, name)

    def find(self, key: str) -> Tensor | None:
        """The tensor of a gradient called `key`; None where there is none."""
        return next((self.by_name[name] for name in spellings(key) if name in self.by_name), None)

    def missing(self, keys: list[str]) -> ArgumentError:
        """The error for gradients whose tensors cannot be found."""
        known = sorted(self.by_name)
        near = [name for key in keys for spelt in spellings(key) for name in difflib.get_close_matches(spelt, known, 1)]
        hint = f"; did you mean {', '.join(dict.fromkeys(near))}" if near else ""
        listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "") or "none"
        return ArgumentError(
            f"no tensor belongs to {', '.join(map(repr, keys))}{hint}. Known: {listed}. A tensor is found "
            "by its name=, by its variable in the calling function, or by its path in a module; those of results only "
            "where the loss is given, or backward ran inside keep_grads()"
        )
