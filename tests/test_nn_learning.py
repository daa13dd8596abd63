"""Networks learn what they should, on data they were not shown where there is such."""

import numpy as np
import pytest

import nn

LOGITS = nn.binary_cross_entropy_with_logits


@pytest.mark.parametrize("seed", range(3))
def test_two_moons(seed):
    X, y = nn.data.two_moons(400, seed=seed)
    model = nn.MLP([2, 16, 16, 1], activation=nn.Tanh, seed=seed)
    model.fit(X, y, loss=LOGITS, epochs=200, batch_size=None, learning_rate=0.02)
    fresh, truth = nn.data.two_moons(1000, seed=seed + 100)
    assert nn.accuracy(model.predict(X), y, threshold=0) >= 0.99
    assert nn.accuracy(model.predict(fresh), truth, threshold=0) >= 0.99


@pytest.mark.parametrize("seed", range(3))
def test_spirals(seed):
    X, y = nn.data.spirals(400, seed=seed)
    model = nn.MLP([2, 32, 32, 1], activation=nn.Tanh, seed=seed)
    model.fit(X, y, loss=LOGITS, epochs=400, batch_size=None, learning_rate=0.02)
    fresh, truth = nn.data.spirals(1000, seed=seed + 100)
    assert nn.accuracy(model.predict(X), y, threshold=0) >= 0.98
    assert nn.accuracy(model.predict(fresh), truth, threshold=0) >= 0.98


@pytest.mark.parametrize("seed", range(3))
def test_digits(seed):
    X, X_test, y, y_test = nn.train_test_split(*nn.data.digits(), seed=seed)
    model = nn.MLP([64, 128, 10], activation=nn.ReLU, seed=seed)
    history = model.fit(X, y, loss=nn.cross_entropy, epochs=30, batch_size=64, learning_rate=3e-3, seed=seed)
    assert history.loss[-1] < 0.05
    assert nn.accuracy(model.predict(X_test), y_test) >= 0.96


def test_circles_by_hinge_loss_and_momentum():
    X, y = nn.data.circles(300, noise=0.05)
    model = nn.MLP([2, 16, 1])
    optimizer = nn.optim.SGD(model, learning_rate=0.1, momentum=0.9)
    model.fit(X, 2 * y - 1, loss=nn.hinge, optimizer=optimizer, epochs=60, batch_size=32)
    assert nn.accuracy(model.predict(X), y, threshold=0) >= 0.99


def test_blobs_by_rmsprop():
    X, y = nn.data.blobs(300, centers=4)
    model = nn.MLP([2, 16, 4], activation=nn.GELU)
    model.fit(X, y, loss=nn.cross_entropy, optimizer=nn.optim.RMSProp(model), epochs=40)
    matrix = nn.confusion_matrix(model.predict(X), y)
    assert matrix.trace() / matrix.sum() >= 0.99


def test_regression_in_float32():
    X = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
    y = np.sin(3 * X)
    model = nn.MLP([1, 32, 1], dtype=np.float32)
    model.fit(X, y, loss=nn.MSE(), epochs=1000, batch_size=None, learning_rate=0.01)
    assert model.predict(X).dtype == np.float32
    assert np.abs(model.predict(X) - y).max() < 0.05
