"""The native backend: a whole step as machine code, made by LLVM through llvmlite (``pip install tracegrad[native]``)."""

from __future__ import annotations

import importlib.util

from .lower import TABLE, UNSUPPORTED
from .program import NativeProgram, compile_graph

__all__ = ["TABLE", "UNSUPPORTED", "NativeProgram", "available", "compile_graph"]


def available() -> bool:
    """Whether llvmlite is installed and this Python's objects can be read by machine code."""
    from .call import readable

    return importlib.util.find_spec("llvmlite") is not None and readable()
