"""What has been run and found: one small JSON file, written whole or not at all, from which a run goes on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def versions() -> dict[str, str]:
    """What the programs were run with."""
    found = {"python": platform.python_version(), "numpy": np.__version__, "machine": platform.machine()}
    try:
        import llvmlite

        found["llvmlite"] = llvmlite.__version__
    except ImportError:
        pass
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return {**found, "commit": commit}


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Runs of whole numbers, each as its first and last.

    >>> ranges([3, 1, 2, 7])
    [[1, 3], [7, 7]]
    """
    found: list[list[int]] = []
    for n in sorted(numbers):
        if found and found[-1][1] == n - 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return found


class Record:
    """Per backend: the seeds that are done, findings by seed, and how often what was refused and which operation ran."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        kept: dict[str, Any] = json.loads(path.read_text()) if path is not None and path.exists() else {}
        self.versions: list[dict[str, str]] = kept.pop("versions", [])
        if versions() not in self.versions:
            self.versions.append(versions())
        self.done: dict[str, set[int]] = {}
        self.findings: dict[str, dict[str, Any]] = {}
        self.refused: dict[str, Counter[str]] = {}
        self.operations: dict[str, Counter[str]] = {}
        for backend in ("numpy", "native"):
            part = kept.get(backend, {})
            self.done[backend] = {n for first, last in part.get("done", []) for n in range(first, last + 1)}
            self.findings[backend] = part.get("findings", {})
            self.refused[backend] = Counter(part.get("refused", {}))
            self.operations[backend] = Counter(part.get("operations", {}))

    def missing(self, seeds: Iterable[int], backends: Iterable[str]) -> list[int]:
        """The seeds that are still to be run."""
        backends = list(backends)
        return [seed for seed in seeds if any(seed not in self.done[backend] for backend in backends)]

    def add(self, seed: int, backend: str, found: dict[str, Any]) -> None:
        """What came of one program."""
        if seed in self.done[backend]:
            return
        self.done[backend].add(seed)
        if found.get("differences"):
            self.findings[backend][str(seed)] = {key: found[key] for key in ("differences", "program") if key in found}
        if found.get("refused"):
            self.refused[backend][found["refused"]] += 1
        elif not found.get("differences"):
            self.operations[backend].update(found.get("operations", ()))

    def write(self) -> None:
        """Write the file anew, beside the old one, and put it in its place."""
        if self.path is None:
            return
        kept: dict[str, Any] = {"versions": self.versions}
        for backend, done in self.done.items():
            if done:
                kept[backend] = {
                    "programs": len(done), "done": ranges(done), "findings": self.findings[backend],
                    "refused": dict(self.refused[backend].most_common()),
                    "operations": dict(sorted(self.operations[backend].items())),
                }  # fmt: skip
        part = self.path.with_name(self.path.name + ".part")
        part.write_text(json.dumps(kept, indent=1) + "\n")
        os.replace(part, self.path)
