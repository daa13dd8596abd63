"""PyTorch: eager as its users write it, and ``torch.compile`` where it is fastest.

Compiling the loss alone leaves backward and update outside and is no faster than eager on small networks. So the
compiled contestant is the whole step as one function, through ``torch.func``.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ..workloads import Function, Network
from . import Run

MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda x: x}


def build(label: str, workload: Network | Function) -> Run:
    """Labels: "PyTorch eager" and "torch.compile"."""
    compiled = label == "torch.compile"
    if isinstance(workload, Function):
        return _compiled_function(workload) if compiled else _function(workload)
    return _compiled_network(workload) if compiled else _network(workload)


def _network(workload: Network) -> Run:
    x, y = (torch.from_numpy(a) for a in workload.data())
    parameters = workload.parameters()
    layers: list[nn.Module] = []
    for i, activation in enumerate(workload.activations):
        layer = nn.Linear(workload.sizes[i], workload.sizes[i + 1], dtype=x.dtype)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(parameters[2 * i].T))
            layer.bias.copy_(torch.from_numpy(parameters[2 * i + 1]))
        layers += [layer] if activation == "identity" else [layer, MODULES[activation]()]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=workload.learning_rate)
    criterion = nn.MSELoss() if workload.loss == "mse" else nn.CrossEntropyLoss()
    targets = y if workload.loss == "mse" else y.argmax(dim=1)

    def run(steps: int):
        losses = []
        for _ in range(steps):
            loss = criterion(model(x), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return lambda: [float(loss) for loss in losses]

    return run


def _compiled_network(workload: Network) -> Run:
    x, y = (torch.from_numpy(a) for a in workload.data())
    parameters = [torch.from_numpy(a) for a in workload.parameters()]
    activations = [ACTIVATIONS[name] for name in workload.activations]
    targets = y if workload.loss == "mse" else y.argmax(dim=1)
    criterion = functional.mse_loss if workload.loss == "mse" else functional.cross_entropy

    def loss_of(parameters, x, targets):
        h = x
        for weight, bias, activation in zip(parameters[::2], parameters[1::2], activations, strict=True):
            h = activation(h @ weight + bias)
        return criterion(h, targets)

    @torch.compile
    def step(parameters, x, targets):
        gradients, loss = torch.func.grad_and_value(loss_of)(parameters, x, targets)
        return [p - workload.learning_rate * g for p, g in zip(parameters, gradients, strict=True)], loss

    @torch.no_grad()
    def run(steps: int):
        nonlocal parameters
        losses = []
        for _ in range(steps):
            parameters, loss = step(parameters, x, targets)
            losses.append(loss)
        return lambda: [float(loss) for loss in losses]

    return run


def _function(workload: Function) -> Run:
    compute = FUNCTIONS[workload.kind]
    x = torch.from_numpy(workload.data()).requires_grad_()

    def run(steps: int):
        for _ in range(steps):
            x.grad = None
            value = compute(x, workload.size)
            value.backward()
        return lambda: [float(value), float((x.grad * x.grad).sum())]

    return run


def _compiled_function(workload: Function) -> Run:
    compute = torch.compile(torch.func.grad_and_value(FUNCTIONS[workload.kind]))
    x = torch.from_numpy(workload.data())

    @torch.no_grad()
    def run(steps: int):
        for _ in range(steps):
            gradient, value = compute(x, workload.size)
        return lambda: [float(value), float((gradient * gradient).sum())]

    return run


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
