"""Moving pictures: frames are drawn in memory and written as one GIF with one palette, small enough to send."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from demos.files import write
from demos.plots import Show

LIMIT = 2_000_000  # bytes; what a README, a chat or a slide takes without complaint
_COLOURS = 256

Item = TypeVar("Item")


def gif(
    figure: Figure,
    show: Show,
    frames: Sequence[int],
    path: Path,
    *,
    max_frames: int = 60,
    frame_ms: int = 80,
    hold_ms: int = 1500,
    limit: int = LIMIT,
) -> Path:
    """Write an animation; axes and colours stay fixed because one figure is moved through all frames.

    Args:
        figure: what is drawn, with a fixed layout.
        show: moves the figure to a frame, as the panels of `demos.plots` do.
        frames: numbers to give to `show`, usually epochs; thinned to `max_frames`, the first and the last are kept.
        path: file to write.
        frame_ms: time per frame in milliseconds; hold_ms: for the first and the last.
        limit: bytes; a larger file is written again with half of the frames.

    Returns:
        The path.
    """
    kept = thin(frames, max_frames)
    pictures = list(_draw(figure, show, kept))
    data = _encode(pictures, frame_ms, hold_ms)
    while len(data) > limit and len(pictures) > 2:
        pictures = thin(pictures, max(2, len(pictures) // 2))
        data = _encode(pictures, frame_ms, hold_ms)
    return write(path, data)


def thin(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the items, evenly spread, always with the first and the last.

    >>> thin(range(500), 5)
    [0, 125, 250, 374, 499]
    """
    if len(items) <= most:
        return list(items)
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _draw(figure: Figure, show: Show, frames: Sequence[int]) -> Iterator[Image.Image]:
    """The frames as pictures.

    Ticks and their labels take most of the time to draw and never change, so they are drawn once, as the background.
    """
    canvas = FigureCanvasAgg(figure)
    show(frames[-1])
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout found for the last frame holds for all: nothing jumps
    titles = [(ax.title, ax.title.get_position()) for ax in figure.axes]  # drawing moves titles that are hidden
    hidden = [artist for _, artist in _contents(figure) if artist.get_visible()]
    for artist in hidden:
        artist.set_visible(False)
    canvas.draw()
    for artist in hidden:
        artist.set_visible(True)
    for title, position in titles:
        title.set_position(position)
    background = canvas.copy_from_bbox(figure.bbox)
    for frame in frames:
        canvas.restore_region(background)
        show(frame)
        for ax, artist in _contents(figure):
            ax.draw_artist(artist)
        yield Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _contents(figure: Figure) -> list[tuple[Axes, Artist]]:
    """Everything in the axes but their ticks and labels, from back to front."""
    found = [(ax, artist) for ax in figure.axes for artist in ax.get_children()]
    moving = [(ax, artist) for ax, artist in found if artist is not ax.patch and not isinstance(artist, Axis)]
    return sorted(moving, key=lambda pair: pair[1].get_zorder())


def _encode(pictures: list[Image.Image], frame_ms: int, hold_ms: int) -> bytes:
    """The bytes of a GIF that repeats for ever, all frames in the colours of the first, the middle and the last."""
    sample = np.concatenate([np.asarray(pictures[i]) for i in (0, len(pictures) // 2, -1)])
    palette = Image.fromarray(sample).quantize(_COLOURS, method=Image.Quantize.MEDIANCUT)
    frames = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [hold_ms, *[frame_ms] * (len(frames) - 2), hold_ms][: len(frames)]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=False
    )
    return buffer.getvalue()
