"""What every box of an array has (Tensor, Tracer): ndarray's operators, methods and conversions, NumPy's functions."""

from __future__ import annotations

import copy
import operator
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .conversions import leaves_the_graph
from .errors import DTypeError, ShapeError
from .mode import current, refused
from .ops import elementwise, linalg, shape
from .primitive import Array, Box, Primitive
from .source_location import CORE_FILES
from .subclasses import check_all, in_own_order


def _both_ways(operation: Primitive) -> tuple[Any, Any]:
    """An operator of two arrays, and what it is with the array on the right."""

    def straight(self: Any, other: Any) -> Array:
        return operation(self, other)

    def reflected(self: Any, other: Any) -> Array:
        return operation(other, self)

    return straight, reflected


class ArrayMethods(Box):
    """ndarray's operators and methods on top of the primitives; NumPy arrays on the left give way to them."""

    __slots__ = ()
    shape: Any
    _concrete: Any  # (what): the value as an array, or the error for code that needs it where there is none

    __add__, __radd__ = _both_ways(elementwise.add)
    __sub__, __rsub__ = _both_ways(elementwise.sub)
    __mul__, __rmul__ = _both_ways(elementwise.mul)
    __truediv__, __rtruediv__ = _both_ways(elementwise.div)
    __floordiv__, __rfloordiv__ = _both_ways(elementwise.floor_divide)
    __mod__, __rmod__ = _both_ways(elementwise.mod)
    __pow__, __rpow__ = _both_ways(elementwise.power)
    __matmul__, __rmatmul__ = _both_ways(linalg.matmul)
    __and__, __rand__ = _both_ways(elementwise.bitwise_and)
    __or__, __ror__ = _both_ways(elementwise.bitwise_or)
    __xor__, __rxor__ = _both_ways(elementwise.bitwise_xor)
    __lshift__, __rlshift__ = _both_ways(elementwise.left_shift)
    __rshift__, __rrshift__ = _both_ways(elementwise.right_shift)
    __eq__, _ = _both_ways(elementwise.equal)
    __ne__, _ = _both_ways(elementwise.not_equal)
    __lt__, _ = _both_ways(elementwise.less)
    __le__, _ = _both_ways(elementwise.less_equal)
    __gt__, _ = _both_ways(elementwise.greater)
    __ge__, _ = _both_ways(elementwise.greater_equal)

    def __hash__(self) -> int:
        """By identity for the engine only: an array has no hash, and that of a number is that of its value."""
        if sys._getframe(1).f_code.co_filename in CORE_FILES:
            return object.__hash__(self)
        if self.shape:
            raise DTypeError("an array has no hash: it cannot be a key of a dict or an item of a set")
        return hash(self._concrete("a key of a dict or an item of a set"))

    def refused(self, error: Exception) -> Exception:
        """The error for what NumPy does to arrays and nothing here does to this."""
        return refused(error)

    def __neg__(self) -> Array:
        return elementwise.neg(self)

    def __pos__(self) -> Array:
        return self.kept()

    def __abs__(self) -> Array:
        return elementwise.abs_p(self)

    def __invert__(self) -> Array:
        return elementwise.invert(self)

    def __getitem__(self, key: Any) -> Array:
        return shape.getitem(self, key)

    @property
    def T(self) -> Array:
        """The array with its axes reversed."""
        return shape.transpose_p(self, axes=tuple(range(len(self.shape)))[::-1])

    def __copy__(self) -> Any:
        return copy.deepcopy(self)

    # ----- conversions: they need the numbers, which a tracer does not have -----
    def __len__(self) -> int:
        if not self.shape:
            raise DTypeError("an array of shape () has no length")
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self._concrete("a condition (if, while, and, or, not)"))

    def __float__(self) -> float:
        leaves_the_graph(self, "a float", "x.item()")
        return float(self._only("float()"))

    def __int__(self) -> int:
        return int(self._only("int()"))

    def _only(self, what: str) -> Any:
        """The one element that there is."""
        value = self._concrete(what)
        if value.size != 1:
            raise ShapeError(f"{what} needs a single element, got shape {self.shape}: use .numpy()")
        return value.item()

    def __index__(self) -> int:
        return operator.index(self._concrete("an index or a range")[()])

    def __format__(self, spec: str) -> str:
        return format(self._concrete("format()")[()], spec) if spec else str(self)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Any:
        leaves_the_graph(self, "a plain array", "x.numpy()")
        return np.array(self._concrete("conversion to a NumPy array"), dtype=dtype)


def fresh(data: Any, requires_grad: bool, dtype: DTypeLike | None) -> Any:
    """A new array, or NumPy scalar, of what a Tensor is made from; in a trace, the tracer for it.

    Inside `vmap` a leaf belongs to one row, although all rows start from the same value.

    Raises:
        DTypeError: no numbers, no regular shape, or integers that shall carry a gradient.
    """
    batch = current().batch
    value = _fresh(data, requires_grad, dtype)
    return batch.shared(value) if requires_grad and batch is not None else value


def _fresh(data: Any, requires_grad: bool, dtype: DTypeLike | None) -> Any:
    trace = current().trace
    if trace is not None and isinstance(data, np.ndarray) and data.ndim:
        data = trace.constant(data)
    if isinstance(data, Box):
        if dtype is not None:
            return elementwise.cast(data, dtype)
        return data if trace is None else trace.strong(data.kept())
    number = isinstance(data, (int, float)) and not isinstance(data, np.generic)
    if dtype is None and number and requires_grad:
        dtype = np.float64
    try:
        value = np.array(check_all(data), dtype=dtype)
    except (ValueError, TypeError) as error:
        raise DTypeError(f"a Tensor needs numbers in a regular shape, got {type(data).__name__}: {error}") from error
    if value.dtype.kind not in "biufc":
        raise DTypeError(f"a Tensor needs numbers, got dtype {value.dtype} from {type(data).__name__}")
    if requires_grad and value.dtype.kind != "f":
        raise DTypeError(f"gradients need a float dtype, got {value.dtype}. Use x.astype(float), or dtype=float")
    return in_own_order(value) if value.ndim else value[()]
