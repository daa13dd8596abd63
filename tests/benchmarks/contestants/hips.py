"""HIPS autograd. Its package has our package's name, so it must run in an environment without ours."""

from __future__ import annotations

from autograd.scipy.special import expit, logsumexp

import autograd
import autograd.numpy as anp

from ..workloads import Function, Network
from . import Run

ACTIVATIONS = {"tanh": anp.tanh, "relu": lambda x: anp.maximum(x, 0), "sigmoid": expit, "identity": lambda x: x}


def build(label: str, workload: Network | Function) -> Run:
    """The only contestant of this module."""
    return _network(workload) if isinstance(workload, Network) else _function(workload)


def _network(workload: Network) -> Run:
    x, y = workload.data()
    parameters = workload.parameters()
    activations = [ACTIVATIONS[name] for name in workload.activations]

    def loss_of(parameters):
        h = x
        for weight, bias, activation in zip(parameters[::2], parameters[1::2], activations, strict=True):
            h = activation(anp.dot(h, weight) + bias)
        if workload.loss == "mse":
            return anp.mean((h - y) ** 2)
        return -anp.mean(anp.sum(y * (h - logsumexp(h, axis=1, keepdims=True)), axis=1))

    loss_and_gradients = autograd.value_and_grad(loss_of)

    def run(steps: int):
        losses = []
        for _ in range(steps):
            loss, gradients = loss_and_gradients(parameters)
            losses.append(loss)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= workload.learning_rate * gradient
        return lambda: losses

    return run


def _function(workload: Function) -> Run:
    x = workload.data()
    compute = autograd.value_and_grad(FUNCTIONS[workload.kind])
    argument = float(x) if workload.kind == "chain" else x

    def run(steps: int):
        for _ in range(steps):
            value, gradient = compute(argument, workload.size)
        return lambda: [float(value), float((gradient * gradient).sum())]

    return run


def _chain(x, size: int):
    y = x
    for i in range(size):
        y = y * x if i % 2 == 0 else y + x
    return y


def _elementwise(x, size: int):
    return anp.sum(anp.tanh(x) / (1 + anp.log1p(anp.exp(x))))


def _vector(x, size: int):
    square = x * x
    return anp.sum(anp.tanh(anp.sin(x) * x + anp.exp(-square)) / (1 + square))


FUNCTIONS = {"chain": _chain, "elementwise": _elementwise, "vector": _vector}
