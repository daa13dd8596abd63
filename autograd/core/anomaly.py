"""Finding the first bad number: `detect_anomaly` checks every operation, forward and backward, as it happens."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .errors import InplaceError, NonFiniteError
from .mode import switch
from .primitive import Array, Box, Primitive
from .source_location import at


class detect_anomaly(switch):
    """Raise at the first operation that makes a nan or inf out of finite numbers, and at arrays changed behind the tape.

    Forward, the error names the operation, the caller's line and the range of its inputs.  Backward, it names the
    operation whose gradient is not finite; where the forward value was chosen by `where`, it says how to make the other
    side safe.  Every value on the tape is checksummed, so that raw writes (``t.data[0] = 5``) are found too.  Slow: for
    looking for a mistake, not for training.

    Raises:
        NonFiniteError: at the operation.
        InplaceError: at backward, if a recorded value was written to.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 0.0], requires_grad=True)
    >>> with ag.detect_anomaly():  # doctest: +ELLIPSIS
    ...     ag.log(x)
    Traceback (most recent call last):
    ...
    autograd.core.errors.NonFiniteError: 'log' at ... made the first non-finite value, -inf at [1], from inputs in 0..1...
    """

    def __init__(self) -> None:
        super().__init__("anomaly", Watch())
        self._silence: list[np.errstate] = []

    def __enter__(self) -> Any:
        self._silence.append(np.errstate(all="ignore"))  # an error comes instead of NumPy's warning
        self._silence[-1].__enter__()
        return super().__enter__()

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._silence.pop().__exit__(None, None, None)


class Watch:
    """The checks of one `detect_anomaly` block."""

    def __init__(self) -> None:
        self.sums: dict[Any, int] = {}

    def inspect(self, out: Any, primitive: Primitive, values: Sequence[Array]) -> None:
        """Check a result just recorded; remember what its inputs look like."""
        result, values = _numbers(out.value), [_numbers(v) for v in values]
        if isinstance(result, Box):
            return
        if not _finite(result) and all(_finite(v) for v in values):
            raise NonFiniteError(
                f"{primitive.name!r} at {at(out.site)} made the first non-finite value, {_first(result)}, "
                f"from inputs in {_range(values)}"
            )
        for tensor in (out, *(a for a in out.inputs or () if isinstance(a, Box))):
            self.sums.setdefault(tensor, _checksum(tensor))

    def watching(self, visit: Callable[[Any, Array], None] | None) -> Callable[[Any, Array], None]:
        """A visitor of the backward pass that checks every tensor before its rules run, and what they will give."""

        def check(tensor: Any, g: Array) -> None:
            self._unwritten(tensor)
            values = [a.value if isinstance(a, Box) else a for a in tensor.inputs]  # type: ignore[attr-defined]
            for index in tensor.wrt:
                if _finite(_numbers(g)):
                    self._gradient(tensor, index, tensor.creator.rule(index)(g, tensor.value, *values, **tensor.params))
            if visit is not None:
                visit(tensor, g)

        return check

    def _unwritten(self, tensor: Any) -> None:
        for value in (tensor, *(a for a in tensor.inputs if isinstance(a, Box))):
            if self.sums.get(value, (checksum := _checksum(value))) != checksum:
                raise InplaceError(
                    f"an array of shape {value.shape} that {tensor.creator.name!r} at {at(tensor.site)} recorded was written "
                    "to behind its tensor (t.data[i] = v): use x.at[i].set(v), or write before the computation"
                )

    def _gradient(self, tensor: Any, index: int, part: Array) -> None:
        part = _numbers(part)
        if isinstance(part, Box) or _finite(part):
            return
        raise NonFiniteError(
            f"the gradient of {tensor.creator.name!r} at {at(tensor.site)} for its argument {index} is the first that is not "
            f"finite, {_first(part)}; the operation's output lies in {_range([_numbers(tensor.value)])}. If `where` "
            "picks another value there, the gradient still passes here as 0 * inf: make the input safe first, "
            "where(ok, f(where(ok, x, 1.0)), other)"
        )


def _numbers(value: Any) -> Any:
    """The value itself, and inside `vmap` the array that holds it for all rows."""
    while hasattr(value, "content"):
        value = value.content
    return value


def _finite(value: Any) -> bool:
    return (
        not isinstance(value, (np.ndarray, np.generic))
        or value.dtype.kind not in "fc"
        or bool(np.isfinite(value).all())
    )


def _first(value: Any) -> str:
    array = np.asarray(value)
    place = np.argwhere(~np.isfinite(array))[0].tolist()
    return f"{array[tuple(place)]}" + (f" at {place}" if place else "")


def _range(values: Sequence[Any]) -> str:
    arrays = [np.asarray(v) for v in values if np.size(v) and np.asarray(v).dtype.kind in "biuf"]
    if not arrays:
        return "nothing (empty arrays)"
    return f"{min(float(np.nanmin(a)) for a in arrays):.6g}..{max(float(np.nanmax(a)) for a in arrays):.6g}"


def _checksum(tensor: Any) -> int:
    value = getattr(tensor, "value", None)
    return zlib.crc32(np.ascontiguousarray(value).tobytes()) if isinstance(value, (np.ndarray, np.generic)) else 0
