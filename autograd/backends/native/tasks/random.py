"""Random numbers in machine code: `Generator.random` fills an array by calling the generator's own function per number.

NumPy gives every bit generator a table of C functions for this purpose.  The numbers, and the state that the generator
is left in, are those of the method.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from ....ir.graph import Eqn
from ..ir.module import Module
from .base import Task


class Random(Task):
    """A call of `random` in single or double precision, into an array of its own."""

    __slots__ = ()
    plural: ClassVar[str] = "draws of random numbers"
    is_barrier: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """That method with nothing but a size and a dtype."""
        params = eqn.params
        if eqn.out.weak and (len(params["args"]) > 1 or "dtype" in dict(params["kwargs"])):
            return False  # (a single draw in single precision comes as a Python number)
        return (
            eqn.primitive.name == "draw"
            and params["method"] == "random"
            and eqn.out.dtype.name in ("float64", "float32")
            and len(params["args"]) <= 2
            and {key for key, _ in params["kwargs"]} <= {"size", "dtype"}
        )

    @property
    def generator(self) -> np.random.Generator:
        """Whose numbers they are."""
        found: np.random.Generator = self.eqn.params["generator"]
        return found

    def describe(self, operations: str) -> str:
        """Random numbers."""
        return f"random numbers: {operations}"

    def emit(self, module: Module, chunks: int) -> None:
        """Fill the array, whose elements lie in order, number by number."""
        code, number, target = module.code, module.generators.index(self.generator), module.layouts[self.eqn.out]
        size = math.prod(target.shape)
        if not size:
            return
        start = target.start(code)
        loop = code.begin_loop(size)
        if target.kind == "double":
            value = code.add(f"call double %double{number}(ptr %state{number})", "double")
        else:
            bits = code.add(f"call i32 %bits{number}(ptr %state{number})", "i32")
            value = bits.unsigned_shift(8).cast("float") * 2.0**-24
        code.store(value, code.offset(start, loop[0], target.kind))
        code.end_loop(loop)


def pointers(generator: np.random.Generator, number: int) -> list[tuple[str, int]]:
    """Names and addresses of what is called: the state, and the functions for double and for 32 bits."""
    functions = generator.bit_generator.ctypes

    def address(function: object) -> int:
        return ctypes.cast(function, ctypes.c_void_p).value or 0  # type: ignore[arg-type]

    return [
        (f"%state{number}", int(functions.state_address)),
        (f"%double{number}", address(functions.next_double)),
        (f"%bits{number}", address(functions.next_uint32)),
    ]


@contextlib.contextmanager
def locked(generators: Sequence[np.random.Generator]) -> Iterator[None]:
    """Keep other threads from drawing meanwhile."""
    with contextlib.ExitStack() as stack:
        for generator in generators:
            stack.enter_context(generator.bit_generator.lock)
        yield
