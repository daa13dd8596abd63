"""Whether two traces of one step are the same program: what no guard can see shows as a difference between them."""

from __future__ import annotations

from collections.abc import Mapping
from types import CellType, FunctionType, MethodType
from typing import Any

import numpy as np

from ..core.primitive import Primitive
from ..core.source_location import at
from .graph import Atom, Eqn, Literal, Var
from .guards import same
from .objects import IMMUTABLE
from .tracer import Tracer
from .transaction import Traced


def difference(first: Traced, second: Traced) -> str | None:
    """The user's line where the second trace differs from the first, and how; None where they are equal."""
    return second.recorder.asked or _Comparison(first, second).find()


class _Comparison:
    def __init__(self, first: Traced, second: Traced) -> None:
        self.first, self.second = first, second
        self.vars: dict[Any, Var] = {}
        self.position = [{id(g): i for i, g in reversed(list(enumerate(t.given)))} for t in (first, second)]
        self.roles = [self._roles(which) for which in (0, 1)]
        self.arrays = [dict(t.recorder.constants.values()) for t in (first, second)]

    def find(self) -> str | None:
        a, b = self.first.recorder, self.second.recorder
        for x, y in zip(a.inputs, b.inputs, strict=False):
            if self.roles[0].get(x) == self.roles[1].get(y):
                self.vars[x] = y
        for old, new in zip(a.eqns, b.eqns, strict=False):
            if not self._equations(old, new):
                was, now = self._text(old, 0), self._text(new, 1)
                if was == now:
                    was, now = "one value", "another one"
                return f"{at(new.site or old.site)} computes {was} at one call and {now} at the next"
            self.vars[old.out] = new.out
        if len(a.eqns) != len(b.eqns):
            longer, common = max(a.eqns, b.eqns, key=len), min(len(a.eqns), len(b.eqns))
            return f"{at(longer[common].site)} computes something at one of two calls only"
        return self._outcomes()

    def _equations(self, old: Eqn, new: Eqn) -> bool:
        return (
            alike(old.primitive, new.primitive)
            and len(old.inputs) == len(new.inputs)
            and all(self._atoms(x, y) for x, y in zip(old.inputs, new.inputs, strict=True))
            and (not old.params or alike(dict(old.params), dict(new.params)))
            and (old.out.shape, old.out.dtype, old.out.weak) == (new.out.shape, new.out.dtype, new.out.weak)
        )

    def _atoms(self, x: Atom, y: Atom) -> bool:
        if isinstance(x, Literal) or isinstance(y, Literal):
            return isinstance(x, Literal) and isinstance(y, Literal) and x.key() == y.key()
        if x in self.vars:
            return self.vars[x] is y
        if x in self.arrays[0] and y in self.arrays[1] and alike(self.arrays[0][x], self.arrays[1][y]):
            self.vars[x] = y
            return True
        return False

    def _outcomes(self) -> str | None:
        a, b = self.first.outcome, self.second.outcome
        name = self.first.recorder.name
        if not alike(a.structure, b.structure) or not self._leaves(a.leaves, b.leaves):
            return f"{name} returns something else at the next call{self._shown(a.leaves, b.leaves)}"
        places = [[effect.place.identity for effect in outcome.effects] for outcome in (a, b)]
        if places[0] != places[1]:
            labels = [{effect.place.label for effect in outcome.effects} for outcome in (a, b)]
            return f"{name} binds {', '.join(sorted(labels[0] ^ labels[1])) or 'other objects'} at one of two calls"
        for x, y in zip(a.effects, b.effects, strict=True):
            if not alike(x.structure, y.structure) or not self._leaves(x.leaves, y.leaves):
                return (
                    f"{name} binds {x.place.label} to something else at the next call{self._shown(x.leaves, y.leaves)}"
                )
        if self._numbered(a.updates, 0) != self._numbered(b.updates, 1):
            return f"{name} assigns other tensors at the next call"
        if self._numbered(a.gradients, 0) != self._numbered(b.gradients, 1):
            return f"{name} assigns gradients of other tensors at the next call"
        if not all(self._atoms(x, y) for x, y in zip(a.outputs, b.outputs, strict=True)):
            return f"{name} leaves another value at the next call"
        return None

    def _roles(self, which: int) -> dict[Var, Any]:
        """What each input of the graph is."""
        traced = (self.first, self.second)[which]
        recorder = traced.recorder
        roles: dict[Var, Any] = {g.atom: i for i, g in enumerate(traced.given) if isinstance(g, Tracer)}
        for tensor, var in recorder.outside.items():
            roles[var] = self._who(which, tensor)
        for tensor, start in recorder.captured_gradients.items():
            if start is not None:
                roles[start] = "gradient", self._who(which, tensor)
        return roles

    def _who(self, which: int, tensor: Any) -> Any:
        """The same for tensors that play one role in the two traces."""
        return self.position[which].get(id(tensor), ("outside", id(tensor)))

    def _numbered(self, found: Mapping[Any, int | None], which: int) -> dict[Any, int | None]:
        return {self._who(which, tensor): number for tensor, number in found.items()}

    def _leaves(self, old: list[Any], new: list[Any]) -> bool:
        return len(old) == len(new) and all(
            x[0] == y[0] and (self._who(0, x[1]) == self._who(1, y[1]) if x[0] == "same" else alike(x[1], y[1]))
            for x, y in zip(old, new, strict=True)
        )

    def _text(self, eqn: Eqn, which: int) -> str:
        arrays = self.arrays[which]
        shown = [
            repr(a) if isinstance(a, Literal) else "an array" if a in arrays else a.name or "v" for a in eqn.inputs
        ]
        params = "".join(f", {key}={value!r}"[:60] for key, value in eqn.params.items())
        return f"{eqn.primitive.name}({', '.join(shown)}{params})"

    @staticmethod
    def _shown(old: list[Any], new: list[Any]) -> str:
        for x, y in zip(old, new, strict=False):
            if x[0] == y[0] == "static" and not alike(x[1], y[1]):
                return f": {str(x[1])[:60]}, then {str(y[1])[:60]}"
        return ""


def alike(a: Any, b: Any, met: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Whether two constants of a program mean the same: by value, functions by their code and what they close over."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if (id(a), id(b)) in met:  # (what refers to itself)
        return True
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    met = met | {(id(a), id(b))}
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(alike(x, y, met) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return list(a) == list(b) and all(alike(a[key], b[key], met) for key in a)
    if isinstance(a, (set, frozenset)):
        return bool(a == b)
    if isinstance(a, FunctionType):
        parts = ("__code__", "__defaults__", "__kwdefaults__")
        return all(alike(getattr(a, p), getattr(b, p), met) for p in parts) and alike(a.__closure__, b.__closure__, met)
    if isinstance(a, CellType):
        try:
            return alike(a.cell_contents, b.cell_contents, met)
        except ValueError:  # not assigned yet
            return False
    if isinstance(a, MethodType):
        return alike((a.__self__, a.__func__), (b.__self__, b.__func__), met)
    if isinstance(a, Primitive):
        return a.name == b.name and alike((a.forward, a.vjps), (b.forward, b.vjps), met)
    if isinstance(a, IMMUTABLE):
        return same(a, b)
    try:
        return bool(a == b)  # (by identity, unless the class says otherwise)
    except Exception:  # of the user's own ==, which may give an array
        return False
