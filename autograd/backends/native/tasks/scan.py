"""Scans: along an axis one element after the other, each depending on those before it (sums so far, the first extreme)."""

from __future__ import annotations

from typing import ClassVar

from ....ir.graph import Eqn, Var
from ..ir.builder import KINDS, Code
from ..ir.layout import Layout
from ..ir.module import Module
from .base import Task
from .nest import loop_over

NAMES = frozenset({"cumsum", "argmax", "argmin"})


class Scan(Task):
    """A cumulative sum, or the index of an extreme."""

    __slots__ = ()
    plural: ClassVar[str] = "scans"

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Arrays with elements: NumPy says what is wrong with the others."""
        if eqn.primitive.name not in NAMES:
            return False
        source = eqn.inputs[0]
        return isinstance(source, Var) and 0 not in source.shape and {source.dtype, eqn.out.dtype} <= KINDS.keys()

    def describe(self, operations: str) -> str:
        """A scan."""
        return f"scan: {operations}"

    def emit(self, module: Module, chunks: int) -> None:
        """The loops."""
        eqn, code, (source,), target = self.eqn, module.code, module.inputs_of(self.eqn), module.layouts[self.eqn.out]
        ndim, axis = len(source.shape), eqn.params["axis"]
        along = [axis] if axis is not None and ndim else list(range(ndim))
        rest = [i for i in range(ndim) if i not in along]
        if eqn.primitive.name == "cumsum":
            whole = [source, target]
        else:
            shape = tuple(1 if i in along else n for i, n in enumerate(source.shape))
            result = Layout.row_major(target.base, target.dtype, shape, target.offset)
            whole = [source, result.broadcast(source.shape)]

        def line(pointers: list[str]) -> None:
            layouts = [Layout(p, x.dtype, x.shape, x.strides) for p, x in zip(pointers, whole, strict=True)]
            (_sums if eqn.primitive.name == "cumsum" else _extreme)(code, eqn, layouts, along)

        loop_over(code, whole, rest, line)


def _sums(code: Code, eqn: Eqn, layouts: list[Layout], along: list[int]) -> None:
    kind = layouts[1].kind
    total = code.alloca(kind)
    code.store_slot(code.constant(-0.0 if layouts[1].dtype.kind == "f" else 0, kind), total)

    def one(pointers: list[str]) -> None:
        value = code.load(pointers[0], layouts[0].kind).cast(kind)
        value = code.load_slot(total, kind, 1) + value
        code.store_slot(value, total)
        code.store(value, pointers[1])

    loop_over(code, layouts, along, one)


def _extreme(code: Code, eqn: Eqn, layouts: list[Layout], along: list[int]) -> None:
    """The first of the largest (or smallest) elements, or the first nan."""
    kind = layouts[0].kind
    best, where, count = code.alloca(kind), code.alloca("i64"), code.alloca("i64")
    code.store_slot(code.load(layouts[0].base, kind), best)
    code.store_slot(code.constant(0, "i64"), where)
    code.store_slot(code.constant(0, "i64"), count)

    def one(pointers: list[str]) -> None:
        value, old, number = (
            code.load(pointers[0], kind),
            code.load_slot(best, kind, 1),
            code.load_slot(count, "i64", 1),
        )
        better = value.compare(">" if eqn.primitive.name == "argmax" else "<", old)
        if value.is_float:
            better = better | (value.is_nan() & (old.is_nan() ^ True))
        code.store_slot(code.select(better, value, old), best)
        code.store_slot(code.select(better, number, code.load_slot(where, "i64", 1)), where)
        code.store_slot(number + 1, count)

    loop_over(code, layouts, along, one)
    code.store(code.load_slot(where, "i64", 1), layouts[1].base)
