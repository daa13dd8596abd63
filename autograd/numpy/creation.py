"""Arrays out of lists that may hold Tensors; everything else goes to NumPy."""

from __future__ import annotations

from typing import Any

import numpy

from ..core.conversions import as_array
from ..core.ops.elementwise import cast
from ..core.primitive import Array, Box
from ..functions.movement import broadcast_to, moved, reshape
from ..functions.protocols import plain

__all__ = [
    "array",
    "asanyarray",
    "asarray",
    "asarray_chkfinite",
    "ascontiguousarray",
    "asfortranarray",
    "c_",
    "full",
    "r_",
]


def _has_box(x: Any) -> bool:
    return isinstance(x, Box) or (isinstance(x, (list, tuple)) and any(map(_has_box, x)))


def array(object: Any, dtype: Any = None, *, ndmin: int = 0, **params: Any) -> Array:
    """An array of nested lists, recorded where there are Tensors among them.

    >>> import autograd.numpy as np
    >>> from autograd import Tensor
    >>> np.array([[Tensor(1.0), 2.0], [3.0, Tensor(4.0)]]).shape
    (2, 2)
    """
    if not _has_box(object):
        return numpy.array(object, dtype, ndmin=ndmin, **params)
    made = as_array(object)
    if made.ndim < ndmin:
        made = reshape(made, (*(1,) * (ndmin - made.ndim), *made.shape))
    return made if dtype is None else cast(made, dtype)


def asarray(a: Any, dtype: Any = None, **params: Any) -> Array:
    """The argument itself where it is an array or a Tensor, else `array` of it."""
    return array(a, dtype) if _has_box(a) else numpy.asarray(a, dtype, **params)


def asanyarray(a: Any, dtype: Any = None, **params: Any) -> Array:
    """As `asarray`, letting subclasses of ndarray through."""
    return array(a, dtype) if _has_box(a) else numpy.asanyarray(a, dtype, **params)


def ascontiguousarray(a: Any, dtype: Any = None, **params: Any) -> Array:
    """As `asarray`; how a Tensor's elements lie in memory makes no difference."""
    return array(a, dtype, ndmin=1) if _has_box(a) else numpy.ascontiguousarray(a, dtype, **params)


def asfortranarray(a: Any, dtype: Any = None, **params: Any) -> Array:
    """As `asarray`; how a Tensor's elements lie in memory makes no difference."""
    return array(a, dtype, ndmin=1) if _has_box(a) else numpy.asfortranarray(a, dtype, **params)


def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Array:
    """As `asarray`, with a check for nan and inf that looks at the values."""
    if _has_box(a):
        numpy.asarray_chkfinite(plain(array(a)))
        return array(a, dtype)
    return numpy.asarray_chkfinite(a, dtype, order)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C", **params: Any) -> Array:
    """An array of one value, or of a row of values over and over; recorded where that is a Tensor.

    >>> import autograd.numpy as np
    >>> from autograd import Tensor
    >>> np.full(2, Tensor(3.0)).data
    array([3., 3.])
    """
    if not _has_box(fill_value):
        numpys: Any = numpy.full
        return numpys(shape, fill_value, dtype, order, **params)
    value = as_array(fill_value)
    return broadcast_to(value if dtype is None else cast(value, dtype), shape)


class _Joined:
    """``r_[a, 0, b]`` and ``c_[a, b]``, with Tensors among what is joined."""

    def __init__(self, numpys: Any) -> None:
        self._numpys = numpys

    def __getitem__(self, key: Any) -> Any:
        parts = key if isinstance(key, tuple) else (key,)
        if not _has_box(parts):
            return self._numpys[key]
        arrays = [as_array(self._numpys[p] if isinstance(p, slice) else p) for p in parts if not isinstance(p, str)]

        def joined(*numbers: Any) -> Any:
            left = iter(numbers)
            return self._numpys[tuple(part if isinstance(part, str) else next(left) for part in parts)]

        return moved(joined, *arrays)

    def __len__(self) -> int:
        return 0


r_, c_ = _Joined(numpy.r_), _Joined(numpy.c_)
