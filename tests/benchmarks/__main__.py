"""``python -m tests.benchmarks [names...] [--rounds N] [--quick]``: measure, print, write."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .contestants import CONTESTANTS
from .figures import outcomes
from .report import figures_table, table, write
from .runner import find_peers, measure
from .workloads import WORKLOADS


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Ours beside the peers, as ratios.")
    parser.add_argument("names", nargs="*", help=f"workloads, or beginnings of their names: {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds of each contestant (default 9)")
    parser.add_argument("--quick", action="store_true", help="3 short rounds")
    parser.add_argument("--only", default="", help="contestants, by parts of their labels, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench"), help="folder of the files")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if not any(w.startswith(name) for w in WORKLOADS)]
    if unknown:
        parser.error(f"no workload begins with {unknown[0]!r}; there are {', '.join(WORKLOADS)}")
    return options


def main() -> None:
    """Measure every workload asked for; a slow result is a result, never a failure."""
    options = parse()
    peers_python = find_peers()
    print(f"peers: {peers_python or 'no interpreter; set PEERS_PYTHON or run make bench'}")
    wanted = [part.strip() for part in options.only.split(",") if part.strip()]
    contestants = [c for c in CONTESTANTS if not wanted or any(part in c.label for part in wanted)]
    rounds, seconds = (3, 0.05) if options.quick else (options.rounds, 0.2)
    tables = {}
    for name, workload in WORKLOADS.items():
        if options.names and not any(name.startswith(prefix) for prefix in options.names):
            continue
        tables[name] = measure(
            workload, contestants, rounds=rounds, seconds=seconds, peers_python=peers_python, say=_progress
        )
        _progress("")
        print(table(name, tables[name]), end="\n\n", flush=True)
    results = outcomes(tables, {name: workload.per_step for name, workload in WORKLOADS.items()})
    if results:
        print(figures_table(results), end="\n\n")
    for path in write(tables, options.out):
        print(path)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
