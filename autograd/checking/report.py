"""What a comparison of gradients found: rows with verdicts, maps of where the errors are, the table as text and HTML."""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import ArgumentError, GradientError
from ..render.theme import PALETTE, dark_style
from .diagnose import Diagnosis

# Symmetric relative errors, after the rule of thumb of the course CS231n: where a gradient is right it is 1e-7 or less.
SCALE = ((1e-7, "very good"), (1e-4, "fine through a kink"), (1e-2, "suspicious"), (math.inf, "wrong"))
VERDICTS = ("identical", "equal within rounding", "close", "wrong")

SHADES = "·░▒▓█"  # within the tolerance, then a quarter, half, three quarters and all of the largest error
MAP_ROWS, MAP_COLUMNS = 8, 32


@dataclass(frozen=True)
class Row:
    """One gradient compared.

    Attributes:
        name: as given.
        shape, expected_shape: of the gradient given, and of the tensor.
        verdict: "identical", "equal within rounding", "close" or "wrong".
        ulps: largest difference in units in the last place of the largest element (nan where shapes differ).
        index: where the difference is largest; `given` and `expected` are the values there.
        absolute: the largest difference.
        relative: the symmetric relative error, max |a - b| / max(|a| + |b|): 0 is perfect, 1 is a flipped sign.
        bad: share of the elements outside the tolerance.
        diagnosis: what is wrong, with the fix; None where nothing is.
        heat: where a wrong gradient is wrong: lines of `SHADES`, a map of at most 8 x 32 blocks (see `heat_map`).
    """

    name: str
    shape: tuple[int, ...]
    expected_shape: tuple[int, ...]
    verdict: str
    ulps: float
    index: tuple[int, ...]
    given: float
    expected: float
    absolute: float
    relative: float
    bad: float
    diagnosis: Diagnosis | None = None
    heat: tuple[str, ...] = ()

    @property
    def scale(self) -> str:
        """What a relative error of this size usually means."""
        return next(text for bound, text in SCALE if self.relative <= bound or math.isinf(bound))


def heat_map(error: np.ndarray, bad: np.ndarray) -> tuple[str, ...]:
    """Where the errors are: one line per row of the array, thinned to blocks that show their largest error.

    Args:
        error: absolute errors, not negative; of any shape: leading axes follow each other, the last one goes across.
        bad: which of them count.

    >>> heat_map(np.array([[0.0, 0.1], [0.4, 0.2]]), np.array([[False, True], [True, True]]))
    ('·░', '█▒')
    """
    sizes = np.where(bad, np.where(np.isnan(error), np.inf, error), 0.0)
    sizes = np.atleast_2d(sizes.reshape(-1, error.shape[-1]) if error.ndim else sizes)
    for axis, most in enumerate((MAP_ROWS, MAP_COLUMNS)):
        length = sizes.shape[axis]
        if length > most:
            sizes = np.maximum.reduceat(sizes, np.arange(most) * length // most, axis=axis)
    top = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes))) or 1.0
    last = len(SHADES) - 1
    levels = np.ceil(np.minimum(sizes / top, 1.0) * last).astype(int)
    return tuple("".join(SHADES[level] for level in line) for line in levels)


class Report:
    """What `compare` found: one row per gradient, in the order given.  Prints as a table; true where nothing is wrong.

    Attributes:
        rows: the rows; also by name, ``report["dW1"]``.
        first: the name of the row to fix first: the earliest wrong one in the order of the backward pass.
        notes: what makes the comparison say less than it seems to, a parameter of zeros for example.
    """

    def __init__(self, rows: list[Row], first: str | None, tolerance: str, notes: Sequence[str] = ()) -> None:
        self.rows, self.first, self.tolerance, self.notes = rows, first, tolerance, list(notes)

    @property
    def ok(self) -> bool:
        """Whether no row is wrong."""
        return all(row.verdict != "wrong" for row in self.rows)

    def __bool__(self) -> bool:
        return self.ok

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise ArgumentError(f"no gradient {name!r} was compared, only {', '.join(row.name for row in self.rows)}")

    def __str__(self) -> str:
        cells = self._cells()
        widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
        lines = ["  ".join(cell.ljust(n) for cell, n in zip(row, widths, strict=True)).rstrip() for row in cells]
        for row, text in self._explained():
            lines.append(f"{row.name}: {text}")
            if len({*"".join(row.heat)}) > 1 and row.diagnosis is not None and row.diagnosis.kind != "follows":
                lines += [f"    {line}" for line in row.heat]
                lines.append(f"    ({_legend(row)})")
        lines += [f"note: {note}" for note in self.notes]
        if any(row.verdict in ("close", "wrong") for row in self.rows):
            lines.append(f"({self._measure()})")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The table for notebooks: verdicts in words and colour, maps of the errors, and what is wrong below."""
        head, *body = self._cells()
        maps = any(row.heat for row in self.rows)
        head = [*head, "where"] if maps else head
        lines = [f"<style>{_STYLE}</style>", '<div class="ag-compare">', "<table>"]
        lines.append("<tr>" + "".join(f"<th>{cell}</th>" for cell in head) + "</tr>")
        for row, cells in zip(self.rows, body, strict=True):
            cells = [html.escape(cell) for cell in cells]
            cells[2] = f'<span class="{row.verdict.split()[0]}">{cells[2]}</span>'
            if maps:
                cells.append(_map_html(row) if row.heat else "")
            lines.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        lines.append("</table>")
        lines += [f"<p><b>{html.escape(row.name)}</b>: {html.escape(text)}</p>" for row, text in self._explained()]
        lines += [f"<p>Note: {html.escape(note)}</p>" for note in self.notes]
        return "\n".join([*lines, f"<p><small>{html.escape(self._measure())}</small></p>", "</div>"])

    def raise_if_wrong(self) -> None:
        """For tests: nothing where all rows agree.

        Raises:
            GradientError: a row is wrong; its text is the report.
        """
        wrong = sum(row.verdict == "wrong" for row in self.rows)
        if wrong:
            raise GradientError(f"{wrong} {'gradient is' if wrong == 1 else 'gradients are'} wrong\n{self}")

    def _cells(self) -> list[list[str]]:
        cells = [["gradient", "shape", "verdict", "max abs error", "relative", "worst at", "given", "expected", "bad"]]
        for row in self.rows:
            verdict = row.verdict
            if verdict == "equal within rounding":
                verdict += f" ({row.ulps:.3g} ulp)"
            if row.shape != row.expected_shape:
                cells.append([row.name, f"{row.shape}", verdict, "", "", "", "", f"shape {row.expected_shape}", "all"])
                continue
            numbers = [f"{row.absolute:.2g}", f"{row.relative:.2g}"]
            where = [f"[{', '.join(map(str, row.index))}]", f"{row.given:.6g}", f"{row.expected:.6g}"]
            if row.verdict == "identical":
                where = [""] * 3
            size = math.prod(row.shape)
            bad = f"{round(row.bad * size)} of {size} ({row.bad:.0%})" if row.bad else "none"
            cells.append([row.name, f"{row.shape}", verdict, *numbers, *where, bad])
        return cells

    def _explained(self) -> Iterator[tuple[Row, str]]:
        """The rows that have a diagnosis, the one to fix first coming first."""
        several = sum(row.verdict == "wrong" for row in self.rows) > 1
        for row in sorted(self.rows, key=lambda row: row.name != self.first):
            if row.diagnosis is not None:
                yield row, ("fix first: " if several and row.name == self.first else "") + row.diagnosis.text

    def _measure(self) -> str:
        bounds = [f"up to 1e{math.log10(bound):.0f} {text}" for bound, text in SCALE[:-1]]
        return f"{self.tolerance}; relative error: {', '.join(bounds)}, above that {SCALE[-1][1]}"


def _legend(row: Row) -> str:
    thinned = math.prod(row.shape) > sum(map(len, row.heat))
    what = f"{row.shape} thinned to blocks: " if thinned else ""
    return f"{what}{SHADES[0]} right, {SHADES[-1]} off by up to {row.absolute:.2g}"


# ----- the map as a picture -----
_CELL = 7
_HEAT = ("heat 0", "heat 2", "heat 3", "heat 4", "heat 5")  # the colours of SHADES
_WORDS = {"identical": "input line", "equal": "input line", "close": "quiet", "wrong": "grad"}


def _style() -> str:
    def rules(column: int) -> str:
        return "".join(f".ag-compare .{name}{{color:{PALETTE[role][column]}}}" for name, role in _WORDS.items())

    cells = ".ag-compare td,.ag-compare th{padding:.15em .7em;text-align:left}"
    return f"{cells}{rules(0)}@media (prefers-color-scheme:dark){{{rules(1)}}}{dark_style('.ag-compare svg')}"


_STYLE = _style()


def _map_html(row: Row) -> str:
    """The map as an inline picture; neighbours of one shade share a rectangle."""
    width, height = _CELL * max(map(len, row.heat)), _CELL * len(row.heat)
    words = html.escape(f"{row.name}: {_legend(row)}", quote=True)
    parts = [
        f'<svg role="img" aria-label="{words}" width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">',
        f"<title>{words}</title>",
        f'<rect width="{width}" height="{height}" fill="{PALETTE[_HEAT[0]][0]}"/>',
    ]
    for i, line in enumerate(row.heat):
        x = 0
        for shade, run in itertools.groupby(line):
            length, level = len(list(run)), SHADES.index(shade)
            if level:
                place = f'x="{x * _CELL}" y="{i * _CELL}" width="{length * _CELL}" height="{_CELL}"'
                parts.append(f'<rect {place} fill="{PALETTE[_HEAT[level]][0]}"/>')
            x += length
    return "".join([*parts, "</svg>"])
