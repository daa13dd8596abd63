"""A result whose operations were not recorded is never drawn as a lone number: the error says why, and what to draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor, animate, draw, explore, keep_grads, no_grad
from autograd.core.errors import GraphError

X = np.array([[1.0, 2.0]])
w = Tensor([[0.5], [0.25]], True, name="w")


def compiled(function: Callable[..., Any]) -> Any:
    return autograd.compile(function, backend="numpy")


def under_no_grad() -> Tensor:
    with no_grad():
        return Tensor(X) @ w


def named() -> Tensor:
    y = Tensor(X) * 2.0
    y.name = "doubled"
    return y


EAGER: dict[str, Callable[[], Any]] = {
    "no_grad": under_no_grad,
    "no_grad as a decorator": no_grad()(lambda: Tensor(X) @ w),
    "a layer under no_grad": lambda: no_grad()(nn.Dense(2, 1))(Tensor(X)),
    "no input wants a gradient": named,
    "detached": lambda: (Tensor(X) @ w).detach(),
    "stop_gradient": lambda: autograd.stop_gradient(Tensor(X) @ w),
    "compared": lambda: (Tensor(X) @ w) > 0.0,
    "argmax": lambda: autograd.argmax(Tensor(X) @ w),
    "vjp": lambda: autograd.vjp(lambda x: x * x, Tensor(X))[1](Tensor(X))[0],
    "among others": lambda: [(Tensor(X) @ w).sum(), under_no_grad()],
}
COMPILED: dict[str, Callable[[], Any]] = {
    "a step": lambda: compiled(lambda x: (x @ w).sum())(Tensor(X)),
    "its second call": lambda: [step := compiled(lambda x: (x @ w).sum()), step(Tensor(X)), step(Tensor(X))][2],
    "one of several results": lambda: compiled(lambda x: {"loss": (x @ w).sum(), "x": x * 2.0})(Tensor(X))["loss"],
    "grad": lambda: autograd.grad(lambda x: (x * x).sum())(Tensor(X)),
    "the value of value_and_grad": lambda: autograd.value_and_grad(lambda x: (x * x).sum())(Tensor(X))[0],
}
WAYS: dict[str, Callable[[Any, Path], Any]] = {
    "draw": lambda thing, folder: draw(thing),
    "draw to a file": lambda thing, folder: draw(thing, folder / "graph.svg"),
    "explore": lambda thing, folder: explore(thing if isinstance(thing, Tensor) else thing[::-1]),
    "animate": lambda thing, folder: animate(thing, folder / "graph.gif"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", EAGER)
def test_what_was_not_recorded_says_where_it_was_computed(way: str, made: str, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"nothing was recorded of .*, computed at .*\.py:\d+: .*no_grad.*trace\("):
        WAYS[way](EAGER[made](), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", COMPILED)
def test_what_compiled_functions_and_transformations_return_says_so(way: str, made: str, tmp_path: Path) -> None:
    with pytest.raises(
        GraphError, match=r"a compiled function or a transformation returned.*draw\(step\).*disable_comp"
    ):
        WAYS[way](COMPILED[made](), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_line_and_the_name_are_those_of_the_user() -> None:
    with pytest.raises(GraphError, match=r"'doubled'.*test_render_lost\.py:31: "):
        draw(named())


def test_what_the_errors_advise_can_be_drawn() -> None:
    def loss(x: Any) -> Any:
        return (x @ w).sum()

    step = compiled(loss)
    step(Tensor(X))
    assert {node.symbol for node in draw(step).diagram.nodes} >= {"@"}
    with autograd.disable_compile():
        assert [node.symbol for node in draw(step(Tensor(X))).diagram.nodes] == ["", "", "@", "Σ"]
    with no_grad():
        assert "@" in {node.symbol for node in draw(autograd.trace(loss, X)).diagram.nodes}
    assert [node.name for node in draw(Tensor(X, True) @ w).diagram.nodes][1] == "w"


def test_leaves_are_drawn_alone_where_that_is_all_there_is() -> None:
    made = Tensor(X, name="x")
    frozen = (Tensor(X) @ w).detach()
    frozen.requires_grad = True  # a leaf from now on
    copied = Tensor(under_no_grad())
    for leaf, kind in ((made, "input"), (w, "parameter"), (frozen, "parameter"), (copied, "input")):
        assert [node.kind for node in draw(leaf).diagram.nodes] == [kind]


def test_a_result_that_was_not_recorded_is_an_input_of_what_is() -> None:
    with keep_grads():
        loss = (under_no_grad() * w).sum()
    assert [node.kind for node in draw(loss).diagram.nodes][:2] == ["input", "parameter"]
