"""What a training run leaves behind: the losses, and what recorders kept on the way."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd import Exploration
from autograd.core.errors import ArgumentError

from . import checks
from .module import Module, observe


@dataclass
class Record:
    """What one recorder kept.

    Attributes:
        epochs: Before the updates of which epoch each value was taken.  So 0 is the untrained model, and the last one,
            numbered as many epochs as were run, the trained one.
        values: What the recorder's function returned, one for each of these.
    """

    epochs: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def series(self, name: str | None = None) -> np.ndarray:
        """The values stacked along a new first axis.

        Args:
            name: Which, of values by name (weights, activations).

        Returns:
            An array (epochs, ...).

        Raises:
            ArgumentError: Nothing of that name was kept.

        >>> Record([0, 1], [{"w": np.zeros(2)}, {"w": np.ones(2)}]).series("w")
        array([[0., 0.],
               [1., 1.]])
        """
        if self.values and isinstance(self.values[0], dict) and name not in self.values[0]:
            raise ArgumentError(f"no series is called {name!r}; there are {', '.join(self.values[0])}")
        return np.array([value if name is None else value[name] for value in self.values])


@dataclass(frozen=True)
class Run:
    """What was trained: the model, the loss as a function of (prediction, target), the rows X and their targets y."""

    model: Module
    loss: Any
    X: np.ndarray
    y: np.ndarray


@dataclass
class History:
    """The loss of every epoch, and what else was asked for.

    Attributes:
        loss: Mean over the epoch's rows, each measured before the update it led to; after Ctrl-C, of the rows there was
            time for.
        validation_loss: Of the validation data, after each epoch.
        metrics: By name, after each epoch: of the validation data, or else of the training rows.
        records: One `Record` per recorder, by name.
        interrupted: Whether Ctrl-C ended the run.
        run: Where weights were recorded, references to the model, the loss and the data, for `explore`.

    >>> History(loss=[0.5, 0.25]).to_json()["loss"]
    [0.5, 0.25]
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    interrupted: bool = False
    run: Run | None = field(default=None, repr=False, compare=False)

    @property
    def epochs(self) -> int:
        """How many epochs were run."""
        return len(self.loss)

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers for `json.dump`; nan and inf, which JSON lacks, become None."""
        return {
            "loss": _plain(self.loss),
            "validation_loss": _plain(self.validation_loss),
            "metrics": _plain(self.metrics),
            "records": {
                name: {"epochs": list(record.epochs), "values": _plain(record.values)}
                for name, record in self.records.items()
            },
            "interrupted": self.interrupted,
        }

    def explore(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        rows: int = 4,
        max_epochs: int = 200,
        title: str = "",
        **options: Any,
    ) -> Exploration:
        """The run as one HTML page with a slider through its epochs.

        The slider moves everything together: the numbers in the graph of the loss, the loss curve, weights and
        gradients, and for inputs that are points of a plane the decision boundary and what each hidden unit answers.
        The run must have recorded its weights; all else is computed again, on a copy of the model.

        Args:
            path: Where to write it.
            rows: Rows of the data whose loss the graph is of, evenly spread.
            max_epochs: Epochs to show, evenly spread.
            title: Of the page.
            options: Those of `autograd.explore`.

        Returns:
            The page, with `.show()` and `.save(path)`.

        Raises:
            ArgumentError: No weights were recorded: train with `recorders=[nn.record_weights()]`.

        >>> import nn
        >>> X, y = nn.data.xor()
        >>> history = nn.MLP([2, 3, 1]).fit(X, y, loss=nn.binary_cross_entropy_with_logits, epochs=3, verbose=0,
        ...                                 recorders=[nn.record_weights()])
        >>> history.explore().title
        'MLP, 3 epochs: the loss of 4 of 4 rows'
        """
        from .pictures.pages import explore_run

        return explore_run(self, path, rows=rows, max_epochs=max_epochs, title=title, **options)

    def __repr__(self) -> str:
        last = f", loss {self.loss[0]:.4g} -> {self.loss[-1]:.4g}" if self.loss else ""
        kept = f", records {', '.join(self.records)}" if self.records else ""
        return f"History({self.epochs} epochs{last}{kept}{', interrupted' if self.interrupted else ''})"


class Recorder:
    """Keeps what a function says about the model in chosen epochs, and always of the trained model.

    Args:
        name: Of its record in `History.records`.
        function: Of the model.  It must return something that later training does not change: copies of arrays, not the
            arrays.
        every: Record every so many epochs,
        at: or those that are listed here.

    Raises:
        ArgumentError: `every` is no positive integer.

    >>> Recorder("norm", lambda model: 0.0, every=100)
    Recorder('norm', every=100)
    """

    def __init__(
        self, name: str, function: Callable[[Module], Any], *, every: int = 1, at: Iterable[int] | None = None
    ) -> None:
        if not isinstance(every, int) or every < 1:
            raise ArgumentError(f"every must be a positive number of epochs, not {every!r}")
        self.name, self.function, self.every = name, function, every
        self.at = None if at is None else frozenset(at)

    def wants(self, epoch: int) -> bool:
        """Whether to record before the updates of this epoch."""
        return epoch % self.every == 0 if self.at is None else epoch in self.at

    def __repr__(self) -> str:
        when = f"every={self.every}" if self.at is None else f"at={sorted(self.at)}"
        return f"Recorder({self.name!r}, {when})"


def record_weights(*, every: int = 1, at: Iterable[int] | None = None) -> Recorder:
    """Recorder "weights": copies of all parameters by path.

    Args:
        every, at: As for `Recorder`.

    >>> record_weights(every=10)
    Recorder('weights', every=10)
    """
    return Recorder("weights", _weights, every=every, at=at)


@checks.call("nn.record_predictions(X, every=10)")
def record_predictions(X: Any, *, every: int = 1, at: Iterable[int] | None = None) -> Recorder:
    """Recorder "predictions": the output for some rows, for example the points of a grid.

    Args:
        X: The rows (n, ...).
        every, at: As for `Recorder`.

    >>> record_predictions([[0.0, 1.0]], at=[0, 9])
    Recorder('predictions', at=[0, 9])
    """
    points = np.array(X)
    return Recorder("predictions", lambda model: model.predict(points), every=every, at=at)


@checks.call("nn.record_activations(X, every=10)")
def record_activations(X: Any, *, every: int = 1, at: Iterable[int] | None = None) -> Recorder:
    """Recorder "activations": what every layer returns for some rows, by path.

    Args:
        X: The rows (n, ...).
        every, at: As for `Recorder`.

    >>> record_activations([[0.0, 1.0]], every=10)
    Recorder('activations', every=10)
    """
    points = np.array(X)

    def activations(model: Module) -> dict[str, np.ndarray]:
        with observe(model) as outputs:
            model.predict(points)
        return {path: np.array(output.data) for path, output in outputs.items() if path}

    return Recorder("activations", activations, every=every, at=at)


def _weights(model: Module) -> dict[str, np.ndarray]:
    return {path: parameter.numpy() for path, parameter in model.named_parameters()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
