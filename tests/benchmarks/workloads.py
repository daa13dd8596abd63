"""What the contestants compute: data, first weights and definition of every workload, by seeds and NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Workload:
    """What all share: a name for the command line, a title for people, a kind for the contestants' dispatch."""

    name: str
    title: str
    kind: str
    dtype: str = "float64"
    chunk: int = 1  # steps in one call of the contestants whose loop over steps is inside (scan, repeat)
    check_steps: int = 1  # results compared before anything is timed
    per_step: int = 1  # operations per step, where the table counts time per operation

    @property
    def tolerance(self) -> float:
        """Largest relative difference of a result from the median of all contestants'.

        Orders of summation differ between libraries, so the last bits do; a wrong gradient shows in the second loss, at
        a relative size of the learning rate.
        """
        return 1e-9 if self.dtype == "float64" else 1e-4


@dataclass(frozen=True)
class Network(Workload):
    """Training steps of a dense network by plain gradient descent on one batch.

    ``x @ weight + bias`` per layer, `activation` after every layer but the last, `last` after the last. The loss is
    `"mse"` (mean over all elements), `"cross_entropy"` (mean over rows, targets one-hot) or `"hinge"`
    (mean of ``relu(1 - y * score)`` plus ``1e-4`` times the sum of all squared parameters).
    """

    sizes: tuple[int, ...] = ()
    activation: str = "tanh"
    last: str = "identity"
    loss: str = "mse"
    rows: int = 4
    learning_rate: float = 0.1

    def data(self) -> tuple[Array, Array]:
        """Inputs (rows, sizes[0]) and targets (rows, sizes[-1])."""
        rng = np.random.default_rng(1)
        if self.name.startswith("xor"):
            x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
            y = x[:, :1] ^ x[:, 1:]
        elif self.loss == "hinge":
            x, y = two_moons(self.rows, rng)
        else:
            x = rng.standard_normal((self.rows, self.sizes[0]))
            if self.loss == "cross_entropy":
                y = np.eye(self.sizes[-1])[rng.integers(self.sizes[-1], size=self.rows)]
            else:
                y = np.sin(x[:, :1]) * x[:, 1:2] * np.ones(self.sizes[-1])
        return x.astype(self.dtype), y.astype(self.dtype)

    def parameters(self) -> list[Array]:
        """First weights and biases in the order weight, bias, weight, bias ..."""
        rng = np.random.default_rng(2)
        gain = 2.0 if self.activation == "relu" else 1.0
        parameters = []
        for rows, columns in zip(self.sizes, self.sizes[1:], strict=False):
            weight = rng.standard_normal((rows, columns)) * np.sqrt(gain / rows)
            parameters += [weight.astype(self.dtype), np.zeros(columns, self.dtype)]
        return parameters

    @property
    def activations(self) -> list[str]:
        """The activation after each layer."""
        return [self.activation] * (len(self.sizes) - 2) + [self.last]


@dataclass(frozen=True)
class Function(Workload):
    """Value and gradient of one function of one array of `size` elements (or of one scalar, and `size` operations).

    The results compared are the value and the sum of the squared gradient.

    - kind "chain": ``size`` scalar operations, in turn ``y = y * x`` and ``y = y + x``, from ``y = x``.
    - kind "elementwise": ``sum(tanh(x) / (1 + log1p(exp(x))))``.
    - kind "vector": ten operations, ``sum(tanh(sin(x) * x + exp(-(x * x))) / (1 + x * x))`` with ``x * x`` taken once.
    """

    size: int = 1

    def data(self) -> Array:
        """The argument: shape (size,), or 0-d for a chain."""
        if self.kind == "chain":
            return np.array(0.5, self.dtype)
        return np.random.default_rng(3).standard_normal(self.size).astype(self.dtype)


def two_moons(rows: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Two interleaved half circles with noise 0.1; targets (rows, 1) are -1 and +1."""
    label = np.arange(rows) % 2
    angle = np.pi * rng.random(rows)
    sign = 1.0 - 2.0 * label
    x = np.stack([label + sign * np.cos(angle), 0.5 * label + sign * np.sin(angle)], axis=1)
    return x + 0.1 * rng.standard_normal(x.shape), -sign[:, None]


def _both(workload: Network) -> list[Network]:
    """The workload in float64 and in float32."""
    single = replace(workload, name=f"{workload.name}-f32", title=f"{workload.title}, float32", dtype="float32")
    return [workload, single]


NETWORKS = [
    *_both(
        Network(
            "xor",
            "XOR 2-3-1 sigmoid, 4 rows",
            "network",
            sizes=(2, 3, 1),
            activation="sigmoid",
            last="sigmoid",
            learning_rate=0.1,
            chunk=1000,
            check_steps=10,
        )
    ),
    *_both(
        Network(
            "tanh16",
            "2-16-16-1 tanh, 100 rows",
            "network",
            sizes=(2, 16, 16, 1),
            rows=100,
            learning_rate=0.01,
            chunk=100,
            check_steps=10,
        )
    ),
    *_both(
        Network(
            "tanh64",
            "2-64-64-1 tanh, 1000 rows",
            "network",
            sizes=(2, 64, 64, 1),
            rows=1000,
            learning_rate=0.01,
            chunk=20,
            check_steps=10,
        )
    ),
    *_both(
        Network(
            "relu128",
            "64-128-10 relu cross-entropy, 128 rows",
            "network",
            sizes=(64, 128, 10),
            rows=128,
            activation="relu",
            loss="cross_entropy",
            learning_rate=0.01,
            chunk=50,
            check_steps=10,
        )
    ),
    *_both(
        Network(
            "relu256",
            "784-256-128-10 relu cross-entropy, 128 rows",
            "network",
            sizes=(784, 256, 128, 10),
            rows=128,
            activation="relu",
            loss="cross_entropy",
            learning_rate=0.01,
            chunk=10,
            check_steps=10,
        )
    ),
    *_both(
        Network(
            "deep",
            "32 layers 8-8 tanh, 32 rows",
            "network",
            sizes=(8,) * 33,
            rows=32,
            learning_rate=0.01,
            chunk=50,
            check_steps=10,
        )
    ),
]
MOONS = Network(
    "moons",
    "two moons in scalars, 2-16-16-1 relu, 100 rows",
    "scalars",
    sizes=(2, 16, 16, 1),
    activation="relu",
    loss="hinge",
    rows=100,
    learning_rate=0.05,
    chunk=100,
    check_steps=3,
)
CHAINS = [
    Function(
        f"chain-{size}", f"chain of {size:,} scalar operations, time per operation", "chain", size=size, per_step=size
    )
    for size in (10, 100, 1_000, 10_000, 100_000, 1_000_000)
]
FUNCTIONS = [
    Function("elementwise", "elementwise chain over 4,000,000 elements, with gradient", "elementwise", size=4_000_000),
    Function("vector", "value and gradient of ten operations on 1,000 elements", "vector", size=1_000),
]
WORKLOADS: dict[str, Network | Function] = {w.name: w for w in [*NETWORKS, MOONS, *CHAINS, *FUNCTIONS]}
