"""Random numbers in machine code: `Generator.random` fills an array by calling the generator's own function per number.

NumPy gives every bit generator a table of C functions for this purpose.  The numbers, and the state that the generator
is left in, are those of the method.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Iterator, Sequence

import numpy as np

from ....ir.graph import Eqn
from ..ir.builder import Code
from ..schedule.layout import Place


def supported(eqn: Eqn) -> bool:
    """Whether a draw is of that kind: `random` in single or double precision, into an array of its own."""
    params = eqn.params
    return (
        params["method"] == "random"
        and eqn.out.dtype.kind == "f"
        and len(params["args"]) <= 2
        and {key for key, _ in params["kwargs"]} <= {"size", "dtype"}
    )


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


def draw(code: Code, number: int, target: Place) -> None:
    """Fill a place whose elements lie in order with numbers of generator `number`."""
    size = math.prod(target.shape)
    if not size:
        return
    start = code.offset(target.base, target.offset, target.kind)
    loop = code.begin_loop(size)
    if target.kind == "double":
        value = code.add(f"call double %double{number}(ptr %state{number})", "double")
    else:
        bits = code.add(f"call i32 %bits{number}(ptr %state{number})", "i32")
        value = bits.unsigned_shift(8).cast("float") * 2.0**-24
    code.store(value, code.offset(start, loop[0], target.kind))
    code.end_loop(loop)


@contextlib.contextmanager
def held(generators: Sequence[np.random.Generator]) -> Iterator[None]:
    """Keep other threads from drawing meanwhile."""
    with contextlib.ExitStack() as stack:
        for generator in generators:
            stack.enter_context(generator.bit_generator.lock)
        yield
