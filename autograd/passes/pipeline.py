"""The passes in order; every stage is verified and kept, for listings and pictures."""

from __future__ import annotations

from collections.abc import Callable

from ..ir.graph import Graph, verify
from .cse import share_common
from .dce import drop_unused
from .fold import fold_numbers
from .simplify import simplify
from .vectorise import vectorise

PASSES: tuple[tuple[str, Callable[[Graph], Graph]], ...] = (
    ("vectorise", vectorise),
    ("fold", fold_numbers),
    ("simplify", simplify),
    ("cse", share_common),
    ("dce", drop_unused),
)


def optimise(graph: Graph) -> list[tuple[str, Graph]]:
    """The graph as traced and after each pass, with the pass's name.  Every rewrite is exact, nan and -0.0 included."""
    stages = [("trace", graph)]
    known = set(graph.eqns)
    for name, run in PASSES:
        graph = verify(run(graph), known)
        known.update(graph.eqns)
        stages.append((name, graph))
    return stages
