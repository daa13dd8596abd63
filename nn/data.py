"""Small data sets, made from a seed: the same seed gives the same points.

Two classes come as y (n, 1) of 0.0 and 1.0, ready for a network with one output; several classes as integer labels
y (n,), ready for `cross_entropy`.
"""

from __future__ import annotations

import numpy as np

from autograd.core.errors import ArgumentError, MissingDependencyError, ShapeError

Data = tuple[np.ndarray, np.ndarray]


def xor() -> Data:
    """The four rows of exclusive or.

    Returns:
        X (4, 2) and y (4, 1).

    >>> xor()[1].ravel()
    array([0., 1., 1., 0.])
    """
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return X, np.array([[0.0], [1.0], [1.0], [0.0]])


def two_moons(n_samples: int = 200, *, noise: float = 0.1, seed: int = 0) -> Data:
    """Two half circles of radius 1 that reach into each other.

    Args:
        n_samples: Number of points.
        noise: Standard deviation of the normal noise on them.
        seed: Of the random numbers.

    Returns:
        X (n_samples, 2) and y (n_samples, 1).

    Raises:
        ArgumentError: Fewer than two points, or a negative noise.

    >>> two_moons(10)[0].shape
    (10, 2)
    """
    rng, first = _start(n_samples, noise, seed)
    angle = np.pi * rng.random(n_samples)
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X[first:] = np.array([1.0, 0.5]) - X[first:]
    return _finish(X, first, noise, rng)


def circles(n_samples: int = 200, *, noise: float = 0.1, factor: float = 0.5, seed: int = 0) -> Data:
    """A circle (class 1) inside one of radius 1 (class 0).

    Args:
        n_samples: Number of points.
        noise: Standard deviation of the normal noise on them.
        factor: Radius of the inner circle over that of the outer one, between 0 and 1.
        seed: Of the random numbers.

    Returns:
        X (n_samples, 2) and y (n_samples, 1).

    Raises:
        ArgumentError: Fewer than two points, a negative noise, or a factor that is not between 0 and 1.

    >>> X, y = circles(10, noise=0.0)
    >>> sorted(set(np.hypot(*X.T).round(6).tolist()))
    [0.5, 1.0]
    """
    if not 0.0 < factor < 1.0:
        raise ArgumentError(f"factor is the inner radius over the outer one, between 0 and 1, not {factor!r}")
    rng, first = _start(n_samples, noise, seed)
    angle = 2.0 * np.pi * rng.random(n_samples)
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X[first:] *= factor
    return _finish(X, first, noise, rng)


def spirals(n_samples: int = 200, *, turns: float = 1.5, noise: float = 0.02, seed: int = 0) -> Data:
    """Two spirals wound into each other, out to radius 1.

    Args:
        n_samples: Number of points.
        turns: How often each arm goes round.
        noise: Standard deviation of the normal noise on the points.
        seed: Of the random numbers.

    Returns:
        X (n_samples, 2) and y (n_samples, 1).

    Raises:
        ArgumentError: Fewer than two points, or a negative noise.

    >>> spirals(10)[1].sum()
    np.float64(5.0)
    """
    rng, first = _start(n_samples, noise, seed)
    t = np.sqrt(rng.random(n_samples))  # the square root spreads the points evenly along the arms
    angle = 2.0 * np.pi * turns * t
    X = (0.05 + 0.95 * t)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    X[first:] *= -1.0  # the second arm is the first, turned by half a circle
    return _finish(X, first, noise, rng)


def blobs(n_samples: int = 300, *, centers: int = 3, cluster_std: float = 0.2, seed: int = 0) -> Data:
    """Normal clouds round centres on the unit circle, one per class.

    Args:
        n_samples: Number of points.
        centers: Number of clouds, and so of classes, at least 2.
        cluster_std: Standard deviation of each cloud.
        seed: Of the random numbers.

    Returns:
        X (n_samples, 2) and integer labels y (n_samples,).

    Raises:
        ArgumentError: Fewer than two points or clouds, or a negative deviation.

    >>> np.bincount(blobs(7, centers=3)[1])
    array([3, 2, 2])
    """
    if centers < 2:
        raise ArgumentError(f"centers must be 2 or more, not {centers!r}")
    rng, _ = _start(n_samples, cluster_std, seed, "cluster_std")
    y = np.arange(n_samples) % centers
    angle = 2.0 * np.pi * y / centers
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1) + cluster_std * rng.normal(size=(n_samples, 2))
    order = rng.permutation(n_samples)
    return X[order], y[order]


def digits() -> Data:
    """The handwritten digits of Alpaydin and Kaynak (1998), 8 by 8 pixels.

    Returns:
        X (1797, 64) in 0..1 and integer labels y (1797,).

    Raises:
        MissingDependencyError: scikit-learn, which holds them, is not installed.
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
    X: np.ndarray, y: np.ndarray, *, test_size: float = 0.25, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shuffle the rows and set a share of them aside.

    Args:
        X: Array (n, ...).
        y: Array (n, ...).
        test_size: The share that is set aside, between 0 and 1.
        seed: Of the order.

    Returns:
        X_train, X_test, y_train, y_test.

    Raises:
        ShapeError: X and y have different numbers of rows.
        ArgumentError: One of the parts would be empty.

    >>> [part.shape for part in train_test_split(*two_moons(12))]
    [(9, 2), (3, 2), (9, 1), (3, 1)]
    """
    X, y = np.asarray(X), np.asarray(y)
    n = len(X)
    if len(y) != n:
        raise ShapeError(f"X has {n} rows and y has {len(y)}")
    held = round(test_size * n)
    if not 0 < held < n:
        raise ArgumentError(f"test_size={test_size!r} of {n} rows sets {held} aside; both parts need at least one row")
    order = np.random.default_rng(seed).permutation(n)
    return X[order[held:]], X[order[:held]], y[order[held:]], y[order[:held]]


def _start(n_samples: int, noise: float, seed: int, name: str = "noise") -> tuple[np.random.Generator, int]:
    """The generator, and how many rows the first class has: half of them, rounded up."""
    if n_samples < 2:
        raise ArgumentError(f"n_samples must be 2 or more, one row per class, not {n_samples!r}")
    if not noise >= 0.0:
        raise ArgumentError(f"{name} must be zero or positive, not {noise!r}")
    return np.random.default_rng(seed), (n_samples + 1) // 2


def _finish(X: np.ndarray, first: int, noise: float, rng: np.random.Generator) -> Data:
    """Add noise and labels, and mix the classes."""
    X = X + noise * rng.normal(size=X.shape)
    y = (np.arange(len(X)) >= first).astype(float)[:, None]
    order = rng.permutation(len(X))
    return X[order], y[order]
