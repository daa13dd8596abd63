"""An exercise: backpropagation by hand through a network that spells names, with blanks, a checker and the solution.

``python -m demos manual_backprop`` writes the exercise to a file the first time, and checks that file ever after.
"""

from __future__ import annotations

import textwrap

from autograd.files import write

from ..options import ExerciseOptions
from ..report import WIDTH, Report, table
from .exercise import SOLUTION, TEXT, Checked, blank, check
from .page import page

TITLE = "Backpropagation by hand"
QUESTION = "Can you derive every gradient of a small network yourself, and if one is wrong, what is the mistake?"
STATES = ("right", "wrong", "broken", "missing", "blank")


def run(options: ExerciseOptions) -> Report:
    """Write the exercise where there is none yet, check it, and write `manual_backprop.html`."""
    path = SOLUTION if options.solution else options.file or options.out / "my_backprop.py"
    did, files = [], []
    if options.solution:
        did.append(TEXT)
    elif not path.exists():
        files.append(write(path, blank("" if options.file is None else path.as_posix())))
        did += [f"{path.as_posix()} is yours: put a derivative in the place of every `...`, and run this again.", ""]
    checked = check(path)
    rows = [[answer.name, str(answer.shape), str(answer.line or ""), answer.state] for answer in checked.answers]
    did += [*table(["derivative", "shape", "line", "is"], rows), "", progress(checked), *_advice(checked)]
    files.append(write(options.out / "manual_backprop.html", page(checked, TITLE, progress(checked))))
    done = "Backpropagation is nothing that you could not have derived: these gradients are those of the engine."
    return Report(TITLE, QUESTION, did, done if checked.next is None else "", files)


def progress(checked: Checked) -> str:
    """How far somebody has come, in one line."""
    states = [answer.state for answer in checked.answers]
    rest = [f"{states.count(state)} {state}" for state in STATES[1:] if state in states]
    return f"{states.count('right')} of {len(states)} derivatives are right{''.join(f', {part}' for part in rest)}."


def _advice(checked: Checked) -> list[str]:
    """What to do next: the first mistake with its diagnosis and map, or a hint for the first blank."""
    lines = [line for note in checked.notes for line in ("", *textwrap.wrap(note, WIDTH))]
    answer = checked.next
    if answer is None:
        return lines
    where = "" if answer.line is None else f", line {answer.line}"
    head = "Next" if answer.state == "blank" else "Look at"
    lines += ["", *textwrap.wrap(f"{head}: {answer.name}{where}: {answer.text}", WIDTH)]
    row = checked.report[answer.name] if answer.state == "wrong" else None
    if row is not None and row.shape == row.expected_shape:
        lines += [f"Worst at {list(row.index)}: {row.given:.6g} where {row.expected:.6g} is right."]
        lines += ["", *(f"    {line}" for line in row.heat), "    · right, █ furthest off"] if row.heat else []
    return lines
