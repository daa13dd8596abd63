"""Backpropagation derived with pen and paper and written in NumPy, as a careful person would.

It is the oracle too: tests compare these gradients with those of the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..workloads import Array, Function, Network
from . import Run

HINGE_DECAY = 1e-4


def build(label: str, workload: Network | Function) -> Run:
    """The only contestant of this module."""
    return _network(workload) if isinstance(workload, Network) else _function(workload)


def _network(workload: Network) -> Run:
    x, y = workload.data()
    parameters = workload.parameters()
    learning_rate = workload.learning_rate

    def run(steps: int):
        losses = []
        for _ in range(steps):
            loss, gradients = loss_and_gradients(workload, parameters, x, y)
            losses.append(loss)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= learning_rate * gradient
        return lambda: losses

    return run


def loss_and_gradients(workload: Network, parameters: Sequence[Array], x: Array, y: Array) -> tuple[float, list[Array]]:
    """Loss of the network and its gradient for every parameter, in the order of `parameters`."""
    weights, biases, activations = parameters[::2], parameters[1::2], workload.activations
    values = [x]
    for weight, bias, activation in zip(weights, biases, activations, strict=True):
        z = values[-1] @ weight
        z += bias
        if activation == "tanh":
            np.tanh(z, out=z)
        elif activation == "relu":
            np.maximum(z, 0, out=z)
        elif activation == "sigmoid":
            z = 1 / (1 + np.exp(-z))
        values.append(z)

    loss, g = LOSSES[workload.loss](values[-1], y)
    gradients: list[Array] = []
    for i in range(len(weights) - 1, -1, -1):
        out = values[i + 1]
        if activations[i] == "tanh":
            g = g * (1 - out * out)
        elif activations[i] == "relu":
            g = g * (out > 0)
        elif activations[i] == "sigmoid":
            g = g * (out * (1 - out))
        gradients += [g.sum(axis=0), values[i].T @ g]
        if i:  # nobody asks for the gradient of the data
            g = g @ weights[i].T
    gradients.reverse()
    if workload.loss == "hinge":
        loss += HINGE_DECAY * sum(float((p * p).sum()) for p in parameters)
        gradients = [g + 2 * HINGE_DECAY * p for g, p in zip(gradients, parameters, strict=True)]
    return loss, gradients


def _mse(out: Array, y: Array) -> tuple[float, Array]:
    difference = out - y
    return (difference * difference).sum() / difference.size, difference * (2 / difference.size)


def _cross_entropy(out: Array, y: Array) -> tuple[float, Array]:
    shifted = out - out.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    totals = exponentials.sum(axis=1, keepdims=True)
    loss = (np.log(totals).sum() - (y * shifted).sum()) / len(y)
    return loss, (exponentials / totals - y) / len(y)


def _hinge(out: Array, y: Array) -> tuple[float, Array]:
    margin = 1 - y * out
    return np.maximum(margin, 0).sum() / len(y), -y * (margin > 0) / len(y)


LOSSES = {"mse": _mse, "cross_entropy": _cross_entropy, "hinge": _hinge}


def _function(workload: Function) -> Run:
    x = workload.data()
    compute = FUNCTIONS[workload.kind]

    def run(steps: int):
        for _ in range(steps):
            value, gradient = compute(x, workload.size)
        return lambda: [float(value), float((gradient * gradient).sum())]

    return run


def _chain(x: Array, size: int) -> tuple[Array, Array]:
    """Horner's scheme, with the derivative carried along: there is nothing to remember, so this is a lower bound."""
    start = y = float(x)
    dy = 1.0
    for i in range(size):
        if i % 2 == 0:
            dy = dy * start + y
            y = y * start
        else:
            dy += 1.0
            y += start
    return np.float64(y), np.float64(dy)


def _elementwise(x: Array, size: int) -> tuple[Array, Array]:
    t, e = np.tanh(x), np.exp(x)
    d = 1 + np.log1p(e)
    quotient = t / d
    return quotient.sum(), (1 - t * t - quotient * (e / (1 + e))) / d


def _vector(x: Array, size: int) -> tuple[Array, Array]:
    square, sine = x * x, np.sin(x)
    e = np.exp(-square)
    t = np.tanh(sine * x + e)
    d = 1 + square
    quotient = t / d
    inner = np.cos(x) * x + sine - 2 * x * e
    return quotient.sum(), ((1 - t * t) * inner - quotient * 2 * x) / d


FUNCTIONS = {"chain": _chain, "elementwise": _elementwise, "vector": _vector}
