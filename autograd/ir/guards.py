"""Guards: what a traced function read besides its arguments, checked before its program runs again.

The values are found by walking from the function's cells and globals through the objects it closes over, along the names
that the code which ran can have read.  Numbers, strings and the like are guarded by value; tensors, arrays and functions
by identity.  The checks become one generated Python function, since they run at every call.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..blame import OWN_FILES
from ..tensor import Tensor
from .trace import is_library

SIMPLE = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, enum.Enum, slice, range)
_MISSING = object()


def same(a: Any, b: Any) -> bool:
    """Equal and of the same type; nan equals nan, and 0.0 does not equal -0.0."""
    return a is b or (type(a) is type(b) and ((a == b and repr(a) == repr(b)) or (a != a and b != b)))


@dataclass(frozen=True, slots=True)
class Guard:
    """One checked value: how a person would write it, how code reaches it, what it must be."""

    label: str
    path: str
    expected: Any
    by_value: bool


class Walk:
    """Collects guards, and the generators in reach, from a function outwards."""

    def __init__(self, codes: Mapping[CodeType, Any] | None) -> None:
        self.codes = codes
        self.names = None if codes is None else {name for code in codes for name in code.co_names}
        self.roots: dict[str, Any] = {}
        self.guards: list[Guard] = []
        self.generators: list[tuple[np.random.Generator, Callable[[Any], None]]] = []
        self.tensors: dict[Tensor, str] = {}
        self._seen: set[int] = set()

    def root(self, value: Any) -> str:
        """A name under which the generated code finds the object."""
        name = f"r{len(self.roots)}"
        self.roots[name] = value
        return name

    def visit(self, value: Any, label: str, path: str, put: Callable[[Any], None] | None = None, depth: int = 0) -> None:
        """Guard a value reached by `path`; `put` would replace it there."""
        if isinstance(value, SIMPLE):
            self.guards.append(Guard(label, path, value, True))
            return
        if isinstance(value, ModuleType):
            self._module(value, label, path, depth)
            return
        self.guards.append(Guard(label, path, value, False))
        if isinstance(value, np.random.Generator) and put is not None:
            self.generators.append((value, put))
        if isinstance(value, Tensor):
            self.tensors.setdefault(value, label)
        if id(value) in self._seen or depth > 24 or isinstance(value, (Tensor, np.ndarray, np.random.Generator, BuiltinFunctionType)):
            return
        self._seen.add(id(value))
        name = self.root(value)
        if isinstance(value, FunctionType):
            self.function(value, name, depth + 1)
        elif isinstance(value, MethodType):
            self.visit(value.__self__, label, f"{name}.__self__", None, depth + 1)
            self.visit(value.__func__, f"{label}.__func__", f"{name}.__func__", None, depth + 1)
        elif isinstance(value, (list, tuple)):
            if isinstance(value, list):
                self.guards.append(Guard(f"len({label})", f"len({name})", len(value), True))
            for i, part in enumerate(value):
                self.visit(part, f"{label}[{i}]", f"{name}[{i}]", _setter(value, i), depth + 1)
        elif isinstance(value, dict):
            self.guards.append(Guard(f"len({label})", f"len({name})", len(value), True))
            for key, part in value.items():
                if isinstance(key, (str, int)):
                    self.visit(part, f"{label}[{key!r}]", f"{name}[{key!r}]", _setter(value, key), depth + 1)
        else:
            self._object(value, label, name, depth)

    def function(self, function: FunctionType, name: str, depth: int = 0) -> None:
        """Guard what a function reads besides its arguments: cells, globals, defaults."""
        if (self.codes is not None and function.__code__ not in self.codes) or function.__code__.co_filename in OWN_FILES:
            return
        for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            held = self.root(cell)
            self.visit(value, cell_name, f"{held}.cell_contents", _cell_setter(cell), depth)
        space = function.__globals__
        for global_name in dict.fromkeys(_names(function.__code__)):
            if global_name in space:
                held = self.root(space)
                self.visit(space[global_name], global_name, f"{held}[{global_name!r}]", _setter(space, global_name), depth)
        for i, value in enumerate(function.__defaults__ or ()):
            self.visit(value, f"{function.__name__} default {i}", f"{name}.__defaults__[{i}]", None, depth)

    def _module(self, module: ModuleType, label: str, path: str, depth: int) -> None:
        file = getattr(module, "__file__", None) or ""
        if not file or is_library(file) or file in OWN_FILES or self.names is None:
            return
        space = vars(module)
        for name in sorted(self.names & space.keys()):
            if isinstance(space[name], (*SIMPLE, FunctionType, Tensor, np.ndarray)):
                self.visit(space[name], f"{label}.{name}", f"{self.root(space)}[{name!r}]", _setter(space, name), depth + 1)

    def _object(self, value: Any, label: str, name: str, depth: int) -> None:
        own = getattr(value, "__dict__", {})
        kind = value if isinstance(value, type) else type(value)
        for attribute, part in list(own.items()) if not isinstance(value, type) else ():
            if self.names is None or attribute in self.names:
                put = _setter(own, attribute)
                self.visit(part, f"{label}.{attribute}", f"{name}.__dict__[{attribute!r}]", put, depth + 1)
        if self.names is None:
            return
        for attribute in sorted(self.names):
            if attribute in own and not isinstance(value, type):
                continue
            part = next((vars(k)[attribute] for k in kind.__mro__ if attribute in vars(k)), _MISSING)
            if isinstance(part, (bool, int, float, str)):
                self.visit(part, f"{label}.{attribute}", f"{name}.{attribute}", None, depth + 1)
            elif type(part).__name__ == "member_descriptor" and hasattr(value, attribute):  # __slots__
                self.visit(getattr(value, attribute), f"{label}.{attribute}", f"{name}.{attribute}", None, depth + 1)
            elif isinstance(part, FunctionType):
                self.function(part, self.root(part), depth + 1)


def _setter(container: Any, key: Any) -> Callable[[Any], None] | None:
    if isinstance(container, tuple):
        return None
    return lambda new: container.__setitem__(key, new)


def _cell_setter(cell: Any) -> Callable[[Any], None]:
    return lambda new: setattr(cell, "cell_contents", new)


def _names(code: CodeType) -> Iterator[str]:
    """Global names that the code, or code nested in it, can read."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def collect(function: Callable[..., Any], codes: Mapping[CodeType, Any] | None) -> Walk:
    """Everything to be guarded for a function whose run executed the given code (None: not run yet, all in reach)."""
    walk = Walk(codes)
    if isinstance(function, FunctionType):
        walk.function(function, walk.root(function))
    else:
        walk.visit(function, getattr(function, "__name__", type(function).__name__), walk.root(function))
    return walk


def checks(walk: Walk, prefix: str) -> tuple[list[str], dict[str, Any]]:
    """Python conditions, each true when a guard fails, and the names they use; cheapest form per guard."""
    names: dict[str, Any] = {f"{prefix}{key}": value for key, value in walk.roots.items()}
    lines: list[str] = []
    seen: set[tuple[str, Any]] = set()
    for number, guard in enumerate(walk.guards):
        path = _prefixed(guard.path, prefix)
        if (path, id(guard.expected)) in seen:
            continue
        seen.add((path, id(guard.expected)))
        expected = f"{prefix}k{number}"
        names[expected] = guard.expected
        if guard.by_value:
            lines.append(f"{path} is not {expected} and not same({path}, {expected})")
        else:
            lines.append(f"{path} is not {expected}")
    return lines, names


def _prefixed(path: str, prefix: str) -> str:
    return f"len({prefix}{path[4:]}" if path.startswith("len(") else prefix + path


def failures(walk: Walk) -> list[str]:
    """Guards that do not hold now, as "name: old -> new"."""
    found = []
    for guard in walk.guards:
        try:
            now = eval(guard.path, {"len": len}, walk.roots)
        except (LookupError, AttributeError, ValueError):
            now = _MISSING
        if now is not guard.expected and not (guard.by_value and same(now, guard.expected)):
            found.append(f"{guard.label}: {_shown(guard.expected)} -> {_shown(now)}")
    return found


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    return repr(value) if isinstance(value, SIMPLE) else f"another {type(value).__name__}"
