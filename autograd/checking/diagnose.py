"""Names the mistake in a gradient derived by hand: which one wrong step on the tape would have given just this value?

Nothing is guessed from the look of the numbers.  Every mistake people are known to make is tried at every operation
between the loss and the tensor; one that reproduces the given gradient to nine digits is the answer, and among several
the one that explains most of the other rows too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from .mistakes import Case, Diagnosis, Hypothesis, Mistakes
from .replay import FAILURES, Replay, same

# Mistakes that give the same number are named in this order; what is not listed stands between.
FIRST = {"sign": 0, "path missing": 0, "factor": 0, "accumulated twice": 0, "transposed": 0, "shape": 0}
LAST = {"wrong operand": 2, "constant": 3, "another gradient": 4}


def completed(replay: Replay, tensor: Tensor) -> float:
    """When the backward pass, which goes from large numbers to small, has the whole gradient of a tensor."""
    return tensor.serial if tensor.creator else min(edge[0].serial for edge in replay.incoming[tensor]) - 0.5


def diagnose(replay: Replay, cases: Sequence[Case], names: dict[Tensor, str]) -> dict[str, Diagnosis]:
    """What is wrong with each wrong case, by its name, the one to fix first coming first.

    Args:
        replay: the tape of the loss; changed on the way.
        cases: all rows, right and wrong.
        names: what the caller calls the tensors.
    """
    found: dict[str, Diagnosis] = {}
    search = _Search(replay, cases, names)
    replay.silent = replay.idle()
    for case in sorted(cases, key=lambda case: -completed(replay, case.tensor)):
        expected = replay.base[case.tensor]
        fits = same(expected, case.manual, search.slack(case))
        if case.wrong and not fits and found and replay.silent:
            fits = search.fits_aloud(case)
        if case.wrong and fits:
            first = next(iter(found), "the row above")
            found[case.name] = Diagnosis("follows", f"right but for what is wrong in {first}: fix that first")
        elif case.wrong:
            best = search.explain(case)
            found[case.name] = Diagnosis(best.kind, best.text) if best else _unnamed(case)
            if best:
                replay.commit(best.edits)
        if case.tensor.creator is not None and not same(replay.base[case.tensor], case.manual, search.slack(case)):
            replay.commit({}, {case.tensor: case.manual})  # whatever comes after was computed from this value
    return found


def _unnamed(case: Case) -> Diagnosis:
    shape = np.shape(case.manual)
    if shape != case.tensor.shape:
        return Diagnosis("shape", f"the gradient has shape {shape}, its tensor {case.tensor.shape}: is a sum missing?")
    text = "no single mistake known here gives this value: give the gradients between it and the loss too, step by step"
    return Diagnosis("unknown", text)


class _Search(Mistakes):
    """The search for one mistake that gives a case's value."""

    def explain(self, case: Case) -> Hypothesis | None:
        """The best hypothesis that gives the case's value, None where none does."""
        if not np.all(np.isfinite(case.manual)) and np.all(np.isfinite(self.replay.base[case.tensor])):
            text = "holds nan or inf where the gradient is finite: look for 0/0, log(0), overflow"
            return Hypothesis("not finite", text, {})
        best: tuple[tuple[float, ...], Hypothesis] | None = None
        for place, hypothesis in enumerate(self.hypotheses(case)):
            rank = self._rank(case, hypothesis)
            if rank is not None:
                order = (*rank, -FIRST.get(hypothesis.kind, LAST.get(hypothesis.kind, 1)), -place)
                if best is None or order > best[0]:
                    best = order, hypothesis
        return best[1] if best else None

    def fits_aloud(self, case: Case) -> bool:
        """Whether the case's value is right with what comes back through silent tensors."""
        try:
            return self._matches(
                case, self.replay.run({}, {node: self.replay.total(node, {}) for node in self.replay.silent})
            )
        except FAILURES:
            return False

    def _rank(self, case: Case, hypothesis: Hypothesis) -> tuple[int] | None:
        """How many rows the hypothesis explains; None where it does not even explain the case."""
        clamps: dict[Tensor, Any] = {}
        try:
            if hypothesis.value is not None:
                if not same(hypothesis.value, case.manual, self.slack(case)):
                    return None
                if case.tensor.creator and np.shape(hypothesis.value) == case.tensor.shape:
                    clamps[case.tensor] = case.manual
            world = self.replay.run(hypothesis.edits, clamps)
        except FAILURES:
            return None
        if hypothesis.value is None and not self._matches(case, world):
            return None
        return (sum(self._matches(other, world) for other in self.cases if other is not case),)

    def _matches(self, case: Case, world: dict[Tensor, Any]) -> bool:
        return same(world.get(case.tensor, self.replay.base[case.tensor]), case.manual, self.slack(case))


__all__ = ["Case", "Diagnosis", "diagnose", "completed"]
