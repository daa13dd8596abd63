"""Small arrays as values: a whole array is one vector, and moving its elements is one shuffle.

Which lane goes where is found by running the primitive's own NumPy function on an array of lane numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.graph import Atom, Eqn, Literal
from ..ir.builder import KINDS, Code, Value
from ..ir.scalar_ops import ELEMENTWISE, emit, holds, operand_dtypes, supported
from .loops import combine, fold

LANES = 32  # arrays of at most so many elements
MOVES = frozenset({"reshape", "transpose", "broadcast_to", "flip", "roll", "tril", "triu", "pad", "concatenate", "stack",
                   "getitem", "scatter_add", "diagonal", "make_diagonal"})  # fmt: skip
REDUCTIONS = {"sum": "sum", "prod": "prod", "max": "max", "min": "min", "reduce_to": "sum"}


def fits(eqn: Eqn) -> bool:
    """Whether the equation can be computed on vectors."""
    atoms = (*eqn.inputs, eqn.out)
    if any(not 1 <= math.prod(a.shape) <= LANES or a.dtype not in KINDS for a in atoms):
        return False
    name = eqn.primitive.name
    if name in ELEMENTWISE and name != "broadcast_to":
        return supported(eqn)
    if name in ("getitem", "scatter_add"):
        return len(eqn.inputs) == 1
    if name == "pad":
        return holds(eqn.out.dtype, Literal(eqn.params["value"]))
    if name == "matmul":
        return eqn.out.dtype.kind == "f" and all(a.dtype == eqn.out.dtype for a in eqn.inputs)
    return name in MOVES or name in REDUCTIONS


def compute(code: Code, eqn: Eqn, args: list[Value]) -> Value:
    """Append the instructions of an equation on whole arrays."""
    name = eqn.primitive.name
    if name in REDUCTIONS:
        return _reduce(eqn, args[0])
    if name in MOVES:
        return _move(code, eqn, args)
    if name == "matmul":
        return _product(eqn, *args)
    size = math.prod(eqn.out.shape)
    wide = []
    for atom, dtype, value in zip(eqn.inputs, operand_dtypes(eqn), args, strict=True):
        if isinstance(atom, Literal):
            wide.append(code.constant(atom.value, KINDS[atom.dtype if name == "astype" else dtype], size))
        else:
            wide.append(value.shuffle(np.broadcast_to(_lanes(atom), eqn.out.shape).ravel()))
    return emit(eqn, wide)


def _lanes(atom: Atom) -> Any:
    return np.arange(math.prod(atom.shape)).reshape(atom.shape)


def _move(code: Code, eqn: Eqn, args: list[Value]) -> Value:
    """Elements of the arguments in the order that the result has; places that none of them fills get a number."""
    kind = KINDS[eqn.out.dtype]
    numbered, first = [], 1
    for atom in eqn.inputs:
        numbered.append(_lanes(atom) + first)
        first += numbered[-1].size
    params = dict(eqn.params)
    number = params.get("value", 0)
    if "value" in params:
        params["value"] = 0
    order = np.asarray(eqn.primitive.forward(*numbered, **params)).ravel()
    result: Value | None = code.constant(number, kind, order.size) if (order == 0).any() else None
    for value, numbers in zip(args, numbered, strict=True):
        mine = (order >= numbers.min()) & (order <= numbers.max())
        moved = value.cast(kind).shuffle(np.where(mine, order - numbers.min(), 0))
        result = moved if result is None or mine.all() else code.select(code.constants(mine, "i1"), moved, result)
    assert result is not None
    return result


def _reduce(eqn: Eqn, value: Value) -> Value:
    how = REDUCTIONS[eqn.primitive.name]
    value = value.cast(KINDS[eqn.out.dtype])
    size = math.prod(eqn.out.shape)
    if size == 1:
        return fold(value, how)
    members = element_of(eqn)
    rows = [np.flatnonzero(members == i) for i in range(size)]
    total = value.shuffle([row[0] for row in rows])
    for turn in range(1, len(rows[0])):
        total = combine(how, total, value.shuffle([row[turn] for row in rows]))
    return total


def element_of(eqn: Eqn) -> Any:
    """For each element of a reduction's argument the number of the element of the result that it goes into."""
    before, numbers = eqn.inputs[0].shape, np.arange(math.prod(eqn.out.shape))
    return np.broadcast_to(numbers.reshape(kept(eqn)), before).ravel()


def kept(eqn: Eqn) -> tuple[int, ...]:
    """The result's shape with its reduced axes in place, of length one."""
    before = eqn.inputs[0].shape
    if eqn.primitive.name == "reduce_to":
        return (1,) * (len(before) - len(eqn.out.shape)) + eqn.out.shape
    axis = eqn.params["axis"]
    return tuple(1 if axis is None or i in axis else n for i, n in enumerate(before))


def _product(eqn: Eqn, a: Value, b: Value) -> Value:
    """A column of a times a row of b, summed over all of them."""
    left, right = (_lanes(atom) for atom in eqn.inputs)
    left = left[None, :] if left.ndim == 1 else left
    right = right[:, None] if right.ndim == 1 else right
    shape = (*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1])
    total: Value | None = None
    for k in range(left.shape[-1]):
        column = a.shuffle(np.broadcast_to(left[..., :, k, None], shape).ravel())
        row = b.shuffle(np.broadcast_to(right[..., k, None, :], shape).ravel())
        total = column * row + (0.0 if total is None else total)  # from 0.0 on: a product of zeros is 0.0, not -0.0
    assert total is not None
    return total
