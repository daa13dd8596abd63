"""The ratios this project set out to reach, as data, and what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass

from .runner import Row

BEST_PEER = "best peer"
BOTH = ("", "-f32")


@dataclass(frozen=True)
class Figure:
    """`ours` divided by `peer` on one workload, and the most it shall be."""

    workload: str
    ours: str
    peer: str
    bound: float
    quantity: str = "time"  # or "first call", "traced memory", "first call seconds" (no ratio)
    other_workload: str = ""  # the peer's workload, where it is not the same one


@dataclass(frozen=True)
class Outcome:
    """A figure and its measured ratio, None where one side was not measured."""

    figure: Figure
    ratio: float | None

    @property
    def verdict(self) -> str:
        """In one word or two."""
        if self.ratio is None:
            return "not measured"
        return "reached" if self.ratio <= self.figure.bound else "missed"


EAGER = [
    Figure("xor", "ours eager", "PyTorch eager", 0.4),
    Figure("xor", "ours eager", "MyGrad", 0.3),
    Figure("xor", "ours eager", "HIPS autograd", 0.3),
    Figure("relu128", "ours eager", "PyTorch eager", 0.6),
    Figure("moons", "ours eager", "micrograd", 0.6),
    # Flat: an operation of the longest chain costs at most a quarter more than one of a short chain.
    Figure("chain-1000000", "ours eager", "ours eager", 1.25, other_workload="chain-10"),
    Figure("vector", "ours eager", "HIPS autograd", 0.35),
    Figure("vector", "ours eager", "MyGrad", 0.5),
]
COMPILED = [
    Figure("xor", "ours numpy", "NumPy by hand", 0.9),
    Figure("xor", "ours numpy", "jax.jit", 2.0),
    Figure("xor", "ours numpy", "PyTorch eager", 0.12),
    *(
        Figure(name, "ours numpy", peer, bound)
        for name in ("tanh64", "relu128", "relu256", "relu256-f32")
        for peer, bound in (("NumPy by hand", 0.95), ("PyTorch eager", 1.0))
    ),
    Figure("chain-10000", "ours numpy", "", 2.0, quantity="first call seconds"),
    Figure("chain-100000", "ours numpy", "ours numpy", 1.25, other_workload="chain-100"),
    Figure("relu256", "ours numpy", "ours eager", 0.7, quantity="traced memory"),
]
NATIVE = [
    *(Figure("xor" + kind, "ours native repeat", "jax.lax.scan", 0.15) for kind in BOTH),
    *(Figure("xor" + kind, "ours native", "jax.jit", 0.25) for kind in BOTH),
    *(Figure("tanh16" + kind, "ours native repeat", "jax.lax.scan", 0.5) for kind in BOTH),
    *(
        Figure(name + kind, "ours native repeat", BEST_PEER, bound)
        for name, bound in (("tanh64", 0.5), ("relu128", 0.6), ("relu256", 0.85), ("deep", 0.3))
        for kind in BOTH
    ),
    Figure("elementwise", "ours native", "torch.compile", 0.8),
    Figure("moons", "ours native", "micrograd", 0.001),
    Figure("moons", "ours native", "", 10.0, quantity="first call seconds"),
    Figure("xor", "ours native", "", 0.12, quantity="first call seconds"),
    Figure("xor", "ours native", "jax.jit", 0.5, quantity="first call"),
]
FIGURES = EAGER + COMPILED + NATIVE

Tables = dict[str, list[Row]]


def outcomes(tables: Tables, per_step: dict[str, int]) -> list[Outcome]:
    """Every figure whose workload was run; `per_step` holds the operations in one step of each workload."""
    return [Outcome(figure, _ratio(figure, tables, per_step)) for figure in FIGURES if figure.workload in tables]


def best_peer(rows: list[Row]) -> Row | None:
    """The fastest of those measured that are not ours."""
    peers = [row for row in rows if row.peer and row.median is not None]
    return min(peers, key=lambda row: row.median or 0.0, default=None)


def _ratio(figure: Figure, tables: Tables, per_step: dict[str, int]) -> float | None:
    other = figure.other_workload or figure.workload
    ours = _value(figure, figure.ours, tables[figure.workload])
    if figure.quantity == "first call seconds":
        return ours
    theirs = _value(figure, figure.peer, tables.get(other, []))
    if ours is None or not theirs:
        return None
    return ours / per_step[figure.workload] / (theirs / per_step[other])


def _value(figure: Figure, label: str, rows: list[Row]) -> float | None:
    row = best_peer(rows) if label == BEST_PEER else next((row for row in rows if row.label == label), None)
    if row is None:
        return None
    if figure.quantity == "time":
        return row.median
    return row.traced_peak if figure.quantity == "traced memory" else row.first_seconds
