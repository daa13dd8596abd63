"""What the exercise computes with: made-up names, windows of their characters, and small random parameters."""

from __future__ import annotations

import numpy as np

SYLLABLES = ("ka", "lo", "mi", "ra", "no", "te", "sa", "ri", "en", "al")
CHARACTERS = ".aeiklmnorst"  # the dot begins and ends a name
WINDOW, EMBEDDING, HIDDEN, ROWS = 3, 4, 16, 32
PARAMETERS = ("C", "W1", "gain", "shift", "W2", "b2")


def names(count: int = 40, seed: int = 0) -> list[str]:
    """Names of two or three syllables; the same seed gives the same names.

    >>> names(4)
    ['satemi', 'kaka', 'loen', 'altesa']
    """
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(SYLLABLES, rng.integers(2, 4))) for _ in range(count)]


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Windows of characters and what follows each, as positions in `CHARACTERS`: (32, 3) and (32,)."""
    windows, following = [], []
    for name in names(seed=seed):
        padded = "." * WINDOW + name + "."
        for end in range(WINDOW, len(padded)):
            windows.append([CHARACTERS.index(character) for character in padded[end - WINDOW : end]])
            following.append(CHARACTERS.index(padded[end]))
    chosen = np.random.default_rng(seed).choice(len(windows), ROWS, replace=False)
    return np.array(windows)[chosen], np.array(following)[chosen]


def parameters(seed: int = 0) -> tuple[np.ndarray, ...]:
    """C, W1, gain, shift, W2 and b2.  None of them is zero, as biases usually are at first: zeros hide mistakes."""
    rng = np.random.default_rng(seed)
    letters, inputs = len(CHARACTERS), WINDOW * EMBEDDING
    return (
        rng.normal(size=(letters, EMBEDDING)),
        rng.normal(size=(inputs, HIDDEN)) / np.sqrt(inputs),
        1.0 + 0.1 * rng.normal(size=(1, HIDDEN)),
        0.1 * rng.normal(size=(1, HIDDEN)),
        rng.normal(size=(HIDDEN, letters)) / np.sqrt(HIDDEN),
        0.1 * rng.normal(size=letters),
    )
