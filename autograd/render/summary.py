"""What a picture says about an array: a number, or mean and standard deviation with a small drawing of the entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .theme import HEAT_STEPS

MAX_BARS = 24  # of a vector's sparkline
MAX_CELLS = 12  # along each side of a matrix's heat map
MAX_NUMBERS = 12  # entries written out in full, at most MAX_COLUMNS in a row
MAX_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """`text` in words; `cells` a heat map of steps from -5 to 5 (None where the entries are not numbers) with
    `numbers` to write into them or none; `bars` the heights, from -1 to 1, of a sparkline. At most one is drawn."""

    text: str
    norm: str = ""
    cells: tuple[tuple[int | None, ...], ...] = ()
    numbers: tuple[tuple[str, ...], ...] = ()
    bars: tuple[float | None, ...] = ()

    @property
    def scalar(self) -> bool:
        """Whether the text is the value itself."""
        return not (self.cells or self.bars)


def number(value: Any, digits: int = 4) -> str:
    """A number in at most so many significant digits.

    >>> number(0.123456), number(3), number(float("nan")), number(True)
    ('0.1235', '3', 'nan', 'True')
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, (int, np.integer)):
        return str(value) if abs(int(value)) < 10**6 else f"{int(value):.{digits}g}"
    return f"{value:.{digits}g}" if value else "0"  # not -0


def summarise(value: Any) -> Summary:
    """The summary of an array or number of any numeric dtype and shape.

    >>> import numpy as np
    >>> summarise(np.array([[1.0, -2.0]])).cells
    ((3, -5),)
    >>> summarise(np.arange(100.0)).text
    'mean 49.5, std 28.87'
    """
    array = np.asarray(value)
    if array.size == 0:
        return Summary("empty")
    if array.ndim == 0:
        return Summary(number(array[()]), number(abs(array[()])))
    with np.errstate(all="ignore"):  # a picture of overflowing numbers must not warn
        if array.dtype.kind not in "bifuc":
            return Summary(f"{array.dtype} values")
        real = np.abs(array) if array.dtype.kind == "c" else array
        real = real.astype(np.float64)
        finite = np.isfinite(real)
        text, norm = _words(real, finite), number(float(np.sqrt(np.sum(real * real))))
        long = array.size > (MAX_COLUMNS if array.ndim == 1 else MAX_NUMBERS)
        if long and array.size == max(array.shape):
            return Summary(text, norm, bars=_bars(real.ravel()))
        table = real.reshape(-1, real.shape[-1])
        if table.size <= MAX_NUMBERS and table.shape[1] <= MAX_COLUMNS:
            numbers = (tuple(number(entry, 3) for entry in row) for row in array.reshape(table.shape))
            return Summary(text, norm, _steps(table), tuple(numbers))
        return Summary(text, norm, _steps(shrink(shrink(table, 0), 1)))


def _words(real: np.ndarray, finite: np.ndarray) -> str:
    lost = int(real.size - finite.sum())
    if lost == real.size:
        return f"{lost} not finite"
    values = real[finite]
    text = f"mean {number(float(values.mean()))}, std {number(float(values.std()))}"
    return f"{text}, {lost} not finite" if lost else text


def _largest(real: np.ndarray) -> float:
    finite = real[np.isfinite(real)]
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def _steps(table: np.ndarray) -> tuple[tuple[int | None, ...], ...]:
    scaled = table / _largest(table) * HEAT_STEPS
    finite = np.isfinite(scaled)
    # Away from zero, so that only exact zeros get the neutral colour.
    steps = np.copysign(np.ceil(np.abs(np.where(finite, scaled, 0.0)) - 1e-9), scaled).astype(int)
    return tuple(
        tuple(step if known else None for step, known in zip(row, which, strict=True))
        for row, which in zip(steps.tolist(), finite.tolist(), strict=True)
    )


def _bars(real: np.ndarray) -> tuple[float | None, ...]:
    row = shrink(real[None, :], 1, MAX_BARS)[0]
    return tuple(float(round(entry, 3)) if np.isfinite(entry) else None for entry in row / _largest(row))


def shrink(table: np.ndarray, axis: int, limit: int = MAX_CELLS) -> np.ndarray:
    """At most `limit` entries along the axis, each the mean of the block it stands for."""
    length = table.shape[axis]
    if length <= limit:
        return table
    starts = np.arange(limit) * length // limit
    sizes = np.diff(np.append(starts, length))
    sums = np.add.reduceat(table, starts, axis=axis)
    return sums / (sizes[:, None] if axis == 0 else sizes)
