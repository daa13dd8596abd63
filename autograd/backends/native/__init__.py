"""The native backend: a whole step as machine code, made by LLVM through llvmlite (``pip install "tracegrad[native]"``)."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping

from ...ir.graph import Graph
from ..base import Backend
from .executable import MachineCode
from .program import NativeProgram
from .runtime.calling import readable
from .tasks.fallback import UNSUPPORTED
from .tasks.selection import TABLE

__all__ = ["BACKEND", "TABLE", "UNSUPPORTED"]


class _Native(Backend):
    name = "native"
    most_equations = 20_000  # beyond, LLVM takes longer than anybody who has not asked for it would wait

    def missing(self) -> str | None:
        if not _installed():
            return (
                'backend="native" makes machine code through llvmlite, which is not installed: pip install '
                '"tracegrad[native]", or use backend="numpy"'
            )
        if not readable():
            return (
                'backend="native" needs a 64-bit CPython with the global interpreter lock and a NumPy whose arrays it can '
                'read: use backend="numpy"'
            )
        return None

    def compile(
        self, graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
    ) -> MachineCode:
        return MachineCode(NativeProgram(graph, keep, overwrite or {}))


BACKEND = _Native()


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("llvmlite") is not None
