"""NumPy's protocols: what ``np.sum(t)``, ``np.add(array, t)`` and their like mean when a Tensor or Tracer is given.

NumPy asks the argument (``__array_function__``, ``__array_ufunc__``) and gets the function of that name made of our own
operations, which stand in `autograd.functions`.  What is not there is refused with the reason and what to write instead:
nothing is ever computed on an array of objects, or behind the tape's back.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, AxisError, DTypeError, InplaceError, OutOfBoundsError
from ..core.ops import elementwise, shape
from ..core.primitive import REGISTRY, Array, Box, Primitive
from ..core.subclasses import check_all

Function = TypeVar("Function", bound=Callable[..., Any])


class Override(NamedTuple):
    """A function in NumPy's stead: the public one, and what it does once a Tensor or Tracer is known to be given."""

    call: Callable[..., Any]
    answer: Callable[..., Any]
    values: bool = False  # only looks at the values: integers, truths or text


OVERRIDES: dict[str, Override] = {}  # by NumPy's name: "sum", "linalg.norm"
MISSING: dict[str, str] = {}  # why a function is not there, and what to write instead
UFUNC_METHODS: dict[tuple[Any, str], Callable[..., Array]] = {}  # (numpy.add, "reduce"): sum
_FUNCTIONS: dict[Any, Override] = {p.ufunc: Override(p, p) for p in REGISTRY.values() if p.ufunc is not None}
_NAMES: dict[Any, str] = {}

# Params about speed, whatever is said of which the result is the same.
_IDLE = frozenset(("copy", "optimize", "kind", "stable", "overwrite_input"))
_UFUNC_NAMES = [name for name in dir(np.exp) if name[0] != "_"]


def named(name: str) -> Any:
    """NumPy's function of that dotted name; None in a version that does not have it."""
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def implements(*names: str) -> Callable[[Function], Function]:
    """Make a function the one for these names of NumPy's: its own for plain arrays, this one where a Tensor is given.

    What only NumPy's takes is refused by name, unless it is NumPy's default; so is `out`, which the function lists where
    NumPy takes it by position.
    """

    def add(function: Function) -> Function:
        override = Override(function, function) if isinstance(function, Primitive) else _overriding(names[0], function)
        for name in names:
            OVERRIDES[name] = override
            target = named(name)
            if target is not None:
                _FUNCTIONS[target] = override
        return override.call  # type: ignore[return-value]

    return add


def _overriding(name: str, function: Callable[..., Any]) -> Override:
    numpys = named(name)
    check = _Check(name, function, numpys)

    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        if kwargs or len(args) > 1:
            kwargs = check(args, kwargs)
        try:
            return function(*args, **kwargs)
        except (ValueError, TypeError, IndexError) as error:
            raise _own(error, name) from error

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if (
            (args and isinstance(args[0], Box))
            or numpys is None
            or _given(args)
            or (kwargs and _given(kwargs.values()))
        ):
            return answer(*args, **kwargs)
        return numpys(*args, **kwargs)

    if isinstance(numpys, np.ufunc):
        call.__dict__.update({part: getattr(numpys, part) for part in _UFUNC_NAMES})
    return Override(call, answer)


def _given(values: Iterable[Any]) -> bool:
    """Whether there is a Tensor or Tracer among the values, or in lists among them."""
    return any(isinstance(x, Box) or (isinstance(x, (list, tuple)) and _given(x)) for x in values)


class _Check:
    """Refuses by name what only NumPy's function takes, unless it is its default, and arrays that are more than numbers."""

    def __init__(self, name: str, function: Callable[..., Any], numpys: Any) -> None:
        own = inspect.signature(function).parameters
        self.name, self.refused = name, {"out": None}
        self.anything = any(p.kind is p.VAR_KEYWORD for p in own.values())
        positional = [p.name for p in own.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        listed = [name for name in ("out", "order") if name in own and own[name].default is None]
        self.places = [(positional.index(name), name) for name in listed if name in positional]
        self.refused |= dict.fromkeys(listed)
        self.dropped = set() if self.anything else _IDLE - own.keys()
        if not self.anything:
            theirs = _parameters(numpys)
            self.refused |= {p.name: p.default for p in theirs if p.name not in own and p.name not in _IDLE}
            self.dropped |= self.refused.keys() - own.keys()

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        for value in (*args, *kwargs.values()):
            check_all(value, f"an argument of numpy.{self.name}")
        for place, key in self.places:
            if len(args) > place and args[place] is not None:
                raise self.refusal(key, args[place])
        for key, default in self.refused.items() if kwargs else ():
            value = kwargs.get(key, default)
            if value is not default and not (isinstance(value, (str, bool)) and value == default):
                raise self.refusal(key, value)
        return {key: value for key, value in kwargs.items() if key not in self.dropped}

    def refusal(self, key: str, value: Any) -> Exception:
        if key == "out":
            return DTypeError(_no_out(self.name))
        return DTypeError(
            f"numpy.{self.name} takes no {key}={value!r} of Tensors: leave it out, or use x.numpy() to leave the graph"
        )


def _parameters(numpys: Any) -> list[inspect.Parameter]:
    """What a function takes by keyword; none where it is written in C and this version of NumPy does not say."""
    if isinstance(numpys, np.ufunc) or numpys is None:
        return []
    try:
        given = inspect.signature(numpys).parameters.values()
    except ValueError:
        return []
    return [p for p in given if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def ours(numpys: Any) -> Any:
    """The public function for one of NumPy's, whatever name it was found under; anything else as it is."""
    override = _FUNCTIONS.get(numpys) if callable(numpys) else None
    return numpys if override is None else override.call


def refuses(reason: str, names: str, prefix: str = "") -> None:
    """Say why there is no such function of Tensors."""
    for name in names.split():
        MISSING[prefix + name] = reason
        if (target := named(prefix + name)) is not None and target not in _NAMES:
            _NAMES[target] = prefix + name


def as_double(x: Any) -> Array:
    """The argument of a function that NumPy has for float64 only."""
    x = as_array(x)
    if not np.can_cast(x.dtype, float):
        raise DTypeError(f"this function is one of float64, which {x.dtype} does not fit: use .astype(float)")
    return elementwise.cast(x, float)


def plain(x: Any, what: str = "a function of its values") -> Any:
    """The arrays themselves in place of Tensors, in lists and tuples too; `what` wants them."""
    if isinstance(x, Box):
        return np.array(x._concrete(what))  # type: ignore[attr-defined]
    return type(x)(plain(part, what) for part in x) if type(x) in (list, tuple) else x


def answers_plainly(names: str) -> None:
    """Functions that answer in integers, truths or text: they see the values, and no gradient is lost."""
    for name in names.split():
        function = named(name)
        OVERRIDES[name] = override = _plainly(function)
        if function is not None:
            _FUNCTIONS[function] = override


def _plainly(function: Callable[..., Any]) -> Override:
    @functools.wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Any:
        what = f"numpy.{_name(function)}"
        return function(*[plain(arg, what) for arg in args], **{name: plain(x, what) for name, x in kwargs.items()})

    answer.__doc__ = "the values are looked at, no gradient"
    return Override(answer, answer, values=True)


# ----- functions -----
def array_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What NumPy's function gives for arguments with a Tensor or Tracer among them.

    Raises:
        DTypeError: there is no such function of Tensors, or it does not take one of the params.
        InplaceError: the function writes into its argument.
    """
    override = _FUNCTIONS.get(function)
    if override is None:
        raise _refusal(function)
    return override.answer(*args, **kwargs)


_OWN = (
    (np.exceptions.AxisError, AxisError),
    (np.linalg.LinAlgError, ArgumentError),
    (IndexError, OutOfBoundsError),
    (TypeError, DTypeError),
    (ValueError, ArgumentError),
)


def _own(error: Exception, name: str) -> Exception:
    """NumPy's and Python's complaints in our words; ours, and those of functions that the caller passed, as they are."""
    if type(error).__module__.split(".")[0] not in ("builtins", "numpy"):
        return error
    return next(ours for kind, ours in _OWN if isinstance(error, kind))(f"numpy.{name}: {error}")


def _name(function: Any) -> str:
    return _NAMES.get(function) or str(getattr(function, "__name__", function))


def _no_out(name: str) -> str:
    return (
        f"numpy.{name} cannot write into out= when a Tensor is among its arguments, since what is recorded must stay as "
        "it is: use the result, x = f(...)"
    )


def _refusal(function: Any) -> Exception:
    name = _name(function)
    reason = MISSING.get(
        name, "it has no gradient here: use functions of autograd, or autograd.primitive to make it one"
    )
    kind = InplaceError if reason.startswith("writes into") else DTypeError
    whose = "numpy." if name in MISSING or named(name) is function else ""
    return kind(f"{whose}{name} of a Tensor: {reason}, or x.numpy() to leave the graph")


# ----- ufuncs -----
_UFUNC_DEFAULTS = {"where": True, "casting": "same_kind", "order": "K", "subok": True}


def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a ufunc, or its reduce, accumulate or outer, gives for inputs with a Tensor or Tracer among them.

    Raises:
        DTypeError: no such operation, or it is told to write into ``out=`` or to leave elements out by ``where=``.
    """
    name = ufunc.__name__
    if ufunc not in _FUNCTIONS:
        raise _refusal(ufunc)
    function = _FUNCTIONS[ufunc].answer
    check_all(inputs, f"an argument of numpy.{name}")
    if kwargs.get("out") is not None:
        raise DTypeError(_no_out(name if method == "__call__" else f"{name}.{method}"))
    if method == "__call__":
        dtype = kwargs.pop("dtype", None)
        refused = [key for key, value in kwargs.items() if value is not _UFUNC_DEFAULTS.get(key) and key != "out"]
        if refused:
            raise DTypeError(
                f"numpy.{name} takes no {', '.join(refused)} here: use autograd.where(mask, f(x), other) for where=, "
                "or x.numpy() to leave the graph"
            )
        arrays: Sequence[Array] = inputs if dtype is None else [elementwise.cast(as_array(x), dtype) for x in inputs]
        try:
            return function(*arrays)
        except (ValueError, TypeError, IndexError) as error:
            raise _own(error, name) from error
    if method == "outer" and not kwargs:
        a, b = map(as_array, inputs)
        return function(shape.reshape_p(a, shape=(*np.shape(a), *(1,) * np.ndim(b))), b)
    target = UFUNC_METHODS.get((ufunc, method))
    if target is None:
        raise DTypeError(
            f"numpy.{name}.{method} has no gradient here: use autograd's functions (sum, prod, max, min, cumsum, x.at), "
            "or x.numpy() to leave the graph"
        )
    if "axis" not in kwargs and len(inputs) < 2:
        kwargs["axis"] = 0  # a ufunc's methods go along the first axis where functions take all
    if method == "accumulate" and np.ndim(inputs[0]) > 1 and None in (kwargs.get("axis", 0), *inputs[1:2]):
        raise AxisError(f"numpy.{name}.accumulate goes along one axis, got axis None for shape {np.shape(inputs[0])}")
    if method == "accumulate" and np.ndim(inputs[0]) == 0:
        raise AxisError(f"numpy.{name}.accumulate goes along an axis, which a single number does not have")
    return target(*inputs, **kwargs)
