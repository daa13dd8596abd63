"""Activation functions as modules, to be put between layers.  Each is also a function of `autograd`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd

from .module import Module


class Identity(Module):
    """f(x) = x.

    >>> Identity()(2.0)
    2.0
    """

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return x


class Sigmoid(Module):
    """f(x) = 1 / (1 + exp(-x)), between 0 and 1.

    >>> float(Sigmoid()(0.0))
    0.5
    """

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return autograd.sigmoid(x)


class Tanh(Module):
    """f(x) = tanh(x), between -1 and 1.

    >>> float(Tanh()(0.0))
    0.0
    """

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return autograd.tanh(x)


class ReLU(Module):
    """f(x) = max(x, 0), with f'(0) = 0.

    >>> float(ReLU()(-2.0))
    0.0
    """

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return autograd.relu(x)


class LeakyReLU(Module):
    """f(x) = x where x > 0, else negative_slope * x; f'(0) = negative_slope.

    Args:
        negative_slope: The slope on the left.

    >>> float(LeakyReLU(negative_slope=0.1)(-2.0))
    -0.2
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return autograd.leaky_relu(x, self.negative_slope)

    def describe(self) -> str:
        """The settings shown between the brackets of the repr."""
        return f"negative_slope={self.negative_slope}"


class Softplus(Module):
    """f(x) = log(1 + exp(x)), a smooth ReLU.

    >>> round(float(Softplus()(0.0)), 6)
    0.693147
    """

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return autograd.softplus(x)


class GELU(Module):
    """f(x) = x Phi(x), Phi being the normal distribution function (Hendrycks and Gimpel, 2016).

    >>> round(float(GELU()(1.0)), 6)
    0.841345
    """

    def forward(self, x: Any) -> Any:
        """f(x), element by element."""
        return autograd.gelu(x)


class Softmax(Module):
    """f(x)_i = exp(x_i) / sum_j exp(x_j) along one axis.  Before `cross_entropy` leave it out: that takes logits.

    Args:
        axis: Along which the results add up to 1.

    >>> import numpy as np
    >>> Softmax()(np.zeros((1, 4)))
    array([[0.25, 0.25, 0.25, 0.25]])
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        """f(x), of the shape of x."""
        return autograd.softmax(x, axis=self.axis)

    def describe(self) -> str:
        """The settings shown between the brackets of the repr."""
        return f"axis={self.axis}"


class Apply(Module):
    """Any function of Tensors as a module.

    Args:
        function: Of one Tensor.

    >>> float(Apply(autograd.sin)(0.0))
    0.0
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def forward(self, x: Any) -> Any:
        """What the function returns."""
        return self.function(x)

    def describe(self) -> str:
        """The settings shown between the brackets of the repr."""
        return getattr(self.function, "__name__", repr(self.function))
