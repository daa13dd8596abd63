"""What machine code is made for: the processor at hand, and the BLAS that NumPy brings along."""

from __future__ import annotations

import ctypes
import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ....core.errors import ArgumentError

Function = TypeVar("Function", bound=Callable[..., Any])

# LLVM is used by one thread at a time and by none while a process forks: the child would find LLVM's own locks locked, and
# nobody there to unlock them.
_using_llvm = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_using_llvm.acquire, after_in_parent=_using_llvm.release, after_in_child=_using_llvm.release
    )


def exclusive(function: Function) -> Function:
    """The function as one that has LLVM to itself while it runs."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _using_llvm:
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


@functools.cache
def llvm() -> Any:
    """The bindings of llvmlite, ready to make code for this machine."""
    import llvmlite.binding

    llvmlite.binding.initialize_native_target()
    llvmlite.binding.initialize_native_asmprinter()
    return llvmlite.binding


def processor() -> tuple[str, str, str]:
    """Triple, name and features of the processor at hand."""
    features = llvm().get_host_cpu_features()
    return llvm().get_default_triple(), llvm().get_host_cpu_name(), features.flatten() if features else ""


@functools.cache
@exclusive
def registers() -> tuple[int, int]:
    """How many vector registers there are, and how many bytes one holds."""
    features = llvm().get_host_cpu_features() or {}
    if features.get("avx512f"):
        return 32, 64
    return (16, 32) if features.get("avx") else (16, 16) if llvm().get_process_triple().startswith("x86") else (32, 16)


@exclusive
def clock() -> tuple[str, str]:
    """The instruction that reads a clock which runs evenly, and its declaration.

    Raises:
        ArgumentError: no such instruction is known for this processor.
    """
    triple = llvm().get_process_triple()
    if triple.startswith(("x86_64", "i686")):
        return "call i64 @llvm.readcyclecounter()", "declare i64 @llvm.readcyclecounter()"
    if triple.startswith(("aarch64", "arm64")):
        register = '!0 = !{!"cntvct_el0"}'  # (the cycle counter is closed to programs on these)
        read = "i64 @llvm.read_volatile_register.i64(metadata"
        return f"call {read} !0)", f"declare {read})\n{register}"
    raise ArgumentError(f"profile= needs a clock that machine code can read, which is not known for {triple}")


@functools.cache
def blas_library() -> tuple[dict[str, int], int] | None:
    """Addresses of cblas_sgemm and cblas_dgemm in the OpenBLAS that NumPy brings along, and the bits of its integers."""
    home = Path(np.__file__).parent
    for path in sorted([*home.parent.glob("numpy.libs/*openblas*"), *home.glob(".dylibs/*openblas*")]):
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        for prefix, suffix, bits in (("scipy_", "64_", 64), ("", "64_", 64), ("scipy_", "", 32), ("", "", 32)):
            names = {letter: f"{prefix}cblas_{letter}gemm{suffix}" for letter in "sd"}
            if all(hasattr(library, name) for name in names.values()):
                return {k: ctypes.cast(getattr(library, v), ctypes.c_void_p).value or 0 for k, v in names.items()}, bits
    return None
