"""``python -m tests.fuzz``: random programs, eager against compiled; stopped and continued as you like."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.record import Record
from tests.fuzz.workers import run_all, work
from tests.fuzz.write import write

SAVED_EVERY = 5.0  # seconds


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=1000, metavar="N", help="how many programs")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first of as many seeds")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="how many processes")
    parser.add_argument("--backend", choices=("numpy", "native", "both"), default="both")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="keep there what is done and found, and go on from it"
    )
    parser.add_argument("--show", type=int, metavar="SEED", help="print one program, reduced, and what differs")
    return parser.parse_args()


def show(seed: int, backends: list[str]) -> int:
    """Print a program, and for each backend what is left of it that differs."""
    print(write(seed).text)
    bad = False
    for backend, found in work(seed, backends).items():
        print(f"\n----- {backend}: {found['refused'] or 'as eager' if 'differences' not in found else 'differs'}")
        if "differences" in found:
            bad = True
            print(found["program"], *found["differences"], sep="\n")
    return int(bad)


def fuzz(seeds: range, backends: list[str], jobs: int, record: Record) -> int:
    """Run what the record lacks of these programs; the exit status."""
    missing = record.missing(seeds, backends)
    begun = saved = time.monotonic()
    done: Counter[str] = Counter()

    def report(seed: int, found: dict[str, dict[str, Any]]) -> None:
        nonlocal saved
        for backend, what in found.items():
            record.add(seed, backend, what)
            if "differences" in what:
                done["findings"] += 1
                print(f"\n----- seed {seed}, {backend}", what.get("program", ""), *what["differences"], sep="\n")
        done["programs"] += 1
        if time.monotonic() - saved > SAVED_EVERY:
            saved = time.monotonic()
            record.write()
            rate = done["programs"] / (saved - begun)
            print(
                f"{done['programs']}/{len(missing)} programs, {rate:.1f}/s, {done['findings']} findings",
                file=sys.stderr,
            )

    stopped = False
    try:
        run_all(missing, backends, jobs, report)
    except KeyboardInterrupt:
        stopped = True
    record.write()
    for backend in backends:
        refused = sum(record.refused[backend].values())
        print(
            f"{backend}: {len(record.done[backend])} programs, {len(record.findings[backend])} differ, {refused} refused, "
            f"{len(record.operations[backend])} operations ran"
        )
        for why, count in record.refused[backend].most_common(10):
            print(f"  refused {count} times: {why}")
    if stopped:
        print("stopped: the same command goes on from the record" if record.path else "stopped")
        return 130
    return int(any(record.findings[backend] for backend in backends))


def main() -> int:
    given = arguments()
    backends = ["numpy", "native"] if given.backend == "both" else [given.backend]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.show is not None:
        return show(given.show, backends)
    seeds = range(given.seed, given.seed + given.programs)
    return fuzz(seeds, backends, given.jobs, Record(given.record))


if __name__ == "__main__":
    sys.exit(main())
