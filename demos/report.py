"""What a demo has to say for itself: its question, what was done, what that shows, and the files."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import autograd

WIDTH = 100


@dataclass
class Report:
    """The result of one demo.

    Attributes:
        title, question: What it is about.
        did: Finished lines (tables among them), which are printed as they stand.
        proves: What that shows, a paragraph.
        files: What was written.
        graph: Shown on the page beside the pictures.
        pictures: Those of the files that the page shows, by default all that are pictures.
        source: The training step as a program.
    """

    title: str
    question: str
    did: list[str] = field(default_factory=list)
    proves: str = ""
    files: list[Path] = field(default_factory=list)
    graph: autograd.Picture | None = None
    pictures: list[Path] | None = None
    source: str = ""

    @property
    def shown(self) -> list[Path]:
        """The pictures that stand on the page."""
        if self.pictures is not None:
            return self.pictures
        return [path for path in self.files if path.suffix in (".png", ".gif")]

    def text(self) -> str:
        """The report as it is printed.

        >>> print(Report("Title", "Why?", ["1 + 1 = 2"], "It adds up.").text())
        Title
        =====
        Question: Why?
        <BLANKLINE>
        1 + 1 = 2
        <BLANKLINE>
        What this shows: It adds up.
        """
        parts = [
            f"{self.title}\n{'=' * len(self.title)}\n" + _wrapped("Question: ", self.question),
            "\n".join(self.did),
        ]
        parts.append(_wrapped("What this shows: ", self.proves))
        if self.files:
            parts.append("Wrote " + "\n      ".join(path.as_posix() for path in self.files))
        return "\n\n".join(part for part in parts if part)


def table(header: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a Markdown table with its columns aligned, so that it also reads well as plain text.

    >>> print("\\n".join(table(["name", "value"], [["a", "1.5"]])))
    | name | value |
    | :--- | ----: |
    | a    |   1.5 |
    """
    widths = [max(4, *(len(row[column]) for row in [header, *rows])) for column in range(len(header))]

    def line(cells: list[str]) -> str:
        first, *rest = (f"{cell:{'<' if i == 0 else '>'}{width}}" for i, (cell, width) in enumerate(zip(cells, widths)))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return [line(header), "| " + " | ".join(rule) + " |", *(line(row) for row in rows)]


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(head + text, WIDTH) if text else ""
