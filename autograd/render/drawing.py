"""Small drawings of arrays inside the nodes: heat maps of matrices, sparklines of vectors.

Graphviz can draw them as tables of coloured cells, which works in every format, but a picture of 300 nodes then has
tens of thousands of cells, and laying those out takes seconds. For SVG it is given an empty table of the same size in a
colour that stands for nothing but the drawing's number; `insert` puts the drawing there afterwards, one path for each
colour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from . import svg
from .summary import Summary
from .theme import Colour

_BAR_WIDTH, _BAR_HEIGHT, _CELL = 6, 14, 8
_MARK = "#fe"  # and four digits: no colour of the themes begins like this
MOST_APART = 1 << 16
_EMPTY = "<TR><TD></TD></TR></TABLE>"
_PLACE = re.compile(rf"{_MARK}([0-9a-f]{{4}})", re.IGNORECASE)
TABLE = '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="{space}" CELLPADDING="{pad}"{more}>'


@dataclass(frozen=True, slots=True)
class Drawing:
    """The heat map or the sparkline of a summary, and how much room it takes."""

    width: int
    height: int
    summary: Summary

    def table(self, colour: Colour) -> str:
        """As a table of cells in an HTML-like label."""
        size = _fixed(self.width, self.height)
        return f"{TABLE.format(space=0, pad=0, more=size)}{''.join(self._rows(colour))}</TABLE>"

    def _rows(self, colour: Colour) -> list[str]:
        if self.summary.cells:
            cell = _fixed(_CELL, _CELL)
            return [
                "<TR>" + "".join(f'<TD BGCOLOR="{colour(_role(step))}"{cell}></TD>' for step in row) + "</TR>"
                for row in self.summary.cells
            ]
        rows = []
        for sign in _halves(self.summary.bars):
            cells = []
            for bar in self.summary.bars:
                height = _bar_height(bar, sign)
                look = f' BGCOLOR="{colour(_bar_role(bar, sign))}" VALIGN="{"BOTTOM" if sign > 0 else "TOP"}"'
                drawn = TABLE.format(space=0, pad=0, more=look + _fixed(_BAR_WIDTH - 1, height)) + _EMPTY
                cells.append(f"<TD{_fixed(_BAR_WIDTH, _BAR_HEIGHT)}>{drawn if height else ''}</TD>")
            rows.append(f"<TR>{''.join(cells)}</TR>")
        return rows

    def placeholder(self, number: int) -> str:
        """An empty table of the same size that `insert` will find."""
        mark = f' BGCOLOR="{_MARK}{number:04x}"{_fixed(self.width, self.height)}'
        return TABLE.format(space=0, pad=0, more=mark) + _EMPTY

    def element(self, x: float, y: float, colour: Colour) -> Element:
        """As SVG with its upper left corner at (x, y)."""
        shapes: dict[str, list[str]] = {}
        for role, column, row, width, height in self._rectangles():
            shapes.setdefault(role, []).append(f"M{column} {row}h{width}v{height}h-{width}z")
        x += 0.5 * bool(self.summary.bars)  # Graphviz centres the bars, which are one narrower than their columns
        whole = Element("g", {"transform": f"translate({x:g} {y:g})", "shape-rendering": "crispEdges"})
        for role, shape in shapes.items():
            SubElement(whole, "path", {"fill": colour(role), "d": "".join(shape)})
        return whole

    def _rectangles(self) -> list[tuple[str, int, int, int, int]]:
        if self.summary.cells:
            return [
                (_role(row[start]), _CELL * start, _CELL * place, _CELL * (stop - start), _CELL)
                for place, row in enumerate(self.summary.cells)
                for start, stop in _runs(row)
            ]
        found = []
        for place, sign in enumerate(_halves(self.summary.bars)):
            for index, bar in enumerate(self.summary.bars):
                if height := _bar_height(bar, sign):
                    top = _BAR_HEIGHT * place + (_BAR_HEIGHT - height if sign > 0 else 0)
                    found.append((_bar_role(bar, sign), _BAR_WIDTH * index, top, _BAR_WIDTH - 1, height))
        return found


def drawing(summary: Summary | None) -> Drawing | None:
    """The drawing that goes with a summary; None for a single number, or where the numbers themselves are written."""
    if summary is None or summary.numbers:
        return None
    if summary.bars:
        return Drawing(_BAR_WIDTH * len(summary.bars), _BAR_HEIGHT * len(_halves(summary.bars)), summary)
    if summary.cells:
        return Drawing(_CELL * len(summary.cells[0]), _CELL * len(summary.cells), summary)
    return None


def numbers_table(summary: Summary, colour: Colour, size: int = 9) -> str:
    """The entries written out on the colours of a heat map."""
    rows = []
    for steps, words in zip(summary.cells, summary.numbers, strict=True):
        cells = (
            f'<TD BGCOLOR="{colour(_role(step))}" CELLPADDING="3"><FONT COLOR="{colour("ink")}" '
            f'POINT-SIZE="{size}">{word}</FONT></TD>'
            for step, word in zip(steps, words, strict=True)
        )
        rows.append(f"<TR>{''.join(cells)}</TR>")
    return f"{TABLE.format(space=1, pad=0, more='')}{''.join(rows)}</TABLE>"


def insert(root: Element, drawings: Sequence[Drawing], colour: Colour) -> None:
    """Put the drawings into the places of the SVG that were kept for them."""
    for parent, place, number in _places(root):
        svg.replace(parent, place, drawings[number].element(*_corner(place.get("points", "")), colour))


def clear(root: Element) -> dict[int, tuple[float, float]]:
    """Take the places that were kept out of the SVG; returns the upper left corner of each."""
    corners = {}
    for parent, place, number in _places(root):
        corners[number] = _corner(place.get("points", ""))
        svg.replace(parent, place, None)
    return corners


def _places(root: Element) -> Iterator[tuple[Element, Element, int]]:
    for parent, polygon in svg.children(root, "polygon"):
        if found := _PLACE.fullmatch(polygon.get("fill", "")):
            yield parent, polygon, int(found[1], 16)


def _corner(polygon: str) -> tuple[float, float]:
    points = [point.split(",") for point in polygon.split()]
    return min(float(x) for x, _ in points), min(float(y) for _, y in points)


def _role(step: int | None) -> str:
    return "nan" if step is None else f"heat {step}"


def _bar_role(bar: float | None, sign: int) -> str:
    return "nan" if bar is None else f"heat {5 * sign}"


def _bar_height(bar: float | None, sign: int) -> int:
    """A full bar stands for nan."""
    return _BAR_HEIGHT if bar is None else max(0, round(bar * sign * _BAR_HEIGHT))


def _halves(bars: Sequence[float | None]) -> list[int]:
    """Bars go up for positive entries and down for negative ones; only the halves that have some are drawn."""
    return [sign for sign in (1, -1) if any(bar is None or bar * sign > 0 for bar in bars)] or [1]


def _runs(row: Sequence[int | None]) -> list[tuple[int, int]]:
    """Where neighbours of one colour begin and end."""
    starts = [place for place, step in enumerate(row) if place == 0 or step != row[place - 1]]
    return list(zip(starts, [*starts[1:], len(row)], strict=True))


def _fixed(width: int, height: int) -> str:
    return f' FIXEDSIZE="TRUE" WIDTH="{width}" HEIGHT="{height}"'
