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


ELEMENTWISE: dict[str, Emit] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda x: -x,
    "abs": _abs,
    "sign": _sign,
    "sqrt": _intrinsic("sqrt"),
    "exp": functions.exp,
    "expm1": functions.expm1,
    "log": functions.log,
    "log1p": functions.log1p,
    "sin": functions.sin,
    "cos": functions.cos,
    "tanh": functions.tanh,
    "sigmoid": functions.sigmoid,
    "softplus": functions.softplus,
    "erf": functions.erf,
    "tan": functions.from_library("tan"),
    "arcsin": functions.from_library("asin"),
    "arccos": functions.from_library("acos"),
    "arctan": functions.from_library("atan"),
    "arctan2": functions.from_library("atan2"),
    "sinh": functions.from_library("sinh"),
    "cosh": functions.from_library("cosh"),
    "power": power,
    "relu": _relu,
    "maximum": maximum,
    "minimum": minimum,
    "where": lambda c, a, b: a.code.select(c, a, b),
    "clip": lambda x, low, high: minimum(maximum(x, low), high),
    "equal": _relation("=="),
    "not_equal": _relation("!="),
    "less": _relation("<"),
    "less_equal": _relation("<="),
    "greater": _relation(">"),
    "greater_equal": _relation(">="),
    "logical_and": lambda a, b: a & b,
    "logical_or": lambda a, b: a | b,
    "logical_not": lambda x: x ^ x.like(1),
    "bitwise_and": lambda a, b: a & b,
    "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b,
    "invert": lambda x: x ^ x.like(1 if x.kind == "i1" else -1),
    "isfinite": _isfinite,
    "isnan": lambda x: x.is_nan(),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "round": _intrinsic("rint"),
    "floor_divide": _floor_divide,
    "mod": _mod,
    "stop_gradient": lambda x: x,
    "astype": lambda x: x,
    "broadcast_to": lambda x: x,
}
_BITWISE = frozenset({"bitwise_and", "bitwise_or", "bitwise_xor", "invert"})
_WHOLE = _BITWISE | {"add", "sub", "mul", "neg", "abs", "sign", "relu", "maximum", "minimum", "where", "clip",
                     "stop_gradient", "broadcast_to", "astype"}  # fmt: skip
_RELATIONS = frozenset({"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"})
_OF_ANY = frozenset({"isfinite", "isnan"})
_LOGICAL = frozenset({"logical_and", "logical_or", "logical_not"})


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
    name = eqn.primitive.name
    if name in _LOGICAL:
        return [np.dtype(bool)] * len(eqn.inputs)
    if name in _RELATIONS or name in _OF_ANY:
        return [np.result_type(*(promoting(a) for a in eqn.inputs))] * len(eqn.inputs)
    if name == "where":
        return [np.dtype(bool), eqn.out.dtype, eqn.out.dtype]
    return [eqn.out.dtype] * len(eqn.inputs)


def supported(eqn: Eqn) -> bool:
    """Whether there are instructions for an elementwise equation on these dtypes."""
    name = eqn.primitive.name
    if name not in ELEMENTWISE or any(a.dtype not in KINDS for a in (*eqn.inputs, eqn.out)):
        return False
    wanted = operand_dtypes(eqn)
    if any(d not in KINDS for d in wanted) or not all(map(holds, wanted, eqn.inputs)):
        return False
    if name == "astype" or name in _LOGICAL or name in _RELATIONS:
        return name != "astype" or not (eqn.inputs[0].dtype.kind == "f" and eqn.out.dtype.kind == "i")
    if name in _OF_ANY:
        return wanted[0].kind == "f"
    if eqn.out.dtype.kind == "b":
        return name in ("where", "stop_gradient", "broadcast_to", "maximum", "minimum") or name in _BITWISE
    return eqn.out.dtype.kind == "f" or name in _WHOLE


def emit(eqn: Eqn, args: list[Value]) -> Value:
    """Append the instructions of an elementwise equation; the arguments have as many lanes as the result."""
    converted = [a.cast(KINDS[d]) for a, d in zip(args, operand_dtypes(eqn), strict=True)]
    name = eqn.primitive.name
    if name == "power":
        by = eqn.inputs[1]
        exponent = by.value if isinstance(by, Literal) else None
        return power(converted[0], converted[1], None if exponent is None else float(exponent))
    return ELEMENTWISE[name](*converted)
