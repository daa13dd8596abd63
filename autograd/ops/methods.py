"""Operators and methods that every box of an array has (Tensor, Tracer): one name each, bound to the function."""

from __future__ import annotations

from typing import Any

from ..primitive import Array, Box
from . import composite, elementwise, linalg, reduce, shape


class ArrayMethods(Box):
    """ndarray's operators and methods on top of the primitives; NumPy arrays on the left give way to them."""

    __slots__ = ()

    def __add__(self, other: Array) -> Array:
        return elementwise.add(self, other)

    def __radd__(self, other: Array) -> Array:
        return elementwise.add(other, self)

    def __sub__(self, other: Array) -> Array:
        return elementwise.sub(self, other)

    def __rsub__(self, other: Array) -> Array:
        return elementwise.sub(other, self)

    def __mul__(self, other: Array) -> Array:
        return elementwise.mul(self, other)

    def __rmul__(self, other: Array) -> Array:
        return elementwise.mul(other, self)

    def __truediv__(self, other: Array) -> Array:
        return elementwise.div(self, other)

    def __rtruediv__(self, other: Array) -> Array:
        return elementwise.div(other, self)

    def __floordiv__(self, other: Array) -> Array:
        return elementwise.floor_divide(self, other)

    def __rfloordiv__(self, other: Array) -> Array:
        return elementwise.floor_divide(other, self)

    def __mod__(self, other: Array) -> Array:
        return elementwise.mod(self, other)

    def __rmod__(self, other: Array) -> Array:
        return elementwise.mod(other, self)

    def __pow__(self, other: Array) -> Array:
        return elementwise.power(self, other)

    def __rpow__(self, other: Array) -> Array:
        return elementwise.power(other, self)

    def __matmul__(self, other: Array) -> Array:
        return linalg.matmul(self, other)

    def __rmatmul__(self, other: Array) -> Array:
        return linalg.matmul(other, self)

    def __neg__(self) -> Array:
        return elementwise.neg(self)

    def __pos__(self) -> Array:
        return self

    def __abs__(self) -> Array:
        return elementwise.abs_p(self)

    def __eq__(self, other: object) -> Array:
        return elementwise.equal(self, other)

    def __ne__(self, other: object) -> Array:
        return elementwise.not_equal(self, other)

    def __lt__(self, other: Array) -> Array:
        return elementwise.less(self, other)

    def __le__(self, other: Array) -> Array:
        return elementwise.less_equal(self, other)

    def __gt__(self, other: Array) -> Array:
        return elementwise.greater(self, other)

    def __ge__(self, other: Array) -> Array:
        return elementwise.greater_equal(self, other)

    def __and__(self, other: Array) -> Array:
        return elementwise.logical_and(self, other)

    def __or__(self, other: Array) -> Array:
        return elementwise.logical_or(self, other)

    def __invert__(self) -> Array:
        return elementwise.logical_not(self)

    __hash__ = object.__hash__  # by identity: == compares elements

    def __getitem__(self, key: Any) -> Array:
        return shape.getitem(self, key)

    @property
    def T(self) -> Array:
        """The array with its axes reversed."""
        return shape.transpose(self)

    def transpose(self, *axes: Any) -> Array:
        """Axes reversed, or in the given order."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None
        return shape.transpose(self, order)

    def flatten(self) -> Array:
        """All elements in one axis."""
        return shape.reshape(self, (-1,))


_METHODS = {
    elementwise: "exp log sqrt sin cos tanh sigmoid relu clip astype",
    reduce: "sum prod max min cumsum argmax argmin",
    composite: "mean var std softmax log_softmax dot norm",
    shape: "reshape squeeze swapaxes diagonal",
}
for _family, _names in _METHODS.items():
    for _name in _names.split():
        _function = getattr(_family, _name)

        def _method(self: Any, *args: Any, _function: Any = _function, **kwargs: Any) -> Array:
            return _function(self, *args, **kwargs)

        _method.__name__, _method.__doc__ = _name, _function.__doc__
        setattr(ArrayMethods, _name, _method)
