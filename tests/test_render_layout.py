"""What Graphviz makes of every kind of picture: nothing lost, outside or on top of each other; golden DOT text."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd
import nn
from autograd import Tensor, keep_grads
from autograd.core.ops import elementwise
from autograd.ir import Eqn, Graph, Literal, Var
from autograd.render import Picture, draw
from autograd.render.theme import PALETTE

SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = Path(__file__).parent / "golden"
Box = tuple[float, float, float, float]


def trained(depth: int = 1) -> tuple[Tensor, Graph, nn.MLP]:
    """A loss after backward, the graph of its training step, and the model."""
    X, y = nn.data.xor()
    model = nn.MLP([2, *[3] * depth, 1], activation=nn.Tanh, output_activation=nn.Sigmoid, seed=0)
    optimizer = nn.Adam(model.parameters(), learning_rate=0.1)

    def step(x: Any, target: Any) -> Any:
        loss = nn.mean_squared_error(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    loss = nn.mean_squared_error(model(Tensor(X, name="x")), y)
    with keep_grads():
        loss.backward()
    return loss, autograd.trace(step, X, y), model


@lru_cache(maxsize=1)
def pictures() -> dict[str, Callable[..., Picture]]:
    """One picture of every kind."""
    loss, graph, model = trained()
    deep, _, _ = trained(6)
    return {
        "tape": lambda **options: draw(loss, derivatives=True, **options),
        "program": lambda **options: draw(graph, **options),
        "stages": lambda **options: draw([("traced", graph), ("again", graph)], collapse="parameters", **options),
        "module": lambda **options: draw(model, **options),
        "repeats": lambda **options: draw(deep, collapse="repeats", **options),
        "folded": lambda **options: draw(graph, depth=1, **options),
    }


KINDS = ("tape", "program", "stages", "module", "repeats", "folded")


@pytest.fixture(
    scope="module", params=[(kind, direction) for kind in KINDS for direction in ("TB", "LR")], ids="-".join
)
def picture(request: pytest.FixtureRequest) -> Picture:
    kind, direction = request.param
    return pictures()[kind](direction=direction)


def groups(picture: Picture, kind: str) -> dict[str, ElementTree.Element]:
    found = (
        group
        for group in ElementTree.fromstring(picture.svg).iter(f"{SVG}g")
        if kind in (group.get("class") or "").split()
    )
    return {group.get("id", "").partition("_")[2]: group for group in found}


def outline(group: ElementTree.Element) -> Box:
    """The box around the first shape of a group: the border of a node or cluster, the line of an edge."""
    shape = next(part for part in group.iter() if part.tag in (f"{SVG}polygon", f"{SVG}path"))
    numbers = re.findall(r"-?\d+(?:\.\d+)?", shape.get("points") or shape.get("d") or "")
    points = np.array(numbers, float).reshape(-1, 2)
    if shape.tag == f"{SVG}path":  # cubic curves, each from where the last one ended; they stay inside their handles
        t = np.linspace(0, 1, 65)[:, None]
        points = np.concatenate(
            [
                (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
                for a, b, c, d in zip(points[:-1:3], points[1::3], points[2::3], points[3::3], strict=True)
            ]
        )
    (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return left, top, right, bottom


def test_the_svg_parsed_back_is_the_model(picture: Picture) -> None:
    diagram = picture.diagram
    assert set(groups(picture, "node")) == {node.id for node in diagram.nodes}
    drawn = {
        (name, *(edge.findtext(f"{SVG}title") or "").split("->")) for name, edge in groups(picture, "edge").items()
    }
    assert drawn == {(edge.id, edge.tail.id, edge.head.id) for edge in diagram.edges}
    paths = {path for node in diagram.nodes for path in _around(node.scope)}
    assert len(groups(picture, "cluster")) == len(paths)


def _around(scope: str) -> list[str]:
    parts = scope.split("/") if scope else []
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def test_everything_lies_inside_the_view_box(picture: Picture) -> None:
    root = ElementTree.fromstring(picture.svg)
    left, top, width, height = map(float, root.get("viewBox", "").split())
    shift = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", next(root.iter(f"{SVG}g")).get("transform", ""))
    assert shift is not None
    dx, dy = float(shift[1]), float(shift[2])
    for kind in ("node", "cluster", "edge"):
        for group in groups(picture, kind).values():
            x1, y1, x2, y2 = outline(group)
            assert left <= x1 + dx and top <= y1 + dy and x2 + dx <= left + width and y2 + dy <= top + height
    for text in root.iter(f"{SVG}text"):
        assert left <= float(text.get("x", "")) + dx <= left + width
        assert top <= float(text.get("y", "")) + dy <= top + height


def test_no_node_covers_another_and_each_lies_in_its_cluster(picture: Picture) -> None:
    boxes = {name: outline(group) for name, group in groups(picture, "node").items()}
    names = list(boxes)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            a, b = boxes[first], boxes[second]
            assert a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1], (first, second)
    clusters = {name: outline(group) for name, group in groups(picture, "cluster").items()}
    stack = list(picture.diagram.group().groups)
    while stack:
        group = stack.pop()
        outer = clusters[group.id]
        inner = [boxes[node.id] for node in group.nodes] + [clusters[below.id] for below in group.groups]
        assert all(outer[0] <= b[0] and outer[1] <= b[1] and b[2] <= outer[2] and b[3] <= outer[3] for b in inner)
        stack += group.groups


def program(*names: str) -> Graph:
    """w * x + 2 by hand, with names for x, w, the product, the scope and the output."""
    x, w, product, scope, label = names
    given, weight = Var((2,), np.dtype(float), x), Var((2,), np.dtype(float), w)
    first, last = given.like(product), Var((2,), np.dtype(float))
    return Graph(
        "program",
        (given, weight),
        {},
        (
            Eqn(first, elementwise.mul, (weight, given), {}, ("example.py", 1), scope),
            Eqn(last, elementwise.add, (first, Literal(2.0)), {}, ("example.py", 2), scope, "update"),
        ),
        (last,),
        (label,),
    )


TEXT = st.text(max_size=30)


@settings(max_examples=60)
@given(st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT))
def test_any_names_leave_nodes_edges_and_the_page_whole(names: tuple[str, str, str, str, str]) -> None:
    picture = draw(program(*names))
    assert set(groups(picture, "node")) == {node.id for node in picture.diagram.nodes} == {"n0", "n1", "n2", "n3"}
    assert len(groups(picture, "edge")) == 3
    assert len(re.findall("(?i)</script|<script", picture.html)) == 0


EXAMPLE = """
x = Tensor([[1.0, -2.0]], name="x")
w = Tensor([[0.5], [0.25]], True, name="w")
with scope("layer"):
    h = tanh(x @ w + 1.0)
loss = (h * h).sum()
loss.name = "loss"
with keep_grads():
    loss.backward()
"""


def golden_dots() -> dict[str, str]:
    """The DOT text that is compared with the files in `tests/golden`."""
    space: dict[str, Any] = dict(vars(autograd))
    exec(compile(EXAMPLE, "example.py", "exec"), space)
    graph = program("x", "w", "product", "layer", "w")
    return {
        "tape.dot": draw(space["loss"], derivatives=True).dot,
        "tape_dark_sideways.dot": draw(space["loss"], theme="dark", direction="LR", values=False).dot,
        "program.dot": draw(graph).dot,
        "stages.dot": draw([("before", graph), ("after", graph)]).dot,
        "module.dot": draw(nn.Sequential(nn.Dense(2, 1, init=lambda shape, rng: np.ones(shape)), nn.Tanh())).dot,
    }


@pytest.mark.parametrize("name", ["tape.dot", "tape_dark_sideways.dot", "program.dot", "stages.dot", "module.dot"])
def test_dot_text_is_as_it_was(name: str) -> None:
    assert golden_dots()[name] == (GOLDEN / name).read_text(encoding="utf-8")


def test_drawings_put_in_afterwards_are_those_of_the_dot_text() -> None:
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.normal(size=(9, 20)), name="x"), Tensor(rng.normal(size=(20, 7)), True, name="w")
    b = Tensor(np.array([1.0, -2.0, 0.5, 0.0, np.nan, -0.25, 3.0]), True, name="b")
    y = (x @ w + b).sum(axis=1)
    with keep_grads():
        y.sum().backward()
    picture = draw(y, theme="light")
    whole = ElementTree.fromstring(picture.run("svg", picture.dot))
    ids = {node.id for node in picture.diagram.nodes}
    full = {group.get("id", ""): group for group in whole.iter(f"{SVG}g") if group.get("id") in ids}
    short = groups(picture, "node")
    for name in ids:
        assert outline(full[name]) == outline(short[name])
        assert painted(full[name]).keys() == painted(short[name]).keys()
        for colour, squares in painted(full[name]).items():
            ours, theirs = np.array([*painted(short[name])[colour]]), np.array([*squares])
            apart = np.abs(ours[:, None] - theirs[None]).max(axis=2)
            assert (
                max(apart.min(axis=0).max(), apart.min(axis=1).max()) <= 0.5
            )  # Graphviz 2 rounds cells to whole points


def painted(node: ElementTree.Element) -> dict[str, set[tuple[float, float]]]:
    """The unit squares that each colour of the scale covers."""
    found: dict[str, set[tuple[float, float]]] = {}
    scale = {PALETTE[role][0] for role in PALETTE if role.startswith("heat") or role == "nan"}
    shapes = [("0 0", part) for part in node.iter(f"{SVG}polygon")]
    shapes += [
        (group.get("transform", "")[10:-1], part)
        for group in node.iter(f"{SVG}g")
        if group.get("transform")
        for part in group.iter(f"{SVG}path")
    ]
    for shift, shape in shapes:
        if shape.get("fill", "") in scale:
            dx, dy = map(float, shift.split())
            for left, top, width, height in rectangles(shape):
                found.setdefault(shape.get("fill", ""), set()).update(
                    (round(left + dx + i, 1), round(top + dy + j, 1)) for i in range(width) for j in range(height)
                )
    return found


def rectangles(shape: ElementTree.Element) -> list[tuple[float, float, int, int]]:
    if shape.tag == f"{SVG}polygon":
        points = np.array([point.split(",") for point in shape.get("points", "").split()], float)
        (left, top), (width, height) = points.min(axis=0), np.ptp(points, axis=0)
        return [(float(left), float(top), round(width), round(height))]
    drawn = re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h", shape.get("d", ""))
    return [(float(left), float(top), int(width), int(height)) for left, top, width, height in drawn]


def test_no_colour_of_the_themes_can_be_taken_for_a_place() -> None:
    assert not any(colour.startswith("#fe") for pair in PALETTE.values() for colour in pair)
    assert "#fe0" not in pictures()["tape"]().svg
