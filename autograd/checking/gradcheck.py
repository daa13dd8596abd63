"""Derivatives of a function held against measurements: complex step, central differences, transposition."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core import tree
from ..core.errors import ArgumentError, DTypeError, GradientError
from ..core.mode import no_grad
from ..core.primitive import Box
from ..core.source_location import at
from ..core.subclasses import numbers
from ..core.tensor import Tensor, constant, tape
from ..transforms.reverse import jvp, vjp

Function = Callable[..., Any]
Index = tuple[int, ...]


class Precision(NamedTuple):
    """How finely a function can be measured; all but the step are relative."""

    step: float  # of the larger central difference; the smaller one takes half of it
    exact: float  # tolerance against the complex step
    measured: float  # tolerance against extrapolated differences
    apart: float  # how far two differences may be apart before the place counts as a kink
    bent: float  # how far the slopes to both sides may be
    floor: float  # slopes smaller than this share of the values are lost in rounding


DOUBLE = Precision(2.0**-13, 1e-9, 1e-6, 1e-4, 1e-3, 1e-5)
SINGLE = Precision(2.0**-5, 1e-4, 1e-3, 5e-2, 1e-1, 1e-2)  # of functions that compute in single precision somewhere


@dataclass(frozen=True)
class Checked:
    """What a passed gradcheck has looked at.

    Attributes:
        name: of the function.
        order: up to which derivatives were checked.
        elements: how many.
        kinks: (argument, index) where no derivative could be measured.
        notes: what makes the check say less than it seems to: an argument of zeros, single precision.
    """

    name: str
    order: int
    elements: int
    kinks: tuple[tuple[str, Index | None], ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        places = ", ".join(f"{label} at {_place(index)}" for label, index in self.kinks)
        orders = "first order" if self.order == 1 else "orders 1 and 2"
        left_out = f"; left out as kinks: {places}" if places else ""
        notes = "".join(f"\nnote: {note}" for note in self.notes)
        return f"{self.name}: {self.elements} derivatives of {orders} agree with measurements{left_out}{notes}"


@dataclass(frozen=True)
class _Failure:
    """A derivative that differs from the measurement."""

    order: int
    argument: int
    label: str
    index: Index | None
    given: float
    measured: float

    def __str__(self) -> str:
        error = abs(self.given - self.measured) / max(abs(self.given), abs(self.measured), 1e-300)
        return f"{self.given:.10g} at {_place(self.index)} where {self.measured:.10g} is measured (relative error {error:.1g})"


def _place(index: Index | None) -> str:
    return "random direction" if index is None else str(list(index)) if index else "its value"


def gradcheck(function: Function, *args: Any, order: int = 2, samples: int = 64, seed: int = 0) -> Checked:
    """Hold the derivatives of a function, or of one operation, against measurements of its values.

    For random cotangents u, each element of ``∂<u, f(x)>/∂x`` is compared with the complex step ``Im <u, f(x + ih)>/h``
    where f is analytic (Squire and Trapp, SIAM Review 40, 1998), else with central differences of two step sizes,
    extrapolated.  Where these disagree, or the slopes to both sides do, there is a kink: it is reported and left out.
    The jvp is compared with the vjp.  At order 2 the vjp itself is differentiated, in both modes, and checked in the same
    way.
    All floats are taken in double precision; where the function itself computes in single, tolerances are wider.

    Args:
        function: of arrays or containers of arrays; returns one or a container of them, the same at every call.
        args: the point; what is no float is passed as it is.
        order: 1, or 2 for second derivatives too.
        samples: elements to check of each argument, chosen at random where it has more (then also a random direction).
        seed: of cotangents and choices.

    Returns:
        What was checked, the kinks, and what makes the check weaker than it seems (an argument of zeros).

    Raises:
        GradientError: names the argument, the worst element, the operation whose rule is wrong, and its line.
        ArgumentError: the function gives different values at the same point.

    >>> import numpy as np, autograd as ag
    >>> print(gradcheck(lambda x: ag.tanh(x) * x, np.array([0.5, -1.0])))
    the function: 6 derivatives of orders 1 and 2 agree with measurements
    """
    if order not in (1, 2):
        raise ArgumentError(f"gradcheck checks order 1 or 2, got order={order!r}")
    check = _Check(function, args, samples, seed)
    for number in range(1, order + 1):
        failure = check.run(number)
        if failure is not None:
            kind = "derivative" if number == 1 else "second derivative"
            raise GradientError(
                f"gradcheck: the {kind} of {check.name} by {failure.label} is {failure}. "
                + _culprit(function, args, failure.order, samples, seed)
            )
    return Checked(check.name, order, check.elements, tuple(dict.fromkeys(check.kinks)), check.notes())


class _Check:
    """A function of flat float arrays, the point, and what has been found there."""

    def __init__(self, function: Function, args: tuple[Any, ...], samples: int, seed: int) -> None:
        self.function, self.samples, self.seed = function, samples, seed
        self.name = getattr(function, "__name__", type(function).__name__).replace("<lambda>", "the function")
        leaves, self.structure = tree.flatten(args)
        self.leaves = [_plain(leaf) for leaf in leaves]
        self.floats = [i for i, x in enumerate(self.leaves) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        if not self.floats:
            raise DTypeError(f"gradcheck of {self.name}: no argument holds floats")
        owners = [i for i, arg in enumerate(args) for _ in tree.flatten(arg)[0]]
        self.labels = [
            f"argument {owner}" + (f", leaf {i - owners.index(owner)}" if owners.count(owner) > 1 else "")
            for i, owner in enumerate(owners)
        ]
        self.widened = [self.labels[i] for i, leaf in enumerate(leaves) if _dtype(leaf) in (np.float32, np.float16)]
        self.precision = SINGLE if self._in_single() else DOUBLE
        self.elements = 0
        self.kinks: list[tuple[str, Index | None]] = []

    def flat(self, *arrays: Any) -> tuple[Any, ...]:
        """The function as one of its float arrays, returning its float outputs."""
        leaves = list(self.leaves)
        for i, array in zip(self.floats, arrays, strict=True):
            leaves[i] = array
        outputs = tree.flatten(self.function(*tree.unflatten(self.structure, leaves)))[0]
        return tuple(y for y in outputs if getattr(_dtype(y), "kind", "") in "fc")

    def _in_single(self) -> bool:
        """Whether a result on the way from the arguments to the outputs has less than double precision."""
        outputs = self.flat(*(Tensor(self.leaves[i], requires_grad=True) for i in self.floats))
        recorded = [y for y in outputs if isinstance(y, Tensor) and y.requires_grad]
        return any(node.dtype != np.float64 for y in recorded for node in tape(y))

    def notes(self) -> tuple[str, ...]:
        """What weakens the check, in words."""
        notes = []
        if self.precision is SINGLE:
            notes.append(f"the function computes in single precision: tolerance {SINGLE.measured:g}")
        if self.widened:
            notes.append(f"{', '.join(self.widened)} came in less than double precision and was checked in double")
        for i in self.floats:
            if self.leaves[i].size and not np.any(self.leaves[i]):
                notes.append(f"{self.labels[i]} is all zero, which hides mistakes in what is multiplied by it")
        return tuple(notes)

    def run(self, order: int) -> _Failure | None:
        """Check derivatives of one order; the worst failure, if any."""
        rng = np.random.default_rng([self.seed, order])
        point = [self.leaves[i] for i in self.floats]
        labels = [self.labels[i] for i in self.floats]
        if order == 1:
            return self._compare(self.flat, point, labels, rng, order)
        outputs = _values(self.flat, point)
        cotangents = [rng.uniform(0.5, 1, np.shape(y)) for y in outputs]

        def gradients(*arrays: Any) -> Any:
            _, pullback = vjp(self.flat, *arrays[: len(point)])
            return pullback(arrays[len(point) :])

        return self._compare(gradients, [*point, *cotangents], [*labels, *["the cotangent"] * len(outputs)], rng, order)

    def _compare(
        self, function: Function, point: list[Any], labels: list[str], rng: np.random.Generator, order: int
    ) -> _Failure | None:
        outputs = _values(function, point)
        us = [rng.choice([-1.0, 1.0], np.shape(y)) * rng.uniform(0.5, 1, np.shape(y)) for y in outputs]
        if not all(
            np.array_equal(a, b, equal_nan=True) for a, b in zip(outputs, _values(function, point), strict=True)
        ):
            raise ArgumentError(
                f"gradcheck: {self.name} gives different values at the same point: pass its random numbers in, or make the "
                "generator anew from a seed in every call"
            )
        _, pullback = vjp(function, *[constant(x) for x in point])
        given = [np.asarray(g.data) for g in pullback(tuple(us))]
        size = float(sum(np.sum(np.abs(u * y)) for u, y in zip(us, outputs, strict=True)))
        meter = _Meter(function, point, us, size, self.precision)
        worst: tuple[float, _Failure] | None = None
        for argument, (x, g, label) in enumerate(zip(point, given, labels, strict=True)):
            for index, direction in _directions(x, self.samples, rng):
                measured, tolerance = meter.along(argument, direction)
                if measured is None:
                    self.kinks.append((label, index))
                    continue
                self.elements += 1
                found = float(np.sum(g * direction))
                size = max(
                    float(np.sum(np.abs(g * direction))),
                    float(np.max(np.abs(g))),
                    abs(measured),
                    max(1e-3, 10 * self.precision.floor) * meter.size,
                )
                excess = abs(found - measured) / (tolerance * size) if size else 0.0
                if not excess <= 1 and (worst is None or excess > worst[0]):  # (nan fails)
                    worst = excess, _Failure(order, argument, label, index, found, measured)
        if worst is None:
            return self._transposed(function, point, us, given, rng, order)
        return worst[1] if worst else None

    def _transposed(
        self,
        function: Function,
        point: list[Any],
        us: list[Any],
        given: list[Any],
        rng: np.random.Generator,
        order: int,
    ) -> _Failure | None:
        """<u, jvp(v)> = <vjp(u), v>, to rounding."""
        vs = [rng.uniform(-1, 1, x.shape) for x in point]
        forward = jvp(function, tuple(point), tuple(vs))[1]
        left = float(sum(np.sum(u * dy) for u, dy in zip(us, forward, strict=True)))
        right = float(sum(np.sum(g * v) for g, v in zip(given, vs, strict=True)))
        size = float(sum(np.sum(np.abs(g * v)) for g, v in zip(given, vs, strict=True)))
        if math.isfinite(right) and not abs(left - right) <= self.precision.exact * max(size, abs(left)):
            return _Failure(order, 0, "forward mode (jvp)", None, left, right)
        return None


class _Meter:
    """Slopes of <u, f(x)> along directions, from values of f alone."""

    def __init__(self, function: Function, point: list[Any], us: list[Any], size: float, precision: Precision) -> None:
        self.function, self.point, self.us, self.size, self.precision = function, point, us, size, precision
        self.complex_works = True
        self.centre = self._value(point)

    def _value(self, point: list[Any]) -> Any:
        outputs = _values(self.function, point)
        return sum((np.sum(u * y) for u, y in zip(self.us, outputs, strict=True)), np.float64(0))

    def _moved(self, argument: int, step: Any) -> Any:
        point = list(self.point)
        point[argument] = point[argument] + step
        return self._value(point)

    def along(self, argument: int, direction: Any) -> tuple[float | None, float]:
        """The slope, None at a kink, and the tolerance that it deserves."""
        x = self.point[argument]
        precision = self.precision
        h = precision.step * max(1.0, float(np.max(np.abs(x * direction))))
        up, up_half, down_half, down = (float(self._moved(argument, t * h * direction)) for t in (1, 0.5, -0.5, -1))
        centre = float(self.centre)
        wide, narrow = (up - down) / (2 * h), (up_half - down_half) / h
        bend, half_bend = (up - 2 * centre + down) / h, 2 * (up_half - 2 * centre + down_half) / h
        slope = (4 * narrow - wide) / 3
        size = max(abs(wide), abs(narrow), abs(up - centre) / h, abs(centre - down) / h, precision.floor * self.size)
        if not math.isfinite(slope):
            return None, precision.measured
        # The slopes to both sides differ by h f'' where f is smooth: half as much at half the step.
        kink = abs(bend) > precision.bent * size and abs(half_bend) > 0.75 * abs(bend)
        if kink or abs(wide - narrow) > precision.apart * size:
            return None, precision.measured
        exact = self._complex_step(argument, direction)
        if exact is not None and abs(exact - slope) <= 0.1 * precision.apart * size:
            return exact, precision.exact
        return slope, precision.measured

    def _complex_step(self, argument: int, direction: Any) -> float | None:
        """Exact to rounding for analytic functions; None if the function does not take complex numbers."""
        if self.complex_works:
            try:
                return float(np.imag(self._moved(argument, 1e-30j * direction)) / 1e-30)
            except (TypeError, ValueError):
                self.complex_works = False
        return None


def _directions(x: Any, samples: int, rng: np.random.Generator) -> list[tuple[Index | None, Any]]:
    """Unit vectors for the elements to check (all, or some and one random direction)."""
    chosen = range(x.size) if x.size <= samples else sorted(rng.choice(x.size, samples, replace=False).tolist())
    found: list[tuple[Index | None, Any]] = []
    for number in chosen:
        index = tuple(int(i) for i in np.unravel_index(number, x.shape))
        unit = np.zeros(x.shape)
        unit[index] = 1
        found.append((index, unit))
    if x.size > samples:
        found.append((None, rng.choice([-1.0, 1.0], x.shape) / math.sqrt(x.size)))
    return found


def _dtype(leaf: Any) -> Any:
    return getattr(leaf, "dtype", None)


def _plain(leaf: Any) -> Any:
    """Floats as arrays of double precision; anything else as it is."""
    value = leaf.data if isinstance(leaf, Tensor) else leaf
    if isinstance(value, float) or getattr(_dtype(value), "kind", "") == "f":
        return np.array(numbers(value, "an argument of gradcheck"), np.float64)
    return leaf


def _values(function: Function, point: Sequence[Any]) -> list[Any]:
    """What the function gives at a point, complex ones too, without recording anything."""
    with no_grad(), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of imaginary parts thrown away, where it is not analytic
        outputs = function(*[constant(x[()]) for x in point])
    return [np.asarray(y.data if isinstance(y, Box) else y) for y in outputs]  # type: ignore[attr-defined]


def _culprit(function: Function, args: tuple[Any, ...], order: int, samples: int, seed: int) -> str:
    """The recorded operation whose own rule fails the same check, and the line that recorded it."""
    check = _Check(function, args, samples, seed)
    variables = [Tensor(check.leaves[i], requires_grad=True) for i in check.floats]
    nodes: dict[Tensor, None] = {}
    for y in check.flat(*variables):
        if isinstance(y, Tensor) and y.requires_grad:
            nodes.update(dict.fromkeys(tape(y)))
    for node in nodes:
        op, params = node.creator, node.params
        if op is None:
            continue

        def call(*arrays: Any, op: Any = op, params: dict[str, Any] = params) -> Any:
            return op(*arrays, **params)

        values = tuple(x.data if isinstance(x, Tensor) else x for x in node.inputs or ())
        if not any(i in node.wrt for i, value in enumerate(values) if _plain(value) is not value):
            continue
        single = _Check(call, values, samples, seed)
        single.floats = [i for i in single.floats if i in node.wrt]
        for number in range(1, order + 1):
            failure = single.run(number)
            if failure is not None:
                wrong = "rule" if number == 1 else "derivative of the rule"
                which = f"its {failure.label}" if failure.label.startswith("argument") else failure.label
                return f"The {wrong} of {op.name!r} for {which}, recorded at {at(node.site)}, gives {failure}"
    return (
        "Every recorded operation is right by itself: part of the computation is hidden from the tape (a value taken with "
        ".data, .numpy(), float() or detach(), or assigned in place)"
    )
