"""One traced run of a function, as a transaction: whatever the run changes is noted and put back, also when it fails."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import AutogradError, TraceError
from ..core.source_location import OWN_FILES, at, is_library
from ..core.tensor import Tensor, constant
from . import guards
from .arguments import Call, leaf_kind
from .attributes import Guard
from .containers import Built
from .host import LARGEST, Host, split
from .outcome import Outcome, carried, collect
from .places import Change, Loss, Place
from .randomness import TracedGenerator, Watch
from .reading import Reads, compares
from .state import Snapshot
from .trace import Trace, name_of, stand_in
from .tracer import Tracer
from .undo import Undo
from .walk import Walk

_FLAGS = {"name", "requires_grad"}  # of a tensor
Identities = frozenset[tuple[Any, str]]


# What code raises that is given a stand-in where it needs a number; anything else is an error of its own.
_OF_NUMBERS = (AutogradError, TypeError, ValueError, ArithmeticError, AttributeError, LookupError, AssertionError)


class Initialising(Exception):
    """The run has to be made as it is, and may be traced at a later call: it made something that it needs to make only once,
    or came upon numbers that have no result.
    """


@dataclass(slots=True)
class Traced:
    """A traced call.  Leaves are those of the arguments, then the slots: places whose value is read at every call."""

    recorder: Trace
    outcome: Outcome
    structure: Any  # of the arguments
    count: int  # of their leaves
    names: list[str]
    kinds: list[tuple[str, Any]]
    values: list[Any]  # per leaf: the value that it was traced for
    given: list[Any]  # per leaf: what stood for it
    slots: list[Place]
    host: Host
    passes: dict[Tensor, int]  # backward passes that gradients add up, which optimizers want to know
    failed: Identities  # identities of places that were tried as slots in vain
    differs: Callable[..., bool] | None  # whether the containers of a call are one and apart otherwise, if that matters

    def keep_passes(self) -> None:
        """Note in tensors how many backward passes their gradients now add up."""
        for tensor, passes in self.passes.items():
            tensor.passes = passes

    def release(self) -> None:
        """Let go of the tensors that stood for arguments: from now on others are in their place."""
        stands: dict[Any, Any] = {thing: constant(0.0) for thing in self.given if isinstance(thing, Tensor)}
        recorder, outcome = self.recorder, self.outcome
        for kept in (recorder.arguments, recorder.captured_gradients, outcome.updates, outcome.gradients):
            renamed: list[tuple[Any, Any]] = [(stands.get(key, key), value) for key, value in kept.items()]
            kept.clear()
            kept.update(renamed)
        for leaves in (outcome.leaves, *(effect.leaves for effect in outcome.effects)):
            leaves[:] = [(kind, stands.get(what, what) if kind == "same" else what) for kind, what in leaves]
        self.given = [stands.get(thing, thing) if isinstance(thing, Tensor) else thing for thing in self.given]
        self.values, self.passes = [], {}
        recorder.forget()

    def watch(self, call: Call) -> Walk:
        """The guards: what the run read, slots aside, which are inputs."""
        marks = {}
        undo = Undo(*[functools.partial(place.put, place.get()) for place in self.slots])
        with undo, undo:
            for place in self.slots:
                mark = constant(0.0)
                marks[mark] = place
                place.put(mark)
            walk = guards.collect(call.function, self.recorder.codes, call.watched, self.recorder.inside)
        found = [(g, marks.get(g.expected) if isinstance(g.expected, Tensor) else None) for g in walk.guards]
        walk.guards = [guard for guard, place in found if place is None]
        for i, (guard, slot) in enumerate(found):
            # Reached by another way, in a class from one below: that has to go on leading there.
            if slot is not None and walk.key(guard) != slot.identity:
                source = slot.source(f"g_s{i}", walk.roots)
                walk.must_be(f"{guard.label} is {slot.label}", f"({guard.path} is {source})", True)
        for mark in marks:
            walk.tensors.pop(mark, None)
        self._watch_tensors(walk)
        return walk

    def _watch_tensors(self, walk: Walk) -> None:
        """Guard what the user's own code reads of tensors besides their values and gradients."""
        read = _FLAGS & walk.reads.users if walk.reads is not None else set()
        found = [(tensor, label, walk.root(tensor)) for tensor, label in walk.tensors.items() if read]
        if "name" in read:
            found += [
                (self.values[i], self.names[i], f"a{i}") for i in range(self.count) if self.kinds[i][0] == "tensor"
            ]
        for tensor, label, path in found:
            for flag in sorted(read):
                walk.must_be(f"{label}.{flag}", f"{path}.{flag}", getattr(tensor, flag))


def record(call: Call, lift: Identities = frozenset()) -> Traced:
    """Trace a call; nothing is computed and everything is put back.

    Args:
        lift: identities of places that are to be slots.  Where the function needs the value of a number or array, only
            tensors are.

    Raises:
        TraceError: the function needs a value that is not known, or changes what no program can change again.
        Initialising: it is to be run as it is, this time.
    """
    tried: list[Place] = []
    try:
        return _record(call, lift, tried)
    except _OF_NUMBERS:
        if all(isinstance(place.get(), Tensor) for place in tried):
            raise
    kept = frozenset(place.identity for place in tried if isinstance(place.get(), Tensor))
    found = _record(call, kept, [])
    found.failed = lift - kept
    return found


def slot_kind(value: Any) -> tuple[str, Any]:
    """The same for a slot, whose value may also be an integer that varies (and that machine code can hold)."""
    return ("int", None) if type(value) is int and -LARGEST < value < LARGEST else leaf_kind(value, False)


def _record(call: Call, lift: Identities, tried: list[Place], probing: bool = False) -> Traced:
    function, structure = call.function, call.structure
    values, names, kinds = [*call.leaves], [*call.names], [*call.kinds]
    roots = [(n, v) for n, v, (kind, _) in zip(names, values, kinds, strict=True) if kind != "array"]
    state = Snapshot((name_of(function), function), *roots)
    count = len(values)
    places = _slots(state, lift, lambda: guards.collect(function, None, call.watched))
    slots = [place for place, _ in places]
    tried += slots
    names += [place.label.rpartition(".")[2] for place in slots]
    kinds += [slot_kind(value) for _, value in places]
    copies = {id(v): v for v in values if isinstance(v, Tensor)}  # (a tensor that is an argument as well stays one)
    for _, value in places:
        values.append(copies.setdefault(id(value), _copy(value)) if isinstance(value, Tensor) else value)
    recorder = Trace(name_of(function))
    given = [_given(recorder, value, name, kind) for value, name, (kind, _) in zip(values, names, kinds, strict=True)]
    built = Built((call.args, call.kwargs), structure, iter(given[:count]))
    undo = Undo(*[functools.partial(_put_back, place, value) for place, value in places], *state.undoing())
    with undo, undo:
        try:
            state.lock()
            with Watch(recorder, state, undo):
                for place, thing in zip(slots, given[count:], strict=True):
                    place.put(thing)
                result = recorder.run(function, built.args, built.kwargs)
        except ValueError as error:
            if state.locked and "read-only" in str(error):
                raise TraceError(_written(recorder, error)) from error
            raise
        stands = [(thing, value) for thing, (_, value) in zip(given[count:], places, strict=True)]
        known = {**state.known, **{id(v): v for v in values}, **built.own}
        changes = [
            carried(c, known) if isinstance(c, Change) else c
            for c in state.changes()
            if not (isinstance(c, Change) and any(c.new is new and c.old is old for new, old in stands))
        ]
        inner = built.changes(state.known, changes, recorder.name)
        changes += [carried(c, known) if isinstance(c, Change) else c for c in inner]
        lost = [change.text for change in changes if isinstance(change, Loss)]
        lost += [f"the context variable {name!r} is set" for name in recorder.variables_set()]
        if lost:
            if not probing and _only_once(call):
                raise Initialising
            raise TraceError(
                f"{recorder.name!r} changes what a compiled step would not change again ({'; '.join(lost)}), so that was put "
                "back. Bind a new value instead (x = x + 1 for an array or a number, a new list for a list that grows), keep "
                "the value in a Tensor, or return it"
            )
        numbers: tuple[dict[Any, str], dict[Any, str]] = {}, {}
        for i, thing in enumerate(given):
            if isinstance(thing, Tracer) and thing.atom.weak:
                numbers[i < count][thing.atom] = f"a{i}"
        if any(isinstance(thing, Tracer) for thing in given) and Reads(recorder.codes).kinds:
            raise TraceError(
                f"{recorder.name!r} compares type(x) with a class of numbers or arrays, which are not known as such while it "
                "is traced: ask isinstance(x, ...) instead"
            )
        host = split(recorder.eqns, *numbers)
        if not host.right({f"a{i}": value for i, value in enumerate(values)}):
            raise Initialising  # (Python says what comes of these numbers)
        whole = {
            id(thing): f"a{i}" for i, thing in enumerate(given) if isinstance(thing, Tracer) and not thing.atom.weak
        }
        outcome = collect(
            recorder, result, [c for c in changes if isinstance(c, Change)], known, host.names, {**built.paths, **whole}
        )
        differs = built.differs(state.known) if _changes_containers(outcome) or compares(recorder.codes) else None
        passes = {t: t.passes for t in recorder.gradients if t.serial < recorder.start}
        _check_slots(recorder, slots, given[count:], [v for _, v in places])
        _check_kept(recorder, changes, {id(value): thing for thing, value in stands})
    return Traced(
        recorder, outcome, structure, count, names, kinds, values, given, slots, host, passes, frozenset(), differs
    )


def _changes_containers(outcome: Outcome) -> bool:
    return any(effect.place.item or effect.place.holder is None for effect in outcome.effects)


def _put_back(place: Place, value: Any) -> None:
    if place.get() is not value or isinstance(place, _Guarded):
        place.put(value)


@dataclass(frozen=True, slots=True, eq=False)
class _Guarded(Place):
    """A place as the guards' walk finds it: also in what an argument brings anew at every call."""

    walk: Walk | None = None
    guard: Guard | None = None

    @property
    def identity(self) -> tuple[Any, str]:
        """As guards have it."""
        assert self.guard is not None and self.walk is not None
        return self.walk.key(self.guard)

    def get(self) -> Any:
        """What was there when the walk came by."""
        assert self.guard is not None
        return self.guard.expected

    def put(self, value: Any) -> None:
        """Replace what is there."""
        assert self.guard is not None and self.guard.put is not None
        self.guard.put(value)

    def source(self, name: str, names: dict[str, Any]) -> str:
        """The expression for it in generated code."""
        assert self.guard is not None and self.walk is not None
        names |= {f"{name}_{root}": value for root, value in self.walk.roots.items() if root in self.guard.path}
        return re.sub(r"(?<!['\"\w])(g_r\d+)\b", rf"{name}_\1", self.guard.path)


def _slots(state: Snapshot, lift: Identities, before: Callable[[], Walk]) -> list[tuple[Place, Any]]:
    """The places that are to be slots, with what they hold."""
    wanted = {state.inherited.get(key, key) for key in lift}
    found = {p.identity: (p, v) for p, v in state.places() if p.identity in wanted and slot_kind(v)[0] != "static"}
    rest = wanted - found.keys()
    if rest:  # the guards' walk goes further
        walk = before()
        for guard in walk.guards:
            kind = slot_kind(guard.expected)[0] if isinstance(guard.expected, guards.FLOATS) else "static"
            if guard.put is not None and kind != "static" and (key := walk.key(guard)) in rest:
                place = _Guarded(guard.label, None, "", None, None, walk=walk, guard=guard)
                found[key] = place, guard.expected
    return list(found.values())


def _copy(tensor: Tensor) -> Tensor:
    copy = constant(tensor.value)
    copy.requires_grad, copy.name = tensor.requires_grad, tensor.name
    copy._grad = tensor.stored_grad
    return copy


def _given(recorder: Trace, value: Any, name: str, kind: str) -> Any:
    """What the traced function finds in place of a leaf."""
    if isinstance(value, np.random.Generator):
        return TracedGenerator(value, recorder)
    if kind == "int":
        return recorder.input((), np.dtype(np.int64), name, weak=True)
    return value if kind == "static" else stand_in(recorder, value, name)


def _check_kept(recorder: Trace, changes: list[Any], stands: dict[int, Any]) -> None:
    """Refuse to keep a result in whose graph the next call's backward pass would go on: what a program keeps has none."""
    needed = recorder.ancestors(recorder.roots)
    for change in changes:
        if isinstance(change, Change) and isinstance(change.old, Tensor) and isinstance(change.new, Tensor):
            old = stands.get(id(change.old), change.old)
            read = recorder.arguments.get(old, recorder.captured.get(old))
            if read in needed and change.new.requires_grad and change.new.creator is not None:
                raise TraceError(
                    f"{recorder.name!r} keeps a result with its graph in {change.place.label}, and goes backward through what "
                    "was kept there: gradients of earlier calls would flow on. Keep x.detach() there, or leave it uncompiled"
                )


def _check_slots(recorder: Trace, slots: list[Place], given: list[Any], held: list[Any]) -> None:
    """Refuse slots whose tensor is read with its graph, or also by another way while that would matter."""
    used = {atom for eqn in recorder.eqns for atom in eqn.inputs}
    for place, thing, tensor in zip(slots, given, held, strict=True):
        if not isinstance(tensor, Tensor) or recorder.arguments[thing] not in used:
            continue
        if tensor.creator is not None and tensor.inputs is not None and thing.requires_grad:
            raise TraceError(
                f"{place.label} was computed outside of {recorder.name!r} and still has its graph: compute it inside, or keep "
                "x.detach() there"
            )
        if tensor in recorder.captured and (thing.requires_grad or thing in recorder.written):
            raise TraceError(
                f"{place.label} is bound anew by {recorder.name!r}, which also reaches the tensor there in another way: keep "
                "one name for it"
            )


def _only_once(call: Call) -> bool:
    """Whether another run, after the one that has just ended and not been put back, no longer changes such things."""
    try:
        _record(call, frozenset(), [], probing=True)
    except Exception:
        return False
    return True


def _written(recorder: Trace, error: BaseException) -> str:
    """The message for a write into an array of the caller."""
    site, where = None, error.__traceback__
    while where is not None:
        code = where.tb_frame.f_code
        if code.co_filename not in OWN_FILES and not is_library(code.co_filename):
            site = code.co_filename, where.tb_lineno
        where = where.tb_next
    return (
        f"{at(site)} writes into an array from outside while {recorder.name!r} is traced, which a compiled step would not do "
        "again: bind a new array, x = x + 1, or keep the value in a Tensor"
    )
