"""Pieces of code that differ in nothing but the pointers they work on become one function, called from each place.

The layers of a deep network are such pieces: LLVM then has one of them to translate, and the processor's instruction
cache one to hold.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_NAME = re.compile(r"%([A-Za-z_][\w.]*)|^([A-Za-z_][\w.]*)(?=:)", re.MULTILINE)
_DEFINED = re.compile(r"^(?:  %([A-Za-z_][\w.]*) =|([A-Za-z_][\w.]*):)", re.MULTILINE)
_POINTER = re.compile(r"(?:in|out|const|m)\d+|gemm_[sd]|scratch|arena")
_LEAST = 20  # lines of a piece that is worth a call


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a body, from `start` to before `stop`, and the lines at the top of the function that belong to them.

    A piece begins with a jump to a label of its own, and another label follows it.
    """

    start: int
    stop: int
    top: tuple[str, ...]


def outline(lines: list[str], pieces: list[Piece], prefix: str) -> tuple[list[str], list[str], set[str]]:
    """Outline pieces of equal code: each becomes a call of one function.

    Args:
        lines: the body of a function.
        pieces: its pieces, in order.
        prefix: what the functions' names begin with.

    Returns:
        The body with calls in it, the texts of the functions, and the lines at the top that have gone with them.
    """
    sizes = Counter(piece.stop - piece.start for piece in pieces)
    forms: dict[tuple[str, int], list[tuple[Piece, list[str]]]] = {}
    for piece in pieces:
        size = piece.stop - piece.start
        if size >= _LEAST and sizes[size] > 1:
            text, pointers = _form("\n".join([*piece.top, *lines[piece.start : piece.stop]]))
            if all(map(_POINTER.fullmatch, pointers)):
                forms.setdefault((text, len(pointers)), []).append((piece, pointers))
    calls: list[tuple[Piece, str]] = []
    functions: list[str] = []
    moved: set[str] = set()
    for (text, count), found in forms.items():
        if len(found) > 1:
            name = f"@{prefix}.{len(functions)}"
            given = ", ".join(f"ptr %given{i}" for i in range(count))
            functions.append(f"define internal void {name}({given}) nounwind {{\n{text}\n  ret void\n}}")
            for piece, pointers in found:
                moved.update(piece.top)
                calls.append((piece, f"  call void {name}({', '.join(f'ptr %{pointer}' for pointer in pointers)})"))
    result, at = [], 0
    for piece, call in sorted(calls, key=lambda pair: pair[0].start):
        result += [*lines[at : piece.start], call]
        at = piece.stop
    return [*result, *lines[at:]], functions, moved


def _form(text: str) -> tuple[str, list[str]]:
    """The text with names by number, equal for equal code, and the names in it that come from outside."""
    defined = {name or label for name, label in _DEFINED.findall(text)}
    names: dict[str, str] = {}
    outside: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in names:
            if name in defined:
                names[name] = f"n{len(names)}"
            else:
                names[name] = f"given{len(outside)}"
                outside.append(name)
        return f"%{names[name]}" if match[1] else names[name]

    return _NAME.sub(numbered, text), outside
