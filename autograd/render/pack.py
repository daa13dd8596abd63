"""Arrays on their way into a page: one block of bytes, compressed, that a few lines of JavaScript can read again.

Floats are stored byte by byte (all first bytes, then all second ones, ...), entries in the order of time, because
neighbours in time share their leading bytes: such blocks compress to about half. Maps of bytes are stored as what
changes from one moment to the next, which compresses to about a tenth.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from .summary import shrink

SIDE = 32  # larger arrays are shrunk to tables of at most so many rows and columns


class Pack:
    """Collects arrays; what each `add` returns says in JSON where its array is. `side` as `SIDE`."""

    def __init__(self, *, side: int = SIDE, exact: bool = True) -> None:
        self.side, self._float = side, np.dtype("<f8" if exact else "<f4")
        self._parts: list[bytes] = []
        self._size = 0

    def series(self, moments: Sequence[Any]) -> dict[str, Any]:
        """An array of any shape and numeric dtype at several moments; "table" tells how the entries are laid out, and
        where each entry is the mean of a block, "norm" where the norms of the whole arrays are."""
        tables = [as_table(array, self.side) for array in moments]
        rows, columns = tables[0].shape
        place = self.floats(np.stack([table.ravel() for table in tables], axis=1)) | {"table": [rows, columns]}
        if np.size(moments[0]) > rows * columns:
            with np.errstate(all="ignore"):
                place["norm"] = self.floats(np.array([np.linalg.norm(np.ravel(array)) for array in moments]))
        return place

    def floats(self, array: np.ndarray) -> dict[str, Any]:
        """Numbers, all with the same precision."""
        raw = np.ascontiguousarray(array, self._float)
        columns = raw.reshape(-1, 1).view(np.uint8)
        return self._add("f", columns.T.tobytes(), raw.size)

    def shades(self, array: np.ndarray) -> dict[str, Any]:
        """Bytes (moments, height, width)."""
        changes = np.diff(array, axis=0, prepend=np.zeros_like(array[:1]))  # modulo 256
        return self._add("u", changes.tobytes(), array.size) | {"table": list(array.shape[1:])}

    def text(self, words: str) -> dict[str, Any]:
        """A text."""
        data = words.encode()
        return self._add("t", data, len(data))

    def _add(self, kind: str, data: bytes, count: int) -> dict[str, Any]:
        place = {"kind": kind, "at": self._size, "count": count}
        self._parts.append(data)
        self._size += len(data)
        return place

    @property
    def width(self) -> int:
        """Bytes of one float."""
        return self._float.itemsize

    def base64(self) -> str:
        """Everything, compressed (zlib), as text."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode()


def as_table(value: Any, side: int) -> np.ndarray:
    """Any array as real numbers in rows and columns, shrunk where it is larger than `side` by `side`; of complex
    numbers the magnitudes. A vector is one row, a number a table of one entry."""
    array = np.asarray(value)
    real = np.abs(array) if array.dtype.kind == "c" else array
    table = (
        np.asarray(real, np.float64).reshape(-1, real.shape[-1] if real.ndim else 1)
        if real.size
        else (np.zeros((0, 0)))
    )
    if table.size <= side * side:
        return table
    with np.errstate(all="ignore"):
        return shrink(shrink(table, 0, side), 1, side)
