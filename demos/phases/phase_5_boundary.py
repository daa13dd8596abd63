"""Phase 5: the line between the classes, from the first epoch to the last."""

from __future__ import annotations

import numpy as np

import nn
from nn.pictures import plots
from nn.pictures.animation import gif

from .. import experiment
from ..options import Options
from ..report import Report, table

TITLE = "Phase 5: decision boundary"
QUESTION = "Where in the plane does the network draw the line between the classes, and how does that line come about?"


def run(options: Options) -> Report:
    """Write the decision boundary at four epochs, the final predictions, and the animation."""
    folder = options.out / "plots" / "phase_5_decision_boundary" / "main"
    trained = experiment.train(options)
    X, y = trained.X, trained.y

    figure = plots.new_figure(6, 4.6)
    show = plots.boundary_panel(
        figure.subplots(), trained.grid, trained.epochs, trained.frames, X, y, title=trained.title, colourbar=True
    )
    files, rows = [], []
    for mark in experiment.snapshot_epochs(options.epochs):
        show(mark)
        files.append(plots.save(figure, folder / f"decision_boundary_epoch_{mark}.png"))
        outputs = trained.frames[trained.epochs.index(mark)]
        unsure = float((np.abs(outputs - 0.5) < 0.4).mean())
        rows.append([str(mark), f"{trained.losses[mark]:.4f}", f"{_accuracy(trained, mark):.1%}", f"{unsure:.0%}"])
    animation = gif(figure, show, trained.epochs[:-1], folder / "decision_boundary.gif")

    outputs = trained.model.predict(X)
    wrong = (outputs > 0.5).reshape(-1) != (y > 0.5).reshape(-1)
    figure = plots.new_figure(10, 4.4)
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    words = f"{len(X) - int(wrong.sum())} of {len(X)} right" + (", the others ringed" if wrong.any() else "")
    plots.boundary_panel(left, trained.grid, [options.epochs], trained.frames[-1:], X, y, title=words)
    plots.mistakes(left, X, wrong)
    plots.confidence_panel(right, outputs, y)
    files += [plots.save(figure, folder / "final_predictions.png"), animation]

    did = [
        f"The network was asked for its output at {trained.grid.size} x {trained.grid.size} points of the plane, "
        f"{len(trained.epochs)} times during {options.epochs} epochs:",
        "",
        *table(["epoch", "loss", "rows right", "of the plane between 0.1 and 0.9"], rows),
    ]
    proves = (
        f"The line moves and bends with the weights: {rows[0][2]} of the rows were on their own side of it at the "
        f"start, {trained.accuracy:.1%} in the end. The part of the plane where the network hesitates went from "
        f"{rows[0][3]} to {rows[-1][3]}."
    )
    return Report(TITLE, QUESTION, did, proves, files, experiment.loss_graph(trained)[1], files[::-1])


def _accuracy(trained: experiment.Run, epoch: int) -> float:
    """Share of the rows right at an epoch that was recorded."""
    model = experiment.network(trained.options)
    index = trained.epochs.index(epoch)
    for name, parameter in model.named_parameters():
        parameter.assign(trained.weights[name][index])
    return nn.accuracy(model.predict(trained.X), trained.y)
