"""Panels as pictures: one alone, or the computation graph on the left and plots on the right, for a slide."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import autograd
from nn.pictures import plots

HEIGHT, RIGHT = 10.0, 5.6  # inches: of the figure, and of the width of the plots


Panel = Callable[[Axes], Any]


def save_panel(panel: Panel, path: Path) -> Path:
    """Write the picture of one panel.

    Args:
        panel: Draws in the axes that it is given.
        path: Where to write it.

    Returns:
        The path.
    """
    figure = plots.new_figure(6.4, 4.4)
    panel(figure.subplots())
    return plots.save(figure, path)


def graph_and_panels(picture: autograd.Picture, panels: Sequence[Panel], title: str) -> Figure:
    """The graph under its title, beside the panels from top to bottom.

    Args:
        picture: The graph.
        panels: Each draws in the axes that it is given.
        title: Above the graph.
    """
    drawn = None if picture.engine is None else Image.open(io.BytesIO(picture.png)).convert("RGB")
    width = 5.0 if drawn is None else min(max(HEIGHT * drawn.width / drawn.height, 3.0), 10.0)
    figure = plots.new_figure(width + RIGHT, HEIGHT)
    rows = [["graph", str(index)] for index in range(len(panels))]
    graph, *axes = figure.subplot_mosaic(rows, width_ratios=[width, RIGHT]).values()
    graph.set_axis_off()
    if drawn is None:
        graph.text(0.5, 0.5, "no Graphviz program here", ha="center", va="center", color=plots.GREY)
    else:
        graph.imshow(np.asarray(drawn), interpolation="antialiased")
    graph.set_title(title, fontsize=10, color=plots.INK)
    for panel, ax in zip(panels, axes, strict=True):
        panel(ax)
    return figure
