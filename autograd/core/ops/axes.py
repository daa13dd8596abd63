"""Which axes a call means: the one place where axes and lengths are checked, as NumPy checks them."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from ..errors import AxisError, DTypeError

Axis = int | tuple[int, ...] | None


def whole(value: Any, what: str = "an axis") -> int:
    """An integer of any type, 0-d arrays among them."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise DTypeError(f"{what} must be an integer, got {value!r}") from None


def axis_number(axis: Any, ndim: int) -> int:
    """One axis as a number from 0 to ndim - 1.

    Raises:
        AxisError: there is no such axis.
        DTypeError: it is no integer.
    """
    if type(axis) is not int:
        axis = whole(axis)
    if not -ndim <= axis < ndim:
        usable = f"use -{ndim}..{ndim - 1}" if ndim else "a single number has none"
        raise AxisError(f"axis {axis} is not valid for an array with {ndim} axes: {usable}")
    return cast(int, axis % ndim)


def axis_numbers(axis: Any, ndim: int, repeated: bool = False) -> tuple[int, ...]:
    """One axis or several, in the order given, each once unless they may be repeated."""
    several = isinstance(axis, Iterable) and getattr(axis, "ndim", 1) > 0
    numbers = tuple([axis_number(a, ndim) for a in axis]) if several else (axis_number(axis, ndim),)
    if not repeated and len(set(numbers)) < len(numbers):
        raise AxisError(f"axis {axis} names an axis of an array with {ndim} axes twice")
    return numbers


def normal_axis(axis: Axis, ndim: int) -> tuple[int, ...] | None:
    """Axes to reduce over as a sorted tuple; None (all axes) stays None."""
    if type(axis) is int and -ndim <= axis < ndim:
        return (axis % ndim,)
    return None if axis is None else tuple(sorted(axis_numbers(axis, ndim)))


def reduced_axis(axis: Axis, ndim: int) -> tuple[int, ...] | None:
    """The same where NumPy takes a single number for a vector: its axis 0 or -1 is none at all."""
    if ndim == 0 and axis is not None and not isinstance(axis, (tuple, list)) and whole(axis) in (0, -1):
        return ()
    return normal_axis(axis, ndim)


def lengths(shape: Any) -> tuple[int, ...]:
    """A shape, of one length or several, as a tuple of integers."""
    if isinstance(shape, (int, np.integer)) or getattr(shape, "ndim", None) == 0:
        return (whole(shape, "a length"),)
    if not isinstance(shape, Iterable):
        raise DTypeError(f"a shape is an integer or several, got {shape!r}")
    return tuple([n if type(n) is int else whole(n, "a length") for n in shape])
