"""Two contestants that compute nothing, one that disagrees and one that is missing: for the tests of the runner."""

from __future__ import annotations

import time

from ..workloads import Function, Network
from . import NotBuilt, Run

PAUSE = {"quick": 0.0005, "slow": 0.002, "wrong": 0.0005}


def build(label: str, workload: Network | Function) -> Run:
    """Each step sleeps; its result is the number of steps so far, and for "wrong" one more."""
    if label == "missing":
        raise NotBuilt("a feature of the future")
    count = 1 if label == "wrong" else 0

    def run(steps: int):
        nonlocal count
        time.sleep(PAUSE[label] * steps)
        results = [float(count + i) for i in range(steps)]
        count += steps
        return lambda: results

    return run
