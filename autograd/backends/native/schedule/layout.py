"""Where an array lives in memory: a base pointer, an offset and strides, as in NumPy, and the views that movements make."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ....ir.graph import Eqn
from ..ir.builder import KINDS

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Elements at base + offset + Σ index * stride, counted in elements of the dtype."""

    base: str
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape
    offset: int = 0

    @property
    def kind(self) -> str:
        """The LLVM type of an element."""
        return KINDS[self.dtype]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def contiguous(self) -> bool:
        """Whether the elements lie next to each other in order."""
        return all(n == 1 or s == c for n, s, c in zip(self.shape, self.strides, row_major(self.shape), strict=True))

    def as_bits(self) -> Place:
        """The same memory as elements that machine code can copy: of other dtypes the bits are all that counts."""
        if self.dtype in KINDS:
            return self
        words = max(1, self.dtype.itemsize // 8)  # a longdouble is two
        dtype = np.dtype(f"i{self.dtype.itemsize // words}")
        shape, strides = (*self.shape, words), (*(s * words for s in self.strides), 1)
        return Place(self.base, dtype, shape, strides, self.offset * words)

    def broadcast(self, shape: Shape) -> Place:
        """The same elements, repeated along new and length-one axes."""
        extra = len(shape) - len(self.shape)
        strides = [0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)]
        return replace(self, shape=shape, strides=(0,) * extra + tuple(strides))

    def part(self, index: Any) -> Place:
        """The view that NumPy's basic indexing makes; one element is a view too, not a number."""
        whole = index if any(i is Ellipsis for i in index) else (*index, Ellipsis)
        return self.seen_as(lambda x: x[whole])

    def seen_as(self, function: Any) -> Place:
        """Let NumPy work out the view: on an array that has the strides but no memory that anybody reads."""
        item = self.dtype.itemsize
        dummy = np.lib.stride_tricks.as_strided(np.empty(1, self.dtype), self.shape, [s * item for s in self.strides])
        view = function(dummy)
        moved = view.__array_interface__["data"][0] - dummy.__array_interface__["data"][0]
        return replace(
            self, shape=view.shape, strides=tuple(s // item for s in view.strides), offset=self.offset + moved // item
        )


def row_major(shape: Shape) -> Shape:
    """Strides of an array whose elements lie in order."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return tuple(strides)


def fresh(base: str, dtype: np.dtype[Any], shape: Shape, offset: int = 0) -> Place:
    """A place whose elements lie in order."""
    return Place(base, dtype, shape, row_major(shape), offset)


def view(eqn: Eqn, source: Place) -> Place | None:
    """The place that a movement's result shares with its argument, or None where elements must be copied."""
    name, params = eqn.primitive.name, eqn.params
    if 0 in source.shape or 0 in eqn.out.shape:
        return None
    if name == "reshape":
        return replace(source, shape=eqn.out.shape, strides=row_major(eqn.out.shape)) if source.contiguous else None
    if name == "broadcast_to":
        return source.broadcast(eqn.out.shape)
    if is_view(eqn):
        return (
            source.part(params["index"])
            if name == "getitem"
            else source.seen_as(lambda x: eqn.primitive.forward(x, **params))
        )
    return None


def is_view(eqn: Eqn) -> bool:
    """Whether the movement is a view of any argument, whatever its strides."""
    name = eqn.primitive.name
    return name in ("transpose", "flip", "diagonal", "broadcast_to") or (
        name == "getitem" and len(eqn.inputs) == 1 and eqn.inputs[0].shape != ()
    )
