"""What programs hold besides arrays: objects with state, methods and functions that may be replaced, optimizers by hand."""

from __future__ import annotations

from typing import Any

import autograd as ag
import nn
from autograd import Tensor


def double(x: Any) -> Any:
    return x * 2.0


def wave(x: Any) -> Any:
    return ag.sin(x) * 0.5


def sloped(x: Any) -> Any:
    return x * sloped.slope


sloped.slope = 0.75  # type: ignore[attr-defined]


def damped(x: Any, by: float = 0.5, *, shift: float = 0.25) -> Any:
    return x * by + shift


class State:
    """A bag of attributes, as models written by hand are."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def act(self, x: Any) -> Any:
        return ag.tanh(x) + 0.25

    def scaled(self, x: Any) -> Any:
        return x * self.rate if self.training else x - self.rate


class Descent:
    """Gradient descent by hand, with everything that such code rebinds: a counter, averages, a list of slots."""

    def __init__(self, parameters: list[Tensor], rate: float = 0.125) -> None:
        self.parameters, self.rate, self.steps = parameters, rate, 0
        self.slots = [Tensor(p.data * 0) for p in parameters]
        self.norm = 0.0

    def step(self) -> None:
        self.steps += 1
        self.norm = 0.0
        for i, parameter in enumerate(self.parameters):
            if parameter.grad is not None:
                self.slots[i] = 0.5 * self.slots[i] + parameter.grad
                self.norm = self.norm + (parameter.grad * parameter.grad).sum()
                parameter.data = parameter.data - self.rate * self.slots[i]


class Averaged(nn.Module):
    """A normalising layer by hand: its running mean is rebound at every step in training mode."""

    def __init__(self, mean: Any) -> None:
        super().__init__()
        self.mean, self.seen = mean, 0

    def forward(self, x: Any) -> Any:
        if self.training:
            self.mean = 0.75 * self.mean + 0.25 * ag.mean(x)
            self.seen += 1
        return x - self.mean


FUNCTIONS = {f.__name__: f for f in (double, wave, sloped, damped)}
