"""One graph laid out several times, with other scopes folded, for a page in which they can be opened and folded.

The page has no layout engine: every view is laid out here, and what the reader folds decides which one is shown.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from . import svg
from .derivative import letters
from .dot import printable, to_dot
from .drawing import Drawing, clear
from .fold import fold
from .model import FOLDED, Diagram, Node, connect, describe
from .numbers import edge_key, has_gradient
from .pack import as_table

MOST_SCOPES = 4  # all combinations of so many are laid out, 16 views; of more, one view for each depth
LONGEST_TEXT = 400
_NUMBER = (74, 17)
_CELL = 9  # width and height of a cell of a heat map; narrower where there are many
_WIDE_CELL = (46, 15)
_DISPLAY = {"*": "×", "-": "−", "/": "÷"}


@dataclass(slots=True)
class View:
    """A diagram with its picture: SVG whose unit is a pixel, and where in it the numbers of each node go."""

    diagram: Diagram
    notes: list[str]
    folded: dict[str, str]  # id of the node: path of the scope it stands for
    svg: str = ""
    slots: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def make_views(
    walk: Callable[[], Diagram], max_nodes: int | None, *, side: int, direction: str, layout: Callable[[str], bytes]
) -> list[View]:
    """The views of a graph, everything open first.

    Args:
        walk: gives a new unfolded diagram each time.
        max_nodes: as for `draw`.
        side: as for `Pack`: larger arrays are shown as means of blocks.
        direction: as for `draw`.
        layout: DOT text to SVG.
    """
    views: dict[frozenset[str], View] = {}
    whole = walk()
    scopes = _scopes(whole)
    for collapse, depth in _foldings(whole, scopes, max_nodes):
        diagram = fold(walk(), collapse=collapse or None, depth=depth, max_nodes=max_nodes)
        connect(diagram)
        describe(diagram, values=False, grads=False, derivatives=True)
        folded = _folded(diagram, scopes)
        notes, diagram.notes = diagram.notes, []
        views.setdefault(frozenset(folded.values()), View(diagram, notes, folded))
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the work is done by other processes
        for _ in pool.map(lambda view: _lay_out(view, side, direction, layout), views.values()):
            pass
    return list(views.values())


def _scopes(diagram: Diagram) -> list[str]:
    """The scopes that folding would make smaller, outermost first."""
    sizes: dict[str, int] = {}
    for node in diagram.nodes:
        parts = node.scope.split("/") if node.scope else []
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            sizes[path] = sizes.get(path, 0) + 1
    return sorted((path for path, size in sizes.items() if size > 1), key=lambda path: path.count("/"))


def _foldings(diagram: Diagram, scopes: list[str], max_nodes: int | None) -> list[tuple[tuple[str, ...], int | None]]:
    """What to fold in each view: scopes, or all below a depth."""
    if len(scopes) > MOST_SCOPES or (max_nodes is not None and len(diagram.nodes) > max_nodes):
        return [((), None), *(((), depth) for depth in sorted({path.count("/") for path in scopes}, reverse=True))]
    chosen = (some for count in range(len(scopes) + 1) for some in itertools.combinations(scopes, count))
    return [(some, None) for some in chosen if not any(_inside(one, other) for one in some for other in some)]


def _inside(inner: str, outer: str) -> bool:
    return inner.startswith(f"{outer}/")


def _folded(diagram: Diagram, scopes: Collection[str]) -> dict[str, str]:
    """The nodes that stand for a whole scope."""
    paths = {node.id: f"{node.scope}/{node.symbol}".lstrip("/") for node in diagram.nodes if node.kind == FOLDED}
    return {id: path for id, path in paths.items() if path in scopes}


def _lay_out(view: View, side: int, direction: str, layout: Callable[[str], bytes]) -> None:
    kept: list[tuple[str, str, tuple[int, int]]] = []
    for node in view.diagram.nodes:
        sizes = {"value": _size(node, side)} if node.shape is not None else {}
        if has_gradient(node) and sizes:
            sizes["grad"] = sizes["value"]
        node.room = tuple(sizes.values())
    drawings: list[Drawing] = []
    root = svg.parse(layout(to_dot(view.diagram, direction=direction, apart=drawings)))
    for node in _drawn_order(view.diagram):
        kept += [(node.id, what, size) for what, size in zip(("value", "grad"), node.room)]
    corners = clear(root)
    dx, dy = svg.shift(root)
    for number, (id, what, (width, height)) in enumerate(kept):
        if number in corners:
            x, y = corners[number]
            view.slots.setdefault(id, {})[what] = [round(x + dx, 2), round(y + dy, 2), width, height]
    view.svg = _tidy(root)


def _drawn_order(diagram: Diagram) -> list[Node]:
    """The nodes in the order in which `to_dot` writes them: scope by scope."""
    order: list[Node] = []
    stack = [diagram.group()]
    while stack:
        group = stack.pop()
        order += group.nodes
        stack += reversed(group.groups)
    return order


def _size(node: Node, side: int) -> tuple[int, int]:
    """How much room the numbers of a node take, width and height."""
    value = getattr(node.thing, "value", node.thing)
    rows, columns = as_table(value, side).shape
    if rows * columns <= 1:
        return _NUMBER
    if rows * columns <= 12 and columns <= 3:
        return _WIDE_CELL[0] * columns, _WIDE_CELL[1] * rows
    cell = _CELL if columns <= 12 else 6 if columns <= 20 else 4
    return cell * columns if columns <= side else 4 * side, max(14, cell * rows)


def _tidy(root: Element) -> str:
    """Graphviz's SVG in pixels, without titles and tooltips, which the page has itself."""
    for parent, title in svg.children(root, "title"):
        svg.replace(parent, title, None)
    for link in root.iter("a"):
        link.attrib.pop(svg.TIP, None)
    width, height = svg.size(root)
    root.attrib |= {"width": f"{width:g}", "height": f"{height:g}", "aria-hidden": "true"}
    return svg.text(root)


def view_json(view: View, *, sources: bool) -> dict[str, Any]:
    """A view as plain data, without its picture and without numbers, with the users' lines where they say something."""
    diagram, known = view.diagram, {node.id for node in view.diagram.nodes}
    groups, stack = [], [diagram.group()]
    while stack:
        group = stack.pop()
        stack += group.groups
        if group.path:
            groups.append({"id": group.id, "path": _short(group.path), "label": _short(group.label)})
    names = {node.name or node.alias for node in diagram.nodes}
    edges = [
        {
            "id": edge.id,
            "tail": edge.tail.id,
            "head": edge.head.id,
            "key": edge_key(edge),
            "derivative": edge.derivative,
            "carries": edge.position >= 0 and has_gradient(edge.tail),
            "letters": letters(edge.head.thing, edge.position, edge.derivative, names) if edge.derivative else [],
        }
        for edge in diagram.edges
    ]
    nodes = [_node_json(node, known) | ({} if sources else {"source": ""}) for node in diagram.nodes]
    return {
        "nodes": nodes,
        "edges": edges,
        "groups": groups,
        "folded": {id: _short(path) for id, path in view.folded.items()},
        "slots": view.slots,
        "notes": [_short(note) for note in view.notes],
    }


def _node_json(node: Node, known: Collection[str]) -> dict[str, Any]:
    creator = getattr(node.thing, "creator", None)
    words: dict[str, Any] = {
        "id": node.id,
        "kind": node.kind,
        "symbol": _short(_DISPLAY.get(node.symbol, node.symbol)),
        "name": _short(node.name),
        "scope": _short(node.scope),
        "source": _short(node.source),
        "dtype": node.dtype,
        "shape": None if node.shape is None else list(node.shape),
        "params": node.params,
        "notes": node.notes,
        "operands": [
            {"id": operand.id} if isinstance(operand, Node) and operand.id in known else str(operand)
            for operand in node.operands
        ],
        "output": node.output,
    }
    if creator is not None and node.kind != FOLDED:
        words |= {"op": creator.name, "rule": creator.kind, "infix": not creator.symbol.isidentifier()}
        if creator.name == "sum":
            axis, rank = node.thing.params.get("axis"), len(node.thing.inputs[0].shape)
            axes = range(rank) if axis is None else axis if isinstance(axis, tuple) else (axis,)
            words["axes"] = [one % rank for one in axes]
    return words


def _short(words: str) -> str:
    words = printable(words)
    return words if len(words) <= LONGEST_TEXT else words[: LONGEST_TEXT - 1] + "…"
