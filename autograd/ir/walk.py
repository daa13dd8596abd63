"""The walk from a traced function and its arguments through everything that the code which ran can have read.

What it meets is noted as guards: numbers, strings and other immutable values and plain contents by value, everything else
by identity.  Objects, containers and functions are then gone into, along the names that the code can have read, however
deep.  What an argument is given anew at every call (a lambda, a namespace, a list) is told by its shape and contents
instead, so that it need not be the same object.
"""

from __future__ import annotations

import array
import builtins
import collections.abc
import contextvars
import functools
import io
import operator
import os
import random
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import replace
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)  # fmt: skip
from typing import Any

import numpy as np

from ..core.errors import TraceError
from ..core.primitive import Primitive
from ..core.source_location import OWN_FILES, is_library
from ..core.tensor import Tensor
from .attributes import Attributes, Part
from .objects import (
    IMMUTABLE,
    MISSING,
    Put,
    attribute_setter,
    buffer,
    decimal_context,
    is_container,
    replace_default,
    setter,
    variable_setter,
)  # fmt: skip
from .reading import globals_of, imports_of

_TEXT = (str, bytes, type(None))
_BYTES = (bytearray, memoryview, array.array)
# Given as arguments, these are told by what they hold; other objects are the same only if they are identical.
_BY_SHAPE = (
    FunctionType, MethodType, functools.partial, SimpleNamespace, list, tuple, dict, set, frozenset, collections.deque,
    collections.OrderedDict, collections.Counter, *_BYTES,
)  # fmt: skip
_PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})
_VIEWS = (collections.abc.KeysView, collections.abc.ValuesView, collections.abc.ItemsView)
# What a library tells of the state of the process, by the name under which code asks for it.
_STATE: dict[str, tuple[str, Callable[[], Any]]] = {
    "getstate": ("random.getstate()", random.getstate),
    "getcwd": ("os.getcwd()", os.getcwd),
    "get_printoptions": ("np.get_printoptions()", lambda: [*map(repr, np.get_printoptions().items())]),
    "get_num_threads": ("autograd.get_num_threads()", lambda: sys.modules["autograd"].get_num_threads()),
    **dict.fromkeys(("Decimal", "getcontext", "decimal"), ("decimal.getcontext()", decimal_context)),
}
MANY = 32  # items; a longer list of plain values is compared in one piece


class Walk(Attributes):
    """Collects guards, and the tensors, arrays and generators in reach; `codes` is the code that ran, None for any."""

    def go(self, *parts: Part) -> None:
        """Guard the values, and what is in reach of them."""
        stack = [iter(parts)]
        while stack:
            part = next(stack[-1], None)
            if part is None:
                stack.pop()
            elif (below := self._visit(*part)) is not None:
                stack.append(below)

    def arguments(self, given: Mapping[str, tuple[str, Any]]) -> None:
        """Walk from arguments, by variable of the entry: name and value."""
        self.go(*((value, label, variable, None) for variable, (label, value) in given.items()))
        if len(self._by_shape) > 1:  # objects that were different ones are to stay so
            paths = ", ".join(self._by_shape)
            self.must_be("objects that are one", f"len({{*map(id, ({paths}))}})", len(self._by_shape))

    def start(self, function: Callable[..., Any]) -> None:
        """Walk from the traced function itself, which needs no guard."""
        root = self.root(function)
        if isinstance(function, FunctionType):
            self.go(*self._function(function, function.__name__, root))
        else:
            self.go((function, getattr(function, "__name__", type(function).__name__), root, None))
        self._of_the_process()

    def _visit(self, value: Any, label: str, path: str, put: Put | None) -> Iterator[Part] | None:
        """Guard one value; what it holds is to be visited next."""
        met = self._seen.get(id(value), "")
        if isinstance(value, IMMUTABLE):
            own = None if type(value) in _PLAIN else getattr(value, "__dict__", None)
            self.must_be(label, path, value, by_value=not own, put=put)
            if met or own is None:  # (a class of the user's may add attributes)
                return None
            self._seen[id(value)] = root = self.root(value)
            return self._object(value, label, root)
        by_shape = path[0] == "a" and not met and self._has_shape(value)
        if by_shape:
            self.must_be(f"type of {label}", f"type({path})", type(value), by_value=False)
            self._by_shape.append(path)
        elif met[:1] == "a":  # an argument that is met twice, and was told by its shape the first time
            self.must_be(label, f"({path} is {met})", True)
        else:
            self.must_be(label, path, value, isinstance(value, (MethodType, BuiltinFunctionType)), put)
        if met:
            return None
        name = self._seen[id(value)] = path if by_shape else self.root(value)
        self._kept.append(value)
        if type(value) in weakref.ProxyTypes:  # (which pass themselves off as what they stand for)
            return iter([(value.__repr__.__self__, label, f"{name}.__repr__.__self__", None)])
        if isinstance(value, np.random.Generator):
            if put is not None:
                self.generators.append((value, put))
            return None
        if isinstance(value, np.ndarray):
            self.must_be(f"shape of {label}", f"({name}.shape, {name}.strides)", (value.shape, value.strides))
            if self.reads is not None and "flags" in self.reads.names:
                self.must_be(f"flags of {label}", f"{name}.flags.num", value.flags.num)
            self.arrays.append((value, label, name))
            return self._object(value, label, name) if isinstance(getattr(value, "__dict__", None), dict) else None
        if isinstance(value, Tensor):
            self.tensors[value] = label
        return self._parts(value, label, name)

    def _has_shape(self, value: Any) -> bool:
        """Whether an argument is told by what it holds rather than by its identity."""
        if isinstance(value, FunctionType):
            return self.codes is None or value.__code__ in self.codes
        return type(value) in _BY_SHAPE

    def _parts(self, value: Any, label: str, name: str) -> Iterator[Part]:
        """What a value holds."""
        if isinstance(value, ModuleType):
            yield from self._module(value, label)
        elif isinstance(value, FunctionType):
            yield from self._function(value, label, name)
        elif isinstance(value, (MethodType, BuiltinFunctionType)):
            if not isinstance(value.__self__, (ModuleType, type(None))):
                yield value.__self__, label, f"{name}.__self__", None
            if isinstance(value, MethodType):
                yield value.__func__, f"{label}.__func__", f"{name}.__func__", None
        elif isinstance(value, functools.partial):
            for part in ("func", "args", "keywords"):
                yield getattr(value, part), f"{label}.{part}", f"{name}.{part}", None
        elif isinstance(value, _BYTES):
            self.must_be(f"contents of {label}", f"bytes({name})", bytes(value))
        elif isinstance(value, (io.StringIO, io.BytesIO)):
            if not value.closed:
                self.must_be(
                    f"contents of {label}", f"[{name}.getvalue(), {name}.tell()]", [value.getvalue(), value.tell()]
                )
        elif isinstance(value, CellType):
            yield value.cell_contents, label, f"{name}.cell_contents", attribute_setter(value, "cell_contents")
        elif isinstance(value, contextvars.ContextVar):
            yield value.get(MISSING), label, f"{name}.get({self.root(MISSING)})", variable_setter(value)
        elif isinstance(value, weakref.ref):
            yield value(), label, f"{name}()", None
        elif isinstance(value, _VIEWS):
            of = "mapping" if hasattr(value, "mapping") else "_mapping"
            yield from self._contents(getattr(value, of), label, f"{name}.{of}")
        elif isinstance(value, (operator.attrgetter, operator.methodcaller)):
            self.named.update(
                part for name in value.__reduce__()[1] if isinstance(name, str) for part in name.split(".")
            )
        elif isinstance(value, Primitive):
            self._rules(value, name)
        else:
            if is_container(value):
                yield from self._contents(value, label, name)
            elif (contents := buffer(value)) is not None:
                self.must_be(f"contents of {label}", f"g_buffer({name})", contents)
            elif isinstance(value, random.Random) and self.reads is not None and "getstate" in self.reads.names:
                self.must_be(f"state of {label}", f"{name}.getstate()", value.getstate())
            yield from self._object(value, label, name)

    def _rules(self, primitive: Primitive, name: str) -> None:
        """Rules of the user's work on plain values, so that no float in them may become a tensor."""
        if primitive.kind == "user":
            before = len(self.guards)
            self.go((primitive.vjps, f"rules of {primitive.name}", f"{name}.vjps", None))
            self.guards[before:] = [replace(guard, put=None) for guard in self.guards[before:]]

    def _contents(self, value: Any, label: str, name: str) -> Iterator[Part]:
        """Items of a sequence, mapping or set."""
        if isinstance(value, os._Environ):
            yield value._data, label, f"{name}._data", None  # type: ignore[attr-defined]
        elif isinstance(value, collections.UserString):
            self.must_be(label, f"str({name})", str(value))
        elif isinstance(value, Mapping):
            items = dict(value)
            if items and all(isinstance(x, _TEXT) for pair in items.items() for x in pair):
                self.must_be(label, f"[*{name}.items()]", list(items.items()))
                return
            self.must_be(f"keys of {label}", f"[*{name}]", list(items))
            for i, (key, part) in enumerate(items.items()):
                place = f"{name}[{key!r}]" if type(key) in (str, int) else f"[*{name}.values()][{i}]"
                yield part, f"{label}[{key!r}]", place, setter(value, key)
        elif isinstance(value, Set):
            others = [item for item in value if not isinstance(item, IMMUTABLE)]
            plain = {item for item in value if isinstance(item, IMMUTABLE)}
            self.must_be(label, f"set({name})" if not others else f"{{*map(id, {name})}}",
                         plain if not others else {id(item) for item in value})  # fmt: skip
            yield from ((item, f"an item of {label}", self.root(item), None) for item in others)
        elif len(value) > MANY and all(isinstance(item, IMMUTABLE) for item in value):
            self.must_be(label, f"[*{name}]", list(value))
        else:
            if not isinstance(value, tuple) or name[0] == "a":
                self.must_be(f"len({label})", f"len({name})", len(value))
            for i, part in enumerate(value):
                yield part, f"{label}[{i}]", f"{name}[{i}]", setter(value, i)

    def _function(self, function: FunctionType, label: str, name: str) -> Iterator[Part]:
        """What a function reads besides its arguments: cells, globals, defaults, and attributes of its own."""
        code = function.__code__
        if self.reads is None or function.__dict__ or self.reads.asked:
            yield from self._attributes(function, function.__dict__, label, name)
        ran = self.codes is None or code in self.codes
        if is_library(code.co_filename) and not self.inside.isdisjoint(code.co_freevars):
            yield from self._closure(function, name)
        if code.co_filename in OWN_FILES or is_library(code.co_filename) or not ran:
            return
        self.must_be(f"code of {label}", f"{name}.__code__", code, by_value=False)
        if name[0] == "a":
            self.must_be(f"globals of {label}", f"{name}.__globals__", function.__globals__, by_value=False)
        yield from self._closure(function, name)
        space = function.__globals__
        held = self.root(space)
        for global_name in globals_of(code):
            if global_name in space:
                yield space[global_name], global_name, f"{held}[{global_name!r}]", setter(space, global_name)
            else:
                self.must_be(f"{global_name} is a global", f"({global_name!r} in {held})", False)
                if hasattr(builtins, global_name):
                    found = getattr(builtins, global_name)
                    self.must_be(global_name, f"{self.root(builtins)}.{global_name}", found, by_value=False)
        for module in imports_of(code):
            yield sys.modules.get(module), module, f"{self.root(sys.modules)}.get({module!r})", None
        yield from self._defaults(function, label, name)

    def _closure(self, function: FunctionType, name: str) -> Iterator[Part]:
        for i, cell in enumerate(function.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            held = f"{name}.__closure__[{i}]" if name[0] == "a" else self.root(cell)
            label = function.__code__.co_freevars[i]
            yield value, label, f"{held}.cell_contents", attribute_setter(cell, "cell_contents")

    def _defaults(self, function: FunctionType, label: str, name: str) -> Iterator[Part]:
        defaults, named = function.__defaults__, function.__kwdefaults__
        if defaults is None:
            self.must_be(f"defaults of {label}", f"{name}.__defaults__", None)
        else:
            self.must_be(f"number of defaults of {label}", f"len({name}.__defaults__)", len(defaults))
            for i, value in enumerate(defaults):
                put = functools.partial(replace_default, function, defaults, i)
                yield value, f"{label} default {i}", f"{name}.__defaults__[{i}]", put
        if named is None:
            self.must_be(f"keyword defaults of {label}", f"{name}.__kwdefaults__", None)
        else:
            self.must_be(f"keyword defaults of {label}", f"[*{name}.__kwdefaults__]", list(named))
            for key, value in named.items():
                yield value, f"{label} default {key}", f"{name}.__kwdefaults__[{key!r}]", setter(named, key)

    def _module(self, module: ModuleType, label: str) -> Iterator[Part]:
        """Globals of a module; of a library's only data, since its code stays as it is."""
        if self.reads is None or getattr(module, "__file__", None) in OWN_FILES:
            return
        library = is_library(getattr(module, "__file__", None) or "") or module.__name__ in sys.builtin_module_names
        space = vars(module)
        held = self.root(space)
        for name in sorted(self.reads.names & space.keys()):
            value = space[name]
            if not library:
                yield value, f"{label}.{name}", f"{held}[{name!r}]", setter(space, name)
            elif not callable(value) and not isinstance(value, ModuleType):
                yield value, f"{label}.{name}", f"{held}[{name!r}]", None
        for name in sorted(self.reads.asked - space.keys()) if not library else ():
            self.must_be(f"{label} has {name}", f"({name!r} in {held})", False)

    def _of_the_process(self) -> None:
        """State of the process that the code can have asked a library for."""
        if self.reads is None:
            return
        names = self.reads.names
        if names & {"environ", "environb", "getenv", "getenvb", "expandvars", "expanduser"}:
            self.go((os.environ, "os.environ", self.root(os.environ), None))
        for name, (label, read) in _STATE.items():
            if name in names:
                self.must_be(label, f"{self.root(read)}()", read())
        if "geterr" in names:
            raise TraceError(
                "np.geterr() does not tell the caller's settings while a function is traced: ask before, and pass the answer"
            )
