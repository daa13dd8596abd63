"""Random generators while tracing: their draws become equations; a draw that cannot is refused, never frozen."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import TraceError
from ..core.mode import current
from ..core.ops.random import draw
from ..core.source_location import at, here

if TYPE_CHECKING:
    from .state import Snapshot
    from .trace import Trace
    from .undo import Undo

_OTHERS = ("shuffle", "bytes", "spawn")  # these do not return an array
METHODS = tuple(
    name
    for name, value in vars(np.random.Generator).items()
    if callable(value) and name[0] != "_" and name not in _OTHERS
)


class TracedGenerator(np.random.Generator):
    """Takes the place of a generator while a function is traced; elsewhere (another thread) it is that generator."""

    def __init__(self, generator: np.random.Generator, trace: Trace) -> None:
        super().__init__(generator.bit_generator)
        self.generator, self.trace = generator, trace

    @property
    def bit_generator(self) -> Any:
        """What holds the state, which no trace can follow: refused."""
        if current().trace is self.trace:
            raise TraceError(
                f"{at(here())} asks a random generator for its state while {self.trace.name!r} is traced, and the state "
                "differs at every call: ask before, and pass what you need as an argument"
            )
        return self.generator.bit_generator


def _method(name: str) -> Callable[..., Any]:
    def method(self: TracedGenerator, *args: Any, **kwargs: Any) -> Any:
        if current().trace is not self.trace:
            return getattr(self.generator, name)(*args, **kwargs)
        # Shape and dtype are those of a draw from a copy, so that the real generator stays where it is.
        found = getattr(copy.deepcopy(self.generator), name)(*args, **kwargs)
        probe = np.asarray(found)
        params = {
            "generator": self.generator, "method": name, "args": args, "kwargs": tuple(sorted(kwargs.items())),
            "shape": probe.shape, "dtype": probe.dtype,
        }  # fmt: skip
        drawn = self.trace.emit(draw, (), params)
        drawn.atom.weak = type(found) in (float, int, bool)  # a single draw is mostly a number of Python's
        return drawn

    method.__name__, method.__doc__ = name, f"`numpy.random.Generator.{name}`, as an equation while tracing."
    return method


def _refused(name: str) -> Callable[..., Any]:
    def method(self: TracedGenerator, *args: Any, **kwargs: Any) -> Any:
        if current().trace is not self.trace:
            return getattr(self.generator, name)(*args, **kwargs)
        raise self.trace.refused(
            TraceError(f"{at(here())}: {_advice(f'{self.trace.name!r} calls {name}() of a random generator')}")
        )

    method.__name__, method.__doc__ = name, f"`numpy.random.Generator.{name}`, refused while tracing."
    return method


def _advice(what: str) -> str:
    return (
        f"{what}: random numbers in a way that a trace cannot follow, so they would be the same at every call. Draw from a "
        "numpy.random.Generator by a method that returns an array (random, normal, integers, permutation, ...), or pass the "
        "numbers as an argument"
    )


for _name in METHODS:
    setattr(TracedGenerator, _name, _method(_name))
for _name in _OTHERS:
    setattr(TracedGenerator, _name, _refused(_name))


class Watch:
    """Puts traced generators where the traced function will look for them, and checks that none was drawn from."""

    def __init__(self, trace: Trace, state: Snapshot, undo: Undo) -> None:
        self.trace = trace
        self.places = [
            (generator, place, TracedGenerator(generator, trace), generator.bit_generator.state)
            for generator, place in state.generators
        ]
        self.older = [_Older(thing) for thing in (np.random, random, *state.random)]
        self.drawn = False
        undo.add(self._put_back)

    def __enter__(self) -> None:
        for _, place, traced, _ in self.places:
            place.put(traced)

    def __exit__(self, kind: Any, error: Any, where: Any) -> None:
        self._put_back()
        if self.drawn and error is None:
            raise TraceError(_advice(f"{self.trace.name!r} draws"))

    def _put_back(self) -> None:
        for generator, place, traced, state in self.places:
            if place.get() is traced:
                place.put(generator)
            if repr(generator.bit_generator.state) != repr(state):
                self.drawn = True
                generator.bit_generator.state = state
        for older in self.older:
            if older.drawn():
                self.drawn = True
                older.put_back()


class _Older:
    """A generator of the older kind, whose draws nothing can follow: NumPy's or Python's own, or one of the user's."""

    def __init__(self, thing: Any) -> None:
        self.numpy = thing is np.random or isinstance(thing, np.random.RandomState)
        self.read, self.write = (thing.get_state, thing.set_state) if self.numpy else (thing.getstate, thing.setstate)
        self.state = self.read()

    def drawn(self) -> bool:
        """Whether it has been drawn from."""
        now = self.read()
        if self.numpy:
            return now[2:] != self.state[2:] or not np.array_equal(now[1], self.state[1])
        return bool(now != self.state)

    def put_back(self) -> None:
        """Make it as it was."""
        self.write(self.state)
