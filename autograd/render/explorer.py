"""`explore`: a computation in one HTML file in which a reader walks forward and backward through it."""

from __future__ import annotations

import html
import json
import os
import tempfile
import webbrowser
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, RenderError
from ..core.primitive import Box
from ..files import write
from .dot import printable
from .engine import HOW_TO_INSTALL, find_engine, run_engine
from .fold import refuse
from .model import connect, count, from_tape
from .numbers import FACTOR, GRAD, Numbers, numbers, structure
from .pack import SIDE, Pack
from .panels import Panel
from .theme import PALETTE, ThemeName, colours
from .views import View, make_views, view_json

SIDES = (SIDE, 12, 6)  # sides of the tables that arrays are shrunk to, the first that keeps the page small
MOST_NUMBERS = 1_500_000  # in one page
_SCRIPTS = ("numbers.js", "graph.js", "steps.js", "details.js", "panels.js", "main.js")


class Exploration:
    """A page about a computation: shown as the value of a notebook cell, by `show()` elsewhere, written by `save()`."""

    def __init__(self, title: str, html: str) -> None:
        self.title, self.html = title, html

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, all at once or not at all; returns the path, which must end in .html."""
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm"):
            raise ArgumentError(f"{str(path)!r} is no HTML file; write a path that ends in .html")
        return write(target, self.html.encode())

    def show(self) -> None:
        """Open the page in the browser, from the folder for temporary files."""
        page = self.save(Path(tempfile.mkdtemp(prefix="tracegrad-")) / "explore.html")
        if not webbrowser.open(page.as_uri()):
            print(f"No browser could be started; the page is in {page}")

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that it and the notebook leave each other alone."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self.title)}" '
            'style="width:100%;height:720px;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<Exploration: {self.title}, {len(self.html) / 1e6:.2g} MB>"


def explore(
    thing: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    moments: Sequence[int] = (),
    panels: Iterable[Panel] = (),
    title: str = "",
    unit: str = "epoch",
    direction: str = "TB",
    max_nodes: int | None = 300,
    theme: ThemeName = "auto",
    engine: str = "auto",
    timeout: float = 30.0,
) -> Exploration:
    """One HTML file in which a computation can be stepped through, forward and backward, with its numbers.

    Forward, the values appear operation by operation, with the formula and its numbers; backward, the gradient of the
    output flows back, and every edge shows gradient × local derivative = contribution. The file holds all it needs:
    no network, no server, no library. The tape is only read: no `.grad` changes, and none has to be there.

    Args:
        thing: a Tensor: the computation it came from; gradients are there if it is a single number.
            Or an iterable of Tensors that came from the same operations, such as the loss of the same rows at several
            epochs: a slider then moves through them. Each is read before the next is asked for.
        path: where to write the page, ending in .html.
        moments: the number of each Tensor in an iterable, rising; by default 0, 1, 2, ...
        panels: what to show beside the graph: `autograd.panels.Curve`, `Maps`, `Arrays`; read after the last Tensor.
        title: heading of the page.
        unit: what the moments count.
        direction, max_nodes, theme, engine, timeout: as for `draw`; what is folded is said in the page.

    Returns:
        The page, which notebooks show and which has `.show()`, `.save(path)` and `.html`.

    Raises:
        RenderError: there is no Graphviz program, the graph was freed by a backward pass, or it is too large.
        GraphError: a result of which nothing was recorded: made under `no_grad`, or returned by a compiled function.
        ArgumentError: no recorded computation, or one that changes between the moments.

    >>> from autograd import Tensor, explore
    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> explore(w * w + 2 * w).title
    'Computation graph'
    """
    colours(theme)  # an unknown theme is an error before any work is done
    outputs = iter([thing] if isinstance(thing, Box) else thing if isinstance(thing, Iterable) else [])
    first = next(outputs, None)
    if not isinstance(first, Box) or getattr(first, "traced", False):
        raise ArgumentError(
            f"explore was given {type(thing).__name__}, which has no recorded computation with numbers; "
            "write explore(loss) with a Tensor, or with the same loss at several epochs"
        )
    refuse(count([first]), max_nodes)
    diagram = from_tape([first])
    if any(getattr(node.thing, "traced", False) for node in diagram.nodes):
        raise ArgumentError(
            "explore shows the numbers of every value, of which there are many inside vmap: explore the "
            "function of a single row, or draw the graph"
        )
    program = find_engine(engine)
    if program is None:
        raise RenderError(f"no Graphviz program is here, so nothing can be laid out. To draw it: {HOW_TO_INSTALL}")
    connect(diagram)
    series = [numbers(first, diagram)]
    alone = isinstance(thing, Box)  # else the lines are those that replayed it
    side = _side(series[0], max(len(moments), 1))
    views = make_views(
        partial(from_tape, [first]),
        max_nodes,
        side=side,
        direction=direction,
        layout=lambda dot: run_engine(program, dot, "svg", timeout=timeout),
    )
    shown = {node.id for view in views for node in view.diagram.nodes}
    series = [_only(series[0], shown)]
    kept = structure(diagram)
    for output in outputs:
        again = from_tape([output])
        if structure(again) != kept:
            raise ArgumentError(
                f"moment {len(series)} came from other operations or shapes than the first one; give "
                "explore the same computation each time, on the same number of rows"
            )
        connect(again)
        series.append(_only(numbers(output, again), shown))
    whens = list(moments) or list(range(len(series)))
    if len(whens) != len(series):
        raise ArgumentError(f"there are {len(whens)} moments but {len(series)} Tensors")
    pack = Pack(side=side, exact=len(series) == 1)
    title = printable(title or diagram.title)[:400]
    data = {
        "title": title,
        "unit": unit,
        "moments": [int(when) for when in whens],
        "backward": _backward(first),
        "arrays": _arrays(series, pack),
        "panels": [panel.to_json(pack, len(whens)) for panel in panels],
        "views": [
            view_json(view, sources=alone) | ({} if view is views[0] else {"svg": pack.text(view.svg)})
            for view in views
        ],
        "width": pack.width,
    }
    page = Exploration(title, _page(title, views[0], data, pack, theme))
    if path is not None:
        page.save(path)
    return page


def _backward(output: Any) -> str:
    """Why there is no backward pass; empty if there is one."""
    if not output.requires_grad:
        return "Nothing here requires a gradient, so there is no backward pass."
    if output.value.size != 1:
        return f"The output has shape {output.shape}; only a single number can be differentiated: explore(y.sum())."
    return ""


def _side(arrays: Numbers, moments: int) -> int:
    """The side of the tables that arrays are shrunk to, so that the page stays small."""
    for side in SIDES:
        total = sum(min(np.size(array), side * side) for array in arrays.values()) * moments
        if total <= MOST_NUMBERS:
            break
    return side


def _only(arrays: Numbers, shown: set[str]) -> Numbers:
    """What belongs to nodes that some view shows."""
    return {(what, key): array for (what, key), array in arrays.items() if key.partition(":")[0] in shown}


def _arrays(series: list[Numbers], pack: Pack) -> dict[str, dict[str, Any]]:
    """Where each array is in the pack, by what it is and whose."""
    found: dict[str, dict[str, Any]] = {}
    for what, key in series[0]:
        moments = [arrays[what, key] for arrays in series]
        constant = moments[0].flat[0] if what == FACTOR and np.size(moments[0]) else None
        if constant is not None and np.isfinite(constant) and all((array == constant).all() for array in moments):
            found.setdefault(what, {})[key] = {"constant": float(constant.real)}
        else:
            found.setdefault(what, {})[key] = pack.series(moments)
    found.setdefault(GRAD, {})
    return found


def _page(title: str, view: View, data: dict[str, Any], pack: Pack, theme: str) -> str:
    """Everything in one file. In a script element only `</script` and `<!--` are special, so no `<` is left in data."""
    files = {file.name: file.read_text("utf-8") for file in resources.files(__package__).joinpath("page").iterdir()}
    parts = {
        "TITLE": html.escape(title),
        "THEME": theme,
        "STYLE": _palette() + files["page.css"],
        "GRAPH": view.svg,
        "DATA": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        "PACK": pack.base64(),
        "SCRIPT": '"use strict";\n' + "\n".join(files[name] for name in _SCRIPTS),
    }
    pieces = files["page.html"].split("@@")  # text, name, text, name, ..., text
    return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def _palette() -> str:
    """The colours as CSS variables, and Graphviz's fixed colours exchanged for them."""
    light, dark = (
        ";".join(f"--{_variable(role)}:{pair[column]}" for role, pair in PALETTE.items()) for column in (0, 1)
    )
    rules = "".join(
        f'#world [fill="{colour}"]{{fill:var(--{name})}}#world [stroke="{colour}"]{{stroke:var(--{name})}}'
        for colour, name in {pair[0]: _variable(role) for role, pair in PALETTE.items()}.items()
    )
    return (
        f":root{{color-scheme:light;{light}}}\n:root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"@media (prefers-color-scheme:dark){{:root[data-theme=auto]{{color-scheme:dark;{dark}}}}}\n{rules}\n"
    )


def _variable(role: str) -> str:
    """A role as the name of a CSS variable.

    >>> _variable("heat -5"), _variable("group line")
    ('heat-m5', 'group-line')
    """
    return role.replace("-", "m").replace(" ", "-")
