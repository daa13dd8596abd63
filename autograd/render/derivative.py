"""Local derivatives, printed from the very rules that compute them.

A vjp rule is a function of the output's cotangent g, the output y and the inputs. Called with symbols instead of
arrays it returns the formula it stands for: `lambda g, y, x: g * (1 - y * y)` gives `g * (1 - y * y)`, and the
local derivative is what multiplies g in it. There is no table of formulas that could disagree with the rules.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.array_methods import ArrayMethods
from ..core.errors import AutogradError
from ..core.primitive import REGISTRY, Array, Box, Primitive, Rule, Spec, spec_of

_PRECEDENCE = {"|": 1, "&": 2, "+": 3, "-": 3, "*": 4, "/": 4, "@": 4, "**": 6}  # any other sign: 0, as comparisons
_NEGATION = 5
_ATOM = 9
MAX_TEXT = 60
MAX_NAME = 16


class Symbol(ArrayMethods):
    """A formula standing for an array: the primitive and its arguments, or a bare name; shape and dtype are known."""

    __slots__ = ("arguments", "dtype", "name", "params", "primitive", "shape")
    level = 1 << 30  # above Tensors and Tracers: whatever meets a symbol becomes part of the formula

    def __init__(
        self,
        name: str,
        spec: Spec,
        primitive: Primitive | None = None,
        arguments: Sequence[Any] = (),
        params: dict[str, Any] | None = None,
    ) -> None:
        self.name, self.primitive, self.arguments = name, primitive, tuple(arguments)
        self.params = params or {}
        self.shape, self.dtype = spec

    def apply_op(self, primitive: Primitive, arrays: Sequence[Array], params: dict[str, Any]) -> Array:
        """The formula of the primitive applied to formulas."""
        spec = primitive.shape(*(spec_of(array) for array in arrays), **params)
        return Symbol("", spec, primitive, arrays, params)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def __bool__(self) -> bool:
        raise AutogradError("a formula has no truth value")


class Recorded(NamedTuple):
    """What `local_derivative` reads of a recorded operation, for one that no Tensor stands for."""

    creator: Primitive
    inputs: tuple[Any, ...]
    params: Mapping[str, Any]
    shape: tuple[int, ...]
    dtype: Any
    name: str


def local_derivative(tensor: Any, position: int, names: Collection[str] = (), digits: int = 4) -> str:
    """The derivative of a recorded operation with respect to its argument number `position`.

    Args:
        tensor: a Tensor that has a creator, or a `Recorded`.
        position: index into `tensor.inputs`.
        names: what else the picture calls something, so that no two things in it share a name.
        digits: how many to write of numbers.

    Returns:
        The factor that its rule multiplies g with; where it does something else, the whole rule in terms of g, the
        gradient of the output. The output and the inputs go by their own names where those are short, else by those in
        the rule. Empty where no gradient flows or the rule looks at numbers.
    """
    rule = tensor.creator.rule(position)
    if rule is None:
        return ""
    spec = (tuple(tensor.shape), np.dtype(tensor.dtype))
    called = _names(rule, tensor, names)
    symbols = [_symbol(operand, name) for operand, name in zip(tensor.inputs, called[2:], strict=True)]
    g = Symbol(called[0], spec)
    try:
        formula = rule(g, Symbol(called[1], spec), *symbols, **tensor.params)
    except (AutogradError, TypeError, ValueError, AttributeError):  # it asks for numbers: no formula to print
        return ""
    factor = _without(formula, g)
    text = _text(formula if factor is None else factor, digits)[0]
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def letters(tensor: Any, position: int, text: str, names: Collection[str] = ()) -> list[tuple[str, int]]:
    """What the names in the text of a local derivative stand for: an input, by its number, or -1, the output."""
    rule = tensor.creator.rule(position)
    words = set(re.findall(r"[^\W\d]\w*", text))
    called = _names(rule, tensor, names) if rule is not None else []
    return [(name, place) for place, name in enumerate(called[1:], start=-1) if name in words]


def _symbol(operand: Any, name: str) -> Any:
    """A symbol for an array; numbers stay what they are."""
    if np.ndim(operand) == 0 and not isinstance(operand, Box):
        return operand
    return Symbol(name, (tuple(operand.shape), np.dtype(operand.dtype)))


def _names(rule: Rule, tensor: Any, names: Collection[str]) -> list[str]:
    """Names for g, the output and the inputs, all different from each other and from those of other things."""
    own = [
        parameter.name
        for parameter in inspect.signature(rule).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    things = [None, tensor, *tensor.inputs]
    fallbacks = [("grad",), ("out", "output"), *((f"x{index}", f"arg{index}") for index in range(1, len(things) - 1))]
    called: dict[int, str] = {}
    taken = set(names)
    for index, thing in enumerate(things):
        name = getattr(thing, "name", None) or ""
        if name.isidentifier() and len(name) <= MAX_NAME:
            called[index] = name
            taken.add(name)
    for index, spares in enumerate(fallbacks):
        if index not in called:
            choices = (("g", "y")[index] if index < 2 else own[index] if index < len(own) else spares[0], *spares)
            called[index] = next((choice for choice in choices if choice not in taken), spares[-1])
            taken.add(called[index])
    return [called[index] for index in range(len(things))]


def _without(formula: Any, g: Symbol) -> Any:
    """What multiplies g in the formula, or None where the formula is no product with g."""
    if formula is g:
        return 1
    if not isinstance(formula, Symbol) or formula.primitive is None:
        return None
    name, arguments = formula.primitive.name, formula.arguments
    if name == "neg":
        rest = _without(arguments[0], g)
        return None if rest is None else _negative(rest)
    if name == "div":
        rest = _without(arguments[0], g)
        return None if rest is None or _mentions(arguments[1], g) else _binary("div", rest, arguments[1])
    if name == "mul":
        for index in (0, 1):
            rest, other = _without(arguments[index], g), arguments[1 - index]
            if rest is not None and not _mentions(other, g):
                if _is_one(rest):
                    return other
                return _binary("mul", rest, other) if index == 0 else _binary("mul", other, rest)
    return None


def _is_one(formula: Any) -> bool:
    return not isinstance(formula, Symbol) and np.ndim(formula) == 0 and formula == 1


def _negative(formula: Any) -> Any:
    return REGISTRY["neg"](formula) if isinstance(formula, Symbol) else -formula


def _binary(name: str, first: Any, second: Any) -> Any:
    """The operation as a formula, also where shapes no longer matter because g has gone."""
    spec = (
        next(formula for formula in (first, second) if isinstance(formula, Symbol))
        if (isinstance(first, Symbol) or isinstance(second, Symbol))
        else None
    )
    if spec is None:
        return first / second if name == "div" else first * second
    if not isinstance(first, Symbol) and np.ndim(first) == 0 and first in (1, -1) and name == "mul":
        return second if first == 1 else _negative(second)
    return Symbol("", (spec.shape, spec.dtype), REGISTRY[name], (first, second))


def _mentions(formula: Any, g: Symbol) -> bool:
    if formula is g:
        return True
    return isinstance(formula, Symbol) and any(_mentions(argument, g) for argument in formula.arguments)


def _text(formula: Any, digits: int) -> tuple[str, int]:
    """The formula as Python writes it, and how tightly its outermost operation binds."""
    if not isinstance(formula, Symbol):
        if np.ndim(formula):
            return f"array{np.shape(formula)}", _ATOM
        text = f"{formula:.{digits}g}" if isinstance(formula, (float, np.floating)) else str(formula)
        return text, _NEGATION if text.startswith("-") else _ATOM
    if formula.primitive is None:
        return formula.name, _ATOM
    name, arguments = formula.primitive.name, formula.arguments
    if name == "power" and _is_one(arguments[1]):
        return _text(arguments[0], digits)
    sign = formula.primitive.symbol
    if len(arguments) == 2 and not sign.isidentifier():
        level, power = _PRECEDENCE.get(sign, 0), sign == "**"
        left = _wrap(arguments[0], level + power, digits)
        right = _wrap(arguments[1], level + (sign in ("-", "/", "@") or level == 0), digits)
        return f"{left}{sign}{right}" if power else f"{left} {sign} {right}", level
    if name == "neg":
        return f"-{_wrap(arguments[0], _NEGATION, digits)}", _NEGATION
    if name in ("transpose", "swapaxes", "matrix_transpose") and _swaps_last(formula):
        return f"{_wrap(arguments[0], _ATOM, digits)}.T", _ATOM
    words = [_text(argument, digits)[0] for argument in arguments]
    words += [
        f"{key}={setting}"
        for key, setting in formula.params.items()
        if setting is not None and setting is not False and key != "shape" and not isinstance(setting, np.ndarray)
    ]
    return f"{name}({', '.join(words)})", _ATOM


def _wrap(formula: Any, level: int, digits: int) -> str:
    text, own = _text(formula, digits)
    return text if own >= level else f"({text})"


def _swaps_last(formula: Symbol) -> bool:
    before = formula.arguments[0].shape
    return len(before) >= 2 and formula.shape == (*before[:-2], before[-1], before[-2])


def kept_gradient(thing: Any) -> Any:
    """The gradient that a tensor holds, None where it holds none; asking a result for it would warn."""
    gradient = None if getattr(thing, "_grad", None) is None else thing.grad
    return None if isinstance(gradient, Box) else gradient


def contribution(tensor: Any, position: int) -> float | None:
    """How much gradient flows back through one edge: the norm of what the rule of argument `position` returns for the
    gradient the tensor kept; None where it kept none or the rule gives none."""
    gradient, rule = kept_gradient(tensor), tensor.creator.rule(position)
    if gradient is None or rule is None:
        return None
    arrays = [getattr(operand, "value", operand) for operand in tensor.inputs]
    try:
        with np.errstate(all="ignore"):
            flowing = np.asarray(rule(gradient, tensor.value, *arrays, **tensor.params), dtype=np.complex128)
    except (AutogradError, TypeError, ValueError):  # only the width of a line is lost
        return None
    extra = flowing.ndim - np.ndim(arrays[position])
    axes = tuple(range(extra)) + tuple(
        axis for axis in range(extra, flowing.ndim) if np.shape(arrays[position])[axis - extra] == 1
    )
    return float(np.linalg.norm(flowing.sum(axis=axes).ravel()))
