"""Data sets and metrics."""

import builtins
import sys

import numpy as np
import pytest

import nn
from autograd import Tensor
from autograd.core.errors import ArgumentError, MissingDependencyError, ShapeError
from nn import data

TWO_CLASSES = [data.two_moons, data.circles, data.spirals]


def test_xor():
    X, y = data.xor()
    np.testing.assert_array_equal(y[:, 0], (X[:, 0] != X[:, 1]).astype(float))


@pytest.mark.parametrize("make", TWO_CLASSES)
def test_two_classes(make):
    X, y = make(101)
    assert X.shape == (101, 2)
    assert y.shape == (101, 1)
    assert sorted(np.bincount(y[:, 0].astype(int))) == [50, 51]
    assert 0 < y[:20].sum() < 20  # mixed


@pytest.mark.parametrize("make", [*TWO_CLASSES, data.blobs])
def test_the_seed_decides_everything(make):
    for first, second in zip(make(30, seed=4), make(30, seed=4)):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(make(30, seed=4)[0], make(30, seed=5)[0])


def test_noiseless_shapes_are_the_curves():
    X, y = data.circles(50, noise=0.0, factor=0.4)
    np.testing.assert_allclose(np.hypot(*X.T), np.where(y[:, 0] == 1, 0.4, 1.0), rtol=1e-14)
    X, y = data.two_moons(50, noise=0.0)
    upper, lower = X[y[:, 0] == 0], X[y[:, 0] == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.hypot(*(lower - [1.0, 0.5]).T), 1.0, rtol=1e-14)
    assert (upper[:, 1] >= 0).all()
    assert (lower[:, 1] <= 0.5).all()
    X, y = data.spirals(50, noise=0.0, turns=2.0)
    radius = np.hypot(*X.T)
    angle = np.arctan2(X[:, 1], X[:, 0]) - 4 * np.pi * (radius - 0.05) / 0.95 - np.pi * y[:, 0]
    np.testing.assert_allclose(np.cos(angle), 1.0, rtol=1e-12)


def test_blobs():
    X, y = data.blobs(40, centers=4, cluster_std=0.0)
    assert y.dtype.kind == "i"
    np.testing.assert_array_equal(np.bincount(y), [10] * 4)
    np.testing.assert_allclose(X[y == 1], np.tile([0.0, 1.0], (10, 1)), atol=1e-15)


def test_digits():
    X, y = data.digits()
    assert X.shape == (1797, 64)
    assert (X.min(), X.max()) == (0.0, 1.0)
    assert y.shape == (1797,)
    assert set(y) == set(range(10))


def test_digits_without_scikit_learn(monkeypatch):
    original = builtins.__import__

    def absent(name, *rest):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return original(name, *rest)

    monkeypatch.delitem(sys.modules, "sklearn.datasets", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingDependencyError, match="pip install scikit-learn"):
        data.digits()


def test_split_keeps_rows_together():
    X = np.arange(20.0).reshape(10, 2)
    parts = nn.train_test_split(X, X[:, 0], test_size=0.3, seed=1)
    assert [len(part) for part in parts] == [7, 3, 7, 3]
    np.testing.assert_array_equal(parts[0][:, 0], parts[2])
    np.testing.assert_array_equal(parts[1][:, 0], parts[3])
    assert sorted([*parts[2], *parts[3]]) == sorted(X[:, 0])


def test_bad_arguments():
    with pytest.raises(ArgumentError, match="n_samples must be 2 or more"):
        data.two_moons(1)
    with pytest.raises(ArgumentError, match="noise must be zero or positive"):
        data.spirals(10, noise=-1)
    with pytest.raises(ArgumentError, match="factor"):
        data.circles(10, factor=1.0)
    with pytest.raises(ArgumentError, match="centers must be 2 or more"):
        data.blobs(10, centers=1)
    with pytest.raises(ArgumentError, match="sets 0 aside"):
        nn.train_test_split(np.zeros((3, 1)), np.zeros(3), test_size=0.1)
    with pytest.raises(ShapeError, match="X has 3 rows and y has 2"):
        nn.train_test_split(np.zeros((3, 1)), np.zeros(2))


# -- metrics -----------------------------------------------------------------------------------------------------------

SCORES = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 0.0]])


def test_accuracy_of_several_classes():
    assert nn.accuracy(SCORES, [0, 1, 2, 1]) == 0.75
    assert nn.accuracy(Tensor(SCORES), Tensor([0, 1, 2, 1])) == 0.75
    assert nn.accuracy(SCORES, np.eye(3)[[0, 1, 2, 1]]) == 0.75
    assert nn.accuracy(SCORES, [[0], [1], [2], [1]]) == 0.75


def test_accuracy_of_two_classes():
    assert nn.accuracy([[0.4], [0.6]], [[0.0], [0.0]]) == 0.5
    assert nn.accuracy([0.4, 0.6], [0, 1]) == 1.0
    assert nn.accuracy([[-1.0], [0.2]], [[0], [1]], threshold=0) == 1.0


def test_confusion_matrix():
    np.testing.assert_array_equal(nn.confusion_matrix(SCORES, [0, 1, 2, 1]), [[1, 0, 0], [1, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(nn.confusion_matrix([[0.9], [0.8]], [[0], [1]]), [[0, 1], [0, 1]])
    assert nn.confusion_matrix([[0.1]], [[0]], classes=3).shape == (3, 3)


def test_metrics_refuse():
    with pytest.raises(ShapeError, match=r"prediction \(4, 3\) gives 4 classes, but target has 3"):
        nn.accuracy(SCORES, [0, 1, 2])
    with pytest.raises(ArgumentError, match="empty batch"):
        nn.accuracy(np.zeros((0, 3)), np.zeros(0, int))
    with pytest.raises(ArgumentError, match="target holds -1"):
        nn.accuracy([0.4, 0.6], [-1, 1])
    with pytest.raises(ArgumentError, match="class 2 occurs, but classes=2"):
        nn.confusion_matrix(SCORES, [0, 1, 2, 1], classes=2)
