"""Runs a program eagerly and compiled, and says what differs.

>>> from tests.fuzz.run import check
>>> from tests.fuzz.write import write
>>> check(write(7), "numpy").differences
[]
"""

from __future__ import annotations

import contextlib
import re
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import autograd as ag
from autograd import Tensor
from autograd.core import tree
from autograd.core.errors import ArgumentError, AutogradError, GraphError
from tests.fuzz.compare import RUNS, disturbed, explained, same
from tests.fuzz.programs import GIVEN, Program
from tests.fuzz.snapshot import Leaf, snapshot

Table = dict[str, Leaf]
REPEATS = 3


@dataclass
class Call:
    """One call: all that can be reached before and after it, with its result, or the error it ended with."""

    before: Table
    after: Table = field(default_factory=dict)
    error: Exception | None = None


@dataclass
class Checked:
    """What came of one program: differences in words, or the reason why it was refused."""

    differences: list[str]
    refused: str = ""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def run(program: Program, backend: str | None, tensors: bool = False) -> list[Call]:
    """The calls of the program, up to the first that ends with an error; compiled where a backend is named.

    With `tensors` arrays are passed as such, so that what NumPy does with them goes through our operations.
    """
    calls: list[Call] = []
    with quiet():
        space = program.space()
        step = space["step"]
        if backend is not None:
            step = ag.compile(step, backend=backend)
        call = (_EAGER if backend is None else _COMPILED)[program.calls]
        for changes in program.rounds:
            exec("\n".join(changes), space)
            calls.append(Call(_state(space)))
            try:
                arguments = [space[name] for name in program.arguments]
                if tensors:
                    arguments = [Tensor(x) if isinstance(x, np.ndarray) else x for x in arguments]
                result = call(step, arguments)
            except Exception as error:
                calls[-1].error = error.with_traceback(None)
                calls[-1].after = _state(space)
                break
            calls[-1].after = {**_state(space), **snapshot(result, "result", result=True)}
    return calls


def _state(space: dict[str, Any]) -> Table:
    found: Table = {}
    for name, value in space.items():
        if name not in GIVEN and name != "step" and name[:2] != "__":
            found.update(snapshot(value, name))
    return found


# ----- how a step is called -----
def _stacked(results: list[Any]) -> Any:
    leaves = [tree.flatten(result)[0] for result in results]
    arrays = [
        np.stack([np.asarray(x.value if isinstance(x, Tensor) else x) for x in column]) for column in zip(*leaves)
    ]
    return tree.unflatten(tree.flatten(results[0])[1], arrays)


def _rows(arguments: list[Any]) -> list[list[Any]]:
    """The arguments of each step of a scan: every argument and, reversed, its rows."""
    return [
        arguments,
        [Tensor(x.value[::-1].copy()) if isinstance(x, Tensor) else x[::-1] if np.ndim(x) else x for x in arguments],
    ]


def _joined(arguments: list[Any]) -> list[Any]:
    columns = zip(*_rows(arguments), strict=True)
    return [
        Tensor(np.stack([x.value for x in column])) if isinstance(column[0], Tensor) else np.stack(column)
        for column in columns
    ]


def _one_by_one(step: Callable[..., Any], arguments: list[Any]) -> Any:
    """What scan documents: row after row of the stacked arguments."""
    stacked = _joined(arguments)
    return _stacked([step(*[Tensor(x.value[i]) if isinstance(x, Tensor) else x[i] for x in stacked]) for i in range(2)])


_EAGER: dict[str, Callable[[Any, list[Any]], Any]] = {
    "step": lambda step, arguments: step(*arguments),
    "repeat": lambda step, arguments: _stacked([step(*arguments) for _ in range(REPEATS)]),
    "scan": _one_by_one,
}
_COMPILED: dict[str, Callable[[Any, list[Any]], Any]] = {
    "step": lambda step, arguments: step(*arguments),
    "repeat": lambda step, arguments: step.repeat(REPEATS, *arguments),
    "scan": lambda step, arguments: step.scan(*_joined(arguments)),
}


# ----- comparing -----
def check(program: Program, backend: str, eager: list[Call] | None = None) -> Checked:
    """What differs between the program run eagerly and compiled by that backend."""
    eager = eager if eager is not None else run(program, None)
    compiled = run(program, backend)
    rounding = _Rounding(program)
    for number, (got, want) in enumerate(zip(compiled, eager, strict=False)):
        if got.error is not None and want.error is None:
            return _refusal(number, got, program.calls == "step")
        if want.error is not None:
            if got.error is None and not _is_documented(want.error):
                return Checked([f"call {number}: eager raises {_text(want.error)}, compiled does not"])
            return Checked([])
        found = _differences(number, got.after, want.after, rounding)
        if found:
            return Checked(found)
    return Checked([])


def _is_documented(error: Exception) -> bool:
    """What a compiled step returns or keeps carries no graph: a second pass through it meets nothing that is freed.

    And a label out of range makes its loss nan.
    """
    return (isinstance(error, GraphError) and "graph already freed" in str(error)) or (
        isinstance(error, ArgumentError) and str(error).startswith("target")
    )


def _refusal(number: int, got: Call, whole: bool) -> Checked:
    """An error of our own class that left everything as it was is no difference; a loop may have done some steps."""
    assert got.error is not None
    if not isinstance(got.error, AutogradError):
        return Checked([f"call {number}: compiled raises {_text(got.error)}"])
    changed = [
        f"call {number}: refused ({_text(got.error)}), but {name} was changed: {_short(leaf)} -> {_short(got.after.get(name))}"
        for name, leaf in got.before.items()
        if whole and (name not in got.after or not same(got.after[name], leaf))
    ]
    return Checked(changed, "" if changed else reason(got.error))


def _differences(number: int, got: Table, want: Table, rounding: _Rounding) -> list[str]:
    found = [f"call {number}: only compiled has {name}" for name in got if name not in want]
    for name, leaf in want.items():
        if name not in got:
            found.append(f"call {number}: compiled lacks {name} = {_short(leaf)}")
        elif not same(got[name], leaf) and not rounding.explains(number, name, got[name], leaf):
            found.append(f"call {number}: {name}: eager {_short(leaf)}, compiled {_short(got[name])}")
    return found


class _Rounding:
    """Disturbed runs of one program, made as they are needed."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.runs: list[list[Call]] = []

    def explains(self, number: int, name: str, got: Leaf, want: Leaf) -> bool:
        if got.kind != want.kind:
            return False
        for count in (2, 8, RUNS):
            while len(self.runs) < count:
                count_so_far = len(self.runs)
                with disturbed(count_so_far):
                    self.runs.append(run(self.program, None, tensors=count_so_far % 4 > 1))
            others = [calls[number].after.get(name) for calls in self.runs if len(calls) > number]
            with quiet():
                if explained(got, want, [leaf for leaf in others if leaf is not None]):
                    return True
        return False


def _short(leaf: Leaf | None) -> str:
    if leaf is None:
        return "nothing"
    text = f"{leaf.kind} {leaf.value!r}".replace("\n", "")
    return re.sub(r"\s+", " ", text) if len(text) < 300 else text[:300] + "..."


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300].replace("\n", " ")


def reason(error: Exception) -> str:
    """The kind of a refusal: its words without what is particular to the program."""
    text = re.sub(r"File .*?:|<fuzz.*?>|'[^']*'|\"[^\"]*\"|\[.*?\]|\(.*?\)|[\d.]+|[vwxcs]\d+", "", str(error))
    return f"{type(error).__name__}: {' '.join(text.split())[:90]}"


def reduced(program: Program, backend: str, seconds: float = 20.0) -> tuple[Program, list[str]]:
    """The program with everything left out that its difference does not need."""
    found = check(program, backend).differences
    deadline = time.monotonic() + seconds
    smaller = True
    while smaller and time.monotonic() < deadline:
        smaller = False
        for candidate in program.smaller():
            try:
                left = check(candidate, backend).differences
            except Exception:
                continue  # (what was left out is needed)
            if left and _kind(left) == _kind(found):
                program, found, smaller = candidate, left, True
                break
    return program, found


def _kind(differences: list[str]) -> str:
    """What sort of difference it is, so that a reduced program shows the same one."""
    first = re.sub(r"call \d+: ", "", differences[0])
    return first.split(": ")[0] if first.startswith(("refused", "compiled raises")) else first.split(" ")[0][:4]
