"""Moving pictures: frames drawn in memory and written as one GIF with one palette, small enough to send."""
from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import ArgumentError
from .files import write

LIMIT = 2_000_000  # bytes; what a README, a chat or a slide takes without complaint
_COLOURS = 256
_SAMPLES = 9  # frames whose colours make the palette

Frame = TypeVar("Frame")


def write_gif(draw: Callable[[Frame], Any], frames: Sequence[Frame], path: str | os.PathLike[str], *,
              max_frames: int = 60, frame_ms: int = 80, hold_ms: int = 1500, limit: int = LIMIT) -> Path:
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
    """The bytes of the GIF, all frames in the colours of some of them."""
    from PIL import Image

    sample = Image.fromarray(np.concatenate(thin(pictures, _SAMPLES)))
    palette = sample.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
    frames = [Image.fromarray(picture).quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [hold_ms, *[frame_ms] * (len(frames) - 2), hold_ms][:len(frames)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0,
                   optimize=False)
    return buffer.getvalue()
