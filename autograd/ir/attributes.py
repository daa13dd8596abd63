"""What code reads of objects and classes, and the guards of a walk that comes by them.

Attributes are looked at as far as the code that ran names them: the user's own code, and for what a class takes from a
library that library's.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType, SimpleNamespace
from typing import Any

import numpy as np

from ..core.errors import TraceError
from ..core.source_location import CORE_FILES, is_library
from ..core.tensor import Tensor
from .objects import (
    IMMUTABLE,
    MISSING,
    Put,
    attribute_setter,
    buffer,
    function_of,
    of_engine,
    of_library,
    setter,
    slots,
    static,
)  # fmt: skip
from .reading import Reads

Part = tuple[Any, str, str, Put | None]  # a value, what a person would call it, how code reaches it, what replaces it

_DESCRIBED = (GetSetDescriptorType, MemberDescriptorType)  # what a class written in C, or with slots, keeps
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class of an object that can be given another one


@dataclass(frozen=True, slots=True)
class Guard:
    """One checked value: how a person would write it, how code reaches it, what it must be."""

    label: str
    path: str
    expected: Any
    by_value: bool
    put: Put | None = None  # replaces the value where it is held


class Attributes(ABC):
    """Guards, and the parts of objects and classes that the code which ran can have read."""

    def __init__(
        self, codes: Mapping[CodeType, Any] | None, named: Iterable[str] = (), inside: Set[str] = frozenset()
    ) -> None:
        self.codes = codes
        self.inside = inside  # names in the code of libraries that ran, which looks for them in its own objects
        self.named = set(named)  # further names, of attributes that functions in reach look for
        self.reads = None if codes is None else Reads(codes, named)
        self.roots: dict[str, Any] = {"g_static": static, "g_buffer": buffer}
        self.guards: list[Guard] = []
        self.generators: list[tuple[np.random.Generator, Put]] = []
        self.tensors: dict[Tensor, str] = {}
        self.arrays: list[tuple[np.ndarray[Any, Any], str, str]] = []  # with label and path
        self.checked = False  # whether what arrays hold may have been checked, so that they cannot become inputs
        self._seen: dict[int, str] = {}  # objects gone into, with their path
        self._seen_attributes: set[tuple[int, str]] = set()  # of classes
        self._kept: list[Any] = []  # so that no id is used twice
        self._by_shape: list[str] = []  # paths of what may be another object at the next call

    # ----- guards -----
    def root(self, value: Any) -> str:
        """A name under which the generated code finds the object."""
        name = f"g_r{len(self.roots)}"
        self.roots[name] = value
        return name

    def key(self, guard: Guard) -> tuple[Any, str]:
        """What a guard looks at, whichever way the walk came there: the object or argument, and the access to it."""
        found = re.search(r"(?<!['\"\w.])(g_r|a)\d+\b", guard.path)
        assert found is not None
        access = re.sub(rf"(?<!['\"\w.]){found[0]}\b", "", guard.path)
        return id(self.roots[found[0]]) if found[0] in self.roots else found[0], access

    def must_be(self, label: str, path: str, expected: Any, by_value: bool = True, put: Put | None = None) -> None:
        """Add a guard."""
        self.guards.append(Guard(label, path, expected, by_value, put))

    # ----- objects and classes -----
    def _object(self, value: Any, label: str, name: str) -> Iterator[Part]:
        """Attributes of an object and of its class, or of a class."""
        if isinstance(value, type):
            yield from self._class(value)
            yield from self._class(type(value))
            return
        kind = type(value)
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            if name[0] != "a" and kind.__flags__ & _HEAP_TYPE:
                self.must_be(f"class of {label}", f"type({name})", kind, by_value=False)
            yield from self._attributes(value, own, label, name)
        yield from self._described(value, kind, label, name)
        for slot in slots(kind):
            if self._wanted(slot):
                part = getattr(value, slot, MISSING)
                if part is MISSING:
                    self.must_be(f"{label} has {slot}", f"hasattr({name}, {slot!r})", False)
                else:
                    yield part, f"{label}.{slot}", f"{name}.{slot}", attribute_setter(value, slot)
        yield from self._class(kind, own if isinstance(own, dict) else ())

    def _described(self, value: Any, kind: type, label: str, name: str) -> Iterator[Part]:
        """Attributes that an object of a library keeps outside of Python's sight, as far as the code names them.

        Raises:
            TraceError: one of them is another object at every access, so that nobody can tell whether it has changed.
        """
        for base in kind.__mro__[:-1] if self.reads is not None else ():
            held = vars(base).items() if of_library(base) and not of_engine(base) and base is not np.ndarray else ()
            for attribute in [a for a, part in held if isinstance(part, _DESCRIBED) and self._named(a)]:
                part = getattr(value, attribute, MISSING)
                if isinstance(part, IMMUTABLE) or part is getattr(value, attribute, MISSING):
                    yield part, f"{label}.{attribute}", f"{name}.{attribute}", None
                else:
                    raise TraceError(
                        f"{label}.{attribute} is another {type(part).__name__} at every access, so a compiled step cannot "
                        "watch it: read it before, and pass what it holds as an argument"
                    )

    def _named(self, attribute: str) -> bool:
        """Whether code names an attribute of an object of a library."""
        assert self.reads is not None
        return attribute[:2] != "__" and (attribute in self.reads.names or attribute in self.inside)

    def _attributes(self, value: Any, own: dict[str, Any], label: str, name: str) -> Iterator[Part]:
        """What the object's own dict holds, and that it hides nothing of its class."""
        everything = isinstance(value, SimpleNamespace)
        engine = of_engine(type(value))
        ours = engine or isinstance(value, FunctionType)
        inherits = not ours and any(of_library(base) for base in type(value).__mro__[:-1])
        held = f"{name}.__dict__"
        if name[0] != "a" and own is value.__dict__:
            held = self.root(own)
            self.must_be(f"attributes of {label}", f"{name}.__dict__", own, by_value=False)
        if everything:
            self.must_be(f"attributes of {label}", f"[*{held}]", list(own))
        elif self.reads is not None and not engine and (absent := sorted(self._of_class(type(value)) - own.keys())):
            hidden = " or ".join(f"{attribute!r} in {held}" for attribute in absent)
            if len(absent) > 4:
                hidden = f"not {held}.keys().isdisjoint({self.root(frozenset(absent))})"
            self.must_be(f"{label} has {' or '.join(absent)} of its own", f"({hidden})", False)
        for attribute, part in list(own.items()):
            if engine:  # whose code is not looked at: what it computes with, not what it notes
                wanted = attribute == "__wrapped__" or isinstance(part, np.ndarray)
            else:
                wanted = everything or self._wanted(attribute) or (inherits and attribute in self.inside)
            if wanted:
                yield part, f"{label}.{attribute}", f"{held}[{attribute!r}]", setter(own, attribute)

    def _of_class(self, kind: type) -> set[str]:
        """Attributes that the code finds in the class, or asks for in vain, unless an object has its own."""
        assert self.reads is not None
        assert self.codes is not None
        found = set(self.reads.asked)
        for base in kind.__mro__:
            if not of_library(base):
                found.update(attribute for attribute, part in vars(base).items() if self._found(attribute, part))
                maker = vars(base).get("__getattr__")
                if isinstance(maker, FunctionType) and maker.__code__ in self.codes:
                    found |= self.reads.names
        return {attribute for attribute in found if attribute[:2] != "__"}

    def _wanted(self, attribute: str) -> bool:
        reads = self.reads
        return reads is None or reads.anything or attribute in reads.names or attribute == "__wrapped__"

    def _class(self, kind: type, own: Container[str] = ()) -> Iterator[Part]:
        """What the code found in a class and its bases: the methods that ran, properties, values that are not the object's."""
        reads = self.reads
        if reads is None or of_library(kind):
            return
        done: set[str] = set()
        for base in kind.__mro__:
            for attribute, part in list(vars(base).items()) if not of_library(base) else ():
                if not self._found(attribute, part):
                    continue
                first = static(kind, attribute) is part
                done.add(attribute)
                if (not first or attribute in own) and not isinstance(function_of(part), FunctionType):
                    continue
                holder = kind if first else base  # (a method that another one hides ran by way of super)
                if self._meet(holder, attribute):
                    yield from self._class_attribute(holder, base, attribute, part, self.root(holder))
        for attribute in sorted(reads.asked - done):
            if not hasattr(kind, attribute) and self._meet(kind, attribute):
                self.must_be(f"{kind.__name__} has {attribute}", f"hasattr({self.root(kind)}, {attribute!r})", False)

    def _meet(self, kind: type, attribute: str) -> bool:
        """Whether an attribute of a class is met for the first time."""
        if (id(kind), attribute) in self._seen_attributes:
            return False
        self._seen_attributes.add((id(kind), attribute))
        self._kept.append(kind)
        return True

    def _found(self, attribute: str, part: Any) -> bool:
        """Whether the code can have found this in a class: it ran, or it is named and no function that did not run."""
        assert self.reads is not None
        assert self.codes is not None
        if isinstance(part, _DESCRIBED):
            return False
        function = function_of(part)
        if isinstance(function, FunctionType):
            if function.__code__ in self.codes:
                return True
            file = function.__code__.co_filename
            if not is_library(file) and file not in CORE_FILES:
                return False
        return attribute in self.reads.names or (self.reads.anything and attribute[:2] != "__" and not callable(part))

    def _class_attribute(self, kind: type, base: type, attribute: str, part: Any, name: str) -> Iterator[Part]:
        label, path = f"{kind.__name__}.{attribute}", f"{name}.{attribute}"
        plain = not hasattr(part, "__get__")
        if not plain and getattr(kind, attribute, None) is not part:  # bound anew at every access
            path = f"g_static({name}, {attribute!r})"
        if plain:
            yield part, label, path, attribute_setter(base, attribute)
            return
        self.must_be(label, path, part, by_value=False)
        function = function_of(part)
        if isinstance(function, FunctionType):
            if id(function) not in self._seen:
                self._seen[id(function)] = root = self.root(function)
                yield from self._function(function, label, root)
        elif function is not part:  # a static method that is no Python function
            yield function, label, self.root(function), None
        else:
            yield part, label, self.root(part), None

    @abstractmethod
    def _function(self, function: FunctionType, label: str, name: str) -> Iterator[Part]:
        """What a function reads besides its arguments."""
