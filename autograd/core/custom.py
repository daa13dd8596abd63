"""Operations of the user's own: a forward function and its gradient rules become a primitive like any other."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import ArgumentError
from .primitive import REGISTRY, Array, Primitive, Rule, ShapeRule, Spec
from .source_location import at, here


def primitive(
    forward: Callable[..., Array] | None = None,
    *,
    vjps: Sequence[Rule | None],
    name: str | None = None,
    symbol: str = "",
    shape: ShapeRule | None = None,
) -> Any:
    """Make an operation out of a NumPy function and its gradient rules; a decorator.

    For ``y = forward(a, b, ...)`` rule i gives the vector-Jacobian product ``gᵀ ∂y/∂(argument i)``.  Rules written with
    the functions of this package (or plain operators) can be differentiated again; jvps are derived from them.  The
    operation can be recorded, traced, compiled (`backend="numpy"` calls the forward), mapped by `vmap` (which calls the
    forward row by row), drawn and checked.

    Args:
        forward: takes arrays by position and params by keyword, returns one array of floats; a Python number
            becomes NumPy's.
        vjps: one rule ``rule(g, y, a, b, ..., **params)`` per array argument, None where no gradient flows.
            g has the shape of the output y; what a rule gives is summed to the argument's shape where it was broadcast.
        name: what pictures and listings call it; by default the function's name.
        symbol: how formulas write it, the name by default.
        shape: ``shape(*specs, **params) -> (shape, dtype)`` from the (shape, dtype) of each argument; by default the
            forward function is tried on ones, once per trace.

    Returns:
        The operation, called as the forward function is: arrays by position, params by keyword.

    Raises:
        ArgumentError: the name is one of the package's, or the number of rules or of their arguments is wrong.

    >>> import numpy as np, autograd as ag
    >>> @ag.primitive(vjps=[lambda g, y, x: g * 3 * x**2])
    ... def cube(x):
    ...     return np.power(x, 3)
    >>> float(ag.grad(cube)(2.0)), float(ag.grad(ag.grad(cube))(2.0))
    (12.0, 12.0)
    """
    if forward is None:
        return lambda function: primitive(function, vjps=vjps, name=name, symbol=symbol, shape=shape)
    given = forward
    title = name or str(getattr(given, "__name__", type(given).__name__))
    if title in REGISTRY:
        raise ArgumentError(f"autograd has an operation named {title!r} already: pass another name= to primitive")
    _check_rules(title, given, vjps)
    rules = [rule and _owning(rule) for rule in vjps]
    return unlisted(
        title, _of_numpy(given), rules, shape=shape or _tried(given), symbol=symbol, doc=inspect.getdoc(given) or title
    )


def unlisted(name: str, forward: Callable[..., Array], vjps: Any, **facts: Any) -> Primitive:
    """A primitive outside of the registry, which holds those that the package itself and its backends know."""
    made = Primitive(name, forward, vjps, kind="user", **facts)
    del REGISTRY[name]
    return made


def _of_numpy(forward: Callable[..., Array]) -> Callable[..., Array]:
    """The function with NumPy's numbers as results where it gives Python's, which have neither shape nor dtype."""
    if isinstance(forward, np.ufunc):
        return forward

    @functools.wraps(forward)
    def giving(*arrays: Array, **params: Any) -> Array:
        result = forward(*arrays, **params)
        return np.asarray(result)[()] if isinstance(result, (bool, int, float)) else result

    return giving


def _owning(rule: Rule) -> Rule:
    """The rule with results that nobody else holds: an array handed on as it is would be two owners' gradient."""

    @functools.wraps(rule)
    def owning(*given: Array, **params: Any) -> Array:
        part = rule(*given, **params)
        return part.copy() if type(part) is np.ndarray and part is not given[0] else part

    return owning


def _tried(forward: Callable[..., Array]) -> ShapeRule:
    """The shape rule that asks the forward function itself."""

    def shape(*specs: Spec | type, **params: Any) -> Spec:
        with np.errstate(all="ignore"):
            tried = forward(*(s(1) if isinstance(s, type) else np.ones(*s)[()] for s in specs), **params)
        return np.shape(tried), np.asarray(tried).dtype

    return shape


def _check_rules(name: str, forward: Callable[..., Array], vjps: Sequence[Rule | None]) -> None:
    arrays = _positional(forward)
    if arrays is not None and len(vjps) != arrays:
        raise ArgumentError(
            f"{name} takes {arrays} arrays but has {len(vjps)} rules: pass one per array in vjps=[...], None for "
            "arguments without a gradient, and make params keyword-only (def f(x, *, axis))"
        )
    for index, rule in enumerate(vjps):
        count = _positional(rule) if rule is not None else None
        if count is not None and count != len(vjps) + 2:
            raise ArgumentError(
                f"rule {index} of {name} at {at(here())} takes {count} arguments instead of {len(vjps) + 2}: "
                "the output's cotangent g, the output y, then every array"
            )


def _positional(function: Callable[..., Any]) -> int | None:
    """How many positional arguments a function takes; None where that varies or cannot be told."""
    if isinstance(function, np.ufunc):
        return function.nin  # its signature has `out` too
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
