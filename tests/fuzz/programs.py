"""A random program as text: statements that make its state, a step, and what changes before each call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import autograd as ag
import nn
from autograd import Tensor
from tests.fuzz import parts
from tests.fuzz.arrays import array
from tests.fuzz.operations import P

GIVEN: dict[str, Any] = {
    "__name__": "program",
    "ag": ag, "nn": nn, "np": np, "P": P, "Tensor": Tensor, "array": array, "inf": np.inf, "nan": np.nan, "dtype": np.dtype,
    "State": parts.State, "Descent": parts.Descent, "Averaged": parts.Averaged, **parts.FUNCTIONS,
}  # fmt: skip

FORMS = {"list": "[{}]", "tuple": "({},)", "dict": "dict({})", "single": "{}"}


@dataclass(frozen=True)
class Program:
    """One program; every part is a tuple of statements, so that any of them can be left out."""

    seed: int
    setup: tuple[str, ...]
    body: tuple[str, ...]
    rounds: tuple[tuple[str, ...], ...]  # statements before each call
    arguments: tuple[str, ...]
    results: tuple[str, ...] = ()
    form: str = "list"  # of what the step returns
    calls: str = "step"  # how it is called: "step", "repeat" or "scan"
    operations: tuple[str, ...] = field(default=(), compare=False)

    @property
    def step(self) -> str:
        """The text of the step."""
        lines = [line for statement in self.body for line in statement.splitlines()]
        items = [f"{'r' + str(i) + '=' if self.form == 'dict' else ''}{name}" for i, name in enumerate(self.results)]
        form = "list" if (self.form == "single" and len(items) != 1) or not items else self.form
        lines.append(f"return {FORMS[form].format(', '.join(items))}")
        return "\n    ".join([f"def step({', '.join(self.arguments)}):", *lines])

    @property
    def text(self) -> str:
        """All of it, to read and to run."""
        lines = [*self.setup, "", self.step, ""]
        for number, changes in enumerate(self.rounds):
            lines += [*changes, f"result{number} = {CALLS[self.calls].format(', '.join(self.arguments))}"]
        return "\n".join(lines)

    def space(self) -> dict[str, Any]:
        """The state that the statements make, and the step, in fresh copies."""
        space = dict(GIVEN)
        exec("\n".join([*self.setup, self.step]), space)
        return space

    def smaller(self) -> Iterator[Program]:
        """The program with one part left out, each part in turn, the last statements first."""
        if len(self.rounds) > 1:
            yield replace(self, rounds=self.rounds[:-1])
        for name in ("body", "setup", "results"):
            part = getattr(self, name)
            for i in reversed(range(len(part))):
                yield replace(self, **{name: part[:i] + part[i + 1 :]})
        for number, changes in enumerate(self.rounds):
            for i in range(len(changes)):
                left = (changes[:i] + changes[i + 1 :],)
                yield replace(self, rounds=self.rounds[:number] + left + self.rounds[number + 1 :])


CALLS = {"step": "step({})", "repeat": "step.repeat(3, {})", "scan": "step.scan({})"}
