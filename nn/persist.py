"""Parameters in one file, `.npy` or `.safetensors`, which is written whole and read without running anything in it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from autograd.core.errors import ArgumentError
from autograd.files import reading, replacing

from . import checks, npy, safetensors
from .module import Model

_FORMATS: dict[str, ModuleType] = {".npy": npy, ".safetensors": safetensors}
_LINES = 10  # of each kind, in a list of what does not fit
_LONG = 80  # characters of a name
_PAIRS = 400  # of names, compared with each other to find those misspelt


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write the parameters and buffers of a model; an existing file is replaced at once or, on failure, not at all.

    Args:
        model: A `Module` or a `NeuralNetwork`.
        path: Ends with `.npy`, for a file that `np.load` reads, or with `.safetensors` (extra "files").

    Raises:
        DTypeError: The model is none.
        ArgumentError: Another ending, a model without parameters, or two parameters of one name.
        UnsafeFileError: A dtype that the file cannot hold.
        WriteError: The file cannot be written.
        MissingDependencyError: The library for `.safetensors` is not installed.

    >>> import nn, os, tempfile
    >>> model, copy = nn.MLP([2, 3, 1], seed=0), nn.MLP([2, 3, 1], seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, os.path.join(folder, "parameters.npy"))
    ...     load(copy, os.path.join(folder, "parameters.npy"))
    >>> bool((copy[0].weight.data == model[0].weight.data).all())
    True
    """
    state = checks.module(model).state()
    save_arrays({name: np.asarray(tensor.data) for name, tensor in state.items()}, path)


def save_arrays(arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> None:
    """Write named arrays of numbers.

    Args:
        arrays: By name.
        path: As for `save`.

    Raises:
        ArgumentError, UnsafeFileError, WriteError, MissingDependencyError: As `save`.
    """
    path = _path(path)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise ArgumentError(
            f"{str(path)!r} ends with {path.suffix!r}: parameters are saved as {path.stem}.npy or {path.stem}.safetensors"
        )
    if not arrays:
        raise ArgumentError(f"nothing to save in {path}: there are no parameters")
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if not isinstance(name, str):
            raise ArgumentError(f"arrays are saved by name, a str, not by {name!r}")
        form.check(name, array.dtype)
    parts = form.pack(arrays, path)
    with replacing(path) as file:
        file.writelines(parts)


def load(model: Model, path: str | os.PathLike[str]) -> None:
    """Restore the parameters and buffers of a model from a file that `save` wrote, keeping the dtypes of the model.

    Numbers are rounded to a narrower float; nan and inf stay what they are.  Integers and bools are taken where the
    model's dtype holds every one of them exactly, complex numbers only where the model's are.

    On any error the model is unchanged.

    Args:
        model: A `Module` or a `NeuralNetwork`.
        path: The file.

    Raises:
        DTypeError: The model is none.
        FileNotFoundError: There is no such file.
        CorruptFileError, UnsafeFileError: It is no file of parameters.
        ArgumentError: Names that are missing, unexpected, of another shape or dtype, or whose values the model's dtype
            cannot hold: all of them are listed.
        MissingDependencyError: The library for `.safetensors` is not installed.
    """
    module, path = checks.module(model), _path(path)
    state = module.state()
    with reading(path) as file:
        fields, read = _format(path).unpack(file, path)
        problems = _differences({name: (t.dtype, t.shape) for name, t in state.items()}, fields)
        values: dict[str, np.ndarray] = {}
        lost: dict[str, str] = {}
        for name, tensor in state.items() if not problems else ():
            values[name], lost[name] = _cast(read(name), np.dtype(tensor.dtype))
    problems += _listed("wrong value", [name for name in lost if lost[name]], lambda n: f"{n} holds {lost[n]}")
    if problems:
        raise ArgumentError(f"{path} does not fit this {type(module).__name__}:\n  " + "\n  ".join(problems))
    for name, tensor in state.items():
        tensor.data = values[name]


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The named arrays of a file, nothing executed and nothing allocated that the file does not hold.

    Args:
        path: The file.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptFileError, UnsafeFileError: It is no file of parameters.
        MissingDependencyError: The library for `.safetensors` is not installed.
    """
    path = _path(path)
    with reading(path) as file:
        fields, read = _format(path).unpack(file, path)
        return {name: read(name) for name in fields}


def _path(path: Any) -> Path:
    try:
        found = Path(path)
    except TypeError:
        raise ArgumentError(f"a path is a str or a pathlib.Path, not {path!r}") from None
    if "\0" in str(found):
        raise ArgumentError(f"no path holds a null character: {str(found)!r}")
    return found


def _format(path: Path) -> ModuleType:
    return _FORMATS.get(path.suffix.lower(), npy)  # which says what it finds instead


def _cast(values: np.ndarray, dtype: np.dtype[Any]) -> tuple[np.ndarray, str]:
    """The values as the model's dtype, and which of them it cannot hold, or ""."""
    with np.errstate(all="ignore"):
        cast = values.astype(dtype)
    if values.dtype.kind in "iub" and dtype.kind != "b":
        most = 2 ** (np.finfo(dtype).nmant + 1) if dtype.kind in "fc" else np.iinfo(dtype).max
        least = np.iinfo(dtype).min if dtype.kind in "iu" else -most
        lost = [int(v) for v in (values.min(initial=0), values.max(initial=0)) if not least <= int(v) <= most]
    else:
        lost = values[np.isfinite(values) & ~np.isfinite(cast)].tolist()
    return cast, f"{lost[0]}, which {dtype} cannot hold" if lost else ""


def _differences(expected: npy.Fields, found: npy.Fields) -> list[str]:
    """What is missing, unexpected, or does not fit: a line each, of each kind the first few."""
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    both = [name for name in expected if name in found]
    # To compare all names with all others takes minutes where many differ, and then tells nobody anything.
    alike = len(missing) * len(unexpected) <= _PAIRS and max(map(len, [*missing, *unexpected]), default=0) <= _LONG

    def near(name: str, others: list[str], where: str) -> str:
        close = difflib.get_close_matches(name, others, n=1) if alike else []
        return f" (the {where} has {_short(close[0])})" if close else ""

    lines = _listed("missing", missing, lambda n: f"{_short(n)} {expected[n][1]}{near(n, unexpected, 'file')}")
    lines += _listed("unexpected", unexpected, lambda n: f"{_short(n)} {found[n][1]}{near(n, missing, 'model')}")
    shapes = [name for name in both if expected[name][1] != found[name][1]]
    lines += _listed(
        "wrong shape", shapes, lambda n: f"{_short(n)} is {expected[n][1]} in the model and {found[n][1]} in the file"
    )
    dtypes = [name for name in both if not np.can_cast(found[name][0], expected[name][0], "same_kind")]
    return lines + _listed(
        "wrong dtype", dtypes, lambda n: f"{_short(n)} is {expected[n][0]} in the model and {found[n][0]} in the file"
    )


def _listed(kind: str, names: list[str], describe: Callable[[str], str]) -> list[str]:
    more = [f"{kind}: and {len(names) - _LINES} more"] if len(names) > _LINES else []
    return [f"{kind}: {describe(name)}" for name in names[:_LINES]] + more


def _short(name: str) -> str:
    return name if len(name) <= _LONG and name.isprintable() else npy.brief(name, _LONG)
