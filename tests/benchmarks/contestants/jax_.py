"""JAX: one jitted step per call, and ``jax.lax.scan`` over many steps in one call."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..workloads import Function, Network
from . import Run

jax.config.update("jax_enable_x64", True)

ACTIVATIONS = {"tanh": jnp.tanh, "relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "identity": lambda x: x}


def build(label: str, workload: Network | Function) -> Run:
    """Labels: "jax.jit" and "jax.lax.scan"."""
    if isinstance(workload, Function):
        return _function(workload)
    return _network(workload, scan=label == "jax.lax.scan")


def _network(workload: Network, scan: bool) -> Run:
    x, y = (jnp.asarray(a) for a in workload.data())
    parameters = [jnp.asarray(a) for a in workload.parameters()]
    activations = [ACTIVATIONS[name] for name in workload.activations]

    def loss_of(parameters, x, y):
        h = x
        for weight, bias, activation in zip(parameters[::2], parameters[1::2], activations, strict=True):
            h = activation(h @ weight + bias)
        if workload.loss == "mse":
            return jnp.mean((h - y) ** 2)
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(h), axis=1))

    def step(parameters, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return [p - workload.learning_rate * g for p, g in zip(parameters, gradients, strict=True)], loss

    @jax.jit
    def chunk_of_steps(parameters, x, y):
        return jax.lax.scan(lambda p, _: step(p, x, y), parameters, length=workload.chunk)

    jitted = chunk_of_steps if scan else jax.jit(step)

    def run(steps: int):
        nonlocal parameters
        losses = []
        for _ in range(steps // workload.chunk if scan else steps):
            parameters, loss = jitted(parameters, x, y)
            losses.append(loss)
        jax.block_until_ready((parameters, losses))
        return lambda: np.concatenate([np.atleast_1d(loss) for loss in losses]).tolist()

    return run


def _function(workload: Function) -> Run:
    compute = jax.jit(jax.value_and_grad(FUNCTIONS[workload.kind]))
    x = jnp.asarray(workload.data())

    def run(steps: int):
        for _ in range(steps):
            value, gradient = compute(x)
        jax.block_until_ready((value, gradient))
        return lambda: [float(value), float((gradient * gradient).sum())]

    return run


def _elementwise(x):
    return jnp.sum(jnp.tanh(x) / (1 + jnp.log1p(jnp.exp(x))))


def _vector(x):
    square = x * x
    return jnp.sum(jnp.tanh(jnp.sin(x) * x + jnp.exp(-square)) / (1 + square))


FUNCTIONS = {"elementwise": _elementwise, "vector": _vector}
