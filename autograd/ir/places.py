"""Places where a function can leave something behind, and containers kept so that they can be compared and put back."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MISSING = object()
ANY = "*"  # among names: that of whatever a module or class holds


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a value is held: an attribute, a key of a dict, an item of a list, a variable of a closure or a module.

    `holder` and `suffix` are how code reaches it (without a holder: from the variable `root` of the entry); `container`
    holds it under `key`, as an item or else as an attribute.
    """

    label: str
    holder: Any
    suffix: str
    container: Any
    key: Any
    item: bool = True
    root: str = ""

    @property
    def identity(self) -> tuple[Any, str]:
        """Equal for the same place, whichever way the walk came there; as guards have it."""
        return self.root or id(self.holder), self.suffix

    def get(self) -> Any:
        """What is there now, or MISSING."""
        try:
            if self.item:
                return self.container[self.key]
            if isinstance(self.container, type):
                return vars(self.container)[self.key]  # (not what a base class has)
            return getattr(self.container, self.key)
        except (LookupError, AttributeError, ValueError):  # (an empty cell raises ValueError)
            return MISSING

    def put(self, value: Any) -> None:
        """Replace what is there."""
        if value is MISSING:
            if self.get() is not MISSING:
                if self.item:
                    del self.container[self.key]
                else:
                    delattr(self.container, self.key)
        elif self.item:
            self.container[self.key] = value
        else:
            setattr(self.container, self.key, value)

    def source(self, name: str, names: dict[str, Any]) -> str:
        """The expression for it in generated code; `name` is free for what the expression needs."""
        if self.holder is None:
            return self.root + self.suffix
        names[name] = self.holder
        if self.suffix.startswith("[id "):
            names[f"{name}_key"] = self.key
            return f"{name}[{name}_key]"
        return name + self.suffix


@dataclass(frozen=True, slots=True)
class Change:
    """A place that holds something else now."""

    place: Place
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Loss:
    """A change that no program can carry out again."""

    text: str


def item(container: Any, key: Any, label: str) -> Place:
    """An entry of a dict or list."""
    written = repr(key) if isinstance(key, (str, int)) else f"id {id(key)}"
    return Place(f"{label}[{key!r}]", container, f"[{written}]", container, key)


def global_variable(space: dict[str, Any], name: str, prefix: str = "") -> Place:
    """A variable of a module."""
    return Place(f"{prefix}{name}", space, f"[{name!r}]", space, name)


class Variables:
    """Places one by one: variables of closures, and slots."""

    def __init__(self) -> None:
        self.places: dict[tuple[Any, str], tuple[Place, Any]] = {}

    def add(self, place: Place) -> Any:
        """Keep what is there; returns it."""
        return self.places.setdefault(place.identity, (place, place.get()))[1]

    def changes(self) -> Iterator[Change | Loss]:
        """What is no longer as it was."""
        for place, old in self.places.values():
            if (new := place.get()) is not old:
                yield Loss(f"{place.label} is removed") if new is MISSING else Change(place, old, new)

    def restore(self) -> None:
        """Put it back."""
        for place, old in self.places.values():
            if place.get() is not old:
                place.put(old)


class Entries:
    """A dict, or the attributes of an object."""

    def __init__(self, held: Any, at: Callable[[Any], Place], label: str) -> None:
        self.held, self.at, self.label = held, at, label
        self.saved = dict(held)

    def changes(self) -> Iterator[Change | Loss]:
        """What is no longer as it was."""
        for key, new in list(self.held.items()):
            if self.saved.get(key, MISSING) is not new:
                yield Change(self.at(key), self.saved.get(key, MISSING), new)
        for key in self.saved.keys() - self.held.keys():
            yield Loss(f"{self.at(key).label} is removed")

    def restore(self) -> None:
        """Put it back."""
        own = OrderedDict if isinstance(self.held, OrderedDict) else dict
        for key in self.held.keys() - self.saved.keys():
            own.__delitem__(self.held, key)
        for key, value in self.saved.items():
            if self.held.get(key, MISSING) is not value:
                own.__setitem__(self.held, key, value)
        if any(a is not b for a, b in zip(self.held, self.saved, strict=True)):  # in another order
            own.clear(self.held)
            own.update(self.held, self.saved)


class Space(Entries):
    """What a module or class holds, as far as code in reach names it: the rest may be changed by other threads meanwhile."""

    def __init__(self, held: Any, at: Callable[[Any], Place], label: str, *names: set[str]) -> None:
        super().__init__(held, at, label)
        self.names = names  # (sets that still grow)

    def _among(self, held: Any) -> list[Any]:
        names = set().union(*self.names)
        return [name for name in list(held) if name in names or ANY in names]

    def changes(self) -> Iterator[Change | Loss]:
        """What is no longer as it was."""
        for name in self._among(self.saved):
            if name not in self.held:
                yield Loss(f"{self.at(name).label} is removed")
        for name in self._among(self.held):
            old, new = self.saved.get(name, MISSING), self.held[name]
            if old is not new:
                yield Change(self.at(name), old, new)

    def restore(self) -> None:
        """Put it back."""
        for change in list(self.changes()):
            if isinstance(change, Change):
                change.place.put(change.old)
        for name in self._among(self.saved):
            if name not in self.held:
                self.at(name).put(self.saved[name])


class Items:
    """A list or deque."""

    def __init__(self, held: Any, label: str, at: Callable[[int], Place] | None = None) -> None:
        self.held, self.label, self.saved = held, label, list(held)
        self.at = at or (lambda i: item(held, i, label))

    def changes(self) -> Iterator[Change | Loss]:
        """What is no longer as it was."""
        if len(self.held) != len(self.saved):
            yield Loss(f"len({self.label}): {len(self.saved)} -> {len(self.held)}")
            return
        for i, (old, new) in enumerate(zip(self.saved, self.held, strict=True)):
            if old is not new:
                yield Change(self.at(i), old, new)

    def restore(self) -> None:
        """Put it back."""
        if len(self.held) != len(self.saved) or any(a is not b for a, b in zip(self.held, self.saved, strict=True)):
            self.held.clear()
            self.held.extend(self.saved)


class Contents:
    """What is kept as a whole: a set, bytes, the elements of an array."""

    def __init__(self, held: Any, label: str, saved: Any, now: Callable[[], Any], put: Callable[[Any], None]) -> None:
        self.held, self.label, self.saved, self.now, self.put = held, label, saved, now, put

    def changes(self) -> Iterator[Change | Loss]:
        """What is no longer as it was."""
        if self.now() != self.saved:
            yield Loss(f"{self.label} is written into")

    def restore(self) -> None:
        """Put it back."""
        if self.now() != self.saved:
            self.put(self.saved)
