"""What functions give to Tensors and Tracers: methods of their names, ``x.at``, and the answer to NumPy's functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.array_methods import ArrayMethods
from ..core.errors import DTypeError, InplaceError, ShapeError
from ..core.ops.elementwise import cast
from ..core.primitive import REGISTRY, Array, Primitive
from . import activations, elementwise, linalg, movement, norms, reductions, statistics
from .at import At
from .protocols import array_function, array_ufunc

# Methods that arrays have, with NumPy's params, and that are functions of the array here.
_OF_ARRAYS = (
    (reductions, "sum prod max min mean var std all any ptp argmax argmin cumsum cumprod"),
    (movement, "ravel swapaxes squeeze repeat take diagonal trace"),
    (elementwise, "round choose"),
    (statistics, "argsort argpartition"),
    (linalg, "dot"),
    (norms, "norm"),
    (activations, "softmax log_softmax"),
)
_OF_ONE = "exp log sqrt sin cos tanh sigmoid relu"


def _method(primitive: Primitive) -> Any:
    def method(self: Any) -> Array:
        return primitive(self)

    method.__name__, method.__doc__ = primitive.name, primitive.__doc__
    return method


class _Methods:
    """Methods whose params are not those of the function of that name."""

    def reshape(self: Any, *shape: Any, order: str = "C", copy: bool | None = None) -> Array:
        """The same elements in another shape; one length may be -1 and is then worked out."""
        return movement.reshape(self, shape[0] if len(shape) == 1 else shape, order, copy=copy)

    def transpose(self: Any, *axes: Any) -> Array:
        """Axes in the given order; reversed by default: transpose(0, 1) of a matrix is the matrix itself, as in NumPy.

        Raises:
            ShapeError: not every axis is named.
        """
        if len(axes) == 2 and self.ndim > 2 and all(isinstance(axis, (int, np.integer)) for axis in axes):
            first, second = axes
            raise ShapeError(
                f"transpose of shape {self.shape} takes all {self.ndim} axes in their new order; "
                f"write swapaxes({first}, {second}) to exchange two"
            )
        return movement.transpose(self, axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or None)

    def flatten(self: Any, order: str = "C") -> Array:
        """All elements in one axis."""
        return movement.ravel(self, order)

    def astype(
        self: Any, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True
    ) -> Array:
        """Cast to a dtype; the gradient is cast back (none flows through integers and bools)."""
        if order != "K" or subok is not True:
            raise DTypeError("astype takes no order and no subok of tensors: leave them out, or use x.numpy()")
        if not np.can_cast(self.dtype, dtype, casting):  # type: ignore[arg-type]
            raise DTypeError(f"{self.dtype} is not cast to {np.dtype(dtype)} by casting={casting!r}")
        return cast(self, dtype)

    def clip(self: Any, min: Any = None, max: Any = None, out: None = None) -> Array:
        """Within the bounds, either of which may be left out."""
        return elementwise.clip(self, min, max, out)

    def conjugate(self: Any) -> Array:
        """The array itself: it is real (`numpy.conjugate` makes int8 of bools, arrays keep them)."""
        return elementwise.real(self).kept()

    def compress(self: Any, condition: Any, axis: int | None = None, out: None = None) -> Array:
        """The slices along an axis where the condition, a vector, holds; the condition is looked at."""
        return movement.compress(condition, self, axis, out)

    def nonzero(self: Any) -> Any:
        """Positions of the elements that are not 0, one plain array per axis; the values are looked at."""
        return np.nonzero(self)

    def searchsorted(self: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
        """Where values belong in this sorted vector; the values are looked at."""
        return np.searchsorted(self, v, side, sorter)


for _family, _names in _OF_ARRAYS:
    for _name in _names.split():
        setattr(ArrayMethods, _name, getattr(_family, _name))
for _name in _OF_ONE.split():
    setattr(ArrayMethods, _name, _method(REGISTRY[_name]))
for _name, _function in vars(_Methods).items():
    if _name[:1] != "_":
        setattr(ArrayMethods, _name, _function)
ArrayMethods.conj = ArrayMethods.conjugate  # type: ignore[attr-defined]


def _at(self: Any) -> At:
    """Out-of-place writing with gradients: ``x.at[i].set(v)``, ``x.at[i].add(v)``."""
    return At(self)


def _array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    try:
        return array_ufunc(ufunc, method, inputs, kwargs)
    except (DTypeError, InplaceError) as error:
        raise self.refused(error) from error


def _array_function(self: Any, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return array_function(function, args, kwargs)
    except (DTypeError, InplaceError) as error:
        raise self.refused(error) from error


_boxes: Any = ArrayMethods
_boxes.at = property(_at)
_boxes.__array_ufunc__ = _array_ufunc
_boxes.__array_function__ = _array_function
