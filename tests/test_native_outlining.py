"""Equal pieces of machine code are one function: deep networks of equal layers compile to a text that hardly grows."""

from itertools import pairwise

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.backends import native
from autograd.backends.native.schedule.outlining import Piece, outline

pytestmark = pytest.mark.skipif(not native.BACKEND.available(), reason="llvmlite is not installed")


def training(layers: int, widths: list[int]):
    """Weights, and a step of gradient descent on 40 rows through `layers` dense layers with tanh."""
    rng = np.random.default_rng(0)
    sizes = [widths[i % len(widths)] for i in range(layers + 1)]
    weights = [Tensor(rng.normal(size=(a, b)) / a**0.5, requires_grad=True) for a, b in pairwise(sizes)]
    x, y = rng.normal(size=(40, sizes[0])), rng.normal(size=(40, sizes[-1]))

    def step():
        h = Tensor(x)
        for w in weights:
            h = ag.tanh(h @ w)
        loss = ((h - y) ** 2).mean()
        for w in weights:
            w.grad = None
        loss.backward()
        for w in weights:
            w.data = w.data - 0.1 * w.grad
        return loss

    return weights, step


def functions(step) -> int:
    return step._latest().executable.text.count("define internal void @segment0.")


def test_layers_of_one_size_share_their_code():
    lengths, counts = [], []
    for layers in (12, 24):
        weights, plain = training(layers, [7])
        expected = [float(plain()) for _ in range(5)]
        after = [w.data for w in weights]
        weights, compiled = training(layers, [7])
        step = ag.compile(compiled, backend="native")
        np.testing.assert_allclose([float(step()), *step.repeat(4)], expected, rtol=1e-11)
        for w, other in zip(weights, after, strict=True):
            np.testing.assert_allclose(w.data, other, rtol=1e-10, atol=1e-13)
        lengths.append(len(step._latest().executable.text))
        counts.append(functions(step))
    assert counts[0] == counts[1] > 0
    assert lengths[1] < 1.5 * lengths[0]


def test_layers_of_different_sizes_do_not():
    weights, plain = training(4, [6, 7, 8, 9, 10])
    expected = [float(plain()) for _ in range(3)]
    weights, compiled = training(4, [6, 7, 8, 9, 10])
    step = ag.compile(compiled, backend="native")
    np.testing.assert_allclose([float(step()), *step.repeat(2)], expected, rtol=1e-11)
    assert functions(step) == 0


def piece(name: str, pointer: str, number: str) -> list[str]:
    lines = [f"  br label %{name}", f"{name}:"]
    lines += [f"  %{name}v{i} = fadd double {number}, {i}.0" for i in range(30)]
    return [*lines, f"  store double %{name}v29, ptr %{pointer}, align 8"]


def test_pieces_that_differ_only_in_pointers_become_calls():
    first, second, other = piece("a", "m1", "1.0"), piece("b", "in12", "1.0"), piece("c", "m2", "2.0")
    lines = [*first, "between:", *second, *other]
    ends = np.cumsum([len(first), 1, len(second), len(other)]).tolist()
    pieces = [Piece(0, ends[0], ("  %slot1 = alloca double",)), Piece(ends[1], ends[2], ("  %slot2 = alloca double",)),
              Piece(ends[2], ends[3], ("  %slot3 = alloca double",))]  # fmt: skip
    body, made, moved = outline(lines, pieces, "x")
    assert body == ["  call void @x.0(ptr %m1)", "between:", "  call void @x.0(ptr %in12)", *other]
    assert len(made) == 1
    assert made[0].startswith(
        "define internal void @x.0(ptr %given0) nounwind {\n  %n0 = alloca double\n  br label %n1\nn1:"
    )
    assert moved == {"  %slot1 = alloca double", "  %slot2 = alloca double"}


def test_pieces_that_read_a_register_from_outside_stay():
    first, second = piece("a", "m1", "%v7"), piece("b", "m2", "%v7")
    pieces = [Piece(0, len(first), ()), Piece(len(first), len(first) + len(second), ())]
    assert outline([*first, *second], pieces, "x") == ([*first, *second], [], set())
