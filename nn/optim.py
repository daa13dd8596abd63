"""Optimizers: rules that change parameters by their gradients.

Whatever changes from step to step (momenta, running averages, the number of steps) lives in Tensors, so that a traced
step carries it along; whatever stays (learning rates and other settings) is a plain number.  In the formulas w is a
parameter, g its gradient, and lr the learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

import autograd
from autograd import Tensor
from autograd.core.errors import ArgumentError, DTypeError

from . import checks
from .module import Model, Module, ParameterList, held_module

Params: TypeAlias = Iterable[Tensor] | Model


class Optimizer:
    """Base class: holds the parameters; subclasses define `step`.

    Args:
        params: The parameters, an iterable of Tensors; or a `Module` or `NeuralNetwork`, all of whose are meant.
        learning_rate: lr, positive.
        accumulate: Gradients are meant to add up over several backward passes (a large batch taken in parts, a sum of
            losses); else `step` warns, once, of a gradient that does, because most often a zero_grad() has been
            forgotten.

    Attributes:
        params: The parameters, a list.

    Raises:
        ArgumentError: There are no parameters, one is given twice or requires no gradient, or a setting is out of range.
        DTypeError: One of them is no Tensor.
    """

    def __init__(self, params: Params, learning_rate: float, *, accumulate: bool = False) -> None:
        held: Any = held_module(params)
        params = held.parameters() if isinstance(held, Module) else held
        if isinstance(params, Tensor):
            raise ArgumentError("params must be a list of Tensors: write [tensor]")
        if not isinstance(params, Iterable):
            raise ArgumentError(f"params must be a list of Tensors or a Module, not {params!r}")
        origin = params.origin if isinstance(params, ParameterList) else None
        self.params = list(params)
        if not self.params:
            raise ArgumentError(_no_parameters_text(type(self).__name__, origin))
        for index, parameter in enumerate(self.params):
            if not isinstance(parameter, Tensor):
                raise DTypeError(f"params[{index}] is no Tensor but {type(parameter).__name__}")
            if not parameter.requires_grad and origin is None:
                raise ArgumentError(
                    f"params[{index}] ({parameter.name or 'without a name'}) does not require a gradient and would "
                    "never change: make it with requires_grad=True, or leave it out"
                )
        if len({id(parameter) for parameter in self.params}) < len(self.params):
            raise ArgumentError("a parameter is in the list twice and would be changed twice per step")
        self.learning_rate = _positive("learning_rate", learning_rate)
        self.accumulate = accumulate
        self._warned = False

    def __setattr__(self, name: str, value: object) -> None:
        # A setting that comes as 1 or as np.float64(0.5) is the same number, and a compiled step is not to tell them apart.
        try:
            old = object.__getattribute__(self, name)
        except AttributeError:
            old = None
        if type(old) is float and isinstance(value, (int, np.number)):
            value = float(value)
        object.__setattr__(self, name, value)

    def zero_grad(self) -> None:
        """Forget the gradients, before the next backward pass adds new ones."""
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient, once."""
        raise ArgumentError(f"{type(self).__name__} defines no step")

    def _check_passes(self) -> None:
        """Warn, once, of a gradient that adds up several backward passes."""
        if self.accumulate or self._warned:
            return
        for index, parameter in enumerate(self.params):
            if parameter.passes > 1:
                self._warned = True
                checks.warn(
                    f"the gradient of {parameter.name or f'params[{index}]'} adds up {parameter.passes} backward "
                    "passes: call zero_grad() before each backward(), or, if that is meant, make the optimizer with "
                    "accumulate=True"
                )
                return

    def state(self) -> dict[str, Tensor]:
        """What the optimizer remembers from step to step, by name."""
        return {}

    def _slots(self) -> list[Tensor]:
        """One Tensor of zeros per parameter."""
        return [Tensor(np.zeros(p.shape, p.dtype)) for p in self.params]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.params)} parameters, learning_rate={self.learning_rate:g})"


class SGD(Optimizer):
    """(Stochastic) gradient descent, w <- w - lr g.

    With a momentum m, v <- m v + g and w <- w - lr v (Polyak, 1964), v starting at zero.

    Args:
        params, learning_rate, accumulate: As for `Optimizer`.
        momentum: m, at least 0 and below 1.
        nesterov: Whether to step by g + m v instead of v (Sutskever et al., 2013).
        weight_decay: d; g + d w takes the place of g.

    Raises:
        ArgumentError: As `Optimizer`; or nesterov without momentum.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> SGD([w], learning_rate=0.25).step()
    >>> w.data
    array([0.5, 1. ])
    """

    @checks.call("nn.SGD(model.parameters(), learning_rate=0.1)")
    def __init__(
        self,
        params: Params,
        learning_rate: float = 0.1,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        accumulate: bool = False,
    ) -> None:
        super().__init__(params, learning_rate, accumulate=accumulate)
        self.momentum = _fraction("momentum", momentum)
        self.weight_decay = _not_negative("weight_decay", weight_decay)
        if nesterov and not momentum:
            raise ArgumentError("nesterov=True needs a momentum, for example momentum=0.9")
        self.nesterov = nesterov
        self.velocities = self._slots() if momentum else []

    def step(self) -> None:
        """Change every parameter that has a gradient, once."""
        self._check_passes()
        rate, momentum, decay = self.learning_rate, self.momentum, self.weight_decay
        for index, p in enumerate(self.params):
            g = p.grad
            if g is None:
                continue
            if decay:
                g = g + decay * p.data
            if momentum:
                v = self.velocities[index].data = momentum * self.velocities[index].data + g
                g = g + momentum * v if self.nesterov else v
            p.data = p.data - rate * g

    def state(self) -> dict[str, Tensor]:
        """The velocities."""
        return {f"velocity.{i}": velocity for i, velocity in enumerate(self.velocities)}


class RMSProp(Optimizer):
    """Steps divided by a running root mean square of the gradients (Hinton, lecture 6e of his 2012 course).

    s <- alpha s + (1 - alpha) g^2 and w <- w - lr g / (sqrt(s) + eps), s starting at zero.

    Args:
        params, learning_rate, accumulate: As for `Optimizer`.
        alpha: What is kept of the running mean per step, at least 0 and below 1.
        eps: Keeps the divisor away from zero.

    Raises:
        ArgumentError: As `Optimizer`.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> (3.0 * w).sum().backward()
    >>> RMSProp([w], learning_rate=0.1, alpha=0.75, eps=0.0).step()
    >>> w.data.round(6)
    array([0.8])
    """

    @checks.call("nn.RMSProp(model.parameters(), learning_rate=0.01)")
    def __init__(
        self,
        params: Params,
        learning_rate: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        accumulate: bool = False,
    ) -> None:
        super().__init__(params, learning_rate, accumulate=accumulate)
        self.alpha = _fraction("alpha", alpha)
        self.eps = _not_negative("eps", eps)
        self.squares = self._slots()

    def step(self) -> None:
        """Change every parameter that has a gradient, once."""
        self._check_passes()
        rate, alpha, eps = self.learning_rate, self.alpha, self.eps
        for p, square in zip(self.params, self.squares):
            g = p.grad
            if g is not None:
                s = square.data = alpha * square.data + (1.0 - alpha) * (g * g)
                p.data = p.data - rate * g / (autograd.sqrt(s) + eps)

    def state(self) -> dict[str, Tensor]:
        """The running mean squares."""
        return {f"square.{i}": square for i, square in enumerate(self.squares)}


class Adam(Optimizer):
    """Adaptive moment estimation (Kingma and Ba, 2015).

    m <- b1 m + (1 - b1) g,  s <- b2 s + (1 - b2) g^2,  both starting at zero, and at step t
    w <- w - lr m / (1 - b1^t) / (sqrt(s / (1 - b2^t)) + eps).

    Args:
        params, learning_rate, accumulate: As for `Optimizer`.
        betas: (b1, b2), each at least 0 and below 1.
        eps: Keeps the divisor away from zero.

    Raises:
        ArgumentError: As `Optimizer`.

    >>> w = Tensor([1.0], requires_grad=True)
    >>> (3.0 * w).sum().backward()
    >>> Adam([w], learning_rate=0.1).step()
    >>> w.data.round(6)
    array([0.9])
    """

    @checks.call("nn.Adam(model.parameters(), learning_rate=0.001)")
    def __init__(
        self,
        params: Params,
        learning_rate: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        accumulate: bool = False,
    ) -> None:
        super().__init__(params, learning_rate, accumulate=accumulate)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ArgumentError(f"betas must be a pair of numbers, such as (0.9, 0.999), not {betas!r}")
        self.betas = _fraction("betas[0]", betas[0]), _fraction("betas[1]", betas[1])
        self.eps = _not_negative("eps", eps)
        self.means, self.squares = self._slots(), self._slots()
        self.powers = Tensor(1.0), Tensor(1.0)  # b1^t and b2^t
        # 1 / (1 - b^t) in each dtype in use: a float64 scalar would turn float32 parameters into float64.
        dtypes = {p.dtype: None for p in self.params}
        self.corrections = {d: (Tensor(1.0, dtype=d), Tensor(1.0, dtype=d)) for d in dtypes}

    def step(self) -> None:
        """Change every parameter that has a gradient, once."""
        self._check_passes()
        rate, (b1, b2), eps = self.learning_rate, self.betas, self.eps
        for which, beta in enumerate(self.betas):
            power = self.powers[which].data = self.powers[which].data * beta
            for correction in self.corrections.values():
                correction[which].data = 1.0 / (1.0 - power)
        for p, mean, square in zip(self.params, self.means, self.squares):
            g = p.grad
            if g is not None:
                c1, c2 = self.corrections[p.dtype]
                m = mean.data = b1 * mean.data + (1.0 - b1) * g
                s = square.data = b2 * square.data + (1.0 - b2) * (g * g)
                p.data = p.data - rate * (c1.data * m) / (autograd.sqrt(c2.data * s) + eps)

    def state(self) -> dict[str, Tensor]:
        """The running means and mean squares, and the powers of the betas."""
        state = {"power.0": self.powers[0], "power.1": self.powers[1]}
        state.update((f"mean.{i}", mean) for i, mean in enumerate(self.means))
        state.update((f"square.{i}", square) for i, square in enumerate(self.squares))
        return state


# -- checks of arguments ---------------------------------------------------------------------------------------------


def _number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, str):
            return float(value)
    except (TypeError, ValueError):
        pass
    raise ArgumentError(f"{name} must be a number, not {value!r}")


def _positive(name: str, value: float) -> float:
    if not 0.0 < _number(name, value) < float("inf"):
        raise ArgumentError(f"{name} must be a positive number, not {value!r}")
    return float(value)


def _not_negative(name: str, value: float) -> float:
    if not 0.0 <= _number(name, value) < float("inf"):
        raise ArgumentError(f"{name} must be zero or positive, not {value!r}")
    return float(value)


def _fraction(name: str, value: float) -> float:
    if not 0.0 <= _number(name, value) < 1.0:
        raise ArgumentError(f"{name} must be at least 0 and below 1, not {value!r}")
    return float(value)


def _no_parameters_text(optimizer: str, origin: Module | None) -> str:
    if origin is None:
        return f"{optimizer} got an empty list of parameters"
    kind = type(origin).__name__
    seen = [
        f"{name} ({type(value).__name__})"
        for name, value in vars(origin).items()
        if not name.startswith("_") and name != "training"
    ]
    if not seen:
        typos = [name for name in dir(type(origin)) if name != "__init__" and name.strip("_") in ("init", "int")]
        text = f"{optimizer} got no parameters: {kind} has set no attributes"
        if typos:
            return f"{text}; its method {typos[0]} is never called, name it __init__"
        return f"{text}; was its __init__ called, and does it assign layers to self?"
    return (
        f"{optimizer} got no parameters: {kind} has the attributes {', '.join(seen)}, and none of them is a Parameter, "
        "a module with parameters, or a list, tuple or dict of these (arrays become trainable as nn.Parameter(array))"
    )
