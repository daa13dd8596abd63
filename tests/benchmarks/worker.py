"""One contestant in one process: reads commands, a JSON object per line, and answers each with one.

Started by the runner as ``benchmarks.worker``, with only the folder above on the path, so that a peer's interpreter
never sees this project's packages (one of them has the name of the HIPS distribution). Commands:

    {"do": "start"}                    build, run the first call and the steps to compare -> results, first_seconds
    {"do": "calibrate", "seconds": s}  choose the steps of one round so that it takes about s seconds
    {"do": "round"}                    one timed round -> seconds, steps
    {"do": "usage"}                    peak memory and threads so far
    {"do": "traced_peak"}              instead of start: peak bytes held by NumPy during a step
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import tracemalloc
from collections.abc import Callable
from importlib import metadata
from typing import Any

from .contestants import NotBuilt
from .workloads import WORKLOADS

Answer = dict[str, Any]
DISTRIBUTIONS = ("numpy", "torch", "jax", "autograd", "mygrad", "micrograd", "llvmlite")


class Worker:
    """The state of one contestant between commands."""

    def __init__(self, module: str, label: str, workload: str, chunked: bool) -> None:
        self.module, self.label, self.workload = module, label, WORKLOADS[workload]
        self.multiple = self.workload.chunk if chunked else 1
        self.steps = self.multiple
        self.base_memory = 0.0

    def build(self) -> None:
        module = importlib.import_module(f".contestants.{self.module}", __package__)
        self.base_memory = peak_megabytes()
        self.run = module.build(self.label, self.workload)

    def start(self) -> Answer:
        self.build()
        begin = time.perf_counter()
        finish = self.run(self.multiple)
        first_seconds = time.perf_counter() - begin
        results = list(finish())
        wanted = self.workload.check_steps
        if wanted > self.multiple:
            rest = wanted - self.multiple
            results += self.run(rest + -rest % self.multiple)()
        if self.workload.kind in ("network", "scalars"):
            results = results[:wanted]
        return {"results": [float(value) for value in results], "first_seconds": first_seconds, "versions": versions()}

    def calibrate(self, seconds: float) -> Answer:
        elapsed = self.timed(self.steps)
        while elapsed < seconds / 4:
            self.steps *= 2
            elapsed = self.timed(self.steps)
        multiples = round(self.steps * seconds / elapsed / self.multiple)
        self.steps = self.multiple * max(1, multiples)
        return {"steps": self.steps}

    def round(self) -> Answer:
        warm_up = self.steps // 10 // self.multiple * self.multiple
        if warm_up:  # the caches belong to somebody else's round
            self.timed(warm_up)
        return {"seconds": self.timed(self.steps), "steps": self.steps}

    def timed(self, steps: int) -> float:
        begin = time.perf_counter()
        self.run(steps)
        return time.perf_counter() - begin

    def usage(self) -> Answer:
        return {"peak": peak_megabytes() - self.base_memory, "threads": thread_count()}

    def traced_peak(self) -> Answer:
        self.build()
        tracemalloc.start()
        self.run(self.multiple)  # buffers allocated here stay, and count
        gc.collect()
        tracemalloc.reset_peak()
        self.run(self.multiple)
        return {"traced_peak": tracemalloc.get_traced_memory()[1] / 1e6}


def peak_megabytes() -> float:
    """Largest resident size of this process so far (0 where the system does not tell)."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def thread_count() -> int | None:
    """Threads of this process, those of native pools included (None where the system does not tell)."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return None


def versions() -> dict[str, str]:
    """Versions of the distributions that matter, as far as this interpreter has them."""
    found = {"python": sys.version.split()[0]}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def answer(worker: Worker, command: Answer) -> Answer:
    """Carry out one command; whatever goes wrong becomes a row of the table, not a crash."""
    actions: dict[str, Callable[..., Answer]] = {
        "start": worker.start,
        "calibrate": worker.calibrate,
        "round": worker.round,
        "usage": worker.usage,
        "traced_peak": worker.traced_peak,
    }
    try:
        return actions[command.pop("do")](**command)
    except NotBuilt as error:
        return {"status": "not built", "why": str(error)}
    except ImportError as error:
        return {"status": "not installed", "why": str(error).splitlines()[0]}
    except Exception as error:
        return {"status": "failed", "why": f"{type(error).__name__}: {error}".splitlines()[0][:200]}


def main(arguments: list[str]) -> None:
    """Serve commands until the input ends."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    module, label, workload, chunked = arguments
    worker = Worker(module, label, workload, chunked == "chunked")
    for line in sys.stdin:
        print(json.dumps(answer(worker, json.loads(line))), file=replies, flush=True)
