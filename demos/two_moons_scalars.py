"""Two moons with nothing but single numbers: every weight, product and sum is a Tensor of shape ().

After the demonstration of Andrej Karpathy's micrograd: a network built from scalars and trained with the hinge loss and
a little weight decay.  Nothing is vectorised on purpose, so that the graph is the one drawn on a blackboard.  Then the
very same network sees all points at once: `vmap` turns each of its operations on numbers into one on a vector of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

import autograd
import nn
from autograd import Tensor
from nn.pictures import plots

from . import slides
from .options import Options
from .report import Report

TITLE = "Two moons, one number at a time"
QUESTION = "Does backpropagation need matrices? Here a network is built of single numbers, and nothing else."
POINTS = 50
DECAY = 1e-4

Numbers = Sequence[Tensor | float] | Tensor  # a Tensor of two elements gives them one by one


class Neuron:
    """relu(w · x + b), or without the relu, over scalar Tensors."""

    def __init__(self, inputs: int, rng: np.random.Generator, name: str, *, linear: bool = False) -> None:
        scale = (2.0 / inputs) ** 0.5
        self.weights = [Tensor(float(scale * rng.normal()), requires_grad=True) for _ in range(inputs)]
        self.bias = Tensor(0.0, requires_grad=True)
        self.linear = linear
        self.scope = autograd.scope(name)

    def __call__(self, x: Numbers) -> Tensor:
        """The neuron's answer, a Tensor of shape ()."""
        with self.scope:
            total = self.bias
            for weight, value in zip(self.weights, x):
                total = total + weight * value
            return total if self.linear else total.relu()


class Network:
    """Layers of neurons; the last is a single linear one, whose sign is the class."""

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        sizes = [2, *widths]
        self.layers = [[Neuron(a, rng, f"neuron_{i}") for i in range(b)] for a, b in pairwise(sizes)]
        self.layers.append([Neuron(sizes[-1], rng, "score", linear=True)])

    def __call__(self, x: Numbers) -> Tensor:
        """The score of one point: positive for class 1."""
        for depth, layer in enumerate(self.layers):
            with autograd.scope(f"layer_{depth}"):
                x = [neuron(x) for neuron in layer]
        score = x[0]
        assert isinstance(score, Tensor)
        return score

    def parameters(self) -> list[Tensor]:
        """All weights and biases."""
        neurons = [neuron for layer in self.layers for neuron in layer]
        return [parameter for neuron in neurons for parameter in [*neuron.weights, neuron.bias]]


Loss = Callable[[Network, np.ndarray, np.ndarray], tuple[Tensor, float]]


def loss_of(network: Network, X: np.ndarray, signs: np.ndarray) -> tuple[Tensor, float]:
    """The mean of max(0, 1 - sign * score) over the points, plus weight decay; and the share of them that is right."""
    total, right = Tensor(0.0), 0
    for point, sign in zip(X.tolist(), signs.tolist()):
        score = network(point)
        total = total + (1.0 - sign * score).relu()
        right += (score.item() > 0) == (sign > 0)
    decay = Tensor(0.0)
    for parameter in network.parameters():
        decay = decay + parameter * parameter
    return total / float(len(X)) + DECAY * decay, right / len(X)


def loss_of_all(network: Network, X: np.ndarray, signs: np.ndarray) -> tuple[Tensor, float]:
    """The same loss and share with every operation done once for all points."""

    def of_one(point: Tensor, sign: Tensor) -> tuple[Tensor, Tensor]:
        score = network(point)
        return (1.0 - sign * score).relu(), (score > 0) == (sign > 0)

    margins, right = autograd.vmap(of_one)(X, signs)
    decay = sum((parameter * parameter for parameter in network.parameters()), Tensor(0.0))
    return margins.mean() + DECAY * decay, float(np.mean(right.data))


def operations(loss: Tensor) -> int:
    """The number of operations recorded in the graph behind a loss."""
    return sum(node.creator is not None for node in autograd.tape(loss))


@dataclass
class Training:
    """What a training left: per step, the size of the graph of one step, and the time of all."""

    losses: list[float]
    accuracies: list[float]
    operations: int
    seconds: float


def train(network: Network, loss_of: Loss, X: np.ndarray, signs: np.ndarray, options: Options) -> Training:
    """Gradient descent on all points with a falling learning rate."""
    parameters = network.parameters()
    done = Training([], [], 0, 0.0)
    start = time.perf_counter()
    for step in range(options.epochs):
        loss, accuracy = loss_of(network, X, signs)
        done.losses.append(loss.item())
        done.accuracies.append(accuracy)
        done.operations = done.operations or operations(loss)
        for parameter in parameters:
            parameter.zero_grad()
        loss.backward()
        rate = options.learning_rate * (1.0 - 0.9 * step / options.epochs)
        for parameter in parameters:
            parameter.data = parameter.data - rate * parameter.grad
    done.seconds = time.perf_counter() - start
    return done


def run(options: Options) -> Report:
    """Train, and write loss and decision boundary."""
    X, y = nn.data.two_moons(POINTS, seed=options.seed)
    signs = 2.0 * y[:, 0] - 1.0
    network = Network(options.hidden, options.seed)
    one_by_one = train(network, loss_of, X, signs, options)
    together = train(Network(options.hidden, options.seed), loss_of_all, X, signs, options)
    difference = float(np.max(np.abs(np.subtract(one_by_one.losses, together.losses))))
    losses, accuracies = one_by_one.losses, one_by_one.accuracies

    grid = plots.Grid.around(X, size=36)
    with autograd.no_grad():
        scores = autograd.vmap(network)(grid.points)
        margins = autograd.vmap(network)(X) * signs
        right = np.mean(margins > 0)
    title = f"Score of the network: {right:.0%} right"
    panels = [
        partial(plots.loss_panel, losses=losses, title="Hinge loss with weight decay"),
        partial(
            plots.boundary_panel,
            grid=grid,
            epochs=[0],
            frames=scores[None],
            X=X,
            y=y,
            title=title,
            middle=0.0,
            spread=2.0,
        ),
    ]
    folder = options.out / "plots" / "two_moons_scalars"
    names = ("loss.png", "decision_boundary.png")
    files = [slides.save_panel(panel, folder / name) for panel, name in zip(panels, names)]
    worst = int(np.argmin(margins))
    graph = _graph(network, X[worst], signs[worst])
    slide = slides.graph_and_panels(graph, panels, "Loss of the point with the least right score, every neuron folded")
    files.append(plots.save(slide, folder / "graph_beside_training.png", dpi=180))

    shape = "-".join(map(str, (2, *options.hidden, 1)))
    did = [
        f"A {shape} network of {len(network.parameters())} scalar Tensors, {POINTS} points, {options.epochs} steps.",
        f"Each step records a graph of {one_by_one.operations:,} operations and walks it backward; all steps took "
        f"{one_by_one.seconds:.1f} s.",
        f"Loss {losses[0]:.4f} -> {losses[-1]:.4f}, rows right {accuracies[0]:.0%} -> {right:.0%}.",
        f"The same steps again with vmap over the points: {together.operations:,} operations on vectors, "
        f"{together.seconds:.1f} s, {one_by_one.seconds / together.seconds:.0f} times faster; the losses differ by at most "
        f"{difference:.0e}.",
    ]
    proves = (
        "The chain rule needs no matrices: a graph of sums, products and relus of single numbers is enough. Arrays "
        "only make the same graph shorter, and with it faster: vmap does so without a change to the network."
    )
    return Report(TITLE, QUESTION, did, proves, files, graph, files[:2])


def _graph(network: Network, point: np.ndarray, sign: float) -> autograd.Picture:
    """What one point adds to the loss, with the neurons as nodes."""
    x1, x2 = (Tensor(float(value), name=name) for name, value in zip(("x1", "x2"), point))
    loss = (1.0 - float(sign) * network((x1, x2))).relu()
    loss.name = "loss"
    for parameter in network.parameters():
        parameter.zero_grad()
    with autograd.keep_grads():
        loss.backward()
    return autograd.draw(loss, depth=1, direction="LR")
