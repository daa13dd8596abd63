"""Losses: values, gradients, stability, and what they refuse."""

import math

import numpy as np
import pytest

import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError, DTypeError, ShapeError

RNG = np.random.default_rng(0)
ONE_HOT = np.eye(3)[[0, 2, 1, 1]]
SOFT = RNG.dirichlet(np.ones(3), size=4)
SIGNS = np.array([[1.0], [-1.0], [1.0], [-1.0]])
BITS = np.array([[1.0], [0.0], [0.25], [1.0]])

# name: loss, prediction, target, the same loss in plain NumPy (for complex predictions)
CASES = {
    "mse": (
        nn.mean_squared_error, RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2)), lambda p, t: ((p - t) ** 2).mean(),
    ),
    "mse vector": (
        nn.mean_squared_error, RNG.normal(size=5), RNG.normal(size=5), lambda p, t: ((p - t) ** 2).mean(),
    ),
    "bce": (
        nn.binary_cross_entropy, RNG.uniform(0.05, 0.95, (4, 1)), BITS,
        lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(),
    ),
    "bce with logits": (
        nn.binary_cross_entropy_with_logits, RNG.normal(size=(4, 1)), BITS,
        lambda z, t: (np.log(1 + np.exp(z)) - t * z).mean(),
    ),
    "cross-entropy, one-hot": (
        nn.cross_entropy, RNG.normal(size=(4, 3)), ONE_HOT,
        lambda z, t: -(t * (z - np.log(np.exp(z).sum(-1, keepdims=True)))).sum(-1).mean(),
    ),
    "cross-entropy, probabilities": (
        nn.cross_entropy, RNG.normal(size=(4, 3)), SOFT,
        lambda z, t: -(t * (z - np.log(np.exp(z).sum(-1, keepdims=True)))).sum(-1).mean(),
    ),
    "cross-entropy, labels": (
        nn.cross_entropy, RNG.normal(size=(4, 3)), np.array([0, 2, 1, 1]),
        lambda z, t: -np.take_along_axis(z - np.log(np.exp(z).sum(-1, keepdims=True)), t[:, None], -1).mean(),
    ),
    "cross-entropy, labels of pixels": (
        nn.cross_entropy, RNG.normal(size=(2, 2, 3)), np.array([[0, 2], [1, 1]]),
        lambda z, t: -np.take_along_axis(z - np.log(np.exp(z).sum(-1, keepdims=True)), t[..., None], -1).mean(),
    ),
    "hinge": (
        nn.hinge, RNG.normal(size=(4, 1)), SIGNS,
        lambda s, t: np.where((1 - t * s).real > 0, 1 - t * s, 0).mean(),
    ),
}  # fmt: skip


def complex_step(function, x, h=1e-30):
    gradient = np.empty(x.shape)
    for index in np.ndindex(x.shape):
        moved = x.astype(complex)
        moved[index] += 1j * h
        gradient[index] = function(moved).imag / h
    return gradient


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name):
    loss, prediction, target, reference = CASES[name]
    p = Tensor(prediction, requires_grad=True)
    value = loss(p, target)
    assert value.shape == ()
    np.testing.assert_allclose(value.data, reference(prediction, target), rtol=1e-13)
    value.backward()
    np.testing.assert_allclose(p.grad, complex_step(lambda z: reference(z, target), prediction), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", CASES)
def test_targets_may_be_tensors_and_lists_and_plain_arrays_are_answered_plainly(name):
    loss, prediction, target, _ = CASES[name]
    expected = float(loss(Tensor(prediction), target).data)
    assert float(loss(Tensor(prediction), Tensor(target)).data) == expected
    assert float(loss(Tensor(prediction), target.tolist()).data) == expected
    plain = loss(prediction, target)
    assert not isinstance(plain, Tensor)
    assert float(plain) == expected


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32_whatever_the_target(name):
    loss, prediction, target, _ = CASES[name]
    p = Tensor(prediction.astype(np.float32), requires_grad=True)
    value = loss(p, target)
    value.backward()
    assert value.dtype == np.float32
    assert p.grad.dtype == np.float32


def test_integer_targets_are_numbers_too():
    assert float(nn.mean_squared_error(Tensor([[1.0], [3.0]]), np.array([[1], [1]])).data) == 2.0


@pytest.mark.parametrize(
    "loss, target",
    [
        (nn.binary_cross_entropy_with_logits, [[1.0], [0.0], [1.0], [0.0]]),
        (nn.cross_entropy, [0]),
        (nn.cross_entropy, [3]),
        (nn.cross_entropy, [[0.25, 0.25, 0.25, 0.25]]),
    ],
)
def test_huge_logits_give_finite_losses_and_gradients(loss, target):
    logits = np.array([[1e4], [1e4], [-1e4], [-1e4]])
    z = Tensor(logits.T if loss is nn.cross_entropy else logits, requires_grad=True)
    value = loss(z, target)
    value.backward()
    assert np.isfinite(value.data)
    assert np.isfinite(z.grad).all()


def test_logit_losses_at_known_extremes():
    z = Tensor([[1e4], [-1e4]], requires_grad=True)
    value = nn.binary_cross_entropy_with_logits(z, [[0.0], [0.0]])
    value.backward()
    assert value.item() == 5000.0
    np.testing.assert_array_equal(z.grad, [[0.5], [0.0]])
    assert float(nn.cross_entropy([[1e4, -1e4]], [1])) == 2e4


def test_the_gradient_at_zero_logits_is_that_of_a_coin():
    z = Tensor([[0.0], [0.0]], requires_grad=True)
    nn.binary_cross_entropy_with_logits(z, [[1.0], [0.0]]).backward()
    np.testing.assert_array_equal(z.grad, [[-0.25], [0.25]])


def test_saturated_probabilities_give_a_large_finite_loss():
    p = Tensor([[0.0], [1.0]], requires_grad=True)
    value = nn.binary_cross_entropy(p, [[1.0], [0.0]])
    value.backward()
    assert value.item() == pytest.approx(-math.log(np.finfo(float).eps), rel=1e-9)
    assert np.isfinite(p.grad).all()
    right = nn.binary_cross_entropy([[0.0], [1.0]], [[0.0], [1.0]])
    assert 0 <= right < 1e-15


# -- refusals ----------------------------------------------------------------------------------------------------------

ELEMENTWISE = [
    nn.mean_squared_error,
    nn.binary_cross_entropy,
    nn.binary_cross_entropy_with_logits,
    nn.hinge,
]


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_shapes_that_would_broadcast_are_refused_with_the_reshape(loss):
    with pytest.raises(ShapeError) as caught:
        loss(Tensor(np.full((100, 1), 0.5)), np.ones(100))
    text = str(caught.value)
    assert "(100, 1) and target (100,) differ; they would broadcast to (100, 100)" in text
    assert "Use target.reshape(100, 1), or broadcast=True" in text


@pytest.mark.parametrize("loss", ELEMENTWISE)
def test_broadcast_true_opts_in(loss):
    value = loss(Tensor(np.full((3, 1), 0.5)), np.ones(4), broadcast=True)
    assert value.item() == pytest.approx(loss(Tensor([0.5]), [1.0]).item())


def test_shapes_that_cannot_broadcast_say_so():
    with pytest.raises(ShapeError, match=r"prediction \(2,\) and target \(3,\) differ and cannot be broadcast"):
        nn.mean_squared_error(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("loss", [*ELEMENTWISE, nn.cross_entropy])
def test_an_empty_batch_is_refused(loss):
    with pytest.raises(ArgumentError, match="empty batch: the mean loss of 0 rows is undefined"):
        loss(Tensor(np.zeros((0, 3))), np.zeros((0, 3)))


def test_label_out_of_range_names_its_position():
    with pytest.raises(ArgumentError) as caught:
        nn.cross_entropy(Tensor(np.zeros((4, 3))), [0, 1, 2, 3])
    assert str(caught.value) == "target[3] = 3 is outside 0..2 (logits have 3 classes)"
    with pytest.raises(ArgumentError, match=r"target\[1\] = -1 is outside 0..2"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), Tensor([0, -1]))


def test_labels_must_be_integers():
    with pytest.raises(DTypeError, match=r"labels must be integers, got float64; use target.astype\(int\)"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), np.array([0.0, 1.0]))
    with pytest.raises(DTypeError, match="map the names to 0, 1"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), np.array(["cat", "dog"]))


def test_labels_of_the_wrong_rank_get_the_reshape():
    with pytest.raises(ShapeError, match=r"need labels of shape \(4,\).*got \(4, 1\); use target.reshape\(4\)"):
        nn.cross_entropy(Tensor(np.zeros((4, 3))), np.zeros((4, 1), int))
    with pytest.raises(ShapeError, match=r"need labels of shape \(4,\) or one probability per class \(4, 3\)"):
        nn.cross_entropy(Tensor(np.zeros((4, 3))), np.zeros((4, 2)))
    with pytest.raises(ShapeError, match="not a scalar"):
        nn.cross_entropy(1.0, 0)


def test_rows_that_are_no_probabilities():
    with pytest.raises(ArgumentError, match=r"target\[1\] sums to 3"):
        nn.cross_entropy(Tensor(np.zeros((2, 3))), [[0, 1, 0], [0, 1, 2]])
    with pytest.raises(ArgumentError, match=r"target\[0, 0\] = -1.0 is negative"):
        nn.cross_entropy(Tensor(np.zeros((1, 3))), [[-1.0, 1.0, 1.0]])


def test_values_that_are_no_probabilities():
    with pytest.raises(ArgumentError, match=r"prediction\[1, 0\] = 1.7 is outside 0..1; .*with_logits"):
        nn.binary_cross_entropy(Tensor([[0.5], [1.7]]), [[1.0], [0.0]])
    with pytest.raises(ArgumentError, match=r"target\[0\] = -1 is outside 0..1"):
        nn.binary_cross_entropy_with_logits(Tensor([0.5]), [-1])


def test_hinge_wants_signs():
    with pytest.raises(ArgumentError, match=r"target\[0, 0\] = 0.0, but hinge needs targets -1 and \+1; .*2 \* y - 1"):
        nn.hinge(Tensor([[0.5]]), [[0.0]])


@pytest.mark.parametrize(
    "kind, function",
    [
        (nn.MSE, nn.mean_squared_error),
        (nn.BinaryCrossEntropy, nn.binary_cross_entropy),
        (nn.BCEWithLogits, nn.binary_cross_entropy_with_logits),
        (nn.CrossEntropy, nn.cross_entropy),
        (nn.Hinge, nn.hinge),
    ],
)
def test_objects_are_the_functions(kind, function):
    prediction, target = np.array([[0.2, 0.7]]), np.array([[1.0, 0.0]]) if kind is not nn.Hinge else np.array([[1, -1]])
    assert kind()(prediction, target) == function(prediction, target)
    assert repr(kind()) == f"{kind.__name__}()"


def test_objects_keep_their_settings():
    loss = nn.MSE(broadcast=True)
    assert repr(loss) == "MSE(broadcast=True)"
    assert float(loss(np.zeros((2, 1)), np.ones(2))) == 1.0
