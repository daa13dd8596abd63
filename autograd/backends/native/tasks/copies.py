"""Movements that copy: each is a few copies between views, or a border of zeros and a copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ....ir.graph import Eqn, Literal, Var
from ..ir.builder import Code
from ..ir.scalar_ops import holds
from ..schedule.layout import Place
from .loops import copy, fill

_NAMES = frozenset({"reshape", "broadcast_to", "transpose", "flip", "diagonal", "concatenate", "stack", "pad", "roll",
                    "make_diagonal"})  # fmt: skip


def supported(eqn: Eqn) -> bool:
    """Whether the movement is made of copies between views."""
    name = eqn.primitive.name
    if not all(isinstance(a, Var) for a in eqn.inputs):
        return False
    if name in ("getitem", "scatter_add"):
        return len(eqn.inputs) == 1
    if name == "pad":
        return holds(eqn.out.dtype, Literal(eqn.params["value"]))
    if name == "roll":
        return eqn.params["axis"] is not None or len(eqn.out.shape) == 1
    return name in _NAMES


def move(code: Code, eqn: Eqn, sources: list[Place], target: Place) -> None:
    """Append the copies of a movement."""
    name, params = eqn.primitive.name, eqn.params
    if 0 in target.shape:
        return
    source = sources[0]
    if name == "reshape":
        _reshape(code, source, target)
    elif name in ("concatenate", "stack"):
        _join(code, eqn, sources, target)
    elif name == "pad":
        fill(code, target, params["value"])
        inner = tuple(slice(before, before + n) for (before, _), n in zip(params["width"], source.shape, strict=True))
        copy(code, source, target.part(inner))
    elif name == "roll":
        _roll(code, source, target, params["shift"], params["axis"])
    elif name in ("scatter_add", "make_diagonal"):
        fill(code, target, 0)
        if 0 not in source.shape:
            where = target.part(params["index"]) if name == "scatter_add" else _diagonal(target, params)
            copy(code, source, where)
    elif name == "getitem":
        copy(code, source.part(params["index"]), target)
    else:
        copy(code, source.seen_as(lambda x: eqn.primitive.forward(x, **params)), target)


def _reshape(code: Code, source: Place, target: Place) -> None:
    """The elements in the order of the source's axes."""
    copy(code, source, replace(target, shape=source.shape, strides=_rows(source.shape)))


def _rows(shape: tuple[int, ...]) -> tuple[int, ...]:
    from ..schedule.layout import row_major

    return row_major(shape)


def _join(code: Code, eqn: Eqn, sources: list[Place], target: Place) -> None:
    axis, start = eqn.params["axis"], 0
    for number, source in enumerate(sources):
        if eqn.primitive.name == "stack":
            part: Any = number
        else:
            part = slice(start, start + source.shape[axis])
            start += source.shape[axis]
        if 0 not in source.shape:
            copy(code, source, target.part((slice(None),) * axis + (part,)))


def _roll(code: Code, source: Place, target: Place, shift: Any, axis: Any) -> None:
    """Each axis is cut in two, so there are two copies per axis, times each other."""
    ndim = len(source.shape)
    shifts = dict.fromkeys(range(ndim), 0)
    pairs = (
        [(0 if axis is None else axis, shift)]
        if not isinstance(axis, tuple)
        else list(zip(axis, shift if isinstance(shift, tuple) else (shift,) * len(axis), strict=True))
    )
    for a, s in pairs:
        shifts[a % ndim] += s if not isinstance(s, tuple) else sum(s)
    pieces: list[tuple[list[slice], list[slice]]] = [([], [])]
    for i, n in enumerate(source.shape):
        s = shifts[i] % n
        cuts = [(slice(0, n - s), slice(s, n))] + ([(slice(n - s, n), slice(0, s))] if s else [])
        pieces = [([*a, x], [*b, y]) for a, b in pieces for x, y in cuts]
    for a, b in pieces:
        copy(code, source.part(tuple(a)), target.part(tuple(b)))


def _diagonal(target: Place, params: Any) -> Place:
    return target.seen_as(lambda x: np.diagonal(x, params["offset"], *params["axes"]))
