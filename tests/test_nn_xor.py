"""The second seed's promise: 2-3-1 sigmoid networks learn XOR by stochastic gradient descent on the squared error."""

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor

X, Y = nn.data.xor()


def network(seed: int) -> nn.NeuralNetwork:
    model = nn.NeuralNetwork(loss_function=nn.MSE(), seed=seed)
    model.add(nn.Dense(input_size=2, output_size=3))
    model.add(nn.Sigmoid())
    model.add(nn.Dense(input_size=3, output_size=1))
    model.add(nn.Sigmoid())
    return model


def train_together(seeds: int, epochs: int, order_seed: int = 0) -> tuple[list[Tensor], np.ndarray]:
    """Many networks as one model on stacked weights, all seeing the rows in one order; with errors (seed, row)."""
    models = [network(seed) for seed in range(seeds)]
    stacked = [np.stack([model.model.parameters()[i].data for model in models]) for i in range(4)]
    parameters = w1, b1, w2, b2 = [
        Tensor(array if array.ndim == 3 else array[:, None], requires_grad=True) for array in stacked
    ]

    def predict(x: Tensor) -> Tensor:
        return ag.sigmoid(ag.sigmoid(x @ w1 + b1) @ w2 + b2)

    rows = [(Tensor(X[i : i + 1]), Tensor(Y[i : i + 1])) for i in range(4)]
    optimizer = nn.optim.SGD(parameters, learning_rate=0.1)
    rng = np.random.default_rng(order_seed)
    for _ in range(epochs):
        for i in rng.permutation(4):
            optimizer.zero_grad()
            x, y = rows[i]
            difference = predict(x) - y
            (difference * difference).sum().backward()
            optimizer.step()
    errors = np.abs(predict(Tensor(X)).data[:, :, 0] - Y[:, 0])
    return parameters, errors


def test_the_batched_networks_are_the_real_ones():
    parameters, _ = train_together(seeds=3, epochs=100)
    for seed in range(3):
        model = network(seed)
        model.train(X, Y, epochs=100, learning_rate=0.1, seed=0)
        for ours, together in zip(model.model.parameters(), parameters):
            np.testing.assert_allclose(ours.data, together.data[seed].reshape(ours.shape), rtol=1e-12, atol=1e-13)


@pytest.mark.slow
def test_at_least_90_of_100_seeds_learn_xor():
    _, errors = train_together(seeds=100, epochs=10_000)
    assert (errors.max(axis=1) <= 0.06).sum() >= 90


@pytest.mark.slow
def test_the_quick_start_learns_xor_with_its_default_seed():
    model = network(0)
    history = model.train(X, Y, epochs=10_000, learning_rate=0.1)
    assert np.abs(model.predict(X) - Y).max() <= 0.06
    assert history.epochs == 10_000
    assert history.loss[-1] < 0.06**2
