"""Pictures: what they show, that any name survives them, and that the same graph gives the same bytes."""

from __future__ import annotations

import json
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
from autograd import Tensor, keep_grads, scope
from autograd.core.errors import ArgumentError, RenderError
from autograd.render import Picture, draw

SVG = "{http://www.w3.org/2000/svg}"
NAMES = [
    "a:b",
    "<lambda>",
    "back\\slash",
    "\\N \\G \\E",
    'quo"te',
    "</script>",
    "&amp; &#92; %s {x}",
    "😀 ∇ 変数",
    "new\nline",
    "nul\x00l",
    "\ud800",
    "->",
    "n" * 10_000,
    "-",
    "</TD></TABLE>>",
    "<!-- -->",
    "]]>",
]


def two_layers(backward: bool = True) -> Tensor:
    """The loss of a 2-3-1 network on XOR, with a scope for each layer."""
    rng = np.random.default_rng(0)
    x, y = Tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], name="x"), Tensor([[0.0], [1], [1], [0]], name="target")
    w1, b1 = Tensor(rng.normal(size=(2, 3)), True, name="w1"), Tensor(np.zeros(3), True, name="b1")
    w2 = Tensor(rng.normal(size=(3, 1)), True, name="w2")
    with scope("Dense_0"):
        z = x @ w1 + b1
    with scope("Dense_1"):
        with scope("product"):
            out = autograd.tanh(z) @ w2
        out = autograd.sigmoid(out)
    error = out - y
    loss = (error * error).mean()
    loss.name = "loss"
    if backward:
        with keep_grads():
            loss.backward()
    return loss


def chain(length: int) -> Tensor:
    """A tape of so many operations, one after the other."""
    x = Tensor(0.5, requires_grad=True, name="start")
    for _ in range(length):
        x = x * 1.0001
    return x


def elements(picture: Picture, kind: str) -> dict[str, ElementTree.Element]:
    """The groups of one kind (node, edge, cluster) in the SVG, by the id that the model gave them."""
    root = ElementTree.fromstring(picture.svg)
    found = (group for group in root.iter(f"{SVG}g") if kind in (group.get("class") or "").split())
    return {group.get("id", "").partition("_")[2]: group for group in found}


def words(element: ElementTree.Element) -> str:
    """All text inside, as a reader sees it."""
    return " ".join(" ".join(text.text or "" for text in element.iter(f"{SVG}text")).split())


def test_the_picture_holds_the_nodes_and_edges_of_the_model() -> None:
    picture = draw(two_layers())
    assert list(elements(picture, "node")) and set(elements(picture, "node")) == {n.id for n in picture.diagram.nodes}
    ends = {(edge.id, edge.tail.id, edge.head.id) for edge in picture.diagram.edges}
    drawn = set()
    for name, edge in elements(picture, "edge").items():
        title = edge.findtext(f"{SVG}title") or ""
        drawn.add((name, *title.split("->")))
    assert drawn == ends


def test_nodes_show_operation_name_shape_value_and_gradient() -> None:
    a, b = Tensor(2.0, True, name="a"), Tensor([1.0, -3.0], True, name="b")
    product = a * b
    total = product.sum()
    with keep_grads():
        total.backward()
    text = {
        node.name or node.formula: words(elements(draw(total), "node")[node.id]) for node in draw(total).diagram.nodes
    }
    assert text["a"] == "a parameter 2 grad -2"
    assert text["b"] == "b parameter (2,) float64 1 -3 value 2 2 grad"
    assert text["×"] == "× (2,) float64 2 -6 value 1 1 grad"
    assert text["Σ"] == "Σ output -4 grad 1"


def test_values_and_gradients_can_be_left_out() -> None:
    loss = two_layers()
    bare = draw(loss, values=False, grads=False)
    assert all(node.value is None and node.grad is None for node in bare.diagram.nodes)
    assert not {"grad", "value", "mean"} & set(words(ElementTree.fromstring(bare.svg)).split())
    assert all(edge.flow is None for edge in bare.diagram.edges)


def test_inputs_parameters_and_outputs_differ_in_more_than_colour() -> None:
    kinds = {node.name: (node.kind, node.output) for node in draw(two_layers()).diagram.nodes if node.name}
    assert kinds == {
        "x": ("input", False),
        "target": ("input", False),
        "loss": ("operation", True),
        "w1": ("parameter", False),
        "b1": ("parameter", False),
        "w2": ("parameter", False),
    }
    text = {name: words(node) for name, node in elements(draw(two_layers()), "node").items()}
    tags = sorted(tag for shown in text.values() for tag in ("input", "parameter", "output") if tag in shown.split())
    assert tags == ["input", "input", "output", "parameter", "parameter", "parameter"]


def test_scopes_become_nested_clusters_that_hold_their_parameters() -> None:
    picture = draw(two_layers())
    assert sorted(words(group) for group in elements(picture, "cluster").values()) == ["Dense_0", "Dense_1", "product"]
    places = {node.name: node.scope for node in picture.diagram.nodes if node.name}
    assert places["w1"] == places["b1"] == "Dense_0" and places["w2"] == "Dense_1/product" and places["x"] == ""


def test_a_node_tells_the_line_that_made_it() -> None:
    loss = two_layers()
    source = next(node.source for node in draw(loss).diagram.nodes if node.symbol == "tanh")
    assert re.fullmatch(r"test_render_draw\.py:\d+  out = autograd\.tanh\(z\) @ w2", source)
    assert "out = autograd.tanh(z) @ w2" in draw(loss).svg


def test_numbers_are_written_into_the_operation_that_uses_them() -> None:
    x = Tensor(3.0, True, name="x")
    nodes = draw(1.0 / (2.0 * x) + autograd.maximum(x, 0.0)).diagram.nodes
    assert [node.formula for node in nodes] == ["", "2 × ·", "1 ÷ ·", "maximum(·, 0)", "+"]


def test_edges_are_wider_where_more_gradient_flows() -> None:
    x = Tensor(1.0, True)
    small, large = x * 0.01, x * 1.0
    total = small + large
    with keep_grads():
        total.backward()
    flows = {edge.head.thing is small: edge.flow for edge in draw(total).diagram.edges if edge.tail.thing is x}
    assert flows == {True: pytest.approx(1 / 3), False: 1.0}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_every_name_can_be_drawn(name: str) -> None:
    x = Tensor(2.0, True, name=name)
    with scope(name.replace("/", "|")):
        y = x * x
    y.name = name
    picture = draw(y, derivatives=True)
    plain = re.sub("[\x00-\x1f\ud800-\udfff]", "\ufffd", name.replace("\n", " "))
    shown = plain if len(plain) <= 40 else plain[:39] + "…"
    nodes = elements(picture, "node")
    assert words(nodes["n0"]).startswith(shown + " parameter")
    assert shown in words(nodes["n1"])
    assert [words(group) for group in elements(picture, "cluster").values()] == [shown.replace("/", "|")]
    tips = [tip.get("{http://www.w3.org/1999/xlink}title") or "" for tip in nodes["n0"].iter(f"{SVG}a")]
    assert len(tips) == 1 and tips[0].startswith(re.sub("[\x00-\x09\x0b-\x1f\ud800-\udfff]", "\ufffd", name[:400]))
    assert "</script>" not in picture.html


@given(name=st.text(max_size=60), where=st.sampled_from(["node", "scope"]))
def test_any_text_gives_well_formed_dot_that_is_balanced(name: str, where: str) -> None:
    x = Tensor(2.0, True, name=name if where == "node" else None)
    with scope(name if where == "scope" else "s"):
        dot = draw(x * x).dot
    dot.encode("utf-8")
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', dot)  # no string is left open
    assert bare.count('"') % 2 == 0
    labels = re.findall(r"label=<(.*)>[,\]]", dot)
    for label in labels:
        ElementTree.fromstring(f"<x>{re.sub('&#160;', ' ', label)}</x>")


def test_any_drawn_text_comes_back_from_graphviz() -> None:
    names = ["".join(chr(code) for code in range(start, start + 24)) for start in range(32, 127 - 24, 24)]
    x: Tensor = sum((Tensor(1.0, True, name=name) for name in names[1:]), Tensor(1.0, True, name=names[0]))
    shown = [words(node) for node in elements(draw(x), "node").values()]
    assert all(any(text.startswith(name.strip()) or name in text for text in shown) for name in names)


def test_the_same_graph_gives_the_same_bytes() -> None:
    first, second = draw(two_layers(), derivatives=True), draw(two_layers(), derivatives=True)
    assert first.dot == second.dot and first.svg == second.svg and first.png == second.png
    assert first.html == second.html


def test_every_node_lies_inside_the_view_box() -> None:
    root = ElementTree.fromstring(draw(two_layers(), direction="LR").svg)
    left, top, width, height = map(float, root.get("viewBox", "").split())
    graph = next(root.iter(f"{SVG}g"))
    shift = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", graph.get("transform", ""))
    assert shift is not None
    for shape in [*graph.iter(f"{SVG}polygon"), *graph.iter(f"{SVG}path")]:
        numbers = re.findall(r"-?\d+(?:\.\d+)?", shape.get("points") or shape.get("d") or "")
        for x, y in zip(map(float, numbers[::2]), map(float, numbers[1::2]), strict=True):
            if shape.get("stroke") != "none":
                assert left <= x + float(shift[1]) <= left + width and top <= y + float(shift[2]) <= top + height


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("dot", b"digraph"), ("html", b"<!doctype html>")]
)
def test_files_are_written_by_their_ending(tmp_path: Path, ending: str, start: bytes) -> None:
    path = tmp_path / "new" / f"graph.{ending}"
    assert isinstance(draw(two_layers(), path), Picture)
    assert path.read_bytes().startswith(start)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", [*NAMES, "plain"], ids=lambda name: ascii(name)[:20])
def test_json_holds_what_the_picture_shows(tmp_path: Path, name: str) -> None:
    x = Tensor([[2.0, np.nan]], True, name=name)
    with scope("layer"):
        loss = (x * 3.0).sum()
    with keep_grads():
        loss.backward()
    picture = draw(loss, tmp_path / "graph.json", derivatives=True)
    data = json.loads((tmp_path / "graph.json").read_text(encoding="ascii"))
    leaf, product, total = data["nodes"]
    assert leaf == {
        "id": "n0",
        "kind": "parameter",
        "name": name,
        "shape": [1, 2],
        "dtype": "float64",
        "scope": "layer",
        "value": "mean 2, std 0, 1 not finite",
        "gradient": "mean 3, std 0",
    }
    assert (product["formula"], product["operation"], total["output"], total["shape"]) == ("· × 3", "*", True, [])
    assert [(edge["from"], edge["to"], edge["position"], edge["derivative"]) for edge in data["edges"]] == [
        (edge.tail.id, edge.head.id, edge.position, edge.derivative) for edge in picture.diagram.edges
    ]
    assert product["source"].endswith("loss = (x * 3.0).sum()")


def test_other_endings_and_options_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    x = Tensor(2.0, True)
    with pytest.raises(ArgumentError, match=r"\.svg, \.png, \.pdf, \.dot, \.html, \.json"):
        draw(x * x, tmp_path / "graph.jpeg")
    with pytest.raises(ArgumentError, match="TB, LR"):
        draw(x * x, direction="up")
    with pytest.raises(ArgumentError, match="light"):
        draw(x * x, theme="sepia")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="draw\\(loss\\)"):
        draw(np.zeros(3))
    assert list(tmp_path.iterdir()) == []


def test_a_freed_graph_says_which_backward_freed_it() -> None:
    x = Tensor(2.0, True)
    y = x * x
    y.backward()
    with pytest.raises(RenderError, match=r"test_render_draw\.py:\d+; run backward inside `with autograd"):
        draw(y)


def test_a_loss_is_drawn_with_all_gradients_after_backward_inside_keep_grads() -> None:
    x = Tensor(3.0, True, name="x")
    hidden = x * x
    loss = hidden * 2.0
    with keep_grads():
        loss.backward()
    assert [node.grad.text if node.grad else "" for node in draw(loss).diagram.nodes] == ["12", "2", "1"]
    with keep_grads():
        loss.backward()  # the graph is still there
    assert x.grad == 24.0 and hidden.inputs == (x, x)
    loss.backward()
    assert hidden.inputs is None and x.grad == 36.0


def test_a_notebook_gets_the_drawing_and_a_bitmap_on_demand() -> None:
    picture = draw(two_layers())
    assert picture.svg == picture._repr_mimebundle_()["image/svg+xml"]
    assert set(picture._repr_mimebundle_()) == {"text/plain", "image/svg+xml"}
    assert picture._repr_mimebundle_(include=["image/png"])["image/png"].startswith(b"\x89PNG")
    assert set(picture._repr_mimebundle_(exclude=["text/plain"])) == {"image/svg+xml"}
    assert repr(picture) == f"<Picture: Computation graph of loss, {len(picture.diagram.nodes)} nodes, 14 edges>"


def test_depth_and_collapse_draw_a_scope_as_one_node() -> None:
    loss = two_layers()
    shallow = {node.symbol: node for node in draw(loss, depth=0).diagram.nodes if node.kind == "folded"}
    assert set(shallow) == {"Dense_0", "Dense_1"}
    assert shallow["Dense_0"].notes == ["2 operations, 2 parameters"] and shallow["Dense_0"].shape == (4, 3)
    inner = [node.symbol for node in draw(loss, depth=1).diagram.nodes if node.kind == "folded"]
    assert inner == ["product"]
    assert [n.symbol for n in draw(loss, collapse="Dense_0").diagram.nodes if n.kind == "folded"] == ["Dense_0"]
    assert [
        n.symbol for n in draw(loss, collapse=lambda path: path.endswith("product")).diagram.nodes if n.kind == "folded"
    ] == ["product"]
    with pytest.raises(ArgumentError, match="'Dense_1/product'"):
        draw(loss, collapse="Dense_7")
    for wrong in ({"collapse": 3}, {"depth": "all"}, {"max_nodes": 2.5}):
        with pytest.raises(ArgumentError, match=f"{next(iter(wrong))}=.* is no .*; write"):
            draw(loss, **wrong)


def test_parameters_can_be_folded_into_their_users() -> None:
    nodes = draw(two_layers(), collapse="parameters").diagram.nodes
    assert not any(node.kind == "parameter" for node in nodes)
    assert [node.formula for node in nodes if node.scope == "Dense_0"] == ["· @ w1", "· + b1"]
    assert nodes[1].notes == ["w1 (2, 3)"]


def test_a_long_chain_is_folded_and_the_picture_says_so() -> None:
    start = time.perf_counter()
    picture = draw(chain(10_000))
    words_shown = words(ElementTree.fromstring(picture.svg))
    assert time.perf_counter() - start < 5
    assert len(picture.diagram.nodes) == 8
    assert "9,994 nodes in 1 long chain" in words_shown and "10,001 nodes in all; max_nodes=300" in words_shown


def test_a_chain_of_any_length_is_walked_without_recursion() -> None:
    assert len(draw(chain(100_000)).diagram.nodes) == 8


def test_too_many_nodes_are_refused_at_once_with_the_way_out() -> None:
    tape = chain(50_000)
    start = time.perf_counter()
    with pytest.raises(RenderError, match=r"50,001 nodes.*max_nodes.*depth"):
        draw(tape, max_nodes=None)
    assert time.perf_counter() - start < 1


def test_what_does_not_fit_is_left_out_farthest_first_and_counted() -> None:
    row = [Tensor(float(index), True) for index in range(64)]
    while len(row) > 1:
        row = [first * second for first, second in zip(row[::2], row[1::2], strict=True)]
    picture = draw(row[0], max_nodes=20)
    assert len(picture.diagram.nodes) == 20 and picture.diagram.nodes[-1].output
    assert "Not drawn: the 107 nodes farthest from the output" in picture.diagram.notes
    assert len(elements(picture, "node")) == 20


def test_a_weight_used_hundreds_of_times_is_named_where_lines_would_be_too_long() -> None:
    x, w = Tensor(np.ones((2, 4)), name="x"), Tensor(np.eye(4), True, name="w")
    for _ in range(148):
        x = autograd.tanh(x @ w)
    start = time.perf_counter()
    picture = draw(x, max_nodes=None)
    assert len(elements(picture, "node")) == 298 and time.perf_counter() - start < 5
    assert "· @ w" in {node.formula for node in picture.diagram.nodes}
    assert any(note.startswith("Named instead of drawn") for note in picture.diagram.notes)
