"""Animations: a matplotlib figure moved through the epochs of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from autograd import write_gif

from .plots import Show


def gif(figure: Figure, show: Show, frames: Sequence[int], path: Path, **options: Any) -> Path:
    """Write an animation; axes and colours stay fixed because one figure is moved through all frames.

    Args:
        figure: What is drawn.
        show: Moves it to a frame, as the panels of `nn.pictures.plots` do.
        frames: Numbers to give to `show`, usually epochs.
        path: File to write.
        options: Those of `autograd.write_gif`.

    Returns:
        The path.
    """
    return write_gif(Stage(figure, show, frames[-1]), frames, path, **options)


class Stage:
    """Draws a figure at one frame after the other.

    Ticks and their labels take most of the time to draw and never change, so they are drawn once, as the background.

    Args:
        figure: What is drawn.
        show: Moves it to a frame.
        last: The last frame, whose layout holds for all.
    """

    def __init__(self, figure: Figure, show: Show, last: int) -> None:
        self.figure, self.show = figure, show
        self.canvas = cast(Any, FigureCanvasAgg(figure))
        show(last)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # the layout found for the last frame holds for all: nothing jumps
        titles = [(ax.title, ax.title.get_position()) for ax in figure.axes]  # drawing moves titles that are hidden
        hidden = [artist for _, artist in self._contents() if artist.get_visible()]
        for artist in hidden:
            artist.set_visible(False)
        self.canvas.draw()
        for artist in hidden:
            artist.set_visible(True)
        for title, position in titles:
            title.set_position(position)
        self.background = self.canvas.copy_from_bbox(figure.bbox)

    def __call__(self, frame: int) -> np.ndarray:
        """The picture of a frame, (height, width, 3)."""
        self.canvas.restore_region(self.background)
        self.show(frame)
        for ax, artist in self._contents():
            ax.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())[..., :3]

    def _contents(self) -> list[tuple[Axes, Artist]]:
        """Everything in the axes but their ticks and labels, from back to front."""
        found = [(ax, artist) for ax in self.figure.axes for artist in ax.get_children()]
        moving = [(ax, artist) for ax, artist in found if artist is not ax.patch and not isinstance(artist, Axis)]
        return sorted(moving, key=lambda pair: pair[1].get_zorder())
