"""Which arrays become the values of tensors: plain ones of numbers, in the machine's byte order.

Arrays that are more, or other, than numbers are refused, since their masks, fields and operators would be lost on the way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError

_INSTEAD = (
    (np.ma.MaskedArray, "a masked array, whose mask would be lost: use x.filled(...), or leave elements out"),
    (np.matrix, "a matrix, whose operators are others than those of arrays: use np.asarray(x)"),
    (np.recarray, "an array of records: use np.asarray of one of its fields"),
)


def check_array(array: np.ndarray[Any, Any], what: str = "this") -> None:
    """Refuse subclasses of ndarray other than memory maps, and elements that are no numbers.

    Raises:
        DTypeError: says what it is, and what to write instead.
    """
    kind = type(array)
    if kind is not np.ndarray and kind is not np.memmap:
        for known, instead in _INSTEAD:
            if isinstance(array, known):
                raise DTypeError(f"{what} is {instead}")
        raise DTypeError(f"{what} is a {kind.__name__}, of which only the numbers would be kept: use np.asarray(x)")
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"{what} is an array of {array.dtype}, not of numbers: use x.astype(float), or one field")


def check_all(values: Any, what: str = "this") -> Any:
    """The values, none of which is such an array; sequences are looked into, one level deep."""
    for value in (values, *values) if isinstance(values, (list, tuple)) else (values,):
        if isinstance(value, np.ndarray):
            check_array(value, what)
    return values


def in_own_order(array: Any) -> Any:
    """An array with its bytes in the machine's order, as all values of tensors have them; anything else as it is."""
    if type(array) is np.ndarray and not array.dtype.isnative:
        return array.astype(array.dtype.newbyteorder("="))
    return array


def numbers(values: Any, what: str = "an argument") -> Any:
    """The values as an array of exactly NumPy's type, in the machine's order."""
    return in_own_order(np.asarray(check_all(values, what)))


def operand(x: Any) -> Any:
    """The same of an array beside tensors in an operation; numbers and all else as they are."""
    odd = not (x.dtype.isnative and x.dtype.kind in "biufc") if type(x) is np.ndarray else isinstance(x, np.ndarray)
    return numbers(x, "an operand") if odd else x
