"""`checkpoint`: a function whose tape is not kept, but recorded anew when its gradient is needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.custom import unlisted
from ..core.engine import between
from ..core.errors import ArgumentError, GraphError
from ..core.mode import clock, current, switch
from ..core.primitive import Array, Box, Rule
from ..core.tensor import Tensor, record
from .argument import tie, variable
from .reverse import Function, name_of, silently_pulled


class _Segment:
    """A call whose tape is not kept: recorded once to see what it depends on, and again when its gradient is needed."""

    def __init__(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.given, self.structure = tree.flatten((args, kwargs))
        self.slots = [i for i, x in enumerate(self.given) if isinstance(x, Tensor) and x.requires_grad]
        self.sources = [self.given[i] for i in self.slots]
        self.batch = current().batch  # the rows of a vmap around the call

    def run(self, values: Sequence[Array]) -> tuple[Any, list[Tensor]]:
        """The result, with fresh leaves around these values in place of the arguments that require a gradient."""
        leaves = [variable(value, source.name) for value, source in zip(values, self.sources)]
        passed = list(self.given)
        for i, leaf in zip(self.slots, leaves, strict=True):
            passed[i] = leaf
        args, kwargs = tree.unflatten(self.structure, passed)
        with switch("record", True), switch("batch", self.batch):
            return self.function(*args, **kwargs), leaves

    def captured(self, y: Tensor, start: int) -> list[Tensor]:
        """Tensors that the function used without being given them (parameters of a layer): older than the call."""
        walk: list[Tensor] = [y]
        found: dict[Tensor, None] = {}
        seen: set[Any] = set(walk)
        for tensor in walk:  # the list grows while it is walked
            for index in tensor.wrt:
                source = tensor.inputs[index]  # type: ignore[index]
                if source not in seen:
                    seen.add(source)
                    if source.serial < start:
                        found[source] = None
                    else:
                        walk.append(source)
        return list(found)

    def pull(self, which: Sequence[int], g: Array, y: Array, inputs: Sequence[Array]) -> list[Array]:
        """Cotangents of some inputs, on the tape of another run."""
        graph, start = any(isinstance(x, Tensor) for x in inputs), clock.tick()
        own = inputs[: len(self.slots)]
        again, leaves = self.run([x.data if isinstance(x, Tensor) else x for x in own])
        old = y.value if isinstance(y, Tensor) else y
        if not isinstance(old, Box) and not np.array_equal(old, again.value, equal_nan=True):
            raise GraphError(
                f"checkpoint: {name_of(self.function)} gave another result when it ran again: it draws random "
                "numbers, or something it reads has changed. Pass them in as an argument, or leave checkpoint out"
            )
        targets = [[*leaves, *self.sources[len(self.slots) :]][i] for i in which]
        found = silently_pulled([again], [g], graph, between([again], targets, start))
        if graph:
            for leaf, source in zip(leaves, own, strict=True):
                tie(leaf, source)
        return [np.zeros(t.shape, t.dtype)[()] if found.get(t) is None else found[t] for t in targets]


def _together(which: Sequence[int], g: Array, y: Array, *inputs: Array, segment: _Segment) -> list[Array]:
    return segment.pull(which, g, y, inputs)


def _alone(index: int) -> Rule:
    return lambda g, y, *inputs, segment: segment.pull((index,), g, y, inputs)[0]


def _never(*inputs: Array, segment: _Segment) -> Array:
    return segment.function(*inputs)


_checkpoint_p = unlisted("checkpoint", _never, _alone, shape=lambda *specs, segment: specs[0], jointly=_together)


def checkpoint(function: Function) -> Function:
    """The same function with a smaller tape: nothing in it is kept for backward, which runs the function again.

    Memory of a chain of n layers in √n checkpointed segments falls from n to about 2√n, for one more forward pass
    (T. Chen et al., "Training deep nets with sublinear memory cost", 2016).  Gradients also reach tensors that the
    function uses without being given them, such as the parameters of a layer.

    Args:
        function: returns one array, the same one every time it runs (no random draws).

    Returns:
        A function of the same arguments.  Arrays alone give arrays: then there is nothing to record.

    Raises:
        ArgumentError: it returned something else than one array.
        GraphError: at backward, if the second run gave another result.

    >>> import autograd as ag
    >>> x = ag.Tensor(2.0, requires_grad=True)
    >>> y = ag.checkpoint(lambda x: (x * x).exp())(x)
    >>> [t.creator.name for t in ag.tape(y)]
    ['checkpoint']
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        mode = current()
        if not mode.record:
            return function(*args, **kwargs)
        start = clock.tick()
        segment = _Segment(function, args, kwargs)
        y, leaves = segment.run([source.data for source in segment.sources])
        if not isinstance(y, Tensor):
            if isinstance(y, Box | np.ndarray | np.generic | float | int):
                return y
            raise ArgumentError(
                f"checkpoint needs a function that returns one Tensor, {name_of(function)} returned {y!r}"
            )
        if not y.requires_grad:
            return y
        own = set(leaves)
        segment.sources += [source for source in segment.captured(y, start) if source not in own]
        inputs = tuple(segment.sources)
        return record(mode, _checkpoint_p, inputs, tuple(range(len(inputs))), {"segment": segment}, y.value)

    return wrapped
