"""`python -m demos doctor`: what is installed here, what draws the graphs, and whether anything is in the way."""

import importlib.util
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata

DISTRIBUTION = "tracegrad"


def version(distribution: str) -> str:
    """The installed version of a distribution, or a note that there is none.

    >>> version("no-such-distribution")
    'not installed'
    """
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def conflicts(owners: Mapping[str, Iterable[str]]) -> list[str]:
    """The other distributions that bring a package named `autograd`.

    Args:
        owners: the distributions of each import name, as `importlib.metadata.packages_distributions()` returns them.

    >>> conflicts({"autograd": ["tracegrad", "autograd"], "numpy": ["numpy"]})
    ['autograd']
    """
    return sorted({name for name in owners.get("autograd", ()) if name.lower() != DISTRIBUTION})


def graphviz_engine() -> str:
    """The Graphviz program that `autograd.draw` runs, or what to install."""
    # Imported here: where another package owns the name, `doctor` must still be able to say so.
    try:
        from autograd.core.errors import RenderError
        from autograd.render import find_engine
    except ImportError:
        return "unknown: the `autograd` that Python imports here is not tracegrad's"
    try:
        engine = find_engine()
    except RenderError as error:
        return f"none: {error}"
    if engine is None:
        return 'none: `pip install "tracegrad[dot]"`, or install Graphviz so that `dot` is on PATH'
    return f"{engine.name} {engine.version} at {engine.path}"


def main() -> int:
    """Print the report.

    Returns:
        The exit code: 1 if another distribution owns the name `autograd` too, else 0.
    """
    native = version("llvmlite") if importlib.util.find_spec("llvmlite") else 'no: `pip install "tracegrad[native]"`'
    rows = {
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "NumPy": version("numpy"),
        "matplotlib": version("matplotlib"),
        "tracegrad": version(DISTRIBUTION),
        "Graphviz engine": graphviz_engine(),
        "llvmlite": native,
    }
    for name, value in rows.items():
        print(f"{name:<16} {value}")

    others = conflicts(metadata.packages_distributions())
    if not others:
        print("\nNothing else here owns the import name `autograd`.")
        return 0
    print(
        f"\nConflict: {', '.join(others)} brings a package named `autograd` too, and Python sees only one of the two.\n"
        f"Keep them apart: use a second virtual environment for one of them; or, to keep {DISTRIBUTION} here, run\n"
        f"`pip uninstall {' '.join(others)}` and install {DISTRIBUTION} again: they may have overwritten each other."
    )
    return 1
