"""What every kind of task has in common: equations that run together, and the machine code for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from ....ir.graph import Eqn, Var
from ..ir.module import Module

ACCESS, SIMPLE = 4, 2  # cost per element: read or written, computed with at least


@dataclass(frozen=True, slots=True, eq=False)
class Task(ABC):
    """Equations that run together; each kind of task is a subclass, which says what it takes and how it is computed."""

    eqns: tuple[Eqn, ...]

    plural: ClassVar[str]  # what a listing calls several of them
    in_registers: ClassVar[bool] = False  # results are values in registers, with an address only where others need one
    in_memory: ClassVar[bool] = False  # works on memory alone: equal ones of a segment can be one function
    emits_code: ClassVar[bool] = True  # a view has nothing to do
    is_barrier: ClassVar[bool] = False  # nothing is moved from one side of it to the other
    may_raise: ClassVar[bool] = False  # and then nothing may have changed

    @property
    def eqn(self) -> Eqn:
        """The first equation, mostly the only one."""
        return self.eqns[0]

    @property
    def inputs(self) -> list[Var]:
        """What is read from outside."""
        own = {eqn.out for eqn in self.eqns}
        return list(dict.fromkeys(a for eqn in self.eqns for a in eqn.inputs if isinstance(a, Var) and a not in own))

    @classmethod
    @abstractmethod
    def supported(cls, eqn: Eqn) -> bool:
        """Whether an equation can be computed so."""

    @abstractmethod
    def emit(self, module: Module, chunks: int) -> None:
        """Append the machine code; `chunks` is how many pieces it is worth cutting into, for as many threads."""

    def cost(self) -> int:
        """Multiplications of a product that take as long, about 0.03 nanoseconds each; 0 for what is never cut."""
        return 0

    @abstractmethod
    def describe(self, operations: str) -> str:
        """What a listing says of it, given the names of its operations."""

    # ----- what scheduling asks -----
    def stored(self) -> list[Var]:
        """Results that need an address even if no other task reads them."""
        return [eqn.out for eqn in self.eqns]

    def may_overwrite(self, old: Var, out: Var, root: Mapping[Var, Var]) -> bool:
        """Whether each element of `old` is read just where, and before, that of the result `out` is written.

        Views of `old` have it as their `root`.
        """
        return False

    def rows(self) -> int:
        """The length of the axis that it could go along row by row; 0 if it has none."""
        return 0

    def by_rows(self, inside: Mapping[Var, bool], views: AbstractSet[Var]) -> dict[Var, bool] | None:
        """Its results, and whether each has the rows, if a chunk of rows needs only these rows of results before it.

        Args:
            inside: results of the tasks before it in the group, and whether each has the rows.
            views: variables that are views of others.
        """
        return None
