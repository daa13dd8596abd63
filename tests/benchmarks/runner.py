"""Starts one worker per contestant, compares their results, then lets them take turns round by round."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .contestants import Contestant
from .workloads import Function, Network

TESTS = Path(__file__).resolve().parent.parent
REPOSITORY = TESTS.parent
# Threads of a pool spin for up to 30 milliseconds after their work; the next contestant shall not compete with them.
PAUSE = 0.05
# Whose steps take this many times the length of a round gets three rounds only.
SLOW = 10
# First calls are measured cold.
COLD = {"AUTOGRAD_CACHE": "off", "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}


@dataclass
class Row:
    """What was measured of one contestant on one workload; times in seconds per step, memory in megabytes."""

    label: str
    peer: bool
    status: str = "ok"
    why: str = ""
    times: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)  # how long each round took
    first_seconds: float | None = None
    peak: float | None = None
    traced_peak: float | None = None
    threads: int | None = None
    versions: dict[str, str] = field(default_factory=dict)
    results: list[float] = field(default_factory=list)

    @property
    def median(self) -> float | None:
        """Median time per step, None where nothing was measured."""
        return statistics.median(self.times) if self.times else None

    @property
    def spread(self) -> float | None:
        """Distance between the quartiles as a fraction of the median."""
        if len(self.times) < 2:
            return None
        low, middle, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return (high - low) / middle


class Process:
    """The pipes to one worker."""

    def __init__(self, contestant: Contestant, workload: Network | Function, peers_python: str | None) -> None:
        paths = [str(TESTS)] if contestant.own_environment else [str(TESTS), str(REPOSITORY)]
        code = f"import sys; sys.path[:0] = {paths!r}; from benchmarks.worker import main; main(sys.argv[1:])"
        python = peers_python if contestant.own_environment else sys.executable
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | COLD
        chunked = "chunked" if contestant.chunked else "single"
        self.process = subprocess.Popen(
            [str(python), "-P", "-c", code, contestant.module, contestant.label, workload.name, chunked],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def ask(self, do: str, **details: Any) -> dict[str, Any]:
        """Send one command and wait for its answer; a worker that died answers as failed."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **details}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = ""
        return json.loads(line) if line else {"status": "failed", "why": f"the process ended during {do!r}"}

    def close(self) -> None:
        """End of input is the sign to leave."""
        self.process.communicate()


def find_peers() -> str | None:
    """The peers' interpreter: PEERS_PYTHON, else that of .venv-peers, else None."""
    local = REPOSITORY / ".venv-peers" / "bin" / "python"
    return os.environ.get("PEERS_PYTHON") or (str(local) if local.exists() else None)


def measure(
    workload: Network | Function,
    contestants: Iterable[Contestant],
    *,
    rounds: int = 9,
    seconds: float = 0.2,
    peers_python: str | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """One row per contestant of this workload.

    Arguments:
        workload: what to compute.
        contestants: who may take part; those not meant for the workload's kind are left out.
        rounds: timed rounds of each.
        seconds: length of one round.
        peers_python: the interpreter of the peers; without one their rows say "not installed".
        say: told about every start, since compilers take their time.
    """
    rows: list[Row] = []
    running: list[tuple[Row, Process]] = []
    try:
        for contestant in contestants:
            if not contestant.takes_part(workload):
                continue
            row = Row(contestant.label, contestant.peer)
            rows.append(row)
            if contestant.own_environment and peers_python is None:
                row.status, row.why = "not installed", "no interpreter for the peers: run `make bench`"
                continue
            say(f"{workload.name}: {contestant.label}")
            process = Process(contestant, workload, peers_python)
            running.append((row, process))
            if _update(row, process.ask("start")) and contestant.numpy_memory:
                _trace_memory(row, contestant, workload, peers_python)
        _compare(workload, rows)
        active = [(row, process) for row, process in running if row.status == "ok"]
        for row, process in active:
            _update(row, process.ask("calibrate", seconds=seconds))
        for number in range(rounds):
            say(f"{workload.name}: round {number + 1} of {rounds}")
            for row, process in active:
                patient = number < 3 or sum(row.rounds) < SLOW * number * seconds
                if row.status == "ok" and patient:
                    time.sleep(PAUSE)
                    _update(row, process.ask("round"))
        for row, process in active:
            _update(row, process.ask("usage"))
    finally:
        for _, process in running:
            process.close()
    return rows


def _trace_memory(row: Row, contestant: Contestant, workload: Network | Function, peers_python: str | None) -> None:
    """Peak of NumPy's memory, in a process of its own: tracing slows everything down."""
    process = Process(contestant, workload, peers_python)
    try:
        row.traced_peak = process.ask("traced_peak").get("traced_peak")
    finally:
        process.close()


def _update(row: Row, answer: dict[str, Any]) -> bool:
    if "seconds" in answer:
        row.times.append(answer["seconds"] / answer["steps"])
        row.rounds.append(answer["seconds"])
    for name, value in answer.items():
        if name not in ("seconds", "steps"):
            setattr(row, name, value)
    return row.status == "ok"


def _compare(workload: Network | Function, rows: list[Row]) -> None:
    """Who computes something else takes no part: results must agree with the median of all contestants."""
    valid = [row for row in rows if row.status == "ok"]
    for values in zip(*(row.results for row in valid), strict=True):
        middle = statistics.median(values)
        for row, value in zip(valid, values, strict=True):
            difference = abs(value - middle) / max(abs(middle), 1e-300)
            if row.status == "ok" and not difference <= workload.tolerance:
                row.status = "disagrees"
                row.why = f"{value!r} where the median of all is {middle!r}"
