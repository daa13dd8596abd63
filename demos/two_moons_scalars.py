"""Two moons with nothing but single numbers: every weight, product and sum is a Tensor of shape ().

After the demonstration of Andrej Karpathy's micrograd: a network built from scalars and trained with the hinge loss and
a little weight decay.  Nothing is vectorised on purpose, so that the graph is the one drawn on a blackboard.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

import autograd
import nn
from autograd import Tensor
from demos.options import Options
from demos.report import Report
from nn import plots

TITLE = "Two moons, one number at a time"
QUESTION = "Does backpropagation need matrices? Here a network is built of single numbers, and nothing else."
POINTS = 50
DECAY = 1e-4

Numbers = Sequence[Tensor | float]


class Neuron:
    """relu(w · x + b), or without the relu, over scalar Tensors."""

    def __init__(self, inputs: int, rng: np.random.Generator, *, linear: bool = False) -> None:
        scale = (2.0 / inputs) ** 0.5
        self.weights = [Tensor(float(scale * rng.normal()), requires_grad=True) for _ in range(inputs)]
        self.bias = Tensor(0.0, requires_grad=True)
        self.linear = linear

    def __call__(self, x: Numbers) -> Tensor:
        """The neuron's answer, a Tensor of shape ()."""
        total = self.bias
        for weight, value in zip(self.weights, x):
            total = total + weight * value
        return total if self.linear else total.relu()


class Network:
    """Layers of neurons; the last is a single linear one, whose sign is the class."""

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        rng = np.random.default_rng(seed)
        sizes = [2, *widths]
        self.layers = [[Neuron(a, rng) for _ in range(b)] for a, b in pairwise(sizes)]
        self.layers.append([Neuron(sizes[-1], rng, linear=True)])

    def __call__(self, x: Numbers) -> Tensor:
        """The score of one point: positive for class 1."""
        for layer in self.layers:
            x = [neuron(x) for neuron in layer]
        score = x[0]
        assert isinstance(score, Tensor)
        return score

    def parameters(self) -> list[Tensor]:
        """All weights and biases."""
        neurons = [neuron for layer in self.layers for neuron in layer]
        return [parameter for neuron in neurons for parameter in [*neuron.weights, neuron.bias]]


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


def operations(loss: Tensor) -> int:
    """The number of operations recorded in the graph behind a loss."""
    return sum(node.creator is not None for node in autograd.tape(loss))


def run(options: Options) -> Report:
    """Train, and write loss and decision boundary."""
    X, y = nn.data.two_moons(POINTS, seed=options.seed)
    signs = 2.0 * y[:, 0] - 1.0
    network = Network(options.hidden, options.seed)
    parameters = network.parameters()
    losses, accuracies, count = [], [], 0
    start = time.perf_counter()
    for step in range(options.epochs):
        loss, accuracy = loss_of(network, X, signs)
        losses.append(loss.item())
        accuracies.append(accuracy)
        count = count or operations(loss)
        for parameter in parameters:
            parameter.zero_grad()
        loss.backward()
        rate = options.learning_rate * (1.0 - 0.9 * step / options.epochs)
        for parameter in parameters:
            parameter.data = parameter.data - rate * parameter.grad
    seconds = time.perf_counter() - start

    grid = plots.Grid.around(X, size=36)
    with autograd.no_grad():
        scores = np.array([network(point).item() for point in grid.points.tolist()])
        right = sum((network(point).item() > 0) == (sign > 0) for point, sign in zip(X.tolist(), signs)) / len(X)
    figure = plots.new_figure(10, 4.2)
    left, middle = figure.subplots(1, 2)
    plots.loss_panel(left, losses, title="Hinge loss with weight decay")
    title = f"Score of the network: {right:.0%} right"
    plots.boundary_panel(middle, grid, [0], scores[None], X, y, title=title, middle=0.0, spread=2.0)
    files = [plots.save(figure, options.out / "plots" / "two_moons_scalars" / "training.png")]

    shape = "-".join(map(str, (2, *options.hidden, 1)))
    did = [
        f"A {shape} network of {len(parameters)} scalar Tensors, {POINTS} points, {options.epochs} steps.",
        f"Each step records a graph of {count:,} operations and walks it backward; all steps took {seconds:.1f} s.",
        f"Loss {losses[0]:.4f} -> {losses[-1]:.4f}, rows right {accuracies[0]:.0%} -> {right:.0%}.",
    ]
    proves = (
        "The chain rule needs no matrices: a graph of sums, products and relus of single numbers is enough. Arrays "
        "only make the same graph shorter, and with it faster."
    )
    return Report(TITLE, QUESTION, did, proves, files)
