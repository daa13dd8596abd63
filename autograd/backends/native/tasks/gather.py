"""Reading and adding where index arrays say: loops over the places that they name, once all of them are known to exist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....core.ops.shape import ARRAY
from ....ir.graph import Eqn, Var
from ..ir.builder import KINDS, Code, Value
from ..schedule.layout import Place, fresh
from .loops import Nest, Reduction, fill, walk

NAMES = frozenset({"getitem", "scatter_add", "take_along_axis"})


@dataclass(frozen=True, slots=True)
class Access:
    """Elements of `place` (over the shape of the result), each moved by index * stride for every index array."""

    place: Place
    moves: list[tuple[Place, int, int]]  # index array over the shape of the result, stride, length of the indexed axis


def by_arrays(eqn: Eqn) -> bool:
    """Whether the equation has index arrays."""
    return eqn.primitive.name in NAMES and len(eqn.inputs) > 1


def supported(eqn: Eqn) -> bool:
    """Whether there is code for an equation with index arrays: on signed integers, and results that are not empty."""
    whole, *arrays = eqn.inputs
    return (
        all(isinstance(a, Var) and 0 not in a.shape and a.dtype in KINDS for a in (whole, *arrays, eqn.out))
        and all(a.dtype.kind == "i" for a in arrays)
        and (eqn.primitive.name != "scatter_add" or eqn.out.dtype.kind != "b")
    )


def indexed_shape(eqn: Eqn) -> tuple[int, ...]:
    """The shape of what is indexed: the argument's, or the result's where elements are added."""
    return eqn.out.shape if eqn.primitive.name == "scatter_add" else eqn.inputs[0].shape


def lengths(eqn: Eqn) -> list[int]:
    """Per index array the length of the axis that it counts along."""
    shape = indexed_shape(eqn)
    if eqn.primitive.name == "take_along_axis":
        return [shape[eqn.params["axis"]]]
    template, axis, found = eqn.params["index"], 0, []
    for part in template:
        if part is Ellipsis:
            axis += len(shape) - sum(p is not None and p is not Ellipsis for p in template)
        elif part is not None:
            if part == ARRAY:
                found.append(shape[axis])
            axis += 1
    return found


def _access(eqn: Eqn, whole: Place, arrays: list[Place]) -> Access:
    if eqn.primitive.name == "take_along_axis":
        axis, shape = eqn.params["axis"], eqn.out.shape
        along = replace(whole, shape=(*whole.shape[:axis], 1, *whole.shape[axis + 1 :]))
        return Access(along.broadcast(shape), [(arrays[0].broadcast(shape), whole.strides[axis], whole.shape[axis])])
    template = eqn.params["index"]
    if Ellipsis not in template:
        template = (*template, Ellipsis)
    view = whole.part(tuple(slice(None) if part == ARRAY else part for part in template))
    rest = len(view.shape) - sum(part is not Ellipsis and not isinstance(part, int) for part in template)
    taken: list[bool] = []  # per axis of the view, whether an index array says where on it
    for part in template:
        if not isinstance(part, int):
            taken += [False] * rest if part is Ellipsis else [part == ARRAY]
    named = np.broadcast_shapes(*(a.shape for a in arrays))
    # Where NumPy puts the axes of the index arrays is seen on a result without elements.
    none = np.zeros((0,) * len(named), np.intp)
    seen = np.broadcast_to(np.zeros(()), whole.shape)[tuple(none if part == ARRAY else part for part in template)].shape
    at = seen.index(0) if named else 0
    axes = list(zip(taken, view.shape, view.strides, strict=True))
    kept = [(n, s) for moved, n, s in axes if not moved]
    shape = (*(n for n, _ in kept[:at]), *named, *(n for n, _ in kept[at:]))
    strides = (*(s for _, s in kept[:at]), *(0 for _ in named), *(s for _, s in kept[at:]))
    after = len(kept) - at
    moves = []
    for array, (n, s) in zip(arrays, [(n, s) for moved, n, s in axes if moved], strict=True):
        over = (*(0 for _ in range(at)), *array.broadcast(named).strides, *(0 for _ in range(after)))
        moves.append((replace(array, shape=shape, strides=over), s, n))
    return Access(replace(view, shape=shape, strides=strides), moves)


def move(code: Code, eqn: Eqn, sources: list[Place], target: Place) -> None:
    """Append the loops of an equation with index arrays, which have been checked."""
    if eqn.primitive.name == "scatter_add":
        fill(code, target, 0)
        access = _access(eqn, target, sources[1:])
        _each(code, access, sources[0].broadcast(access.place.shape), _add)
    else:
        access = _access(eqn, sources[0], sources[1:])
        _each(code, access, replace(target, shape=access.place.shape), _take)


def _take(code: Code, indexed: Place, other: Place) -> None:
    Nest(code, other.shape, [indexed], [other], [], lambda values, lanes: values).emit()


def _add(code: Code, indexed: Place, other: Place) -> None:
    Nest(code, other.shape, [indexed, other], [indexed], [], lambda values, lanes: [values[0] + values[1]]).emit()


def _each(code: Code, access: Access, other: Place, inner: Any) -> None:
    """Loops in the order of the result over the axes that index arrays vary along; `inner` does those after them."""
    shape = access.place.shape
    arrays = [array for array, _, _ in access.moves]
    split = max((i + 1 for array in arrays for i, s in enumerate(array.strides) if s and shape[i] > 1), default=0)

    def one(pointers: list[str]) -> None:
        indexed, beside = pointers[:2]
        for pointer, (array, stride, length) in zip(pointers[2:], access.moves, strict=True):
            index = code.load(pointer, array.kind).cast("i64")
            index = code.select(index < 0, index + length, index)
            indexed = code.offset(indexed, (index * stride).name, access.place.kind)
        inner(
            code,
            Place(indexed, access.place.dtype, shape[split:], access.place.strides[split:]),
            Place(beside, other.dtype, shape[split:], other.strides[split:]),
        )

    walk(code, [access.place, other, *arrays], range(split), one)


def check(code: Code, eqn: Eqn, arrays: Sequence[Place], flag: Place) -> Value:
    """A bool: whether an index of the equation lies outside of its axis; `flag` is room for one."""
    found = code.constant(False, "i1")
    for array, length in zip(arrays, lengths(eqn), strict=True):

        def outside(values: list[Value], lanes: int, length: int = length) -> list[Value]:
            index = values[0].cast("i64")
            return [(index < -length) | (index >= length)]

        whole = fresh(flag.base, flag.dtype, (1,) * len(array.shape), flag.offset).broadcast(array.shape)
        Nest(code, array.shape, [array], [], [Reduction("max", whole)], outside).emit()
        found = found | code.load(code.offset(flag.base, flag.offset, flag.kind), flag.kind)
    return found


def complain(eqn: Eqn, arrays: Sequence[Any]) -> None:
    """Let NumPy raise its own error for the indices of an equation."""
    first = np.zeros(eqn.inputs[0].shape, eqn.inputs[0].dtype)
    eqn.primitive.forward(first, *arrays, **eqn.params)
