"""The native backend: a whole step as machine code, made by LLVM through llvmlite (``pip install "tracegrad[native]"``)."""

from __future__ import annotations

import functools
import importlib.util

from ...core.errors import MissingDependencyError
from .program import NativeProgram, compile_graph
from .tasks.base import TABLE, UNSUPPORTED

__all__ = ["TABLE", "UNSUPPORTED", "NativeProgram", "available", "compile_graph", "require"]


def available() -> bool:
    """Whether llvmlite is installed and this Python's objects can be read by machine code."""
    from .runtime.calling import readable

    return _installed() and readable()


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("llvmlite") is not None


def require() -> None:
    """Raise where the backend cannot run.

    Raises:
        MissingDependencyError: says what to install, or what of this Python does not fit.
    """
    from .runtime.calling import readable

    if not _installed():
        raise MissingDependencyError(
            'backend="native" makes machine code through llvmlite, which is not installed: pip install "tracegrad[native]", '
            'or use backend="numpy"'
        )
    if not readable():
        raise MissingDependencyError(
            'backend="native" needs a 64-bit CPython with the global interpreter lock and a NumPy whose arrays it can read: '
            'use backend="numpy"'
        )
