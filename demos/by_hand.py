"""Backpropagation written out by hand in NumPy, with nothing of `autograd` in it: the check on the engine's gradients.

For layers l = 1..L, with A⁰ = X, Zˡ = Aˡ⁻¹ Wˡ + bˡ and Aˡ = fˡ(Zˡ), where the last f is the sigmoid:

    δᴸ = ∂loss/∂Aᴸ ⊙ f'(Zᴸ),    δˡ = (δˡ⁺¹ (Wˡ⁺¹)ᵀ) ⊙ f'(Zˡ),    ∂loss/∂Wˡ = (Aˡ⁻¹)ᵀ δˡ,    ∂loss/∂bˡ = Σ_rows δˡ
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-z)), written so that exp never overflows."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, small) / (1.0 + small)


# Each function, and its derivative in terms of its own result a = f(z).
ACTIVATIONS: dict[str, tuple[Function, Function]] = {
    "relu": (lambda z: np.maximum(z, 0.0), lambda a: (a > 0.0).astype(float)),
    "sigmoid": (sigmoid, lambda a: a * (1.0 - a)),
    "tanh": (np.tanh, lambda a: 1.0 - a * a),
}


def forward(
    X: np.ndarray, weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], activation: str
) -> list[np.ndarray]:
    """The activations of all layers.

    Args:
        X: Inputs (n, inputs).
        weights, biases: One of each per layer.
        activation: Name of the function after every layer but the last.

    Returns:
        Arrays, the input first, the output of the final sigmoid last.
    """
    layers = [X]
    for W, b in zip(weights, biases):
        f = sigmoid if len(layers) == len(weights) else ACTIVATIONS[activation][0]
        layers.append(f(layers[-1] @ W + b))
    return layers


def backward(
    layers: Sequence[np.ndarray], y: np.ndarray, weights: Sequence[np.ndarray], activation: str, loss: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The gradients of the loss by all weights and by all biases.

    Args:
        layers: From `forward`.
        y: Targets (n, 1).
        weights: One per layer.
        activation: Name of the function after every layer but the last.
        loss: "bce" or "mse", both means over the n rows.

    Returns:
        The gradients by the weights, and those by the biases.
    """
    output = layers[-1]
    error = (output - y) / y.size
    # For cross-entropy the derivative of the sigmoid cancels against that of the logarithm.
    delta = error if loss == "bce" else 2.0 * error * output * (1.0 - output)
    slope = ACTIVATIONS[activation][1]
    by_weights: list[np.ndarray] = []
    by_biases: list[np.ndarray] = []
    for below, W in zip(reversed(layers[:-1]), reversed(weights)):
        by_weights.append(below.T @ delta)
        by_biases.append(delta.sum(axis=0))
        if below is not layers[0]:
            delta = (delta @ W.T) * slope(below)
    return by_weights[::-1], by_biases[::-1]
