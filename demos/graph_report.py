"""The computation graph beside the training plots: still, moving, and as one figure for slides.

The graph is that of the loss of the trained network on the first few rows: every operation that `backward()` walked,
with names, shapes, values and gradients.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes

import autograd
from autograd.files import write
from nn.pictures import plots

from . import experiment, loss_surface, slides
from .options import Options
from .report import Report, table

TITLE = "The graph beside the training plots"
QUESTION = "Which operations does the loss consist of, what flowed through them, and what came back?"


def run(options: Options) -> Report:
    """Train, and write the graph, still and moving, `graph_beside_training.png` and the plots of the training."""
    trained = experiment.train(options)
    loss, picture = experiment.loss_graph(trained)
    folder = options.out / "plots" / "graph"
    files = [write(folder / "loss_graph.dot", picture.dot)]
    panels = [partial(_loss, trained), partial(_boundary, trained)]
    slide = slides.graph_and_panels(picture, panels, f"Graph of the loss of {experiment.ROWS} rows")
    files.append(plots.save(slide, folder / "graph_beside_training.png", dpi=180))
    pictures = []
    for name, panel in (
        ("loss", panels[0]),
        ("decision_boundary", panels[1]),
        ("loss_surface", partial(_way, trained)),
    ):
        pictures.append(slides.save_panel(panel, folder / f"{name}.png"))
    if picture.engine is not None:
        files.append(picture.save(folder / "loss_graph.svg"))
        pictures.append(autograd.animate(loss, folder / "forward_and_backward.gif", collapse="constants"))

    gradients = [
        [name, str(p.shape), f"{np.abs(p.data).max():.4f}", f"{np.abs(p.grad).max():.4f}"]
        for name, p in trained.model.named_parameters()
    ]
    did = [
        f"Trained on {trained.title} for {options.epochs} epochs: loss {trained.losses[0]:.4f} -> "
        f"{trained.losses[-1]:.4f}, {trained.accuracy:.1%} right.",
        f"Then recorded the loss of {experiment.ROWS} rows ({loss.item():.4f}): {len(picture.diagram.nodes)} nodes, "
        f"{len(picture.diagram.edges)} edges.",
        "",
        *table(["parameter", "shape", "largest weight", "largest gradient"], gradients),
    ]
    if picture.engine is None:
        did += ["", 'There is no Graphviz program here, so the graph stands as text: pip install "tracegrad[dot]"']
    proves = (
        "The network is no black box: its loss is this graph and nothing more. Values run down, gradients come back up "
        "the same edges, and the curves beside it are what follows from doing so again and again."
    )
    return Report(TITLE, QUESTION, did, proves, [*files, *pictures], picture, pictures, experiment.step_source(options))


def _loss(trained: experiment.Run, ax: Axes) -> None:
    name = experiment.LOSS_NAMES[trained.options.loss]
    plots.loss_panel(ax, trained.losses, title=f"{trained.title}: training loss", ylabel=name)


def _boundary(trained: experiment.Run, ax: Axes) -> None:
    title = f"{trained.title}: decision boundary, {trained.accuracy:.1%} right"
    plots.boundary_panel(ax, trained.grid, trained.epochs[-1:], trained.frames[-1:], trained.X, trained.y, title=title)


def _way(trained: experiment.Run, ax: Axes) -> None:
    plane = loss_surface.weight_plane(trained.weights)
    losses = loss_surface.losses_in(plane, trained.model, experiment.LOSSES[trained.options.loss], trained.X, trained.y)
    plots.surface_panel(ax, plane, losses, trained.epochs, title=f"{trained.title}: the way down the loss surface")
