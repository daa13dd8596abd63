"""`python -m demos [command] [options]`: which demo to run, and with what."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .options import EVERYTHING, ExerciseOptions, Options, add_options
from .phases import PHASES

USUAL = Options()
XOR = Options("xor", (3,), "sigmoid", "mse", learning_rate=0.1, epochs=10_000)
GRAPH = Options(hidden=(5,), loss="mse", learning_rate=4.0)  # small enough that every number in the graph can be read


@dataclass(frozen=True)
class Command:
    """A demo: its module (none for those that run several), what it is, its settings, and which can be changed."""

    module: str
    help: str
    defaults: Options = USUAL
    takes: tuple[str, ...] = EVERYTHING


COMMANDS = {
    "tour": Command("", "the quick tour: one of everything, in under a minute", takes=("seed", "out")),
    "phases": Command("", "all seven phases, from the first weights to experiments"),
    "phase": Command("", "one phase, 0 to 6, for example: phase 3"),
    "xor": Command("demos.xor", "XOR in depth: loss, boundary, hidden neurons, weights", XOR, EVERYTHING[1:]),
    "graph": Command("demos.graph_report", "the computation graph beside the training plots", GRAPH),
    "explore": Command(
        "demos.explore", "pages to walk through: one neuron, and a training run with a slider through its epochs",
        Options(epochs=200),
    ),
    "custom": Command(
        "demos.custom_model", "a model of your own, written directly on Tensor",
        Options(learning_rate=0.05, epochs=600), ("learning_rate", "epochs", "seed", "out"),
    ),
    "moons": Command(
        "demos.two_moons_scalars", "two moons with a network of single numbers and the hinge loss",
        Options(hidden=(8, 8), learning_rate=1.0, epochs=80), ("hidden", "learning_rate", "epochs", "seed", "out"),
    ),
    "trace": Command(
        "demos.trace", "a training step as a graph, optimised, as a NumPy program, and all three run",
        Options("xor", (3,), "sigmoid", "mse", 2.0, 2000),
        ("hidden", "activation", "learning_rate", "epochs", "seed", "out"),
    ),
    "manual_backprop": Command(
        "demos.manual_backprop", "an exercise: derive every gradient of a network yourself, and be told what is wrong",
        ExerciseOptions(), ("out",),
    ),
    "doctor": Command("demos.doctor", "what is installed, and what is in the way", takes=()),
}  # fmt: skip

TOUR = [
    ("demos.custom_model", "custom"),
    *((f"demos.phases.{phase}", "phase") for phase in PHASES),
    ("demos.two_moons_scalars", "moons"),
    ("demos.xor", "xor"),
    ("demos.graph_report", "graph"),
    ("demos.explore", "explore"),
    ("demos.trace", "trace"),
]
AFTER = "All of it on one page, graphs beside pictures: open {page} in a browser."
BROKEN_PIPE = 128 + 13  # what shells report for a process that SIGPIPE ended
AFTER_TOUR = "That was the tour; `python -m demos --help` shows how to change what is trained."


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog="python -m demos", allow_abbrev=False,
        description="Train small networks and look inside. Without a command: the quick tour.",
    )  # fmt: skip
    commands = root.add_subparsers(dest="command", metavar="command", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name, help=command.help, description=command.help, allow_abbrev=False,
        )  # fmt: skip
        if name == "phase":
            sub.add_argument("number", type=int, choices=range(len(PHASES)), help="0 to 6")
        if name == "manual_backprop":
            said = "your derivation; written, with blanks, if it is not there (default: my_backprop.py in the folder of --out)"
            sub.add_argument("file", type=Path, nargs="?", help=said)
            sub.add_argument("--solution", action="store_true", help="show the solution instead")
        add_options(sub, command.defaults, command.takes)
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for.

    Returns:
        The exit code; that of a broken pipe where whoever reads the output has closed it, as `head` does.
    """
    try:
        code = _main(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit says nothing
        return BROKEN_PIPE
    return code


def _main(arguments: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words = ["tour", *words]
    chosen = vars(parser().parse_args(words))
    command = chosen.pop("command")
    if command == "doctor":
        return int(importlib.import_module("demos.doctor").main())
    if command == "tour":
        jobs = [(module, replace(COMMANDS[name].defaults, **chosen)) for module, name in TOUR]
    elif command in ("phase", "phases"):
        numbers = [chosen.pop("number")] if command == "phase" else range(len(PHASES))
        jobs = [(f"demos.phases.{PHASES[i]}", replace(COMMANDS[command].defaults, **chosen)) for i in numbers]
    else:
        jobs = [(COMMANDS[command].module, replace(COMMANDS[command].defaults, **chosen))]
    with _stoppable():
        code = run(jobs)
    if command == "tour" and code == 0:
        print(AFTER_TOUR)
    return code


def run(jobs: Sequence[tuple[str, Options]]) -> int:
    """Run demos one after the other, print what each reports and write the page of all.

    Where one is stopped by Ctrl-C or SIGTERM the page shows those before it.

    Args:
        jobs: The module and the options of each.

    Returns:
        The exit code.
    """
    from autograd.core.errors import AutogradError  # here, because `doctor` must run without it
    from autograd.files import write

    from .page import page

    reports, folder, code = [], jobs[-1][1].out, 0
    for module, options in jobs:
        name = module.rpartition(".")[2]
        try:
            report = importlib.import_module(module).run(options)
        except (AutogradError, OSError) as error:
            print(f"{name} stopped: {error}", file=sys.stderr)
            return 1
        except SystemExit as stop:
            code = int(stop.code or 0)
            print(f"{name} was stopped; what it had written is in {folder.as_posix()}", file=sys.stderr)
            break
        reports.append(report)
        print(report.text(), end="\n\n\n", flush=True)
    if reports:
        path = write(folder / "report.html", page(reports, folder))
        print(AFTER.format(page=path.as_posix()))
    return code


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Within, one Ctrl-C or SIGTERM ends whatever runs, a training too, with the exit code that shells give it."""

    def stop(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    inside = threading.current_thread() is threading.main_thread()  # no other thread can say what a signal does
    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if inside and signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
