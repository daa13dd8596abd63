"""The exercise: the solution with blanks, what a reader made of it, and what is to be said about every line."""

from __future__ import annotations

import ast
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import autograd
from autograd import Tensor
from autograd.core.errors import ArgumentError

from .data import PARAMETERS

SOLUTION = Path(__file__).with_name("solution.py")
HEADER = '''"""Backpropagation by hand: a network that guesses the next character of a name, one derivative a line.

Every `...` below is a blank: put the gradient of the loss by that array in its place, in NumPy.  dh means the gradient
by h and has the shape of h, which stands beside the blank.  Work from the top down; a derivative may take as many lines
as you like.  Whenever you want to know how you are doing:

    python -m demos manual_backprop{file}
"""
'''


GONE = "its line is gone: write `{0} = ...` again, or its derivative"


@dataclass(frozen=True)
class Answer:
    """One derivative of the exercise.

    state: "right", "wrong" (its row in the report says how), "broken" (its line failed), "missing" or "blank".
    text: what is the matter, or how to begin; empty where all is well.  line: in the reader's file, if it is there.
    """

    name: str
    shape: tuple[int, ...]
    state: str
    text: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Checked:
    """A reader's file, checked.

    answers: in the order of the exercise.  report: of `autograd.compare`, on the answers that are arrays.  notes: other
    lines that failed.  loss: recorded, with the right gradients kept on every tensor that it was computed from.
    """

    answers: list[Answer]
    report: Any
    notes: list[str]
    loss: Tensor

    @property
    def next(self) -> Answer | None:
        """The answer to work on next: the first one that was tried and is not right, else the first blank."""
        tried = (answer for answer in self.answers if answer.state not in ("right", "blank"))
        blanks = (answer for answer in self.answers if answer.state == "blank")
        return next(itertools.chain(tried, blanks), None)


def _statements(text: str) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The statements of the forward pass (and all before it), and those of the backward pass."""
    body = ast.parse(text).body[1:]
    split = next(i for i, statement in enumerate(body) if "dlogprobs" in _stored(statement))
    return body[:split], body[split:]


def _names(statement: ast.stmt, context: type[ast.expr_context]) -> list[str]:
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, context)]
    return list(dict.fromkeys(node.id for node in nodes))


def _stored(statement: ast.stmt) -> list[str]:
    return _names(statement, ast.Store)


TEXT = SOLUTION.read_text(encoding="utf-8")
FORWARD, BACKWARD = _statements(TEXT)
WANTED = [name for statement in BACKWARD for name in _stored(statement)]


def blank(file: str = "") -> str:
    """The exercise as a file to be filled in: the solution with `...` for every derivative.

    >>> [line for line in blank().splitlines() if line.startswith("dh =")]
    ['dh = ...  # (32, 16)']
    """
    lines = TEXT.splitlines()
    kept = lines[FORWARD[0].lineno - 2 : BACKWARD[0].lineno - 1]
    for statement in BACKWARD:
        for name in _stored(statement):
            kept.append(f"{name} = ...  #{lines[statement.lineno - 1].rpartition('#')[2]}")
    return HEADER.format(file=f" {file}" if file else "") + "\n".join(kept) + "\n"


def check(path: Path) -> Checked:
    """Run a reader's file line by line and compare every derivative in it with the engine's.

    Where a derivative is blank or its line fails, the lines after it are given the right one, so that they can be judged.

    Raises:
        ArgumentError: the file is no Python, or the forward pass has been changed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        body = ast.parse(text).body
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        code = f" in `{(error.text or '').strip()}`" if isinstance(error, SyntaxError) and error.text else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ArgumentError(f"{path}{line} is no Python yet: {reason}{code}") from None
    forward = _forward_of(body, path)
    recorded = _run_forward(forward, path, record=True)
    loss = recorded["loss"]
    with autograd.keep_grads():
        loss.backward()
    tensors = {name: recorded[name[1:]] for name in WANTED}
    attempt = _Attempt(_run_forward(forward, path, record=False), {name: t.grad for name, t in tensors.items()})
    for statement in body[body.index(forward[-1]) + 1 :]:
        attempt.run(statement, path, text)
    # All of them, so that compare knows what every line was computed from; then only those that are the reader's.
    report = autograd.compare({name: attempt.space[name] for name in WANTED}, loss)
    report.rows = [row for row in report.rows if row.name not in attempt.answers]
    for row in report.rows:
        state = "wrong" if row.verdict == "wrong" else "right"
        why = row.diagnosis.text if row.diagnosis is not None else ""
        attempt.answers[row.name] = Answer(row.name, tensors[row.name].shape, state, why, attempt.lines.get(row.name))
    return Checked([attempt.answers[name] for name in WANTED], report, attempt.notes, loss)


def _forward_of(body: list[ast.stmt], path: Path) -> list[ast.stmt]:
    """The statements of the forward pass as they stand in the reader's file."""
    own = {ast.dump(statement): statement for statement in reversed(body)}
    for statement in FORWARD:
        if ast.dump(statement) not in own:
            raise ArgumentError(
                f"{path}: the line `{ast.get_source_segment(TEXT, statement)}` has been changed or is gone. Asked for are "
                "the derivatives of the forward pass as it was: put the line back, or begin anew in another file"
            )
    return [own[ast.dump(statement)] for statement in FORWARD]


def _run(statement: ast.stmt, path: Path, space: dict[str, Any]) -> None:
    code = compile(ast.Module([statement], []), str(path), "exec")
    with np.errstate(all="ignore"):
        exec(code, space)


def _run_forward(statements: list[ast.stmt], path: Path, record: bool) -> dict[str, Any]:
    """What the forward pass computes: Tensors, each named after its variable, or arrays that refuse to be changed."""
    space: dict[str, Any] = {}
    for statement in statements:
        _run(statement, path, space)
        for name in _stored(statement):
            if record and name in PARAMETERS:
                space[name] = Tensor(space[name], requires_grad=True)
            if isinstance(space[name], Tensor):
                space[name].name = name
            elif isinstance(space[name], np.ndarray):
                space[name].flags.writeable = False
    return space


class _Attempt:
    """The reader's lines, run one at a time."""

    def __init__(self, space: dict[str, Any], right: dict[str, np.ndarray]) -> None:
        self.space, self.right = space, right
        self.lines: dict[str, int] = {}
        self.answers: dict[str, Answer] = {}  # of what cannot be compared
        self.notes: list[str] = []
        self.stand_ins: dict[str, np.ndarray] = {}
        self.taken: dict[str, np.ndarray] = {}  # copies of what can be compared
        for name in WANTED:
            self.settle(name, "missing", GONE.format(name), None)

    def settle(self, name: str, state: str, text: str, line: int | None) -> None:
        """Put an answer on record that is no array, and the right gradient in its place for the lines to come."""
        self.answers[name] = Answer(name, self.right[name].shape, state, text, line)
        self.taken.pop(name, None)
        self.space[name] = self.stand_ins[name] = self.right[name].copy()

    def run(self, statement: ast.stmt, path: Path, text: str) -> None:
        """Run one statement, and note for every derivative that it assigns (or changes) how that went."""
        mentioned = [name for name in _names(statement, ast.Load) if name in self.right]
        assigned = [name for name in _stored(statement) if name in self.right]
        where, code = statement.lineno, (ast.get_source_segment(text, statement) or "").splitlines()[0]
        try:
            _run(statement, path, self.space)
        except (Exception, SystemExit) as error:
            shapes = [
                f"{name} {np.shape(value)}"
                for name in _names(statement, ast.Load)
                if isinstance(value := self.space.get(name), np.ndarray)
            ]
            said = f"`{code}` stops with {type(error).__name__}: {error}"
            if "read-only" in str(error):
                said += " (what the forward pass made is read again below: change a .copy() of it)"
            said += f". Shapes: {', '.join(shapes)}" if shapes else ""
            meant = assigned or [name for name in mentioned if name not in self.answers][:1]
            for name in meant:
                self.settle(name, "broken", f"{said}; {name} is to have {self.right[name].shape}", where)
            if not meant:
                self.notes.append(f"Line {where}: {said}.")
            return
        for name in WANTED:
            value = self.space.get(name)
            if name not in self.space:
                self.settle(name, "missing", GONE.format(name), None)
            elif value is ...:
                self.settle(name, "blank", hint(name), where)
            elif value is self.stand_ins.get(name):
                continue
            elif (kind := _kind(value)) is not None:
                self.settle(name, "broken", f"`{code}` gives {kind}, not an array of real numbers", where)
            elif name in assigned + mentioned or name not in self.taken:
                if name in assigned or name in self.answers:
                    self.lines[name] = where
                self.answers.pop(name, None)
                self.taken[name] = np.array(value.data if isinstance(value, Tensor) else value)
            elif not np.array_equal(value, self.taken[name], equal_nan=True):
                others = " and ".join(assigned + mentioned) or "what it changes"
                self.notes.append(
                    f"Line {where}: `{code}` changes {name} too, because {others} is the same array: make it a .copy()."
                )
                self.space[name] = self.taken[name].copy()


def _kind(value: Any) -> str | None:
    """What a value is if it is no array of real numbers."""
    try:
        array = np.asarray(value.data if isinstance(value, Tensor) else value)
    except ValueError:
        return f"a {type(value).__name__} of rows of different lengths"
    if array.dtype.kind in "biuf":
        return None
    return f"an array of {array.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def hint(name: str) -> str:
    """How to begin with a derivative: where its array is used, and what has come back there.

    >>> hint("dh")
    'h is used in `logits = h @ W2 + b2`: bring dlogits back through it'
    """
    own = name[1:]
    users = [statement for statement in FORWARD if own in _names(statement, ast.Load)]
    parts = [f"`{ast.get_source_segment(TEXT, statement)}`" for statement in users]
    back = [f"d{made}" for statement in users for made in _stored(statement)]
    if back == ["dloss"]:
        return f"{own} is used in {parts[0]}: how much does the loss change with each of its elements?"
    again = "bring {} back through it" if len(users) == 1 else "bring {} back through them, and add up what arrives"
    return f"{own} is used in {' and '.join(parts)}: {again.format(' and '.join(back))}"
