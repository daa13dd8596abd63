"""The command line of the demos: what it accepts, what it says to the rest."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demos.__main__ import AFTER_TOUR, BROKEN_PIPE, COMMANDS, main, parser
from demos.phases import PHASES


def refused(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["phase", "9"], "choose from 0, 1, 2, 3, 4, 5, 6"),
        (["phase"], "the following arguments are required: number"),
        (["dance"], "invalid choice: 'dance'"),
        (["xor", "--epochs", "0"], "'0' is no whole number from 1"),
        (["xor", "--epochs", "1.5"], "'1.5' is no whole number"),
        (["xor", "--learning-rate", "nan"], "'nan' is no positive number; write for example 0.1"),
        (["xor", "--learning-rate=-1"], "'-1' is no positive number"),
        (["xor", "--seed=-1"], "'-1' is no whole number from 0"),
        (["phases", "--hidden", "8,x"], "write for example 16 or 16,8"),
        (["phases", "--hidden", "0"], "widths of 1 to 1024"),
        (["phases", "--dataset", "moon"], "'two_moons'"),
        (["phases", "--activation", "gelu"], "'relu'"),
        (["phases", "--loss", "hinge"], "'bce'"),
        (["xor", "--dataset", "spirals"], "unrecognized arguments: --dataset spirals"),
        (["--epochs", "3"], "unrecognized arguments: --epochs 3"),
    ],
)
def test_mistakes_are_explained(capsys, words, said):
    assert said in refused(capsys, *words)


def test_a_file_in_the_way_is_named(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert "is a file, so no folder can be made there" in refused(
        capsys, "phase", "0", "--out", str(tmp_path / "file" / "x")
    )


def test_a_folder_that_cannot_be_made_is_an_error_without_a_traceback(capsys, tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied", "outputs")

    monkeypatch.setattr("pathlib.Path.mkdir", denied)
    assert main(["phase", "0", "--out", str(tmp_path / "new")]) == 1
    assert "phase_0_setup stopped: " in capsys.readouterr().err


def test_one_phase(capsys, tmp_path):
    assert main(["phase", "0", "--out", str(tmp_path / "a" / "b"), "--hidden", "3,2", "--dataset", "circles"]) == 0
    said = capsys.readouterr().out
    assert "Dense(3 -> 2, he)" in said and "circles" in said
    assert (tmp_path / "a" / "b" / "data" / "parameters.npy").is_file()


def test_all_phases(capsys, tmp_path):
    assert main(["phases", "--epochs", "3", "--hidden", "2", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert [said.count(f"Phase {i}: ") for i in range(7)] == [1] * 7
    assert said.count("Question: ") == said.count("What this shows: ") == len(PHASES)


def test_every_command_lists_its_options(capsys):
    for name, command in COMMANDS.items():
        with pytest.raises(SystemExit):
            parser().parse_args([name, "--help"])
        said = capsys.readouterr().out
        for option in command.takes:
            assert f"--{option.replace('_', '-')}" in said
        assert command.takes == () or "(default: " in said


def test_without_a_command_the_tour_runs(capsys, tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr("demos.__main__.run", lambda given: jobs.extend(given) or 0)
    assert main(["--seed", "5", "--out", str(tmp_path)]) == 0
    assert {module for module, _ in jobs} >= {"demos.xor", "demos.graph_report", "demos.custom_model"}
    assert {options.seed for _, options in jobs} == {5}
    assert AFTER_TOUR in capsys.readouterr().out


LINE_BY_LINE = "import sys, demos.__main__ as m; sys.stdout.reconfigure(line_buffering=True); sys.exit(m.main())"


@pytest.mark.parametrize("words", [["doctor"], ["phase", "0"]])
def test_a_reader_that_goes_away_is_no_error(words, tmp_path):
    """As with `| head`: nothing is read any more."""
    words = [*words, "--out", str(tmp_path)] if words != ["doctor"] else words
    program = [sys.executable, "-c", LINE_BY_LINE, *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (BROKEN_PIPE, "")


def test_doctor_runs_without_loading_autograd():
    code = (
        "import sys; from demos.__main__ import main, parser; parser()\n"
        "assert not {'autograd', 'nn', 'matplotlib'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def stopped(words: list[str], folder: Path, number: int, ready: str) -> subprocess.CompletedProcess[str]:
    """A demo that is sent one signal as soon as a file is there, or after some seconds."""
    command = [sys.executable, "-c", ALONE, *words, "--out", str(folder)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(folder.rglob(ready)) and time.monotonic() < deadline and demo.poll() is None:
        time.sleep(0.02)
    demo.send_signal(number)
    out, err = demo.communicate(timeout=60)
    return subprocess.CompletedProcess(command, demo.returncode, out, err)


# A shell ignores Ctrl-C in what it starts in the background. The file says that the demo is at work: epochs are counted.
ALONE = """
import pathlib, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
import nn
from demos.__main__ import main
inner, out = nn.Trainer._run_epochs, pathlib.Path(sys.argv[-1])
def at_work(*settings):
    out.mkdir(parents=True, exist_ok=True)
    (out / "training").touch()
    return inner(*settings)
nn.Trainer._run_epochs = at_work
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("number", "ready"),
    [(signal.SIGINT, "training"), (signal.SIGTERM, "training"), (signal.SIGINT, "loss_curve.png")],
)
def test_one_signal_ends_a_demo(tmp_path, number, ready):
    done = stopped(["phase", "4", "--epochs", "300"], tmp_path / "out", number, ready)
    assert done.returncode == 128 + number, done.stderr
    assert done.stderr == f"phase_4_convergence was stopped; what it had written is in {tmp_path.as_posix()}/out\n"
    files = {path.name for path in (tmp_path / "out").rglob("*.*")}
    assert not any(name.startswith(".") for name in files)  # no half of a file
    assert ("loss_curve.png" in files) == (ready == "loss_curve.png")


def test_the_demos_before_the_one_that_was_stopped_are_on_the_page(tmp_path):
    done = stopped(["phases", "--epochs", "10"], tmp_path, signal.SIGINT, "phase_4*")
    assert done.returncode == 130 and done.stdout.count("Phase ") >= 3 and "Phase 4" not in done.stdout
    assert "Phase 3" in (tmp_path / "report.html").read_text("utf-8")
    assert "Traceback" not in done.stderr and done.stderr.count("was stopped") == 1


def test_handlers_are_put_back(capsys, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["phase", "0", "--out", str(tmp_path)]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
