"""The backward pass of a tape, replayed with one step done differently: what would the gradients be then?

A backward pass is a sum over edges: the cotangent of a tensor is the sum of the parts that its consumers send back.
With the parts of the true pass kept, changing one edge needs only what lies below it to be computed again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.engine import fit, pull, toposort
from ..core.errors import AutogradError, GraphError
from ..core.tensor import Tensor

Edge = tuple[Any, int]  # an operation's result, and which of its inputs the part goes back to
Edit = Callable[[Any], Any]  # the cotangent of the result -> the part sent back, in place of the rule's
FAILURES = (ValueError, IndexError, TypeError, AutogradError)  # of a mistake that cannot even be computed here

RUNS = 3  # of perturbed arithmetic
MARGIN = 16  # times the largest deviation that these runs show
MOST = 2e4  # units in the last place that rounding may explain


def value_of(array: Any) -> Any:
    """The plain value of a Tensor, array or number."""
    return array.value if isinstance(array, Tensor) else array


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Whether two arrays agree in shape and, within the tolerance, in every element."""
    if np.shape(a) != np.shape(b):
        return False
    with np.errstate(all="ignore"):
        return bool(np.all((np.abs(np.subtract(a, b)) <= tolerance) | (np.isnan(a) & np.isnan(b))))


class Replay:
    """A loss's tape with the cotangent of every tensor, and what each edge contributed to it."""

    def __init__(self, root: Tensor, seed: Any = None) -> None:
        seed = np.ones(root.shape, root.dtype)[()] if seed is None else seed
        self.root, self.seed = root, seed
        self.order: list[Any] = toposort([root])
        if any(node.creator.kind == "crossing" for node in self.order):
            raise GraphError(
                "compare works with single values of the tape of a loss, and this one goes through vmap: compare with the "
                "gradients that backward left, compare(manual, {'w': w.grad}), or write the loss without vmap"
            )
        self.base: dict[Tensor, Any] = {}  # cotangents, as the engine itself computes them
        with np.errstate(all="ignore"):
            leaves = pull([root], [seed], visit=lambda tensor, g: self.base.__setitem__(tensor, np.array(g)[()]))
        self.base.update(leaves)
        self.leaves = list(leaves)
        self.silent: set[Tensor] = set()  # results that get no gradient, whatever comes back to them
        self.incoming: dict[Tensor, list[Edge]] = {}
        self.parts: dict[Edge, Any] = {}
        for node in reversed(self.order):
            for index in node.wrt:
                self.parts[node, index] = self.part((node, index), self.base[node])
                self.incoming.setdefault(node.inputs[index], []).append((node, index))

    def inputs(self, node: Any) -> list[Any]:
        """The plain values an operation was given."""
        return [value_of(a) for a in node.inputs or ()]

    def raw(self, edge: Edge, g: Any, y: Any = None, values: list[Any] | None = None) -> Any:
        """What the rule of an edge gives, before broadcasting is undone; other values can be put under it."""
        node, index = edge
        values = self.inputs(node) if values is None else values
        rule = node.creator.rule(index)
        with np.errstate(all="ignore"):
            return rule(g, node.value if y is None else y, *values, **node.params)

    def fitted(self, edge: Edge, part: Any) -> Any:
        """A part in the shape of the input that it goes back to."""
        return fit(np.asarray(part)[()], np.asarray(value_of(edge[0].inputs[edge[1]]))[()])

    def part(self, edge: Edge, g: Any, y: Any = None, values: list[Any] | None = None) -> Any:
        """What an edge sends back for a cotangent of its result."""
        node, index = edge
        if np.shape(g) == np.shape(node.value):
            return self.fitted(edge, self.raw(edge, g, y, values))
        # A cotangent that somebody forgot to sum over the batch: NumPy broadcasts on, until a sum absorbs it.
        source = node.inputs[index]
        if node.creator.name == "sum" and np.shape(g) == source.shape:
            return g
        return self.raw(edge, g, y, values)

    def run(self, edits: Mapping[Edge, Edit], clamps: Mapping[Tensor, Any] | None = None) -> dict[Tensor, Any]:
        """The cotangents that differ from the true ones when edges are edited, or tensors get a given cotangent."""
        with np.errstate(all="ignore"):
            return self._run(edits, clamps or {})[0]

    def commit(self, edits: Mapping[Edge, Edit], clamps: Mapping[Tensor, Any] | None = None) -> None:
        """Take the edits for granted from now on; what cannot be computed from them stays as it was."""
        with np.errstate(all="ignore"):
            changed, parts = self._run(edits, clamps or {}, lenient=True)
        self.base.update(changed)
        self.parts.update(parts)

    def _run(
        self, edits: Mapping[Edge, Edit], clamps: Mapping[Tensor, Any], lenient: bool = False
    ) -> tuple[dict[Tensor, Any], dict[Edge, Any]]:
        changed: dict[Tensor, Any] = dict(clamps)
        parts: dict[Edge, Any] = {}
        stale: set[Tensor] = set(clamps)
        for node in reversed(self.order):
            if node in stale and node not in clamps:
                changed[node] = np.zeros_like(self.base[node]) if node in self.silent else self.total(node, parts)
            for index in node.wrt:
                edge = (node, index)
                if edge not in edits and node not in stale:
                    continue
                try:
                    g = changed.get(node, self.base[node])
                    parts[edge] = edits[edge](g) if edge in edits else self.part(edge, g)
                except FAILURES:
                    if not lenient:
                        raise
                    continue
                stale.add(node.inputs[index])
        for leaf in self.leaves:
            if leaf in stale and leaf not in clamps:
                changed[leaf] = self.total(leaf, parts)
        return changed, parts

    def total(self, tensor: Tensor, parts: Mapping[Edge, Any]) -> Any:
        """The sum of what comes back to a tensor, where some parts may be others than now."""
        total: Any = None
        for edge in self.incoming[tensor]:
            part = parts.get(edge, self.parts[edge])
            total = part if total is None else total + part
        return total

    def upstream(self, tensor: Tensor) -> list[Edge]:
        """Every edge on a path from the root back to the tensor, those next to the tensor first."""
        nodes, edges = [tensor], []
        seen = {tensor}
        for node in nodes:  # the list grows while it is walked
            for edge in self.incoming.get(node, ()):
                edges.append(edge)
                if edge[0] not in seen:
                    seen.add(edge[0])
                    nodes.append(edge[0])
        return edges

    def idle(self) -> set[Tensor]:
        """The results whose gradient cancels to rounding, as that of the maximum in a softmax does.

        Whoever derives by hand leaves such a path out, and is right to.
        """

        def largest(x: Any) -> float:
            return float(np.max(np.abs(x), initial=0.0))

        found = set()
        for node in self.order:
            terms = [largest(self.raw(edge, self.base[edge[0]])) for edge in self.incoming.get(node, ())]
            if terms and largest(self.base[node]) <= 64 * float(np.finfo(node.dtype).eps) * max(terms):
                found.add(node)
        return found

    def noise(self, precision: np.dtype[Any] | None = None) -> dict[Tensor, float]:
        """How far rounding alone can take each gradient.

        Forward and backward are run anew with every result disturbed by about one unit in the last place, and the
        largest deviation of several such runs is taken (stochastic arithmetic, after J. Vignes, "A stochastic
        arithmetic for reliable scientific computation", 1993).
        """
        rng = np.random.default_rng(0)
        runs = [self._disturbed(rng, precision) for _ in range(RUNS)]
        return {tensor: self._rounding(tensor, [run[tensor] for run in runs], precision) for tensor in self.base}

    def _rounding(self, tensor: Tensor, disturbed: list[Any], precision: np.dtype[Any] | None) -> float:
        def largest(x: Any) -> float:
            size = float(np.max(np.abs(x), initial=0.0))
            return size if np.isfinite(size) else 0.0

        right = self.base[tensor]
        eps = float(np.finfo(precision or tensor.dtype).eps)
        deviation = max(largest(g - right) for g in disturbed)
        terms = [largest(self.raw(edge, self.base[edge[0]])) for edge in self.incoming.get(tensor, ())]
        # Where a tie breaks differently the deviation says nothing about rounding: it has a limit.
        limit = (MOST if precision is None else MARGIN) * eps * max([largest(right), *terms])
        return min(MARGIN * max(deviation, eps * largest(right)), limit)

    def _disturbed(self, rng: np.random.Generator, precision: np.dtype[Any] | None) -> dict[Tensor, Any]:
        def disturb(x: Any) -> Any:
            x = np.asarray(x)
            eps = np.finfo(precision or x.dtype).eps
            return (x * (1 + eps * rng.uniform(-1.0, 1.0, x.shape))).astype(x.dtype)[()]

        values: dict[Tensor, Any] = {}
        cotangents: dict[Tensor, Any] = {self.root: self.seed}
        with np.errstate(all="ignore"):
            for node in self.order:
                arrays = [values.get(a, a.value) if isinstance(a, Tensor) else a for a in node.inputs or ()]
                y = node.creator.forward(*arrays, **node.params)
                values[node] = y if node.creator.exact else disturb(y)
            for node in reversed(self.order):
                g = disturb(cotangents[node])
                cotangents[node] = g
                arrays = [values.get(a, a.value) if isinstance(a, Tensor) else a for a in node.inputs or ()]
                for index in node.wrt:
                    part = self.raw((node, index), g, values[node], arrays)
                    part = self.fitted((node, index), disturb(part))
                    source = node.inputs[index]
                    cotangents[source] = disturb(cotangents[source] + part) if source in cotangents else part
        return cotangents
