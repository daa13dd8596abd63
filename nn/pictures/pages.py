"""Pages to walk through: what a model computes, and a whole training run, epoch by epoch.

Of a run only the weights have to be recorded; everything else is computed from them again, on a copy of the model.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd
from autograd import Exploration, Tensor, no_grad, panels
from autograd.core.errors import ArgumentError

from .. import checks
from ..history import History, Run
from ..loss import LossFunction
from ..module import Model, evaluating, observe

_SIDE = 49  # points of the grid along each axis; every second one for hidden units
_MOST_ROWS = 1000  # that gradients are taken over
_MOST_UNITS = 32  # of one layer that are shown
_MOST_POINTS = 400


@checks.call("nn.explore(model, X, y, loss=nn.MSE())")
def explore(
    model: Model,
    X: Any,
    y: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    loss: LossFunction | None = None,
    rows: int = 4,
    title: str = "",
    **options: Any,
) -> Exploration:
    """What a model computes for a few rows, as one HTML page to walk through, number by number.

    A whole training run as a page is `History.explore`.

    Args:
        model: A `Module` or a `NeuralNetwork`; it runs in evaluation mode.
        X: Rows of inputs (n, ...).
        y: Their targets (n, ...). With these the page ends in the loss, and gradients flow back from there.
        path: Where to write the page, too, ending in .html.
        loss: Function of (prediction, target); a `NeuralNetwork` has its own.
        rows: How many of the rows to take, evenly spread.
        title: Of the page.
        options: Those of `autograd.explore`.

    Returns:
        The page, which notebooks show and which has `.show()` and `.save(path)`.

    Raises:
        DTypeError: What is given is no model.
        ArgumentError: Targets without a loss, or a bad number of rows.
        RenderError: There is no Graphviz program.

    >>> import nn
    >>> X, y = nn.data.xor()
    >>> nn.explore(nn.MLP([2, 3, 1]), X, y, loss=nn.MSE()).title
    'MLP: the loss of 4 of 4 rows'
    """
    module = checks.module(model)
    X = checks.rows(X, "X", checks.dtype(module))
    chosen = _spread(len(X), checks.count("rows", rows))
    x = Tensor(X[chosen], name="x")
    loss = checks.loss(model, loss) if y is not None else None
    with evaluating(module):
        output = module(x)
        what = "output for"
        if loss is not None:
            if isinstance(output, Tensor) and output.name is None:
                output.name = "prediction"
            output = loss(output, Tensor(checks.rows(y, "y", None)[chosen], name="y"))
            what = "loss of"
    if isinstance(output, Tensor):
        output.name = output.name or what.split()[0]
    title = title or f"{type(module).__name__}: the {what} {len(chosen)} of {len(X)} rows"
    return autograd.explore(output, path, title=title, **options)


def explore_run(
    history: History, path: str | os.PathLike[str] | None, *, rows: int, max_epochs: int, title: str, **options: Any
) -> Exploration:
    """The page of a training run; see `History.explore`."""
    run, record = history.run, history.records.get("weights")
    if run is None or record is None:
        every = max(1, history.epochs // max_epochs)
        raise ArgumentError(
            "this run kept no weights to go back to: train with recorders=[nn.record_weights("
            f"{f'every={every}' if every > 1 else ''})]"
        )
    rows, max_epochs = checks.count("rows", rows), checks.count("max_epochs", max_epochs)
    kept = _spread(len(record.values), max_epochs)
    replay = _Replay(run, rows)
    length = f"{history.epochs} epoch{'s' * (history.epochs != 1)}"
    return autograd.explore(
        replay.losses([record.values[i] for i in kept]),
        path,
        moments=[record.epochs[i] for i in kept],
        panels=replay.panels_of(history),
        title=title or f"{type(run.model).__name__}, {length}: the loss of {replay.rows} of {len(run.X)} rows",
        **options,
    )


def _spread(n: int, most: int) -> list[int]:
    """Up to so many of the first n numbers, evenly spread, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, n - 1, min(most, n)).tolist()})


class _Replay:
    """The model with the weights of one epoch after the other, and what was seen on the way."""

    def __init__(self, run: Run, rows: int) -> None:
        self.run, self.rows = run, min(rows, len(run.X))
        self.model = copy.deepcopy(run.model)
        self.model.eval()
        self.chosen = _spread(len(run.X), rows)
        self.grid, self.extent = _grid(run.X)
        self.names = [parameter.name or path for path, parameter in self.model.named_parameters()]
        self.weights: list[list[np.ndarray]] = []
        self.gradients: list[list[np.ndarray]] = []
        self.maps: dict[str, list[np.ndarray]] = {}
        self.outputs: list[np.ndarray] = []

    def losses(self, snapshots: list[dict[str, np.ndarray]]) -> Iterator[Tensor]:
        """The loss of the chosen rows with each of the weights, one after the other on the same tensors."""
        X, y = self.run.X, self.run.y
        parameters = dict(self.model.named_parameters())
        for snapshot in snapshots:
            for path, parameter in parameters.items():
                parameter.data = snapshot[path]
            with np.errstate(all="ignore"):
                whole = self.run.loss(self.model(Tensor(X[:_MOST_ROWS])), Tensor(y[:_MOST_ROWS]))
                whole.backward()
            self.weights.append([snapshot[path] for path in parameters])
            self.gradients.append([
                np.zeros(parameter.shape) if parameter.grad is None else parameter.grad
                for parameter in parameters.values()
            ])  # fmt: skip
            self.model.zero_grad()
            self._look()
            yield self._loss()

    def _loss(self) -> Tensor:
        x, t = Tensor(self.run.X[self.chosen], name="x"), Tensor(self.run.y[self.chosen], name="y")
        prediction = self.model(x)
        if isinstance(prediction, Tensor) and prediction.name is None:
            prediction.name = "prediction"
        loss: Tensor = self.run.loss(prediction, t)
        loss.name = loss.name or "loss"
        return loss

    def _look(self) -> None:
        """What the units and the output are on the grid, where the inputs are points of a plane."""
        if self.grid is None:
            return
        try:
            with no_grad(), np.errstate(all="ignore"), observe(self.model) as seen:
                output = self.model(Tensor(self.grid))
        except (IndexError, ValueError):  # two columns of indices, say, are no points of a plane
            self.grid = None
            return
        self.outputs.append(output.numpy().reshape(_SIDE, _SIDE, -1))
        for path, module in self.model.named_modules():
            values = seen.get(path)
            # What comes out of an activation, not what goes into it, nor what a whole network returns.
            if isinstance(values, Tensor) and values is not output and values.ndim == 2 and not module.members():
                units = values.numpy().reshape(_SIDE, _SIDE, -1)[::2, ::2, :_MOST_UNITS]
                self.maps.setdefault(path, []).append(units.transpose(2, 0, 1))

    def panels_of(self, history: History) -> Iterator[panels.Panel]:
        """Curves, decision boundary, hidden units, weights; to be asked for after the last of the losses."""
        yield from _curves(history)
        if self.outputs:
            yield self._boundary(np.array(self.outputs))
        for number, (path, maps) in enumerate(self.maps.items(), start=1):
            units = np.array(maps)
            shown = {str(unit): units[:, unit] for unit in range(units.shape[1])}
            yield panels.Maps(f"Hidden layer {number} ({path}): the answer of each unit", shown, self.extent)
        arrays = {
            name: (np.array([w[i] for w in self.weights]), np.array([g[i] for g in self.gradients]))
            for i, name in enumerate(self.names)
        }
        total = min(len(self.run.X), _MOST_ROWS)
        which = "all" if total == len(self.run.X) else "the first"
        note = f"Gradients here are those of {which} {total} rows; in the graph, of its {self.rows}."
        yield panels.Arrays("Weights and gradients", arrays, note)

    def _boundary(self, outputs: np.ndarray) -> panels.Maps:
        """Where the output is as near to the one class as to the other; of several classes, where each one wins."""
        X, y = self.run.X[:_MOST_POINTS], self.run.y
        count = outputs.shape[-1]
        if count > 1 and y.ndim == 1 and y.dtype.kind in "iu":
            others = [np.delete(outputs, label, axis=-1).max(axis=-1) for label in range(count)]
            maps = {f"class {label}": outputs[..., label] - others[label] for label in range(count)}
            title = "Decision boundaries: orange where the class wins"
            return panels.Maps(
                title,
                maps,
                self.extent,
                0.0,
                True,
                X,
                y[:_MOST_POINTS],
                "Triangles are the rows of that class, circles those of the others.",
            )
        if count > 1:
            return panels.Maps("Outputs", {f"output {i}": outputs[..., i] for i in range(count)}, self.extent)
        maps = {"output": outputs[..., 0]}
        if len(np.unique(y)) != 2:
            return panels.Maps("Output", maps, self.extent)
        centre = 0.5 if outputs.min() >= 0 and outputs.max() <= 1 else 0.0
        title = f"Decision boundary: where the output is {centre:g}"
        classes = y[:_MOST_POINTS].reshape(-1) == y.max()
        note = f"Triangles are the rows whose target is {y.max():g}, circles those whose target is {y.min():g}."
        return panels.Maps(title, maps, self.extent, centre, True, X, classes, note)


def _grid(X: np.ndarray) -> tuple[np.ndarray | None, tuple[float, float, float, float]]:
    """Points around the data, and the area they fill; no points where the data do not lie in a plane."""
    if X.ndim != 2 or X.shape[1] != 2:
        return None, (0.0, 1.0, 0.0, 1.0)
    low, high = X.min(axis=0), X.max(axis=0)
    low, high = low - 0.15 * (high - low) - 1e-3, high + 0.15 * (high - low) + 1e-3
    x, y = (np.linspace(low[axis], high[axis], _SIDE) for axis in (0, 1))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(X.dtype)
    return points, (float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def _curves(history: History) -> Iterator[panels.Panel]:
    """Losses over the epochs: of training measured before the updates of an epoch, of validation after them."""
    gap = [float("nan")]
    x = np.arange(history.epochs + 1)
    lines = {"loss": [*history.loss, *gap]}
    if history.validation_loss:
        lines["validation loss"] = gap + history.validation_loss
    yield panels.Curve("Loss", x, lines)
    if history.metrics:
        yield panels.Curve("Metrics", x, {name: gap + values for name, values in history.metrics.items()})
