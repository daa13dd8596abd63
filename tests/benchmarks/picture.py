"""One picture of a run: a panel of bars per workload, ours in colour."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .figures import Tables
from .runner import Row
from .workloads import WORKLOADS

OURS, PEERS = "#2a6f97", "#c8c8c8"
COLUMNS = 3


def draw(tables: Tables, path: Path) -> None:
    """Bars of the median time per step on a logarithmic axis, fastest on top; the chains share one panel of lines."""
    bars = {name: rows for name, rows in tables.items() if WORKLOADS[name].kind != "chain"}
    chains = {name: rows for name, rows in tables.items() if WORKLOADS[name].kind == "chain"}
    panels = len(bars) + bool(chains)
    lines = math.ceil(panels / COLUMNS)
    figure = Figure(figsize=(5.2 * COLUMNS, 3.1 * max(lines, 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(max(lines, 1), COLUMNS, i + 1) for i in range(panels)]
    for ax, (name, rows) in zip(axes, bars.items(), strict=False):
        _bars(ax, WORKLOADS[name].title, rows)
    if chains:
        _chains(axes[-1], chains)
    figure.savefig(path, dpi=110)


def _bars(ax: Axes, title: str, rows: list[Row]) -> None:
    measured = sorted((row for row in rows if row.median), key=lambda row: -(row.median or 0))
    times = [(row.median or 0) * 1e6 for row in measured]
    colors = [PEERS if row.peer else OURS for row in measured]
    bars = ax.barh([row.label for row in measured], times, color=colors)
    labels = [f"{time:,.3g}" if time < 1000 else f"{time:,.0f}" for time in times]
    ax.bar_label(bars, labels=labels, padding=3, fontsize=8)
    if times:
        ax.set_xscale("log")
        ax.set_xlim(min(times) / 3, max(times) * 4)
    ax.set_title(title, fontsize=10)
    ax.set_xlabel("µs per step", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)


def _chains(ax: Axes, chains: Tables) -> None:
    points: dict[str, list[tuple[int, float]]] = {}
    ours = set()
    for name, rows in chains.items():
        for row in rows:
            if row.median:
                operations = WORKLOADS[name].per_step
                points.setdefault(row.label, []).append((operations, row.median / operations * 1e9))
                ours |= set() if row.peer else {row.label}
    for label, line in points.items():
        style = {"linewidth": 2.2} if label in ours else {"linewidth": 1.0, "linestyle": "--"}
        ax.plot(*zip(*line, strict=True), marker="o", markersize=3, label=label, **style)
    if points:
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.legend(fontsize=7, frameon=False)
    ax.set_title("chain of scalar operations, forward and backward", fontsize=10)
    ax.set_xlabel("operations in the chain", fontsize=8)
    ax.set_ylabel("ns per operation", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
