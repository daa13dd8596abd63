"""Small arrays as values: a whole array is one vector, and moving its elements is one shuffle.

Which lane goes where is found by running the primitive's own NumPy function on an array of lane numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ....ir.graph import Atom, Eqn, Literal, Var
from ..ir.builder import KINDS, Code, Value
from ..ir.module import Module
from ..ir.scalar_ops import ELEMENTWISE, emit, holds, operand_dtypes, supported
from .base import Task
from .loops import REDUCTIONS, is_reduction, kept_shape
from .nest import combine, fold, offsets, read

LANES = 32  # arrays of at most so many elements
MOVEMENTS = frozenset({"reshape", "transpose", "broadcast_to", "flip", "roll", "tril", "triu", "pad", "concatenate", "stack",
                   "getitem", "scatter_add", "diagonal", "make_diagonal"})  # fmt: skip


class InRegisters(Task):
    """One operation on arrays of a few elements."""

    __slots__ = ()
    plural: ClassVar[str] = "in registers"
    in_registers: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Where the arrays have so few elements, and are known by their positions alone."""
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
        return name in MOVEMENTS or is_reduction(eqn)

    def describe(self, operations: str) -> str:
        """No loop, and no memory."""
        return f"in registers: {operations}"

    def stored(self) -> list[Var]:
        """None."""
        return []

    def may_overwrite(self, old: Var, out: Var, root: Mapping[Var, Var]) -> bool:
        """Always: everything is read before anything is written."""
        return True

    def emit(self, module: Module, chunks: int) -> None:
        """Compute the value, and store it if somebody else reads it from memory."""
        code, out = module.code, self.eqn.out
        value = _compute(code, self.eqn, [_value(module, a) for a in self.eqn.inputs])
        module.values[out] = value
        if out in module.layouts:
            target = module.layouts[out]
            code.store(value.cast(target.kind), target.start(code))


def _value(module: Module, atom: Atom) -> Value:
    """A small array in registers, read from memory the first time that a segment needs it."""
    if isinstance(atom, Literal):
        return module.code.constant(atom.value, KINDS[atom.dtype])
    if atom not in module.values:
        source = module.layouts[atom]
        start, where = source.start(module.code), offsets(atom.shape, source.strides)
        module.values[atom] = read(module.code, start, source.kind, where)
    return module.values[atom]


def _compute(code: Code, eqn: Eqn, args: list[Value]) -> Value:
    """The instructions of an equation on whole arrays."""
    name = eqn.primitive.name
    if is_reduction(eqn):
        return _reduce(eqn, args[0])
    if name in MOVEMENTS:
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
    members = _members(eqn)
    rows = [np.flatnonzero(members == i) for i in range(size)]
    total = value.shuffle([row[0] for row in rows])
    for i in range(1, len(rows[0])):
        total = combine(how, total, value.shuffle([row[i] for row in rows]))
    return total


def _members(eqn: Eqn) -> Any:
    """For each element of a reduction's argument the number of the element of the result that it goes into."""
    numbers = np.arange(math.prod(eqn.out.shape))
    return np.broadcast_to(numbers.reshape(kept_shape(eqn)), eqn.inputs[0].shape).ravel()


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
