"""Where an array lies in memory: a base pointer, an offset and strides, as in NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .builder import KINDS, Code

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Elements at base + offset + Σ index * stride, counted in elements of the dtype."""

    base: str
    dtype: np.dtype[Any]
    shape: Shape
    strides: Shape
    offset: int = 0

    @classmethod
    def row_major(cls, base: str, dtype: np.dtype[Any], shape: Shape, offset: int = 0) -> Layout:
        """That of an array whose elements lie in order."""
        return cls(base, dtype, shape, row_major_strides(shape), offset)

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
        dense = row_major_strides(self.shape)
        return all(n == 1 or s == d for n, s, d in zip(self.shape, self.strides, dense, strict=True))

    def start(self, code: Code) -> str:
        """A pointer to the first element."""
        return code.offset(self.base, self.offset, self.kind)

    def as_bits(self) -> Layout:
        """The same memory as elements that machine code can copy: of other dtypes the bits are all that counts."""
        if self.dtype in KINDS:
            return self
        words = max(1, self.dtype.itemsize // 8)  # a longdouble is two
        dtype = np.dtype(f"i{self.dtype.itemsize // words}")
        shape, strides = (*self.shape, words), (*(s * words for s in self.strides), 1)
        return Layout(self.base, dtype, shape, strides, self.offset * words)

    def broadcast(self, shape: Shape) -> Layout:
        """The same elements, repeated along new and length-one axes."""
        extra = len(shape) - len(self.shape)
        strides = [0 if n == 1 else s for n, s in zip(self.shape, self.strides, strict=True)]
        return replace(self, shape=shape, strides=(0,) * extra + tuple(strides))

    def indexed(self, index: Any) -> Layout:
        """The view that NumPy's basic indexing makes; one element is a view too, not a number."""
        whole = index if any(i is Ellipsis for i in index) else (*index, Ellipsis)
        return self.viewed(lambda x: x[whole])

    def viewed(self, function: Any) -> Layout:
        """Let NumPy work out the view: on an array that has the strides but no memory that anybody reads."""
        item = self.dtype.itemsize
        dummy = np.lib.stride_tricks.as_strided(np.empty(1, self.dtype), self.shape, [s * item for s in self.strides])
        view = function(dummy)
        moved = view.__array_interface__["data"][0] - dummy.__array_interface__["data"][0]
        return replace(
            self, shape=view.shape, strides=tuple(s // item for s in view.strides), offset=self.offset + moved // item
        )


def row_major_strides(shape: Shape) -> Shape:
    """Strides of an array whose elements lie in order."""
    strides = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        strides[i] = strides[i + 1] * shape[i + 1]
    return tuple(strides)
