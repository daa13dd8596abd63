"""Guards: what a traced function read besides its arrays, checked before its program runs again.

A walk from the function and its arguments finds the values; numbers, strings and the like are guarded by value, tensors,
arrays and functions by identity, arrays that NumPy computed with also by their contents.  The checks become one generated
Python function, since they run at every call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Iterator, Mapping, Set
from types import CodeType
from typing import Any

import numpy as np

from .attributes import Guard
from .elements import Looks
from .graph import Literal
from .objects import IMMUTABLE
from .outcome import Outcome
from .trace import Trace
from .walk import Walk

_MISSING = object()
FLOATS = (float, np.floating)  # become inputs where they vary
SMALL = 1 << 14  # bytes; comparing so many takes about a microsecond
CHUNK = 1 << 15  # 64-bit words compared at once, so that what a comparison writes stays in the cache
_FAILURES = (
    LookupError,
    AttributeError,
    ValueError,
    TypeError,
    ReferenceError,
    NameError,  # (of an argument that this call does not have)
)  # of a path that leads nowhere any more


class Contents:
    """What an array held, compared as whole words: exact, and several times faster than a checksum (10 GB/s to 3)."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.kept = _words(array).copy()

    def hold(self, array: np.ndarray[Any, Any]) -> bool:
        """Whether the array holds the same now, bit for bit."""
        now, kept = _words(array), self.kept
        return now.shape == kept.shape and all(
            np.array_equal(now[i : i + CHUNK], kept[i : i + CHUNK]) for i in range(0, len(kept), CHUNK)
        )


def _words(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return flat.view(np.uint64) if len(flat) % 8 == 0 else flat


def same(a: Any, b: Any) -> bool:
    """Equal and of the same type; nan equals nan, and 0.0 does not equal -0.0."""
    return a is b or (type(a) is type(b) and ((a == b and repr(a) == repr(b)) or (a != a and b != b)))


def alike(a: list[Any], b: list[Any]) -> bool:
    """Lists of the same values."""
    return len(a) == len(b) and (all(map(operator.is_, a, b)) or all(map(same, a, b)))


def guard_contents(walk: Walk, recorder: Trace, outcome: Outcome) -> None:
    """Guard the contents of arrays that were read by NumPy or Python rather than by the program.

    The program refers to the arrays among its constants and so sees every change of them; they are guarded too if a
    number or an array in it was computed from something, or the code may have looked at their elements itself.
    """
    read = {a for eqn in recorder.eqns if eqn.phase != "backward" for a in eqn.inputs}
    left = [*outcome.leaves, *(leaf for effect in outcome.effects for leaf in effect.leaves)]
    computed = any(isinstance(a, Literal) and not a.weak for a in read)
    computed = computed or any(
        kind in ("static", "copy") and isinstance(x, np.ndarray | np.generic) for kind, x in left
    )
    constants = [array for var, array in recorder.constants.values() if var in read]
    referred = {id(_owner(array)) for array in constants}
    computed = computed or not referred <= {id(_owner(array)) for array, _, _ in walk.arrays}
    looks = Looks(recorder.codes, recorder.holding)
    walk.checked = looks.checked
    for array, label, path in walk.arrays:
        if id(_owner(array)) not in referred or computed or looks.at(label):
            if array.nbytes <= SMALL:
                walk.must_be(f"contents of {label}", f"{path}.tobytes()", array.tobytes())
            else:
                walk.must_be(f"contents of {label}", path, Contents(array))


def _owner(array: np.ndarray[Any, Any]) -> Any:
    return array if array.base is None else array.base


def collect(
    function: Callable[..., Any],
    codes: Mapping[CodeType, Any] | None,
    arguments: Mapping[str, tuple[str, Any]] = {},
    inside: Set[str] = frozenset(),
) -> Walk:
    """Everything to be guarded for a function whose run executed the given code (None: not run yet, all in reach).

    `arguments` has by variable of the entry what the call was given that is no array: name and value; `inside` the names in
    the code of libraries that ran.
    """
    named: set[str] = set()
    while True:
        walk = Walk(codes, named, inside)
        walk.start(function)
        walk.arguments(arguments)
        if walk.named == named:
            return walk
        named = walk.named  # what only a function in reach says is read: once more, with these names


def checks(walk: Walk) -> tuple[list[str], dict[str, Any]]:
    """Python conditions, each true when a guard fails, and the names they use; cheapest form per guard."""
    names: dict[str, Any] = {**walk.roots, "same": same, "alike": alike}
    lines: list[str] = []
    seen: set[tuple[str, Any]] = set()
    for number, guard in enumerate(walk.guards):
        if (guard.path, id(guard.expected)) in seen:
            continue
        seen.add((guard.path, id(guard.expected)))
        expected = f"g_k{number}"
        names[expected] = guard.expected
        lines.append(_condition(guard, expected))
    return lines, names


def _condition(guard: Guard, expected: str) -> str:
    value = guard.expected
    if guard.path[0] == "(" and value is False:
        return guard.path
    if isinstance(value, Contents):
        return f"not {expected}.hold({guard.path})"
    if not guard.by_value or isinstance(value, (bool, type(None))):
        return f"{guard.path} is not {expected}"
    if isinstance(value, list) and not all(type(item) is str for item in value):
        return f"not alike({guard.path}, {expected})"
    if isinstance(value, (bytes, list, set, tuple)) or guard.path.startswith("len("):
        return f"{guard.path} != {expected}"
    return f"{guard.path} is not {expected} and not same({guard.path}, {expected})"


def failures(walk: Walk, keys: Container[Any] | None = None, arguments: Mapping[str, Any] = {}) -> list[str]:
    """Guards (with one of the keys) that do not hold now, as "name: old -> new"."""
    found = []
    for guard, now in failing(walk, keys, arguments):
        changed = isinstance(guard.expected, (bytes, dict, Contents)) or len(repr(guard.expected)) > 200
        found.append(f"{guard.label}{' changed' if changed else f': {_shown(guard.expected)} -> {_shown(now)}'}")
    return found


def failing(
    walk: Walk, keys: Container[Any] | None = None, arguments: Mapping[str, Any] = {}
) -> Iterator[tuple[Guard, Any]]:
    """Guards (with one of the keys) that do not hold now, with the present value; `arguments` by variable."""
    names = {**walk.roots, **arguments}
    for guard in walk.guards:
        if keys is not None and walk.key(guard) not in keys:
            continue
        try:
            now = eval(guard.path, {}, names)
        except _FAILURES:
            now = _MISSING
        value = guard.expected
        if isinstance(value, Contents):
            if now is _MISSING or not value.hold(now):
                yield guard, now
            continue
        if now is value or (guard.by_value and type(now) is list is type(value) and alike(now, value)):
            continue
        if not guard.by_value or not same(now, value):
            yield guard, now


def varying(walk: Walk, arguments: Mapping[str, Any]) -> frozenset[Any]:
    """Keys of the floats and arrays that have changed into others: the next trace takes them as inputs."""
    changed = [(g, now) for g, now in failing(walk, arguments=arguments) if now is not _MISSING]
    places = [g for g, now in changed if isinstance(g.expected, FLOATS) and isinstance(now, FLOATS)]
    if not walk.checked:
        places += [g for g, now in changed if _is_numeric(g.expected) and _is_numeric(now)]
        contents = {g.label for g, _ in changed}
        written = {
            id(array) for array, label, _ in walk.arrays if f"contents of {label}" in contents and _is_numeric(array)
        }
        places += [g for g in walk.guards if id(g.expected) in written]
    return frozenset(walk.key(guard) for guard in places if guard.put is not None)


def _is_numeric(value: Any) -> bool:
    return type(value) is np.ndarray and value.dtype.kind in "biuf"


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "missing"
    return repr(value) if isinstance(value, (*IMMUTABLE, list, set, type)) else f"another {type(value).__name__}"
