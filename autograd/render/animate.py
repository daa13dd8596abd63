"""`animate`: values running forward through a graph, and gradients back, as a GIF.

Graphviz draws the same layout three times: pale, with values, and with gradients too. A frame takes every node and
every edge from the drawing that shows what it has by then, so all frames are as exact as the picture itself.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from ..core.errors import ArgumentError
from . import svg
from .dot import printable, to_dot
from .fold import Collapse
from .gif import write_gif
from .model import Diagram, Node
from .picture import Picture, draw
from .theme import Colour, colours

_LONGEST = 1400  # pixels of the longer side
_FINEST = 110  # dots per inch
_STRIP = 44  # pixels of the words above
_FINE = 3  # sub-pixels of the lines drawn here
WAITING, VALUE, GRADIENT = 0, 1, 2
_VEILS = (("node", "value", "grad"), ("grad",), ())


class Moment(NamedTuple):
    """One step: what a node gets, or None before the first and after the last; `number` of `total` of its pass."""

    node: Node | None
    state: int
    number: int = 0
    total: int = 0


class Shape(NamedTuple):
    """Where an element stands: box (left, top, right, bottom) in pixels; points of its line, if it is an edge."""

    box: tuple[float, float, float, float]
    line: list[tuple[float, float]]


def animate(
    thing: Any,
    path: str | os.PathLike[str],
    *,
    max_frames: int = 60,
    frame_ms: int = 350,
    hold_ms: int = 2000,
    depth: int | None = None,
    direction: str = "TB",
    derivatives: bool = False,
    collapse: Collapse = None,
    max_nodes: int = 60,
    theme: str = "light",
    engine: str = "auto",
    timeout: float = 30.0,
) -> Path:
    """Write a GIF of a computation: nodes light up with their values in the order in which they were computed, then
    with their gradients in the order in which `backward()` found them.

    Gradients are there where `backward()` ran inside `with autograd.keep_grads():`; without them, and for a program,
    the animation ends when everything is computed.

    Args:
        thing: a Tensor or a list of them, a traced graph or a compiled function, as for `draw`.
        path: the file to write, ending in .gif.
        max_frames: steps beyond this are taken several at a time; the first and the last frame stay.
        frame_ms: time per frame in milliseconds; hold_ms: for the first and the last.
        depth, direction, derivatives, collapse, max_nodes, engine, timeout: as for `draw`.
        theme: "light" or "dark".

    Returns:
        The path.

    Raises:
        ArgumentError: another ending or theme, or what `draw` refuses.
        RenderError: there is no Graphviz program here, or it failed.
        GraphError: a result of which nothing was recorded: made under `no_grad`, or returned by a compiled function.

    >>> import tempfile
    >>> from autograd import Tensor, animate, keep_grads
    >>> w = Tensor(2.0, requires_grad=True, name="w")
    >>> loss = w * w
    >>> with keep_grads():
    ...     loss.backward()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     animate(loss, f"{folder}/flow.gif").name
    'flow.gif'
    """
    if Path(path).suffix.lower() != ".gif":
        raise ArgumentError(f"{str(path)!r} does not end in .gif; write animate(loss, 'flow.gif')")
    if theme not in ("light", "dark"):
        raise ArgumentError(f"theme={theme!r}: a GIF cannot follow the reader's system; write 'light' or 'dark'")
    picture = draw(
        thing,
        depth=depth,
        direction=direction,
        derivatives=derivatives,
        collapse=collapse,
        max_nodes=max_nodes,
        theme=theme,  # type: ignore[arg-type]
        engine=engine,
        timeout=timeout,
    )
    return write_gif(
        _Painter(picture, direction),
        steps(picture.diagram),
        path,
        max_frames=max_frames,
        frame_ms=frame_ms,
        hold_ms=hold_ms,
    )


def steps(diagram: Diagram) -> list[Moment]:
    """Nothing, every node's value in forward order, every gradient in backward order, and the whole."""
    forward = diagram.nodes
    backward = [node for node in reversed(forward) if node.grad is not None]
    moments = [Moment(None, WAITING)]
    moments += [Moment(node, VALUE, number, len(forward)) for number, node in enumerate(forward, 1)]
    moments += [Moment(node, GRADIENT, number, len(backward)) for number, node in enumerate(backward, 1)]
    return [*moments, Moment(None, GRADIENT if backward else VALUE)]


class _Painter:
    """Draws the moments of one picture."""

    def __init__(self, picture: Picture, direction: str) -> None:
        self.diagram = picture.diagram
        self.colour: Colour = colours(picture.theme)
        texts = [to_dot(self.diagram, theme=picture.theme, direction=direction, veil=veil) for veil in _VEILS]
        root = svg.parse(picture.run("svg", texts[-1]))
        width, height = svg.size(root)
        dpi = max(48, min(_FINEST, int(72 * _LONGEST / max(width, height))))
        self.drawn = _same_size([_pixels(picture.run("png", text, dpi=dpi)) for text in texts])
        self.scale = self.drawn[0].shape[1] / width
        self.shapes = _shapes(root, self.scale)
        self.masks = {name: self._mask(shape) for name, shape in self.shapes.items()}

    def __call__(self, moment: Moment) -> np.ndarray:
        """The frame, (height, width, 3)."""
        frame = self.drawn[-1].copy()
        for name, state in self._states(moment).items():
            if state < GRADIENT:
                (left, top, right, bottom), mask = self.masks[name]
                part = frame[top:bottom, left:right]
                part[mask] = self.drawn[state][top:bottom, left:right][mask]
        self._light(frame, moment)
        return np.concatenate([self._strip(moment), frame])

    def _states(self, moment: Moment) -> dict[str, int]:
        """How far every edge and every node has come; nodes come last, because they lie on top."""
        order = {node: place for place, node in enumerate(self.diagram.nodes)}
        back, whole = moment.state == GRADIENT, moment.node is None
        at = order[moment.node] if moment.node is not None else -1

        def state(node: Node) -> int:
            if back:
                return GRADIENT if whole or order[node] >= at else VALUE
            return VALUE if order[node] <= at or (whole and moment.state == VALUE) else WAITING

        edges = {edge.id: state(edge.tail if back else edge.head) for edge in self.diagram.edges}
        return edges | {node.id: state(node) for node in order}

    def _light(self, frame: np.ndarray, moment: Moment) -> None:
        """Draw round the node of the moment, and along the edges over which it gets what it gets."""
        from PIL import Image, ImageDraw

        if moment.node is None:
            return
        back = moment.state == GRADIENT
        lit = [
            edge
            for edge in self.diagram.edges
            if (edge.tail is moment.node and edge.flow is not None if back else edge.head is moment.node)
        ]
        mask = Image.new("L", (_FINE * frame.shape[1], _FINE * frame.shape[0]))
        pen = ImageDraw.Draw(mask)
        width = max(2, round(2.4 * self.scale)) * _FINE
        for edge in lit:
            pen.line([(_FINE * x, _FINE * y) for x, y in self.shapes[edge.id].line], 255, width, joint="curve")
        left, top, right, bottom = (_FINE * side for side in self.shapes[moment.node.id].box)
        pen.rounded_rectangle((left, top, right, bottom), 6 * self.scale * _FINE, outline=255, width=width)
        share = np.asarray(mask.resize((frame.shape[1], frame.shape[0]), Image.Resampling.BOX), float)[..., None] / 255
        colour = _rgb(self.colour("flow 4" if back else "input line"))
        frame[:] = np.round(frame * (1 - share) + colour * share)

    def _strip(self, moment: Moment) -> np.ndarray:
        """The words above the picture, and how far it has come."""
        from matplotlib import get_data_path
        from PIL import Image, ImageDraw, ImageFont

        width = self.drawn[0].shape[1]
        strip = Image.new("RGB", (width, _STRIP), self.colour("paper"))
        pen = ImageDraw.Draw(strip)
        fonts = Path(get_data_path()) / "fonts" / "ttf"
        bold, plain = (ImageFont.truetype(fonts / name, 15) for name in ("DejaVuSans-Bold.ttf", "DejaVuSans.ttf"))
        role = "flow 4" if moment.state == GRADIENT else "input line"
        title, words = _words(moment)
        pen.text((10, 8), title, self.colour(role if moment.node else "ink"), bold)
        pen.text((24 + pen.textlength(title, bold), 8), words, self.colour("ink"), plain)
        done = moment.number / moment.total if moment.total else float(moment.state != WAITING)
        pen.rectangle((0, _STRIP - 5, width, _STRIP - 2), self.colour("operation line"))
        pen.rectangle((0, _STRIP - 5, round(done * width), _STRIP - 2), self.colour(role))
        return np.asarray(strip)

    def _mask(self, shape: Shape) -> tuple[tuple[int, int, int, int], np.ndarray]:
        """The pixels of an element: all of a node's box, and whatever lies along an edge."""
        from PIL import Image, ImageDraw

        height, width = self.drawn[0].shape[:2]
        room = round(4 * self.scale) if shape.line else 2
        left, top = (max(0, int(side) - room) for side in shape.box[:2])
        right, bottom = (
            min(most, int(side) + room + 1) for side, most in zip(shape.box[2:], (width, height), strict=True)
        )
        if not shape.line:
            return (left, top, right, bottom), np.ones((bottom - top, right - left), bool)
        mask = Image.new("1", (right - left, bottom - top))
        pen = ImageDraw.Draw(mask)
        pen.line([(x - left, y - top) for x, y in shape.line], 1, 2 * room, joint="curve")
        x, y = shape.line[-1][0] - left, shape.line[-1][1] - top
        pen.ellipse((x - 2 * room, y - 2 * room, x + 2 * room, y + 2 * room), 1)
        return (left, top, right, bottom), np.asarray(mask)


def _words(moment: Moment) -> tuple[str, str]:
    """What stands above a frame: its pass, and what the node has got."""
    node = moment.node
    if node is None:
        return ("Before the first step", "") if moment.state == WAITING else ("All done", "")
    name = printable(node.name or node.alias or node.formula)
    name = name if len(name) <= 32 else name[:31] + "…"
    place = node.scope.rpartition("/")[2]
    place = f" in {printable(place)[:24]}" if place and not node.name else ""
    if moment.state == GRADIENT:
        gradient = node.grad.text if node.grad is not None else ""
        return f"Backward {moment.number} of {moment.total}", f"gradient of {name}{place}: {gradient}"
    value = node.value.text if node.value is not None else ""
    made = (f"{name} = {node.formula}" if node.symbol and name != node.formula else name) + place
    return f"Forward {moment.number} of {moment.total}", f"{made}: {value}" if value else made


def _shapes(root: Element, scale: float) -> dict[str, Shape]:
    """Nodes and edges of Graphviz's SVG by their ids, in pixels."""
    move = np.array(svg.shift(root))
    found: dict[str, Shape] = {}
    for group in root.iter("g"):
        kind = next((kind for kind in ("node", "edge") if svg.is_a(group, kind)), "")
        if not kind:
            continue
        parts = [part for part in group.iter() if part.tag in ("polygon", "path")]
        pieces = [
            (
                np.array(re.findall(r"-?\d+(?:\.\d+)?", part.get("points") or part.get("d") or ""), float).reshape(
                    -1, 2
                )
                + move
            )
            * scale
            for part in (parts if kind == "edge" else parts[:1])
        ]
        line: Sequence[Any] = []
        if kind == "edge":
            pieces[0] = _curve(pieces[0])
            line = [*pieces[0].tolist(), *(arrow.mean(axis=0).tolist() for arrow in pieces[1:])]
        corners = np.concatenate(pieces)
        (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
        found[group.get("id", "")] = Shape((left, top, right, bottom), [(x, y) for x, y in line])
    return found


def _curve(points: np.ndarray) -> np.ndarray:
    """Points along Bézier curves, each from where the one before it ended."""
    t = np.linspace(0, 1, 17)[:, None]
    return np.concatenate(
        [
            (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
            for a, b, c, d in zip(points[:-1:3], points[1::3], points[2::3], points[3::3], strict=True)
        ]
    )


def _pixels(png: bytes) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return np.array(image.convert("RGB"))


def _same_size(pictures: list[np.ndarray]) -> list[np.ndarray]:
    height, width = (min(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    return [picture[:height, :width] for picture in pictures]


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
