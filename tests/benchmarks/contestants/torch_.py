"""PyTorch as its users write it: eager, and with ``torch.compile``."""

from __future__ import annotations

import torch
from torch import nn

from ..workloads import Array, Function, Network
from . import Run

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "identity": nn.Identity}


def build(label: str, workload: Network | Function) -> Run:
    """Labels: "PyTorch eager" and "torch.compile"."""
    compiled = label == "torch.compile"
    return _network(workload, compiled) if isinstance(workload, Network) else _function(workload, compiled)


def _network(workload: Network, compiled: bool) -> Run:
    x, y = (torch.from_numpy(a) for a in workload.data())
    parameters = workload.parameters()
    layers: list[nn.Module] = []
    for i, activation in enumerate(workload.activations):
        layer = nn.Linear(workload.sizes[i], workload.sizes[i + 1], dtype=x.dtype)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(parameters[2 * i].T))
            layer.bias.copy_(torch.from_numpy(parameters[2 * i + 1]))
        layers += [layer] if activation == "identity" else [layer, ACTIVATIONS[activation]()]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=workload.learning_rate)
    criterion = nn.MSELoss() if workload.loss == "mse" else nn.CrossEntropyLoss()
    targets = y if workload.loss == "mse" else y.argmax(dim=1)

    def forward(x, targets):
        return criterion(model(x), targets)

    if compiled:
        forward = torch.compile(forward)

    def run(steps: int):
        losses = []
        for _ in range(steps):
            loss = forward(x, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return lambda: [float(loss) for loss in losses]

    return run


def _function(workload: Function, compiled: bool) -> Run:
    compute = torch.compile(FUNCTIONS[workload.kind]) if compiled else FUNCTIONS[workload.kind]
    x = torch.from_numpy(_writable(workload.data())).requires_grad_()

    def run(steps: int):
        for _ in range(steps):
            x.grad = None
            value = compute(x, workload.size)
            value.backward()
        return lambda: [float(value), float((x.grad * x.grad).sum())]

    return run


def _writable(array: Array) -> Array:
    return array.copy()


def _chain(x, size: int):
    y = x
    for i in range(size):
        y = y * x if i % 2 == 0 else y + x
    return y


def _elementwise(x, size: int):
    return (torch.tanh(x) / (1 + torch.log1p(torch.exp(x)))).sum()


def _vector(x, size: int):
    square = x * x
    return (torch.tanh(torch.sin(x) * x + torch.exp(-square)) / (1 + square)).sum()


FUNCTIONS = {"chain": _chain, "elementwise": _elementwise, "vector": _vector}
