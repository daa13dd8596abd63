"""Dense, initial weights, activations, and networks made of them."""

import copy

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError, DTypeError, ShapeError
from nn import init

X = np.random.default_rng(0).normal(size=(5, 2))


# -- initial weights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, variance",
    [("he", 2 / 300), ("glorot", 2 / 500), ("lecun", 1 / 300)],
)
@pytest.mark.parametrize("kind", ["", "_normal", "_uniform"])
def test_variances(name, variance, kind):
    values = init.initializer(name + kind)((300, 200), np.random.default_rng(0))
    # The variance of 60,000 normal values scatters by sqrt(2 / 60,000) = 0.6 %, the mean by sigma / sqrt(60,000).
    assert values.shape == (300, 200)
    assert values.var() == pytest.approx(variance, rel=0.02)
    assert abs(values.mean()) < 4 * np.sqrt(variance / values.size)
    if kind == "_uniform":
        assert np.abs(values).max() <= np.sqrt(3 * variance)


def test_same_seed_same_weights():
    np.testing.assert_array_equal(nn.Dense(4, 5, seed=3).weight.data, nn.Dense(4, 5, seed=3).weight.data)
    assert not np.array_equal(nn.Dense(4, 5, seed=3).weight.data, nn.Dense(4, 5, seed=4).weight.data)
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(nn.Dense(4, 5, rng=rng).weight.data, nn.Dense(4, 5, seed=3).weight.data)
    assert not np.array_equal(nn.Dense(4, 5, rng=rng).weight.data, nn.Dense(4, 5, seed=3).weight.data)


def test_the_default_generator_restarts():
    init.seed(0)
    first, second = nn.Dense(2, 3).weight.numpy(), nn.Dense(2, 3).weight.numpy()
    assert not np.array_equal(first, second)
    init.seed(0)
    np.testing.assert_array_equal(nn.Dense(2, 3).weight.data, first)


def test_bad_initialisations():
    with pytest.raises(ArgumentError, match="no initialisation is called 'xavier'; there are .*glorot"):
        nn.Dense(2, 3, init="xavier")
    with pytest.raises(ArgumentError, match="give rng or seed, not both"):
        nn.Dense(2, 3, rng=np.random.default_rng(0), seed=0)
    with pytest.raises(ArgumentError, match="for a number write seed=3"):
        nn.Dense(2, 3, rng=3)
    with pytest.raises(ShapeError, match=r"returned shape \(3,\) for a weight of \(2, 3\)"):
        nn.Dense(2, 3, init=lambda shape, rng: np.zeros(3))
    with pytest.raises(ArgumentError, match="shape \\(\\) has no inputs"):
        init.he_normal((), np.random.default_rng(0))


# -- Dense -------------------------------------------------------------------------------------------------------------


def test_dense_is_x_w_plus_b():
    layer = nn.Dense(input_size=2, output_size=3, seed=0)
    assert layer.weight.shape == (2, 3)
    assert layer.bias.shape == (3,)
    assert not layer.bias.data.any()
    layer.bias.data = np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(layer(X).data, X @ layer.weight.data + layer.bias.data)
    np.testing.assert_array_equal(layer(Tensor(X)).data, layer(X).data)
    np.testing.assert_allclose(layer(X.tolist()).data, layer(X).data, rtol=1e-15)
    assert layer(np.ones((7, 4, 2))).shape == (7, 4, 3)
    assert layer(np.ones(2)).shape == (3,)


def test_dense_gradients():
    layer = nn.Dense(2, 3, seed=0)
    upstream = np.random.default_rng(1).normal(size=(5, 3))
    x = Tensor(X, requires_grad=True)
    layer(x).backward(upstream)
    np.testing.assert_allclose(layer.weight.grad, X.T @ upstream, rtol=1e-14)
    np.testing.assert_allclose(layer.bias.grad, upstream.sum(0), rtol=1e-14)
    np.testing.assert_allclose(x.grad, upstream @ layer.weight.data.T, rtol=1e-14)


def test_dense_without_bias_and_in_float32():
    layer = nn.Dense(2, 3, bias=False, dtype=np.float32, seed=0)
    assert [path for path, _ in layer.named_parameters()] == ["weight"]
    assert layer(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("size", [0, -1, 2.0, "3", True, None])
def test_dense_sizes(size):
    with pytest.raises(ArgumentError, match="Dense needs a positive integer as input_size, not"):
        nn.Dense(size, 3)
    with pytest.raises(ArgumentError, match="Dense needs a positive integer as output_size, not"):
        nn.Dense(3, size)


def test_dense_inputs():
    layer = nn.Dense(2, 3)
    with pytest.raises(
        ShapeError, match=r"Dense\(2 -> 3, he\) got an input of shape \(4, 5\): its last axis must be 2$"
    ):
        layer(np.zeros((4, 5)))
    with pytest.raises(ShapeError, match=r"shape \(4,\): its last axis must be 2; use x.reshape\(-1, 2\)"):
        layer(np.zeros(4))
    with pytest.raises(ShapeError, match=r"shape \(\)"):
        layer(1.0)


# -- activations -------------------------------------------------------------------------------------------------------

Z = np.array([-5.0, -2.0, -0.5, 0.5, 2.0, 5.0])
ERF = np.array([-0.9544997361036416, -0.3829249225480262, 0.3829249225480262, 0.9544997361036416])
ACTIVATIONS = {
    nn.Identity: lambda z: z,
    nn.Sigmoid: lambda z: 1 / (1 + np.exp(-z)),
    nn.Tanh: np.tanh,
    nn.ReLU: lambda z: np.where(z.real > 0, z, 0),
    nn.LeakyReLU: lambda z: np.where(z.real > 0, z, 0.01 * z),
    nn.Softplus: lambda z: np.log(1 + np.exp(z)),
    nn.Softmax: lambda z: np.exp(z) / np.exp(z).sum(),
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activations(kind):
    reference = ACTIVATIONS[kind]
    z = Tensor(Z, requires_grad=True)
    output = kind()(z)
    np.testing.assert_allclose(output.data, reference(Z), rtol=1e-12)
    weights = np.arange(1.0, 7.0)
    output.backward(weights)
    h = 1e-30
    expected = [(reference(Z + 1j * h * row) @ weights).imag / h for row in np.eye(6)]
    np.testing.assert_allclose(z.grad, expected, rtol=1e-12, atol=1e-15)


def test_gelu():
    z = Tensor(Z[1:5], requires_grad=True)
    output = nn.GELU()(z)
    np.testing.assert_allclose(output.data, Z[1:5] * (1 + ERF) / 2, rtol=1e-13)
    output.sum().backward()
    density = np.exp(-(Z[1:5] ** 2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(z.grad, (1 + ERF) / 2 + Z[1:5] * density, rtol=1e-12)


def test_settings_of_activations():
    np.testing.assert_array_equal(nn.LeakyReLU(0.5)(np.array([-2.0, 2.0])), [-1.0, 2.0])
    np.testing.assert_allclose(nn.Softmax(axis=0)(np.zeros((4, 2))), np.full((4, 2), 0.25))
    assert repr(nn.Apply(ag.sin)) == "Apply(sin)"


def test_conventions_at_zero():
    for layer, slope in ((nn.ReLU(), 0.0), (nn.LeakyReLU(0.1), 0.1)):
        z = Tensor(0.0, requires_grad=True)
        layer(z).backward()
        assert z.grad == slope


# -- networks ----------------------------------------------------------------------------------------------------------


def test_sequential_applies_its_modules_in_order():
    first, second = nn.Dense(2, 3), nn.Dense(3, 1)
    model = nn.Sequential(first, nn.Tanh(), second)
    expected = np.tanh(X @ first.weight.data) @ second.weight.data
    np.testing.assert_allclose(model(X).data, expected, rtol=1e-14)
    assert list(model) == [model[0], model[1], model[2]]
    assert len(model) == 3
    assert model[-1] is second


def test_mlp():
    model = nn.MLP([2, 4, 3], activation=nn.ReLU, output_activation=nn.Softmax, init="glorot", seed=5)
    assert [type(layer) for layer in model] == [nn.Dense, nn.ReLU, nn.Dense, nn.Softmax]
    rng = np.random.default_rng(5)
    np.testing.assert_array_equal(model[0].weight.data, init.glorot_normal((2, 4), rng))
    np.testing.assert_array_equal(model[2].weight.data, init.glorot_normal((4, 3), rng))


def test_mlp_is_reproducible_by_default_and_takes_functions():
    first, second = nn.MLP([2, 3, 1], activation=ag.sin), nn.MLP([2, 3, 1], activation=ag.sin)
    np.testing.assert_array_equal(first(X).data, second(X).data)
    np.testing.assert_allclose(first(X).data, np.sin(X @ first[0].weight.data) @ first[2].weight.data, rtol=1e-13)
    assert not np.array_equal(nn.MLP([2, 3, 1], seed=1)(X).data, nn.MLP([2, 3, 1])(X).data)


def test_network_mistakes():
    with pytest.raises(ArgumentError, match=r"Tanh is a class: add Tanh\(...\), an object of it"):
        nn.Sequential(nn.Dense(2, 3), nn.Tanh)
    with pytest.raises(DTypeError, match=r"a function becomes one as nn.Apply\(function\)"):
        nn.Sequential(np.tanh)
    with pytest.raises(ShapeError, match=r"Dense\(4 -> 1, he\) cannot follow Dense\(2 -> 3, he\), which has 3 outputs"):
        nn.Sequential(nn.Dense(2, 3), nn.Tanh(), nn.Dense(4, 1))
    with pytest.raises(ArgumentError, match=r"at least two sizes, of inputs and outputs, not \[2\]"):
        nn.MLP([2])
    with pytest.raises(ArgumentError, match=r"write loss_function=MSE\(\)"):
        nn.NeuralNetwork(loss_function=nn.MSE)


def test_sizes_are_not_guessed_across_unknown_modules():
    assert len(nn.Sequential(nn.Dense(2, 3), nn.Apply(lambda h: h[:, :1]), nn.Dense(1, 1))) == 3


def test_a_network_draws_the_weights_of_its_layers_from_its_seed():
    def build(seed):
        return nn.NeuralNetwork(nn.MSE(), seed=seed).add(nn.Dense(2, 3)).add(nn.Tanh()).add(nn.Dense(3, 1))

    first = build(7)
    nn.Dense(9, 9)  # moves the default generator on
    second = build(7)
    for ours, theirs in zip(first.model.parameters(), second.model.parameters()):
        np.testing.assert_array_equal(ours.data, theirs.data)
    assert not np.array_equal(first.model[0].weight.data, build(8).model[0].weight.data)
    rng = np.random.default_rng(7)
    np.testing.assert_array_equal(first.model[0].weight.data, init.he_normal((2, 3), rng))
    np.testing.assert_array_equal(first.model[2].weight.data, init.he_normal((3, 1), rng))


def test_weights_that_are_somebodys_choice_are_not_drawn_again():
    seeded, changed, block = nn.Dense(2, 2, seed=1), nn.Dense(2, 2), nn.Sequential(nn.Dense(2, 2))
    changed.weight.data = np.eye(2)
    expected = seeded.weight.numpy()
    network = nn.NeuralNetwork(nn.MSE()).add(seeded).add(changed).add(block)
    np.testing.assert_array_equal(network.model[0].weight.data, expected)
    np.testing.assert_array_equal(network.model[1].weight.data, np.eye(2))
    np.testing.assert_array_equal(network.model[2][0].weight.data, init.he_normal((2, 2), np.random.default_rng(0)))
    again = nn.NeuralNetwork(nn.MSE(), seed=99).add(copy.deepcopy(block))
    np.testing.assert_array_equal(again.model[0][0].weight.data, block[0].weight.data)
