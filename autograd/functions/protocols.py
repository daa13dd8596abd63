"""NumPy's protocols: what ``np.sum(t)``, ``np.add(array, t)`` and their like mean when a Tensor or Tracer is given.

NumPy asks the argument (``__array_function__``, ``__array_ufunc__``) and gets the function of that name made of our own
operations, which stand in `autograd.functions`.  What is not there is refused with the reason and what to write instead:
nothing is ever computed on an array of objects, or behind the tape's back.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, AxisError, DTypeError, InplaceError, OutOfBoundsError
from ..core.ops import elementwise, shape
from ..core.primitive import REGISTRY, Array, Box
from ..core.subclasses import check_all

Function = TypeVar("Function", bound=Callable[..., Any])


class Override(NamedTuple):
    """A function in NumPy's stead: what it is called with, and where `out` stands among its arguments."""

    call: Callable[..., Any]
    names: frozenset[str]
    anything: bool  # takes other keywords too
    out: int


OVERRIDES: dict[str, Override] = {}  # by NumPy's name: "sum", "linalg.norm"
MISSING: dict[str, str] = {}  # why a function is not there, and what to write instead
_FUNCTIONS: dict[Any, Override] = {}
_NAMES: dict[Any, str] = {}
_UFUNCS: dict[Any, Callable[..., Array]] = {p.ufunc: p for p in REGISTRY.values() if p.ufunc is not None}

# Settings about memory and speed, which a result made of recorded operations does not have.
_IDLE = frozenset(("order", "subok", "copy", "casting", "device", "optimize", "kind", "stable", "overwrite_input"))


def named(name: str) -> Any:
    """NumPy's function of that dotted name; None in a version that does not have it."""
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def implements(*names: str) -> Callable[[Function], Function]:
    """Say that a function is what NumPy's of these names does to Tensors."""

    def add(function: Function) -> Function:
        code = getattr(function, "__code__", None)  # (a primitive takes arrays and nothing else)
        places = code.co_varnames[: code.co_argcount] if code else ()
        keywords = frozenset(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if code else ())
        anything = bool(code and code.co_flags & inspect.CO_VARKEYWORDS)
        out = places.index("out") if "out" in places else sys.maxsize
        for name in names:
            OVERRIDES[name] = override = Override(function, keywords, anything, out)
            target = named(name)
            if isinstance(target, np.ufunc):
                _UFUNCS[target] = function
            elif target is not None:
                _FUNCTIONS[target] = override
        return function

    return add


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
    return elementwise.astype(x, float)


def plain(x: Any, what: str = "a function of its values") -> Any:
    """The arrays themselves in place of Tensors, in lists and tuples too; `what` wants them."""
    if isinstance(x, Box):
        return np.array(x._concrete(what))  # type: ignore[attr-defined]
    return type(x)(plain(part, what) for part in x) if type(x) in (list, tuple) else x


def answers_plainly(names: str) -> None:
    """Functions that answer in integers, truths or text: they see the values, and no gradient is lost."""
    for name in names.split():
        implements(name)(_plainly(named(name)))


def _plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        what = f"numpy.{_name(function)}"
        return function(*[plain(arg, what) for arg in args], **{name: plain(x, what) for name, x in kwargs.items()})

    answer.__doc__ = "the values are looked at, no gradient"
    return answer


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
    if kwargs.get("out") is not None or (len(args) > override.out and args[override.out] is not None):
        raise DTypeError(_no_out(_name(function)))
    if kwargs and not override.anything:
        unknown = [k for k in kwargs if k not in override.names and k not in _IDLE and kwargs[k] is not None]
        if unknown:
            raise DTypeError(
                f"numpy.{_name(function)} takes no {', '.join(unknown)} here: leave it out, "
                "or use x.numpy() to leave the graph"
            )
        kwargs = {k: value for k, value in kwargs.items() if k in override.names}
    for value in (*args, *kwargs.values()):
        check_all(value, f"an argument of numpy.{_name(function)}")
    try:
        return override.call(*args, **kwargs)
    except (ValueError, TypeError, IndexError) as error:
        raise _own(error, _name(function)) from error


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
def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a ufunc, or its reduce, accumulate or outer, gives for inputs with a Tensor or Tracer among them.

    Raises:
        DTypeError: no such operation, or it is told to write into ``out=`` or to leave elements out by ``where=``.
    """
    name = ufunc.__name__
    function = _UFUNCS.get(ufunc)
    if function is None:
        raise _refusal(ufunc)
    check_all(inputs, f"an argument of numpy.{name}")
    if kwargs.get("out") is not None:
        raise DTypeError(_no_out(name if method == "__call__" else f"{name}.{method}"))
    if method == "__call__":
        dtype = kwargs.pop("dtype", None)
        if kwargs:
            raise DTypeError(
                f"numpy.{name} takes no {', '.join(kwargs)} here: use autograd.where(mask, f(x), other) for where=, "
                "or x.numpy() to leave the graph"
            )
        arrays: Sequence[Array] = inputs if dtype is None else [elementwise.astype(as_array(x), dtype) for x in inputs]
        try:
            return function(*arrays)
        except (ValueError, TypeError, IndexError) as error:
            raise _own(error, name) from error
    if method == "outer" and not kwargs:
        a, b = map(as_array, inputs)
        return function(shape.reshape(a, (*np.shape(a), *(1,) * np.ndim(b))), b)
    target = _REDUCTIONS.get((ufunc, method))
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
    return array_function(target, inputs, kwargs)


_REDUCTIONS: dict[tuple[Any, str], Any] = {
    (np.add, "reduce"): np.sum,
    (np.multiply, "reduce"): np.prod,
    (np.maximum, "reduce"): np.max,
    (np.minimum, "reduce"): np.min,
    (np.logical_and, "reduce"): np.all,
    (np.logical_or, "reduce"): np.any,
    (np.add, "accumulate"): np.cumsum,
    (np.multiply, "accumulate"): np.cumprod,
}
