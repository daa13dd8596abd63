"""From LLVM assembly to callable machine code for the processor at hand."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ....core.errors import ArgumentError
from . import cache

Function = TypeVar("Function", bound=Callable[..., Any])


# LLVM is used by one thread at a time and by none while a process forks: the child would find LLVM's own locks locked, and
# nobody there to unlock them.
_using_llvm = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_using_llvm.acquire, after_in_parent=_using_llvm.release, after_in_child=_using_llvm.release
    )


def _alone(function: Function) -> Function:
    """The function as one that holds LLVM to itself while it runs."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with _using_llvm:
            return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


_LONG = 10_000  # lines, from which on LLVM is told to think less: it takes half the time, and what it makes is hardly slower

# The loops come vectorised already, so what is left for LLVM is local: registers, common terms, invariants.
_SPEED = 2
_TUNING = {"loop_vectorization": False, "slp_vectorization": False, "loop_unrolling": False}
_PASSES = (
    "sroa", "instruction_combine", "simplify_cfg", "new_gvn", "loop_rotate", "instruction_combine",
    "dead_code_elimination",
)  # fmt: skip


def target(text: str = "") -> Any:
    """The processor at hand, as LLVM sees it, to make code of a text.

    A new object each time, since the engine that uses it also frees it.
    """
    llvm = _llvm()
    triple, cpu, features = _processor()
    return llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=_level(text))


def _processor() -> tuple[str, str, str]:
    """Triple, name and features of the processor at hand."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features()
    return llvm.get_default_triple(), llvm.get_host_cpu_name(), features.flatten() if features else ""


def _level(text: str) -> int:
    return 1 if text.count("\n") > _LONG else 2


def _key(text: str) -> str:
    """The name of the code of a text: a digest of all that the code depends on."""
    import llvmlite

    compiler = (llvmlite.__version__, _llvm().llvm_version_info, _level(text), _SPEED, _TUNING, _PASSES)
    return hashlib.sha256(repr((_processor(), compiler, text)).encode()).hexdigest()


@functools.cache
@_alone
def registers() -> tuple[int, int]:
    """How many vector registers there are, and how many bytes one holds."""
    features = _llvm().get_host_cpu_features() or {}
    if features.get("avx512f"):
        return 32, 64
    return (16, 32) if features.get("avx") else (16, 16) if _llvm().get_process_triple().startswith("x86") else (32, 16)


@_alone
def clock() -> tuple[str, str]:
    """The instruction that reads a clock which runs evenly, and its declaration.

    Raises:
        ArgumentError: no such instruction is known for this processor.
    """
    triple = _llvm().get_process_triple()
    if triple.startswith(("x86_64", "i686")):
        return "call i64 @llvm.readcyclecounter()", "declare i64 @llvm.readcyclecounter()"
    if triple.startswith(("aarch64", "arm64")):
        register = '!0 = !{!"cntvct_el0"}'  # (the cycle counter is closed to programs on these)
        read = "i64 @llvm.read_volatile_register.i64(metadata"
        return f"call {read} !0)", f"declare {read})\n{register}"
    raise ArgumentError(f"profile= needs a clock that machine code can read, which is not known for {triple}")


class Machine:
    """Machine code of a text; keep the object alive as long as its functions may be called."""

    @_alone
    def __init__(self, text: str) -> None:
        llvm, machine = _llvm(), target(text)
        self.text = text
        key = _key(text)
        code = cache.load(key)
        self.cached = code is not None
        if code is None:
            code = machine.emit_object(self._optimised(machine))
            cache.save(key, code)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def _optimised(self, machine: Any) -> Any:
        llvm = _llvm()
        module = llvm.parse_assembly(self.text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        _optimise(llvm, module, machine)
        return module

    @_alone
    def __del__(self) -> None:
        self.__dict__.pop("_engine", None)

    @_alone
    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self._engine.get_function_address(name))

    @property
    @_alone
    def llvm(self) -> str:
        """The optimised assembly of LLVM."""
        return str(self._optimised(target(self.text)))

    @property
    @_alone
    def asm(self) -> str:
        """The assembly of the processor."""
        machine = target(self.text)
        return str(machine.emit_assembly(self._optimised(machine)))


def _optimise(llvm: Any, module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=_SPEED)
    for name, value in _TUNING.items():
        setattr(options, name, value)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    for name in _PASSES:
        getattr(passes, f"add_{name}_pass")()
    passes.run(module, builder)
