"""Matrix products: register tiles for small and odd shapes, BLAS for large ones.

A tile of C stays in registers while the loop over k runs: per step one row of B is loaded, and each element of a column of
A is multiplied with it.  Transposed arguments cost nothing: A is read element by element anyway, and a B whose columns
lie together is either rearranged first or made an A by computing the transposed product.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

from ..ir.builder import Code, Value
from ..ir.layout import Layout, Shape
from ..ir.target import blas_library, registers
from .nest import LoopNest, Reduction, copy

LARGE = 800_000_000  # multiplications from which on BLAS, which goes through the caches in blocks, is faster
Scratch = Callable[[int], str]  # reserves bytes and names a pointer to them


def _product(code: Code, a: Layout, b: Layout, c: Layout, scratch: Scratch) -> None:
    """c = a @ b for matrices of one dtype; c lies in rows."""
    (m, k), n = a.shape, b.shape[1]
    if 0 in (m, n):
        return
    if k == 0:
        copy(code, _zeros(code, c), c)
        return
    if for_blas(a.shape, b.shape) and blas_library() and _by_blas(code, a, b, c):
        return
    way = _way(a, b)
    if way == "transposed":
        _tiles(code, _transposed(b), _transposed(a), _transposed(c))
    elif way == "dots":
        _dots(code, a, b, c)
    else:
        if rearranges(a, b):
            b = rearranged(code, b, Layout.row_major(scratch(b.size * b.dtype.itemsize), b.dtype, b.shape))
        _tiles(code, a, b, c)


def _way(a: Layout, b: Layout) -> str:
    """What suits the shape and the strides."""
    (m, k), n = a.shape, b.shape[1]
    if n < 4 and a.strides[0] == 1 and m >= 4:
        return "transposed"
    if n < 4 and a.strides[1] == 1 and (n == 1 or b.strides[0] == 1) and k >= 4:
        return "dots"
    return "tiles"


def for_blas(a: Shape, b: Shape) -> bool:
    """Whether BLAS is faster for factors of these shapes."""
    return math.prod(a) * (b[-1] if len(b) > 1 else 1) >= LARGE and min(*a, *b) >= 8


def rearranges(a: Layout, b: Layout) -> bool:
    """Whether the product needs a copy of b with its rows in order."""
    return b.strides[1] != 1 and a.shape[0] > 1 and b.shape[1] > 1 and _way(a, b) == "tiles"


def rearranged(code: Code, b: Layout, rows: Layout) -> Layout:
    """A copy with its rows in order."""
    copy(code, b, rows)
    return rows


def tile(a: Layout, b: Layout) -> tuple[int, int]:
    """Rows and columns of the result that are computed together: what is cut elsewhere is computed more slowly."""
    (m, _), n = a.shape, b.shape[1]
    count, width = registers()
    lanes = width // a.dtype.itemsize
    if _way(a, b) != "tiles":
        return min(m, lanes), n
    vectors = max(1, min(n // lanes, 4 if count >= 32 else 2))
    vectors = 1 << (vectors.bit_length() - 1)  # LLVM pads three registers to four, and then runs out of them
    most = min(m, max(1, (count - 8 if count >= 32 else count - 4) // vectors))
    rows = next((i for i in range(most, most // 2, -1) if m % i == 0), most)  # no rest to write code for, if possible
    return rows, min(n, vectors * lanes)  # whole registers; what is left over is a tile of its own


def _zeros(code: Code, c: Layout) -> Layout:
    """Zeros that broadcasts to the shape of c."""
    slot = code.alloca(c.kind)
    code.store_slot(code.constant(0.0, c.kind), slot)
    return Layout(slot, c.dtype, c.shape, (0,) * len(c.shape))


def _transposed(x: Layout) -> Layout:
    return replace(x, shape=x.shape[::-1], strides=x.strides[::-1])


def _dots(code: Code, a: Layout, b: Layout, c: Layout) -> None:
    """Sums along k, of rows of a times columns of b."""
    (m, k), n = a.shape, b.shape[1]
    space = (m, n, k)
    left = replace(a, shape=space, strides=(a.strides[0], 0, a.strides[1]))
    right = replace(b, shape=space, strides=(0, b.strides[1], b.strides[0]))
    out = replace(c, shape=space, strides=(*c.strides, 0))
    LoopNest(
        code, space, [left, right], [], [Reduction("dot", out)], lambda values, lanes: [values[0] * values[1]]
    ).emit()


def _tiles(code: Code, a: Layout, b: Layout, c: Layout) -> None:
    (m, k), n = a.shape, b.shape[1]
    rows, columns = tile(a, b)
    starts = [p.start(code) for p in (a, b, c)]
    for first_column, wide, column_tiles in _cut_columns(n, columns, registers()[1] // a.dtype.itemsize):
        for first_row, high, row_tiles in _cut(m, rows):
            pa = code.offset(starts[0], first_row * a.strides[0], a.kind)
            pb = code.offset(starts[1], first_column * b.strides[1], b.kind)
            pc = code.offset(starts[2], first_row * c.strides[0] + first_column * c.strides[1], c.kind)
            outer = code.begin_loop(column_tiles) if column_tiles > 1 else None
            if outer:
                by = code.add(f"mul nsw i64 {outer[0]}, {wide}", "i64").name
                pb = code.offset(pb, code.add(f"mul nsw i64 {by}, {b.strides[1]}", "i64").name, b.kind)
                pc = code.offset(pc, code.add(f"mul nsw i64 {by}, {c.strides[1]}", "i64").name, c.kind)
            inner = code.begin_loop(row_tiles) if row_tiles > 1 else None
            if inner:
                pa = code.offset(pa, code.add(f"mul nsw i64 {inner[0]}, {high * a.strides[0]}", "i64").name, a.kind)
                pc = code.offset(pc, code.add(f"mul nsw i64 {inner[0]}, {high * c.strides[0]}", "i64").name, c.kind)
            _tile(
                code,
                replace(a, base=pa, offset=0),
                replace(b, base=pb, offset=0),
                replace(c, base=pc, offset=0),
                high,
                wide,
                k,
            )
            for loop in (inner, outer):
                if loop:
                    code.end_loop(loop)


def _cut(length: int, tile: int) -> list[tuple[int, int, int]]:
    """A length as (start, size of a tile, number of such tiles): whole tiles, then the rest."""
    whole, rest = divmod(length, tile)
    return [(0, tile, whole)] * bool(whole) + [(whole * tile, rest, 1)] * bool(rest)


def _cut_columns(length: int, tile: int, lanes: int) -> list[tuple[int, int, int]]:
    """The same with a rest that is cut again, into powers of two of whole registers and what is then left."""
    cuts = _cut(length, tile)
    while (rest := cuts[-1][1]) < tile and rest > lanes and rest & (rest - 1):
        start, part = cuts.pop()[0], lanes << ((rest // lanes).bit_length() - 1)
        cuts += [(start, part, 1), (start + part, rest - part, 1)]
    return cuts


def _tile(code: Code, a: Layout, b: Layout, c: Layout, rows: int, columns: int, k: int) -> None:
    """One tile of c: several sums side by side where the tile alone would leave the arithmetic units waiting."""
    lanes = registers()[1] // a.dtype.itemsize
    sums = max(1, min(8 // (rows * -(-columns // lanes)), k, 8))
    slots = [[code.alloca(c.kind, columns) for _ in range(rows)] for _ in range(sums)]
    for slot in itertools.chain.from_iterable(slots):
        code.store_slot(code.constant(0.0, c.kind, columns), slot)

    def step(pa: str, pb: str, number: int, at: int) -> None:
        row = _row(code, code.offset(pb, at * b.strides[0], b.kind), b, columns)
        for i in range(rows):
            one = code.load(code.offset(pa, at * a.strides[1] + i * a.strides[0], a.kind), a.kind).splat(columns)
            code.store_slot(code.load_slot(slots[number][i], c.kind, columns) + one * row, slots[number][i])

    whole = k // sums
    loop = code.begin_loop(whole) if whole > 1 else None
    pa, pb = a.base, b.base
    if loop:
        pa = code.offset(pa, code.add(f"mul nsw i64 {loop[0]}, {sums * a.strides[1]}", "i64").name, a.kind)
        pb = code.offset(pb, code.add(f"mul nsw i64 {loop[0]}, {sums * b.strides[0]}", "i64").name, b.kind)
    for number in range(sums):
        step(pa, pb, number, number)
    if loop:
        code.end_loop(loop)
    for at in range(whole * sums, k):
        step(a.base, b.base, at % sums, at)
    for i in range(rows):
        total = code.load_slot(slots[0][i], c.kind, columns)
        for number in range(1, sums):
            total = total + code.load_slot(slots[number][i], c.kind, columns)
        where = code.offset(c.base, i * c.strides[0], c.kind)
        if c.strides[1] == 1 or columns == 1:
            code.store(total, where)
        else:
            for j in range(columns):
                code.store(total.shuffle([j]), code.offset(where, j * c.strides[1], c.kind))


def _row(code: Code, pointer: str, b: Layout, columns: int) -> Value:
    if b.strides[1] == 1 or columns == 1:
        return code.load(pointer, b.kind, columns)
    return code.gathered([code.load(code.offset(pointer, j * b.strides[1], b.kind), b.kind) for j in range(columns)])


def _by_blas(code: Code, a: Layout, b: Layout, c: Layout) -> bool:
    """Call cblas's gemm, if it can read the arguments as they lie."""
    leads, flags = [], []
    for x in (a, b):
        if x.strides[1] == 1 and x.strides[0] >= x.shape[1]:
            leads.append(x.strides[0])
            flags.append(111)
        elif x.strides[0] == 1 and x.strides[1] >= x.shape[0]:
            leads.append(x.strides[1])
            flags.append(112)
        else:
            return False
    (m, k), n = a.shape, b.shape[1]
    size = f"i{blas_library()[1]}"  # type: ignore[index]
    pa, pb, pc = (x.start(code) for x in (a, b, c))
    one, zero = code.constant(1.0, c.kind).name, code.constant(0.0, c.kind).name
    function = f"%gemm_{'s' if c.kind == 'float' else 'd'}"
    code.line(
        f"  call void {function}(i32 101, i32 {flags[0]}, i32 {flags[1]}, {size} {m}, {size} {n}, {size} {k}, {c.kind} {one}, "
        f"ptr {pa}, {size} {leads[0]}, ptr {pb}, {size} {leads[1]}, {c.kind} {zero}, ptr {pc}, {size} {c.strides[0]})"
    )
    return True


def emit(code: Code, a: Layout, b: Layout, c: Layout, scratch: Scratch) -> None:
    """c = a @ b by NumPy's rules for vectors and stacks of matrices: the stacks are run over in loops."""
    if len(a.shape) == 1:
        a = replace(a, shape=(1, *a.shape), strides=(0, *a.strides))
        c = (
            replace(c, shape=(*c.shape[:-1], 1, *c.shape[-1:]), strides=(*c.strides[:-1], 0, *c.strides[-1:]))
            if len(b.shape) > 1
            else replace(c, shape=(1,), strides=(0,))
        )
    if len(b.shape) == 1:
        b = replace(b, shape=(*b.shape, 1), strides=(*b.strides, 0))
        c = replace(c, shape=(*c.shape, 1), strides=(*c.strides, 0))
    stack = c.shape[:-2]
    if 0 in stack:
        return
    a, b = (x.broadcast((*stack, *x.shape[-2:])) for x in (a, b))
    loops = []
    bases = [x.base for x in (a, b, c)]
    for axis, length in enumerate(stack):
        if length == 1:
            continue
        loop = code.begin_loop(length)
        loops.append(loop)
        for i, x in enumerate((a, b, c)):
            if x.strides[axis]:
                by = code.add(f"mul nsw i64 {loop[0]}, {x.strides[axis]}", "i64").name
                bases[i] = code.offset(bases[i], by, x.kind)
    x, y, z = (
        replace(x, base=p, shape=x.shape[-2:], strides=x.strides[-2:]) for x, p in zip((a, b, c), bases, strict=True)
    )
    _product(code, x, y, z, scratch)
    for loop in reversed(loops):
        code.end_loop(loop)
