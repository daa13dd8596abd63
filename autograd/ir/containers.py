"""Containers of the arguments: a traced function gets its own, and what it binds there is bound in those of the caller.

What was one container in the call is one in the trace, so that a write by one name is read by the other.  A container that
the function also reaches in another way (a closure, a global) cannot be both, so changes of such a one are refused; later
calls fit a program that changes containers only if their containers are one and apart in the same way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..core import tree
from ..core.errors import TraceError
from .places import MISSING, Change, Entries, Items, Loss, Place

Call = tuple[tuple[Any, ...], dict[str, Any]]


def _is_mutable(value: Any) -> bool:
    return isinstance(value, (dict, list)) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _containers(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """The mutable containers within a part of the arguments, with the expression for each, the inner ones last."""
    parts = tree.children(value)
    if parts is None or value is None:
        return
    if _is_mutable(value):
        yield value, path
    fields = dataclasses.is_dataclass(value)
    for key, part in parts.items():
        yield from _containers(part, f"{path}.{key}" if fields else f"{path}[{key!r}]")


def containers(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[tuple[Any, str]]:
    """The mutable containers of a call, with the expression for each."""
    return [
        *(found for i, value in enumerate(args) for found in _containers(value, f"args[{i}]")),
        *(found for name, value in kwargs.items() for found in _containers(value, f"kwargs[{name!r}]")),
    ]


class Built:
    """The arguments of a traced call: containers like those of the caller, filled with what stands for their leaves."""

    def __init__(self, call: Call, structure: Any, given: Iterator[Any]) -> None:
        self._made: dict[int, Any] = {}  # by id of the caller's container
        self.args, self.kwargs = self._build(call, structure, given)
        self.own: dict[int, Any] = {}  # what the trace got instead of the caller's, by id
        self.paths: dict[int, str] = {}  # the expression for the caller's, likewise
        self._kept: list[tuple[Any, str, Entries | Items | _Fields]] = []  # with the caller's container
        for original, path in containers(*call):
            made = self._made[id(original)]
            if id(made) not in self.paths:
                self.paths[id(made)], self.own[id(made)] = path, made
                self._kept.append((original, path, _kept(made, path)))
        self._pattern = _pattern([original for original, _ in containers(*call)])

    def _build(self, value: Any, structure: Any, given: Iterator[Any]) -> Any:
        if structure is None:
            return None
        if structure == tree.LEAF:
            return next(given)
        kind, names, below = structure
        held = (tree.children(value) or {}).values()
        parts = [self._build(part, inner, given) for part, inner in zip(held, below, strict=True)]
        if id(value) not in self._made or not _is_mutable(value):
            self._made[id(value)] = tree.unflatten((kind, names, (tree.LEAF,) * len(parts)), parts)
        return self._made[id(value)]

    def changes(self, known: Mapping[int, Any], others: list[Change | Loss], name: str) -> list[Change | Loss]:
        """What the trace has changed in its containers; `others` is what it has changed besides.

        Raises:
            TraceError: one of them is reached in another way as well, and changed.
        """
        found: list[Change | Loss] = []
        elsewhere = [c.place.container for c in others if isinstance(c, Change)]
        for original, path, kept in self._kept:
            changes, inner = list(kept.changes()), getattr(original, "__dict__", original)
            found += changes
            if id(original) in known and (changes or any(each is original or each is inner for each in elsewhere)):
                raise TraceError(
                    f"{name!r} changes {path}, which it is given and also reaches in another way (a closure, a global, an "
                    "attribute), so a compiled step would not see the change by the other name: give it or reach it, not both"
                )
        return found

    def differs(self, known: Mapping[int, Any]) -> Callable[..., bool]:
        """A condition on calls: whether their containers are one and apart otherwise than here, or reached in another way."""
        closed = {key: value for key, value in known.items() if _is_mutable(value)}
        pattern = self._pattern
        return lambda *call: (
            not (
                _pattern(now := [value for value, _ in containers(*call)]) == pattern
                and closed.keys().isdisjoint(map(id, now))
            )
        )


class _Fields:
    """A dataclass."""

    def __init__(self, held: Any, path: str) -> None:
        self.held, self.path, self.saved = held, path, tree.children(held) or {}

    def changes(self) -> Iterator[Change | Loss]:
        """What is no longer as it was."""
        now = tree.children(self.held) or {}
        for name, new in now.items():
            label, old = f"{self.path}.{name}", self.saved.get(name, MISSING)
            if old is not new and type(self.held).__dataclass_params__.frozen:
                yield Loss(f"{label} of a frozen dataclass")
            elif old is not new:
                yield Change(Place(label, None, f".{name}", None, name, False, root=self.path), old, new)
        yield from (Loss(f"{self.path}.{name} is removed") for name in self.saved.keys() - now.keys())


def _kept(made: Any, path: str) -> Entries | Items | _Fields:
    def at(key: Any) -> Place:
        return Place(f"{path}[{key!r}]", None, f"[{key!r}]", None, key, root=path)

    if isinstance(made, dict):
        return Entries(made, at, path)
    return Items(made, path, at) if isinstance(made, list) else _Fields(made, path)


def _pattern(values: list[Any]) -> list[int]:
    """For each container the position at which it is met first."""
    first: dict[int, int] = {}
    return [first.setdefault(id(value), i) for i, value in enumerate(values)]
