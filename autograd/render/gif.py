"""Moving pictures: frames drawn in memory and written as one GIF with one palette, small enough to send."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..core.errors import ArgumentError
from ..files import write

LIMIT = 2_000_000  # bytes; what a README, a chat or a slide takes without complaint
_COLOURS = 256
_SAMPLES = 9  # frames whose colours make the palette
_BITS = 6  # of each channel tell colours apart
_BINS = 1 << 3 * _BITS

Frame = TypeVar("Frame")


def write_gif(
    draw: Callable[[Frame], Any],
    frames: Sequence[Frame],
    path: str | os.PathLike[str],
    *,
    max_frames: int = 60,
    frame_ms: int = 80,
    hold_ms: int = 1500,
    limit: int = LIMIT,
) -> Path:
    """Write an animation that repeats for ever; its frames never touch the disk.

    Args:
        draw: gives the picture of a frame, an array (height, width, 3) of bytes of one shape for all.
        frames: what `draw` is given, for example epochs; thinned evenly to `max_frames`, the first and the last stay.
        path: file to write.
        frame_ms: time per frame in milliseconds; hold_ms: for the first and the last.
        limit: bytes; a larger file is encoded again with half of the frames.

    Returns:
        The path.

    Raises:
        ArgumentError: no frames, or fewer than two allowed.

    >>> import numpy as np, tempfile
    >>> def grey(level): return np.full((8, 8, 3), level, np.uint8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_gif(grey, range(0, 250, 10), f"{folder}/grey.gif", max_frames=5).stat().st_size > 0
    True
    """
    if not frames:
        raise ArgumentError("there are no frames to write")
    if max_frames < 2:
        raise ArgumentError(f"max_frames={max_frames} leaves no room for the first and the last frame; write 2 or more")
    pictures = [np.array(draw(frame), np.uint8) for frame in thin(frames, max_frames)]
    data = _encode(pictures, frame_ms, hold_ms)
    while len(data) > limit and len(pictures) > 2:
        pictures = thin(pictures, max(2, len(pictures) // 2))
        data = _encode(pictures, frame_ms, hold_ms)
    return write(Path(path), data)


def thin(items: Sequence[Frame], most: int) -> list[Frame]:
    """At most so many of the items, evenly spread, always with the first and the last.

    >>> thin(range(500), 5)
    [0, 125, 250, 374, 499]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _encode(pictures: list[np.ndarray], frame_ms: int, hold_ms: int) -> bytes:
    """The bytes of the GIF, all frames in the same colours."""
    from PIL import Image

    palette, index = _palette(pictures)
    height, width = pictures[0].shape[:2]
    frames = []
    for picture in pictures:
        frames.append(Image.frombytes("P", (width, height), index[_bins(picture)].tobytes()))
        frames[-1].putpalette(palette.tobytes())
    durations = [hold_ms, *[frame_ms] * (len(frames) - 2), hold_ms][: len(frames)]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()


def _palette(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The colours of the GIF (256, 3), and which of them stands for each bin of similar colours.

    Drawings have a few flat colours and many mixtures at their edges, so the colours seen most often are kept as they
    are, and every other one becomes the nearest of these.
    """
    count, sums, seen = np.zeros(_BINS), np.zeros((_BINS, 3)), np.zeros(_BINS, bool)
    for picture in pictures:
        seen[_bins(picture)] = True
    for picture in thin(pictures, _SAMPLES):
        bins = _bins(picture)
        count += np.bincount(bins, minlength=_BINS)
        sums += np.stack([np.bincount(bins, picture[..., i].ravel(), _BINS) for i in range(3)], axis=1)
    often = np.argsort(-count, kind="stable")[:_COLOURS]
    often = often[count[often] > 0]
    colours = np.round(sums[often] / count[often, None])
    index = np.zeros(_BINS, np.uint8)
    for part in np.array_split(np.flatnonzero(seen), 1 + _BINS // (1 << 14)):
        middles = np.stack([part >> 2 * _BITS, part >> _BITS, part], axis=1) % (1 << _BITS) * 4 + 1.5
        index[part] = ((colours**2).sum(axis=1) - 2 * middles @ colours.T).argmin(axis=1)
    index[often] = np.arange(len(often))
    palette = np.zeros((_COLOURS, 3), np.uint8)
    palette[: len(often)] = colours
    return palette, index


def _bins(picture: np.ndarray) -> np.ndarray:
    """The bin of every pixel."""
    reduced = (picture >> (8 - _BITS)).astype(np.int32)
    return ((reduced[..., 0] << 2 * _BITS) | (reduced[..., 1] << _BITS) | reduced[..., 2]).ravel()
