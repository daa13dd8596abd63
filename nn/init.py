"""Initial weights: one function per rule, of the shape and a generator, that returns an array.

The variance of a weight is chosen so that signals keep their size from layer to layer.  With fan_in inputs and fan_out
outputs per unit:

    He        Var(w) = 2 / fan_in                for ReLU and its relatives     (He et al., 2015)
    Glorot    Var(w) = 2 / (fan_in + fan_out)    for tanh and sigmoid           (Glorot and Bengio, 2010)
    LeCun     Var(w) = 1 / fan_in                for linear and self-normalising units (LeCun et al., 1998)

``*_normal`` draws from a normal distribution of that variance, ``*_uniform`` from the uniform one on [-a, a] with
a = sqrt(3 Var(w)).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from autograd.core.errors import ArgumentError

Shape = tuple[int, ...]
Initializer = Callable[[Shape, np.random.Generator], np.ndarray]


def fans(shape: Shape) -> tuple[int, int]:
    """Inputs and outputs per unit of a weight: its last axis counts outputs, all others inputs.

    Args:
        shape: Of the weight.

    Returns:
        fan_in and fan_out.

    Raises:
        ArgumentError: The weight is a scalar.

    >>> fans((2, 3))
    (2, 3)
    """
    if not shape:
        raise ArgumentError("a weight of shape () has no inputs and outputs to count: give its values yourself")
    return math.prod(shape[:-1]), shape[-1]


def _normal(shape: Shape, rng: np.random.Generator, variance: float) -> np.ndarray:
    return rng.normal(0.0, math.sqrt(variance), shape)


def _uniform(shape: Shape, rng: np.random.Generator, variance: float) -> np.ndarray:
    bound = math.sqrt(3.0 * variance)
    return rng.uniform(-bound, bound, shape)


def he_normal(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Normal with variance 2 / fan_in.

    >>> float(he_normal((500, 400), np.random.default_rng(0)).var().round(4)), 2 / 500
    (0.004, 0.004)
    """
    return _normal(shape, rng, 2.0 / fans(shape)[0])


def he_uniform(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Uniform with variance 2 / fan_in.

    >>> float(he_uniform((500, 400), np.random.default_rng(0)).var().round(4)), 2 / 500
    (0.004, 0.004)
    """
    return _uniform(shape, rng, 2.0 / fans(shape)[0])


def glorot_normal(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Normal with variance 2 / (fan_in + fan_out).

    >>> float(glorot_normal((500, 400), np.random.default_rng(0)).var().round(4)), round(2 / 900, 4)
    (0.0022, 0.0022)
    """
    return _normal(shape, rng, 2.0 / sum(fans(shape)))


def glorot_uniform(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Uniform with variance 2 / (fan_in + fan_out).

    >>> float(glorot_uniform((500, 400), np.random.default_rng(0)).var().round(4)), round(2 / 900, 4)
    (0.0022, 0.0022)
    """
    return _uniform(shape, rng, 2.0 / sum(fans(shape)))


def lecun_normal(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Normal with variance 1 / fan_in.

    >>> float(lecun_normal((500, 400), np.random.default_rng(0)).var().round(4)), 1 / 500
    (0.002, 0.002)
    """
    return _normal(shape, rng, 1.0 / fans(shape)[0])


def lecun_uniform(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """Uniform with variance 1 / fan_in.

    >>> float(lecun_uniform((500, 400), np.random.default_rng(0)).var().round(4)), 1 / 500
    (0.002, 0.002)
    """
    return _uniform(shape, rng, 1.0 / fans(shape)[0])


def zeros(shape: Shape, rng: np.random.Generator) -> np.ndarray:
    """All zero: right for biases; a whole network of it cannot learn, because its units stay equal.

    >>> zeros((2,), np.random.default_rng(0))
    array([0., 0.])
    """
    return np.zeros(shape)


INITIALIZERS: dict[str, Initializer] = {
    "he": he_normal,
    "glorot": glorot_normal,
    "lecun": lecun_normal,
    "zeros": zeros,
    **{rule.__name__: rule for rule in (he_normal, he_uniform, glorot_normal, glorot_uniform)},
    **{rule.__name__: rule for rule in (lecun_normal, lecun_uniform)},
}


def initializer(init: str | Initializer) -> Initializer:
    """The rule that a layer's `init` means.

    Args:
        init: A function of (shape, generator), or the name of one; "he", "glorot" and "lecun" mean the normal ones.

    Returns:
        The function.

    Raises:
        ArgumentError: There is none of that name.

    >>> initializer("he") is he_normal
    True
    """
    if not isinstance(init, str):
        return init
    if init not in INITIALIZERS:
        raise ArgumentError(f"no initialisation is called {init!r}; there are {', '.join(sorted(INITIALIZERS))}")
    return INITIALIZERS[init]


_default = np.random.default_rng(0)


def seed(value: int) -> None:
    """Restart the generator that layers draw from which are given neither a generator nor a seed.

    It starts from seed 0 in every process, so a script draws the same weights whenever it is run.

    Args:
        value: The seed.

    >>> import nn
    >>> nn.init.seed(7); first = nn.Dense(2, 3).weight.numpy()
    >>> nn.init.seed(7); bool((nn.Dense(2, 3).weight.numpy() == first).all())
    True
    """
    global _default
    _default = np.random.default_rng(value)


def generator(rng: np.random.Generator | None = None, seed: int | None = None) -> np.random.Generator:
    """The generator to draw from.

    Args:
        rng: It itself,
        seed: or a new one with this seed; or else the default one of this module.

    Raises:
        ArgumentError: Both are given, or `rng` is no generator.
    """
    if rng is not None and seed is not None:
        raise ArgumentError("give rng or seed, not both")
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng must be a numpy.random.Generator, not {rng!r}; for a number write seed={rng!r}")
    if rng is not None:
        return rng
    return _default if seed is None else np.random.default_rng(seed)
