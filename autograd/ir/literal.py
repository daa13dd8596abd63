"""Values as Python source that gives the very same value again, with nothing but NumPy (as ``np``) at hand."""

from __future__ import annotations

import enum
import math
import operator
from collections.abc import Hashable
from typing import Any

import numpy as np

MOST = 64  # elements of an array that is written out
NAMES = frozenset({"np", "bool", "complex", "float", "int"})  # what the source refers to


def literal(value: Any) -> str:
    """The source of a value; "" for objects that have none, such as large arrays and functions of the user's own.

    >>> literal((1, -0.0, float("-inf"), np.float32(0.1), slice(1, None), np.dtype(">f4")))
    "(1, -0.0, -np.inf, np.float32(0.10000000149011612), slice(1, None, None), np.dtype('>f4'))"
    """
    if isinstance(value, enum.Enum):
        return literal(value.value)
    if isinstance(value, np.generic):
        return _scalar(value)
    if value is None or value is Ellipsis:
        return "None" if value is None else "..."
    if isinstance(value, bool | str | bytes):
        return repr(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, complex):
        return f"complex({_float(value.real)}, {_float(value.imag)})"
    if isinstance(value, slice):
        return _all("slice({})", [value.start, value.stop, value.step])
    if isinstance(value, tuple):
        return _all("({},)" if len(value) == 1 else "({})", value)
    if isinstance(value, list):
        return _all("[{}]", value)
    if isinstance(value, dict):
        pairs = [(literal(k), literal(v)) for k, v in value.items()]
        return "{" + ", ".join(f"{k}: {v}" for k, v in pairs) + "}" if all(map(all, pairs)) else ""
    if isinstance(value, np.dtype):
        text = dtype_text(value)
        return text if text.startswith("np.dtype") or not text else f"np.dtype({text})"
    if isinstance(value, np.ndarray):
        return _array(value) if value.size <= MOST else ""
    return _by_name(value)


def _all(around: str, values: Any) -> str:
    parts = [literal(v) for v in values]
    return around.format(", ".join(parts)) if all(parts) else ""


def _float(value: float) -> str:
    if math.isfinite(value):
        return float.__repr__(value)
    return ("-" if math.copysign(1, value) < 0 else "") + ("np.nan" if math.isnan(value) else "np.inf")


def _scalar(value: np.generic) -> str:
    name = f"np.{type(value).__name__}"
    if isinstance(value, np.longdouble):
        return f"{name}('{value!s}')"
    if isinstance(value, np.bool_):
        return f"np.{bool(value)}_"
    if value.dtype.kind in "iuf" or isinstance(value, np.complex64 | np.complex128):
        return f"{name}({literal(value.item())})"
    return repr(value) if value.dtype.kind in "SUmM" else ""


def _array(value: Any) -> str:
    if type(value) is not np.ndarray or value.dtype.kind not in "biufc":
        return ""
    numbers = literal(value.tolist())
    shape = "" if value.size else f".reshape({literal(value.shape)})"
    return numbers and f"np.array({numbers}, {dtype_text(value.dtype)}){shape}"


def dtype_text(dtype: np.dtype[Any]) -> str:
    """The source of what NumPy takes for a dtype, byte order included."""
    if dtype.kind in "biufc" and dtype.isnative:
        return f"np.{dtype.type.__name__}"
    return "" if dtype.hasobject or dtype.fields else f"np.dtype({dtype.str!r})"


def _by_name(value: Any) -> str:
    """The source of types, and of what NumPy has under a name."""
    name = getattr(value, "__name__", "")
    if isinstance(value, type) and value in (bool, int, float, complex):
        return str(name)
    return f"np.{name}" if name and vars(np).get(name) is value else ""


def index_text(part: Any) -> str:
    """A part of an index as it stands in brackets: slices as a:b."""
    if isinstance(part, slice):
        parts = ["" if v is None else str(operator.index(v)) for v in (part.start, part.stop, part.step)]
        return ":".join(parts if part.step is not None else parts[:2])
    return literal(part)


def setting_key(value: Any) -> Hashable:
    """Equal for params that mean the same: by type and text, or by identity where there is no text."""
    if isinstance(value, tuple):
        return type(value), *map(setting_key, value)
    text = literal(value)
    return (type(value), text) if text else ("object", id(value))
