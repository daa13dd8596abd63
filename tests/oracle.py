"""Derivatives measured from values alone, and the checks that hold a primitive's rules to them.

A rule is checked along one random direction for each argument, against a random cotangent u: an error anywhere in the
Jacobian shows in <u, J v> with probability one.  The direction is measured by the complex step, exact to rounding,
where the function is analytic (Squire and Trapp, "Using complex variables to estimate derivatives of real functions",
SIAM Review 40, 1998), else by a central difference of sixth order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.core import engine
from autograd.core.engine import fit
from autograd.core.primitive import Primitive

from .samples import ANALYTIC, Case, Sample

Arrays = Sequence[Any]
Function = Callable[..., Any]

# What is left of the derivative's digits: rounding alone, or rounding divided by the step.
TOLERANCE = {True: 1e-12, False: 1e-9}
STEP = 2.0**-7
WEIGHTS = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}


def complex_step(f: Function, arrays: Arrays, directions: Arrays) -> float:
    """d/dt f(arrays + t * directions) at t = 0, for an analytic f that gives a number."""
    h = 1e-30
    return float(np.imag(f(*[a if v is None else a + 1j * h * v for a, v in zip(arrays, directions, strict=True)])) / h)


def central(f: Function, arrays: Arrays, directions: Arrays) -> float:
    """The same for an f that takes real numbers only; error of the order STEP**6."""

    def along(t: float) -> float:
        return float(f(*[a if v is None else a + t * v for a, v in zip(arrays, directions, strict=True)]))

    return sum(w * (along(k * STEP) - along(-k * STEP)) for k, w in WEIGHTS.items()) / STEP


def inner(a: Any, b: Any) -> Any:
    """Sum of products of all elements."""
    return np.sum(np.asarray(a) * np.asarray(b))


def direction(rng: np.random.Generator, like: Any) -> Any:
    """Random signs with magnitudes in [0.5, 1]: no element hides, and no element steps over a kink."""
    return rng.choice([-1.0, 1.0], np.shape(like)) * rng.uniform(0.5, 1, np.shape(like))


def wanted(primitive: Primitive, arrays: Arrays) -> list[int]:
    """Arguments that are float arrays and have a rule."""
    floats = [i for i, a in enumerate(arrays) if isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind == "f"]
    return [i for i in floats if primitive.rule(i) is not None]


def raw_gradients(
    primitive: Primitive, u: Any, arrays: Arrays, settings: dict[str, Any], which: list[int]
) -> list[Any]:
    """The rules run on plain arrays, complex ones too; only the shapes are fitted."""
    y = primitive(*arrays, **settings)
    parts = [primitive.rule(i)(u, y, *arrays, **settings) for i in which]  # type: ignore[misc]
    return [fit(part, np.empty(np.shape(arrays[i]), part.dtype)) for i, part in zip(which, parts)]


def recorded(primitive: Primitive, arrays: Arrays, settings: dict[str, Any], which: list[int]) -> tuple[Any, list[Any]]:
    """The primitive on tensors: its output, and its inputs of which those in `which` require a gradient."""
    inputs = [Tensor(a, requires_grad=i in which) if hasattr(a, "dtype") else a for i, a in enumerate(arrays)]
    return primitive(*inputs, **settings), inputs


def check_first_order(primitive: Primitive, sample: Sample, case: Case, seed: int = 0) -> None:
    """backward() against the measured derivative, one argument at a time."""
    arrays, settings = case.draw(np.float64, seed)
    rng = np.random.default_rng([seed, 1])
    which = wanted(primitive, arrays)
    y, inputs = recorded(primitive, arrays, settings, which)
    if not which or y.dtype.kind != "f":
        return
    u = direction(rng, y.data)
    y.backward(u)
    analytic = sample.kind == ANALYTIC
    measure = complex_step if analytic else central
    for i in which:
        v = sample.tangent(direction(rng, arrays[i]))
        directions = [v if j == i else None for j in range(len(arrays))]
        expected = measure(lambda *xs: inner(u, primitive(*xs, **settings)), arrays, directions)
        g = inputs[i].grad
        _close(inner(g, v), expected, _size(g, v), analytic, f"{primitive.name}, argument {i}")


def check_second_order(primitive: Primitive, sample: Sample, case: Case, seed: int = 0) -> None:
    """The gradient of <v, gradient>, recorded by the engine, against the measured derivative of the rules' values.

    Both the arguments and the cotangent move, so that a rule must be right in everything that it reads.
    """
    arrays, settings = case.draw(np.float64, seed)
    rng = np.random.default_rng([seed, 2])
    which = wanted(primitive, arrays)
    y, inputs = recorded(primitive, arrays, settings, which)
    if not which or y.dtype.kind != "f":
        return
    u = Tensor(direction(rng, y.data), requires_grad=True)
    vs = [sample.tangent(direction(rng, arrays[i])) for i in which]
    first = engine.pull([y], [u], graph=True)
    total = sum((first[inputs[i]] * v).sum() for i, v in zip(which, vs))
    total.backward()

    def along(cotangent: Any, *xs: Any) -> Any:
        return sum(inner(g, v) for g, v in zip(raw_gradients(primitive, cotangent, xs, settings, which), vs))

    moves = [sample.tangent(direction(rng, a)) if i in which else None for i, a in enumerate(arrays)]
    ws = [direction(rng, u.data), *moves]
    analytic = sample.kind == ANALYTIC
    expected = (complex_step if analytic else central)(along, [u.data, *arrays], ws)
    grads = [t.grad for t in (u, *(inputs[i] for i in which))]
    pairs = [(g, w) for g, w in zip(grads, [ws[0], *(ws[i + 1] for i in which)]) if g is not None]
    actual = sum(inner(g, w) for g, w in pairs)
    _close(actual, expected, sum(_size(g, w) for g, w in pairs), analytic, f"{primitive.name}, second order")


def _size(a: Any, b: Any) -> float:
    """What rounding errors of a sum of products are relative to."""
    return float(np.sum(np.abs(np.asarray(a) * np.asarray(b))))


def _close(actual: Any, expected: float, size: float, analytic: bool, what: str) -> None:
    error = abs(float(actual) - expected)
    message = f"{what}: {float(actual)!r} by its rule, {expected!r} measured"
    assert error <= TOLERANCE[analytic] * max(size, 1.0), message
