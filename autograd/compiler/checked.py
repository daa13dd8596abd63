"""`compile(check=True)`: every call is run both ways, and the two are compared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import TraceError
from ..core.tensor import Tensor
from ..ir import guards
from ..ir.arguments import Call
from ..ir.places import Change
from ..ir.state import Snapshot
from ..ir.trace import name_of
from ..ir.undo import Undo

Pair = tuple[str, Any, Any]  # what it is, its value after the compiled run and after the eager one


def run_checked(call: Call, compiled: Callable[[], Any]) -> Any:
    """Run compiled, put everything back, run eagerly, compare.

    Raises:
        TraceError: the two differ in what they return or leave behind.
    """
    function = call.function
    walk = guards.collect(function, None, call.watched)
    given = [leaf for leaf in call.leaves if isinstance(leaf, Tensor)]
    kept = _Kept([*given, *walk.tensors], [generator for generator, _ in walk.generators])
    state = Snapshot((name_of(function), function), ("arguments", [call.args, call.kwargs]))
    undo = Undo(*state.undoing())
    with undo, undo:
        result = compiled()
        bound = {change.place.identity: change.new for change in state.changes() if isinstance(change, Change)}
        after = kept.copies()
    kept.restore()
    eager = function(*call.args, **call.kwargs)
    if tree.flatten(result)[1] != tree.flatten(eager)[1]:
        raise TraceError(
            f"{name_of(function)}: compiled and eager differ in what they return: {result!r} and {eager!r}"
        )
    pairs = [*_pairs("result", result, eager), *kept.pairs(after)]
    for change in state.changes():
        if isinstance(change, Change):
            pairs += _pairs(change.place.label, bound.get(change.place.identity), change.new)
    for name, got, expected in pairs:
        if not _close(got, expected):
            raise TraceError(f"{name_of(function)}: compiled and eager differ in {name}: {got!r} and {expected!r}")
    return eager


class _Kept:
    """Tensors and random generators as they were."""

    def __init__(self, tensors: list[Tensor], generators: list[np.random.Generator]) -> None:
        self.tensors = list(dict.fromkeys(tensors))
        self.before = [(np.array(t.value), t.stored_grad, t.changed) for t in self.tensors]
        self.states = [(g, copy.deepcopy(g.bit_generator.state)) for g in generators]

    def restore(self) -> None:
        """Put everything back."""
        for tensor, (value, grad, changed) in zip(self.tensors, self.before, strict=True):
            tensor.value = value if value.ndim else value[()]
            tensor._grad, tensor.changed = grad, changed
        for generator, state in self.states:
            generator.bit_generator.state = state

    def copies(self) -> list[tuple[Any, Any]]:
        """Values and gradients as they are now."""
        return [(np.array(t.value), copy.copy(t.stored_grad)) for t in self.tensors]

    def pairs(self, after: list[tuple[Any, Any]]) -> list[Pair]:
        """Values and gradients as they were at some time, and as they are now."""
        found: list[Pair] = []
        for t, (value, grad) in zip(self.tensors, after, strict=True):
            name = t.name or "a tensor"
            found += [(name, value, t.value), (f"gradient of {name}", grad, t.stored_grad)]
        return found


def _pairs(name: str, got: Any, expected: Any) -> list[Pair]:
    columns = zip(tree.flatten(got)[0], tree.flatten(expected)[0], strict=True)
    return [(name, a, b) for a, b in columns]


def _close(got: Any, expected: Any) -> bool:
    got, expected = (x.value if isinstance(x, Tensor) else x for x in (got, expected))
    if got is None or expected is None or not isinstance(expected, (np.ndarray, np.generic)):
        return got is expected or got == expected
    rtol = 1e4 * np.finfo(expected.dtype).eps if expected.dtype.kind == "f" else 0
    return np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol=rtol, atol=rtol, equal_nan=True)
