"""The two-moons network of micrograd in single scalars, for any class of scalar values.

Written once and given the class: micrograd's ``Value``, or ours as ``functools.partial(Tensor, requires_grad=True)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..workloads import Network
from .numpy_by_hand import HINGE_DECAY


class ScalarNetwork:
    """Weights, biases and inputs as single values; `step` makes one step of gradient descent."""

    def __init__(self, value: Callable[[float], Any], workload: Network) -> None:
        x, y = workload.data()
        self.value, self.rows, self.targets = value, x.tolist(), y[:, 0].tolist()
        self.learning_rate = workload.learning_rate
        parameters = workload.parameters()
        # one (weights, bias) pair per neuron, one list of neurons per layer
        self.layers = [
            [([value(float(w)) for w in weight[:, j]], value(float(bias[j]))) for j in range(len(bias))]
            for weight, bias in zip(parameters[::2], parameters[1::2], strict=True)
        ]
        self.parameters = [p for layer in self.layers for weights, bias in layer for p in (*weights, bias)]

    def score(self, row: list[float]) -> Any:
        """The network's output for one row."""
        signal = [self.value(number) for number in row]
        for depth, layer in enumerate(self.layers):
            signal = [sum((w * s for w, s in zip(weights, signal, strict=True)), bias) for weights, bias in layer]
            if depth < len(self.layers) - 1:
                signal = [s.relu() for s in signal]
        return signal[0]

    def loss(self) -> Any:
        """Mean hinge loss plus weight decay."""
        hinges = [(1 + -y * self.score(row)).relu() for row, y in zip(self.rows, self.targets, strict=True)]
        return sum(hinges) * (1.0 / len(hinges)) + HINGE_DECAY * sum(p * p for p in self.parameters)

    def step(self) -> Any:
        """Forward, backward, update; returns the loss."""
        loss = self.loss()
        for p in self.parameters:
            p.grad = 0.0
        loss.backward()
        for p in self.parameters:
            p.data = p.data - self.learning_rate * p.grad
        return loss
