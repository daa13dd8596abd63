"""Pictures of graph programs, compiled steps, passes side by side and modules."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor, scope
from autograd.core.errors import ArgumentError, RenderError, TraceError
from autograd.ir import Graph, Literal, Var
from autograd.render import Picture, draw
from autograd.render.theme import PALETTE

SVG = "{http://www.w3.org/2000/svg}"


def elements(picture: Picture, kind: str) -> dict[str, ElementTree.Element]:
    """The groups of one kind (node, edge, cluster) in the SVG, by the id that the model gave them."""
    found = (
        group
        for group in ElementTree.fromstring(picture.svg).iter(f"{SVG}g")
        if kind in (group.get("class") or "").split()
    )
    return {group.get("id", "").partition("_")[2]: group for group in found}


def words(element: ElementTree.Element) -> str:
    """All text inside, as a reader sees it."""
    return " ".join(" ".join(text.text or "" for text in element.iter(f"{SVG}text")).split())


@pytest.fixture(scope="module")
def step() -> Any:
    """A compiled step of XOR, called once."""
    X, y = nn.data.xor()
    model = nn.MLP([2, 3, 1], activation=nn.Sigmoid, output_activation=nn.Sigmoid, seed=0)
    optimizer = nn.SGD(model.parameters(), learning_rate=0.1)

    @autograd.compile
    def train(x: Any, target: Any) -> Any:
        loss = nn.mean_squared_error(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    train(X, y)
    return train


def test_every_equation_and_every_used_input_is_one_node(step: Any) -> None:
    graph = step.graph
    nodes = draw(graph).diagram.nodes
    assert [node.thing for node in nodes if node.kind == "operation"] == list(graph.eqns)
    assert {node.name: node.kind for node in nodes if node.kind != "operation"} == {
        "x": "input",
        "target": "input",
        "dense_0_weight": "parameter",
        "dense_0_bias": "parameter",
        "dense_1_weight": "parameter",
        "dense_1_bias": "parameter",
    }
    for node in nodes:
        if node.kind == "operation":
            assert len(node.operands) == len(node.thing.inputs)
            assert [type(operand) is str for operand in node.operands] == [
                isinstance(atom, Literal) for atom in node.thing.inputs
            ]


def test_the_svg_of_a_program_holds_the_nodes_and_edges_of_the_model(step: Any) -> None:
    picture = draw(step)
    assert set(elements(picture, "node")) == {node.id for node in picture.diagram.nodes}
    drawn = {
        (name, *(edge.findtext(f"{SVG}title") or "").split("->")) for name, edge in elements(picture, "edge").items()
    }
    assert drawn == {(edge.id, edge.tail.id, edge.head.id) for edge in picture.diagram.edges}


def test_phases_are_clusters_in_their_own_colours_with_a_legend(step: Any) -> None:
    picture = draw(step, theme="light")
    clusters = {words(group) for group in elements(picture, "cluster").values()}
    assert clusters == {"forward", "backward", "update", "Dense_0", "Dense_1", "Sigmoid_0", "Sigmoid_1"}
    fills: dict[str, set[str]] = {}
    nodes = elements(picture, "node")
    for node in picture.diagram.nodes:
        if node.kind == "operation":
            path = next(nodes[node.id].iter(f"{SVG}path"))
            fills.setdefault(node.phase, set()).add(path.get("fill", ""))
    assert fills == {
        "forward": {PALETTE["operation"][0]},
        "backward": {PALETTE["backward"][0]},
        "update": {PALETTE["update"][0]},
    }
    legend = words(ElementTree.fromstring(picture.svg))
    assert picture.diagram.legend == ("forward", "backward", "update")
    assert legend.startswith("■ forward ■ backward ■ update")


def test_outputs_say_what_becomes_of_them(step: Any) -> None:
    labels = [node.labels for node in draw(step).diagram.nodes if node.output]
    assert ("output",) in labels and ("dense_0_weight ←",) in labels and ("grad_dense_1_bias ←",) in labels
    text = [words(node) for node in elements(draw(step), "node").values()]
    assert "· ÷ 4 loss output" in text
    assert sum(shown.startswith("− dense_0_weight ← (2, 3)") or "dense_0_weight ←" in shown for shown in text) == 2
    assert not any("grad_dense_1_bias grad_dense_1_bias" in shown or "new_dense" in shown for shown in text)


def test_a_program_and_its_listing_use_the_same_names(step: Any) -> None:
    listing = repr(step.graph)
    for node in draw(step).diagram.nodes:
        assert f"{node.alias}: " in listing
        if node.kind == "operation":
            assert f"  {node.listing}  " in listing
            assert "test_render_program.py" in node.source


def test_every_way_of_asking_draws_the_optimised_graph(step: Any, tmp_path: Path) -> None:
    assert draw(step).dot == draw(step.graph).dot == step.draw().dot == step.graph.draw().dot
    step.draw(tmp_path / "step.svg", direction="LR")
    step.graph.draw(tmp_path / "graph.png")
    assert (tmp_path / "step.svg").read_bytes().startswith(b"<?xml")
    assert (tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_a_step_that_has_not_run_says_so() -> None:
    with pytest.raises(TraceError, match="call it once"):
        draw(autograd.compile(lambda x: x * 2))


def test_a_function_without_a_backward_pass_has_no_phases_and_no_legend() -> None:
    def line(w: Tensor, x: Tensor) -> Tensor:
        with scope("layer"):
            return autograd.tanh(w * x + 1.0)

    picture = draw(autograd.trace(line, Tensor(2.0), Tensor([1.0, 2.0])))
    assert picture.diagram.legend == () and picture.diagram.title == "Graph of line"
    assert [node.scope for node in picture.diagram.nodes] == ["", "", "layer", "layer", "layer"]
    assert [node.formula for node in picture.diagram.nodes] == ["", "", "×", "· + 1", "tanh"]


def test_states_are_no_parameters_and_unused_inputs_are_named() -> None:
    count, weight = Tensor(0.0, name="count"), Tensor(1.0, True, name="weight")
    old = Tensor(5.0, name="old")

    def advance(x: Tensor, spare: Tensor) -> Tensor:
        count.data = count.data + 1.0
        old.data = count.data * 2.0
        loss = weight * x * count
        loss.backward()
        return loss

    graph = autograd.trace(advance, Tensor(3.0), Tensor(1.0))
    diagram = draw(graph).diagram
    kinds = {node.name: node.kind for node in diagram.nodes if node.kind != "operation"}
    assert kinds == {"x": "input", "count": "state", "weight": "parameter"}
    assert diagram.notes == ["Not used: spare, old"]


def test_constants_and_numbers_that_are_returned_are_shown() -> None:
    table = np.array([1.0, 2.0])

    def pair(x: Tensor) -> tuple[Tensor, Tensor]:
        return x * table, autograd.sum(x)

    graph = autograd.trace(pair, Tensor([3.0, 4.0]))
    nodes = draw(graph).diagram.nodes
    assert [(node.kind, node.labels) for node in nodes if node.kind != "input"] == [
        ("constant", ()),
        ("operation", ("output 1",)),
        ("operation", ("output 2",)),
    ]
    assert next(node.value for node in nodes if node.kind == "constant").numbers == (("1", "2"),)  # type: ignore[union-attr]
    number = Graph("one", (), {}, (), (Literal(1.5),), ("return",))
    assert [(n.name, n.kind, n.output) for n in draw(number).diagram.nodes] == [("1.5", "constant", True)]
    given = Var((2,), np.dtype(float), "x")
    same = draw(Graph("same", (given,), {}, (), (given, given), ("return", "copy"))).diagram.nodes
    assert [(node.name, node.labels) for node in same] == [("x", ("output", "copy ←"))]


def test_passes_stand_side_by_side_with_what_they_drop_and_change(step: Any) -> None:
    stages = step.stages
    before, after = stages[0][1], stages[-1][1]
    diagram = draw([("trace", before), ("optimised", after)]).diagram
    first = f"trace: {len(before.eqns)} equations"
    second = f"optimised: {len(after.eqns)} equations"
    assert {node.scope.split("/")[0] for node in diagram.nodes} == {first, second}
    assert not any(
        operand.scope.split("/")[0] != node.scope.split("/")[0] for node in diagram.nodes for operand in node.inputs
    )
    dropped = [node.thing.out for node in diagram.nodes if node.mark == "dropped"]
    assert dropped == [eqn.out for eqn in before.eqns if eqn.out not in {kept.out for kept in after.eqns}] and dropped
    changed = {node.alias for node in diagram.nodes if node.mark == "changed"}
    assert changed and all(node.scope.startswith(second) for node in diagram.nodes if node.mark == "changed")
    assert len({node.id for node in diagram.nodes}) == len(diagram.nodes)
    assert len(draw(stages).diagram.group().groups) == len(stages)


def test_stages_of_the_same_name_stay_apart_and_mixtures_are_refused(step: Any) -> None:
    graph = step.graph
    assert len(draw([("a/b", graph), ("a/b", graph)]).diagram.group().groups) == 2
    assert len(draw([graph, graph]).diagram.group().groups) == 2
    with pytest.raises(ArgumentError, match="before"):
        draw([graph, Tensor(1.0)])


def test_phases_and_scopes_of_a_program_fold(step: Any) -> None:
    assert [node.symbol for node in draw(step, depth=0).diagram.nodes if node.kind == "folded"] == [
        "forward",
        "backward",
        "update",
    ]
    diagram = draw(step, collapse=["update", "forward/Dense_0"]).diagram
    folded = [node for node in diagram.nodes if node.kind == "folded"]
    assert [(node.symbol, node.phase) for node in folded] == [("Dense_0", "forward"), ("update", "update")]
    assert all(label in folded[1].labels for label in ("dense_0_weight ←", "dense_1_bias ←"))


def test_a_large_program_is_refused_unfolded_and_folded_by_default() -> None:
    def long(x: Tensor) -> Tensor:
        for _ in range(5000):
            x = x * 1.01
        return x

    graph = autograd.trace(long, Tensor(1.0))
    with pytest.raises(RenderError, match="max_nodes"):
        draw(graph, max_nodes=None)
    assert len(draw(graph).diagram.nodes) < 20


class Plain:
    """Not of nn: it only says what its parameters are."""

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        return [
            ("first.w", Tensor(np.ones((2, 3)), True)),
            ("first.b", Tensor(np.ones(3), True)),
            ("scale", Tensor(1.0, True)),
        ]


def test_a_module_is_drawn_without_running_it() -> None:
    diagram = draw(nn.MLP([2, 3, 1], output_activation=nn.Sigmoid, seed=0)).diagram
    assert [(node.symbol or node.name, node.scope) for node in diagram.nodes] == [
        ("weight", "layers.0"),
        ("bias", "layers.0"),
        ("Dense(2 -> 3, he)", "layers.0"),
        ("Tanh()", ""),
        ("weight", "layers.2"),
        ("bias", "layers.2"),
        ("Dense(3 -> 1, he)", "layers.2"),
        ("Sigmoid()", ""),
    ]
    row = [node for node in diagram.nodes if node.kind == "operation"]
    assert [after.operands[0] for after in row[1:]] == row[:-1]
    assert diagram.notes[0] == "MLP: 13 parameters" and "Structure only" in diagram.notes[1]
    assert all(node.value is not None for node in diagram.nodes if node.kind == "parameter")


def test_anything_with_named_parameters_is_a_module() -> None:
    nodes = draw(Plain()).diagram.nodes
    assert [(node.name or node.symbol, node.kind, node.scope) for node in nodes] == [
        ("w", "parameter", "first"),
        ("b", "parameter", "first"),
        ("first", "operation", "first"),
        ("scale", "parameter", ""),
    ]
    assert nodes[2].operands == (nodes[0], nodes[1])


def test_a_program_with_awkward_names_is_drawn() -> None:
    names = ["a:b", "<lambda>", "back\\slash", 'quo"te', "</script>", "😀 ∇", "new\nline", "\ud800", "n" * 10_000]
    for name in names:
        x = Var((), np.dtype(float), name)
        graph = autograd.trace(lambda value: value * 2.0, Tensor(1.0))
        eqns = tuple(eqn for eqn in graph.eqns)
        named = Graph(name, (*graph.inputs, x), {}, eqns, (*graph.outputs, x), (name, name))
        picture = draw([(name, named), (name, named)])
        plain = re.sub("[\x00-\x1f\ud800-\udfff]", "\ufffd", name.replace("\n", " "))
        assert plain[:30] in words(ElementTree.fromstring(picture.svg))
        assert "</script>" not in picture.html


def test_the_forward_pass_of_a_program_shows_local_derivatives(step: Any) -> None:
    def line(x: Tensor, w: Tensor) -> Tensor:
        h = x @ w
        return (autograd.tanh(h) * 3.0).sum()

    picture = draw(autograd.trace(line, Tensor(np.ones((2, 3))), Tensor(np.ones((3, 1)))), derivatives=True)
    assert [edge.derivative for edge in picture.diagram.edges] == [
        "g @ w.T",
        "x.T @ g",
        "1 - t1 * t1",
        "3",
        "broadcast_to(g)",
    ]
    names = {node.name or node.alias for node in picture.diagram.nodes}
    assert {"x", "w", "t1"} <= names
    derived = {edge.head.phase for edge in draw(step, derivatives=True).diagram.edges if edge.derivative}
    assert derived == {"forward"}
    assert not any(edge.derivative for edge in draw(step).diagram.edges)
