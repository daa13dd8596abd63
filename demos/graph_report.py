"""The computation graph beside the training plots: one figure for slides, and one page that needs nothing else.

The graph is that of the loss of the trained network on the first few rows: every operation that `backward()` walked,
with names, shapes, values and gradients.
"""

from __future__ import annotations

import base64
import html
import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import autograd
from autograd import Tensor
from demos import experiment
from demos.options import Options
from demos.report import Report, table
from nn import plots
from nn.files import write

TITLE = "The graph beside the training plots"
QUESTION = "Which operations does the loss consist of, what flowed through them, and what came back?"
ROWS = 4


def loss_graph(trained: experiment.Run) -> tuple[Tensor, autograd.Picture]:
    """The loss of the first rows after training, and its graph with values and gradients."""
    x, y = Tensor(trained.X[:ROWS], name="x"), Tensor(trained.y[:ROWS], name="y")
    prediction = trained.model(x)
    prediction.name = "prediction"
    loss = experiment.LOSSES[trained.options.loss](prediction, y)
    loss.name = "loss"
    trained.model.zero_grad()
    with autograd.keep_grads():
        loss.backward(retain_graph=True)
    return loss, autograd.draw(loss, collapse="constants")


def run(options: Options) -> Report:
    """Train, and write `graph_beside_training.png` and `graph_beside_training.html`."""
    trained = experiment.train(options)
    loss, picture = loss_graph(trained)
    folder = options.out / "plots" / "graph"
    files = [write(folder / "loss_graph.dot", picture.dot)]
    if picture.engine is not None:
        files.append(picture.save(folder / "loss_graph.svg"))
    files.append(plots.save(side_by_side(trained, picture), folder / "graph_beside_training.png", dpi=150))
    files.append(write(folder / "graph_beside_training.html", page(trained, loss, picture)))

    gradients = [
        [name, str(p.shape), f"{np.abs(p.data).max():.4f}", f"{np.abs(p.grad).max():.4f}"]
        for name, p in trained.model.named_parameters()
    ]
    did = [
        f"Trained on {trained.title} for {options.epochs} epochs: loss {trained.losses[0]:.4f} -> "
        f"{trained.losses[-1]:.4f}, {trained.accuracy:.1%} right.",
        f"Then recorded the loss of {ROWS} rows ({loss.item():.4f}): {len(picture.diagram.nodes)} nodes, "
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
    return Report(TITLE, QUESTION, did, proves, files)


def side_by_side(trained: experiment.Run, picture: autograd.Picture) -> Figure:
    """One figure: the graph on the left, loss curve and decision boundary on the right."""
    drawn = None if picture.engine is None else Image.open(io.BytesIO(picture.png)).convert("RGB")
    height = 10.0
    width = 5.0 if drawn is None else min(max(height * drawn.width / drawn.height, 3.0), 10.0)
    figure = plots.new_figure(width + 5.6, height)
    graph, loss, boundary = figure.subplot_mosaic(
        [["graph", "loss"], ["graph", "boundary"]], width_ratios=[width, 5.6]
    ).values()
    graph.set_axis_off()
    if drawn is None:
        graph.text(0.5, 0.5, "no Graphviz program here", ha="center", va="center", color=plots.GREY)
    else:
        graph.imshow(np.asarray(drawn), interpolation="antialiased")
    graph.set_title(f"Graph of the loss of {ROWS} rows", fontsize=10, color=plots.INK)
    _training(loss, boundary, trained)
    return figure


def _training(loss: Axes, boundary: Axes, trained: experiment.Run) -> None:
    name = experiment.LOSS_NAMES[trained.options.loss]
    plots.loss_panel(loss, trained.losses, title=f"{trained.title}: training loss", ylabel=name)
    title = f"{trained.title}: decision boundary, {trained.accuracy:.1%} right"
    plots.boundary_panel(
        boundary, trained.grid, trained.epochs[-1:], trained.frames[-1:], trained.X, trained.y, title=title
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --paper: #ffffff; --ink: #222222; --line: #d0d0d0 }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #16181d; --ink: #e8e8e8; --line: #3c4048 }} }}
body {{ margin: 0; padding: 1.5rem; background: var(--paper); color: var(--ink) }}
body {{ font: 1rem/1.5 Arial, Helvetica, sans-serif }}
main {{ display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start }}
figure {{ margin: 0 }}
figcaption {{ margin-bottom: .5rem; font-weight: bold }}
.graph {{ flex: 1 1 24rem; overflow: auto; max-height: 92vh; padding: .75rem }}
.graph {{ border: 1px solid var(--line); border-radius: 6px }}
.graph svg {{ display: block; margin: auto }}
.training {{ flex: 1 1 22rem; max-width: 40rem; display: grid; gap: 1.5rem }}
.training img {{ width: 100%; height: auto; border-radius: 6px; background: white }}
table {{ border-collapse: collapse }}
th, td {{ padding: .2rem .8rem; text-align: right; border-bottom: 1px solid var(--line) }}
th:first-child, td:first-child {{ text-align: left }}
pre {{ overflow: auto }}
</style></head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<main>
<figure class="graph">
<figcaption>Graph of the loss of {rows} rows: values, and the gradients that came back</figcaption>
{graph}
</figure>
<div class="training">
<figure><figcaption>Loss</figcaption><img alt="{loss_words}" src="data:image/png;base64,{loss}"></figure>
<figure><figcaption>Decision boundary</figcaption>
<img alt="{boundary_words}" src="data:image/png;base64,{boundary}"></figure>
<figure><figcaption>Parameters</figcaption>{parameters}</figure>
</div>
</main>
</body></html>
"""


def page(trained: experiment.Run, loss: Tensor, picture: autograd.Picture) -> str:
    """A page that holds everything it shows: the graph as SVG, the plots as pictures in the text."""
    options = trained.options
    graph = picture.svg if picture.engine is not None else f"<pre>{html.escape(picture.dot)}</pre>"
    figures = []
    for draw in (plots.loss_panel, plots.boundary_panel):
        figure = plots.new_figure(6, 3.8)
        ax = figure.subplots()
        if draw is plots.loss_panel:
            plots.loss_panel(ax, trained.losses, title="", ylabel=experiment.LOSS_NAMES[options.loss])
        else:
            epochs, frames = trained.epochs[-1:], trained.frames[-1:]
            plots.boundary_panel(ax, trained.grid, epochs, frames, trained.X, trained.y, title="", colourbar=True)
        figures.append(base64.b64encode(plots.png(figure, dpi=150)).decode())
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{p.shape}</td><td>{np.abs(p.data).max():.4f}</td>"
        f"<td>{np.abs(p.grad).max():.4f}</td></tr>"
        for name, p in trained.model.named_parameters()
    )
    header = "<tr><th>name</th><th>shape</th><th>largest weight</th><th>largest gradient</th></tr>"
    sizes = "-".join(map(str, (2, *options.hidden, 1)))
    return _PAGE.format(
        title=html.escape(f"{trained.title}: the graph beside its training"),
        summary=html.escape(
            f"A {sizes} network with {options.activation}, learning rate {options.learning_rate:g}, {options.epochs} "
            f"epochs, seed {options.seed}: {trained.accuracy:.1%} of {len(trained.X)} rows right. Loss of the rows in "
            f"the graph: {loss.item():.4f}."
        ),
        rows=ROWS,
        graph=graph,
        loss=figures[0],
        loss_words=f"Loss per epoch, from {trained.losses[0]:.4f} to {trained.losses[-1]:.4f}",
        boundary=figures[1],
        boundary_words=f"Decision boundary after training: {trained.accuracy:.1%} of the rows on the right side",
        parameters=f"<table>{header}{cells}</table>",
    )
