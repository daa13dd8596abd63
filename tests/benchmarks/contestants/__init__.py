"""Who takes part. Every module here has one function ``build(label, workload)``.

`build` returns ``run``: ``run(steps)`` does the timed work, going on from where the last call stopped, and returns a
function that gives the results of these steps as numbers (not timed, so that nobody pays for reading them one by one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..workloads import Function, Network

Run = Callable[[int], Callable[[], Sequence[float]]]

EVERYTHING = ("network", "scalars", "chain", "elementwise", "vector")


class NotBuilt(Exception):
    """The feature that a contestant needs does not exist yet; the table says so in its row."""


@dataclass(frozen=True)
class Contestant:
    """One row of a table: the module that implements it, the workloads it takes part in, and where it runs."""

    label: str
    module: str
    kinds: tuple[str, ...] = EVERYTHING
    peer: bool = True
    own_environment: bool = True  # runs in the peers' interpreter, out of sight of this project's packages
    chunked: bool = False  # the loop over steps is inside one call, `workload.chunk` steps long
    longest: int = 1_000_000  # the longest chain worth waiting for
    numpy_memory: bool = False  # NumPy holds its arrays, so that tracemalloc sees its peak

    def takes_part(self, workload: Network | Function) -> bool:
        """Whether it is meant for this workload."""
        return workload.kind in self.kinds and (workload.kind != "chain" or workload.per_step <= self.longest)


def _ours(label: str, kinds: tuple[str, ...], **options: bool) -> Contestant:
    return Contestant(label, "ours", kinds, peer=False, own_environment=False, numpy_memory=True, **options)


CONTESTANTS = [
    _ours("ours eager", EVERYTHING),
    _ours("ours eager, nn", ("network",)),
    _ours("ours numpy", EVERYTHING),
    _ours("ours native", EVERYTHING),
    _ours("ours native repeat", ("network", "scalars"), chunked=True),
    # For a chain of scalars NumPy by hand is a loop over Python floats and no peer of anybody.
    Contestant(
        "NumPy by hand",
        "numpy_by_hand",
        ("network", "scalars", "elementwise", "vector"),
        own_environment=False,
        numpy_memory=True,
    ),
    Contestant("PyTorch eager", "torch_", ("network", "chain", "elementwise", "vector"), longest=100_000),
    Contestant("torch.compile", "torch_", ("network", "elementwise", "vector")),
    Contestant("jax.jit", "jax_", ("network", "elementwise", "vector")),
    Contestant("jax.lax.scan", "jax_", ("network",), chunked=True),
    Contestant(
        "HIPS autograd", "hips", ("network", "chain", "elementwise", "vector"), longest=10_000, numpy_memory=True
    ),
    Contestant("MyGrad", "mygrad_", ("network", "chain", "elementwise", "vector"), longest=10_000, numpy_memory=True),
    Contestant("micrograd", "micrograd_", ("scalars", "chain"), longest=1_000),  # its recursion ends there
]
