"""From LLVM assembly to callable machine code for the processor at hand."""

from __future__ import annotations

import hashlib
from typing import Any

from ..ir.target import exclusive, llvm, processor
from . import cache

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
    triple, cpu, features = processor()
    return llvm().Target.from_triple(triple).create_target_machine(cpu=cpu, features=features, opt=_level(text))


def _level(text: str) -> int:
    return 1 if text.count("\n") > _LONG else 2


def _key(text: str) -> str:
    """The name of the code of a text: a digest of all that the code depends on."""
    import llvmlite

    compiler = (llvmlite.__version__, llvm().llvm_version_info, _level(text), _SPEED, _TUNING, _PASSES)
    return hashlib.sha256(repr((processor(), compiler, text)).encode()).hexdigest()


class Machine:
    """Machine code of a text; keep the object alive as long as its functions may be called."""

    @exclusive
    def __init__(self, text: str) -> None:
        machine = target(text)
        self.text = text
        key = _key(text)
        code = cache.load(key)
        self.cached = code is not None
        if code is None:
            code = machine.emit_object(self._optimised(machine))
            cache.save(key, code)
        self._engine = llvm().create_mcjit_compiler(llvm().parse_assembly(""), machine)
        self._engine.add_object_file(llvm().ObjectFileRef.from_data(code))
        self._engine.finalize_object()

    def _optimised(self, machine: Any) -> Any:
        module = llvm().parse_assembly(self.text)
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        _optimise(module, machine)
        return module

    @exclusive
    def __del__(self) -> None:
        self.__dict__.pop("_engine", None)

    @exclusive
    def address(self, name: str) -> int:
        """Where a function begins."""
        return int(self._engine.get_function_address(name))

    @property
    @exclusive
    def llvm(self) -> str:
        """The optimised assembly of LLVM."""
        return str(self._optimised(target(self.text)))

    @property
    @exclusive
    def asm(self) -> str:
        """The assembly of the processor."""
        machine = target(self.text)
        return str(machine.emit_assembly(self._optimised(machine)))


def _optimise(module: Any, machine: Any) -> None:
    options = llvm().create_pipeline_tuning_options(speed_level=_SPEED)
    for name, value in _TUNING.items():
        setattr(options, name, value)
    builder = llvm().create_pass_builder(machine, options)
    passes = llvm().create_new_module_pass_manager()
    for name in _PASSES:
        getattr(passes, f"add_{name}_pass")()
    passes.run(module, builder)
