"""Tables in Markdown and the files of a run: bench.md, bench.json and bench.png."""

from __future__ import annotations

import datetime
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .figures import Outcome, Tables, best_peer, outcomes
from .runner import Row
from .workloads import WORKLOADS


def machine() -> dict[str, str]:
    """What the figures were measured on, and when."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return {
        "processor": name,
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def table(name: str, rows: list[Row]) -> str:
    """The rows of one workload, fastest first, then those that were not measured and why."""
    workload = WORKLOADS[name]
    unit, scale = ("ns per operation", 1e9 / workload.per_step) if workload.per_step > 1 else ("us per step", 1e6)
    best = best_peer(rows)
    lines = [
        f"### {name}: {workload.title}",
        "",
        f"| contestant | {unit} | fastest | spread | / best peer | first call, ms | MB | NumPy, MB | threads |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in sorted(rows, key=lambda row: row.median or float("inf")):
        if row.median is None:
            lines.append(f"| {row.label} | {row.status}: {row.why.replace('|', '/')} | | | | | | | |")
            continue
        relative = row.median / best.median if best and best.median else None
        cells = [
            _number(row.median * scale),
            _number(min(row.times) * scale),
            _number(row.spread, 100, "%"),
            _number(relative),
            _number(row.first_seconds, 1e3),
            _number(row.peak),
            _number(row.traced_peak),
            str(row.threads or ""),
        ]
        lines.append(f"| {row.label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figures_table(results: list[Outcome]) -> str:
    """The figures set, the ratios measured, and whether they are reached."""
    lines = ["### Figures", "", "| workload | what | measured | asked | |", "|---|---|---:|---:|---|"]
    for outcome in results:
        figure = outcome.figure
        if figure.quantity == "first call seconds":
            what = f"{figure.ours}, seconds of the first call"
        else:
            kind = "" if figure.quantity == "time" else f", {figure.quantity}"
            where = f" on {figure.other_workload}, per operation" if figure.other_workload else ""
            what = f"{figure.ours} / {figure.peer}{where}{kind}"
        measured = _number(outcome.ratio) or "-"
        lines.append(f"| {figure.workload} | {what} | {measured} | <= {figure.bound:g} | {outcome.verdict} |")
    return "\n".join(lines)


def _number(value: float | None, scale: float = 1.0, unit: str = "") -> str:
    """Three significant digits, with thousands separated."""
    if value is None:
        return ""
    value *= scale
    if abs(value) >= 1000:
        return f"{value:,.0f}{unit}"
    return f"{value:.3g}{unit}"


def all_versions(tables: Tables) -> dict[str, str]:
    """Versions of every library that took part; ours come last, so that the main interpreter's NumPy is named."""
    found: dict[str, str] = {}
    for peer in (True, False):
        for rows in tables.values():
            for row in rows:
                if row.peer == peer:
                    found.update(row.versions)
    return dict(sorted(found.items()))


def document(tables: Tables) -> str:
    """The whole report."""
    facts = machine()
    libraries = ", ".join(f"{name} {version}" for name, version in all_versions(tables).items())
    head = [
        "# Benchmarks",
        "",
        f"Measured {facts['date']} on {facts['processor']}, {facts['cores']} cores, {facts['system']},",
        f"load average {facts['load']}; {libraries}.",
        "",
        "Every contestant runs in its own process with its default number of threads, rounds interleaved, on the same",
        "data and first weights; results are compared before any timing. Times are medians over rounds, spread is",
        "the distance between the quartiles, the first call includes compilation, cold. MB: the peak of what the",
        "process grew by since its imports; NumPy, MB: the peak of what NumPy's arrays held beside the parameters.",
    ]
    results = outcomes(tables, {name: workload.per_step for name, workload in WORKLOADS.items()})
    parts = ["\n".join(head), *(table(name, rows) for name, rows in tables.items())]
    if results:
        parts.append(figures_table(results))
    return "\n\n".join(parts) + "\n"


def write(tables: Tables, folder: Path) -> list[Path]:
    """Write the three files; returns their paths."""
    from .picture import draw

    folder.mkdir(parents=True, exist_ok=True)
    markdown, data, picture = folder / "bench.md", folder / "bench.json", folder / "bench.png"
    markdown.write_text(document(tables), encoding="utf-8")
    data.write_text(json.dumps(_plain(tables), indent=1), encoding="utf-8")
    draw(tables, picture)
    return [markdown, data, picture]


def _plain(tables: Tables) -> dict[str, Any]:
    workloads = {
        name: [{**asdict(row), "median": row.median, "spread": row.spread} for row in rows]
        for name, rows in tables.items()
    }
    return {"machine": machine(), "versions": all_versions(tables), "workloads": workloads}
