"""Out-of-place writing: ``x.at[key].set(v)`` and ``.add(v)`` are new arrays through which gradients flow."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import ArgumentError
from .ops.elementwise import astype, where
from .ops.shape import broadcast_to, getitem, scatter_add
from .primitive import Array, Box


class At:
    """The elements x[key], to be replaced or added to; made by ``x.at[key]``.

    >>> from autograd import Tensor
    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> x.at[0].set(9.0).data, x.at[[1, 1]].add(5.0).data
    (array([9., 2., 3.]), array([ 1., 12.,  3.]))
    """

    __slots__ = ("_key", "_x")

    def __init__(self, x: Array, key: Any = ...) -> None:
        self._x, self._key = x, key

    def __getitem__(self, key: Any) -> At:
        return At(self._x, key)

    def add(self, value: Array) -> Array:
        """x with `value` added at the key; repeated indices add up."""
        return self._x + self._placed(value)

    def set(self, value: Array) -> Array:
        """x with `value` in place of the elements at the key, each of which must be named once.

        Raises:
            ArgumentError: the key names an element twice, so that which value stays would depend on chance.
        """
        times = scatter_add(np.ones(self._shape()), self._key, self._x.shape)
        if not isinstance(times, Box) and (times > 1).any():
            raise ArgumentError("x.at[key].set(value) needs a key that names each element once; .add(value) may repeat")
        return where(times > 0, self._placed(value), self._x)

    def _placed(self, value: Array) -> Array:
        """Zeros but for the value, cast and broadcast, at the key."""
        value = astype(value if isinstance(value, Box) else np.asarray(value), self._x.dtype)
        return scatter_add(broadcast_to(value, self._shape()), self._key, self._x.shape)

    def _shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = getitem(np.broadcast_to(0, self._x.shape), self._key).shape
        return shape
