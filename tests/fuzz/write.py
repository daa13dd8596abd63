"""Writes random programs: every statement is run as it is written, so that what follows knows what there is.

>>> from tests.fuzz.write import write
>>> write(3) == write(3)
True
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from autograd import Tensor
from tests.fuzz import statements
from tests.fuzz.arrays import DOMAINS, FLOATS, INTEGERS, LAYOUTS
from tests.fuzz.operations import NAMES, OPERATIONS, Operation, Place
from tests.fuzz.programs import GIVEN, Program

SHAPES = (
    (),
    (1,),
    (3,),
    (4,),
    (2, 3),
    (4, 3),
    (3, 3),
    (4, 1),
    (1, 3),
    (2, 4, 3),
    (3, 4),
    (0,),
    (0, 3),
    (5,),
    (2, 2, 2),
)
LARGEST = 200  # elements of a value
WITH_STATE, WITH_MANY, MIXED, ODD = 0.45, 0.06, 0.25, 0.2  # shares of the programs


class Writer:
    """The program so far, and its state as it is after one run of the statements so far."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        self.space: dict[str, Any] = dict(GIVEN)
        self.setup: list[str] = []
        self.body: list[str] = []
        self.arguments: list[str] = []
        self.varying: list[str] = []  # statements that give an argument another value: {} stands for a seed
        self.parameters: list[str] = []
        self.changes: list[str] = []  # what may change between calls
        self.values: list[str] = []
        self.operations: list[str] = []
        self.mixed, self.odd = self.chance(MIXED), self.chance(ODD)
        self.dtype = self.pick(("f8", "f8", "f8", "f4", "f4", *FLOATS))

    # ----- chance -----
    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def number(self) -> int:
        """A seed for an array."""
        return int(self.rng.integers(1_000_000))

    # ----- what there is -----
    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(np.shape(self.look(name)))

    def look(self, name: str) -> Any:
        value = eval(name, self.space)
        return value.value if isinstance(value, Tensor) else value

    def finite(self, text: str) -> bool:
        """Whether LAPACK may have it: some of its factorisations never return for nan and infinities."""
        return bool(np.isfinite(np.asarray(self.look(text), float)).all())

    def value(self) -> str:
        """A value made so far, later ones more often; a fresh one where there is none."""
        if not self.values:
            return self.leaf(self.pick(SHAPES))
        return self.values[-1 - int(len(self.values) * self.rng.random() ** 2)]

    def make(self, statement: str) -> None:
        """Run a statement of the setup, and keep it."""
        exec(statement, self.space)
        self.setup.append(statement)

    def array(self, shape: tuple[int, ...], domain: str = "real", *, floats: bool = False) -> str:
        """The text of an array; with {} for its seed."""
        dtype = self.dtype
        if self.mixed and not floats and domain != "increasing":
            dtype = self.pick((*FLOATS, *INTEGERS))
        layout = self.pick(tuple(LAYOUTS)) if self.chance(0.3) and domain != "increasing" else "plain"
        if self.odd and self.chance(0.5) and domain not in ("matrix", "definite", "increasing"):
            domain = "odd"
        elif domain == "real" and self.chance(0.3):
            domain = self.pick(("whole", "positive", "unit"))
        assert domain in DOMAINS
        words = [repr(shape), repr(dtype)] + [repr(layout)] * (layout != "plain" or domain != "real")
        return f"array({{}}, {', '.join(words + [repr(domain)] * (domain != 'real'))})"

    def leaf(self, shape: tuple[int, ...], domain: str = "real") -> str:
        """A new argument, parameter, closed-over array or attribute of that shape."""
        role = self.pick(("argument", "argument", "parameter", "parameter", "constant", "attribute"))
        if role == "attribute" and "s" not in self.space:
            role = "parameter"
        if role == "parameter":
            name = f"w{len(self.parameters)}"
            self.make(
                f"{name} = Tensor({self.array(shape, domain, floats=True).format(self.number())}, requires_grad=True)"
            )
            self.parameters.append(name)
        elif role == "argument":
            name = f"x{len(self.arguments)}"
            text = self.array(shape, domain)
            text = f"Tensor({text})" if self.chance(0.4) else text
            self.make(f"{name} = {text.format(self.number())}")
            self.arguments.append(name)
            self.varying.append(f"{name} = {text}")
        else:
            name = f"c{len(self.setup)}" if role == "constant" else f"s.c{len(self.setup)}"
            self.make(f"{name} = {self.array(shape, domain).format(self.number())}")
            self.changes.append(f"{name} = np.array({name})")
            if self.look(name).flags.writeable:
                self.changes.append(f"{name}[...] = 1")
        self.values.append(name)
        return name

    def fitting(self, place: Place) -> str:
        """Something to put in that place."""
        if place.kind == "int":
            return place.values
        if place.kind == "bool":
            return place.values if self.chance(0.5) else f"({self.of_shape(place)} > 0.25)"
        return self.value() if place.free and self.chance(0.8) else self.of_shape(place)

    def of_shape(self, place: Place) -> str:
        if place.domain == "increasing":  # of anything else NumPy says that its results have no meaning
            return self.leaf(place.shape, place.domain)
        there = [name for name in self.values if self.shape(name) == place.shape]
        if there and self.chance(0.8):
            return str(self.pick(there))
        if self.values and self.chance(0.4):
            value = self.value()
            if self.look(value).size:
                return f"np.resize({value}, {place.shape})"
        return self.leaf(place.shape, place.domain)

    # ----- statements -----
    def operation(self) -> tuple[str, str]:
        """A name of the table and a call of it."""
        made: Operation = self.pick(OPERATIONS[self.pick(NAMES)])
        given = [self.fitting(place) for place in made.places]
        if made.factorises and (self.odd or not all(self.finite(argument) for argument in given)):
            return self.operation()
        return made.name, made.text.format(*given)

    def accept(self, text: str, name: str = "", results: bool = True) -> bool:
        """Run a statement; keep it if it works, and its value if that is one to go on with."""
        try:
            exec(text, self.space)
            result = self.space.get(name)
            if isinstance(result, list | tuple) and result:
                i = int(self.rng.integers(len(result)))
                text, result = f"{text}\n{name} = {name}[{i}]", result[i]
            if results and not isinstance(result, Tensor | np.ndarray | np.generic):
                return False
            if results:
                self.space[name] = result
                values = np.asarray(result.value if isinstance(result, Tensor) else result)
                if values.size > LARGEST or values.dtype.kind not in "biuf":
                    return False
                if values.size and not np.isfinite(values).any() and self.chance(0.8):
                    return False
        except Exception:
            return False
        self.body.append(text)
        if results:
            self.values.append(name)
        return True

    def line(self) -> None:
        """One more statement; what does not fit is drawn again."""
        for _ in range(10):
            name = f"v{len(self.body)}"
            kind = self.pick(statements.KINDS)
            made = kind(self, name)
            if made is None:
                continue
            what, text, results = made
            if self.accept(text, name, results):
                self.operations.append(what)
                return

    def write(self) -> Program:
        """The whole program."""
        if self.chance(WITH_STATE):
            statements.make_state(self)
        if self.chance(WITH_MANY):
            statements.make_many(self)
        for _ in range(int(self.rng.integers(2, 9))):
            self.line()
        results = statements.finish(self)
        calls = "step"
        if self.chance(0.15) and set(self.arguments).isdisjoint(("s", "rng")):
            calls = "scan" if self.arguments and self.chance(0.5) else "repeat"
        return Program(
            self.seed, tuple(self.setup), tuple(self.body), tuple(self.rounds()), tuple(self.arguments), tuple(results),
            self.pick(("list", "list", "tuple", "dict", "single")), calls, tuple(self.operations),
        )  # fmt: skip

    def rounds(self) -> list[tuple[str, ...]]:
        """Before each call: other values of the arguments, and in half of the programs changes of what it reads."""
        made: list[tuple[str, ...]] = [()]
        changing = self.chance(0.5)
        for _ in range(int(self.rng.integers(2, 5))):
            changes = [text.format(self.number()) for text in self.varying if self.chance(0.8)]
            if changing and self.changes and self.chance(0.6):
                changes += [self.pick(self.changes)]
            made.append(tuple(changes))
        return made


def write(seed: int) -> Program:
    """The random program of that seed."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Writer(seed).write()
