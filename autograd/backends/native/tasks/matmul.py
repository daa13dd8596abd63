"""Products of matrices, cut into chunks of rows, of columns, or of the sums themselves where they are large."""

from __future__ import annotations

import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import ClassVar

from ....ir.graph import Eqn, Var, type_text
from ..ir.builder import KINDS, Code
from ..ir.layout import Layout
from ..ir.module import Module, Scratch
from ..ir.target import blas_library
from ..ir.tiles import Cut, cut, section
from . import matmul_kernel as kernel
from .base import ACCESS, Task
from .nest import add_up

_LONG, _SUMS = 4, 4  # a product of factors so many times longer than it is wide is cut into so many sums
_WEIGHTS = 1 << 19  # bytes of a matrix that every chunk of rows reads: more does not stay in the cache


class Matmul(Task):
    """One product, with NumPy's rules for vectors and stacks of matrices."""

    __slots__ = ()
    plural: ClassVar[str] = "products"
    in_memory: ClassVar[bool] = True

    @classmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Products of arrays of one floating dtype."""
        dtype = eqn.out.dtype
        return (
            eqn.primitive.name == "matmul"
            and dtype in KINDS
            and dtype.kind == "f"
            and all(isinstance(a, Var) and a.dtype == dtype for a in eqn.inputs)
        )

    def cost(self) -> int:
        """The multiplications, and what is read and written."""
        (a, b), out = (math.prod(x.shape) for x in self.eqn.inputs), math.prod(self.eqn.out.shape)
        return out * self.eqn.inputs[0].shape[-1] + ACCESS * (a + b + out)

    def describe(self, operations: str) -> str:
        """The factors, and who multiplies them."""
        by_blas = kernel.for_blas(*(x.shape for x in self.eqn.inputs)) and blas_library()
        factors = " @ ".join(type_text(x) for x in self.eqn.inputs)
        return f"product {factors} {'by BLAS' if by_blas else 'in tiles'}: {operations}"

    def rows(self) -> int:
        """Those of a product of two matrices."""
        flat = all(len(x.shape) == 2 for x in self.eqn.inputs)
        return self.eqn.out.shape[0] if flat else 0

    def by_rows(self, inside: Mapping[Var, bool], views: AbstractSet[Var]) -> dict[Var, bool] | None:
        """A few rows of the first factor times all of the second, which must be small and known before."""
        a, b = (x for x in self.eqn.inputs if isinstance(x, Var))
        if a in views:  # its rows may be columns in memory: such a product is cut better on its own
            return None
        if math.prod(b.shape) * b.dtype.itemsize > _WEIGHTS:
            return None
        return None if b in inside or not inside.get(a, True) else {self.eqn.out: True}

    def emit(self, module: Module, chunks: int) -> None:
        """The product as a whole, or cut along whatever leaves the least to be read again and again."""
        a, b = module.inputs_of(self.eqn)
        a, b, c = _as_matrices(a, b, module.layouts[self.eqn.out])
        if chunks < 2 or len(a.shape) < 2 or len(b.shape) < 2 or kernel.for_blas(a.shape, b.shape):
            kernel.emit(module.code, a, b, c, module.scratch)
        elif len(c.shape) == 2 and a.shape[1] >= _LONG * max(c.shape) and not kernel.rearranges(a, b):
            _emit_sums(module, a, b, c, cut(a.shape[1], 1, min(chunks, _SUMS)))
        elif len(c.shape) > 2:
            a, b = (x.broadcast((*c.shape[:-2], *x.shape[-2:])) for x in (a, b))
            _emit_grid(module, a, b, c, cut(c.shape[0], 1, chunks), Cut(1, 1))
        else:
            rows, columns = _grid(a, b, chunks)
            if rows.chunks > 1 and columns.chunks == 1 and kernel.rearranges(a, b):
                b = kernel.rearranged(module.code, b, Scratch(module)(b.dtype, b.shape))
            _emit_grid(module, a, b, c, rows, columns)

    def prepared(self, module: Module, scratch: Scratch) -> Product:
        """The product for chunks of rows: with the second factor as its kernel reads it, once and for all chunks."""
        a, b = module.inputs_of(self.eqn)
        if kernel.rearranges(a, b):
            b = kernel.rearranged(module.code, b, scratch(b.dtype, b.shape))
        return Product(a, b, module.layouts[self.eqn.out], module.scratch)

    def row_unit(self, module: Module) -> int:
        """How many rows are computed together: chunks of whole such blocks are faster."""
        a, b = module.inputs_of(self.eqn)
        return kernel.tile(a, b)[0] if b.shape[1] >= 4 else 1


@dataclass(frozen=True, slots=True)
class Product:
    """c = a @ b to be computed in chunks of rows."""

    a: Layout
    b: Layout
    c: Layout
    scratch: kernel.Scratch
    which: Cut | None = None

    def tiled(self, which: Cut, scratch: Scratch) -> Product:
        """The same, cut so."""
        return replace(self, which=which)

    def emit(self, code: Code, chunk: str | int) -> None:
        """One chunk."""
        assert self.which is not None
        a, c = (section(code, x, 0, self.which, chunk) for x in (self.a, self.c))
        kernel.emit(code, a, self.b, c, self.scratch)

    def finish(self, code: Code) -> None:
        """Nothing is left to do."""


def _as_matrices(a: Layout, b: Layout, c: Layout) -> tuple[Layout, Layout, Layout]:
    """A matrix times a vector, or a vector times a matrix, as a product of matrices."""
    if len(a.shape) == 2 and len(b.shape) == 1:
        b, c = (replace(x, shape=(*x.shape, 1), strides=(*x.strides, 0)) for x in (b, c))
    elif len(a.shape) == 1 and len(b.shape) == 2:
        a, c = (replace(x, shape=(1, *x.shape), strides=(0, *x.strides)) for x in (a, c))
    return a, b, c


def _emit_grid(module: Module, a: Layout, b: Layout, c: Layout, rows: Cut, columns: Cut) -> None:
    """Chunks of rows (of a stack: of its first axis) and of columns of the result."""
    if rows.chunks * columns.chunks == 1:
        kernel.emit(module.code, a, b, c, module.scratch)
        return

    def emit(code: Code, row: str | int | None, column: str | int | None, scratch: kernel.Scratch) -> None:
        x, y, z = a, b, c
        if row is not None:
            x, z = section(code, x, 0, rows, row), section(code, z, 0, rows, row)
            y = section(code, y, 0, rows, row) if len(c.shape) > 2 else y
        if column is not None:
            y, z = section(code, y, 1, columns, column), section(code, z, 1, columns, column)
        kernel.emit(code, x, y, z, scratch)

    count = rows.chunks * columns.chunks

    def shared(code: Code, chunk: str) -> None:
        row = code.add(f"udiv i64 {chunk}, {columns.chunks}", "i64").name if rows.chunks > 1 else None
        column = code.add(f"urem i64 {chunk}, {columns.chunks}", "i64").name if columns.chunks > 1 else None

        def scratch(size: int) -> str:
            size = -(-size // 64) * 64
            by = code.add(f"mul nsw i64 {chunk}, {size}", "i64").name
            return code.offset(module.scratch(count * size), by, "i8")

        emit(code, row, column, scratch)

    module.share(count, shared)
    if rows.rest:
        emit(module.code, rows.chunks, None, module.scratch)
    if columns.rest:
        emit(module.code, None, columns.chunks, module.scratch)


def _emit_sums(module: Module, a: Layout, b: Layout, c: Layout, which: Cut) -> None:
    """A small product of large factors: each core reads the rows that it has computed itself, not those of others."""
    partial = Scratch(module)(c.dtype, (which.count, *c.shape))

    def none(size: int) -> str:
        raise AssertionError("nothing is rearranged here")

    def emit(code: Code, chunk: str | int) -> None:
        one = section(code, partial, 0, Cut(which.count, 1), chunk)
        one = replace(one, shape=one.shape[1:], strides=one.strides[1:])
        kernel.emit(code, section(code, a, 1, which, chunk), section(code, b, 0, which, chunk), one, none)

    module.share(which.chunks, emit)
    if which.rest:
        emit(module.code, which.chunks)
    add_up(module.code, partial, "dot", c)


def _grid(a: Layout, b: Layout, wanted: int) -> tuple[Cut, Cut]:
    """Where the rows and columns of a product are cut: so that little is read again and again."""
    (m, n), (high, wide) = (a.shape[0], b.shape[1]), kernel.tile(a, b)
    grids = [(cut(m, high, wanted // q), cut(n, wide, q)) for q in range(1, max(min(wanted, n // wide), 1) + 1)]
    most = max(rows.chunks * columns.chunks for rows, columns in grids)
    enough = [grid for grid in grids if 2 * grid[0].chunks * grid[1].chunks > most]
    return min(enough, key=lambda grid: a.size * grid[1].chunks + b.size * grid[0].chunks)
