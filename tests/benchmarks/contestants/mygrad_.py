"""MyGrad, with the activations and the loss of its own ``nnet``."""

from __future__ import annotations

import mygrad
from mygrad.nnet.activations import relu, sigmoid
from mygrad.nnet.losses import softmax_crossentropy

from ..workloads import Function, Network
from . import Run

ACTIVATIONS = {"tanh": mygrad.tanh, "relu": relu, "sigmoid": sigmoid, "identity": lambda x: x}


def build(label: str, workload: Network | Function) -> Run:
    """The only contestant of this module."""
    return _network(workload) if isinstance(workload, Network) else _function(workload)


def _network(workload: Network) -> Run:
    x, y = workload.data()
    parameters = [mygrad.tensor(a) for a in workload.parameters()]
    activations = [ACTIVATIONS[name] for name in workload.activations]
    labels = y.argmax(axis=1)

    def loss_of():
        h = x
        for weight, bias, activation in zip(parameters[::2], parameters[1::2], activations, strict=True):
            h = activation(mygrad.matmul(h, weight) + bias)
        return mygrad.mean((h - y) ** 2) if workload.loss == "mse" else softmax_crossentropy(h, labels)

    def run(steps: int):
        losses = []
        for _ in range(steps):
            loss = loss_of()
            loss.backward()
            losses.append(loss.data)
            for parameter in parameters:
                parameter.data -= workload.learning_rate * parameter.grad
        return lambda: [float(loss) for loss in losses]

    return run


def _function(workload: Function) -> Run:
    compute = FUNCTIONS[workload.kind]
    x = mygrad.tensor(workload.data())

    def run(steps: int):
        for _ in range(steps):
            value = compute(x, workload.size)
            value.backward()
        return lambda: [float(value.data), float((x.grad * x.grad).sum())]

    return run


def _chain(x, size: int):
    y = x
    for i in range(size):
        y = y * x if i % 2 == 0 else y + x
    return y


def _elementwise(x, size: int):
    return mygrad.sum(mygrad.tanh(x) / (1 + mygrad.log1p(mygrad.exp(x))))


def _vector(x, size: int):
    square = x * x
    return mygrad.sum(mygrad.tanh(mygrad.sin(x) * x + mygrad.exp(-square)) / (1 + square))


FUNCTIONS = {"chain": _chain, "elementwise": _elementwise, "vector": _vector}
