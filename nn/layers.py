"""Layers with parameters."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

import autograd
from autograd.core.errors import ArgumentError, ShapeError

from .init import Initializer, generator, initializer
from .module import Module, Parameter


class Dense(Module):
    """A fully connected layer, y = x W + b.

    Called with x (..., input_size), it returns y (..., output_size); integers are taken as numbers of the weight's
    dtype, and an input of another size raises a ShapeError.

    Args:
        input_size: Number of features in.
        output_size: Number of features out.
        init: How W is drawn: "he" (default), "glorot", "lecun", another name or function of `nn.init`.  b starts at
            zero.
        bias: Whether there is a b.
        rng, seed: Where W is drawn from, a generator or the seed of one.  Without either: from the `NeuralNetwork` that
            the layer is added to, else from the default generator of `nn.init`, at once.
        dtype: Of the parameters.

    Attributes:
        weight: Parameter (input_size, output_size).
        bias: Parameter (output_size,), or None.

    Raises:
        ArgumentError: A size that is no positive integer, or an initialisation that does not exist.

    >>> import numpy as np
    >>> layer = Dense(2, 3, seed=0)
    >>> layer
    Dense(2 -> 3, he)
    >>> layer(np.ones((4, 2))).shape
    (4, 3)
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        *,
        init: str | Initializer = "he",
        bias: bool = True,
        rng: np.random.Generator | None = None,
        seed: int | None = None,
        dtype: Any = np.float64,
    ) -> None:
        for name, size in (("input_size", input_size), ("output_size", output_size)):
            if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
                raise ArgumentError(f"Dense needs a positive integer as {name}, not {size!r}")
        self.input_size, self.output_size = int(input_size), int(output_size)
        self.init = init
        self.weight = Parameter(np.zeros((self.input_size, self.output_size)), dtype=dtype)
        self.bias = Parameter(np.zeros(self.output_size), dtype=dtype) if bias else None
        self.reset_parameters(generator(rng, seed))
        unclaimed = rng is None and seed is None
        self._drawn = weakref.ref(self.weight.data) if unclaimed else None  # weak: training must be free to drop it

    def reset_parameters(self, rng: np.random.Generator) -> None:
        """Draw the weight anew and set the bias to zero.

        Args:
            rng: Where from.

        Raises:
            ShapeError: A custom `init` returned another shape.
        """
        shape = (self.input_size, self.output_size)
        values = np.asarray(initializer(self.init)(shape, rng))
        if values.shape != shape:
            raise ShapeError(f"the initialisation {self.init!r} returned shape {values.shape} for a weight of {shape}")
        self.weight.assign(values)
        if self.bias is not None:
            self.bias.assign(np.zeros(self.output_size))

    def adopt(self, rng: np.random.Generator) -> None:
        """Draw from a network's generator, unless the layer was given its own or its weight has been changed since."""
        if self._drawn is not None and self.weight.data is self._drawn():
            self.reset_parameters(rng)
        self._drawn = None

    def forward(self, x: Any) -> Any:
        """y = x W + b.

        Args:
            x: (..., input_size).

        Returns:
            y (..., output_size).

        Raises:
            ShapeError: The last axis has another length.
        """
        plain = isinstance(x, (list, tuple, int, float))
        shape = np.shape(x) if plain else x.shape
        if not shape or shape[-1] != self.input_size:
            raise ShapeError(
                f"{self!r} got an input of shape {tuple(shape)}: its last axis must be {self.input_size}"
                + (f"; use x.reshape(-1, {self.input_size})" if len(shape) < 2 else "")
            )
        if not plain and x.dtype.kind in "iub":  # which NumPy would compute in float64, whatever the weights are
            x = autograd.astype(x, self.weight.dtype)
        y = x @ self.weight
        return y if self.bias is None else y + self.bias

    def describe(self) -> str:
        """Sizes and initialisation."""
        init = self.init if isinstance(self.init, str) else getattr(self.init, "__name__", "custom")
        return f"{self.input_size} -> {self.output_size}, {init}" + ("" if self.bias is not None else ", no bias")
