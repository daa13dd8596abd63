"""Labels and targets that plain Python refuses give nan in compiled steps, as the loss and as its gradient, never a number."""

import functools

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
ROWS = np.random.default_rng(0).normal(size=(4, 2))
WEIGHT = np.linspace(-1.0, 1.0, 6).reshape(2, 3)

sigmoid_bce = lambda z, y: nn.binary_cross_entropy(ag.sigmoid(z), y)  # noqa: E731
classes = np.array([0, 1, 2, 0])
soft = np.full((4, 3), 1 / 3)
bits = np.array([[0.0, 1.0, 0.5]] * 4)
signs = np.array([[1.0, -1.0, 1.0]] * 4)


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


CASES = {
    "label too large": (nn.cross_entropy, classes, changed(classes, 2, 3)),
    "label negative": (nn.cross_entropy, classes, changed(classes, 0, -1)),
    "label far out": (nn.cross_entropy, classes, changed(classes, 0, 2**40)),
    "unsigned label": (nn.cross_entropy, classes.astype(np.uint8), changed(classes.astype(np.uint8), 0, 255)),
    "class as an object": (nn.CrossEntropy(), classes, changed(classes, 2, 3)),
    "row that sums to 2": (nn.cross_entropy, soft, changed(soft, (0, 0), 4 / 3)),
    "negative probability": (nn.cross_entropy, soft, changed(soft, 1, [-0.5, 1.0, 0.5])),
    "target 2": (sigmoid_bce, bits, changed(bits, (3, 2), 2.0)),
    "target below 0": (sigmoid_bce, bits, changed(bits, (3, 2), -1e-9)),
    "prediction 2": (nn.binary_cross_entropy, None, bits),
    "target 2 with logits": (nn.binary_cross_entropy_with_logits, bits, changed(bits, (0, 0), 2.0)),
    "target 0 of a hinge": (nn.hinge, signs, changed(signs, (1, 1), 0.0)),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("how", ["call", "repeat", "scan"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("case", CASES)
def test_what_eager_refuses_is_nan(case, dtype, how, backend):
    loss, good, bad = CASES[case]
    weight = Tensor(WEIGHT, requires_grad=True, dtype=dtype)
    rows = ROWS.astype(dtype)

    def step(x, y):
        weight.grad = None
        value = loss(x @ weight, y)
        value.backward()
        return value

    compiled = ag.compile(step, backend=backend)
    if good is not None:
        good = good.astype(dtype) if good.dtype.kind == "f" else good
        expected = step(Tensor(rows), good)
        gradient = weight.grad
        got = compiled(Tensor(rows), Tensor(good))
        assert got.dtype == dtype
        np.testing.assert_allclose(got.data, expected.data, rtol=1e-5 if dtype is np.float32 else 1e-12)
        np.testing.assert_allclose(weight.grad, gradient, rtol=1e-4 if dtype is np.float32 else 1e-12, atol=1e-7)
    bad = bad.astype(dtype) if bad.dtype.kind == "f" else bad
    if np.dtype(dtype).itemsize == 8 or case != "target below 0":
        with pytest.raises(errors.ArgumentError):
            step(Tensor(rows), Tensor(bad))
    if how == "call":
        results = compiled(Tensor(rows), Tensor(bad)).data
    elif how == "repeat":
        results = compiled.repeat(3, Tensor(rows), Tensor(bad))
    else:
        results = compiled.scan(np.stack([rows] * 3), np.stack([bad if good is None else good, bad, bad]))[1:]
    assert np.isnan(results).all()
    assert np.isnan(weight.grad).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_fit_names_a_label_that_is_out_of_range(backend, monkeypatch):
    monkeypatch.setattr(ag, "compile", functools.partial(ag.compile, backend=backend))
    model = nn.MLP([2, 3], seed=0)
    before = [p.data.copy() for p in model.parameters()]
    with pytest.raises(errors.ArgumentError, match="outside 0..2"):
        model.fit(ROWS, changed(classes, 2, 3), loss=nn.cross_entropy, epochs=3)
    for p, old in zip(model.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.data, old)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "use",
    [
        lambda t, i: t[i],
        lambda t, i: t[i, 0],
        lambda t, i: t[:, 0][i % 100],
        lambda t, i: np.take(t, i, axis=0),
        lambda t, i: np.take_along_axis(t, np.stack([i, i], axis=1), axis=0),
        lambda t, i: t.at[i].add(1.0),
        lambda t, i: ag.grad(lambda t: (t[i] ** 2).sum())(t),
    ],
)
@pytest.mark.parametrize("bad", [6, -7])
def test_indices_out_of_range_are_refused(use, bad, backend):
    table = Tensor(np.arange(12.0).reshape(6, 2), requires_grad=True)
    good, wrong = np.array([0, 5, 3]), np.array([0, bad, 1])

    def step(i):
        table.data = table.data + 1.0
        return use(table, i) * 2.0

    compiled = ag.compile(step, backend=backend)
    compiled(Tensor(good))
    compiled(Tensor(good))
    before = table.data.copy()
    for call in (
        lambda: compiled(Tensor(wrong)),
        lambda: compiled.repeat(3, Tensor(wrong)),
        lambda: compiled.scan(np.stack([wrong, good])),
    ):
        with pytest.raises(IndexError):
            call()
        np.testing.assert_array_equal(table.data, before)
