"""What can be chosen on the command line, and the checks behind each choice.

Nothing here imports `autograd`: `python -m demos doctor` must work where another package of that name is in the way.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

DATASETS = ("xor", "two_moons", "circles", "spirals", "blobs")
ACTIVATIONS = ("relu", "sigmoid", "tanh")
LOSSES = ("bce", "mse")


@dataclass(frozen=True)
class Options:
    """The settings of one demo; hashable, so that runs with the same settings can be shared."""

    dataset: str = "two_moons"
    hidden: tuple[int, ...] = (16,)
    activation: str = "tanh"
    loss: str = "bce"
    learning_rate: float = 1.0
    epochs: int = 500
    seed: int = 0
    out: Path = Path("outputs")


@dataclass(frozen=True)
class ExerciseOptions(Options):
    """The settings of the exercise: the reader's file (by default one in `out`), or the solution in its place."""

    file: Path | None = None
    solution: bool = False


EVERYTHING = tuple(field.name for field in fields(Options))


def sizes(text: str) -> tuple[int, ...]:
    """The widths of the hidden layers.

    >>> sizes("16,8")
    (16, 8)
    """
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) < 1 or max(found) > 1024:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of layer widths of 1 to 1024; write for example 16 or 16,8"
        )
    return found


def rate(text: str) -> float:
    """A learning rate.

    >>> rate("0.1")
    0.1
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number; write for example 0.1")
    return found


def count(text: str, least: int = 1, most: int = 1_000_000) -> int:
    """A whole number within bounds.

    >>> count("500")
    500
    """
    try:
        found = int(text)
    except ValueError:
        found = least - 1
    if not least <= found <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most:,}")
    return found


def seed(text: str) -> int:
    """A seed of the random numbers: zero or more."""
    return count(text, 0, 2**32 - 1)


def folder(text: str) -> Path:
    """A folder to write to, which need not exist yet."""
    path = Path(text)
    for place in (path, *path.parents):
        if place.is_dir():
            break
        if place.exists():
            raise argparse.ArgumentTypeError(f"{str(place)!r} is a file, so no folder can be made there")
    return path


_FLAGS: dict[str, dict[str, Any]] = {
    "dataset": {"choices": DATASETS, "help": "the points to learn"},
    "hidden": {"type": sizes, "metavar": "N,N,...", "help": "widths of the hidden layers"},
    "activation": {"choices": ACTIVATIONS, "help": "activation of the hidden layers"},
    "loss": {"choices": LOSSES, "help": "binary cross-entropy or mean squared error"},
    "learning_rate": {"type": rate, "metavar": "X", "help": "step size of gradient descent"},
    "epochs": {"type": count, "metavar": "N", "help": "times through the data"},
    "seed": {"type": seed, "metavar": "N", "help": "the same seed gives the same files"},
    "out": {"type": folder, "metavar": "FOLDER", "help": "where the files go"},
}


def add_options(parser: argparse.ArgumentParser, defaults: Options, names: tuple[str, ...] = EVERYTHING) -> None:
    """Give a parser the options that a demo takes; only those that are set appear in the result."""
    for name in names:
        setting = dict(_FLAGS[name])
        default = getattr(defaults, name)
        shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
        setting["help"] += f" (default: {shown})"
        parser.add_argument("--" + name.replace("_", "-"), default=argparse.SUPPRESS, **setting)
