"""The loss surface under a training run: a plane through the weights, the loss everywhere in it, and the way taken.

Weights have too many directions to draw. The plane is spanned by the two in which the run moved most, the first two
principal components of its weights, through the last of them.

Source: Li, Xu, Taylor, Studer and Goldstein, "Visualizing the Loss Landscape of Neural Nets", NeurIPS 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import nn
from autograd import Tensor, no_grad
from nn.pictures import plots


def weight_plane(weights: Mapping[str, np.ndarray], *, size: int = 41, margin: float = 0.3) -> plots.Plane:
    """The plane of a run, without the losses in it.

    Args:
        weights: By name (epochs, ...), as `nn.record_weights` keeps them.
        size: Points of the grid along each axis.
        margin: Round the way, as a share of its extent.
    """
    path = np.concatenate([series.reshape(len(series), -1) for series in weights.values()], axis=1)
    moves = path - path[-1]
    _, lengths, directions = np.linalg.svd(moves, full_matrices=False)
    directions = directions[:2] if len(directions) > 1 else np.concatenate([directions, np.eye(1, path.shape[1])])
    signs = np.sign(directions[np.arange(2), np.abs(directions).argmax(axis=1)])
    directions = directions * signs[:, None]  # either sign would do: take the one that is the same everywhere
    way = moves @ directions.T
    low, high = way.min(axis=0), way.max(axis=0)
    room = margin * np.maximum(high - low, 0.3 * float((high - low).max()) or 1.0)
    across, up = (np.linspace(a, b, size) for a, b in zip(low - room, high + room))
    squares = lengths**2
    return plots.Plane(path[-1], directions, across, up, way, float(squares[:2].sum() / (squares.sum() or 1.0)))


def losses_in(
    plane: plots.Plane, model: nn.Module, loss: Callable[..., Any], X: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """The loss at every point of a plane; the model keeps its weights.

    Args:
        plane: Where in the space of the weights.
        model: Whose weights are meant.
        loss: Function of (prediction, target).
        X, y: The rows and their targets.

    Returns:
        An array (len(up), len(across)).
    """
    x, target = Tensor(X), Tensor(y)
    parameters = list(model.parameters())
    kept = [parameter.numpy() for parameter in parameters]
    ends = np.cumsum([parameter.size for parameter in parameters])[:-1]

    def at(point: tuple[float, float]) -> float:
        parts = np.split(plane.centre + np.array(point) @ plane.directions, ends)
        for parameter, part in zip(parameters, parts):
            parameter.assign(part.reshape(parameter.shape))
        return float(loss(model(x), target))

    with no_grad(), np.errstate(all="ignore"):
        found = np.array([[at((a, b)) for a in plane.across] for b in plane.up])
    for parameter, value in zip(parameters, kept):
        parameter.assign(value)
    return found
