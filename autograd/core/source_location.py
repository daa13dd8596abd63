"""Whose line it was: the caller's file and line behind a recorded operation, and the wording that names operands."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from .errors import ArgumentError, DTypeError, OutOfBoundsError, ShapeError

Site = tuple[str, int]

CORE_FILES, NN_FILES = (
    frozenset(str(path) for path in (Path(__file__).parents[2] / package).rglob("*.py"))
    for package in ("autograd", "nn")
)
OWN_FILES = CORE_FILES | NN_FILES  # an operation is blamed on the first frame outside these


_LIBRARIES = tuple(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))


def is_library(filename: str) -> bool:
    """Whether a file belongs to Python or an installed package rather than to the user."""
    return filename.startswith(_LIBRARIES) or filename.startswith("<frozen")


def users_frame(frame: FrameType) -> FrameType:
    """The frame itself or its nearest caller that is not part of the package."""
    while frame.f_code.co_filename in OWN_FILES and frame.f_back is not None:
        frame = frame.f_back
    return frame


def here() -> Site:
    """File and line of the first caller outside the package."""
    frame = users_frame(sys._getframe(1))
    return frame.f_code.co_filename, frame.f_lineno


def line_of(code: CodeType | None, offset: int) -> Site | None:
    """File and line of an instruction: what a recorded tensor keeps, since line numbers are slow to work out."""
    if code is None:
        return None
    lines = [line for start, end, line in code.co_lines() if start <= offset < end and line]
    return code.co_filename, lines[0] if lines else code.co_firstlineno


def at(site: Site | None) -> str:
    """ "file:line", as terminals and editors link it."""
    return f"{site[0]}:{site[1]}" if site else "an unknown line"


def called(tensor: Any) -> str:
    """How messages refer to a tensor."""
    return f"tensor {tensor.name!r}, shape {tensor.shape}" if tensor.name else f"a tensor of shape {tensor.shape}"


def explained(error: Exception, primitive: Any, arrays: Sequence[Any]) -> Exception:
    """NumPy's complaint about an operation as our error, with the operands and the caller's line."""
    if isinstance(error, np.linalg.LinAlgError):
        kind: type[Exception] = ArgumentError  # a singular matrix has a fine shape
    elif isinstance(error, IndexError):
        kind = OutOfBoundsError
    else:
        kind = ShapeError if isinstance(error, ValueError) else DTypeError
    operands = ", ".join(map(_operand, arrays))
    return kind(f"{primitive.name!r} at {at(here())} cannot take {operands}: {str(error).strip()}")


def _operand(array: Any) -> str:
    if not hasattr(array, "shape"):
        return repr(array)
    name = getattr(array, "name", None)
    return f"{name + ' of ' if name else ''}shape {tuple(array.shape)} {array.dtype}"
