"""Along an axis one element after the other, each depending on those before it: running sums, the place of an extreme."""

from __future__ import annotations

from ....ir.graph import Eqn, Var
from ..ir.builder import KINDS, Code
from ..schedule.layout import Place, fresh
from .loops import walk

NAMES = frozenset({"cumsum", "argmax", "argmin"})


def supported(eqn: Eqn) -> bool:
    """Whether there is code for the equation: NumPy says what is wrong with arrays without elements."""
    source = eqn.inputs[0]
    return isinstance(source, Var) and 0 not in source.shape and {source.dtype, eqn.out.dtype} <= KINDS.keys()


def run(code: Code, eqn: Eqn, source: Place, target: Place) -> None:
    """Append the loops of the equation."""
    ndim, axis = len(source.shape), eqn.params["axis"]
    along = [axis] if axis is not None and ndim else list(range(ndim))
    rest = [i for i in range(ndim) if i not in along]
    if eqn.primitive.name == "cumsum":
        whole = [source, target]
    else:
        shape = tuple(1 if i in along else n for i, n in enumerate(source.shape))
        whole = [source, fresh(target.base, target.dtype, shape, target.offset).broadcast(source.shape)]

    def line(pointers: list[str]) -> None:
        places = [Place(p, x.dtype, x.shape, x.strides) for p, x in zip(pointers, whole, strict=True)]
        (_sums if eqn.primitive.name == "cumsum" else _extreme)(code, eqn, places, along)

    walk(code, whole, rest, line)


def _sums(code: Code, eqn: Eqn, places: list[Place], along: list[int]) -> None:
    kind = places[1].kind
    total = code.room(kind)
    code.put(code.constant(-0.0 if places[1].dtype.kind == "f" else 0, kind), total)

    def one(pointers: list[str]) -> None:
        value = code.load(pointers[0], places[0].kind).cast(kind)
        value = code.peek(total, kind, 1) + value
        code.put(value, total)
        code.store(value, pointers[1])

    walk(code, places, along, one)


def _extreme(code: Code, eqn: Eqn, places: list[Place], along: list[int]) -> None:
    """The first of the largest (or smallest) elements, or the first nan."""
    kind = places[0].kind
    best, where, count = code.room(kind), code.room("i64"), code.room("i64")
    code.put(code.load(places[0].base, kind), best)
    code.put(code.constant(0, "i64"), where)
    code.put(code.constant(0, "i64"), count)

    def one(pointers: list[str]) -> None:
        value, old, number = code.load(pointers[0], kind), code.peek(best, kind, 1), code.peek(count, "i64", 1)
        better = value.compare(">" if eqn.primitive.name == "argmax" else "<", old)
        if value.is_float:
            better = better | (value.is_nan() & (old.is_nan() ^ True))
        code.put(code.select(better, value, old), best)
        code.put(code.select(better, number, code.peek(where, "i64", 1)), where)
        code.put(number + 1, count)

    walk(code, places, along, one)
    code.store(code.peek(where, "i64", 1), places[1].base)
