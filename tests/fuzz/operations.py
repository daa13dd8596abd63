"""Every operation as text with places for its arguments: made from the tables of the tests, so a new row is fuzzed too.

Primitives come from `tests.samples`, NumPy's functions from `tests.numpy_calls`; public functions, methods and the
draws of a random generator are found by trying them.

>>> from tests.fuzz.operations import OPERATIONS
>>> [o.text for o in OPERATIONS["sum"]][:2]
['P.sum({0}, axis=None, keepdims=False)', 'P.sum({0}, axis=(0,), keepdims=True)']
"""

from __future__ import annotations

import ast
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.primitive import REGISTRY, Primitive
from autograd.ir.randomness import METHODS
from tests import numpy_calls
from tests.fuzz.arrays import domain_of
from tests.samples import SAMPLES, Arg


@dataclass(frozen=True)
class Place:
    """What an operation wants as one argument: an array of this kind and shape, or, `free`, of any."""

    kind: str  # "float", "bool", "int"
    shape: tuple[int, ...]
    domain: str = "real"
    values: str = ""  # the text of an example: integers are indices, and taken as they are
    free: bool = False


@dataclass(frozen=True)
class Operation:
    """A call with numbered places for its arguments."""

    name: str
    text: str
    places: tuple[Place, ...]

    @property
    def factorises(self) -> bool:
        """Whether LAPACK computes it."""
        primitive = REGISTRY.get(self.name.rpartition(".")[2])
        return "linalg" in self.text or "polyfit" in self.text or (primitive is not None and primitive.kind == "linalg")


P = ModuleType("P")  # the primitives, under the name that programs use
vars(P).update(REGISTRY)


def _place(example: Any, free: bool = False) -> Place:
    example = np.asarray(example)
    kind = {"b": "bool", "i": "int", "u": "int"}.get(example.dtype.kind, "float")
    if kind != "float":
        return Place(kind, example.shape, values=f"np.array({example.tolist()!r}, '{example.dtype.str}')")
    return Place("float", example.shape, domain_of(example), free=free)


def _primitives() -> Iterator[Operation]:
    for name, sample in SAMPLES.items():
        for number, case in enumerate(sample.cases):
            examples, settings = case.draw(seed=number)
            free = REGISTRY[name].kind == "elementwise" and number == 0
            places, words = [], []
            for given, example in zip(case.args, examples, strict=True):
                words.append(f"{{{len(places)}}}" if isinstance(given, Arg) else repr(given))
                if isinstance(given, Arg):
                    places.append(_place(example, free))
            words += [
                f"{key}={str(value) if isinstance(value, type) else repr(value)}" for key, value in settings.items()
            ]
            yield Operation(name, f"P.{name}({', '.join(words)})", tuple(places))


def _numpy_functions() -> Iterator[Operation]:
    tables = (numpy_calls.RECORDED, numpy_calls.COUNTED)
    for line in itertools.chain(*tables):
        tree = ast.parse(line, mode="eval")
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in numpy_calls.ARRAYS]
        order = list(dict.fromkeys(sorted(n.id for n in names)))
        text = line.replace("{", "{{").replace("}", "}}") if "{" in line else line
        for node in sorted(names, key=lambda n: -n.col_offset):
            text = f"{text[: node.col_offset]}{{{order.index(node.id)}}}{text[node.end_col_offset :]}"
        yield Operation(_called(tree), text, tuple(_place(numpy_calls.ARRAYS[name]) for name in order))


def _called(tree: ast.Expression) -> str:
    """The NumPy function that a line is about."""
    calls = [ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return next((call for call in calls if call.startswith("np.")), "operators")


def _works(text: str, **given: Any) -> bool:
    """Whether the call returns a tensor, or, of a generator, an array."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return isinstance(eval(text, {"ag": ag, "nn": nn, "np": np, **given}), Tensor | np.ndarray)
    except Exception:
        return False


SETTINGS = ("", ", axis=0", ", axis=-1", ", axis=-1, keepdims=True", ", keepdims=True")


def _found() -> Iterator[Operation]:
    """Public functions of tensors and their methods: those that give a tensor when they are called with one or two."""
    tensor = Tensor(np.random.default_rng(0).uniform(0.5, 2, (3, 3)))
    place = Place("float", (3, 3), free=True)
    modules = [("ag", ag, ag.__all__), ("nn", nn, nn.__all__), ("nn.activations", nn.activations, dir(nn.activations))]
    for prefix, module, names in modules:
        for name in names:
            function = getattr(module, name)
            of_tensors = isinstance(function, Primitive) or getattr(function, "__module__", "").startswith(
                ("autograd.functions", "nn.loss", "nn.activations")
            )
            if name[0] == "_" or isinstance(function, type) or not of_tensors:
                continue
            for arity, settings in itertools.product((1, 2), SETTINGS):
                words = ", ".join(f"{{{i}}}" for i in range(arity)) + settings
                text = f"{prefix}.{name}({words})"
                if _works(text.format("t", "t"), t=tensor):
                    yield Operation(f"{prefix}.{name}", text, (place,) * arity)
    for name in sorted({*dir(Tensor), *dir(np.ndarray)}):
        for settings in ("()", *(f"({s[2:]})" for s in SETTINGS[1:])):
            there = any(_works(f"t.{name}{settings}", t=t) for t in (tensor, np.array(tensor.data)))
            if name[0] != "_" and name not in NOT_METHODS and there:
                yield Operation(f".{name}", f"{{0}}.{name}{settings}", (place,))
    for symbol in ("+", "-", "*", "/", "**", "%", "//", "@", "<", ">=", "==", "&", "|"):
        yield Operation(symbol, f"{{0}} {symbol} {{1}}", (place, place))


NOT_METHODS = ("assign", "zero_grad", "backward", "numpy", "apply_op", "view", "byteswap")


def _draws() -> Iterator[Operation]:
    """Every method of a random generator, with as many numbers in front of the size as it wants."""
    for method in METHODS:
        for words in ("", "2.0, ", "3, 0.5, ", "0.5, 2.0, ", "4, 5, 3, ", "3, [0.5, 0.5], ", "[0.5, 2.0], "):
            text = f"rng.{method}({words}size=(2, 3))"
            if _works(text, rng=np.random.default_rng(0)):
                yield Operation(f"rng.{method}", text, ())
                break


def _table() -> dict[str, list[Operation]]:
    table: dict[str, list[Operation]] = {}
    for operation in itertools.chain(_primitives(), _numpy_functions(), _found(), _draws()):
        table.setdefault(operation.name, []).append(operation)
    return table


OPERATIONS = _table()
NAMES = sorted(OPERATIONS)
