"""Networks: layers in a row."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Unpack

import numpy as np

from autograd.core.errors import ArgumentError, DTypeError, ShapeError

from .activations import GELU, Apply, Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh
from .history import History
from .init import Initializer, generator
from .layers import Dense
from .loss import LossFunction
from .module import Module, class_label
from .optim import SGD, Optimizer
from .persist import load, save
from .train import RunOptions, Trainer

Activation = type[Module] | Module | Callable[[Any], Any]

_KEEP_SIZE = (Identity, Sigmoid, Tanh, ReLU, LeakyReLU, Softplus, GELU, Softmax)


class Sequential(Module):
    """Modules applied one after the other, f(x) = f_n(... f_2(f_1(x))).

    Args:
        layers: The modules, in the order in which they are applied.

    Raises:
        ArgumentError: A class in place of a module of it.
        DTypeError: What is no module.
        ShapeError: Dense layers whose sizes do not meet.

    >>> model = Sequential(Dense(2, 3, seed=0), Tanh(), Dense(3, 1, seed=1))
    >>> model
    Sequential(
      layers.0: Dense(2 -> 3, he)
      layers.1: Tanh()
      layers.2: Dense(3 -> 1, he)
    )
    >>> model[0].weight.shape, len(model)
    ((2, 3), 3)
    """

    def __init__(self, *layers: Module) -> None:
        self.layers: list[Module] = []
        for layer in layers:
            self.add(layer)

    def add(self, layer: Module) -> Sequential:
        """Append a module.

        Args:
            layer: The module.

        Returns:
            The network, so that calls can be chained.

        Raises:
            ArgumentError, DTypeError, ShapeError: As for the whole network.
        """
        if isinstance(layer, type):
            raise ArgumentError(f"{layer.__name__} is a class: add {layer.__name__}(...), an object of it")
        if not isinstance(layer, Module):
            raise DTypeError(f"a layer must be a Module, not {layer!r}; a function becomes one as nn.Apply(function)")
        before = self._last_dense()
        if isinstance(layer, Dense) and before is not None and before.output_size != layer.input_size:
            raise ShapeError(
                f"{layer!r} cannot follow {before!r}, which has {before.output_size} outputs: "
                f"use Dense({before.output_size}, {layer.output_size})"
            )
        self.layers = [*self.layers, layer]
        return self

    def _last_dense(self) -> Dense | None:
        """The layer whose outputs the next one gets, if that can be told."""
        for layer in reversed(self.layers):
            if isinstance(layer, Dense):
                return layer
            if not isinstance(layer, _KEEP_SIZE):
                return None
        return None

    def forward(self, x: Any) -> Any:
        """The output of the last module for the input of the first."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __getitem__(self, index: int) -> Module:
        return self.layers[index]

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def _label(self, path: str, child: Module, siblings: list[Module]) -> str:
        return class_label(child, siblings) if path.startswith("layers.") else super()._label(path, child, siblings)


class MLP(Sequential):
    """A multi-layer perceptron: Dense layers with an activation between them.

    Args:
        sizes: Numbers of features, from the inputs over the hidden layers to the outputs.
        activation: Class, object or function put after each hidden layer.
        output_activation: After the last layer, None for none.
        init, dtype: As for `Dense`.
        seed, rng: Where the weights are drawn from, layer by layer: a seed or a generator; without either, seed 0.

    Raises:
        ArgumentError: Fewer than two sizes, or one that is no positive integer.

    >>> MLP([2, 16, 1], activation=ReLU, output_activation=Sigmoid)
    MLP(
      layers.0: Dense(2 -> 16, he)
      layers.1: ReLU()
      layers.2: Dense(16 -> 1, he)
      layers.3: Sigmoid()
    )
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: Activation = Tanh,
        output_activation: Activation | None = None,
        init: str | Initializer = "he",
        seed: int | None = None,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float64,
    ) -> None:
        super().__init__()
        sizes = list(sizes)
        if len(sizes) < 2:
            raise ArgumentError(f"an MLP needs at least two sizes, of inputs and outputs, not {sizes}")
        rng = generator(rng, 0 if rng is None and seed is None else seed)
        for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            self.add(Dense(inputs, outputs, init=init, rng=rng, dtype=dtype))
            after = activation if index < len(sizes) - 2 else output_activation
            if after is not None:
                self.add(_module(after))


def _module(activation: Activation) -> Module:
    """The module that a class, an object or a function stands for."""
    if isinstance(activation, type):
        module: Module = activation()
        return module
    return activation if isinstance(activation, Module) else Apply(activation)


class NeuralNetwork:
    """A network built layer by layer, which knows its loss and trains itself by stochastic gradient descent.

    It is no `Module` but holds one, a `Sequential`, as `.model`; the functions of `nn` that take a model take either.

    Args:
        loss_function: Function of (prediction, target), such as `nn.MSE()`.
        seed: Layers without a generator of their own draw their weights from it as they are added, and `train` its
            orders, so the same seed gives the same network whatever was made before.

    Raises:
        ArgumentError: The loss is a class in place of an object of it.

    >>> import nn
    >>> X, y = nn.data.xor()
    >>> network = NeuralNetwork(loss_function=nn.MSE(), seed=0)
    >>> network = network.add(Dense(2, 3)).add(Sigmoid()).add(Dense(3, 1)).add(Sigmoid())
    >>> history = network.train(X, y, epochs=200, learning_rate=0.1)
    >>> len(history.loss), network.predict(X).shape
    (200, (4, 1))
    """

    def __init__(self, loss_function: LossFunction | None = None, *, seed: int = 0) -> None:
        if isinstance(loss_function, type):
            raise ArgumentError(f"{loss_function.__name__} is a class: write loss_function={loss_function.__name__}()")
        self.model = Sequential()
        self.loss_function = loss_function
        self.seed = seed
        self._rng = np.random.default_rng(seed)

    def add(self, layer: Module) -> NeuralNetwork:
        """Append a module.

        Args:
            layer: The module; Dense layers in it draw their weights from the network's generator, unless they were
                given their own.

        Returns:
            The network, so that calls can be chained.

        Raises:
            DTypeError: It is no module.
            ShapeError: A Dense layer that does not take what the one before it returns.
        """
        self.model.add(layer)
        for _, module in layer.named_modules():
            module.adopt(self._rng)
        return self

    def train(
        self,
        X: Any,
        y: Any,
        epochs: int = 1000,
        learning_rate: float | None = None,
        *,
        batch_size: int | None = 1,
        optimizer: Optimizer | None = None,
        seed: int | None = None,
        **options: Unpack[RunOptions],
    ) -> History:
        """Train by stochastic gradient descent, one row at a time unless `batch_size` says otherwise.

        Called again, it goes on from where the weights are.

        Args:
            X: Inputs (n, inputs).
            y: Targets (n, outputs).
            epochs: How often to go through the rows.
            learning_rate: By default 0.1.
            batch_size: Rows per step, None for all of them.
            optimizer: In place of SGD.
            seed: Of the order of the rows, by default the network's.
            options: Those of `Trainer.run`.

        Returns:
            A `History`.

        Raises:
            ArgumentError: The network has no loss or no layers; and what `nn.fit` raises.

        """
        if self.loss_function is None:
            raise ArgumentError("the network has no loss: make it with NeuralNetwork(loss_function=MSE())")
        if not self.model.layers:
            raise ArgumentError("the network has no layers: add some, for example .add(Dense(2, 3))")
        if optimizer is not None and learning_rate is not None:
            raise ArgumentError("give the learning rate to the optimizer, or leave the optimizer out")
        if optimizer is None:
            optimizer = SGD(self.model, learning_rate=0.1 if learning_rate is None else learning_rate)
        trainer = Trainer(self.model, self.loss_function, optimizer)
        order = self.seed if seed is None else seed
        return trainer.run(X, y, epochs=epochs, batch_size=batch_size, seed=order, **options)

    def predict(self, X: Any, *, batch_size: int | None = None) -> Any:
        """The output for the rows of X as an array; see `Module.predict`."""
        return self.model.predict(X, batch_size=batch_size)

    def summary(self, inputs: Any = None) -> str:
        """A table of the layers, their outputs and numbers of parameters; see `Module.summary`."""
        return self.model.summary(inputs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to a file; see `nn.save`."""
        save(self, path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Restore the parameters from a file that `save` wrote; see `nn.load`."""
        load(self, path)

    def __repr__(self) -> str:
        return f"NeuralNetwork(loss_function={self.loss_function!r}, seed={self.seed}, model={self.model!r})"
