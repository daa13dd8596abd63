"""Transposed copies: square blocks that fill the vector registers are transposed in them, instead of element by element."""

from __future__ import annotations

from ..ir.builder import Code, Value
from ..ir.layout import Layout
from ..ir.target import registers


def block_side(source: Layout, target: Layout) -> int:
    """The side of the blocks, or 0 if the copy is not such a one."""
    side = registers()[1] // source.dtype.itemsize
    if len(source.shape) != 2 or source.dtype != target.dtype or source.dtype.itemsize < 4 or side < 2:
        return 0
    crossed = source.strides[0] == 1 and source.strides[1] > 1 and target.strides[1] == 1
    return side if crossed and min(source.shape) >= side else 0


def copy_blocks(code: Code, source: Layout, target: Layout, side: int) -> list[tuple[Layout, Layout]]:
    """Copy all whole blocks; what is left to copy is returned."""
    rows, columns = (n // side for n in source.shape)
    across, down = code.begin_loop(columns), code.begin_loop(rows)
    start = source.start(code)
    end = target.start(code)
    for loop, steps in ((across, (source.strides[1], 1)), (down, (1, target.strides[0]))):
        start, end = (
            code.offset(pointer, code.add(f"mul nsw i64 {loop[0]}, {side * step}", "i64").name, source.kind)
            for pointer, step in zip((start, end), steps, strict=True)
        )
    lines = [code.load(code.offset(start, i * source.strides[1], source.kind), source.kind, side) for i in range(side)]
    for i, line in enumerate(_transpose(code, lines)):
        code.store(line, code.offset(end, i * target.strides[0], target.kind))
    code.end_loop(down)
    code.end_loop(across)
    rest = []
    for index in ((slice(rows * side, None), slice(None)), (slice(rows * side), slice(columns * side, None))):
        left = source.indexed(index), target.indexed(index)
        if 0 not in left[0].shape:
            rest.append(left)
    return rest


def _transpose(code: Code, lines: list[Value]) -> list[Value]:
    """Halves of the square change places, then halves of the halves, and so on."""
    lines, side = list(lines), len(lines)
    half = side // 2
    while half:
        for i in range(side):
            if not i & half:
                a, b = lines[i], lines[i + half]
                low = [lane if not lane & half else side + lane - half for lane in range(side)]
                high = [lane + half if not lane & half else side + lane for lane in range(side)]
                lines[i], lines[i + half] = code.picked(a, b, low), code.picked(a, b, high)
        half //= 2
    return lines
