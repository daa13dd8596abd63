"""The classic picture of a network: neurons in columns, joined by lines as wide as their weights.

The picture is worked out once, as lines, circles and words; SVG text and matplotlib only put these on paper.
"""

from __future__ import annotations

import html
import io
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autograd.core.errors import ArgumentError
from autograd.files import write

from .. import checks
from ..layers import Dense
from ..module import Module

# Light and dark of each role. Blue and orange (Okabe and Ito, 2008) stay apart in every common kind of colour
# blindness, and negative weights are dashed as well.
COLOURS = {
    "paper": ("#ffffff", "#0d1117"),
    "ink": ("#1b1f24", "#e6edf3"),
    "quiet": ("#57606a", "#a3b0bd"),
    "neuron": ("#f3f5f7", "#1b222c"),
    "rim": ("#6e7781", "#8793a0"),
    "positive": ("#d55e00", "#f28c38"),
    "negative": ("#0072b2", "#4fa9e2"),
    "nan": ("#b0367f", "#e58fc0"),
}
ENDINGS = (".svg", ".png", ".pdf")
_RADIUS, _TOP, _LEFT, _FOOT = 15.0, 58.0, 70.0, 52.0
_FILL = 0.5  # opacity of the largest bias: words on it stay readable in both themes
_MOST_NUMBERS = 32  # weights written beside their lines
_FONTS = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Line:
    """A connection, or a stroke of the legend."""

    x1: float
    y1: float
    x2: float
    y2: float
    role: str
    width: float
    opacity: float
    dashed: bool
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Circle:
    """A neuron, filled the more strongly the larger its bias."""

    x: float
    y: float
    radius: float
    role: str
    opacity: float
    hint: str


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text; `middle` is the horizontal centre, else the left end."""

    x: float
    y: float
    text: str
    size: float = 12.0
    role: str = "ink"
    middle: bool = True
    bold: bool = False
    halo: bool = False


@dataclass(slots=True)
class NetworkPicture:
    """A drawn network: shown as the value of a notebook cell, written by `save`.

    Attributes:
        title: What it shows, in words.
        theme: "auto", "light" or "dark".
        width, height: In points.
        lines, circles, words: What is drawn.
    """

    title: str
    theme: str
    width: float = 0.0
    height: float = 0.0
    lines: list[Line] = field(default_factory=list)
    circles: list[Circle] = field(default_factory=list)
    words: list[Words] = field(default_factory=list)

    @property
    def svg(self) -> str:
        """The picture as one `<svg>` element; with the theme "auto" it follows the reader's system."""
        colour = {role: pair[self.theme == "dark"] for role, pair in COLOURS.items()}
        size = f"{self.width:g} {self.height:g}"
        style = ""
        if self.theme == "auto":
            rules = (f'.nn-net [{kind}="{light}"]{{{kind}:{dark}}}' for light, dark in COLOURS.values()
                     for kind in ("fill", "stroke"))  # fmt: skip
            paper = f".nn-net{{background:{COLOURS['paper'][1]}}}"
            style = f"<style>@media (prefers-color-scheme:dark){{{paper}{''.join(rules)}}}</style>\n"
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="nn-net" role="img" viewBox="0 0 {size}" '
            f'width="{self.width:g}" height="{self.height:g}" font-family="{_FONTS}">\n{style}'
            f"<title>{_safe(self.title)}</title>",
            f'<rect width="{self.width:g}" height="{self.height:g}" fill="{colour["paper"]}"/>',
        ]
        for line in self.lines:
            dash = ' stroke-dasharray="5 3"' if line.dashed else ""
            parts.append(
                f'<line x1="{line.x1:.1f}" y1="{line.y1:.1f}" x2="{line.x2:.1f}" y2="{line.y2:.1f}" '
                f'stroke="{colour[line.role]}" stroke-width="{line.width:.2f}" stroke-opacity="{line.opacity:.2f}"'
                f"{dash}><title>{_safe(line.hint)}</title></line>"
            )
        for circle in self.circles:
            place = f'cx="{circle.x:.1f}" cy="{circle.y:.1f}" r="{circle.radius:g}"'
            parts.append(
                f'<g><title>{_safe(circle.hint)}</title><circle {place} fill="{colour["neuron"]}" '
                f'stroke="{colour["rim"]}" stroke-width="1.5"/><circle {place} fill="{colour[circle.role]}" '
                f'fill-opacity="{circle.opacity:.2f}"/></g>'
            )
        for words in self.words:
            look = ' text-anchor="middle"' if words.middle else ""
            look += ' font-weight="bold"' if words.bold else ""
            if words.halo:
                look += f' stroke="{colour["paper"]}" stroke-width="7" stroke-linejoin="round" paint-order="stroke"'
            parts.append(f'<text x="{words.x:.1f}" y="{words.y:.1f}" font-size="{words.size:g}" '
                         f'fill="{colour[words.role]}"{look}>{_safe(words.text)}</text>')  # fmt: skip
        return "\n".join([*parts, "</svg>\n"])

    def figure(self) -> Any:
        """The picture as a matplotlib Figure of which matplotlib's global state does not know."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import Circle as Patch
        from matplotlib.patheffects import withStroke

        colour = {role: pair[self.theme == "dark"] for role, pair in COLOURS.items()}
        figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=72, facecolor=colour["paper"])
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(self.height, 0))
        axes.set_axis_off()
        for line in self.lines:
            axes.plot(
                [line.x1, line.x2], [line.y1, line.y2], color=colour[line.role], linewidth=line.width,
                alpha=line.opacity, dashes=(5 / line.width, 3 / line.width) if line.dashed else (None, None),
                solid_capstyle="butt", zorder=1,
            )  # fmt: skip
        for circle in self.circles:
            place, r, fill, rim = (circle.x, circle.y), circle.radius, colour[circle.role], colour["rim"]
            axes.add_patch(Patch(place, r, facecolor=colour["neuron"], edgecolor=rim, linewidth=1.5, zorder=2))
            axes.add_patch(Patch(place, r, facecolor=fill, alpha=circle.opacity, linewidth=0, zorder=3))
        for words in self.words:
            axes.text(
                words.x, words.y, _printable(words.text), fontsize=words.size * 0.92, color=colour[words.role],
                parse_math=False, ha="center" if words.middle else "left", va="baseline", zorder=4,
                fontweight="bold" if words.bold else "normal",
                path_effects=[withStroke(linewidth=6, foreground=colour["paper"])] if words.halo else [],
            )  # fmt: skip
        return figure

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a picture file, all at once or not at all.

        Args:
            path: Ends with .svg, .png or .pdf.

        Returns:
            The path.

        Raises:
            ArgumentError: Another ending.
            WriteError: It cannot be written.
        """
        target = Path(path)
        ending = target.suffix.lower()
        if ending not in ENDINGS:
            raise ArgumentError(f"{str(path)!r} is no picture file; write one of {', '.join(ENDINGS)}")
        head = '<?xml version="1.0" encoding="UTF-8"?>\n'
        data = (head + self.svg).encode() if ending == ".svg" else self._printed(ending[1:])
        return write(target, data)

    def _printed(self, form: str) -> bytes:
        """The bytes of a PNG or PDF file, the same ones every time."""
        buffer = io.BytesIO()
        undated = {"Software": None} if form == "png" else {"CreationDate": None, "Creator": None, "Producer": None}
        self.figure().savefig(buffer, format=form, dpi=144, metadata=undated, facecolor="auto")
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "image/svg+xml": self.svg}

    def __repr__(self) -> str:
        return f"<NetworkPicture: {self.title}>"


@dataclass(frozen=True, slots=True)
class Column:
    """One layer as drawn: `shown` the units that have a circle, `at` the height of each, `gap` that of the dots."""

    x: float
    units: int
    shown: list[int]
    at: list[float]
    gap: float | None


@checks.call("nn.draw(model, detail='neurons', max_units=12)")
def draw_neurons(
    model: Module,
    path: str | os.PathLike[str] | None = None,
    *,
    max_units: int = 12,
    theme: str = "auto",
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    numbers: bool | None = None,
) -> NetworkPicture:
    """Draw the neurons of a network and the connections between them, wide and strong where weights are large.

    Orange and solid: positive weights; blue and dashed: negative ones; the colour inside a neuron is its bias. Widths
    are in proportion to |w| / max |w| over the whole network.

    Args:
        model: A module whose Dense layers follow each other in the order in which it holds them.
        path: Where to write the picture (.svg, .png or .pdf).
        max_units: Of a layer with more units than this only so many are drawn, with dots between; at least 2.
        theme: "auto" follows the reader's system in SVG (and is light elsewhere), "light" or "dark" does not.
        inputs: Names of the first units, by default x1, x2, ...
        outputs: Names of the last units, by default y1, y2, ...
        numbers: Write the weights beside the lines; by default where there are few.

    Returns:
        The picture, which notebooks show and which has `.svg`, `.figure()` and `.save(path)`.

    Raises:
        ArgumentError: No Dense layers, layers that do not follow each other, or an option that does not exist.
    """
    if theme not in ("auto", "light", "dark"):
        raise ArgumentError(f"theme={theme!r} is not known; write theme='auto', 'light' or 'dark'")
    if not isinstance(max_units, int) or max_units < 2:
        raise ArgumentError(f"max_units={max_units!r} leaves nothing to draw; write a whole number from 2 on")
    layers = _dense_layers(model)
    sizes = [layers[0][0].input_size, *(layer.output_size for layer, _, _ in layers)]
    shown = [min(size, max_units) for size in sizes]
    few = sum(a * b for a, b in itertools.pairwise(shown)) <= _MOST_NUMBERS if numbers is None else numbers
    total = sum(parameter.size for parameter in model.parameters())
    picture = NetworkPicture(f"{type(model).__name__} {'-'.join(map(str, sizes))}, {total:,} parameters", theme)

    rows = [count + (size > count) for count, size in zip(shown, sizes)]
    dx, dy = (210.0, 70.0) if few else (190.0, 44.0)
    picture.width = 2 * _LEFT + dx * (len(sizes) - 1)
    picture.height = _TOP + dy * max(rows) + _FOOT
    columns = [
        _column(_LEFT + dx * index, size, count, _TOP + dy * max(rows) / 2, dy)
        for index, (size, count) in enumerate(zip(sizes, shown))
    ]
    names: list[list[str]] = [[] for _ in sizes]
    names[0] = _names(inputs, "x", "inputs", sizes[0])
    names[-1] = _names(outputs, "y", "outputs", sizes[-1])
    _connect(picture, layers, columns, names, few)
    _put_neurons(picture, layers, columns, names)
    _label(picture, layers, columns)
    if path is not None:
        picture.save(path)
    return picture


Layers = list[tuple[Dense, str, list[str]]]  # the layer, its path, what is applied to its output


def _dense_layers(model: Module) -> Layers:
    found: Layers = []
    for path, module in model.named_modules():
        if isinstance(module, Dense):
            if found and found[-1][0].output_size != module.input_size:
                raise ArgumentError(
                    f"{path} ({module!r}) does not take the {found[-1][0].output_size} outputs of {found[-1][1]}, so "
                    "this is no plain row of layers; draw the computation with autograd.draw(model(x))"
                )
            found.append((module, path, []))
        elif found and not any(isinstance(item, Module) for _, item in module.members()):
            found[-1][2].append(type(module).__name__)
    if not found:
        kind = type(model).__name__
        raise ArgumentError(f"{kind} has no Dense layers to draw; autograd.draw(model) shows what it has")
    return found


def _names(given: Sequence[str] | None, letter: str, what: str, size: int) -> list[str]:
    if given is None:
        return [letter if size == 1 else f"{letter}{index + 1}" for index in range(size)]
    if len(given) != size:
        raise ArgumentError(f"{what} has {len(given)} names for {size} units")
    return [str(name) for name in given]


def _column(x: float, units: int, count: int, middle: float, dy: float) -> Column:
    first = (count + 1) // 2 if units > count else count
    shown = [*range(first), *range(units - (count - first), units)]
    rows = count + (units > count)
    top = middle - dy * (rows - 1) / 2
    at = [top + dy * (row + (units > count and row >= first)) for row in range(count)]
    return Column(x, units, shown, at, top + dy * first if units > count else None)


def _connect(
    picture: NetworkPicture, layers: Layers, columns: list[Column], names: list[list[str]], numbers: bool
) -> None:
    values = [np.asarray(layer.weight.data, dtype=np.float64) for layer, _, _ in layers]
    largest = max((float(np.abs(w[np.isfinite(w)]).max(initial=0.0)) for w in values), default=0.0) or 1.0
    for index, (weights, before, after) in enumerate(zip(values, columns[:-1], columns[1:])):
        for i, y1 in zip(before.shown, before.at):
            for j, y2 in zip(after.shown, after.at):
                weight = float(weights[i, j])
                share = abs(weight) / largest if np.isfinite(weight) else 0.5
                role = ("negative" if weight < 0 else "positive") if np.isfinite(weight) else "nan"
                x1, x2 = before.x + _RADIUS, after.x - _RADIUS
                hint = f"{_unit(names[index], i)} to {_unit(names[index + 1], j)}: weight {weight:.4g}"
                picture.lines.append(Line(x1, y1, x2, y2, role, 0.5 + 4 * share, 0.25 + 0.7 * share, weight < 0, hint))
                if numbers:
                    others = [(a, b) for a in before.at for b in after.at if (a, b) != (y1, y2)]
                    picture.words.append(_number(picture, (x1, y1, x2, y2), others, f"{weight:.3g}"))


def _number(
    picture: NetworkPicture, line: tuple[float, float, float, float], others: list[tuple[float, float]], text: str
) -> Words:
    """A weight on its line, where no other number stands and the lines between other ends are far away."""
    x1, y1, x2, y2 = line

    def room(t: float) -> float:
        """How far away the nearest of the other lines is."""
        return min((abs(y1 + t * (y2 - y1) - (a + t * (b - a))) for a, b in others), default=0.0)

    places = sorted((0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8), key=lambda t: -round(room(t)))
    spots = [(x1 + t * (x2 - x1), y1 + t * (y2 - y1) + 3.5) for t in places]
    for x, y in spots:
        if all(abs(x - other.x) > 38 or abs(y - other.y) > 13 for other in picture.words):
            return Words(x, y, text, 10, halo=True)
    return Words(*spots[0], text, 10, halo=True)


def _unit(names: list[str], index: int) -> str:
    return names[index] if names else f"unit {index + 1}"


def _put_neurons(picture: NetworkPicture, layers: Layers, columns: list[Column], names: list[list[str]]) -> None:
    values = [np.zeros(layer.output_size) if layer.bias is None else np.asarray(layer.bias.data, np.float64)
              for layer, _, _ in layers]  # fmt: skip
    largest = max((float(np.abs(b[np.isfinite(b)]).max(initial=0.0)) for b in values), default=0.0) or 1.0
    for number, column in enumerate(columns):
        biases = values[number - 1] if number else None
        for index, y in zip(column.shown, column.at):
            hint, role, opacity = _unit(names[number], index), "positive", 0.0
            if biases is not None:
                bias = float(biases[index])
                finite = bool(np.isfinite(bias))
                role = ("negative" if bias < 0 else "positive") if finite else "nan"
                opacity = _FILL * abs(bias) / largest if finite else _FILL
                hint += f": bias {bias:.4g}" if layers[number - 1][0].bias is not None else ": no bias"
            picture.circles.append(Circle(column.x, y, _RADIUS, role, opacity, hint))
            if names[number]:
                long = any(len(names[number][unit]) > 3 for unit in column.shown)
                aside = 0.0 if not long else -43.0 if number == 0 else 43.0
                name = names[number][index] if len(names[number][index]) <= 9 else names[number][index][:8] + "…"
                picture.words.append(Words(column.x + aside, y + 4, name, 10 if long else 11))
        if column.gap is not None:
            picture.words += [Words(column.x, column.gap + step, "•", 11, "quiet") for step in (-6.0, 4.0, 14.0)]


def _label(picture: NetworkPicture, layers: Layers, columns: list[Column]) -> None:
    for number, column in enumerate(columns):
        heading, below = "inputs", f"{column.units:,}"
        if number:
            layer, path, after = layers[number - 1]
            heading = path or "Dense"
            below = f"{column.units:,} unit{'s' * (column.units > 1)}"
            picture.words.append(Words(column.x, 42, " ".join(after) or "linear", 10, "quiet"))
        picture.words.append(Words(column.x, 26, heading if len(heading) <= 24 else f"…{heading[-23:]}", 12, bold=True))
        more = f", {len(column.shown)} drawn" if column.gap is not None else ""
        picture.words.append(Words(column.x, picture.height - 36, below + more, 10, "quiet"))
    y, x = picture.height - 14, 16.0
    for role, dashed, text in (("positive", False, "positive"), ("negative", True, "negative")):
        picture.lines.append(Line(x, y - 3, x + 26, y - 3, role, 3, 0.95, dashed, f"{text} weight"))
        picture.words.append(Words(x + 32, y, text, 10, "quiet", middle=False))
        x += 92
    if picture.width >= 420:
        picture.words.append(Words(x, y, "wide: large weight, filled: large bias", 10, "quiet", middle=False))


def _safe(text: str) -> str:
    """Text as it may stand in SVG: on one line, nothing special, nothing that no file may hold."""
    return html.escape(_printable(text))


def _printable(text: str) -> str:
    return "".join(" " if letter in "\n\t" else letter if letter.isprintable() else "\ufffd" for letter in text)
