"""Out-of-place writing: ``x.at[key].set(v)`` and ``.add(v)`` are new arrays through which gradients flow."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import DTypeError
from ..core.ops.axes import lengths
from ..core.ops.elementwise import cast, where
from ..core.ops.shape import ARRAY, getitem, getitem_p, scatter_add_p, split_index
from ..core.primitive import Array, Box
from ..core.subclasses import numbers
from .movement import broadcast_to, concatenate, reshape


def scatter_add(x: Array, key: Any, shape: Any) -> Array:
    """Zeros of a shape into which x is added at [key]: the adjoint of indexing; repeated indices add up."""
    goal = lengths(shape)
    template, arrays, wide = split_index(key, goal)
    found = scatter_add_p(x, *arrays, index=template, shape=wide)
    return found if wide == goal else reshape(found, goal)


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
        """x with `value` added at the key; where an element is named several times, the values add up.

        Raises:
            DTypeError: the value is of a kind that the dtype of x cannot hold.
            ShapeError: the value does not broadcast to what x[key] has.
        """
        return self._x + scatter_add(self._fitted(value), self._key, self._x.shape)

    def set(self, value: Array) -> Array:
        """x with `value` in place of the elements at the key; of several values for one element the last stays.

        Raises:
            DTypeError: the value is of a kind that the dtype of x cannot hold.
            ShapeError: the value does not broadcast to what x[key] has.
        """
        x, value = self._x, self._fitted(value)
        last = self._last()
        if last is not None:
            value = where(last, value, cast(0, x.dtype))
        named = scatter_add(np.ones(self._shape()), self._key, x.shape)
        return where(named > 0, scatter_add(value, self._key, x.shape), x)

    def _fitted(self, value: Array) -> Array:
        """The value, cast and broadcast to the elements at the key."""
        value, dtype = value if isinstance(value, Box) else numbers(value), self._x.dtype
        if not np.can_cast(value.dtype, dtype, "same_kind"):
            raise DTypeError(f"cannot put {value.dtype} into an array of {dtype}: use .astype({dtype}) first")
        return broadcast_to(cast(value, dtype), self._shape())

    def _shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = getitem(np.broadcast_to(0, self._x.shape), self._key).shape
        return shape

    def _last(self) -> Array | None:
        """Which of the values named at the key come last for their element; None where each is named once.

        Only index arrays can repeat themselves, so the axes of slices and numbers count as one element each.  Sorted by
        element, in the order in which they stand, the last of equal ones is the one that another follows.
        """
        template, arrays, shape = split_index(self._key, self._x.shape)
        arrays = [a if getattr(a, "traced", False) else np.asarray(a) for a in arrays]
        if all(a.size < 2 for a in arrays):
            return None
        numbers, parts = _numbered(template, shape)
        places = getitem_p(numbers, *arrays, index=parts)
        flat = reshape(places, (-1,))
        order = np.argsort(flat, kind="stable")
        found = getitem(flat, order)
        followed = found[1:] != found[:-1]
        last = getitem(concatenate((followed, np.ones(1, bool))), np.argsort(order))
        if not isinstance(last, Box) and last.all():
            return None
        return reshape(last, places.shape)


def _numbered(template: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Array, tuple[Any, ...]]:
    """Numbers of the elements along the axes that index arrays count along, and the index without its other parts."""
    axes = sum(part is not None and part is not Ellipsis for part in template)
    kept: list[int] = []
    parts: list[Any] = []
    for part in template:
        if part == ARRAY:
            kept.append(shape[len(kept)])
        elif part is not None:
            kept += [1] * (len(shape) - axes if part is Ellipsis else 1)
        parts.append(slice(None) if isinstance(part, slice) else 0 if isinstance(part, int) else part)
    kept += [1] * (len(shape) - len(kept))
    return np.arange(math.prod(kept)).reshape(kept), tuple(parts)
