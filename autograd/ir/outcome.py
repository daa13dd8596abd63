"""What a traced function left behind: results, updates of tensors, gradients, and places that hold something new."""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import TraceError
from ..core.tensor import Tensor
from .graph import Atom, Literal
from .objects import IMMUTABLE
from .places import Change, Loss, Place
from .randomness import TracedGenerator
from .state import Snapshot
from .trace import Trace
from .tracer import Tracer

# A leaf of a result: its kind and what belongs to it.
#   "tensor", "array", "float", "int", "bool": the number of an output
#   "parameter": the numbers of the outputs that are its value and its gradient (or None)
#   "host": a local variable of the entry; "same": a tensor from outside; "given": a container of the arguments
#   "copy": an array or set made anew at each call; "static": any other value
Leaf = tuple[str, Any]
_NUMBERS = {"f": "float", "i": "int", "b": "bool"}


@dataclass(frozen=True, slots=True)
class Effect:
    """A place that the function binds anew, and the container and leaves that it holds then."""

    place: Place
    structure: Any
    leaves: list[Leaf]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a traced function left: outputs of the graph in the order returned, updates, gradients, effects."""

    outputs: list[Atom]
    labels: list[str]
    structure: Any  # of the returned container
    leaves: list[Leaf]
    updates: dict[Tensor, int]  # tensors assigned, with the number of their output
    gradients: dict[Tensor, int | None]  # gradients set; None: to None
    effects: list[Effect] = field(default_factory=list)


def collect(
    recorder: Trace,
    result: Any,
    changes: Iterable[Change] = (),
    known: Container[int] = (),
    host: Mapping[Any, str] | None = None,
    given: Mapping[int, str] | None = None,
) -> Outcome:
    """Sort out what a traced function returned, assigned, accumulated and bound anew.

    `known` has the ids of objects that existed before; `host` the variables of numbers that the entry works out;
    `given` the expressions for the arrays and containers that are given, by id of what stands for them.
    """
    given = given or {}
    leaves, structure = tree.flatten(result, whole=given)
    outcome = Outcome([], [], structure, [], {}, {})
    sorter = _Sorter(recorder, outcome, known, host or {}, given)
    for leaf in leaves:
        sorter.refuse_hidden(leaf)
        outcome.leaves.append(sorter.leaf(leaf, "return"))
    for change in changes:
        parts, form = ([change.new], tree.LEAF) if id(change.new) in known else tree.flatten(change.new, whole=given)
        outcome.effects.append(Effect(change.place, form, [sorter.leaf(x, change.place.label) for x in parts]))
    outside = recorder.outside
    for tensor in recorder.written:
        if tensor.serial < recorder.start:
            name = outside[tensor].name or "state"
            outcome.updates[tensor] = sorter.output(recorder.atom(recorder.values[tensor]), name)
    for tensor, value in recorder.gradients.items():
        if tensor.serial < recorder.start and tensor not in recorder.unchanged_gradients():
            label = f"grad_{outside[tensor].name or 'state'}" if tensor in outside else "grad"
            outcome.gradients[tensor] = None if value is None else sorter.output(recorder.atom(value), label)
    return outcome


class _Sorter:
    """Gives every distinct object one leaf, so that what is one object stays one."""

    def __init__(
        self,
        recorder: Trace,
        outcome: Outcome,
        known: Container[int],
        host: Mapping[Any, str],
        given: Mapping[int, str],
    ) -> None:
        self.recorder, self.outcome, self.known, self.host, self.given = recorder, outcome, known, host, given
        self.leaves: dict[int, tuple[Any, Leaf]] = {}  # by id, with the object, which keeps the id its own

    def output(self, atom: Atom, label: str) -> int:
        """The number of a new output."""
        self.outcome.outputs.append(atom)
        self.outcome.labels.append(label)
        return len(self.outcome.outputs) - 1

    def leaf(self, value: Any, label: str) -> Leaf:
        """What the entry makes the value of."""
        found = self.leaves.get(id(value))
        if found is None:
            found = self.leaves[id(value)] = value, self._leaf(value, label)
        return found[1]

    def _leaf(self, value: Any, label: str) -> Leaf:
        recorder = self.recorder
        if id(value) in self.given:
            return "given", self.given[id(value)]
        if isinstance(value, Tensor):
            if value.serial < recorder.start:
                return "same", value
            number = self.output(recorder.atom(recorder.value_of(value)), label)
            if value.requires_grad and value.creator is None:
                gradient = recorder.gradients.get(value)
                return "parameter", (
                    number,
                    None if gradient is None else self.output(recorder.atom(gradient), f"grad_{label}"),
                )
            return "tensor", number
        if isinstance(value, Tracer):
            atom = recorder.atom(value)
            if atom in self.host:
                return "host", self.host[atom]
            if isinstance(atom, Literal) and atom.weak:
                return "static", atom.value
            return _NUMBERS[atom.dtype.kind] if atom.weak else "array", self.output(atom, label)
        if isinstance(value, TracedGenerator):
            return "static", value.generator
        if isinstance(value, np.ndarray | set | bytearray) and id(value) not in self.known:
            return "copy", value
        return "static", value

    def refuse_hidden(self, leaf: Any) -> None:
        """Refuse objects that hold traced values where nobody would put their numbers in."""
        if id(leaf) in self.given:
            return
        if not isinstance(leaf, (Tensor, Tracer, np.ndarray, *IMMUTABLE)) and Snapshot(("result", leaf)).traced:
            raise TraceError(
                f"{self.recorder.name!r} returns a {type(leaf).__name__} that holds traced values: return the values "
                "themselves, alone or in a tuple, list, dict or dataclass"
            )


def carried(change: Change, known: Container[int]) -> Change | Loss:
    """The change if a program can make it at every call, else what is lost."""
    place, new = change.place, change.new
    if id(new) in known or _rebuilt(new, known):
        return change
    return Loss(f"{place.label}: a new {type(new).__name__}")


def _rebuilt(value: Any, known: Container[int]) -> bool:
    """Whether a value made by the traced function can be made again from outputs and constants."""
    if isinstance(
        value, (Tensor, Tracer, np.ndarray, TracedGenerator, BuiltinFunctionType, np.ufunc, ModuleType, *IMMUTABLE)
    ):
        return True
    if isinstance(value, (FunctionType, type)):
        return not Snapshot(("", value)).traced
    if id(value) in known:
        return False  # within a new container: it would be another object
    if type(value) in (list, tuple) or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return all(_rebuilt(part, known) for part in value)
    if type(value) is dict:
        return all(_rebuilt(part, known) for part in value.values())
    if dataclasses.is_dataclass(value):
        return all(_rebuilt(getattr(value, f.name), known) for f in dataclasses.fields(value))
    return False
