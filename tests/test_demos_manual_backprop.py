"""The exercise: the solution passes, mistakes are named, and whatever stands in a reader's file is explained."""

import ast

import numpy as np
import pytest

from autograd.core.errors import ArgumentError
from demos.__main__ import main
from demos.manual_backprop import run
from demos.manual_backprop.exercise import SOLUTION, TEXT, WANTED, blank, check
from demos.options import ExerciseOptions


@pytest.fixture
def checked_with(tmp_path):
    """The solution with lines put in the place of others, checked."""

    def checked(changes, start=TEXT):
        text = start
        for old, new in changes.items():
            assert text.count(f"\n{old}") == 1, old
            text = text.replace(f"\n{old}", f"\n{new}")
        path = tmp_path / "mine.py"
        path.write_text(text)
        return check(path)

    return checked


def states(checked):
    return {answer.name: answer.state for answer in checked.answers}


def test_the_solution_is_right():
    checked = check(SOLUTION)
    assert set(states(checked).values()) == {"right"} and checked.next is None
    assert {row.verdict for row in checked.report.rows} <= {"identical", "equal within rounding"}
    assert [row.name for row in checked.report.rows] == WANTED and len(WANTED) == 23


def test_the_exercise_is_the_solution_with_blanks(checked_with):
    text = blank()
    assert [line.split(" = ")[0] for line in text.splitlines() if " = ...  # (" in line] == WANTED
    checked = checked_with({}, text)
    assert set(states(checked).values()) == {"blank"}
    assert checked.next.text.startswith("logprobs is used in `loss = -logprobs[np.arange(n), Y].mean()`")
    for answer in checked.answers:
        assert f"\n{answer.name} = ...  # {answer.shape}\n" in text


def test_every_blank_has_a_hint_that_names_what_comes_back(checked_with):
    for answer in checked_with({}, blank()).answers[1:]:
        backs = [name for name in WANTED if f"bring {name} " in answer.text or f"and {name} back" in answer.text]
        used = [
            node
            for node in ast.parse(TEXT).body
            if isinstance(node, ast.Assign)
            and f"d{ast.unparse(node.targets[0])}" in WANTED
            and answer.name[1:] in {name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)}
        ]
        assert sorted(backs) == sorted(f"d{node.targets[0].id}" for node in used), answer


@pytest.mark.parametrize(
    ("right", "wrong", "kind"),
    [
        ("dlogprobs = -np.eye(len(b2))[Y] / n", "dlogprobs = -np.eye(len(b2))[Y]", "factor"),
        ("dlogprobs = -np.eye(len(b2))[Y] / n", "dlogprobs = np.eye(len(b2))[Y] / n", "sign"),
        ("dprobs = dlogprobs / probs", "dprobs = dlogprobs * probs", "derivative inverted"),
        ("dcounts = dprobs / total + dtotal", "dcounts = dprobs / total", "path missing"),
        ("dtotal = -(dprobs * counts / total**2)", "dtotal = -(dprobs / total**2)", "operand forgotten"),
        ("dlogits = dshifted", "dlogits = probs / n", "path missing"),
        ("dlogits = dshifted", "dlogits = dprobs * probs * (1 - probs)", "diagonal Jacobian"),
        ("dshifted = dcounts * counts", "dshifted = dcounts", "derivative missing"),
        ("dW2 = h.T @ dlogits", "dW2 = (dlogits.T @ h)", "transposed"),
        ("db2 = dlogits.sum(axis=0)", "db2 = dlogits", "not summed"),
        ("db2 = dlogits.sum(axis=0)", "db2 = dlogits.sum(axis=0, keepdims=True)", "shape"),
        ("dact = dh * (1 - h**2)", "dact = dh * (1 - act**2)", "derivative point"),
        ("dact = dh * (1 - h**2)", "dact = 1 - h**2", "upstream forgotten"),
        ("dshift = dact.sum(axis=0, keepdims=True)", "dshift = dact.sum(axis=0)", "shape"),
        ("dgain = (dact * normed)", "dgain = (dact * act)", "wrong operand"),
        ("dsquare = np.ones_like(square) * dvar / (n - 1)", "dsquare = np.ones_like(square) * dvar / n", "factor"),
        ("dcentred = dnormed * inv + 2 * centred * dsquare", "dcentred = dnormed * inv", "path missing"),
        ("dcentred = dnormed * inv + 2 * centred", "dcentred = dnormed * inv + centred", "factor"),
        ("dmean = -dcentred", "dmean = dcentred", "sign"),
        ("dz = dcentred + dmean / n", "dz = dcentred + dmean", "factor"),
        ("dflat = dz @ W1.T", "dflat = (dz @ W1.T)[:, ::-1]", "unknown"),
        ("np.add.at(dC, X, demb)", "dC[X] += demb", "repeated indices"),
    ],
)
def test_mistakes_are_named_in_the_line_that_makes_them(checked_with, right, wrong, kind):
    checked = checked_with({right: wrong})
    name = right.split(" = ")[0] if " = " in right else "dC"
    assert (checked.next.name, checked.next.state) == (name, "wrong")
    assert checked.report[name].diagnosis.kind == kind, checked.next
    assert checked.next.line == next(
        i for i, line in enumerate(TEXT.splitlines(), start=1) if line.startswith(f"{name} = ")
    )
    others = [row.diagnosis.kind for row in checked.report.rows if row.verdict == "wrong" and row.name != name]
    assert set(others) <= {"follows"}


def test_a_line_is_judged_by_itself_where_those_before_it_are_blank_or_fail(checked_with):
    checked = checked_with({"dlogits = dshifted": "dlogits = ...", "dh = dlogits @ W2.T": "dh = dlogits @ W2"})
    found = states(checked)
    assert (found.pop("dlogits"), found.pop("dh")) == ("blank", "broken")
    assert set(found.values()) == {"right"}
    assert checked.next.name == "dh"
    for part in (
        "`dh = dlogits @ W2` stops with ValueError",
        "dlogits (32, 12), W2 (16, 12)",
        "dh is to have (32, 16)",
    ):
        assert part in checked.next.text


@pytest.mark.parametrize(
    ("line", "state", "said"),
    [
        ("", "missing", "its line is gone"),
        ("dact = None", "broken", "gives a NoneType, not an array"),
        ("dact = 'later'", "broken", "gives a str"),
        ("dact = [[1.0], [2.0, 3.0]]", "broken", "rows of different lengths"),
        ("dact = h + 1j", "broken", "an array of complex128"),
        ("dact = nowhere * dh", "broken", "NameError: name 'nowhere' is not defined"),
        ("dact = dh / 0 * h[99]", "broken", "IndexError"),
        ("dact = h; dact *= dh", "broken", "change a .copy() of it"),
        ("dact = [exit()]", "broken", "SystemExit"),
        ("dact = lambda: 1", "broken", "gives a function"),
        ("return 5", "missing", "its line is gone"),
        ("dact = dact", "missing", "its line is gone"),
        ("def later():\n    dact = dh", "missing", "its line is gone"),
        ("dact = dh * (1 - h**2); del dact", "missing", "its line is gone"),
        ("dact = 1.0", "wrong", "shape"),
        ("dact = dh * np.nan", "wrong", "nan or inf"),
    ],
)
def test_whatever_stands_in_a_line_is_explained(checked_with, line, state, said):
    line = line.replace("; ", "\n")
    checked = checked_with({"dact = dh * (1 - h**2)  # (32, 16)\n": f"{line}\n"})
    answer = next(answer for answer in checked.answers if answer.name == "dact")
    assert answer.state == state and said in answer.text, answer
    assert checked.notes == ([] if line != "return 5" else [checked.notes[0]])
    assert checked.next == answer


def test_a_line_that_fails_beside_the_derivatives_is_told(checked_with):
    checked = checked_with({"dW2 = ": "slope = 1 - act[0, 99]\ndW2 = "})
    assert len(checked.notes) == 1 and "`slope = 1 - act[0, 99]` stops with IndexError" in checked.notes[0]


def test_two_names_for_one_array_are_told(checked_with):
    checked = checked_with({"dlogits = dshifted": "dlogits = dshifted\ndlogits *= 2"})
    assert checked.notes == [
        "Line 38: `dlogits *= 2` changes dshifted too, because dlogits is the same array: make it a .copy()."
    ]
    assert states(checked)["dshifted"] == "right" and checked.next.name == "dlogits"


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(TEXT, encoding="utf-8-sig")
    assert check(path).next is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dh = dlogits @ W2.T": "dh = dlogits @"}, r"mine.py:38 is no Python yet: .* in `dh = dlogits @"),
        ({"h = np.tanh(act)": "h = np.sin(act)"}, r"the line `h = np.tanh\(act\)` has been changed or is gone"),
    ],
)
def test_files_that_cannot_be_checked_are_refused(checked_with, changes, said):
    with pytest.raises(ArgumentError, match=said):
        checked_with(changes)


def test_the_command_writes_the_exercise_once_and_checks_it_ever_after(tmp_path, capsys):
    assert main(["manual_backprop", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    mine = tmp_path / "my_backprop.py"
    assert "0 of 23 derivatives are right, 23 blank." in said and "Next: dlogprobs, line 39" in said
    assert f"{mine.as_posix()} is yours" in said
    line = "dlogprobs = -np.eye(len(b2))[Y] / n"
    mine.write_text(mine.read_text().replace("dlogprobs = ...", line).replace("db2 = ...", "db2 = dlogits.sum(1)[:12]"))
    before = mine.read_bytes()
    assert main(["manual_backprop", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 of 23 derivatives are right, 1 wrong, 21 blank." in said and "Look at: db2, line 47" in said
    assert "is yours" not in said and mine.read_bytes() == before
    row = check(mine).report["db2"]
    assert f"Worst at {list(row.index)}: {row.given:.6g} where {row.expected:.6g} is right." in said
    assert all(f"    {line}" in said for line in row.heat)


def test_the_command_takes_a_file_of_ones_own_and_shows_the_solution(tmp_path, capsys):
    mine = tmp_path / "else" / "where.py"
    assert main(["manual_backprop", str(mine), "--out", str(tmp_path)]) == 0
    assert f"python -m demos manual_backprop {mine.as_posix()}\n" in mine.read_text()
    capsys.readouterr()
    assert main(["manual_backprop", "--solution", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert TEXT in said and "23 of 23 derivatives are right." in said
    mine.write_text("dh = (")
    assert main(["manual_backprop", str(mine), "--out", str(tmp_path)]) == 1
    assert "manual_backprop stopped: " in capsys.readouterr().err


def test_the_page_holds_the_answers_the_report_and_the_graph(tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(
        TEXT.replace("dh = dlogits @ W2.T", "dh = -dlogits @ W2.T").replace("dC = np.zeros_like(C)", "dC = ...")
    )
    report = run(ExerciseOptions(out=tmp_path, file=mine))
    page = (tmp_path / "manual_backprop.html").read_text()
    assert report.files == [tmp_path / "manual_backprop.html"]
    assert page.count('<td class="right">') == 8 and page.count('<td class="blank">') == 1
    assert "the sign is flipped" in page and "prefers-color-scheme" in page
    for part in ("logprobs", "centred", "np.tanh", "log"):
        assert part in page
    for reference in ("src=", "href="):
        assert all(part.startswith(('"data:', '"#')) for part in page.split(reference)[1:])
    checked = check(mine)
    kept = [tensor for tensor in (checked.loss, *checked.loss.inputs) if hasattr(tensor, "stored_grad")]
    assert all(isinstance(tensor.stored_grad, np.ndarray | np.generic) for tensor in kept)
