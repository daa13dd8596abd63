"""Guards: what a traced function read besides its arguments, checked before its program runs again.

The values are found by walking from the function's cells and globals through the objects it closes over, along the names
that the code which ran can have read.  Numbers, strings and the like are guarded by value; tensors, arrays and functions
by identity, arrays that NumPy computed with also by their contents.  The checks become one generated Python function,
since they run at every call.
"""

from __future__ import annotations

import builtins
import dis
import enum
import functools
import re
import sys
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..blame import OWN_FILES
from ..primitive import Primitive
from ..tensor import Tensor
from .trace import is_library

SIMPLE = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, enum.Enum, slice, range)
_MISSING = object()
SMALL = 1 << 14  # bytes; comparing so many takes about a microsecond


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
    put: Callable[[Any], None] | None = None  # replaces the value where it is held


class Walk:
    """Collects guards, and the generators in reach, from a function outwards."""

    def __init__(self, codes: Mapping[CodeType, Any] | None) -> None:
        self.codes = codes
        self.names = None if codes is None else {name for code in codes for name in code.co_names}
        self.asked = {name for code in codes or () for name in _asked_for(code)}  # attributes that need not exist
        if self.names is not None:
            self.names |= self.asked
        self.roots: dict[str, Any] = {}
        self.guards: list[Guard] = []
        self.generators: list[tuple[np.random.Generator, Callable[[Any], None]]] = []
        self.tensors: dict[Tensor, str] = {}
        self.arrays: list[tuple[np.ndarray[Any, Any], str, str]] = []  # with label and path
        self._seen: set[int] = set()

    def root(self, value: Any) -> str:
        """A name under which the generated code finds the object."""
        name = f"g_r{len(self.roots)}"
        self.roots[name] = value
        return name

    def key(self, guard: Guard) -> tuple[int, str]:
        """What a guard looks at, whichever way the walk came there: the object, and the access to it."""
        root = re.search(r"g_r\d+", guard.path)
        assert root is not None
        return id(self.roots[root[0]]), guard.path.replace(root[0], "")

    def must_be(
        self, label: str, path: str, expected: Any, by_value: bool = True, put: Callable[[Any], None] | None = None
    ) -> None:
        """Add a guard."""
        self.guards.append(Guard(label, path, expected, by_value, put))

    def visit(
        self, value: Any, label: str, path: str, put: Callable[[Any], None] | None = None, depth: int = 0
    ) -> None:
        """Guard a value reached by `path`; `put` would replace it there."""
        if isinstance(value, SIMPLE):
            self.must_be(label, path, value, put=put)
            return
        if isinstance(value, ModuleType):
            self._module(value, label, depth)
            return
        self.must_be(label, path, value, by_value=False)
        if isinstance(value, np.random.Generator) and put is not None:
            self.generators.append((value, put))
        if isinstance(value, Tensor):
            self.tensors.setdefault(value, label)
        if isinstance(value, np.ndarray):
            self.arrays.append((value, label, path))
        if (
            id(value) in self._seen
            or depth > 24
            or isinstance(value, (Tensor, np.ndarray, np.random.Generator, BuiltinFunctionType))
        ):
            return
        self._seen.add(id(value))
        name = self.root(value)
        if isinstance(value, FunctionType):
            self.function(value, name, depth + 1)
        elif isinstance(value, MethodType):
            self.visit(value.__self__, label, f"{name}.__self__", None, depth + 1)
            self.visit(value.__func__, f"{label}.__func__", f"{name}.__func__", None, depth + 1)
        elif isinstance(value, functools.partial):
            for part in ("func", "args", "keywords"):
                self.visit(getattr(value, part), f"{label}.{part}", f"{name}.{part}", None, depth + 1)
        elif isinstance(value, (list, tuple, deque)):
            if not isinstance(value, tuple):
                self.must_be(f"len({label})", f"len({name})", len(value))
            for i, part in enumerate(value):
                self.visit(part, f"{label}[{i}]", f"{name}[{i}]", _setter(value, i), depth + 1)
        elif isinstance(value, dict):
            self.must_be(f"keys of {label}", f"[*{name}]", list(value))
            for i, (key, part) in enumerate(value.items()):
                place = f"{name}[{key!r}]" if isinstance(key, (str, int)) else f"[*{name}.values()][{i}]"
                self.visit(part, f"{label}[{key!r}]", place, _setter(value, key), depth + 1)
        elif isinstance(value, (set, frozenset)):
            self.must_be(label, f"set({name})", set(value))
        elif isinstance(value, Primitive) and value.kind == "user":
            before = len(self.guards)
            self.visit(value.vjps, f"rules of {value.name}", f"{name}.vjps", None, depth + 1)
            # (rules work on plain values, so that no float in them may become a tensor)
            self.guards[before:] = [replace(guard, put=None) for guard in self.guards[before:]]
        else:
            self._object(value, label, name, depth)

    def function(self, function: FunctionType, name: str, depth: int = 0) -> None:
        """Guard what a function reads besides its arguments: cells, globals, defaults."""
        if function.__code__.co_filename in OWN_FILES:
            if hasattr(function, "__wrapped__"):  # grad, vmap and their like, around a function of the user's
                self.visit(function.__wrapped__, function.__name__, f"{name}.__wrapped__", None, depth + 1)
            return
        if self.codes is not None and function.__code__ not in self.codes:
            return
        for cell_name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            held = self.root(cell)
            self.visit(value, cell_name, f"{held}.cell_contents", _cell_setter(cell), depth)
        space = function.__globals__
        for global_name in dict.fromkeys(_globals(function.__code__)):
            if global_name in space:
                held = self.root(space)
                self.visit(
                    space[global_name], global_name, f"{held}[{global_name!r}]", _setter(space, global_name), depth
                )
            elif not hasattr(builtins, global_name):
                self.must_be(f"{global_name} exists", f"{global_name!r} in {self.root(space)}", False)
        for i, value in enumerate(function.__defaults__ or ()):
            self.visit(value, f"{function.__name__} default {i}", f"{name}.__defaults__[{i}]", None, depth)
        for key, value in (function.__kwdefaults__ or {}).items():
            put = _setter(function.__kwdefaults__, key)
            self.visit(value, f"{function.__name__} default {key}", f"{name}.__kwdefaults__[{key!r}]", put, depth)

    def _module(self, module: ModuleType, label: str, depth: int) -> None:
        file = getattr(module, "__file__", None) or ""
        library = module.__name__ in sys.builtin_module_names or is_library(file) or file in OWN_FILES
        if library or self.names is None or id(module) in self._seen:
            return
        self._seen.add(id(module))
        space = vars(module)
        for name in sorted(self.names & space.keys()):
            self.visit(space[name], f"{label}.{name}", f"{self.root(space)}[{name!r}]", _setter(space, name), depth + 1)

    def _object(self, value: Any, label: str, name: str, depth: int) -> None:
        own = getattr(value, "__dict__", {})
        kind = value if isinstance(value, type) else type(value)
        for attribute, part in list(own.items()) if not isinstance(value, type) else ():
            if self.names is None or attribute in self.names or attribute == "__wrapped__":
                put = _setter(own, attribute)
                self.visit(part, f"{label}.{attribute}", f"{name}.__dict__[{attribute!r}]", put, depth + 1)
        if self.names is None:
            return
        for attribute in sorted(self.names):
            if attribute in own and not isinstance(value, type):
                continue
            part = next((vars(k)[attribute] for k in kind.__mro__ if attribute in vars(k)), _MISSING)
            if part is _MISSING:
                if attribute in self.asked:
                    self.must_be(f"{label} has {attribute}", f"hasattr({name}, {attribute!r})", False)
            elif type(part).__name__ == "member_descriptor":  # __slots__
                if hasattr(value, attribute):
                    self.visit(
                        getattr(value, attribute), f"{label}.{attribute}", f"{name}.{attribute}", None, depth + 1
                    )
            elif isinstance(function := _function_of(part), FunctionType):
                self.function(function, self.root(function), depth + 1)
            elif not hasattr(part, "__get__"):
                self.visit(part, f"{label}.{attribute}", f"{name}.{attribute}", None, depth + 1)

    def guard_contents(self, constants: Iterable[np.ndarray[Any, Any]], computed: bool) -> None:
        """Guard the contents of arrays that were read by NumPy or Python rather than by the program.

        The program refers to the arrays among its `constants` and so sees every change of them; they are guarded too, up
        to a size, if a number or an array in it was `computed` from something.
        """
        referred = {id(_owner(array)) for array in constants}
        computed = computed or not referred <= {id(_owner(array)) for array, _, _ in self.arrays}
        for array, label, path in self.arrays:
            if id(_owner(array)) not in referred or (computed and array.nbytes <= SMALL):
                self.must_be(f"contents of {label}", f"{path}.tobytes()", array.tobytes())


def _owner(array: np.ndarray[Any, Any]) -> Any:
    return array if array.base is None else array.base


def _asked_for(code: CodeType) -> Iterator[str]:
    """Attributes that the code may look for by getattr or hasattr."""
    if {"getattr", "hasattr"} & set(code.co_names):
        yield from (text for text in code.co_consts if isinstance(text, str) and text.isidentifier())


def _function_of(part: Any) -> Any:
    """The Python function behind a method, property, class method and the like; anything else as it is."""
    for attribute in ("fget", "__func__", "func", "__wrapped__"):
        part = getattr(part, attribute, part)
    return part


def _setter(container: Any, key: Any) -> Callable[[Any], None] | None:
    if isinstance(container, tuple):
        return None
    return lambda new: container.__setitem__(key, new)


def _cell_setter(cell: Any) -> Callable[[Any], None]:
    return lambda new: setattr(cell, "cell_contents", new)


def _globals(code: CodeType) -> Iterator[str]:
    """Global names that the code, or code nested in it, can read."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)


def collect(function: Callable[..., Any], codes: Mapping[CodeType, Any] | None) -> Walk:
    """Everything to be guarded for a function whose run executed the given code (None: not run yet, all in reach)."""
    walk = Walk(codes)
    if isinstance(function, FunctionType):
        walk.function(function, walk.root(function))
    else:
        walk.visit(function, getattr(function, "__name__", type(function).__name__), walk.root(function))
    return walk


def checks(walk: Walk) -> tuple[list[str], dict[str, Any]]:
    """Python conditions, each true when a guard fails, and the names they use; cheapest form per guard."""
    names: dict[str, Any] = dict(walk.roots)
    lines: list[str] = []
    seen: set[tuple[str, Any]] = set()
    for number, guard in enumerate(walk.guards):
        if (guard.path, id(guard.expected)) in seen:
            continue
        seen.add((guard.path, id(guard.expected)))
        expected = f"g_k{number}"
        names[expected] = guard.expected
        if guard.by_value and isinstance(guard.expected, (bytes, list, set)):
            lines.append(f"{guard.path} != {expected}")
        elif guard.by_value:
            lines.append(f"{guard.path} is not {expected} and not same({guard.path}, {expected})")
        else:
            lines.append(f"{guard.path} is not {expected}")
    return lines, names


def failures(walk: Walk, keys: Container[tuple[int, str]] | None = None) -> list[str]:
    """Guards (with one of the keys) that do not hold now, as "name: old -> new"."""
    found = []
    for guard, now in failing(walk, keys):
        changed = isinstance(guard.expected, bytes)
        found.append(f"{guard.label}{' changed' if changed else f': {_shown(guard.expected)} -> {_shown(now)}'}")
    return found


def failing(walk: Walk, keys: Container[tuple[int, str]] | None = None) -> Iterator[tuple[Guard, Any]]:
    """Guards (with one of the keys) that do not hold now, with the present value."""
    for guard in walk.guards:
        if keys is not None and walk.key(guard) not in keys:
            continue
        try:
            now = eval(guard.path, {}, walk.roots)
        except (LookupError, AttributeError, ValueError):
            now = _MISSING
        if now is not guard.expected and not (guard.by_value and same(now, guard.expected)):
            yield guard, now


def varying_floats(walk: Walk) -> frozenset[tuple[int, str]]:
    """Keys of the floats that have changed into other floats: the next trace takes them as inputs."""
    changed = [g for g, now in failing(walk) if type(g.expected) is type(now) is float and g.put is not None]
    return frozenset(walk.key(guard) for guard in changed)


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    return repr(value) if isinstance(value, (*SIMPLE, list, set)) else f"another {type(value).__name__}"
