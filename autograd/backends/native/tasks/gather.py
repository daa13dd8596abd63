"""Reading and adding where index arrays say: loops over the places that they name, once all of them are known to exist."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ....core.ops.shape import ARRAY
from ....ir.graph import Atom, Eqn, Var
from ..ir.builder import KINDS, Code, Value
from ..ir.layout import Layout
from ..ir.module import Module
from .base import Task
from .nest import LoopNest, Reduction, fill, loop_over

NAMES = frozenset({"getitem", "scatter_add", "take_along_axis"})


class Gather(Task):
    """Elements that index arrays name, read from an array or added to zeros."""

    __slots__ = ()
    plural: ClassVar[str] = "index loops"
    in_memory: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Index arrays of signed integers, and results that are not empty."""
        if eqn.primitive.name not in NAMES or len(eqn.inputs) < 2:
            return False
        whole, *arrays = eqn.inputs
        return (
            eqn.out.dtype in KINDS
            and all(isinstance(a, Var) and 0 not in a.shape and a.dtype in KINDS for a in (whole, *arrays, eqn.out))
            and all(a.dtype.kind == "i" for a in arrays)
            and (eqn.primitive.name != "scatter_add" or eqn.out.dtype.kind != "b")
        )

    def describe(self, operations: str) -> str:
        """A loop over indices."""
        return f"index loop: {operations}"

    def emit(self, module: Module, chunks: int) -> None:
        """The loops, over indices that have been checked."""
        code, sources, target = module.code, module.inputs_of(self.eqn), module.layouts[self.eqn.out]
        if self.eqn.primitive.name == "scatter_add":
            fill(code, target, 0)
            access = _access(self.eqn, target, sources[1:])
            _each(code, access, sources[0].broadcast(access.layout.shape), _add)
        else:
            access = _access(self.eqn, sources[0], sources[1:])
            _each(code, access, replace(target, shape=access.layout.shape), _take)


@dataclass(frozen=True, slots=True, eq=False)
class IndexCheck(Task):
    """The indices of the equation `guarded` are looked at, so that nothing has changed where one names nothing.

    Its own equation stands in no graph: it reads the index arrays, and its result is room for one bool.
    """

    guarded: Eqn

    plural: ClassVar[str] = "checks of indices"
    is_barrier: ClassVar[bool] = True
    may_raise: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """It is made for a gather."""
        return False

    @classmethod
    def of(cls, eqn: Eqn) -> IndexCheck:
        """The check for an equation."""
        return cls((replace(eqn, out=Var((), np.dtype(bool)), inputs=eqn.inputs[1:]),), eqn)

    @property
    def key(self) -> tuple[tuple[Atom, int], ...]:
        """What is checked: one check serves all gathers with the same."""
        return tuple(zip(self.eqn.inputs, _lengths(self.guarded), strict=True))

    def describe(self, operations: str) -> str:
        """What is checked."""
        return f"check of the indices for: {operations}"

    def emit(self, module: Module, chunks: int) -> None:
        """Stop where an index lies outside of its axis."""
        code, flag, found = module.code, module.layouts[self.eqn.out], module.code.constant(False, "i1")
        for array, length in zip(module.inputs_of(self.eqn), _lengths(self.guarded), strict=True):

            def outside(values: list[Value], lanes: int, length: int = length) -> list[Value]:
                index = values[0].cast("i64")
                return [(index < -length) | (index >= length)]

            whole = Layout.row_major(flag.base, flag.dtype, (1,) * len(array.shape), flag.offset)
            reduction = Reduction("max", whole.broadcast(array.shape))
            LoopNest(code, array.shape, [array], [], [reduction], outside).emit()
            found = found | code.load(flag.start(code), flag.kind)
        module.stop_if(found, self.guarded)


def with_checks(tasks: Iterable[Task]) -> list[Task]:
    """The tasks with a check as soon as the index arrays of a gather are known: mostly before everything else."""
    tasks = list(tasks)
    made = {eqn.out: number for number, task in enumerate(tasks, start=1) for eqn in task.eqns}
    checks: list[list[Task]] = [[] for _ in range(len(tasks) + 1)]
    seen: set[tuple[tuple[Atom, int], ...]] = set()
    for task in tasks:
        if isinstance(task, Gather):
            check = IndexCheck.of(task.eqn)
            if check.key not in seen:
                seen.add(check.key)
                checks[max((made.get(x, 0) for x in check.inputs), default=0)].append(check)
    return [*checks[0], *(t for task, after in zip(tasks, checks[1:], strict=True) for t in (task, *after))]


def complain(eqn: Eqn, arrays: Sequence[Any]) -> None:
    """Raise the error that the eager operation raises for the indices of an equation."""
    first = np.zeros(eqn.inputs[0].shape, eqn.inputs[0].dtype)
    eqn.primitive(first, *arrays, **eqn.params)


@dataclass(frozen=True, slots=True)
class Access:
    """Elements of an array (over the shape of the result), each moved by index * stride for every index array."""

    layout: Layout
    moves: list[tuple[Layout, int, int]]  # index array over the shape of the result, stride, length of the indexed axis


def _indexed_shape(eqn: Eqn) -> tuple[int, ...]:
    """The shape of what is indexed: the argument's, or the result's where elements are added."""
    return eqn.out.shape if eqn.primitive.name == "scatter_add" else eqn.inputs[0].shape


def _lengths(eqn: Eqn) -> list[int]:
    """Per index array the length of the axis that it counts along."""
    shape = _indexed_shape(eqn)
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


def _access(eqn: Eqn, whole: Layout, arrays: list[Layout]) -> Access:
    if eqn.primitive.name == "take_along_axis":
        axis, shape = eqn.params["axis"], eqn.out.shape
        along = replace(whole, shape=(*whole.shape[:axis], 1, *whole.shape[axis + 1 :]))
        return Access(along.broadcast(shape), [(arrays[0].broadcast(shape), whole.strides[axis], whole.shape[axis])])
    template = eqn.params["index"]
    if Ellipsis not in template:
        template = (*template, Ellipsis)
    view = whole.indexed(tuple(slice(None) if part == ARRAY else part for part in template))
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


def _take(code: Code, indexed: Layout, other: Layout) -> None:
    LoopNest(code, other.shape, [indexed], [other], [], lambda values, lanes: values).emit()


def _add(code: Code, indexed: Layout, other: Layout) -> None:
    LoopNest(code, other.shape, [indexed, other], [indexed], [], lambda values, lanes: [values[0] + values[1]]).emit()


def _each(code: Code, access: Access, other: Layout, inner: Any) -> None:
    """Loops in the order of the result over the axes that index arrays vary along; `inner` does those after them."""
    shape = access.layout.shape
    arrays = [array for array, _, _ in access.moves]
    split = max((i + 1 for array in arrays for i, s in enumerate(array.strides) if s and shape[i] > 1), default=0)

    def one(pointers: list[str]) -> None:
        indexed, beside = pointers[:2]
        for pointer, (array, stride, length) in zip(pointers[2:], access.moves, strict=True):
            index = code.load(pointer, array.kind).cast("i64")
            index = code.select(index < 0, index + length, index)
            indexed = code.offset(indexed, (index * stride).name, access.layout.kind)
        inner(
            code,
            Layout(indexed, access.layout.dtype, shape[split:], access.layout.strides[split:]),
            Layout(beside, other.dtype, shape[split:], other.strides[split:]),
        )

    loop_over(code, [access.layout, other, *arrays], range(split), one)
