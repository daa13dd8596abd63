"""What stands for an array while a function is traced: every operation on it becomes an equation."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.array_methods import ArrayMethods
from ..core.errors import ShapeError, TraceError
from ..core.ops import elementwise
from ..core.primitive import Array, Primitive
from ..core.source_location import CORE_FILES, at, explained, here
from ..core.tensor import Tensor
from .graph import Atom

if TYPE_CHECKING:
    from .trace import Trace


class Tracer(ArrayMethods):
    """Stands for an array of which only shape and dtype are known; every operation on it becomes an equation."""

    __slots__ = ("atom", "recorder")

    def __init__(self, recorder: Trace, atom: Atom) -> None:
        self.recorder = recorder
        self.atom: Any = atom  # a Var, or a Literal for a number written into the program

    shape = property(lambda self: self.atom.shape, doc="Lengths of the axes.")
    dtype = property(lambda self: self.atom.dtype, doc="NumPy dtype of the elements.")
    ndim = property(lambda self: len(self.atom.shape), doc="Number of axes.")

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.atom.shape, dtype=int))

    traced = True
    base = None

    def apply_op(self, primitive: Primitive, arrays: Sequence[Array], params: dict[str, Any]) -> Array:
        """Append an equation to the trace that this tracer belongs to."""
        try:
            out = self.recorder.emit(primitive, arrays, params)
        except (ValueError, TypeError, IndexError) as error:
            raise explained(error, primitive, arrays) from error
        if primitive.view and self.recorder.phase != "backward":
            self.recorder.viewed |= {out.atom, *(a.atom for a in arrays if isinstance(a, Tracer))}
        return out

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """For code outside of the engine what it stands for, so that isinstance is as it is without a trace."""
        if sys._getframe(1).f_code.co_filename in CORE_FILES:
            return Tracer
        if self.atom.weak:
            return {"f": float, "i": int, "b": bool}[self.atom.dtype.kind]
        return np.ndarray if self.atom.shape else self.atom.dtype.type

    def __getattr__(self, name: str) -> Any:
        """What arrays have and tensors do not: their parts; what is about memory is refused."""
        if name in ("real", "imag"):
            return getattr(np, name)(self)
        if name[:2] == "__" or not hasattr(np.ndarray, name):
            raise AttributeError(f"an array has no attribute {name!r}")
        raise self.recorder.refused(
            TraceError(
                f"{at(here())} asks {self.recorder.describe(self)} for .{name}, while tracing {self.recorder.name!r} only its "
                "shape and dtype are known: use a function of NumPy or of autograd, or do this outside of the compiled "
                "function"
            )
        )

    def refused(self, error: Exception) -> Exception:
        """The error for what NumPy does to arrays but no program can."""
        text = str(error).replace(" of a Tensor:", ":").replace(", or x.numpy() to leave the graph", "")
        name = self.recorder.name
        return self.recorder.refused(
            TraceError(
                f"{at(here())} cannot be traced in {name!r}: {text}. Compute it before and pass it as an argument, or leave "
                f"{name!r} uncompiled"
            )
        )

    def __getitem__(self, key: Any) -> Any:
        """Elements of an array are an array, also where a Tensor says which."""
        parts = key if isinstance(key, tuple) else (key,)
        return super().__getitem__(tuple([part.data if isinstance(part, Tensor) else part for part in parts]))

    def __setitem__(self, key: Any, new: Any) -> None:
        raise self.recorder.refused(
            TraceError(
                f"{at(here())} writes into {self.recorder.describe(self).rstrip(',')}, of which nothing but the shape is "
                f"known while tracing {self.recorder.name!r}: {_instead_of_writing(self)}"
            )
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._concrete("pickle")

    def copy(self) -> Tracer:
        """The same value, which stays as it is when this array is written into."""
        return Tracer(self.recorder, self.atom)

    kept = copy

    @property
    def data(self) -> Any:
        """Not to be had: there is no memory."""
        return self._concrete("data")

    def numpy(self) -> Any:
        """Not to be had: refused, as `item` and `tolist` are."""
        return self._concrete("numpy()")

    def item(self, *index: Any) -> Any:
        """Not to be had: the number is not known."""
        return self._concrete("item()")

    def tolist(self) -> Any:
        """Not to be had: the numbers are not known."""
        return self._concrete("tolist()")

    def _concrete(self, what: str) -> Any:
        raise self.recorder.needs_value(self, what)

    def __repr__(self) -> str:
        return f"traced {self.atom}"


def _instead_of_writing(array: Tracer) -> str:
    """The out-of-place way, which a Tensor has, and an array only once it is made one."""
    tensors = (tensor for tensor, value in array.recorder.values.items() if value is array)
    if next(tensors, None) is not None:
        return "write x = x.at[index].set(value), of the Tensor x"
    return "write x = Tensor(x).at[index].set(value).data, or numpy.where(mask, value, x)"


def _in_place(name: str) -> Callable[[Tracer, Any], Any]:
    operation = getattr(operator, name)

    def method(self: Tracer, other: Any) -> Any:
        new = operation(self, other)
        if not self.atom.shape or not isinstance(new, Tracer):  # numbers are bound anew, and Tensors do not write
            return new
        if not self.recorder.may_change(self):
            raise self.recorder.refused(
                TraceError(
                    f"{at(here())} writes into {self.recorder.describe(self).rstrip(',')}, whose memory others see too (it "
                    f"was given, or has a view), while tracing {self.recorder.name!r}: bind a new value, "
                    f"x = x {_SYMBOLS[name]} y"
                )
            )
        if new.shape != self.shape or not np.can_cast(new.dtype, self.dtype, "same_kind"):
            raise ShapeError(
                f"{at(here())} cannot put shape {new.shape} {new.dtype} into shape {self.shape} {self.dtype} in place"
            )
        self.atom = (new if new.dtype == self.dtype else elementwise.cast(new, self.dtype)).atom
        for tensor in [tensor for tensor, value in self.recorder.values.items() if value is self]:
            self.recorder.write(tensor, self)
        return self

    return method


_SYMBOLS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "matmul": "@",
}
for _name in _SYMBOLS:
    setattr(Tracer, f"__i{_name}__", _in_place(_name))
