"""Phase 4: how the loss comes down, and what the learning rate has to do with it."""

from __future__ import annotations

from dataclasses import replace

from autograd.core.errors import DivergenceError
from nn.pictures import plots
from nn.pictures.animation import gif

from .. import experiment
from ..options import Options
from ..report import Report, table

TITLE = "Phase 4: loss convergence"
QUESTION = "How does the loss come down during training, and how much depends on the length of the steps?"
FACTORS = (0.1, 0.3, 1.0, 3.0)
MARKS = (0, 240, 499)


def run(options: Options) -> Report:
    """Write the loss curves for several learning rates, stills at three epochs, and the animation."""
    folder = options.out / "plots" / "phase_4_training_dynamics"
    trained = experiment.train(options)
    marks = experiment.snapshot_epochs(options.epochs, MARKS)
    runs = rates(options)
    curves = {f"learning rate {rate:g}": run.losses for rate, run in runs.items()}
    name = experiment.LOSS_NAMES[options.loss]

    figure = plots.new_figure(8, 4.8)
    ax = figure.subplots()
    plots.losses_panel(ax, curves, title=f"{trained.title}: loss for several learning rates", ylabel=name)
    plots.mark_epochs(ax, trained.losses, marks)
    files = [plots.save(figure, folder / "main" / "loss_curve.png")]

    figure = plots.new_figure(6.4, 4)
    show = plots.loss_panel(figure.subplots(), trained.losses, title=f"{trained.title}: training loss", ylabel=name)
    for mark in marks:
        show(mark)
        files.append(plots.save(figure, folder / "all_epochs" / f"epoch_{mark:03d}_loss.png"))
    files.append(gif(figure, show, range(options.epochs), folder / "all_epochs" / "loss_evolution.gif"))

    rows = [
        [f"{rate:g}", *(f"{run.losses[mark]:.4f}" for mark in marks), f"{run.accuracy:.1%}"]
        for rate, run in runs.items()
    ]
    did = [
        f"The same network, from the same weights, was trained with {len(runs)} learning rates:",
        "",
        *table(["learning rate", *(f"loss at epoch {mark}" for mark in marks), "right in the end"], rows),
    ]
    if len(runs) < len(FACTORS):
        did.append(f"({len(FACTORS) - len(runs)} more were tried and made the loss infinite.)")
    best = min(runs, key=lambda rate: float(runs[rate].losses[-1]))
    share = (trained.losses[0] - trained.losses[marks[1]]) / (trained.losses[0] - trained.losses[-1] or 1.0)
    pace = ": steep at first, ever slower after" if share > 0.6 else ""
    proves = (
        f"All curves start at {trained.losses[0]:.4f}. With learning rate {options.learning_rate:g}, {share:.0%} of "
        f"the improvement is there by epoch {marks[1]}{pace}. Of the rates tried, {best:g} ended lowest, at "
        f"{runs[best].losses[-1]:.4f}: the length of the step decides how far the same number of steps leads."
    )
    pictures = [files[0], files[-1], *files[1:-1]]
    return Report(TITLE, QUESTION, did, proves, files, experiment.loss_graph(trained)[1], pictures)


def rates(options: Options) -> dict[float, experiment.Run]:
    """Runs for learning rates round the chosen one, without those that diverge."""
    runs = {}
    for factor in FACTORS:
        rate = float(f"{factor * options.learning_rate:.6g}")
        try:
            runs[rate] = experiment.train(replace(options, learning_rate=rate))
        except DivergenceError:
            if factor == 1.0:
                raise
    return runs
