"""Tensor: a value and how it was made.  Nothing here knows any particular operation."""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .array_methods import ArrayMethods, fresh
from .conversions import as_array, leaves_the_graph
from .engine import pull, toposort
from .errors import DTypeError, GraphError, ShapeError
from .inplace_checks import refuse_inside, refuse_lost, refuse_write
from .mode import DEPTH, Mode, clock, current
from .ops import elementwise, linalg
from .ops.shape import reshape_p
from .primitive import Array, Box, Primitive
from .source_location import OWN_FILES, Site, called, explained, here, line_of
from .subclasses import check_all, numbers, operand

_new = object.__new__
_frame = sys._getframe
_tick = clock.tick
_NO_PARAMS: dict[str, Any] = {}


class Tensor(ArrayMethods):
    """An array (or a single number) that remembers how it was computed, so that gradients can flow back.

    Args:
        data: numbers, nested lists, or an array; copied.
        requires_grad: whether ``backward`` shall leave a gradient here.
        dtype: dtype of the copy; by default that of the data (Python integers that require a gradient become float).
        name: what pictures, error messages and generated programs call it.

    Raises:
        DTypeError: the data is no numeric array, or an integer array is asked to carry a gradient.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = (
        "__weakref__", "_code", "_grad", "_lasti", "changed", "creator", "inputs", "name", "params",
        "passes", "requires_grad", "scope", "serial", "value", "wrt",
    )  # fmt: skip
    level = 2**62  # above any number of batches
    stands_in = False  # for the argument of a transformation

    def __init__(
        self, data: Any, requires_grad: bool = False, *, dtype: DTypeLike | None = None, name: str | None = None
    ) -> None:
        if isinstance(data, Tensor):
            leaves_the_graph(data, "a new Tensor", "x.detach()")
            data = data.data
        self.value = fresh(data, requires_grad, dtype)
        self._grad: Any = None
        self.requires_grad, self.name = requires_grad, name
        self.creator: Primitive | None = None  # what made it, from which inputs, with which params
        self.inputs: tuple[Any, ...] | None = ()
        self.params: dict[str, Any] = _NO_PARAMS
        self.wrt: tuple[int, ...] = ()  # positions of the inputs that a gradient goes back to
        # `passes` counts the backward passes that the gradient adds up: optimizers want to know.
        self.scope, self.serial, self.changed, self.passes = current().scope, _tick(), 0, 0
        self._code: CodeType | None = None  # the caller's instruction, from which `site` is worked out
        self._lasti = 0

    # ----- value -----
    @property
    def data(self) -> Any:
        """The value: an ndarray, or a NumPy scalar where the shape is ().  Setting it replaces the value.

        The new value must have the same shape and is cast to the same dtype; a later backward pass that would have
        needed the old value raises `InplaceError`.
        """
        mode = current()
        value = self.value if mode.trace is None else mode.trace.value_of(self)
        if isinstance(value, np.ndarray) and (value.base is not None or self.inputs):
            value = value.view()  # shared with another tensor, or a result: written through, the tape would not notice
            value.flags.writeable = False
        return value

    @data.setter
    def data(self, new: Any) -> None:
        mode = current()
        if mode.batch is not None:
            mode.batch.refuse_write(self)
        new = self._fitting(new, called(self))
        if mode.trace is not None:
            mode.trace.write(self, new)
        else:
            self.changed = clock.changed = _tick()
            if new is self.value:
                clock.written[id(new)] = self.changed
            self.value = new

    def _fitting(self, new: Any, into: str) -> Array:
        """A value in the shape and dtype of this tensor, where no more than precision is lost by it."""
        new, dtype = raw_value(new), self.value.dtype
        if new.shape != self.value.shape:
            raise ShapeError(f"cannot put shape {new.shape} into {into}: make a new Tensor for another shape")
        if new.dtype != dtype:
            if not np.can_cast(new.dtype, dtype, "same_kind"):
                raise DTypeError(f"cannot put {new.dtype} into {into} of {dtype}: use .astype({dtype}) first")
            new = elementwise.cast(new, dtype)
        return new[()] if isinstance(new, np.ndarray) and new.ndim == 0 else new

    def assign(self, new: ArrayLike | Tensor) -> Tensor:
        """Replace the value by a copy of `new` (same shape, cast to the same dtype); returns the tensor.

        >>> x = Tensor([1.0, 2.0])
        >>> x.assign([3.0, 4.0]).data
        array([3., 4.])
        """
        source = raw_value(new)
        self.data = source.kept() if isinstance(source, Box) else source.copy()
        return self

    def numpy(self) -> Any:
        """A copy of the value as an ndarray."""
        return np.array(self._concrete("numpy()"))

    def item(self) -> float | int | bool:
        """The value of a one-element tensor as a Python number."""
        value = self._concrete("item()")
        if value.size != 1:
            raise ShapeError(f"item() needs a single element, {called(self)} has {value.size}: use .numpy()")
        number: float | int | bool = value.item()
        return number

    __hash__ = object.__hash__  # by identity: == compares elements

    def detach(self) -> Tensor:
        """The same value with no history: no gradient flows back through the result."""
        return elementwise.stop_gradient(self)  # type: ignore[no-any-return]

    @property
    def traced(self) -> bool:
        """True while the tensor stands for a value that a trace does not know yet."""
        trace = current().trace
        return isinstance(self.value, Box) or (trace is not None and trace.knows(self))

    shape = property(lambda self: self.value.shape, doc="Lengths of the axes.")
    dtype = property(lambda self: self.value.dtype, doc="NumPy dtype of the elements.")
    ndim = property(lambda self: self.value.ndim, doc="Number of axes.")
    size = property(lambda self: self.value.size, doc="Number of elements.")

    # ----- gradient -----
    @property
    def stored_grad(self) -> Any:
        """The gradient outside of any trace; one left behind by a compiled step is copied out when somebody looks."""
        if callable(self._grad):
            self._grad = self._grad()
        return self._grad

    @property
    def grad(self) -> Any:
        """What ``backward`` has accumulated here: None or a plain array of the tensor's shape and dtype."""
        trace = current().trace
        grad = self.stored_grad if trace is None else trace.grad_of(self)
        if grad is None and self.creator is not None and self.requires_grad:
            warnings.warn(
                "reading .grad of a tensor that is a result, not a leaf: gradients stay on leaves only. "
                "Run backward inside `with autograd.keep_grads():` to keep those of results too",
                stacklevel=2,
            )
        return grad

    @grad.setter
    def grad(self, new: Any) -> None:
        trace, self.passes = current().trace, 0
        if new is not None:
            new = self._fitting(new, f"the gradient of {called(self)}")
        if trace is None:
            self._grad = new
        else:
            trace.write_grad(self, new)

    def zero_grad(self) -> None:
        """Forget the accumulated gradient."""
        self.grad = None

    def backward(self, gradient: ArrayLike | None = None, retain_graph: bool = False) -> None:
        """Add to ``.grad`` of every leaf that requires a gradient the derivative of this tensor by that leaf.

        By the chain rule, from this tensor back to the leaves: ḡ(input) += vjp(ḡ(output)).

        Args:
            gradient: cotangent of this tensor, of its shape; may be left out for a single element, where it is 1.
            retain_graph: keep the graph for another backward pass instead of freeing it (as inside `keep_grads`).

        Raises:
            GraphError: nothing asked for a gradient, the tensor is no scalar, or its graph has been freed.
            InplaceError: a value that is needed was changed after it was recorded.

        Inside a transformation use `grad` and its kin: ``.grad`` is a plain value, through which nothing flows on.

        >>> x = Tensor(3.0, requires_grad=True)
        >>> (x ** 2).backward()
        >>> float(x.grad)
        6.0
        """
        if not self.requires_grad:
            raise GraphError(
                f"{called(self)} does not depend on anything that requires a gradient: "
                "make an input with Tensor(..., requires_grad=True), and record outside of no_grad()"
            )
        mode = current()
        if gradient is None:
            if self.value.size != 1:
                raise GraphError(
                    f"backward needs a scalar: the output has shape {self.shape}. Call .sum() or .mean() first, "
                    "or pass gradient= of that shape"
                )
            one = self.dtype.type(1)
            seed = one if mode.trace is None else mode.trace.number(one)
            if self.shape:
                seed = reshape_p(seed, shape=self.shape)
        else:
            seed = raw_value(gradient)
            if np.shape(seed) != self.shape:
                raise ShapeError(f"gradient has shape {np.shape(seed)}, {called(self)} needs the same shape")
            seed = elementwise.cast(seed, self.dtype)
        if DEPTH.get():
            refuse_inside(toposort([self]))
        freed = None if retain_graph or mode.keep else {"freed_at": here()}

        def keep(tensor: Tensor, g: Array) -> None:
            tensor.grad = g.copy() if isinstance(g, np.ndarray) else g

        if mode.trace is not None:
            mode.trace.begin_backward(self)
        with np.errstate(all="ignore"):
            leaves = pull([self], [seed], freed=freed, visit=keep if mode.keep else None)
        given = {id(seed)}
        for leaf, g in leaves.items():
            before = leaf.stored_grad if mode.trace is None else leaf.grad
            leaf.passes = 1 if before is None else leaf.passes + 1
            if before is not None:
                g = before + g
            elif isinstance(g, np.ndarray) and (g.base is not None or id(g) in given):
                g = g.copy()  # rules may hand one array to several owners
            given.add(id(g))
            if mode.trace is None:
                leaf._grad = g
            else:
                mode.trace.write_grad(leaf, g)

    @property
    def freed_at(self) -> Site | None:
        """Where the backward pass was called that freed this tensor's graph."""
        return self.params.get("freed_at") if self.inputs is None else None

    # ----- recording -----
    def apply_op(self, primitive: Primitive, arrays: Sequence[Array], params: dict[str, Any]) -> Array:
        """Compute a primitive on the values and record how the result was made."""
        mode = current()
        trace = mode.trace
        arrays = mode.batch.lifted(arrays) if mode.batch else arrays if trace else [*map(operand, arrays)]
        try:
            if trace is None:
                values = [a.value if isinstance(a, Tensor) else a for a in arrays]
                plain = mode.plain and not isinstance(self.value, Box)
                value = (primitive.forward if plain else primitive)(*values, **params)
            else:
                values = [trace.value_of(a) if isinstance(a, Tensor) else a for a in arrays]
                with trace.during(
                    "forward" if any(a.requires_grad for a in arrays if isinstance(a, Box)) else trace.phase
                ):
                    value = primitive(*values, **params)
        except (ValueError, TypeError, IndexError) as error:
            raise explained(error, primitive, arrays) from error
        wrt: tuple[int, ...] = ()
        if mode.record and primitive.differentiable:
            if len(arrays) == 1:
                wrt = (0,) if self.requires_grad else ()
            else:
                wrt = tuple(
                    [i for i, a in enumerate(arrays) if isinstance(a, Box) and a.requires_grad and primitive.rule(i)]
                )
        if not wrt:
            arrays = ()
        elif trace is not None:  # (which reads the caller's arrays anew at each run)
            arrays = [a.kept() if isinstance(a, Box) else a for a in arrays]
        elif len(arrays) > 1:
            arrays = [_own_constant(a) for a in arrays]
        out = record(mode, primitive, tuple(arrays), wrt, params, value)
        if mode.anomaly is not None:
            mode.anomaly.inspect(out, primitive, values)
        return out

    @property
    def site(self) -> Site | None:
        """File and line of the caller's code that recorded this tensor; None for leaves."""
        return line_of(self._code, self._lasti)

    @property
    def computed(self) -> bool:
        """Whether it is a result, recorded or not, rather than made of numbers by `Tensor(...)`."""
        return self._lasti != 0

    # ----- the rest -----
    def __setitem__(self, key: Any, new: Any) -> None:
        new = as_array(new)
        if isinstance(new, Tensor) and new.requires_grad and current().record:
            refuse_lost(self)
        refuse_write(self)
        fresh = np.array(self._concrete("x[i] = v"))
        fresh[check_all(key, "an index")] = raw_value(new)
        self.data = fresh

    def __repr__(self) -> str:
        value = self.value if not isinstance(self.value, Box) else f"<{self.value!r}>"
        text = np.array2string(value, separator=", ", prefix="Tensor(") if isinstance(value, np.ndarray) else str(value)
        facts = [text, f"shape={self.shape}", f"dtype={self.dtype}"]
        if self.name:
            facts.append(f"name={self.name!r}")
        if self.creator is not None:
            facts.append(f"op={self.creator.name}")
        elif self.requires_grad:
            facts.append("requires_grad=True")
        return f"Tensor({', '.join(facts)})"

    def __reduce__(self) -> Any:
        raise DTypeError("tensors are not pickled: save arrays with nn.save, or t.numpy()")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        leaves_the_graph(self, "a copy without history", "x.detach()")
        return type(self)(self.value, self.requires_grad, name=self.name)

    def _concrete(self, what: str) -> Any:
        """The value as an array; while it is being traced there is none."""
        trace = current().trace
        if self.traced:
            if trace is None:
                trace = self.value.recorder
            raise trace.needs_value(self, what)
        return self.value


def record(
    mode: Mode,
    primitive: Primitive,
    inputs: tuple[Any, ...],
    wrt: tuple[int, ...],
    params: dict[str, Any],
    value: Array,
) -> Tensor:
    """A tensor of the value that knows its creator; `wrt` lists the inputs that a gradient goes back to."""
    out: Tensor = _new(Tensor)
    out.value = value
    out._grad = out.name = None
    out.changed = out.passes = 0
    out.scope = mode.scope
    frame = _frame(2)
    while frame.f_code.co_filename in OWN_FILES and frame.f_back is not None:
        frame = frame.f_back
    out._code, out._lasti = frame.f_code, frame.f_lasti
    out.serial = _tick()
    out.wrt = wrt
    if wrt:
        out.requires_grad = True
        out.creator, out.inputs, out.params = primitive, inputs, params
    else:
        out.requires_grad = False
        out.creator, out.inputs, out.params = None, (), _NO_PARAMS
    return out


def constant(value: Any, kind: type[Tensor] = Tensor) -> Tensor:
    """A tensor around a value that nobody else holds, with no history."""
    out = _new(kind)
    out.value = value
    out._grad = out.name = out.creator = out._code = None
    out.requires_grad = False
    out.inputs = out.wrt = ()
    out.params, out.scope = _NO_PARAMS, ""
    out.serial, out.changed, out.passes, out._lasti = _tick(), 0, 0, -1
    return out


def _own_constant(array: Array) -> Array:
    """Arrays of the caller are copied onto the tape: a later write to them must not change a gradient."""
    mutable = isinstance(array, np.ndarray) and (array.flags.writeable or array.base is not None)
    return array.copy() if mutable else array


def _operator(compute: Callable[[Any, Any], Any], primitive: Primitive, reflected: bool = False) -> Callable[..., Any]:
    """A binary operator on the fast path: what `apply_op` does, for two operands and plain recording."""
    general = primitive.__call__

    def method(self: Tensor, other: Any) -> Any:
        mode = current()
        if not mode.plain:
            if isinstance(other, complex) and not isinstance(other, np.generic):
                return NotImplemented
            return general(other, self) if reflected else general(self, other)
        if isinstance(other, Tensor):
            right = other.value
            wrt = _WRT[self.requires_grad, other.requires_grad]
        elif isinstance(other, (float, int)):
            right, wrt = other, _WRT[self.requires_grad, False]
        elif isinstance(other, (np.ndarray, np.generic, list, tuple)):
            return general(numbers(other), self) if reflected else general(self, numbers(other))
        else:
            return NotImplemented
        try:
            value = compute(right, self.value) if reflected else compute(self.value, right)
        except (ValueError, TypeError) as error:
            raise explained(error, primitive, (other, self) if reflected else (self, other)) from error
        if reflected:
            return record(mode, primitive, (other, self), (1,) if wrt else (), _NO_PARAMS, value)
        return record(mode, primitive, (self, other), wrt, _NO_PARAMS, value)

    return method


_WRT = {(True, True): (0, 1), (True, False): (0,), (False, True): (1,), (False, False): ()}

for _name, _compute, _primitive in (
    ("add", operator.add, elementwise.add),
    ("sub", operator.sub, elementwise.sub),
    ("mul", operator.mul, elementwise.mul),
    ("truediv", operator.truediv, elementwise.div),
    ("pow", operator.pow, elementwise.power),
    ("matmul", operator.matmul, linalg.matmul),
):
    setattr(Tensor, f"__{_name}__", _operator(_compute, _primitive))
    setattr(Tensor, f"__r{_name}__", _operator(_compute, _primitive, reflected=True))


def raw_value(value: Any) -> Any:
    """The array in a Tensor (in a trace: the tracer for it); anything else as an array."""
    if isinstance(value, Tensor):
        leaves_the_graph(value, "a plain value", "x.detach()")
        return value.data
    return value if isinstance(value, Box) else numbers(value)


def tape(root: Tensor) -> list[Tensor]:
    """Every recorded tensor that the root was computed from, in the order of recording, the root last.

    Raises:
        GraphError: the graph has been freed.
    """
    return toposort([root])
