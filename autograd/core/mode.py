"""What recording means right now, per thread and task: gradients on or off, the trace in progress, the nn scope."""

from __future__ import annotations

import contextvars
import functools
import itertools
import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])
Error = TypeVar("Error", bound=Exception)


_FIELDS = ("record", "keep", "compiled", "scope", "trace", "anomaly", "batch")


class Mode:
    """An immutable setting of the recorder; `plain` is true where nothing but the tape is wanted (the fast path)."""

    __slots__ = ("_variants", "anomaly", "batch", "compiled", "keep", "plain", "record", "scope", "trace")

    def __init__(
        self,
        record: bool = True,
        keep: bool = False,
        compiled: bool = True,
        scope: str = "",
        trace: Any = None,
        anomaly: Any = None,
        batch: Any = None,
    ) -> None:
        self.record, self.keep, self.compiled = record, keep, compiled
        self.scope, self.trace, self.anomaly, self.batch = scope, trace, anomaly, batch
        self.plain = record and trace is None and anomaly is None and batch is None
        self._variants: dict[tuple[str, Any], Mode] = {}

    def replace(self, field: str, value: Any) -> Mode:
        """This mode with one field changed; remembered for flags and scopes, so that entering one is a look-up."""
        key = (field, value)
        variant = self._variants.get(key)
        if variant is None:
            fields = {name: getattr(self, name) for name in _FIELDS}
            variant = Mode(**{**fields, field: value})
            if isinstance(value, (bool, str)):
                self._variants[key] = variant
        return variant


class Clock:
    """Numbers tensors in the order of their making, and remembers when values were last written to.

    `written` has the arrays written into (``t.data -= 1``) by their id: views of them belong to other tensors.  `delicate`
    is when an operation was recorded last of which some values are singular (`Primitive.singular`).
    """

    def __init__(self) -> None:
        self.tick = itertools.count(1).__next__
        self.changed = self.delicate = 0
        self.written: dict[int, int] = {}


clock = Clock()
MODE: ContextVar[Mode] = ContextVar("autograd_mode", default=Mode())
current = MODE.get
DEPTH: ContextVar[int] = ContextVar("autograd_depth", default=0)  # transformations whose function is running
RUN: ContextVar[Any] = ContextVar("autograd_run", default=None)  # the innermost transformation that runs a function


def refused(error: Error) -> Error:
    """The same error, noted in the transformation whose function is running, if any."""
    return error if RUN.get() is None else RUN.get().refused(error)


class switch:
    """Context manager and decorator that changes one field of the mode."""

    def __init__(self, field: str, value: Any) -> None:
        self._field, self._value = field, value
        self._tokens: list[Token[Mode]] = []

    def __enter__(self) -> Any:
        self._tokens.append(MODE.set(MODE.get().replace(self._field, self._value)))
        return self._value

    def __exit__(self, *exception: object) -> None:
        MODE.reset(self._tokens.pop())

    def __call__(self, function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with switch(self._field, self._value):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


def no_grad() -> switch:
    """Record nothing inside: results do not require gradients and hold no graph.

    >>> from autograd import Tensor, no_grad
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """
    return switch("record", False)


def keep_grads() -> switch:
    """Let a backward pass inside also leave ``.grad`` on interior tensors, not only on leaves, and keep its graph.

    So that afterwards a picture can show every value beside its gradient.

    >>> from autograd import Tensor, keep_grads
    >>> x = Tensor(3.0, requires_grad=True)
    >>> with keep_grads():
    ...     y = x * x
    ...     (2 * y).backward()
    >>> float(y.grad)
    2.0
    """
    return switch("keep", True)


def disable_compile() -> switch:
    """Run compiled functions as the plain Python they were made from, for debugging.

    >>> import autograd as ag
    >>> double = ag.compile(lambda x: x * 2)
    >>> with ag.disable_compile():
    ...     _ = double(ag.Tensor(1.0))
    >>> double.trace_count
    0
    """
    return switch("compiled", False)


class scope:
    """Name the operations recorded inside, for pictures and for the compiled source; scopes nest with a slash.

    >>> from autograd import Tensor, scope
    >>> x = Tensor(3.0, requires_grad=True)
    >>> with scope("encoder"):
    ...     with scope("square"):
    ...         y = x * x
    >>> y.scope
    'encoder/square'
    """

    __slots__ = ("_name", "_tokens")

    def __init__(self, name: str) -> None:
        self._name = name
        self._tokens: list[Token[Mode]] = []

    def __enter__(self) -> None:
        mode = MODE.get()
        self._tokens.append(MODE.set(mode.replace("scope", f"{mode.scope}/{self._name}" if mode.scope else self._name)))

    def __exit__(self, *exception: object) -> None:
        MODE.reset(self._tokens.pop())


class _Quiet(threading.local):
    """A context per thread in which NumPy does not warn of overflow: entering it costs a tenth of np.errstate."""

    def __init__(self) -> None:
        context = contextvars.Context()
        context.run(np.seterr, over="ignore")
        self.run = context.run


quiet = _Quiet()
