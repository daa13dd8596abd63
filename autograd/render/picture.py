"""`draw`: a recorded computation as a picture, in a file or in a notebook."""

from __future__ import annotations

import hashlib
import html
import os
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from ..core.errors import ArgumentError, RenderError
from ..core.primitive import Box
from ..files import write
from . import svg as svg_tree
from .dot import CLASS, printable, to_dot
from .drawing import Drawing, insert
from .engine import HOW_TO_INSTALL, Engine, find_engine, run_engine
from .export import to_json
from .fold import Collapse, fold, refuse
from .model import Diagram, connect, count, describe, from_tape
from .program import count_eqns, from_graph, from_stages, stages_of
from .structure import from_module, is_module
from .theme import PALETTE, ThemeName, colours, dark_style

ENDINGS = (".svg", ".png", ".pdf", ".dot", ".html", ".json")
_DIRECTIONS = ("TB", "LR", "BT", "RL")
PNG_DPI = 144  # twice as sharp as a browser's 72 points to the inch


class Picture:
    """A drawn graph: shown as the value of a notebook cell, by `show()` elsewhere, written by `save()`.

    `diagram` holds its nodes, edges and notes, `dot` its text in the DOT language; `svg` and `html` are laid out by
    Graphviz the first time they are asked for.
    """

    def __init__(
        self,
        diagram: Diagram,
        *,
        direction: str = "TB",
        theme: str = "auto",
        engine: str = "auto",
        timeout: float = 30.0,
    ) -> None:
        self.diagram, self.theme, self.timeout = diagram, theme, timeout
        self._direction, self._engine = direction, engine
        self._dot = self._svg = ""
        self._title = printable(diagram.title)

    @property
    def engine(self) -> Engine | None:
        """The Graphviz program that draws it, None where there is none."""
        return find_engine(self._engine)

    @property
    def dot(self) -> str:
        """The picture in the DOT language."""
        if not self._dot:
            self._dot = to_dot(self.diagram, theme=self.theme, direction=self._direction)
        return self._dot

    @property
    def svg(self) -> str:
        """The picture as one `<svg>` element, complete in itself."""
        if not self._svg:
            drawings: list[Drawing] = []
            dot = to_dot(self.diagram, theme=self.theme, direction=self._direction, apart=drawings)
            root = svg_tree.parse(self.run("svg", dot))
            insert(root, drawings, colours(self.theme))
            self._svg = _finish(root, self._title, self.theme)
        return self._svg

    @property
    def png(self) -> bytes:
        """The picture as a bitmap, light unless the theme is "dark"."""
        return self.run("png", self.dot, dpi=PNG_DPI)

    @property
    def html(self) -> str:
        """A page of its own that holds the picture and nothing that must be loaded."""
        return _page(self.svg, self._title, self.theme)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format that the path's ending names, all at once or not at all.

        Args:
            path: ends in .svg, .png, .pdf, .dot, .html or .json; missing folders are made.

        Returns:
            The path.

        Raises:
            ArgumentError: another ending.
            RenderError: no Graphviz program is here (the DOT text is then written beside the path), or it failed.
        """
        target = Path(path)
        ending = target.suffix.lower()
        if ending not in ENDINGS:
            given = f"ends in {ending!r}" if ending else "has no ending"
            raise ArgumentError(f"{str(path)!r} {given}; write one of {', '.join(ENDINGS)}")
        if ending == ".dot":
            write(target, self.dot.encode("utf-8"))
        elif ending == ".json":
            write(target, to_json(self.diagram).encode())
        elif self.engine is None:
            source = target.with_suffix(".dot")
            write(source, self.dot.encode("utf-8"))
            raise RenderError(
                f"{target.name} was not drawn, because no Graphviz program is here; the graph stands in "
                f"{source}. {_sentence(HOW_TO_INSTALL)}"
            )
        elif ending == ".pdf":
            write(target, self._pdf())
        else:
            write(target, {".svg": self._svg_file, ".png": lambda: self.png, ".html": self._html_file}[ending]())
        return target

    def show(self) -> None:
        """Show the picture: in the notebook, else in the browser, from a page in the folder for temporary files."""
        try:
            from IPython import get_ipython  # type: ignore[import-not-found, unused-ignore]
            from IPython.display import display  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            inside = None
        else:
            inside = get_ipython()
        if inside is not None and "IPKernelApp" in inside.config:
            display(self)
            return
        page = self.save(Path(tempfile.mkdtemp(prefix="tracegrad-")) / "graph.html")
        if not webbrowser.open(page.as_uri()):
            print(f"No browser could be started; the picture is in {page}")

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """What notebooks ask for: the drawing, and a bitmap where one is asked for by name."""
        bundle: dict[str, Any] = {"text/plain": repr(self)}
        if self.engine is None:
            bundle["text/plain"] += f"\n{_sentence(HOW_TO_INSTALL)}\n{self.dot}"
        else:
            bundle["image/svg+xml"] = self.svg
            if include and "image/png" in include:
                bundle["image/png"] = self.png
        return {
            kind: data
            for kind, data in bundle.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }

    def __repr__(self) -> str:
        return f"<Picture: {self.diagram.title}, {len(self.diagram.nodes)} nodes, {len(self.diagram.edges)} edges>"

    def run(self, format: str, dot: str, dpi: int | None = None) -> bytes:
        """What the picture's engine makes of DOT text."""
        engine = self.engine
        if engine is None:
            raise RenderError(
                f"no Graphviz program is here, so there is no {format}; .dot holds the graph as text. "
                f"{_sentence(HOW_TO_INSTALL)}"
            )
        return run_engine(engine, dot, format, timeout=self.timeout, dpi=dpi)

    def _pdf(self) -> bytes:
        engine = self.engine
        if engine is not None and engine.name != "dot":
            engine = find_engine("dot") if self._engine == "auto" and find_engine() != engine else None
        if engine is None:
            raise RenderError(
                "PDF needs the system's Graphviz (`dot`), which is not in use here: the embedded engine "
                "writes .svg, .png and .html. Install Graphviz (apt install graphviz, brew install "
                "graphviz, winget install graphviz) or save as .svg"
            )
        return run_engine(engine, self.dot, "pdf", timeout=self.timeout)

    def _svg_file(self) -> bytes:
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{self.svg}'.encode()

    def _html_file(self) -> bytes:
        return self.html.encode()


def draw(
    thing: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    depth: int | None = None,
    direction: str = "TB",
    values: bool = True,
    grads: bool = True,
    derivatives: bool = False,
    collapse: Collapse = None,
    max_nodes: int | None = 300,
    theme: ThemeName = "auto",
    engine: str = "auto",
    timeout: float = 30.0,
) -> Picture:
    """Draw the computation that a Tensor came from, with shapes, values, gradients and the user's lines; or a program.

    Args:
        thing: a Tensor, or a list or tuple of them: the computation with its numbers.
            A traced graph or a compiled function that has run: its equations, with the forward pass, the backward pass
            and the update apart. A list of pairs, `[("traced", first), ("optimised", last)]` or `step.stages`: these
            graphs side by side, with what each pass drops and changes.
            A module, or anything with `named_parameters()`: its layers and parameters, without running it.
        path: where to write the picture; its ending (.svg, .png, .pdf, .dot, .html, .json) names the format.
        depth: how many levels of `autograd.scope` to open; 0 draws every outermost scope as one node, None opens all.
        direction: "TB" from top to bottom, "LR" from left to right, "BT" or "RL".
        values: show values: a number, or mean and standard deviation with a small drawing of the entries.
        grads: show gradients where there are some; under `keep_grads()` the backward pass leaves them everywhere, and
            edges are drawn as wide as the gradient that flows back through them.
        derivatives: print on each edge the local derivative, from the rule that computes it.
        collapse: "parameters" or "constants" to write them into the operations that use them, "repeats" to draw
            repeated blocks once, the path of a scope to draw it as one node, several of these, or a function that is
            given a path and says whether to fold it.
        max_nodes: fold repeated blocks, then scopes, then long chains, and leave out what is farthest from the output
            until this many nodes are left; the picture says so. None draws all, as far as that can be laid out.
        theme: "auto" follows the reader's system in SVG and HTML (and is light elsewhere), "light" or "dark" does not.
        engine: "auto", "dot", "graphviz-pure" or the path of a Graphviz program.
        timeout: seconds the layout may take.

    Returns:
        The picture, which notebooks show and which has `.show()`, `.save(path)`, `.svg`, `.png`, `.html` and `.dot`.

    Raises:
        RenderError: there is no Graphviz program, it failed, or the graph is too large to draw unfolded.
        GraphError: a result of which nothing was recorded: made under `no_grad`, or returned by a compiled function.
        ArgumentError: an option that does not exist.

    >>> from autograd import Tensor, draw
    >>> w = Tensor(2.0, requires_grad=True, name="w")
    >>> picture = draw(w * w)
    >>> picture
    <Picture: Computation graph, 2 nodes, 2 edges>
    """
    if direction not in _DIRECTIONS:
        raise ArgumentError(f"direction={direction!r} is not known; write one of {', '.join(_DIRECTIONS)}")
    colours(theme)  # an unknown theme is an error before any work is done
    limit = max_nodes if depth is None and collapse is None else 1
    diagram = fold(_walk(thing, limit), depth=depth, collapse=collapse, max_nodes=max_nodes)
    connect(diagram)
    describe(diagram, values=values, grads=grads, derivatives=derivatives)
    picture = Picture(diagram, direction=direction, theme=theme, engine=engine, timeout=timeout)
    if path is not None:
        picture.save(path)
    return picture


def _walk(thing: Any, limit: int | None) -> Diagram:
    """The diagram of whatever can be drawn; refused before the walk where nobody would wait for the picture."""
    stages = None if isinstance(thing, Box) else stages_of(thing)
    if stages is not None:
        refuse(count_eqns(stages), limit)
        return from_stages(stages) if len(stages) > 1 or stages[0][0] else from_graph(stages[0][1])
    if not isinstance(thing, Box) and is_module(thing):
        return from_module(thing)
    outputs = list(thing) if isinstance(thing, (list, tuple)) else [thing]
    if not outputs or not all(isinstance(output, Box) for output in outputs):
        given = type(thing).__name__ if outputs else "an empty list"
        raise ArgumentError(
            f"draw was given {given}, which has no recorded computation; write draw(loss) with a "
            "Tensor or a list of Tensors, or give it a traced graph, a compiled function or a module"
        )
    refuse(count(outputs), limit)
    return from_tape(outputs)


def _finish(root: Element, title: str, theme: str) -> str:
    """Graphviz's SVG made fit to stand in any page: unique ids, a title that says something, both themes."""
    prefix = "t" + hashlib.sha256((theme + svg_tree.text(root)).encode("utf-8", "replace")).hexdigest()[:8]
    for group in root.iter("g"):
        if "id" in group.attrib:
            group.set("id", f"{prefix}_{group.get('id')}")
    graph = svg_tree.graph(root)
    for old in graph.findall("title"):
        graph.remove(old)
    heading = Element("title")
    heading.text, heading.tail = title, "\n"
    graph.insert(0, heading)
    root.attrib = {"class": f"{CLASS} {prefix}", "role": "img"} | root.attrib
    if theme == "dark":
        root.set("style", f"background:{colours(theme)('paper')}")
    if theme == "auto":
        style = Element("style")
        style.text, style.tail = dark_style("." + prefix), "\n"
        root.insert(0, style)
    return svg_tree.text(root)


def _page(svg: str, title: str, theme: str) -> str:
    light, dark = PALETTE["paper"]
    scheme = "light dark" if theme == "auto" else theme
    paper = dark if theme == "dark" else light
    night = f"@media (prefers-color-scheme:dark){{body{{background:{dark}}}}}" if theme == "auto" else ""
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>:root{{color-scheme:{scheme}}}body{{margin:0;padding:16px;background:{paper}}}{night}"
        "svg{display:block;margin:auto}</style></head>\n"
        f"<body>\n{svg}</body></html>\n"
    )


def _sentence(words: str) -> str:
    return f"To draw it: {words}"
