"""NumPy's functions on Tensors and Tracers, by family; importing them tells `autograd.functions.protocols` about them.

Each has NumPy's name and arguments and is made of the package's operations, so that gradients of any order, traces and
compiled steps come with it.  The few that need a rule of their own are in `special` and `decompositions`.
"""

from . import (
    activations,
    calculus,
    decompositions,
    elementwise,
    linalg,
    methods,
    missing,
    movement,
    reductions,
    special,
    statistics,
)

__all__ = [
    "activations",
    "calculus",
    "decompositions",
    "elementwise",
    "linalg",
    "methods",
    "missing",
    "movement",
    "reductions",
    "special",
    "statistics",
]
