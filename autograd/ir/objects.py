"""Objects and classes seen from outside: where something stands in them, whose they are, and how to replace it there."""

from __future__ import annotations

import collections.abc
import contextvars
import datetime
import decimal
import enum
import fractions
import operator
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import PurePath
from types import FunctionType, MemberDescriptorType
from typing import Any

import numpy as np

from ..core.source_location import CORE_FILES, is_library

Put = Callable[[Any], None]
MISSING = object()
IMMUTABLE = (
    bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, enum.Enum, slice, range, PurePath,
    decimal.Decimal, fractions.Fraction, datetime.date, datetime.time, datetime.timedelta,
)  # fmt: skip


def static(kind: type, attribute: str) -> Any:
    """What stands in a class or its bases under a name, not bound to anything."""
    return next((vars(base)[attribute] for base in kind.__mro__ if attribute in vars(base)), MISSING)


def of_library(kind: type) -> bool:
    """Whether a class belongs to Python, an installed package or the engine, whose code is not looked at."""
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None) or ""
    return kind.__module__ in sys.builtin_module_names or is_library(file) or file in CORE_FILES


def of_engine(kind: type) -> bool:
    """Whether a class is the engine's own."""
    return kind.__module__.partition(".")[0] == "autograd"


def is_container(value: Any) -> bool:
    """Whether a value is told by its items: containers of Python's, not of others."""
    if isinstance(value, (list, tuple, dict, collections.deque, set, frozenset)):
        return True
    # (what others make may give new items at every access, without end)
    return (
        isinstance(value, (Mapping, Sequence, Set))
        and type(value).__module__.partition(".")[0] in sys.stdlib_module_names
    )


def buffer(value: Any) -> bytes | None:
    """What an object written in C lets others read as bytes (memory maps, values of ctypes); None for other objects."""
    try:
        return bytes(memoryview(value))
    except (TypeError, ValueError):  # (ValueError: it is closed)
        return None


def decimal_context() -> list[str]:
    """What decides how decimal numbers are rounded in this thread."""
    context = decimal.getcontext()
    return [str(getattr(context, name)) for name in ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")]


def slots(kind: type) -> Iterator[str]:
    """Names of the slots that a class of the user's has."""
    for base in kind.__mro__:
        if not of_library(base):
            yield from (name for name, part in vars(base).items() if isinstance(part, MemberDescriptorType))


def function_of(part: Any) -> Any:
    """The Python function behind a method, property, class method and the like; anything else as it is."""
    for attribute in ("fget", "__func__", "func", "__wrapped__"):
        part = getattr(part, attribute, part)
    return part


def setter(container: Any, key: Any) -> Put | None:
    """What replaces an item of a container; None where its items stay."""
    if not isinstance(container, (list, dict, collections.deque, collections.abc.MutableMapping)):
        return None
    return lambda new: container.__setitem__(key, new)


def attribute_setter(holder: Any, name: str) -> Put:
    """What replaces an attribute."""
    return lambda new: setattr(holder, name, new)


def variable_setter(variable: contextvars.ContextVar[Any]) -> Put:
    """What replaces the value of a context variable."""

    def put(new: Any) -> None:
        variable.set(new)

    return put


def replace_default(function: FunctionType, defaults: tuple[Any, ...], i: int, new: Any) -> None:
    """Put another value in place of one default; the tuple itself comes back with its last value."""
    now = function.__defaults__ or ()
    changed = (*now[:i], new, *now[i + 1 :])
    function.__defaults__ = defaults if all(map(operator.is_, changed, defaults)) else changed
