"""Between boxes and plain arrays: sequences of tensors become one, and nothing leaves the graph unasked."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np

from .errors import DTypeError
from .mode import DEPTH, current, refused
from .ops import shape
from .primitive import Array, Box
from .source_location import at, users_frame
from .subclasses import numbers


def as_array(x: Any) -> Array:
    """Tensors and arrays as they are; sequences as one array, stacked where there are Tensors in them."""
    if isinstance(x, (Box, np.ndarray, np.generic)):
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(part, (Box, list, tuple)) for part in x):
        parts = [as_array(part) for part in x]
        if any(isinstance(part, Box) for part in parts):
            return shape.stack_p(*[part if isinstance(part, Box) else numbers(part) for part in parts], axis=0)
        return np.asarray(parts)
    return np.asarray(x)


def leaves_the_graph(array: Box, into: str, how: str) -> None:
    """Refuse to become a constant unasked where a derivative would silently be 0 for it.

    That is inside a transformation, and in those functions of NumPy's that take their arguments for arrays unasked.

    Raises:
        DTypeError: the value requires a gradient, which would be lost.
    """
    if not array.requires_grad or not current().record:
        return
    frame = caller = sys._getframe(2)
    while _is_numpys(frame) and frame.f_back is not None:
        frame = frame.f_back
    if DEPTH.get() or frame is not caller:
        frame = users_frame(frame)
        error = DTypeError(
            f"{at((frame.f_code.co_filename, frame.f_lineno))} makes {into} of a value that is being differentiated, "
            "so its gradient would be lost: use functions of autograd or NumPy (autograd.numpy.array for lists of "
            f"tensors), or {how} to leave the graph"
        )
        raise refused(error)


def _is_numpys(frame: FrameType) -> bool:
    """Whether it is code of NumPy's that runs, other than what compares in tests and masks in plots."""
    package, _, module = frame.f_globals.get("__name__", "").partition(".")
    return package == "numpy" and module.split(".")[0] not in ("testing", "ma")
