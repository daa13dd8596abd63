"""The reference: a graph run equation by equation, each by its primitive's own NumPy function.

It defines what every operation means; the other backends are tested against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..ir.graph import Atom, Graph, Literal, Var
from .base import Backend, Executable


class Interpreter(Executable):
    """A graph that is read at every run."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.text = repr(graph)

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """The outputs for these inputs."""
        known: dict[Var, Any] = {**dict(zip(self.graph.inputs, inputs, strict=True)), **self.graph.constants}

        def read(atom: Atom) -> Any:
            return atom.value if isinstance(atom, Literal) else known[atom]

        with np.errstate(all="ignore"):
            for eqn in self.graph.eqns:
                value = np.asarray(eqn.primitive.forward(*map(read, eqn.inputs), **eqn.params))
                known[eqn.out] = value.item() if eqn.out.weak else value[()]  # (a weak number is Python's)
        return tuple([np.copy(x) if isinstance(x, np.ndarray) else x for x in map(read, self.graph.outputs)])


class _Reference(Backend):
    name = "reference"

    def compile(
        self, graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
    ) -> Executable:
        return Interpreter(graph)


BACKEND = _Reference()
