"""micrograd, in its own scalars."""

from __future__ import annotations

from micrograd.engine import Value

from ..workloads import Function, Network
from . import Run
from .scalars import ScalarNetwork


def build(label: str, workload: Network | Function) -> Run:
    """The two-moons network, and chains as long as its recursion allows."""
    return _network(workload) if isinstance(workload, Network) else _chain(workload)


def _network(workload: Network) -> Run:
    network = ScalarNetwork(Value, workload)

    def run(steps: int):
        losses = [network.step().data for _ in range(steps)]
        return lambda: losses

    return run


def _chain(workload: Function) -> Run:
    start = float(workload.data())

    def run(steps: int):
        for _ in range(steps):
            x = y = Value(start)
            for i in range(workload.size):
                y = y * x if i % 2 == 0 else y + x
            y.backward()
        return lambda: [y.data, x.grad**2]

    return run
