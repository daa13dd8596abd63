"""Local derivatives as text: they are what the rules compute, checked by reading them back as Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Tensor
from autograd.core.primitive import REGISTRY
from autograd.render import draw
from autograd.render.derivative import local_derivative

from .samples import SAMPLES


def of(result: Any) -> list[str]:
    """The derivative of a result by each of its inputs."""
    return [local_derivative(result, position) for position in range(len(result.inputs))]


def test_derivatives_of_the_usual_operations() -> None:
    a, b, x = Tensor(2.0, True, name="p"), Tensor(3.0, True, name="q"), Tensor(0.5, True)
    assert of(a + b) == ["1", "1"]
    assert of(a - b) == ["1", "-1"]
    assert of(a * b) == ["q", "p"]
    assert of(a / b) == ["1 / q", "-y / q"]
    assert of(a**2)[0] == "2 * p" and of(a**3)[0] == "3 * p**2"
    assert of(autograd.tanh(x)) == ["1 - y * y"]
    assert of(autograd.exp(x)) == ["y"]
    assert of(autograd.sigmoid(x)) == ["y * (1 - y)"]
    assert of(autograd.relu(x)) == ["x > 0"]
    assert of(-x) == ["-1"]
    assert of(autograd.log(x)) == ["1 / x"]


def test_derivatives_that_are_no_factor_show_the_whole_rule() -> None:
    w, x = Tensor(np.ones((3, 2)), True, name="w"), Tensor(np.ones((4, 3)), True, name="x")
    assert of(x @ w) == ["g @ w.T", "x.T @ g"]
    assert of(x.sum(axis=0))[0].startswith("broadcast_to(")
    assert of(x.reshape((2, 6))) == ["reshape(g)"]


def test_names_in_a_picture_are_never_shared() -> None:
    y, b = Tensor(2.0, True, name="y"), Tensor(3.0, True, name="b")
    result = autograd.tanh(y) / (b * b)
    texts = {edge.derivative for edge in draw(result, derivatives=True).diagram.edges}
    assert texts == {"1 - out * out", "b", "1 / x2", "-out / x2"}
    assert of(autograd.tanh(Tensor(1.0, True, name="y"))) == ["1 - out * out"]


ELEMENTWISE = sorted(
    name for name, primitive in REGISTRY.items() if primitive.kind == "elementwise" and primitive.differentiable
)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_what_is_printed_is_what_the_rule_computes(name: str) -> None:
    """Read back as Python, and multiplied by g where it is a factor, the text gives the numbers of the rule itself."""
    primitive = REGISTRY[name]
    arrays, settings = SAMPLES[name].cases[0].draw()
    tensors = [
        Tensor(array, np.asarray(array).dtype.kind == "f", name=f"a{index}") for index, array in enumerate(arrays)
    ]
    result = primitive(*tensors, **settings)
    g = np.random.default_rng(0).normal(size=result.shape)
    space = {function: getattr(autograd, function) for function in dir(autograd)}
    space |= {f"a{index}": array for index, array in enumerate(arrays)} | {"y": result.numpy(), "g": g}
    for position, tensor in enumerate(tensors):
        rule, text = primitive.rule(position), local_derivative(result, position, digits=17)
        if rule is None or not tensor.requires_grad:
            continue
        assert text and not text.endswith("…")
        value = eval(text, space)
        is_whole = "g" in compile(text, name, "eval").co_names
        expected = rule(g, result.numpy(), *arrays, **settings)
        np.testing.assert_allclose(value if is_whole else g * value, expected, rtol=1e-14)
