"""The Primitive record: what an operation computes and how gradients flow back through it, in one place.

A primitive is called like a NumPy function: arrays positional, params by keyword.  Dispatch is by the arrays:

* raw arrays and numbers: NumPy computes, nothing is recorded;
* a `Box` among them (a Tensor, a Tracer): the box with the highest level decides what the call means.

Because vjp rules are written with the same primitives, one rule serves arrays (first order at NumPy speed),
Tensors (higher order) and Tracers (the backward program).
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any

import numpy as np

from .errors import OutOfBoundsError, SignatureError
from .subclasses import check_all

Array = Any  # an ndarray, a NumPy scalar, or a Box standing for one
Rule = Callable[..., Array]  # rule(g, y, *arrays, **params): cotangent of one input, given that of the output y
Spec = tuple[tuple[int, ...], np.dtype[Any]]  # shape and dtype: all that is known of an array while tracing
ShapeRule = Callable[..., Spec]


_OF_UFUNCS = frozenset(("out", "where", "dtype", "casting", "order", "subok"))


class Box:
    """Base of everything that stands for an array in a recorded computation."""

    __slots__ = ()
    level = 0
    requires_grad = False
    creator: Primitive | None = None
    apply_op: Callable[[Primitive, Sequence[Array], dict[str, Any]], Array]

    def kept(self) -> Any:
        """What to keep of it where it must stay as it is."""
        return self


@dataclass(eq=False, repr=False)
class Primitive:
    """One operation: its name, its value, its gradients, and the facts that passes and backends act on.

    `vjps` holds one rule per array argument (None: no gradient flows), or a function from the argument's index to its
    rule where the number of arguments varies.  A rule gets the output's cotangent g, the output y, then the arguments.

    Where that number may be large, `jointly(which, g, y, *arrays, **params)` works out the cotangents of several
    arguments at once.  `deposit(total, g, *arrays, **params)` adds the first argument's cotangent, which is zero nearly
    everywhere, to a sum of such: `arrays` are the other arguments.  `singular(tensor)` says whether at a result the rules
    take limits, for which they need g as a function of the output: then the pass is recorded.
    """

    name: str
    forward: Callable[..., Array]
    vjps: Sequence[Rule | None] | Callable[[int], Rule | None] = ()
    _: KW_ONLY
    kind: str  # elementwise, reduction, movement, indexing, contraction, linalg, random; user: not one of the package's
    shape: ShapeRule
    symbol: str = ""  # in formulas and pictures
    doc: InitVar[str] = ""
    ufunc: Callable[..., Any] | None = None  # NumPy's, of which this is the operation on Tensors
    numpy: str = ""  # how NumPy writes it, of arguments {0}, {1} and params by name; "": the backend has a function
    jointly: Callable[..., Sequence[Array]] = None  # type: ignore[assignment]
    deposit: Callable[..., None] | None = None
    singular: Callable[[Any], bool] | None = None
    linear: str | tuple[int, ...] = ()  # in which arguments: by number, "each" by itself, or "jointly" in all at once
    commutative: bool = False
    neutral: tuple[float | None, ...] = ()  # the number that, as this argument, gives back the other one in every bit
    by_value: bool = False  # a number among the arguments decides how it is computed
    weak: bool = False  # of Python numbers it makes a Python number, as the operator or function named by `symbol` does
    operands: str | tuple[str, ...] = "result"  # it computes in the dtype of the "result", a "common" one, or "bool"
    exact: bool = False  # never rounds: the result is an element of an argument, or a whole number
    cost: int = 2  # per element: 1 for a single instruction, 30 for an elementary function
    reduces: np.ufunc | None = None  # the ufunc that combines the elements along the reduced axes
    view: bool | Callable[..., bool] = False  # the result shows the first argument's memory; told by shapes and params

    def __post_init__(self, doc: str) -> None:
        if self.name in REGISTRY:
            raise KeyError(f"a primitive named {self.name!r} exists already")
        self.variadic = callable(self.vjps)
        rules: Any = self.vjps if callable(self.vjps) else tuple(self.vjps)
        self.vjps, self.symbol = rules, self.symbol or self.name
        self.__doc__, self.__name__ = doc or inspect.getdoc(self.forward), self.name
        positional, self.params = _signature(self.forward)
        self.arity = None if self.variadic else len(rules) or positional  # None: any number of arrays
        if self.jointly is None:
            self.jointly = self._one_by_one
        self.differentiable = self.variadic or any(rule is not None for rule in rules)
        REGISTRY[self.name] = self

    def __call__(self, *arrays: Array, **params: Any) -> Array:
        if (len(arrays) != self.arity and not self.variadic) or (params and not self.params):
            if isinstance(self.ufunc, np.ufunc) and len(arrays) == self.arity and params.keys() <= _OF_UFUNCS:
                return self.ufunc(*arrays, **params)  # which asks a Tensor among them
            self.check(arrays, params)
        box: Box | None = None
        for array in arrays:
            if isinstance(array, Box) and (box is None or array.level > box.level):
                box = array
            elif isinstance(array, np.ndarray) and type(array) is not np.ndarray:
                check_all(array, f"an argument of {self.name}")
        try:
            return self.forward(*arrays, **params) if box is None else box.apply_op(self, arrays, params)
        except IndexError as error:
            raise error if isinstance(error, OutOfBoundsError) else OutOfBoundsError(str(error)) from error
        except TypeError:
            self.check(arrays, params)  # Python itself refuses the params that a function does not have
            check_all(arrays, f"an argument of {self.name}")
            raise

    def check(self, arrays: Sequence[Array], params: dict[str, Any]) -> None:
        """Refuse a wrong number of arrays, of which NumPy would write into the last one, and unknown params.

        Raises:
            SignatureError: the call does not fit the record.
        """
        if self.arity not in (None, len(arrays)):
            raise SignatureError(f"{self.name} takes {self.arity} array{'s' * (self.arity != 1)}, got {len(arrays)}")
        if self.params is not None and not params.keys() <= self.params:
            unknown = ", ".join(f"{name}=" for name in params if name not in self.params)
            raise SignatureError(f"{self.name} takes {', '.join(sorted(self.params)) or 'no params'}, got {unknown}")

    def rule(self, index: int) -> Rule | None:
        """The vjp rule of argument number `index`."""
        if callable(self.vjps):
            return self.vjps(index)
        return self.vjps[index] if index < len(self.vjps) else None

    def shows_memory(self, *shapes: tuple[int, ...], **params: Any) -> bool:
        """Whether the result of such a call may be a view of the first argument."""
        return self.view(*shapes, **params) if callable(self.view) else self.view

    def _one_by_one(self, which: Sequence[int], *given: Array, **params: Any) -> list[Array]:
        return [self.rule(index)(*given, **params) for index in which]  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        """Of an operation that is a ufunc of NumPy's what that has: reduce, accumulate, outer, nin, ..."""
        ufunc = self.__dict__.get("ufunc")
        if not isinstance(ufunc, np.ufunc) or name[0] == "_":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(ufunc, name)

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


REGISTRY: dict[str, Primitive] = {}


def _signature(forward: Callable[..., Array]) -> tuple[int, frozenset[str] | None]:
    """How many arrays a function takes by position, and the names of its params: None where it takes any.

    NumPy's own functions take none: what `out=`, `where=` and their like would do, no gradient rule knows.
    """
    forward = inspect.unwrap(forward)
    code = getattr(forward, "__code__", None) or getattr(forward.__call__, "__code__", None)  # type: ignore[operator]
    if code is None:
        return getattr(forward, "nin", 1), frozenset()
    first, last = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
    return first, None if code.co_flags & inspect.CO_VARKEYWORDS else frozenset(code.co_varnames[first:last])


def reads(rule: Rule) -> frozenset[int] | None:
    """Which values a rule looks at: 0 is g, 1 the output, 2 the first argument, ...; None when that cannot be told.

    Read off the rule's own code, so that a write to a value no rule needs is no error and the answer cannot drift.
    """
    rule = inspect.unwrap(rule)
    code = getattr(rule, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    if rule not in _READS:
        loaded: set[str] = set()
        for instruction in dis.get_instructions(rule):
            if "LOAD" in instruction.opname:  # also STORE_FAST_LOAD_FAST
                names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
                loaded.update(name for name in names if isinstance(name, str))
        arguments = code.co_varnames[: code.co_argcount]
        _READS[rule] = frozenset(i for i, name in enumerate(arguments) if name in loaded)
    return _READS[rule]


_READS: dict[Rule, frozenset[int]] = {}


def spec_of(array: Array) -> Spec | type:
    """Shape and dtype of an array; of a Python number its type, which is all that dtype promotion looks at."""
    if isinstance(array, (bool, int, float, complex)) and not isinstance(array, np.generic):
        return type(array)
    return tuple(array.shape), np.dtype(array.dtype)


def shape_of(spec: Spec | type) -> tuple[int, ...]:
    """The shape part of a spec; Python numbers have shape ()."""
    return () if isinstance(spec, type) else spec[0]


def example(spec: Spec | type) -> Array:
    """An array (or Python number) of the spec's dtype and rank, its axes of length one or empty.

    To ask NumPy for the dtype of a result, and for what it refuses whatever the lengths are.
    """
    if isinstance(spec, type):
        return spec(1)
    return np.ones([n and 1 for n in spec[0]], spec[1]) if spec[0] else spec[1].type(1)


def hollow(spec: Spec | type) -> Array:
    """An array of that shape and dtype with a single element in memory, to ask NumPy what a view of it would be."""
    if isinstance(spec, type):
        return spec(1)
    return np.ndarray(spec[0], spec[1], np.zeros((), spec[1]), 0, (0,) * len(spec[0]))


@functools.lru_cache(4096)
def result_dtype(forward: Callable[..., Array], *specs: Spec | type) -> np.dtype[Any]:
    """The dtype that NumPy gives `forward` on arrays of these dtypes; asked once per combination."""
    with np.errstate(all="ignore"):
        return np.asarray(forward(*(example(s) for s in specs))).dtype


def elementwise(
    name: str, forward: Callable[..., Array], vjps: Sequence[Rule | None] = (), *, numpy: str = "", **facts: Any
) -> Primitive:
    """A primitive that works element by element and broadcasts its arguments; a ufunc of NumPy's is written as its call."""

    @functools.lru_cache(1024)
    def shape(*specs: Spec | type) -> Spec:
        return np.broadcast_shapes(*(shape_of(s) for s in specs)), result_dtype(forward, *specs)

    if isinstance(forward, np.ufunc):
        call = f"np.{forward.__name__}({', '.join(f'{{{i}}}' for i in range(forward.nin))})"
        facts, numpy = {"ufunc": forward, **facts}, numpy or call
    return Primitive(name, forward, vjps, kind="elementwise", shape=shape, numpy=numpy, **facts)


def operator(
    name: str, symbol: str, forward: np.ufunc, vjps: Sequence[Rule | None] = (), *, doc: str = "", **facts: Any
) -> Primitive:
    """An elementwise primitive that Python and NumPy write with an operator between its two arguments."""
    facts = {"numpy": f"{{0}} {symbol} {{1}}", "doc": doc or f"a {symbol} b", **facts}
    return elementwise(name, forward, vjps, symbol=symbol, **facts)
