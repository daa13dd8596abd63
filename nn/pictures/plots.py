"""Pictures of training, drawn from plain arrays.

A panel draws itself into axes that it is given, with limits and colours fixed for the whole run, and returns a function
that moves it to an epoch: the same panels make still pictures, animations and pages.  Only Figure objects are used, no
global state of matplotlib.  Classes differ by colour and by shape; the colours are those of Okabe and Ito (2008), which
people with any common colour vision tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from autograd.files import write

Series = Sequence[float] | np.ndarray
Show = Callable[[int], None]

BLUE, ORANGE, GREEN, PINK, SKY, YELLOW = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#B8860B"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, YELLOW)
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
MARKERS = ("o", "^")
INK, GREY, PALE = "#222222", "#767676", "#d9d9d9"
# Few steps on purpose: the levels can be counted, and animations stay small.
LEVELS = 12
SIDES = LinearSegmentedColormap.from_list("sides", ["#6aaed6", "#f7f7f7", "#f0a472"], N=LEVELS)
HEAT = "viridis"


# -- figures -----------------------------------------------------------------------------------------------------------


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """An empty figure.

    Args:
        width, height: In inches.
        title: Above the whole.
    """
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title, fontsize=12, color=INK)
    return figure


def png(figure: Figure, dpi: int = 110) -> bytes:
    """A figure as the bytes of a PNG file, the same ones every time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path, dpi: int = 110) -> Path:
    """Write a figure as a PNG file.

    Args:
        figure: What to write.
        path: Where to.
        dpi: Pixels per inch.

    Returns:
        The path.
    """
    return write(path, png(figure, dpi))


def tidy(ax: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> Axes:
    """Labels, and no more frame than is needed."""
    ax.set_title(title, fontsize=10, color=INK)
    ax.set_xlabel(xlabel, fontsize=9)
    ax.set_ylabel(ylabel, fontsize=9)
    ax.tick_params(labelsize=8, colors=INK)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def together(*shows: Show) -> Show:
    """One function that moves several panels."""

    def show(epoch: int) -> None:
        for each in shows:
            each(epoch)

    return show


# -- loss --------------------------------------------------------------------------------------------------------------


def _loss_axis(ax: Axes, curves: Sequence[np.ndarray]) -> None:
    """Limits that hold for all curves; logarithmic where they fall by more than a factor of eight."""
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], integer=True))
    low = min(float(curve.min()) for curve in curves)
    high = max(float(curve.max()) for curve in curves)
    ax.set_xlim(-0.02 * max(len(curve) for curve in curves), 1.03 * max(len(curve) for curve in curves))
    if low > 0 and high / low > 8:
        ax.set_yscale("log")
        decades = float(np.log10(high / low))
        labelled = (2.0, 5.0) if decades < 2 else ()
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_locator(LogLocator(subs=labelled or "auto"))
        ax.yaxis.set_minor_formatter(StrMethodFormatter("{x:g}") if labelled else NullFormatter())
        ax.tick_params(axis="y", which="minor", labelsize=7, colors=GREY)
        ax.set_ylim(low / 1.4, high * 1.6)
    else:
        ax.set_ylim(min(0.0, low), high * 1.1 or 1.0)
    ax.grid(color=PALE, linewidth=0.5)


def loss_panel(
    ax: Axes, losses: Series, *, title: str = "Training loss", ylabel: str = "loss", like: Sequence[Series] = ()
) -> Show:
    """The loss of every epoch; the part up to the epoch shown is dark, with its value beside the last point.

    Args:
        ax: Where to draw.
        losses: One number per epoch.
        title, ylabel: Words.
        like: Other curves that the axes are to have room for.

    Returns:
        The function that moves it to an epoch.
    """
    curve = np.asarray(losses, dtype=float)
    tidy(ax, title, "epoch", ylabel)
    _loss_axis(ax, [curve, *(np.asarray(other, dtype=float) for other in like)])
    ax.plot(curve, color=PALE, linewidth=1.6)
    (line,) = ax.plot([], [], color=BLUE, linewidth=1.9)
    (dot,) = ax.plot([], [], "o", color=ORANGE, markersize=6, markeredgecolor="white")
    words = ax.text(0.97, 0.95, "", transform=ax.transAxes, ha="right", va="top", fontsize=9, color=INK)

    def show(epoch: int) -> None:
        last = min(epoch, len(curve) - 1)
        line.set_data(np.arange(last + 1), curve[: last + 1])
        dot.set_data([last], [curve[last]])
        words.set_text(f"epoch {last}: loss {curve[last]:.4f}")

    show(len(curve) - 1)
    return show


def mark_epochs(ax: Axes, losses: Series, epochs: Sequence[int]) -> None:
    """Write the loss at some epochs beside the curve."""
    for epoch in epochs:
        value = float(losses[epoch])
        early, late = epoch < 0.1 * len(losses), epoch > 0.75 * len(losses)
        ax.plot([epoch], [value], "o", color=INK, markersize=5, zorder=5)
        ax.annotate(
            f"epoch {epoch}\n{value:.4f}",
            (epoch, value),
            xytext=(
                -4 if late else 14 if early else 8,
                0 if early else 16,
            ),  # the first stands highest: beside, not above
            textcoords="offset points",
            ha="right" if late else "left",
            va="center" if early else "bottom",
            fontsize=8,
            color=INK,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": PALE, "alpha": 0.9},
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.8},
            zorder=6,
        )


def losses_panel(ax: Axes, curves: Mapping[str, Series], *, title: str = "", ylabel: str = "loss") -> None:
    """Several loss curves, told apart by colour and by stroke.

    Args:
        ax: Where to draw.
        curves: Losses of every epoch, by the name that the legend gives them.
        title, ylabel: Words.
    """
    arrays = {label: np.asarray(curve, dtype=float) for label, curve in curves.items()}
    tidy(ax, title, "epoch", ylabel)
    _loss_axis(ax, list(arrays.values()))
    for i, (label, curve) in enumerate(arrays.items()):
        style: Any = STYLES[i % len(STYLES)]
        ax.plot(curve, color=COLOURS[i % len(COLOURS)], linestyle=style, linewidth=1.8, label=label)
    ax.legend(fontsize=8, frameon=True, edgecolor=PALE, loc="best")


# -- the plane ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grid:
    """A regular grid of points round some data, on which a network is evaluated.

    Attributes:
        points: (size * size, 2).
        extent: left, right, bottom, top.
        size: Points along each axis.
    """

    points: np.ndarray
    extent: tuple[float, float, float, float]
    size: int

    @classmethod
    def around(cls, X: np.ndarray, *, size: int = 100, margin: float = 0.15) -> Grid:
        """The grid of a data set.

        Args:
            X: Points (n, 2).
            size: Points of the grid along each axis.
            margin: Round the data, as a share of their width.
        """
        low, high = X.min(axis=0), X.max(axis=0)
        room = margin * np.maximum(high - low, 1e-9) + 0.1
        (left, bottom), (right, top) = low - room, high + room
        across, up = np.meshgrid(np.linspace(left, right, size), np.linspace(bottom, top, size))
        points = np.stack([across.ravel(), up.ravel()], axis=1)
        return cls(points, (float(left), float(right), float(bottom), float(top)), size)

    def image(self, values: np.ndarray) -> np.ndarray:
        """Values of the points as a picture (size, size), the lowest row first."""
        return np.asarray(values, dtype=float).reshape(self.size, self.size)


def scatter(ax: Axes, X: np.ndarray, y: np.ndarray, *, size: float = 22.0) -> None:
    """Points in the colour and shape of their class.

    Args:
        ax: Where to draw.
        X: Points (n, 2).
        y: Their classes (n,), 0 and 1.
        size: Of the markers.
    """
    labels = np.asarray(y).reshape(-1).astype(int)
    for label, (colour, marker) in enumerate(zip((BLUE, ORANGE), MARKERS)):
        points = X[labels == label]
        ax.scatter(
            points[:, 0], points[:, 1], s=size, c=colour, marker=marker, edgecolors="white", linewidths=0.7, zorder=3
        )


def boundary_panel(
    ax: Axes,
    grid: Grid,
    epochs: Sequence[int],
    frames: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    *,
    title: str = "Decision boundary",
    middle: float = 0.5,
    spread: float = 0.5,
    colourbar: bool = False,
) -> Show:
    """What a network says everywhere in the plane, with the data and the line where it is undecided.

    Args:
        ax: Where to draw.
        grid: Where the outputs were taken.
        epochs: When the frames were taken.
        frames: Outputs on the grid (len(epochs), size * size).
        X, y: The data (n, 2) and their classes (n,).
        title: Words.
        middle: The output on the boundary.
        spread: The distance from it at which the colours end.
        colourbar: Whether there is one.

    Returns:
        The function that moves the panel to the last frame taken at or before an epoch.
    """
    images = [grid.image(frame) for frame in frames]
    image = ax.imshow(
        images[-1], extent=grid.extent, origin="lower", cmap=SIDES, vmin=middle - spread, vmax=middle + spread,
        interpolation="nearest", aspect="auto",
    )  # fmt: skip
    tidy(ax, title, "x₁", "x₂")
    size = 70.0 if len(X) <= 12 else 22.0
    scatter(ax, X, y, size=size)
    ax.set_xlim(grid.extent[:2])
    ax.set_ylim(grid.extent[2:])
    if colourbar and ax.figure is not None:
        bar = ax.get_figure().colorbar(image, ax=ax, shrink=0.85)  # type: ignore[union-attr]
        bar.set_label("output for class 1", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    lines: list[Any] = []

    def show(epoch: int) -> None:
        index = max(int(np.searchsorted(epochs, epoch, side="right")) - 1, 0)
        image.set_data(images[index])
        while lines:
            lines.pop().remove()
        if images[index].min() < middle < images[index].max():
            lines.append(
                ax.contour(images[index], levels=[middle], extent=grid.extent, colors=[INK], linewidths=1.4, zorder=2)
            )
        ax.set_title(f"{title}, epoch {epoch}" if len(epochs) > 1 else title, fontsize=10, color=INK)

    show(epochs[-1])
    return show


def mistakes(ax: Axes, X: np.ndarray, wrong: np.ndarray) -> None:
    """Ring the points that were classified wrongly."""
    ax.scatter(X[wrong, 0], X[wrong, 1], s=110, facecolors="none", edgecolors=INK, linewidths=1.6, marker="o", zorder=4)


def confidence_panel(ax: Axes, outputs: np.ndarray, y: np.ndarray) -> None:
    """How often each output was given to rows of each class.

    Args:
        ax: Where to draw.
        outputs: (n,), in 0..1.
        y: Classes (n,), 0 and 1.
    """
    labels = np.asarray(y).reshape(-1).astype(int)
    tidy(ax, "Outputs by true class", "output for class 1", "rows")
    bins = np.linspace(0, 1, 21).tolist()
    values = [np.asarray(outputs).reshape(-1)[labels == label] for label in (0, 1)]
    _, _, bars = ax.hist(values, bins=bins, color=[BLUE, ORANGE], label=["class 0", "class 1"])
    for bar in bars[1]:  # type: ignore[index,union-attr]
        bar.set_hatch("//")
        bar.set_edgecolor("white")
    ax.axvline(0.5, color=INK, linewidth=1.2)
    ax.set_ylim(0, 1.3 * ax.get_ylim()[1])  # room for the legend
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.legend(fontsize=8, framealpha=1.0, edgecolor=PALE, loc="upper center")


def activation_panels(
    axes: Sequence[Axes],
    grid: Grid,
    activations: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    name: str = "hidden",
) -> None:
    """One map per hidden neuron of what it answers in the plane.

    Args:
        axes: Where to draw, one for each neuron.
        grid: Where the outputs were taken.
        activations: Outputs of the layer on the grid (size * size, neurons).
        X, y: The data (n, 2) and their classes (n,).
        bounds: The values at both ends of the colours, the same for all neurons.
        name: What the neurons are called.
    """
    image = None
    for unit, ax in enumerate(axes):
        tidy(ax, f"{name} {unit + 1}", "x₁", "x₂" if unit == 0 else "")
        picture = grid.image(activations[:, unit])
        image = ax.imshow(
            picture, extent=grid.extent, origin="lower", cmap=HEAT, vmin=bounds[0], vmax=bounds[1], aspect="auto"
        )
        middle = sum(bounds) / 2
        if picture.min() < middle < picture.max():
            ax.contour(picture, levels=[middle], extent=grid.extent, colors=["white"], linewidths=1.2)
        scatter(ax, X, y, size=70.0 if len(X) <= 12 else 12.0)
    if image is not None:
        bar = axes[0].get_figure().colorbar(image, ax=list(axes), shrink=0.9)  # type: ignore[union-attr]
        bar.set_label("activation", fontsize=8)
        bar.ax.tick_params(labelsize=7)


def weights_panel(
    ax: Axes, epochs: Sequence[int], weights: Mapping[str, np.ndarray], *, title: str = "Weights during training"
) -> Show:
    """The path of every weight, in one colour and stroke per parameter.

    Args:
        ax: Where to draw.
        epochs: When the weights were recorded.
        weights: By name (len(epochs), ...).
        title: Words.

    Returns:
        The function that moves a cursor to an epoch.
    """
    tidy(ax, title, "epoch", "value")
    for i, (name, series) in enumerate(weights.items()):
        paths = np.asarray(series).reshape(len(epochs), -1)
        style: Any = STYLES[i % len(STYLES)]
        for column, path in enumerate(paths.T):
            label = name if column == 0 else None
            ax.plot(epochs, path, color=COLOURS[i % len(COLOURS)], linestyle=style, linewidth=1.3, label=label)
    cursor = ax.axvline(epochs[-1], color=GREY, linewidth=1.0)
    ax.grid(color=PALE, linewidth=0.5)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.2 * (high - low))  # room for the legend above the paths
    ax.legend(fontsize=8, frameon=True, edgecolor=PALE, loc="upper left", ncols=2)
    ax.set_xlim(epochs[0], epochs[-1])

    def show(epoch: int) -> None:
        cursor.set_xdata([epoch, epoch])

    return show


@dataclass(frozen=True)
class Plane:
    """A plane through the space of all weights, which a training run moved through.

    Attributes:
        centre: Where (0, 0) is (n,).
        directions: Of its axes (2, n).
        across, up: Coordinates of a grid of points.
        way: Where the run was (epochs, 2).
        share: How much of the squared distance from the centre lies in the plane.
    """

    centre: np.ndarray
    directions: np.ndarray
    across: np.ndarray
    up: np.ndarray
    way: np.ndarray
    share: float


def surface_panel(
    ax: Axes, plane: Plane, losses: np.ndarray, epochs: Sequence[int], *, title: str = "The way down the loss"
) -> Show:
    """The loss in a plane of the weights, with the way that the training took through it.

    Args:
        ax: Where to draw.
        plane: And the way through it.
        losses: At its points (len(up), len(across)).
        epochs: Of the points of the way.
        title: Words.

    Returns:
        The function that moves the dot to the last point at or before an epoch.
    """
    tidy(ax, title, f"first direction of the weights ({plane.share:.0%} of the way in these two)", "second direction")
    height = np.log10(np.maximum(np.where(np.isfinite(losses), losses, np.nanmax(losses[np.isfinite(losses)])), 1e-12))
    image = ax.contourf(plane.across, plane.up, height, levels=18, cmap=HEAT)
    ax.contour(plane.across, plane.up, height, levels=image.levels, colors=["white"], linewidths=0.4, alpha=0.5)
    bar = ax.get_figure().colorbar(image, ax=ax, shrink=0.9)  # type: ignore[union-attr]
    bar.set_label("log₁₀ of the loss", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    ax.plot(*plane.way.T, color="white", linewidth=3.2, alpha=0.9)
    ax.plot(*plane.way.T, color=INK, linewidth=1.4)
    for place, marker, word in ((0, "s", "start"), (-1, "*", "end")):
        x, y = plane.way[place]
        ax.plot([x], [y], marker, color="white", markersize=11 if marker == "*" else 8, markeredgecolor=INK)
        ax.annotate(
            word, (x, y), xytext=(7, 7), textcoords="offset points", fontsize=8, color=INK,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip
    (dot,) = ax.plot([], [], "o", color=ORANGE, markersize=8, markeredgecolor="white")

    def show(epoch: int) -> None:
        index = max(int(np.searchsorted(epochs, epoch, side="right")) - 1, 0)
        dot.set_data(plane.way[index : index + 1].T)

    return show


def confusion_panel(ax: Axes, counts: np.ndarray, *, title: str = "") -> None:
    """A confusion matrix: rows are the true classes, columns the predicted ones.

    Args:
        ax: Where to draw.
        counts: (classes, classes).
        title: Words.
    """
    tidy(ax, title, "predicted", "true")
    ax.imshow(np.maximum(counts, 0.5), cmap="Blues", norm=LogNorm(0.5, max(float(counts.max()), 1.0)))
    dark = np.sqrt(0.5 * max(float(counts.max()), 1.0))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if count > 2 * dark else INK
            ax.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    ax.set_xticks(range(len(counts)))
    ax.set_yticks(range(len(counts)))
