"""Memory plan: where in one arena each intermediate array lives, so that arrays share memory once they are dead."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..ir.graph import Atom, Eqn, Var

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


@dataclass(frozen=True, slots=True)
class Plan:
    """Byte offset in the arena of every planned Var, the arena's size, and the first and last use of each."""

    offsets: dict[Var, int]
    size: int
    lifetimes: dict[Var, tuple[int, int]]


def nbytes(var: Atom) -> int:
    """Bytes of the array, rounded up to the alignment."""
    size = math.prod(var.shape) * var.dtype.itemsize
    return -(-size // ALIGNMENT) * ALIGNMENT


def plan_memory(
    eqns: Sequence[Eqn],
    wanted: Callable[[Eqn], bool],
    alias: Callable[[Eqn], Atom | None],
    live_at_end: Iterable[Atom] = (),
    in_place: Callable[[Eqn, Atom], bool] = lambda eqn, atom: False,
) -> Plan:
    """Give every wanted result a place, best fit first, reusing places of arrays that are no longer read.

    Args:
        eqns: the program, in the order it runs.
        wanted: whether the result of an equation needs a place of its own.
        alias: the input whose memory the result shows (views), or None.
        live_at_end: atoms that must survive the whole program.
        in_place: whether a result may overwrite this input as it is computed.
    """
    end = len(eqns)
    root: dict[Atom, Atom] = {}
    last: dict[Atom, int] = {}
    first: dict[Atom, int] = {}
    for time, eqn in enumerate(eqns):
        for atom in eqn.inputs:
            if isinstance(atom, Var):
                last[root.get(atom, atom)] = time
        source = alias(eqn)
        root[eqn.out] = root.get(source, source) if source is not None else eqn.out
        first.setdefault(root[eqn.out], time)
        last[root[eqn.out]] = max(last.get(root[eqn.out], time), time)
    for atom in live_at_end:
        last[root.get(atom, atom)] = end
    free: list[tuple[int, int]] = []  # (offset, size), sorted, never touching each other
    size = 0
    offsets: dict[Var, int] = {}
    dying: dict[int, list[Var]] = {}
    for time, eqn in enumerate(eqns):
        if wanted(eqn) and root[eqn.out] is eqn.out:
            need = nbytes(eqn.out)
            donor = next(
                (
                    atom
                    for atom in eqn.inputs
                    if isinstance(atom, Var) and atom in offsets and last[atom] == time
                    and nbytes(atom) == need and in_place(eqn, atom) and atom in dying.get(time, ())
                ),
                None,
            )  # fmt: skip
            if donor is not None:
                offsets[eqn.out] = offsets[donor]
                dying[time].remove(donor)
            else:
                place = min((hole for hole in free if hole[1] >= need), key=lambda hole: hole[1], default=None)
                if place is None and free and free[-1][0] + free[-1][1] == size:
                    place = free[-1]  # grow the hole at the end
                    size = place[0] + need
                if place is None:
                    offsets[eqn.out], size = size, size + need
                else:
                    free.remove(place)
                    offsets[eqn.out] = place[0]
                    if place[1] > need:
                        _release(free, place[0] + need, place[1] - need)
            dying.setdefault(last[eqn.out], []).append(eqn.out)
        for var in dying.pop(time, ()):
            _release(free, offsets[var], nbytes(var))
    return Plan(offsets, size, {var: (first[var], last[var]) for var in offsets})


def _release(free: list[tuple[int, int]], offset: int, size: int) -> None:
    """Give a range back and join it with free neighbours."""
    if not size:
        return
    free.append((offset, size))
    free.sort()
    joined: list[tuple[int, int]] = []
    for start, length in free:
        if joined and joined[-1][0] + joined[-1][1] == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        else:
            joined.append((start, length))
    free[:] = joined
