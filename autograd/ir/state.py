"""State in reach of a function: what a run of it can change, kept so that it can be compared and put back.

The walk goes from the function and its arguments through closures, the globals that code names, modules and classes of
the user's, attributes and containers.  What it keeps is by reference, contents of arrays aside.
"""

from __future__ import annotations

import argparse
import array
import functools
import random
import sys
import weakref
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Callable, Hashable, Iterator
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import numpy as np

from ..core.primitive import Box, Primitive
from ..core.source_location import CORE_FILES, OWN_FILES, is_library
from ..core.tensor import Tensor
from .objects import IMMUTABLE
from .places import ANY, MISSING, Change, Contents, Entries, Items, Loss, Place, Space, Variables, global_variable, item

_PLAIN = frozenset({int, float, bool, str, bytes, type(None)})
LARGE = 1 << 24  # bytes: arrays above are not copied but made read-only while the function is traced
_NAMESPACES = (
    SimpleNamespace,
    argparse.Namespace,
    UserDict,
    UserList,
    ChainMap,
)  # library classes that are the user's state
_RANDOM = (np.random.RandomState, random.Random)
_FIELDS = ("name", "passes", "creator", "inputs", "params")  # of a tensor; its value and gradient belong to the trace


_WRITES_ANY = frozenset({"globals", "vars", "__dict__", "setattr", "delattr", "exec", "eval"})


def _shared(kind: type, names: set[str]) -> Space:
    """What a class holds for all its instances."""

    def at(name: str) -> Place:
        return Place(f"{kind.__name__}.{name}", kind, f".{name}", kind, name, False)

    return Space(vars(kind), at, kind.__name__, names)


class Snapshot:
    """What everything that a function can reach held when this was made.

    Args:
        roots: the function, and what it is called with.
    """

    def __init__(self, *roots: tuple[str, Any]) -> None:
        self.known: dict[int, Any] = {}  # all that was met, by id
        self.generators: list[tuple[np.random.Generator, Place]] = []
        self.random: list[Any] = []  # generators of the older kinds
        self.inherited: dict[
            tuple[Any, str], tuple[int, str]
        ] = {}  # identity of a place as it is seen from a class below
        self.traced: list[Any] = []  # values of some trace
        self.locked: list[np.ndarray[Any, Any]] = []  # made read-only until everything is put back
        self._large: list[np.ndarray[Any, Any]] = []
        self._variables = Variables()
        self._kept: list[Any] = [self._variables]
        self._tensors: list[tuple[Tensor, tuple[Any, ...]]] = []
        self._names: set[str] = set()
        # Modules and classes, of which only what code names is gone into: by id, with these names and those done.
        self._spaces: dict[int, tuple[Space, set[str], set[str]]] = {}
        self._queue: list[tuple[str, Any]] = list(reversed(roots))
        self._walk()

    # ----- what is different -----
    def changes(self) -> list[Change | Loss]:
        """What is no longer as it was."""
        return [change for kept in self._kept for change in kept.changes()]

    def lock(self) -> None:
        """Make the arrays that are too large for a copy read-only."""
        for array_ in self._large:
            self.locked.append(array_)
            array_.flags.writeable = False

    def undoing(self) -> list[Callable[[], None]]:
        """What puts everything back, for `Undo`."""
        return [self._restore_tensors, *(kept.restore for kept in reversed(self._kept)), self._unlock]

    def _unlock(self) -> None:
        for array_ in self.locked:
            array_.flags.writeable = True

    def _restore_tensors(self) -> None:
        for tensor, fields in self._tensors:
            for field, value in zip(_FIELDS, fields, strict=True):
                setattr(tensor, field, value)

    def places(self) -> Iterator[tuple[Place, Any]]:
        """Every place that holds a number, an array or a tensor."""
        yield from self._variables.places.values()
        for kept in self._kept:
            if isinstance(kept, Entries):
                yield from ((kept.at(key), value) for key, value in kept.saved.items())
            elif isinstance(kept, Items):
                yield from ((kept.at(i), value) for i, value in enumerate(kept.saved))

    # ----- the walk -----
    def _walk(self) -> None:
        while self._queue:
            while self._queue:
                label, value = self._queue.pop()
                if id(value) not in self.known and not isinstance(value, IMMUTABLE):
                    self.known[id(value)] = value
                    self._visit(value, label)
            for space, names, done in list(self._spaces.values()):
                for name in sorted((names & space.saved.keys()) - done):
                    place = space.at(name)
                    self._reach(place.label, space.saved[name], place)
                done |= names

    def _space(self, of: Any, make: Callable[[set[str]], Space], names: set[str]) -> None:
        """Keep what a module or class holds, to be gone into along some names."""
        if id(of) not in self._spaces:
            self._spaces[id(of)] = make(names), names, set()
            self.known[id(of)] = of
            self._kept.append(self._spaces[id(of)][0])
        elif names is not self._names:
            self._spaces[id(of)][1].update(names)
        else:
            self._spaces[id(of)][0].names += (names,)  # (a module may also be written to as an object)

    def _variable(self, place: Place, label: str) -> None:
        place = Place(label, place.holder, place.suffix, place.container, place.key, place.item)
        value = self._variables.add(place)
        self._reach(label, value, place)

    def _reach(self, label: str, value: Any, place: Place) -> None:
        if type(value) in _PLAIN:
            return
        if isinstance(value, np.random.Generator):
            self.generators.append((value, place))
        if value is not MISSING:
            self._queue.append((label, value))

    def _visit(self, value: Any, label: str) -> None:
        if type(value) in weakref.ProxyTypes:  # (which pass themselves off as what they stand for)
            self._queue.append((label, value.__repr__.__self__))
        elif isinstance(value, Tensor):
            self._tensors.append((value, tuple(getattr(value, field) for field in _FIELDS)))
            self._variables.add(Place(f"{label}.requires_grad", value, ".requires_grad", value, "requires_grad", False))
            if isinstance(value.value, Box):
                self.traced.append(value)
        elif isinstance(value, Box):
            self.traced.append(value)
        elif isinstance(value, np.ndarray):
            self._array(value, label)
        elif isinstance(value, FunctionType):
            self._function(value, label)
        elif isinstance(value, ModuleType):
            file = getattr(value, "__file__", None) or ""
            if not (value.__name__ in sys.builtin_module_names or is_library(file) or file in OWN_FILES):
                space = vars(value)
                self._space(
                    space,
                    lambda names: Space(space, lambda n: global_variable(space, n, f"{label}."), label, names),
                    self._names,
                )
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, _RANDOM):
            self.random.append(value)
        elif isinstance(value, (set, bytearray, array.array)):
            self._whole(value, label)
        elif (parts := _parts(value)) is not None:
            self._queue += [(label, part) for part in parts]
        else:
            self._object(value, label)

    def _object(self, value: Any, label: str) -> None:
        if isinstance(value, dict):
            self._entries(value, lambda key: item(value, key, label), label)
        elif isinstance(value, (list, deque)):
            self._kept.append(Items(value, label))
            for i, part in enumerate(value):
                self._reach(f"{label}[{i}]", part, item(value, i, label))
        elif isinstance(value, (tuple, frozenset)):
            self._queue += [(f"{label}[{i}]", part) for i, part in enumerate(value)]
        kind: Any = type(value)
        if not (_ours(kind) or isinstance(value, _NAMESPACES)):
            return
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            self._attributes(own, label)
        for base in kind.__mro__:
            for name, part in list(vars(base).items()):
                if type(part).__name__ == "member_descriptor" and _ours(base):
                    self._variable(Place("", value, f".{name}", value, name, False), f"{label}.{name}")
        self._queue.append((kind.__name__, kind))

    def _entries(self, held: dict[Any, Any], at: Callable[[Any], Place], label: str) -> None:
        self._kept.append(Entries(held, at, label))
        for key, part in held.items():
            place = at(key)
            self._reach(place.label, part, place)

    def _attributes(self, own: dict[str, Any], label: str) -> None:
        self._entries(own, lambda name: Place(f"{label}.{name}", own, f"[{name!r}]", own, name), label)

    def _function(self, function: FunctionType, label: str) -> None:
        code = function.__code__
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            self._variable(Place("", cell, ".cell_contents", cell, "cell_contents", False), name)
        if hasattr(function, "__wrapped__"):
            self._queue.append((label, function.__wrapped__))
        if code.co_filename in CORE_FILES or is_library(code.co_filename):
            return
        names = {name for inner in _nested(code) for name in inner.co_names}
        self._names |= names
        if code.co_filename in OWN_FILES:
            return
        if names & _WRITES_ANY:
            names.add(ANY)
            self._names.add(ANY)
        space = function.__globals__
        self._space(
            space, lambda names: Space(space, lambda n: global_variable(space, n), function.__module__, names), names
        )
        for i, value in enumerate(function.__defaults__ or ()):
            self._queue.append((f"{function.__name__} default {i}", value))
        keywords = function.__kwdefaults__
        if keywords:
            self._entries(
                keywords,
                lambda key: Place(
                    f"{function.__name__} default {key}", function, f".__kwdefaults__[{key!r}]", keywords, key
                ),
                label,
            )
        if function.__dict__:
            self._attributes(function.__dict__, label)

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not _ours(base):
                continue
            if base is not kind:
                for name in vars(base):
                    self.inherited.setdefault((id(kind), f".{name}"), (id(base), f".{name}"))
            if id(base) in self._spaces:
                continue
            self._space(base, functools.partial(_shared, base), self._names)
            for name, part in list(vars(base).items()):
                function = next((f for a in ("fget", "__func__", "func") if (f := getattr(part, a, None))), part)
                if isinstance(function, FunctionType):
                    self._queue.append((f"{base.__name__}.{name}", function))

    def _whole(self, value: Any, label: str) -> None:
        self._queue += [(label, part) for part in value if isinstance(value, set)]

        def put(saved: Any) -> None:
            value.clear() if isinstance(value, set) else value.__delitem__(slice(None))
            value.update(saved) if isinstance(value, set) else value.extend(saved)

        self._kept.append(
            Contents(value, label, value.copy() if isinstance(value, set) else value[:], lambda: value, put)
        )

    def _array(self, value: np.ndarray[Any, Any], label: str) -> None:
        if value.dtype == object:
            self._queue += [(label, part) for part in value.ravel()]
        if not value.flags.writeable:
            return
        if value.nbytes > LARGE:
            self._large.append(value)
            return
        copy = np.array(value)

        def put(saved: Any) -> None:
            value[...] = copy

        self._kept.append(Contents(value, label, copy.tobytes(), value.tobytes, put))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _parts(value: Any) -> list[Any] | None:
    """What an object that no attribute is written to refers to; None for other objects."""
    if isinstance(value, MethodType):
        return [value.__self__, value.__func__]
    if isinstance(value, functools.partial):
        return [value.func, *value.args, value.keywords]
    if isinstance(value, BuiltinFunctionType):
        return [value.__self__] if not isinstance(value.__self__, ModuleType) else []
    if isinstance(value, MappingProxyType):
        return list(value.values())
    if isinstance(value, weakref.ref):
        return [value()]
    if isinstance(value, CellType):
        return []
    if type(value).__module__.partition(".")[0] == "autograd":  # a compiled function, a primitive of the user's, ...
        rules = value.vjps if isinstance(value, Primitive) and value.kind == "user" else ()
        return [getattr(value, "__wrapped__", None), *(rules if isinstance(rules, tuple) else [rules])]
    return None


@functools.lru_cache(maxsize=4096)
def _ours(kind: Hashable) -> bool:
    """Whether instances of the class are state of the user's: a class of the user's or of `nn` is among its bases."""
    assert isinstance(kind, type)
    for base in kind.__mro__:
        module = sys.modules.get(base.__module__)
        file = getattr(module, "__file__", None) or ""
        if base.__module__ in sys.builtin_module_names or file in CORE_FILES or is_library(file):
            continue
        return True
    return False
