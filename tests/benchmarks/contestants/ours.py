"""This project: the engine directly on Tensor, the layers of nn, and the compiled step with its backends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import autograd
from autograd import Tensor

from ..workloads import Array, Function, Network
from . import NotBuilt, Run
from .scalars import ScalarNetwork

Step = Callable[..., Tensor]

BACKENDS = {"ours numpy": "numpy", "ours native": "native", "ours native repeat": "native"}


def build(label: str, workload: Network | Function) -> Run:
    """Labels: "ours eager", "ours eager, nn", "ours numpy", "ours native", "ours native repeat"."""
    compiled = partial(_compiled, BACKENDS[label]) if label in BACKENDS else None
    if isinstance(workload, Function):
        return _function(workload, compiled)
    if workload.kind == "scalars":
        step, arguments = ScalarNetwork(partial(Tensor, requires_grad=True), workload).step, ()
    else:
        step = step_of_layers(workload) if label == "ours eager, nn" else step_on_tensors(workload)
        arguments = tuple(Tensor(a) for a in workload.data())
    if compiled is not None:
        step = compiled(step)
    return _repeated(step, arguments, workload.chunk) if "repeat" in label else _looped(step, arguments)


def _compiled(backend: str, step: Step) -> Step:
    """The step compiled for this backend, NotBuilt while that does not exist."""
    if not hasattr(autograd, "compile"):
        raise NotBuilt("autograd.compiler.decorator")
    if backend == "native":  # its compiler is loaded when it is first needed; the peers load theirs when imported
        import_module("llvmlite.binding")
    try:
        return autograd.compile(step, backend=backend)
    except autograd.errors.ArgumentError as error:
        raise NotBuilt(f"backend {backend!r}") from error


def _looped(step: Step, arguments: tuple[Tensor, ...]) -> Run:
    def run(steps: int):
        losses = [step(*arguments) for _ in range(steps)]
        return lambda: [loss.item() for loss in losses]

    return run


def _repeated(step: Any, arguments: tuple[Tensor, ...], chunk: int) -> Run:
    def run(steps: int):
        losses = [step.repeat(chunk, *arguments) for _ in range(steps // chunk)]
        return lambda: np.concatenate([np.asarray(getattr(part, "data", part)) for part in losses]).tolist()

    return run


# ----- networks -----

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": autograd.tanh,
    "relu": autograd.relu,
    "sigmoid": autograd.sigmoid,
    "identity": lambda x: x,
}


def loss_on_tensors(workload: Network, parameters: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """The loss with nothing but the engine."""
    h = x
    for weight, bias, activation in zip(parameters[::2], parameters[1::2], workload.activations, strict=True):
        h = ACTIVATIONS[activation](h @ weight + bias)
    if workload.loss == "mse":
        return autograd.mean((h - y) ** 2)
    if workload.loss == "cross_entropy":
        return -autograd.sum(y * autograd.log_softmax(h, axis=1)) / len(y.data)
    hinge = autograd.mean(autograd.relu(1 - y * h))
    return hinge + 1e-4 * sum(autograd.sum(p * p) for p in parameters)


def step_on_tensors(workload: Network) -> Step:
    """A training step by hand on Tensors."""
    parameters = [Tensor(a, requires_grad=True) for a in workload.parameters()]
    learning_rate = workload.learning_rate

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = loss_on_tensors(workload, parameters, x, y)
        for p in parameters:
            p.grad = None
        loss.backward()
        for p in parameters:
            p.data = p.data - learning_rate * p.grad
        return loss

    return step


def step_of_layers(workload: Network) -> Step:
    """The same step with layers, loss and optimizer of nn."""
    try:
        import nn
        from nn import optim

        activations = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid}
        loss_function = nn.mean_squared_error if workload.loss == "mse" else nn.cross_entropy
        dense, sequential = nn.Dense, nn.Sequential
    except (ImportError, AttributeError) as error:
        raise NotBuilt(str(error)) from error
    layers: list[Any] = []
    parameters = workload.parameters()
    for i, activation in enumerate(workload.activations):
        layer = dense(workload.sizes[i], workload.sizes[i + 1], dtype=workload.dtype)
        layer.weight.data, layer.bias.data = parameters[2 * i], parameters[2 * i + 1]
        layers += [layer] if activation == "identity" else [layer, activations[activation]()]
    model = sequential(*layers)
    optimizer = optim.SGD(model.parameters(), learning_rate=workload.learning_rate)

    def step(x: Tensor, y: Tensor) -> Tensor:
        loss = loss_function(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def gradients(workload: Network | Function) -> list[Array]:
    """The gradients before the first step, for the tests that compare them with those by hand."""
    if isinstance(workload, Function):
        x = Tensor(workload.data(), requires_grad=True)
        FUNCTIONS[workload.kind](x, workload.size).backward()
        return [x.grad]
    parameters = [Tensor(a, requires_grad=True) for a in workload.parameters()]
    x, y = workload.data()
    loss_on_tensors(workload, parameters, Tensor(x), Tensor(y)).backward()
    return [p.grad for p in parameters]


# ----- functions -----


def _function(workload: Function, compiled: Callable[[Step], Step] | None) -> Run:
    compute = FUNCTIONS[workload.kind]
    if workload.kind == "vector" and compiled is None:
        return _transformed(workload)
    x = Tensor(workload.data(), requires_grad=True)

    def value_and_gradient() -> Tensor:
        x.grad = None
        value = compute(x, workload.size)
        value.backward()
        return value

    step = compiled(value_and_gradient) if compiled is not None else value_and_gradient

    def run(steps: int):
        for _ in range(steps):
            value = step()
        return lambda: [value.item(), float((x.grad * x.grad).sum())]

    return run


def _transformed(workload: Function) -> Run:
    """Array in, value and gradient out: `autograd.value_and_grad`, as HIPS autograd has it."""
    x = workload.data()
    value_and_gradient = autograd.value_and_grad(FUNCTIONS[workload.kind])

    def run(steps: int):
        for _ in range(steps):
            value, gradient = value_and_gradient(x, workload.size)
        return lambda: [float(value), float((gradient * gradient).sum())]

    return run


def _chain(x: Tensor, size: int) -> Tensor:
    y = x
    for i in range(size):
        y = y * x if i % 2 == 0 else y + x
    return y


def _elementwise(x: Tensor, size: int) -> Tensor:
    return autograd.sum(autograd.tanh(x) / (1 + autograd.log1p(autograd.exp(x))))


def _vector(x: Tensor, size: int) -> Tensor:
    square = x * x
    return autograd.sum(autograd.tanh(autograd.sin(x) * x + autograd.exp(-square)) / (1 + square))


FUNCTIONS = {"chain": _chain, "elementwise": _elementwise, "vector": _vector}
