"""What functions give to Tensors and Tracers: methods of their names, ``x.at``, and the answer to NumPy's functions."""

from __future__ import annotations

from typing import Any

from ..core.array_methods import ArrayMethods
from ..core.errors import DTypeError, InplaceError
from ..core.ops import elementwise, reduce, shape
from ..core.primitive import Array
from . import composite, norms
from .at import At
from .protocols import array_function, array_ufunc

_METHODS = {
    elementwise: "exp log sqrt sin cos tanh sigmoid relu clip astype",
    reduce: "sum prod max min cumsum argmax argmin",
    composite: "mean var std softmax log_softmax dot",
    norms: "norm",
    shape: "reshape squeeze swapaxes diagonal",
}


def _attach(name: str, function: Any) -> None:
    def method(self: Any, *args: Any, **kwargs: Any) -> Array:
        return function(self, *args, **kwargs)

    method.__name__, method.__doc__ = name, function.__doc__
    setattr(ArrayMethods, name, method)


for _family, _names in _METHODS.items():
    for _name in _names.split():
        _attach(_name, getattr(_family, _name))


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
