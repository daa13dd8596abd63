"""Movements: views where the elements can stay where they are, else a few copies between views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from ....ir.graph import Eqn, Literal, Var
from ..ir.builder import KINDS, Code
from ..ir.layout import Layout, row_major_strides
from ..ir.module import Module
from ..ir.scalar_ops import holds
from .base import Task
from .nest import copy, fill

_NAMES = frozenset({"reshape", "broadcast_to", "transpose", "flip", "diagonal", "concatenate", "stack", "pad", "roll",
                    "make_diagonal"})  # fmt: skip


def is_view(eqn: Eqn) -> bool:
    """Whether the movement is a view of any argument, whatever its strides."""
    name = eqn.primitive.name
    return name in ("transpose", "flip", "diagonal", "broadcast_to") or (
        name == "getitem" and len(eqn.inputs) == 1 and eqn.inputs[0].shape != ()
    )


class View(Task):
    """A movement whose result shares its argument's memory."""

    __slots__ = ()
    plural: ClassVar[str] = "views"
    emits_code: ClassVar[bool] = False

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Every view; a reshape is one of arrays whose elements lie in order, which their layout will say."""
        return (
            (is_view(eqn) or eqn.primitive.name == "reshape")
            and isinstance(eqn.inputs[0], Var)
            and {eqn.inputs[0].dtype, eqn.out.dtype} <= KINDS.keys()
        )

    def emit(self, module: Module, chunks: int) -> None:
        """Nothing is to be done."""

    def describe(self, operations: str) -> str:
        """It takes no time."""
        return f"view: {operations}"

    def layout(self, source: Layout) -> Layout | None:
        """Where the result lies if the argument lies there; None if elements must be copied."""
        name, params, shape = self.eqn.primitive.name, self.eqn.params, self.eqn.out.shape
        if 0 in source.shape or 0 in shape:
            return None
        if name == "reshape":
            return replace(source, shape=shape, strides=row_major_strides(shape)) if source.contiguous else None
        if name == "broadcast_to":
            return source.broadcast(shape)
        if name == "getitem":
            return source.indexed(params["index"])
        return source.viewed(lambda x: self.eqn.primitive.forward(x, **params))


class Copy(Task):
    """A movement made of copies between views, with a border of zeros perhaps."""

    __slots__ = ()
    plural: ClassVar[str] = "copies"
    in_memory: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Movements of arrays without index arrays."""
        name = eqn.primitive.name
        if not all(isinstance(a, Var) for a in eqn.inputs) or any(a.dtype not in KINDS for a in (*eqn.inputs, eqn.out)):
            return False
        if name in ("getitem", "scatter_add"):
            return len(eqn.inputs) == 1
        if name == "pad":
            return holds(eqn.out.dtype, Literal(eqn.params["value"]))
        if name == "roll":
            return eqn.params["axis"] is not None or len(eqn.out.shape) == 1
        return name in _NAMES

    def describe(self, operations: str) -> str:
        """A copy."""
        return f"copy: {operations}"

    def emit(self, module: Module, chunks: int) -> None:
        """The copies."""
        eqn, code, sources, target = self.eqn, module.code, module.inputs_of(self.eqn), module.layouts[self.eqn.out]
        name, params, source = eqn.primitive.name, eqn.params, sources[0]
        if 0 in target.shape:
            return
        if name == "reshape":
            copy(code, source, replace(target, shape=source.shape, strides=row_major_strides(source.shape)))
        elif name in ("concatenate", "stack"):
            _join(code, eqn, sources, target)
        elif name == "pad":
            fill(code, target, params["value"])
            inner = tuple(
                slice(before, before + n) for (before, _), n in zip(params["width"], source.shape, strict=True)
            )
            copy(code, source, target.indexed(inner))
        elif name == "roll":
            _roll(code, source, target, params["shift"], params["axis"])
        elif name in ("scatter_add", "make_diagonal"):
            fill(code, target, 0)
            if 0 not in source.shape:
                where = target.indexed(params["index"]) if name == "scatter_add" else _diagonal(target, params)
                copy(code, source, where)
        elif name == "getitem":
            copy(code, source.indexed(params["index"]), target)
        else:
            copy(code, source.viewed(lambda x: eqn.primitive.forward(x, **params)), target)


def _join(code: Code, eqn: Eqn, sources: list[Layout], target: Layout) -> None:
    axis, start = eqn.params["axis"], 0
    for number, source in enumerate(sources):
        if eqn.primitive.name == "stack":
            part: Any = number
        else:
            part = slice(start, start + source.shape[axis])
            start += source.shape[axis]
        if 0 not in source.shape:
            copy(code, source, target.indexed((slice(None),) * axis + (part,)))


def _roll(code: Code, source: Layout, target: Layout, shift: Any, axis: Any) -> None:
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
        copy(code, source.indexed(tuple(a)), target.indexed(tuple(b)))


def _diagonal(target: Layout, params: Any) -> Layout:
    return target.viewed(lambda x: np.diagonal(x, params["offset"], *params["axes"]))
