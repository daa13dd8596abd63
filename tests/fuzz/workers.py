"""Processes that run programs one by one: one that crashes or hangs is a finding, and another takes its place."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection, wait
from typing import Any

from tests.fuzz.run import check, reduced, run
from tests.fuzz.write import write

LIMIT = 120.0  # seconds for one program, its reduction included
Found = dict[str, dict[str, Any]]  # by backend


def work(seed: int, backends: Iterable[str], begun: Callable[[], None] = lambda: None) -> Found:
    """One program by every backend; `begun` is called when it has been run eagerly."""
    program = write(seed)
    eager = run(program, None)
    begun()
    found: Found = {}
    for backend in backends:
        checked = check(program, backend, eager)
        left, differences = program, checked.differences
        if differences:
            left, differences = reduced(program, backend)
        found[backend] = {"refused": checked.refused, "operations": list(program.operations)}
        if differences:
            found[backend].update(differences=differences, program=left.text)
    return found


def _serve(pipe: Connection, job: Callable[..., Found], backends: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    while True:
        try:
            seed = pipe.recv()
        except EOFError:
            return
        pipe.send(job(seed, backends, lambda: pipe.send(None)))


class _Worker:
    def __init__(self, job: Callable[..., Found], backends: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, job, backends), daemon=True)
        self.process.start()
        theirs.close()
        self.seed: int | None = None
        self.since, self.begun = 0.0, False

    def give(self, seed: int) -> None:
        self.seed, self.since, self.begun = seed, time.monotonic(), False
        self.pipe.send(seed)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _outcome(worker: _Worker, backends: list[str], limit: float, ready: bool) -> Found | None:
    """What came of the worker's program; None while it is running.  A worker that is lost is ended."""
    if ready:
        try:
            found: Found | None = worker.pipe.recv()
        except (EOFError, ConnectionError):
            worker.process.join()
            problem = f"the process ended with exit code {worker.process.exitcode}"
            worker.end()
            return {backend: {"differences": [problem]} for backend in backends}
        worker.begun = worker.begun or found is None
        return found
    if time.monotonic() - worker.since < limit:
        return None
    worker.end()
    if not worker.begun:
        return {backend: {"refused": "NumPy itself gives no result"} for backend in backends}
    return {backend: {"differences": [f"no result within {limit:g} seconds"]} for backend in backends}


def run_all(
    seeds: list[int],
    backends: list[str],
    jobs: int,
    report: Callable[[int, Found], None],
    job: Callable[..., Found] = work,
    limit: float = LIMIT,
) -> None:
    """Run the programs of these seeds, and report each as it is done."""
    waiting = deque(seeds)
    workers = [_Worker(job, backends) for _ in range(min(jobs, len(seeds)))]
    try:
        for worker in workers:
            worker.give(waiting.popleft())
        while any(worker.seed is not None for worker in workers):
            ready = wait([worker.pipe for worker in workers if worker.seed is not None], timeout=1.0)
            for i, worker in enumerate(workers):
                if worker.seed is None:
                    continue
                found = _outcome(worker, backends, limit, worker.pipe in ready)
                if found is None:
                    continue
                seed = worker.seed
                if not worker.process.is_alive():
                    workers[i] = worker = _Worker(job, backends)
                worker.seed = None
                report(seed, found)
                if waiting:
                    worker.give(waiting.popleft())
    finally:
        for worker in workers:
            worker.end()
