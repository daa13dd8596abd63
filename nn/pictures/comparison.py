"""Training runs beside each other, as one moving picture."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autograd.core.errors import ArgumentError

from ..history import History


def compare_gif(
    runs: Sequence[History] | Mapping[str, History],
    path: str | os.PathLike[str],
    *,
    max_frames: int = 40,
    **options: Any,
) -> Path:
    """Write a GIF of training runs side by side, all at the same epoch and with the same axes and colours.

    Above, every run's loss. Below, where the inputs are points of a plane, the targets two classes and the output one
    number, and where every run recorded its weights (`recorders=[nn.record_weights()]`), its decision boundary.

    Args:
        runs: One or several, by name or in a list; a run that ended earlier stays at its end.
        path: File to write.
        max_frames: Epochs to show, evenly spread, always the first and the last.
        options: Those of `autograd.write_gif`: frame_ms, hold_ms and limit.

    Returns:
        The path.

    Raises:
        ArgumentError: There is no run, or one without epochs.

    >>> import nn, tempfile
    >>> X, y = nn.data.xor()
    >>> def run(activation):
    ...     model = nn.MLP([2, 4, 1], activation=activation, output_activation=nn.Sigmoid)
    ...     return model.fit(X, y, loss=nn.binary_cross_entropy, epochs=3, verbose=0, recorders=[nn.record_weights()])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.compare_gif({"tanh": run(nn.Tanh), "relu": run(nn.ReLU)}, f"{folder}/runs.gif").name
    'runs.gif'
    """
    from . import plots  # matplotlib is only loaded when it is needed
    from .animation import gif

    named = dict(runs) if isinstance(runs, Mapping) else {f"run {i}": run for i, run in enumerate(runs, start=1)}
    if not named or not all(isinstance(run, History) and run.loss for run in named.values()):
        raise ArgumentError("compare_gif needs training runs, the History objects that fit and train return: "
                            "write compare_gif([first, second], 'runs.gif')")  # fmt: skip
    histories = list(named.values())
    planes = [_plane(run, max_frames) for run in histories]
    rows = 2 if all(planes) else 1
    figure = plots.new_figure(max(4.0 * len(named), 4.6), 3.2 * rows)
    axes = figure.subplots(rows, len(named), squeeze=False)
    losses = [run.loss for run in histories]
    shows = [plots.loss_panel(ax, run.loss, title=name, like=losses) for ax, (name, run) in zip(axes[0], named.items())]
    frames = {*np.linspace(0, max(run.epochs for run in histories), max_frames).round().astype(int).tolist()}
    if rows == 2:
        outputs = np.concatenate([plane["frames"].ravel() for plane in planes if plane])
        middle = 0.5 if outputs.min() >= 0 and outputs.max() <= 1 else 0.0
        spread = 0.5 if middle else float(np.percentile(np.abs(outputs), 90)) or 1.0
        for ax, plane in zip(axes[1], planes):
            shows.append(plots.boundary_panel(ax, **(plane or {}), title="boundary", middle=middle, spread=spread))
    shows = [_until(show, run.epochs) for show, run in zip(shows, histories * rows)]
    return gif(figure, plots.together(*shows), sorted(frames), Path(path), max_frames=max_frames, **options)


def _until(show: Callable[[int], None], last: int) -> Callable[[int], None]:
    """A run that has ended stays at its end."""
    return lambda epoch: show(min(epoch, last))


def _plane(history: History, most: int) -> dict[str, Any] | None:
    """What `boundary_panel` draws: the outputs on a grid at epochs that have their weights; None where it cannot be."""
    from .plots import Grid

    run, record = history.run, history.records.get("weights")
    if run is None or record is None or run.X.ndim != 2 or run.X.shape[1] != 2:
        return None
    values = np.unique(run.y)
    if len(values) != 2 or run.y.size != len(run.X):
        return None
    model = copy.deepcopy(run.model)
    parameters = dict(model.named_parameters())
    grid = Grid.around(run.X, size=80)
    kept = np.unique(np.linspace(0, len(record.epochs) - 1, most).round().astype(int)).tolist()
    frames = []
    for index in kept:
        for name, value in record.values[index].items():
            parameters[name].assign(value)
        frames.append(model.predict(grid.points).reshape(len(grid.points), -1))
    if frames[0].shape[1] != 1:
        return None
    return {"grid": grid, "epochs": [record.epochs[index] for index in kept], "frames": np.stack(frames)[..., 0],
            "X": run.X, "y": (run.y.reshape(-1) == values[1]).astype(float)}  # fmt: skip
