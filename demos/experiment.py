"""Data, network and training as the options ask for, and everything that the pictures need from a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

import autograd
import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError
from nn import optim
from nn.pictures.plots import Grid

from .options import Options

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}
LOSSES: dict[str, Callable[..., Tensor]] = {"bce": nn.binary_cross_entropy, "mse": nn.mean_squared_error}
LOSS_NAMES = {"bce": "binary cross-entropy", "mse": "mean squared error"}
ROWS = 4  # whose loss is drawn as a graph: few enough that every number can be read
_MARKS = (0, 240, 340, 499)  # epochs of a run of 500 at which the pictures stop


def dataset(options: Options) -> tuple[np.ndarray, np.ndarray]:
    """The data that the options ask for.

    Returns:
        Points X (n, 2) and their classes y (n, 1), 0.0 and 1.0.

    Raises:
        ArgumentError: There is no data set of that name.
    """
    if options.dataset == "xor":
        return nn.data.xor()
    if options.dataset == "blobs":
        X, labels = nn.data.blobs(200, centers=2, seed=options.seed)
        return X, labels.astype(float).reshape(-1, 1)
    make = {"two_moons": nn.data.two_moons, "circles": nn.data.circles, "spirals": nn.data.spirals}
    if options.dataset not in make:
        raise ArgumentError(f"no data set is called {options.dataset!r}; there are xor, blobs, {', '.join(make)}")
    return make[options.dataset](200, seed=options.seed)


def network(options: Options) -> nn.MLP:
    """The untrained network: two inputs, the hidden layers, one output between 0 and 1."""
    return nn.MLP(
        [2, *options.hidden, 1],
        activation=ACTIVATIONS[options.activation],
        output_activation=nn.Sigmoid,
        seed=options.seed,
    )


def snapshot_epochs(epochs: int, of: tuple[int, ...] = _MARKS) -> tuple[int, ...]:
    """The epochs to stop at; for shorter or longer runs they move in proportion.

    >>> snapshot_epochs(500), snapshot_epochs(10)
    ((0, 240, 340, 499), (0, 4, 6, 9))
    """
    return tuple(dict.fromkeys(round(mark * (epochs - 1) / 499) for mark in of))


def weight_epochs(epochs: int, parts: int = 5) -> list[int]:
    """The epochs whose weights are kept in files.

    >>> weight_epochs(500)
    [0, 100, 200, 300, 400, 500]
    """
    return sorted({round(part * epochs / parts) for part in range(parts + 1)})


@dataclass(frozen=True)
class Run:
    """A finished training, as arrays.

    Attributes:
        options: What was asked for.
        X, y: The data (n, 2) and their classes (n, 1).
        model: After training.
        losses: Of the weights at the start of each epoch (epochs,).
        epochs: When the frames were taken, the last one after the last update.
        grid: Where the outputs were taken.
        frames: Outputs on the grid (len(epochs), size * size).
        weights: By name (len(epochs), ...).
        history: What the training returned.
    """

    options: Options
    X: np.ndarray
    y: np.ndarray
    model: nn.MLP
    losses: np.ndarray
    epochs: list[int]
    grid: Grid
    frames: np.ndarray
    weights: dict[str, np.ndarray]
    history: nn.History

    @property
    def title(self) -> str:
        """What pictures call the data set."""
        return self.options.dataset.replace("_", " ")

    @property
    def accuracy(self) -> float:
        """Share of the training rows that the trained network gets right."""
        return nn.accuracy(self.model.predict(self.X), self.y)


def loss_graph(trained: Run) -> tuple[Tensor, autograd.Picture]:
    """The loss of the first rows after training, and its graph with values and gradients."""
    x, y = Tensor(trained.X[:ROWS], name="x"), Tensor(trained.y[:ROWS], name="y")
    prediction = trained.model(x)
    prediction.name = "prediction"
    loss = LOSSES[trained.options.loss](prediction, y)
    loss.name = "loss"
    trained.model.zero_grad()
    with autograd.keep_grads():
        loss.backward(retain_graph=True)
    return loss, autograd.draw(loss, collapse="constants")


def step_source(options: Options) -> str:
    """The training step of these options as a NumPy program: forward, backward and update."""
    X, y = dataset(options)
    model = network(options)
    trainer = nn.Trainer(model, LOSSES[options.loss], optim.SGD(model.parameters(), options.learning_rate))
    return program(trainer, X, y)


def program(trainer: nn.Trainer, X: np.ndarray, y: np.ndarray) -> str:
    """The step of a trainer on rows X, y as a NumPy program; the step is made once."""
    step = autograd.compile(trainer.step, backend="numpy")
    step(Tensor(X), Tensor(y))
    return step.source


def train(options: Options) -> Run:
    """Train by gradient descent on all rows at once; asked again for the same settings, the same run is returned."""
    return _train(replace(options, out=Path()))


@lru_cache(maxsize=32)
def _train(options: Options) -> Run:
    X, y = dataset(options)
    model = network(options)
    grid = Grid.around(X)
    evenly = np.linspace(0, options.epochs - 1, min(options.epochs, 60)).round().astype(int)
    when = sorted(
        {*evenly.tolist(), *snapshot_epochs(options.epochs), *weight_epochs(options.epochs)} - {options.epochs}
    )
    history = model.fit(
        X,
        y,
        loss=LOSSES[options.loss],
        optimizer=optim.SGD(model.parameters(), learning_rate=options.learning_rate),
        epochs=options.epochs,
        batch_size=None,
        recorders=[nn.record_predictions(grid.points, at=when), nn.record_weights(at=when)],
        verbose=0,
    )
    weights, outputs = history.records["weights"], history.records["predictions"]
    return Run(
        options, X, y, model, np.array(history.loss), outputs.epochs, grid, outputs.series()[..., 0],
        {name: weights.series(name) for name in weights.values[0]}, history,
    )  # fmt: skip
