"""The traces of one function: which program answers a call, and when the function is traced again."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable
from typing import Any

from ..core.errors import TraceError
from ..ir import guards
from ..ir.arguments import Call
from ..ir.confirm import difference
from ..ir.trace import name_of
from ..ir.transaction import Identities, Initialising, Traced, record
from ..ir.undo import Undo
from .entry import MISS
from .locks import step_lock
from .program import AT_ONCE, Program, build

_tracing = step_lock()  # one trace at a time: it puts stand-ins into objects that other steps may read as well


class Traces:
    """The programs of one function.

    A first call of its kind makes a program, which waits; the second call traces once more and compares the two, since no
    guard sees what differs at every reading.  Then the program is confirmed and answers by itself.

    Attributes:
        programs: those that are confirmed, the one used last first.
        waiting: those that are not, with what was traced.
        history: all, in the order of tracing.
        latest: the one made or used last.
        lock: held by every run and every trace.
    """

    def __init__(
        self, function: Callable[..., Any], backend: str | None, static: frozenset[str], max_traces: int
    ) -> None:
        self.function, self.backend, self.static, self.max_traces = function, backend, static, max_traces
        self.programs: list[Program] = []
        self.waiting: list[tuple[Program, Traced]] = []
        self.history: list[Program] = []
        self.latest: Program | None = None
        self.lock = step_lock()
        self._warned = False
        self._abandoned = False  # whether two traces of one call have been found to differ
        self._varying: Identities = frozenset()  # places whose value is an input from now on
        self._fixed: Identities = frozenset()  # places of which the function needs the value

    @property
    def complete(self) -> bool:
        """Whether the function is traced no more, so that calls which fit no program run as Python."""
        return self._abandoned or (self._warned and not self.waiting)

    @property
    def changing(self) -> bool:
        """Whether a call leaves anything behind besides its result."""
        return any(program.changes for program in self.history)

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of the program that fits the call, MISS, or PLAIN."""
        for program in self.programs:
            result = program.run(args, kwargs)
            if result is not MISS:
                if program is not self.latest:
                    self.use(program)
                return result
        return MISS

    def use(self, program: Program) -> None:
        """Let the program be tried first next time, unless another thread has replaced it meanwhile."""
        with self.lock:
            if program in self.programs:
                self.latest = program
                self.programs = [program, *(each for each in self.programs if each is not program)]

    def trace(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a new trace, or MISS or PLAIN where the call is to run as the Python that it was made from."""
        with self.lock, _tracing:
            result = self.run(args, kwargs)  # another thread may have traced it while this one waited
            if result is not MISS or self.complete:
                return result
            # The garbage collector would go through all equations so far again and again; they make no cycles.
            undo = Undo(*[gc.enable] * gc.isenabled())
            with undo, undo:
                gc.disable()
                call = Call(self.function, args, kwargs, self.static)
                for program, first in self.waiting:
                    if program.gather(args, kwargs) is not MISS:
                        return self._second(program, first, call)
                made = self._first(call)
            return MISS if made is None else self._at_once(made, call)

    def _first(self, call: Call) -> Program | None:
        """The program of a first call of its kind; None where that runs as Python."""
        reason = "first call"
        if self.latest is not None:
            reason = "; ".join(self.latest.mismatches(call)) or "gradients or their recording are in another state"
        if len(self.history) >= self.max_traces:
            self._warn(reason)
            return None
        if self.latest is not None:
            # In arguments of another structure a variable may stand for something else.
            given = call.variables if call.structure == self.latest.structure else {}
            self._varying |= guards.varying(self.latest.walk, given) - self._fixed
        try:
            traced = record(call, self._varying)
        except Initialising:
            return None  # (what it makes now is there at the next call)
        self._fixed |= traced.failed
        self._varying |= {effect.place.identity for effect in traced.outcome.effects}
        self._varying -= self._fixed
        traced.keep_passes()
        program = build(call, traced, reason, self.backend, self.lock)
        self.waiting.append((program, traced))
        self.history.append(program)
        self.latest = program
        return program

    def _at_once(self, program: Program, call: Call) -> Any:
        """The result of a program that has just been made.

        Raises:
            TraceError: it does not fit the very call that it was made for.
        """
        result = program.run(call.args, call.kwargs)
        if result is MISS:
            raise TraceError(
                f"{name_of(self.function)} changes what it reads while it runs "
                f"({'; '.join(program.mismatches(call))}), so no trace of it can be used twice: "
                "pass that value as an argument, or keep it in a Tensor"
            )
        return result

    def _second(self, program: Program, first: Traced, call: Call) -> Any:
        """The result of a second call of its kind, whose own trace shows whether the program may be used again."""
        try:
            second = record(call, frozenset(place.identity for place in program.slots))
        except Initialising:
            return MISS
        second.keep_passes()
        found = difference(first, second)
        if found is None and not program.passing:
            if (result := program.run(call.args, call.kwargs)) is not MISS:
                self._confirm(program, program)
                return result
            found = f"it changes what it reads ({'; '.join(program.mismatches(call))})"
        again = build(call, second, program.reason, self.backend if found is None else AT_ONCE, self.lock, True)
        if found is None:  # its places have been set back since: it is used again after all
            self._confirm(program, again)
        else:
            self._abandon(found)
        return again.run(call.args, call.kwargs)

    def _confirm(self, waiting: Program, program: Program) -> None:
        """From now on the program may run at every call that it fits, in place of the one that waited."""
        self.waiting = [pair for pair in self.waiting if pair[0] is not waiting]
        self.history = [program if each is waiting else each for each in self.history]
        self.programs, self.latest = [program, *self.programs], program

    def _abandon(self, found: str) -> None:
        self._abandoned, self.programs, self.waiting = True, [], []
        warnings.warn(
            f"{name_of(self.function)} does something else at every call, so it runs without compilation from now on: "
            f"{found}. Pass what varies as an argument (arrays or floats), draw from a numpy.random.Generator, or leave "
            "the function uncompiled",
            stacklevel=6,
        )

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{name_of(self.function)} has been traced {self.max_traces} times; calls that fit none of the traces "
                f"now run without compilation. Last reason: {reason}. Pass what varies as an argument (arrays or "
                "floats), or raise max_traces",
                stacklevel=6,
            )
