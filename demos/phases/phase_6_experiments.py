"""Phase 6: loss and boundary in one animation, other activations and learning rates, harder data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

import nn
from autograd.core.errors import MissingDependencyError
from nn import optim
from nn.pictures import plots
from nn.pictures.animation import gif

from .. import experiment
from ..options import ACTIVATIONS, Options
from ..report import Report, table
from . import phase_4_convergence

TITLE = "Phase 6: enhancements"
QUESTION = "What changes with another activation, another learning rate, or data that are harder to learn?"


def run(options: Options) -> Report:
    """Write the combined animation and the comparisons."""
    folder = options.out / "plots" / "phase_6_enhancements"
    files = [_combined(options, folder / "training_dynamics.gif")]

    by_activation = {name: experiment.train(replace(options, activation=name)) for name in ACTIVATIONS}
    files += [
        _compare(by_activation, folder / "activations.png"),
        nn.compare_gif({name: run.history for name, run in by_activation.items()}, folder / "activations.gif"),
    ]
    by_rate = {f"rate {rate:g}": run for rate, run in phase_4_convergence.rates(options).items()}
    files.append(_compare(by_rate, folder / "learning_rates.png"))
    did = [
        f"{options.dataset}, {options.epochs} epochs, everything but the named setting unchanged:",
        "",
        *table(
            ["setting", "loss at the start", "loss in the end", "rows right"],
            [
                [name, f"{run.losses[0]:.4f}", f"{run.losses[-1]:.4f}", f"{run.accuracy:.1%}"]
                for name, run in (by_activation | by_rate).items()
            ],
        ),
        "",
    ]
    path, accuracy, epochs = _spirals(options, folder / "spirals.png")
    files.append(path)
    did.append(f"Two spirals, 2-32-32-1 with tanh and Adam, {epochs} epochs: {accuracy:.1%} of the rows right.")
    try:
        path, share, epochs = _digits(options, folder / "digits.png")
    except MissingDependencyError as error:
        did.append(f"The handwritten digits were left out: {error}")
    else:
        files.append(path)
        did.append(f"Digits, 64-64-10 with ReLU and Adam, {epochs} epochs: {share:.1%} of the unseen digits right.")

    best = min(by_activation, key=lambda name: float(by_activation[name].losses[-1]))
    worst = max(by_activation, key=lambda name: float(by_activation[name].losses[-1]))
    proves = (
        f"On {options.dataset} {best} ended lowest ({by_activation[best].losses[-1]:.4f}) and {worst} highest "
        f"({by_activation[worst].losses[-1]:.4f}), with nothing else changed. The same few layers, given more neurons "
        "and an optimizer that adapts its steps, also learn shapes that no simple curve separates."
    )
    return Report(TITLE, QUESTION, did, proves, files)


def _combined(options: Options, path: Path) -> Path:
    """Loss and boundary moving together."""
    run = experiment.train(options)
    figure = plots.new_figure(9, 3.9)
    left, right = figure.subplots(1, 2)
    show = plots.together(
        plots.loss_panel(left, run.losses),
        plots.boundary_panel(right, run.grid, run.epochs, run.frames, run.X, run.y, title=run.title),
    )
    return gif(figure, show, run.epochs[:-1], path)


def _compare(runs: dict[str, experiment.Run], path: Path) -> Path:
    """The losses of several runs above their final boundaries."""
    figure = plots.new_figure(3.1 * len(runs), 6.2)
    top, *below = figure.subplot_mosaic([["loss"] * len(runs), list(runs)], height_ratios=[1, 1]).values()
    title = next(iter(runs.values())).title
    plots.losses_panel(top, {name: run.losses for name, run in runs.items()}, title=f"{title}: training loss")
    for ax, (name, run) in zip(below, runs.items()):
        title = f"{name}: {run.accuracy:.1%} right"
        plots.boundary_panel(ax, run.grid, run.epochs[-1:], run.frames[-1:], run.X, run.y, title=title)
    return plots.save(figure, path)


def _spirals(options: Options, path: Path) -> tuple[Path, float, int]:
    """Two spirals: the picture, the share of the rows that are right, and the number of epochs."""
    X, y = nn.data.spirals(300, seed=options.seed)
    model = nn.MLP([2, 32, 32, 1], activation=nn.Tanh, output_activation=nn.Sigmoid, seed=options.seed)
    grid, epochs = plots.Grid.around(X), min(options.epochs, 200)
    history = model.fit(
        X, y, loss=nn.binary_cross_entropy, optimizer=optim.Adam(model.parameters(), learning_rate=0.01),
        epochs=epochs, batch_size=32, seed=options.seed, verbose=0,
    )  # fmt: skip
    accuracy = nn.accuracy(model.predict(X), y)
    figure = plots.new_figure(9, 4)
    left, right = figure.subplots(1, 2)
    plots.loss_panel(left, history.loss, title="spirals: training loss")
    frames = model.predict(grid.points).reshape(1, -1)
    plots.boundary_panel(right, grid, [epochs], frames, X, y, title=f"spirals: {accuracy:.1%} right")
    return plots.save(figure, path), accuracy, epochs


def _digits(options: Options, path: Path) -> tuple[Path, float, int]:
    """Handwritten digits: the picture, the share of unseen digits that are right, and the number of epochs."""
    X, X_test, y, y_test = nn.train_test_split(*nn.data.digits(), test_size=360 / 1797, seed=options.seed)
    model = nn.MLP([64, 64, 10], activation=nn.ReLU, seed=options.seed)
    epochs = min(options.epochs, 20)
    history = model.fit(
        X, y, loss=nn.cross_entropy, optimizer=optim.Adam(model.parameters(), learning_rate=0.003),
        epochs=epochs, batch_size=64, seed=options.seed, validation_data=(X_test, y_test), verbose=0,
    )  # fmt: skip
    scores = model.predict(X_test)
    share = nn.accuracy(scores, y_test)
    figure = plots.new_figure(12, 4.2)
    left, middle, right = figure.subplots(1, 3)
    plots.losses_panel(left, {"training": history.loss, "unseen": history.validation_loss}, title="digits: loss")
    counts = nn.confusion_matrix(scores, y_test, classes=10)
    plots.confusion_panel(middle, counts, title=f"digits: {share:.1%} of {len(y_test)} unseen right")
    _digit_sheet(right, X_test, y_test, scores.argmax(axis=1))
    return plots.save(figure, path), share, epochs


def _digit_sheet(ax: Axes, X: np.ndarray, y: np.ndarray, predicted: np.ndarray) -> None:
    """Some of the digits, the wrongly read ones first, each with what it was read as."""
    order = np.argsort(predicted == y, kind="stable")[:24]
    wrong = int((predicted != y).sum())
    sheet = np.zeros((4 * 11, 6 * 9))
    for place, index in enumerate(order):
        row, column = divmod(place, 6)
        top, left = 11 * row, 9 * column
        sheet[top : top + 8, left : left + 8] = X[index].reshape(8, 8)
        colour = plots.INK if predicted[index] == y[index] else plots.ORANGE
        text = f"{y[index]}" if predicted[index] == y[index] else f"{y[index]}, read as {predicted[index]}"
        ax.text(left + 3.5, top + 9.3, text, ha="center", va="center", fontsize=6.5, color=colour)
    ax.imshow(sheet, cmap="Greys", aspect="equal")
    plots.tidy(ax, f"the {min(wrong, 24)} misread digits first" if wrong else "none misread")
    ax.set_axis_off()
