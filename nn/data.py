"""Small data sets, made from a seed: the same seed gives the same points.

Two classes come as y (n, 1) of 0.0 and 1.0, ready for a network with one output; several classes as integer labels
y (n,), ready for `cross_entropy`.
"""

from __future__ import annotations

import numpy as np

from autograd.core.errors import ArgumentError, MissingDependencyError, ShapeError

Data = tuple[np.ndarray, np.ndarray]


def xor() -> Data:
    """The four rows of exclusive or: X (4, 2), y (4, 1).

    >>> xor()[1].ravel()
    array([0., 1., 1., 0.])
    """
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return X, np.array([[0.0], [1.0], [1.0], [0.0]])


def two_moons(n: int = 200, *, noise: float = 0.1, seed: int = 0) -> Data:
    """Two half circles of radius 1 that reach into each other, with normal noise: X (n, 2), y (n, 1).

    >>> two_moons(10)[0].shape
    (10, 2)
    """
    rng, first = _start(n, noise, seed)
    angle = np.pi * rng.random(n)
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X[first:] = np.array([1.0, 0.5]) - X[first:]
    return _finish(X, first, noise, rng)


def circles(n: int = 200, *, noise: float = 0.1, ratio: float = 0.5, seed: int = 0) -> Data:
    """A circle of radius `ratio` (class 1) inside one of radius 1 (class 0), with normal noise: X (n, 2), y (n, 1)."""
    if not 0.0 < ratio < 1.0:
        raise ArgumentError(f"ratio is the inner radius over the outer one, between 0 and 1, not {ratio!r}")
    rng, first = _start(n, noise, seed)
    angle = 2.0 * np.pi * rng.random(n)
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X[first:] *= ratio
    return _finish(X, first, noise, rng)


def spirals(n: int = 200, *, turns: float = 1.5, noise: float = 0.02, seed: int = 0) -> Data:
    """Two spirals wound into each other, out to radius 1, with normal noise: X (n, 2), y (n, 1)."""
    rng, first = _start(n, noise, seed)
    t = np.sqrt(rng.random(n))  # the square root spreads the points evenly along the arms
    angle = 2.0 * np.pi * turns * t
    X = (0.05 + 0.95 * t)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X[first:] *= -1.0  # the second arm is the first, turned by half a circle
    return _finish(X, first, noise, rng)


def blobs(n: int = 300, *, classes: int = 3, spread: float = 0.2, seed: int = 0) -> Data:
    """Normal clouds of standard deviation `spread` round centres on the unit circle: X (n, 2), labels y (n,).

    >>> np.bincount(blobs(7, classes=3)[1])
    array([3, 2, 2])
    """
    if classes < 2:
        raise ArgumentError(f"classes must be 2 or more, not {classes!r}")
    rng, _ = _start(n, spread, seed)
    y = np.arange(n) % classes
    angle = 2.0 * np.pi * y / classes
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1) + spread * rng.normal(size=(n, 2))
    order = rng.permutation(n)
    return X[order], y[order]


def digits() -> Data:
    """The handwritten digits of Alpaydin and Kaynak (1998), 8 by 8 pixels: X (1797, 64) in 0..1, labels y (1797,).

    Raises MissingDependencyError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingDependencyError(
            'the digits come with scikit-learn: pip install scikit-learn, or pip install "tracegrad[demos]"'
        ) from error
    X, y = load_digits(return_X_y=True)
    return X / 16.0, y.astype(np.int64)


def train_test_split(
    X: np.ndarray, y: np.ndarray, *, test: float = 0.2, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shuffle the rows and set the share `test` of them aside: X_train, X_test, y_train, y_test.

    >>> [part.shape for part in train_test_split(*two_moons(10))]
    [(8, 2), (2, 2), (8, 1), (2, 1)]
    """
    X, y = np.asarray(X), np.asarray(y)
    n = len(X)
    if len(y) != n:
        raise ShapeError(f"X has {n} rows and y has {len(y)}")
    held = round(test * n)
    if not 0 < held < n:
        raise ArgumentError(f"test={test!r} of {n} rows sets {held} aside; both parts need at least one row")
    order = np.random.default_rng(seed).permutation(n)
    return X[order[held:]], X[order[:held]], y[order[held:]], y[order[:held]]


def _start(n: int, noise: float, seed: int) -> tuple[np.random.Generator, int]:
    """The generator, and how many rows the first class has: half of them, rounded up."""
    if n < 2:
        raise ArgumentError(f"n must be 2 or more, one row per class, not {n!r}")
    if not noise >= 0.0:
        raise ArgumentError(f"the noise must be zero or positive, not {noise!r}")
    return np.random.default_rng(seed), (n + 1) // 2


def _finish(X: np.ndarray, first: int, noise: float, rng: np.random.Generator) -> Data:
    """Add noise and labels, and mix the classes."""
    X = X + noise * rng.normal(size=X.shape)
    y = (np.arange(len(X)) >= first).astype(float)[:, None]
    order = rng.permutation(len(X))
    return X[order], y[order]
