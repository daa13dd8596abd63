"""Small random programs of two dtypes and no objects: a seed gives the text of a step, its arguments and its parameters.

For tests of single passes and backends: ``mismatches(seed, backend="native")`` lists what differs from eager.

>>> from tests.fuzz.plain import mismatches, program
>>> print(program(3).text.splitlines()[0])
def step(x0, rows):
>>> mismatches(3)
[]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor
from tests.fuzz.compare import same_bits

Rng = np.random.Generator

UNARY = [
    "abs",
    "arctan",
    "arctan2_",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp",
    "expm1",
    "floor",
    "isnan",
    "log",
    "log1p",
    "negative",
    "relu",
    "round",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "stop_gradient",
    "tan",
    "tanh",
    "gelu",
    "leaky_relu",
]
BINARY = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "maximum",
    "minimum",
    "arctan2",
    "power",
    "mod",
    "floor_divide",
    "less",
    "greater_equal",
    "equal",
    "logical_and",
]
REDUCTIONS = ["sum", "mean", "max", "min", "prod", "var", "std", "logsumexp", "norm", "argmax"]
NUMBERS = (2, 0.5, -1.5, 3, 0.0, -0.0, 1, 1.0, -1, 0)
EXPONENTS = (2, 3, 0.5, -1, 0, 1, 2.0, -2, 1.5, -0.5)
SHAPES = ((), (1,), (3,), (4,), (2, 3), (4, 3), (3, 3), (4, 1), (1, 3), (2, 4, 3), (3, 4), (0,), (0, 3), (5,))


@dataclass
class Program:
    """The text of a step, and what it needs: arrays for its arguments and for its parameters w0, w1, ..."""

    seed: int
    text: str = ""
    arguments: dict[str, np.ndarray] = field(default_factory=dict)
    parameters: dict[str, np.ndarray] = field(default_factory=dict)

    def load(self) -> tuple[Callable[..., Any], list[Tensor], list[Tensor]]:
        """The step as a function, fresh arguments, fresh parameters."""
        parameters = {name: Tensor(a, requires_grad=True, name=name) for name, a in self.parameters.items()}
        space: dict[str, Any] = {"ag": ag, "np": np, **parameters}
        exec(compile(self.text, f"<fuzz {self.seed}>", "exec"), space)
        return space["step"], [Tensor(a) for a in self.arguments.values()], list(parameters.values())


class Writer:
    """Writes a program line by line, computing every line as it goes to know what fits next."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.program = Program(seed)
        self.dtype = self.pick((np.float64, np.float64, np.float32))
        self.odd = self.rng.random() < 0.3
        self.space: dict[str, Any] = {"ag": ag, "np": np}
        self.floats: list[str] = []  # names of float values so far
        self.lines: list[str] = []

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        """Values with ties and zeros among them, and in some programs nan, infinities and -0.0."""
        values = self.rng.uniform(-2, 2, shape)
        if self.rng.random() < 0.4:
            values = np.round(values)
        if self.odd:
            spots = self.rng.random(shape) < 0.25
            values = np.where(spots, self.rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e300], shape), values)
        with np.errstate(over="ignore"):
            return np.asarray(values, self.dtype)

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self.space[name].shape)

    def value(self) -> str:
        """A value made so far, later ones more often."""
        return self.floats[-1 - int(len(self.floats) * self.rng.random() ** 2)]

    def write(self) -> Program:
        """The whole program."""
        for i in range(int(self.rng.integers(1, 4))):
            array = self.program.arguments[f"x{i}"] = self.array(self.pick(SHAPES))
            self.space[f"x{i}"] = Tensor(array)
            self.floats.append(f"x{i}")
        rows = self.program.arguments["rows"] = self.rng.integers(-2, 2, self.pick(((), (3,), (2, 2), (0,))))
        self.space["rows"] = Tensor(rows)
        for i in range(int(self.rng.integers(1, 4))):
            array = self.program.parameters[f"w{i}"] = self.array(self.pick(SHAPES))
            self.space[f"w{i}"] = Tensor(array, requires_grad=True)
            self.floats.append(f"w{i}")
        for _ in range(int(self.rng.integers(3, 16))):
            self.line()
        self.finish()
        head = f"def step({', '.join(self.program.arguments)}):"
        self.program.text = "\n    ".join([head, *self.lines]) + "\n"
        return self.program

    def line(self) -> None:
        """One more assignment; a form that does not fit the shapes drawn is drawn again."""
        name = f"v{len(self.lines)}"
        for _ in range(20):
            text = self.expression()
            try:
                result = eval(text, self.space)
            except (ag.errors.AutogradError, IndexError, ZeroDivisionError, DeprecationWarning):
                continue  # (NumPy 2.0 warns of indices out of bounds where nothing is taken)
            if result.size <= 200:
                break
        else:
            return
        if result.dtype.kind == "b" or result.dtype.kind in "iu":
            other, third = self.value(), self.value()
            text = f"ag.where({text}, {other}, {self.pick((third, 0.0, 1))})"
            try:
                result = eval(text, self.space)
            except (ag.errors.AutogradError, IndexError):
                return
        if result.dtype != self.dtype:
            return
        self.space[name] = result
        self.floats.append(name)
        self.lines.append(f"{name} = {text}")

    def expression(self) -> str:
        """The right-hand side of an assignment."""
        forms = (
            self.unary,
            self.unary,
            self.binary,
            self.binary,
            self.binary,
            self.with_number,
            self.with_number,
            self.power,
            self.reduction,
            self.reduction,
            self.movement,
            self.movement,
            self.indexing,
            self.where,
            self.product,
            self.product,
            self.joining,
            self.constant,
        )
        return str(self.pick(forms)())

    def unary(self) -> str:
        name = self.pick(UNARY)
        return f"ag.arctan2({self.value()}, 0.5)" if name == "arctan2_" else f"ag.{name}({self.value()})"

    def binary(self) -> str:
        return f"ag.{self.pick(BINARY)}({self.value()}, {self.value()})"

    def with_number(self) -> str:
        number, symbol = self.pick(NUMBERS), self.pick("+-*/")
        return (
            f"({number!r}) {symbol} {self.value()}"
            if self.rng.random() < 0.3
            else f"{self.value()} {symbol} {number!r}"
        )

    def power(self) -> str:
        return f"{self.value()} ** {self.pick(EXPONENTS)!r}"

    def reduction(self) -> str:
        x, name = self.value(), self.pick(REDUCTIONS)
        axis = self.pick((None, *range(-1, len(self.shape(x)))))
        return f"ag.{name}({x}, axis={axis}, keepdims={self.rng.random() < 0.4})"

    def movement(self) -> str:
        x = self.value()
        shape = self.shape(x)
        return str(
            self.pick(
                (
                    f"{x}.T",
                    f"ag.reshape({x}, (-1,))",
                    f"ag.reshape({x}, {shape[::-1]})",
                    f"ag.expand_dims({x}, 0)",
                    f"ag.broadcast_to({x}, {(2, *shape)})",
                    f"np.ravel({x})",
                    f"ag.flip({x})",
                    f"ag.roll({x}, 1)",
                    f"ag.tril({x})",
                    f"ag.pad({x}, 1)",
                    f"ag.diagonal({x})",
                    f"ag.cumsum({x}, {self.pick((None, 0, -1))})",
                    f"ag.softmax({x})",
                    f"ag.log_softmax({x})",
                    f"ag.clip({x}, -1, 0.75)",
                    f"{x}.detach()",
                )
            )
        )

    def indexing(self) -> str:
        x = self.value()
        return x + str(
            self.pick(
                ("[0]", "[-1]", "[1:]", "[::-1]", "[..., 0]", "[None]", "[rows]", "[:, rows]", "[..., :2]", "[[0, 0]]")
            )
        )

    def where(self) -> str:
        return f"ag.where({self.value()} {self.pick(('>', '<=', '=='))} {self.value()}, {self.value()}, {self.value()})"

    def product(self) -> str:
        a, b = self.value(), self.value()
        return str(
            self.pick((f"{a} @ {b}", f"{a} @ {b}.T", f"ag.outer({a}, {b})", f"ag.einsum('ij,kj->ik', {a}, {b})"))
        )

    def joining(self) -> str:
        a, b = self.value(), self.value()
        return f"ag.{self.pick(('concatenate', 'stack'))}([{a}, {b}], axis={self.pick((0, -1))})"

    def constant(self) -> str:
        x = self.value()
        shape = self.shape(x)
        values = np.round(self.rng.uniform(-1, 1, shape), 2).astype(self.dtype)
        return f"{x} * np.array({values.tolist()}, np.{np.dtype(self.dtype).name}).reshape({shape})"

    def finish(self) -> None:
        """Clear gradients, run backward from a sum over some values, update, return what was made."""
        parameters = list(self.program.parameters)
        losses = [v for v in self.floats if self.space[v].requires_grad]
        chosen = list(dict.fromkeys([losses[-1], *(self.pick(losses) for _ in range(2))]))
        body = self.lines
        body[:0] = [f"{w}.grad = None" for w in parameters if self.rng.random() < 0.7]
        body.append(f"loss = {' + '.join(f'ag.sum({v})' for v in chosen)}")
        body.append("loss.backward()")
        for w in parameters:
            body += [f"if {w}.grad is not None:", f"    {w}.data = {w}.data - 0.125 * {w}.grad"] * (
                self.rng.random() < 0.7
            )
        returned = list(dict.fromkeys([*(self.pick(self.floats) for _ in range(3)), self.floats[-1], "loss"]))
        body.append(f"return [{', '.join(returned)}]")


def program(seed: int) -> Program:
    """The random program of that seed."""
    with np.errstate(all="ignore"):
        return Writer(seed).write()


def mismatches(
    seed: int, backend: str = "numpy", steps: int = 3, equal: Callable[[Any, Any], bool] = same_bits
) -> list[str]:
    """What differs between `steps` eager calls and as many compiled ones: results, parameters and gradients."""
    made = program(seed)
    eager, eager_args, eager_parameters = made.load()
    step, args, parameters = made.load()
    compiled = ag.compile(step, backend=backend)
    found: list[str] = []
    with np.errstate(all="ignore"):
        for number in range(steps):
            expected, got = eager(*eager_args), compiled(*args)
            pairs = [(f"result {i}", *pair) for i, pair in enumerate(zip(expected, got, strict=True))]
            for a, b in zip(eager_parameters, parameters, strict=True):
                pairs.append((f"{a.name}", a, b))
                if (a.grad is None) is not (b.grad is None):
                    found.append(f"step {number}: gradient of {a.name}: {a.grad} and {b.grad}")
                elif a.grad is not None:
                    pairs.append((f"gradient of {a.name}", a.grad, b.grad))
            for name, a, b in pairs:
                a, b = (v.data if isinstance(v, Tensor) else v for v in (a, b))
                if not equal(a, b):
                    found.append(f"step {number}: {name}: eager {a!r}, compiled {b!r}")
    return found
