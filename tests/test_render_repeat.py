"""Repeated blocks are drawn once and counted, in tapes and in programs; long chains say what they repeat."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor, keep_grads, scope
from autograd.render import draw
from autograd.render.model import Diagram, Node


class Block(nn.Module):
    """A residual block."""

    def __init__(self, size: int, seed: int) -> None:
        self.up, self.down = nn.Dense(size, 2 * size, seed=seed), nn.Dense(2 * size, size, seed=seed)

    def forward(self, x: Any) -> Any:
        return x + 0.1 * self.down(autograd.relu(self.up(x)))


def tower(blocks: int) -> nn.Sequential:
    return nn.Sequential(nn.Dense(4, 3, seed=0), *(Block(3, seed) for seed in range(blocks)), nn.Dense(3, 1, seed=1))


def scopes(diagram: Diagram) -> set[str]:
    return {node.scope for node in diagram.nodes}


def is_ordered(diagram: Diagram) -> bool:
    """Whether every node stands after what it was computed from, and nothing points out of the picture."""
    place = {node: index for index, node in enumerate(diagram.nodes)}
    return all(place.get(operand, len(place)) < place[node] for node in diagram.nodes for operand in node.inputs)


def test_blocks_of_a_tape_are_drawn_once() -> None:
    loss = nn.mean_squared_error(tower(12)(Tensor(np.ones((5, 4)), name="x")), np.zeros((5, 1)))
    with keep_grads():
        loss.backward()
    whole, folded = draw(loss).diagram, draw(loss, collapse="repeats").diagram
    assert scopes(folded) == {"", "Dense_0", "Dense_1", "Block ×12", "Block ×12/up", "Block ×12/down"}
    assert len(whole.nodes) - len(folded.nodes) == 11 * sum(node.scope.startswith("Block_0") for node in whole.nodes)
    assert folded.notes == ["Drawn once: Block_0 to Block_11, 12 alike; the numbers are those of the first"]
    after = next(node for node in folded.nodes if node.scope == "Dense_1" and node.symbol == "@")
    assert after.inputs[0].scope == "Block ×12" and after.inputs[0].symbol == "+"  # what the last block gives
    assert is_ordered(folded) and [node.name for node in folded.nodes if node.output] == [""]


def test_layers_that_take_turns_are_one_block() -> None:
    y = nn.MLP([2, 8, 8, 8, 8, 1], activation=nn.Tanh, seed=0)(Tensor(np.ones((3, 2))))
    diagram = draw(y, collapse="repeats").diagram
    assert scopes(diagram) >= {"Dense_0", "Tanh ×3", "Dense ×3", "Dense_4"} and is_ordered(diagram)


def test_what_differs_is_not_folded() -> None:
    x = Tensor(np.ones((2, 3)), True)
    for index, factor in enumerate((2.0, 2.0, 3.0, 3.0, 4.0, 4.0)):
        with scope(f"stage_{index}"):
            x = autograd.tanh(x * factor)
    assert draw(x, collapse="repeats").diagram.notes == []
    y = nn.MLP([2, 3, 4, 5, 6], seed=0)(Tensor(np.ones((3, 2))))
    assert draw(y, collapse="repeats").diagram.notes == []


def test_all_phases_of_a_step_fold_together() -> None:
    model = tower(12)
    optimizer = nn.SGD(model.parameters(), learning_rate=0.1)

    def step(x: Any, y: Any) -> Any:
        loss = nn.mean_squared_error(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    graph = autograd.trace(step, np.ones((5, 4)), np.zeros((5, 1)))
    diagram = draw(graph).diagram  # too large to draw whole
    assert {"forward/Block ×12", "backward/Block ×12/up", "update/block_0_up_weight ×12"} <= scopes(diagram)
    assert len(diagram.nodes) < 100 and is_ordered(diagram)
    assert any(note.endswith("max_nodes=300") for note in diagram.notes)
    names = {node.name for node in diagram.nodes if node.kind == "parameter"}
    assert "block_0_up_weight" in names and "block_7_up_bias" not in names
    labels = [label for node in diagram.nodes for label in node.labels]
    assert sorted(labels) == sorted(["output" if label == "return" else f"{label} ←" for label in graph.labels])


def test_blocks_fold_beside_inlined_parameters() -> None:
    y = tower(5)(Tensor(np.ones((5, 4)), name="x"))
    diagram = draw(y, collapse=["parameters", "repeats"]).diagram
    assert "Block ×5/up" in scopes(diagram)
    assert [node.formula for node in diagram.nodes if node.scope == "Block ×5/up"] == [
        "· @ block_0_up_weight",
        "· + block_0_up_bias",
    ]


def test_two_rows_of_the_same_name_stay_apart() -> None:
    x = Tensor(np.ones((2, 3)), True) * 1.5
    for index in range(8):
        with scope(f"part_{index}"):
            x = autograd.tanh(x) if index < 4 else autograd.exp(x)
    found = scopes(draw(x, collapse="repeats").diagram)
    assert found == {"", "part ×4", "part_4 ×4"}


def test_a_shared_weight_is_kept() -> None:
    x, w = Tensor(np.ones((2, 3)), name="x"), Tensor(np.eye(3), True, name="w")
    for index in range(6):
        with scope(f"step_{index}"):
            x = autograd.tanh(x @ w)
    diagram = draw(x, collapse="repeats").diagram
    assert [node.name for node in diagram.nodes if node.kind == "parameter"] == ["w"] and is_ordered(diagram)


@pytest.mark.parametrize(("period", "words"), [(1, "· × 1.1  ×34"), (2, "tanh, · × 1.1  ×17"), (4, "...")])
def test_a_chain_says_what_it_repeats(period: int, words: str) -> None:
    x = Tensor(0.5, True)
    functions = {
        1: [lambda v: v * 1.1],
        2: [lambda v: v * 1.1, autograd.tanh],
        4: [autograd.sin, autograd.cos, autograd.exp, autograd.tanh],
    }[period]
    for index in range(40):
        x = functions[index % period](x)
    folded = [node for node in draw(x, max_nodes=20).diagram.nodes if node.kind == "folded"]
    assert len(folded) == 1 and folded[0].symbol.endswith(words)


def test_collapse_names_what_it_knows() -> None:
    assert isinstance(draw(Tensor(1.0, True) * 2.0, collapse="repeats").diagram.nodes[0], Node)
