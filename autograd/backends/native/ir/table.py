"""The table of pointers that a program is called with, and the instructions that read it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple


class Pointer(NamedTuple):
    """One entry: its name in the text, and what it points to."""

    name: str
    kind: str  # "input" or "output" (with its number), "constant" (an array), "arena", "stamps", or "address" (the number)
    what: Any


@dataclass(frozen=True)
class Table:
    """The pointers of a program, and where the arrays of its arena lie.

    Args:
        pointers: the entries, in order.
        held: names of arguments that stay where they are in every step of a loop over steps.
        offsets: base of an array in the arena -> bytes from the arena's beginning.
        arena_size: bytes of all these arrays; scratch memory follows.
    """

    pointers: tuple[Pointer, ...]
    held: frozenset[str]
    offsets: Mapping[str, int]
    arena_size: int

    @functools.cached_property
    def stepping(self) -> dict[str, int]:
        """Pointers that may move from step to step of a loop over steps (arguments, stacked results), numbered."""
        moving = (p.name for p in self.pointers if p.kind in ("input", "output") and p.name not in self.held)
        return {name: number for number, name in enumerate(moving)}

    def loads(self, used: AbstractSet[str] | None, threads: bool) -> tuple[list[str], list[str]]:
        """Instructions for the pointers that are used (None: for all): those that hold for every step, and for one."""
        head: list[str] = []
        inside: list[str] = []
        for index, (pointer, kind, _) in enumerate(self.pointers):
            if used is not None and pointer not in used and kind != "arena":
                continue
            if pointer in self.stepping:
                head += _load(f"{pointer}.start", "%table", index, "ptr")
                head += _load(f"{pointer}.step", "%steps", self.stepping[pointer], "i64")
                inside += [
                    f"  {pointer}.by = mul i64 %step, {pointer}.step",
                    f"  {pointer} = getelementptr i8, ptr {pointer}.start, i64 {pointer}.by",
                ]
            else:
                head += _load(pointer, "%table", index, "ptr")
        further = ["%gemm_s", "%gemm_d", *(["%share", "%pool"] if threads else [])]
        for index, name in enumerate(further, start=len(self.pointers)):
            head += _load(name, "%table", index, "ptr")
        for base, offset in self.offsets.items():
            if used is None or base in used:
                head.append(f"  {base} = getelementptr i8, ptr %arena, i64 {offset}")
        head.append(f"  %scratch = getelementptr i8, ptr %arena, i64 {self.arena_size}")
        return head, inside


def _load(name: str, table: str, index: int, kind: str) -> list[str]:
    return [
        f"  {name}.place = getelementptr {kind}, ptr {table}, i64 {index}",
        f"  {name} = load {kind}, ptr {name}.place, align 8",
    ]
