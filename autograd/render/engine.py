"""The Graphviz programs: finding one, and running it with a time limit.

Two are known: the system's `dot`, and `graphviz-pure`, a single static program that pip installs (`tracegrad[dot]`).
Both are called the same way, text in and picture out, so the choice never shows in the rest of the package.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from ..core.errors import RenderError

VARIABLE = "TRACEGRAD_DOT"
EMBEDDED = "graphviz-pure"
HOW_TO_INSTALL = (
    "pip install 'tracegrad[dot]' (an embedded engine, 6 MB), or install Graphviz itself so that `dot` "
    "is on the PATH (apt install graphviz, brew install graphviz, winget install graphviz)"
)


@dataclass(frozen=True)
class Engine:
    """A program that lays out and draws DOT text: `name` is "dot" or "graphviz-pure", `path` where it stands."""

    name: str
    path: str

    @property
    def version(self) -> str:
        """The version of Graphviz it reports, "unknown" if it reports none."""
        return _version(self.path)


@lru_cache(maxsize=8)
def _version(path: str) -> str:
    try:
        done = subprocess.run([path, "-V"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    found = re.findall(r"\d+(?:\.\d+)+", (done.stdout + done.stderr).decode("utf-8", "replace"))
    return found[-1] if found else "unknown"  # graphviz-pure: its own version, then Graphviz's


def find_engine(engine: str = "auto") -> Engine | None:
    """The Graphviz program to use, or None where there is none.

    Args:
        engine: "auto" takes the one named by the environment variable `TRACEGRAD_DOT`, else the system's `dot`,
            else the embedded engine. "dot" or "graphviz-pure" takes only that one; anything else is a path.

    Raises:
        RenderError: the engine asked for, by argument or by environment variable, does not exist.
    """
    wanted, origin = engine, f"engine={engine!r}"
    if engine == "auto":
        wanted = os.environ.get(VARIABLE, "") or "auto"
        origin = f"{VARIABLE}={wanted}"
    if wanted == "auto":
        return _system() or _embedded()
    found = _system() if wanted == "dot" else _embedded() if wanted == EMBEDDED else _at(wanted)
    if found is None:
        raise RenderError(f"{origin}: there is no such Graphviz program here; write engine='auto', or {HOW_TO_INSTALL}")
    return found


def _system() -> Engine | None:
    path = shutil.which("dot")
    return Engine("dot", path) if path else None


def _at(path: str) -> Engine | None:
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        return None
    return Engine(EMBEDDED if Path(path).stem == EMBEDDED else "dot", path)


def _embedded() -> Engine | None:
    # Beside this Python first: in an environment that is not activated the PATH does not lead there.
    name = EMBEDDED + (".exe" if os.name == "nt" else "")
    places = [Path(sysconfig.get_path("scripts")) / name]
    try:
        files = metadata.files(EMBEDDED) or []
        places += [Path(str(file.locate())) for file in files if file.name == name]
        places += [Path(str(file.locate())).parent.parent / "bin" / name for file in files if file.name == "METADATA"]
    except metadata.PackageNotFoundError:
        pass
    for place in places:
        if found := _at(str(place)):
            return found
    path = shutil.which(EMBEDDED)
    return Engine(EMBEDDED, path) if path else None


def run_engine(engine: Engine, dot: str, format: str, *, timeout: float = 30.0, dpi: int | None = None) -> bytes:
    """What the engine makes of DOT text.

    Args:
        engine: from `find_engine`.
        dot: the graph in the DOT language.
        format: "svg", "png", "pdf", ... as for `dot -T`.
        timeout: seconds after which the engine is stopped.
        dpi: resolution of bitmaps.

    Raises:
        RenderError: the engine took too long, or refused the text; its own words are in the message.
    """
    command = [engine.path, f"-T{format}"] + ([f"-Gdpi={dpi}"] if dpi else [])
    command += ["-Gmargin=0"] * (format == "pdf")  # a page as large as the drawing, to stand in a text
    try:
        done = subprocess.run(command, input=dot.encode("utf-8"), capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise RenderError(
            f"{engine.name} was stopped after {timeout:g} s, its time limit for laying out this graph; "
            "draw fewer nodes (max_nodes=, depth=, collapse=) or give it longer (timeout=)"
        ) from error
    except OSError as error:
        raise RenderError(f"{engine.path} could not be started: {error}; {HOW_TO_INSTALL}") from error
    if done.returncode != 0 or not done.stdout:  # warnings on stderr beside a picture are of no interest
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise RenderError(f"{engine.name} ({engine.path}) failed with exit code {done.returncode}: {' '.join(words)}")
    return done.stdout
