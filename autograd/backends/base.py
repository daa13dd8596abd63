"""What a backend is: it turns an optimised graph into something that runs.  And the table of all backends.

A backend is one file with a `Backend` named BACKEND in it, and one line of `register`.  Its executable needs no more than
`run`; what it can do beyond (overwrite arrays, keep memory of its own, run many steps at once) it says by overriding.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.errors import ArgumentError
from ..core.tensor import Tensor
from ..ir.graph import Graph
from ..ir.outcome import Outcome
from ..passes.fuse import fusion_groups
from ..passes.memory import Plan


@dataclass(frozen=True, slots=True)
class Given:
    """How the entry of a step reaches an input: by a local variable, from the tensor that holds it, or either way."""

    local: str | None
    owner: str | None

    @property
    def expression(self) -> str:
        """Its value."""
        return self.local or f"{self.owner}.value"


@dataclass(frozen=True, slots=True)
class Step:
    """What running many steps needs to know besides the graph."""

    outcome: Outcome
    gather: Callable[[tuple[Any, ...], dict[str, Any]], Any]  # checks the call, and gives the inputs
    lock: Any  # held while steps run: their memory and what they write is their own
    arguments: Mapping[Tensor, int]  # tensors that stand for arguments -> leaf of the arguments
    leaf_inputs: Sequence[int | None]  # leaf of the arguments -> input of the graph
    accumulates: bool  # whether a step begins with gradients that the one before it left


class Loop(Protocol):
    """Many steps without Python in between."""

    can_repeat: bool
    can_scan: bool  # the same along stacked arguments

    def run(
        self,
        count: int,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        stacked: list[Any] | None,
        misses: tuple[object, ...],
    ) -> Any:
        """The stacked results of `count` steps; None where that cannot be, or gathering gives one of `misses`."""


class Executable(ABC):
    """A graph made ready to run.

    Attributes:
        graph: what it computes.
        text: the program, for people.
        plan: where in its memory the arrays lie; None where it has none.
        buffers: outputs (by number) that stay in its memory until the next run.
        machine_integers: whether whole numbers have to fit into 64 bits.
    """

    text = ""
    plan: Plan | None = None
    buffers: Mapping[int, Any] = {}
    machine_integers = False

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    @abstractmethod
    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """The graph's outputs for its inputs, each with memory of its own."""

    def statements(self, given: Sequence[Given], owned: Sequence[str], names: dict[str, Any]) -> list[str]:
        """Python statements that run one step on these inputs and leave its outputs in r0, r1, ...

        Args:
            owned: expressions of the tensors that get new values, in the order of the updates.
            names: what the statements may refer to; it has "run", and takes more.
        """
        call = f"run({', '.join(each.expression for each in given)})"
        results = " ".join(f"r{i}," for i in range(len(self.graph.outputs)))
        return [f"{results} = {call}" if results else call]

    def overwrites(self, output: int) -> bool:
        """Whether a run by itself brings this output to the tensor whose new value it is."""
        return False

    def loop(self, step: Step) -> Loop | None:
        """What runs many steps; None: Python calls them one by one."""
        return None

    def explain(self, times: Any = None) -> list[str]:
        """Lines on what became of the equations, with the times that `measure` gave."""
        lines = []
        for group in fusion_groups(self.graph):
            what = " ".join(eqn.primitive.name for eqn in group.eqns[:12]) + (" ..." if len(group.eqns) > 12 else "")
            space = f" over {list(group.space)}" if group.space is not None else ""
            lines.append(f"  {group.kind}{space}: {what}")
        return lines

    def measure(self, values: Sequence[Any]) -> Any:
        """How long each part takes on these inputs, which stay as they are; None: it cannot be measured."""
        return None

    def listing(self, notation: str) -> str | None:
        """The program in another notation, such as "llvm"; None: it has none of that name."""
        return None


class Backend(ABC):
    """Makes executables.

    Attributes:
        name: what ``compile(backend=...)`` calls it.
        most_equations: graphs up to this size are worth its while where nobody has asked for it; None: any, since it
            compiles at once.
    """

    name: str
    most_equations: int | None = None

    def missing(self) -> str | None:
        """Why it cannot run here, and what to install or to use instead; None: it can."""
        return None

    def available(self) -> bool:
        """Whether it can run here."""
        return self.missing() is None

    @abstractmethod
    def compile(
        self, graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
    ) -> Executable:
        """Make a graph ready to run.

        Args:
            graph: the optimised graph.
            keep: outputs (by number) that may stay in memory of the program until its next run.
            overwrite: output -> input whose array it replaces, and may be computed into.
        """


_MODULES: dict[str, str] = {}


def register(name: str, module: str) -> None:
    """Let ``compile(backend=name)`` use the BACKEND of a module, which is imported when it is needed first."""
    _MODULES[name] = module


def names() -> list[str]:
    """All backends, the preferred ones first."""
    return list(_MODULES)


def find(name: str) -> Backend:
    """The backend of that name.

    Raises:
        ArgumentError: there is none.
    """
    if name not in _MODULES:
        raise ArgumentError(f"unknown backend {name!r}: use one of {', '.join(_MODULES)}")
    backend: Backend = importlib.import_module(_MODULES[name]).BACKEND
    return backend
