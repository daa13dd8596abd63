"""What NumPy computes, between two segments of machine code."""

from __future__ import annotations

from typing import ClassVar

from ....ir.graph import Eqn
from ..ir.module import Module
from .base import Task

UNSUPPORTED = {
    "einsum": "NumPy chooses the order of contraction",
    "solve": "LAPACK through NumPy",
    "inv": "LAPACK through NumPy",
    "det": "LAPACK through NumPy",
    "logabsdet": "LAPACK through NumPy",
    "detsign": "LAPACK through NumPy",
    "cholesky": "LAPACK through NumPy",
    "left_shift": "by as many places as there are bits, it is what NumPy says",
    "right_shift": "by as many places as there are bits, it is what NumPy says",
    "draw": "numbers are those of NumPy's generator, whose method random alone is called from machine code",
}


class Fallback(Task):
    """An equation that there is no machine code for."""

    __slots__ = ()
    plural: ClassVar[str] = "through NumPy"
    is_barrier: ClassVar[bool] = True
    may_raise: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """NumPy takes them all."""
        return True

    def emit(self, module: Module, chunks: int) -> None:
        """The segments end before it and begin after it."""
        raise AssertionError("NumPy runs between two segments")

    def describe(self, operations: str) -> str:
        """Why it goes through NumPy."""
        reason = UNSUPPORTED.get(self.eqn.primitive.name, "on these dtypes or indices")
        return f"through NumPy: {operations} ({reason})"
