"""The text of one program as it grows: what lowering gives, and the one thing that tasks write to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ....ir.graph import Eqn, Var
from .builder import Code, Value
from .layout import Layout
from .table import Table

CHECK_BITS = 16  # a segment returns 0, or how many steps it has done and the number of the check that stopped it
_POINTER = re.compile(r"%(?:in|out|const|m)\d+")  # what stands in the table or lies in the arena


class Module:
    """Segments, each a function that runs tasks; the parts of them that threads share; and what all of these need.

    Args:
        layouts: where every array lies that has an address.
        table: how the text finds these addresses.
        generators: those that random numbers are drawn from, in the order of their pointers in the table.
    """

    def __init__(
        self, layouts: Mapping[Var, Layout], table: Table, generators: Sequence[np.random.Generator] = ()
    ) -> None:
        self.layouts, self.table, self.generators = layouts, table, generators
        self.segments: list[str] = []
        self.parts: list[str] = []
        self.declarations: dict[str, str] = {}
        self.checks: list[Eqn] = []  # equations whose indices are checked, by number
        self.scratch_size = 0
        self.begin_segment()

    def begin_segment(self) -> None:
        """What is written from now on belongs to a function of its own, with nothing in registers yet."""
        self.code = Code()
        self.values: dict[Var, Value] = {}

    def end_segment(self, body: Sequence[str], entry: Sequence[str], functions: Sequence[str]) -> None:
        """Write the function: a loop over steps around the body.

        It returns 0, or where a check has failed its number (from 1 on) beside the number of whole steps before it.

        Args:
            body: the lines of one step.
            entry: lines that belong at the top.
            functions: texts of functions that the body calls.
        """
        above, inside = self.table.loads(None, bool(self.parts))
        self.segments.append("\n".join([
            *functions, f"define i64 @segment{len(self.segments)}(ptr %table, ptr %steps, i64 %count) nounwind {{", "start:",
            *entry, *above, "  br label %each", "each:", "  %step = phi i64 [ 0, %start ], [ %step.next, %finish ]",
            f"  %whole = shl i64 %step, {CHECK_BITS}", *inside, "  br label %first", "first:", *body,
            "  br label %finish", "finish:", "  %step.next = add nuw nsw i64 %step, 1",
            "  %step.more = icmp slt i64 %step.next, %count", "  br i1 %step.more, label %each, label %done", "done:",
            "  ret i64 0", "}",
        ]))  # fmt: skip
        self.declarations.update(self.code.declarations)

    def share(self, chunks: int, emit: Callable[[Code, str], None]) -> None:
        """Write a function that computes one chunk, given its number, and offer it to the threads."""
        code = Code()
        emit(code, "%chunk")
        name = f"@part{len(self.parts)}"
        body = "\n".join(code.lines)
        head, inside = self.table.loads(set(_POINTER.findall(body)), bool(self.parts))
        self.declarations.update(code.declarations)
        self.parts.append("\n".join([
            f"define internal void {name}(ptr %table, ptr %steps, i64 %step, i64 %chunk) nounwind {{", "start:", *code.entry,
            *head, *inside, "  br label %first", "first:", body, "  ret void", "}",
        ]))  # fmt: skip
        self.code.line(f"  call void %share(ptr %pool, ptr {name}, i64 {chunks}, ptr %table, ptr %steps, i64 %step)")

    def stop_if(self, bad: Value, eqn: Eqn) -> None:
        """Return at once, saying which check it was, where the indices of an equation name nothing."""
        self.checks.append(eqn)
        code, name, number = self.code, self.code.fresh("check"), len(self.checks)
        code.line(f"  br i1 {bad.name}, label %{name}.bad, label %{name}.good")
        code.label(f"{name}.bad")
        code.line(f"  %{name} = add i64 %whole, {number}")
        code.line(f"  ret i64 %{name}")
        code.label(f"{name}.good")

    def inputs_of(self, eqn: Eqn) -> list[Layout]:
        """Where the arrays lie that an equation reads; numbers have no address."""
        return [self.layouts[x] for x in eqn.inputs if isinstance(x, Var)]

    def scratch(self, size: int) -> str:
        """Memory for one task, whose former content is lost."""
        self.scratch_size = max(self.scratch_size, size)
        return "%scratch"

    def text(self, glue: str) -> str:
        """All of it, with what Python calls."""
        return "\n\n".join([*self.declarations.values(), *self.parts, *self.segments, glue])


class Scratch:
    """Scratch memory of one task, handed out array by array."""

    def __init__(self, module: Module) -> None:
        self._module, self._taken = module, 0

    def __call__(self, dtype: np.dtype, shape: tuple[int, ...]) -> Layout:
        """Room for an array, where nothing else is."""
        offset = self._taken // dtype.itemsize
        self._taken += -(-math.prod(shape) * dtype.itemsize // 64) * 64
        return Layout.row_major(self._module.scratch(self._taken), dtype, shape, offset)
