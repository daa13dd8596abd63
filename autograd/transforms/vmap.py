"""`vmap`: a function of one row becomes a function of all rows, computed together.

The function runs once, on tensors that hold `Batched` values.  Whatever it records goes onto the same tape as ever; where
a tensor enters, leaves, or is shared by all rows, an operation is recorded whose gradient is the way back.  So
derivatives may be taken inside and outside, and programs traced, with nothing more to know.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import ArgumentError, InplaceError
from ..core.mode import MODE, RUN, clock, current
from ..core.ops.reduce import sum_p
from ..core.ops.shape import broadcast_to_p, with_axis
from ..core.primitive import REGISTRY, Array, Box, Primitive
from ..core.source_location import at, called, here
from ..core.subclasses import numbers
from ..core.tensor import Tensor, constant, record
from .batching import Batched, Frame, full, moved, own

Function = Callable[..., Any]


# ----- between the rows and the world outside -----
class _Crossing(Primitive):
    """An operation between a batch and its rows: recorded on the tape, never part of a program, which knows no rows."""

    def __init__(self, name: str, forward: Callable[..., Array], back: Callable[..., Array], doc: str) -> None:
        super().__init__(
            name, forward, (back,), kind="crossing", shape=lambda spec, **params: spec, doc=doc, linear="each"
        )
        del REGISTRY[name]

    def __call__(self, *arrays: Array, **params: Any) -> Array:
        (x,) = arrays
        if not isinstance(x, Tensor):
            return self.forward(x, **params)
        mode = current()
        value = self.forward(x.value if mode.trace is None else mode.trace.value_of(x), **params)
        wrt = (0,) if x.requires_grad and mode.record else ()
        return record(mode, self, (x,) if wrt else (), wrt, params, value)


def _enter(x: Array, *, frame: Frame, axis: int) -> Array:
    if isinstance(x, Batched) and x.level > frame.level:
        return Batched(x.frame, _enter(x.content, frame=frame, axis=axis + 1))
    return Batched(frame, moved(x, axis, 0))


def _leave(x: Array, *, frame: Frame, axis: int) -> Array:
    if isinstance(x, Batched) and x.level > frame.level:
        return Batched(x.frame, _leave(x.content, frame=frame, axis=axis + 1))
    return moved(full(frame, x.content if own(frame, x) else with_axis(x, 0)), 0, axis)


def _share(x: Array, *, frame: Frame) -> Array:
    return _enter(with_axis(x, 0), frame=frame, axis=0)


def _total(x: Array, *, frame: Frame) -> Array:
    if isinstance(x, Batched) and x.level > frame.level:
        return Batched(x.frame, _total(x.content, frame=frame))
    if own(frame, x) and x.content.shape[0] == frame.size:
        return sum_p(x.content, axis=(0,), keepdims=False)
    return (x.content[0] if own(frame, x) else x) * frame.size


enter: Primitive = _Crossing(
    "rows", _enter, lambda g, y, x, *, frame, axis: leave(g, frame=frame, axis=axis), "One row of a batch, inside vmap."
)
leave: Primitive = _Crossing(
    "batch", _leave, lambda g, y, x, *, frame, axis: enter(g, frame=frame, axis=axis), "All rows, outside of vmap."
)
share: Primitive = _Crossing(
    "share", _share, lambda g, y, x, *, frame: total(g, frame=frame), "An array that all rows use, as seen by each."
)
total: Primitive = _Crossing("total", _total, lambda g, y, x, *, frame: share(g, frame=frame), "The sum of all rows.")


class Rows:
    """The batches inside of which code is running: what the recorder asks about them."""

    def __init__(self, frames: tuple[Frame, ...], start: int) -> None:
        self.frames, self.start = frames, start

    def lifted(self, arrays: Sequence[Array]) -> Sequence[Array]:
        """The operands of an operation, every tensor as each row sees it where any operand has rows."""
        frames = [_frames(a) for a in arrays]
        found = {frame.level: frame for each in frames for frame in each}
        if not found:
            return arrays
        traced = current().trace is not None  # then constants stay as they are, Python numbers among them
        return [
            _shared(a, [found[level] for level in sorted(found) if found[level] not in has])
            if isinstance(a, Tensor) and len(has) < len(found) and (a.requires_grad or not traced)
            else a
            for a, has in zip(arrays, frames, strict=True)
        ]

    def shared(self, value: Array) -> Array:
        """The same value in every row, as what each row has to itself."""
        has = _frames(value)
        return _shared(value, [frame for frame in self.frames if frame not in has])

    def refuse_write(self, tensor: Tensor) -> None:
        """Refuse a write to a tensor made outside: which row's value should it keep?

        Raises:
            InplaceError: always, for such a tensor.
        """
        if tensor.serial < self.start:
            raise self.frames[-1].refused(
                InplaceError(
                    f"{at(here())} writes to {called(tensor)}, which all {self.frames[-1].size} rows of vmap of "
                    f"{self.frames[-1].name} share: return the new value from the function, and assign it afterwards"
                )
            )


def _frames(x: Array) -> list[Frame]:
    """Every frame that x has rows in."""
    value = x.value if isinstance(x, Tensor) else x
    found = []
    while isinstance(value, Batched):
        found.append(value.frame)
        value = value.content
    return found


def _shared(x: Array, frames: Sequence[Frame]) -> Array:
    for frame in frames:
        x = share(x, frame=frame)
    return x


# ----- the transformation -----
def vmap(function: Function, in_axes: Any = 0, out_axes: Any = 0) -> Function:
    """The function that applies f to every row of its arguments: ``vmap(f)(x)[i] = f(x[i])``, computed all together.

    Operations run once on whole batches instead of once per row, so that a function written for one row costs what it
    would if it had been written for arrays.  It nests with itself and with `grad`, `jvp`, `jacobian`, `compile` and the
    others: ``vmap(grad(loss), in_axes=(None, 0, 0))`` gives the gradient of every sample.

    Args:
        function: of arrays or containers of arrays, one row each; returns one or a container of them.
        in_axes: the axis of the arguments that counts the rows; None for what is the same for all.  One for all
            arguments, or a tuple with one entry per argument, which may be a container like the argument.
        out_axes: where to put the rows in what is returned; one axis for all, or a container like the result.

    Returns:
        A function of the same positional arguments; keyword arguments are passed on as they are.  Arrays give arrays,
        Tensors give Tensors (also where a result depends on a tensor that requires a gradient).

    Raises:
        ArgumentError: nothing is mapped, an axis does not exist, or the arguments have different numbers of rows.
        BatchError: the function needs the value of a row (a branch, ``float()``, ``numpy()``).
        InplaceError: the function writes to a tensor that was made outside.

    The function runs once, so what it does besides returning happens once.  Random numbers drawn inside are therefore the
    same for all rows: to have other numbers in every row, draw them outside and map over them.  Operations of the user's
    own (`autograd.core.primitive`) run their forward function row by row; their rules see all rows at once.

    >>> import numpy as np, autograd as ag
    >>> x = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> ag.vmap(lambda row: row @ row)(x)
    array([ 5., 25., 61.])
    >>> ag.vmap(ag.grad(lambda w, row: ag.exp(w @ row)), in_axes=(None, 0))(np.zeros(2), x)
    array([[1., 2.],
           [3., 4.],
           [5., 6.]])
    """

    @functools.wraps(function)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        name = getattr(function, "__name__", type(function).__name__).replace("<lambda>", "the function")
        if isinstance(in_axes, list | tuple) and len(in_axes) != len(args):
            raise ArgumentError(f"vmap of {name}: in_axes has {len(in_axes)} entries for {len(args)} arguments")
        given, structure = tree.flatten(args)
        axes = _spread(f"vmap of {name}: in_axes", in_axes, args)
        owners = [i for i, arg in enumerate(args) for _ in tree.flatten(arg)[0]]
        frame = Frame(_size(name, given, axes, owners), name)
        mode = current()
        outside = mode.batch.frames if mode.batch is not None else ()
        row = [x if axis is None else _row(x, frame, axis) for x, axis in zip(given, axes, strict=True)]
        batch = Rows((*outside, frame), clock.tick())
        running = MODE.set(mode.replace("batch", batch).replace("compiled", False))  # programs know no rows
        outer = RUN.set(frame)
        try:
            with frame:
                result = function(*tree.unflatten(structure, row), **kwargs)
        finally:
            RUN.reset(outer)
            MODE.reset(running)
            frame.finished = True
        leaves, returned = tree.flatten(result)
        places = _spread(f"vmap of {name}: out_axes", out_axes, result)
        boxed = any(isinstance(x, Tensor) for x in given)
        outputs = [_output(name, y, frame, axis, boxed) for y, axis in zip(leaves, places, strict=True)]
        return tree.unflatten(returned, outputs)

    return mapped


def _row(x: Array, frame: Frame, axis: int) -> Tensor:
    """What the function is given for a batch."""
    x = x if isinstance(x, Box) else np.array(numbers(x))
    inside = enter(x, frame=frame, axis=axis % x.ndim)
    if not isinstance(inside, Tensor):
        return constant(inside)
    if isinstance(x, Tensor):
        inside.name = x.name
    return inside


def _output(name: str, y: Any, frame: Frame, axis: int | None, boxed: bool) -> Any:
    """All rows of a result, as the caller shall get them."""
    if not isinstance(y, Box):
        y = np.asarray(y)
        if y.dtype.kind not in "biufc":
            raise ArgumentError(f"vmap of {name}: the function must return arrays or numbers, it returned {y!r}")
    has_rows = frame in _frames(y)
    if axis is None:
        if has_rows:
            raise ArgumentError(f"vmap of {name}: out_axes=None is for results that do not depend on the row")
        return y
    if not -y.ndim - 1 <= axis <= y.ndim:
        raise ArgumentError(f"vmap of {name}: out_axes={axis} does not fit a result of shape {tuple(y.shape)} per row")
    axis %= y.ndim + 1
    if has_rows:
        y = leave(y, frame=frame, axis=axis)
    else:
        y = with_axis(y, axis)
        y = broadcast_to_p(y, shape=(*y.shape[:axis], frame.size, *y.shape[axis + 1 :]))
    if isinstance(y, Tensor) and not (boxed or y.requires_grad):
        y = y.data
    elif boxed and not isinstance(y, Tensor):
        y = constant(y)
    return y.copy() if isinstance(y, np.ndarray) and y.base is not None else y


def _spread(what: str, axes: Any, like: Any) -> list[int | None]:
    """One axis for every leaf, from axes that may stand for whole containers."""
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        return [axes] * len(tree.flatten(like)[0])
    parts, children = tree.children(axes), tree.children(like)
    if parts is None or children is None or parts.keys() != children.keys():
        raise ArgumentError(f"{what} must be an axis, None, or a container like the one it belongs to, got {axes!r}")
    return [axis for key, child in children.items() for axis in _spread(what, parts[key], child)]


def _size(name: str, given: Sequence[Any], axes: Sequence[int | None], owners: Sequence[int]) -> int:
    """The number of rows, on which all mapped arguments must agree."""
    found: dict[str, int] = {}
    for x, axis, owner in zip(given, axes, owners, strict=True):
        if axis is None:
            continue
        shape = getattr(x, "shape", None)
        if not shape or not -len(shape) <= axis < len(shape):
            got = f"shape {tuple(shape)}" if shape is not None else f"{x!r} ({type(x).__name__})"
            raise ArgumentError(
                f"vmap of {name}: argument {owner} has no axis {axis} to map over, got {got}. Pass None for it in in_axes "
                "where it is the same for all rows"
            )
        found[f"argument {owner} (shape {tuple(shape)}, axis {axis})"] = shape[axis]
    if not found:
        raise ArgumentError(f"vmap of {name}: no argument is mapped over, give at least one of them an axis in in_axes")
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{n} in {what}" for what, n in found.items())
        raise ArgumentError(f"vmap of {name}: the arguments have different numbers of rows: {listed}")
    return next(iter(found.values()))
