"""What can stand beside the graph in a page of `autograd.explore`: curves, maps of the plane, arrays over time.

All arrays begin with one axis for the moments of the page, so that one slider moves everything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from .pack import Pack


@dataclass(frozen=True)
class Curve:
    """Lines over the moments or any finer grid of them, with a cursor at the moment that is shown.

    title: heading.  x: (n,) rising numbers in the unit of the moments.  lines: by name, n numbers each, nan for gaps.
    """

    title: str
    x: Sequence[float] | np.ndarray
    lines: Mapping[str, Sequence[float] | np.ndarray]

    def to_json(self, pack: Pack, moments: int) -> dict[str, Any]:
        """The panel as plain data; its arrays go into the pack."""
        x = np.asarray(self.x, np.float64)
        lines = {name: np.asarray(line, np.float64) for name, line in self.lines.items()}
        for name, line in lines.items():
            _check(line.shape == x.shape, f"the line {name!r} of {self.title!r} has shape {line.shape}", x.shape)
        return {
            "kind": "curve",
            "title": self.title,
            "x": pack.floats(x),
            "lines": {name: pack.floats(line) for name, line in lines.items()},
        }


@dataclass(frozen=True)
class Maps:
    """Functions of two variables as coloured maps: one large, several small.

    title: heading.  maps: by name, (moments, height, width) with the first row at the bottom.
    extent: x0, x1, y0, y1 of the area.  centre: the number that gets the neutral colour.
    contour: draw the line along which the map crosses the centre.
    points: (n, 2) to draw on top, with classes (n,): on a single map those of class 1 are marked as inside, on several
    maps those of the map's number.  note: a line below.
    """

    title: str
    maps: Mapping[str, np.ndarray]
    extent: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    centre: float = 0.0
    contour: bool = False
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    classes: np.ndarray | None = None
    note: str = ""

    def to_json(self, pack: Pack, moments: int) -> dict[str, Any]:
        """The panel as plain data; a byte for a point, of the square root: many shades near the centre, where a contour is."""
        distances = [np.abs(np.asarray(values, np.float64) - self.centre) for values in self.maps.values()]
        spread = _round_up(max((float(far[np.isfinite(far)].max(initial=0.0)) for far in distances), default=0.0))
        packed = {}
        for name, values in self.maps.items():
            array = np.asarray(values, np.float64)
            _check(
                array.ndim == 3 and len(array) == moments,
                f"the map {name!r} of {self.title!r} has shape {array.shape}",
                (moments, "height", "width"),
            )
            share = np.clip((np.nan_to_num(array, nan=self.centre) - self.centre) / spread, -1, 1)
            packed[name] = pack.shades(
                np.rint(np.sqrt(np.abs(share)) * np.sign(share) * 127.5 + 127.5).astype(np.uint8)
            )
        classes = np.zeros(len(self.points)) if self.classes is None else np.asarray(self.classes)
        return {
            "kind": "maps",
            "title": self.title,
            "maps": packed,
            "extent": list(map(float, self.extent)),
            "contour": self.contour,
            "note": self.note,
            "centre": self.centre,
            "spread": spread,
            "points": [[*map(float, point), int(side)] for point, side in zip(self.points, classes, strict=True)],
        }


@dataclass(frozen=True)
class Arrays:
    """Arrays with what belongs to them, such as weights and their gradients, as heat maps that keep their colours.

    title: heading.  arrays: by name, the values (moments, ...) and the gradients (moments, ...).  note: a line below.
    """

    title: str
    arrays: Mapping[str, tuple[np.ndarray, np.ndarray]]
    note: str = ""

    def to_json(self, pack: Pack, moments: int) -> dict[str, Any]:
        """The panel as plain data; its arrays go into the pack."""
        rows = []
        for name, pair in self.arrays.items():
            for array in pair:
                _check(len(array) == moments, f"the array {name!r} of {self.title!r} has {len(array)} moments", moments)
            values, grads = (pack.series(list(array)) for array in pair)
            rows.append({"name": name, "value": values, "grad": grads, "shape": list(np.shape(pair[0][0]))})
        return {"kind": "arrays", "title": self.title, "rows": rows, "note": self.note}


Panel = Curve | Maps | Arrays


def _round_up(number: float) -> float:
    """To two digits, which read better under a scale; 1 for 0.

    >>> _round_up(0.49999), _round_up(11.27), _round_up(0.0)
    (0.5, 12.0, 1.0)
    """
    if number <= 0:
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return float(f"{math.ceil(number / unit - 1e-9) * unit:.2g}")


def _check(fits: bool, given: str, wanted: Any) -> None:
    if not fits:
        raise ShapeError(f"{given}, but it must be {wanted}")
