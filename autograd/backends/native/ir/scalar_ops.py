"""One line per elementwise primitive: the instructions for it, on values that have been given the right dtype."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.graph import Atom, Eqn, Literal
from . import math as functions
from .builder import KINDS, Value

Emit = Callable[..., Value]


def _both(a: Value, b: Value, relation: str) -> Value:
    """a where it stands in the relation to b or is nan, else b (which may be nan too)."""
    if not a.is_float:
        return a.code.select(a.compare(relation, b), a, b)
    return a.code.select(a.compare(relation, b) | a.is_nan(), a, b)


def maximum(a: Value, b: Value) -> Value:
    """The larger, b of equal ones (0 and -0) as in NumPy; nan if either is."""
    return _both(a, b, ">")


def minimum(a: Value, b: Value) -> Value:
    """The smaller, b of equal ones (0 and -0) as in NumPy; nan if either is."""
    return _both(a, b, "<")


def _relu(x: Value) -> Value:
    return x.code.select(x <= 0, x.like(0), x)


def _abs(x: Value) -> Value:
    return x.code.call("llvm.fabs", x) if x.is_float else x.code.select(x < 0, -x, x)


def _sign(x: Value) -> Value:
    up = x.code.select(x > 0, x.like(1), x.like(0))
    result = x.code.select(x < 0, x.like(-1), up)
    return x.code.select(x.is_nan(), x, result) if x.is_float else result


def _mod(a: Value, b: Value) -> Value:
    """The remainder with the sign of b, as Python's %."""
    code = a.code
    r = code.add(f"frem {a.type} {a.name}, {b.name}", a.kind, a.lanes)
    zero = r.compare("==", 0.0)
    moved = code.select((r < 0) ^ (b < 0), r + b, r)
    return code.select(zero, code.call("llvm.copysign", r, b), moved)


def _floor_divide(a: Value, b: Value) -> Value:
    """floor(a / b), by way of the exact remainder; inf and nan where b is 0."""
    code = a.code
    r = code.add(f"frem {a.type} {a.name}, {b.name}", a.kind, a.lanes)
    quotient = (a - r) / b
    quotient = code.select((r < 0) ^ (b < 0), code.select(r.compare("==", 0.0), quotient, quotient - 1.0), quotient)
    whole = code.call("llvm.floor", quotient)
    whole = code.select((quotient - whole) > 0.5, whole + 1.0, whole)
    signed = code.call("llvm.copysign", whole.like(0.0), a / b)
    whole = code.select(quotient.compare("==", 0.0), signed, whole)
    return code.select(b.compare("==", 0.0), a / b, whole)


def _isfinite(x: Value) -> Value:
    return x.code.call("llvm.fabs", x) < math.inf


def power(a: Value, b: Value, exponent: float | None) -> Value:
    """a ** b: small whole exponents by multiplication, otherwise by the C library."""
    if exponent in (1, 2, 3, 4):
        square = a * a
        return (a, square, square * a, square * square)[int(exponent) - 1]
    if exponent == -1:
        return 1.0 / a
    if exponent == 0.5:
        return a.code.call("llvm.sqrt", a)
    if exponent == 0:
        return a.like(1.0)
    return functions.from_library("pow")(a, b)


def _intrinsic(name: str) -> Emit:
    return lambda x: x.code.call(f"llvm.{name}", x)


def _relation(symbol: str) -> Emit:
    return lambda a, b: a.compare(symbol, b)


# The instructions, and the kinds of dtypes that they compute in: floats, integers, booleans.
ELEMENTWISE: dict[str, tuple[Emit, str]] = {
    "add": (lambda a, b: a + b, "fi"),
    "sub": (lambda a, b: a - b, "fi"),
    "mul": (lambda a, b: a * b, "fi"),
    "div": (lambda a, b: a / b, "f"),
    "neg": (lambda x: -x, "fi"),
    "abs": (_abs, "fi"),
    "sign": (_sign, "fi"),
    "sqrt": (_intrinsic("sqrt"), "f"),
    "exp": (functions.exp, "f"),
    "expm1": (functions.expm1, "f"),
    "log": (functions.log, "f"),
    "log1p": (functions.log1p, "f"),
    "sin": (functions.sin, "f"),
    "cos": (functions.cos, "f"),
    "tanh": (functions.tanh, "f"),
    "sigmoid": (functions.sigmoid, "f"),
    "softplus": (functions.softplus, "f"),
    "erf": (functions.erf, "f"),
    "tan": (functions.from_library("tan"), "f"),
    "arcsin": (functions.from_library("asin"), "f"),
    "arccos": (functions.from_library("acos"), "f"),
    "arctan": (functions.from_library("atan"), "f"),
    "arctan2": (functions.from_library("atan2"), "f"),
    "sinh": (functions.from_library("sinh"), "f"),
    "cosh": (functions.from_library("cosh"), "f"),
    "power": (power, "f"),
    "relu": (_relu, "fi"),
    "maximum": (maximum, "fib"),
    "minimum": (minimum, "fib"),
    "where": (lambda c, a, b: a.code.select(c, a, b), "fib"),
    "clip": (lambda x, low, high: minimum(maximum(x, low), high), "fi"),
    "equal": (_relation("=="), "fib"),
    "not_equal": (_relation("!="), "fib"),
    "less": (_relation("<"), "fib"),
    "less_equal": (_relation("<="), "fib"),
    "greater": (_relation(">"), "fib"),
    "greater_equal": (_relation(">="), "fib"),
    "logical_and": (lambda a, b: a & b, "b"),
    "logical_or": (lambda a, b: a | b, "b"),
    "logical_not": (lambda x: x ^ x.like(1), "b"),
    "bitwise_and": (lambda a, b: a & b, "ib"),
    "bitwise_or": (lambda a, b: a | b, "ib"),
    "bitwise_xor": (lambda a, b: a ^ b, "ib"),
    "invert": (lambda x: x ^ x.like(1 if x.kind == "i1" else -1), "ib"),
    "isfinite": (_isfinite, "f"),
    "isnan": (lambda x: x.is_nan(), "f"),
    "floor": (_intrinsic("floor"), "f"),
    "ceil": (_intrinsic("ceil"), "f"),
    "round": (_intrinsic("rint"), "f"),
    "floor_divide": (_floor_divide, "f"),
    "mod": (_mod, "f"),
    "stop_gradient": (lambda x: x, "fib"),
    "astype": (lambda x: x, "fib"),
    "broadcast_to": (lambda x: x, "fib"),
}


def promoting(atom: Atom) -> Any:
    """What NumPy's type promotion looks at: the dtype, or a Python number where the atom is weak."""
    return {"f": 0.5, "i": 1, "b": True}[atom.dtype.kind] if atom.weak else atom.dtype


def holds(dtype: np.dtype, atom: Any) -> bool:
    """Whether a number written into the program is one of the dtype: NumPy says what becomes of an int8 + 300."""
    if not isinstance(atom, Literal) or dtype.kind != "i" or atom.dtype.kind == "b":
        return True
    limits = np.iinfo(dtype)
    return atom.dtype.kind in "iu" and bool(limits.min <= atom.value <= limits.max)


def operand_dtypes(eqn: Eqn) -> list[np.dtype]:
    """The dtype that each argument is converted to before the operation."""
    operands = eqn.primitive.operands
    each = (operands,) * len(eqn.inputs) if isinstance(operands, str) else operands
    dtypes = {"bool": np.dtype(bool), "result": eqn.out.dtype}
    if "common" in each:
        dtypes["common"] = np.result_type(*map(promoting, eqn.inputs))
    return [dtypes[which] for which in each]


def supported(eqn: Eqn) -> bool:
    """Whether there are instructions for an elementwise equation on these dtypes."""
    name = eqn.primitive.name
    if name not in ELEMENTWISE or any(a.dtype not in KINDS for a in (*eqn.inputs, eqn.out)):
        return False
    wanted = operand_dtypes(eqn)
    if any(d not in KINDS for d in wanted) or not all(map(holds, wanted, eqn.inputs)):
        return False
    if name == "astype":
        return not (eqn.inputs[0].dtype.kind == "f" and eqn.out.dtype.kind == "i")
    return wanted[-1].kind in ELEMENTWISE[name][1]


def emit(eqn: Eqn, args: list[Value]) -> Value:
    """Append the instructions of an elementwise equation; the arguments have as many lanes as the result."""
    converted = [a.cast(KINDS[d]) for a, d in zip(args, operand_dtypes(eqn), strict=True)]
    name = eqn.primitive.name
    if name == "power":
        by = eqn.inputs[1]
        exponent = by.value if isinstance(by, Literal) else None
        return power(converted[0], converted[1], None if exponent is None else float(exponent))
    return ELEMENTWISE[name][0](*converted)
