"""Parameters in one file: a structured `.npy` array of a single record with one field per parameter.

    np.load("parameters.npy")["layers.0.weight"]          # needs nothing but NumPy

There is no pickle in it, and none is ever read.  The header of a file is taken apart here rather than by NumPy, because
a hostile one must not be able to ask for memory, for objects, or for a shape that its bytes cannot fill.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import math
import os
import re
import secrets
from pathlib import Path
from typing import IO, Any

import numpy as np

from autograd.errors import ArgumentError, CorruptFileError, UnsafeFileError
from nn.module import Module

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 20  # bytes; room for some 20,000 parameters


def save(model: Module, path: str | os.PathLike[str]) -> None:
    """Write the parameters and buffers of a model; an existing file is replaced at once or, on failure, not at all.

    Raises ArgumentError for a model without parameters, OSError where the folder cannot be written.

    >>> import nn, os, tempfile
    >>> model, copy = nn.MLP([2, 3, 1], seed=0), nn.MLP([2, 3, 1], seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(model, os.path.join(folder, "parameters.npy"))
    ...     load(copy, os.path.join(folder, "parameters.npy"))
    >>> bool((copy[0].weight.data == model[0].weight.data).all())
    True
    """
    save_arrays({name: np.asarray(tensor.data) for name, tensor in model.state().items()}, path)


def save_arrays(arrays: dict[str, np.ndarray], path: str | os.PathLike[str]) -> None:
    """Write named arrays of numbers; see `save`."""
    path = Path(path)
    if not arrays:
        raise ArgumentError(f"nothing to save in {path}: there are no parameters")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiucb":
            raise UnsafeFileError(f"{name} has dtype {array.dtype}: only numbers can be saved without pickle")
    record = np.zeros((), [(name, array.dtype.newbyteorder("<"), array.shape) for name, array in arrays.items()])
    for name, array in arrays.items():
        record[name] = array
    latin = all(ord(character) < 256 for name in arrays for character in name)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            np.lib.format.write_array(file, record, version=(2, 0) if latin else (3, 0), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(model: Module, path: str | os.PathLike[str]) -> None:
    """Restore the parameters and buffers of a model from a file that `save` wrote, keeping the dtypes of the model.

    Raises FileNotFoundError; CorruptFileError and UnsafeFileError for files that are no such thing; ArgumentError with
    all names that are missing, unexpected, or of another shape.  On any error the model is unchanged.
    """
    arrays, state = read(path), model.state()
    problems = _differences({name: (t.shape, t.dtype) for name, t in state.items()}, arrays)
    if problems:
        raise ArgumentError(f"{path} does not fit this {type(model).__name__}:\n  " + "\n  ".join(problems))
    for name, tensor in state.items():
        tensor.data = arrays[name].astype(tensor.dtype)


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The named arrays of a file, nothing executed and nothing allocated that the file does not hold.

    Raises FileNotFoundError, CorruptFileError, UnsafeFileError.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        fields = _fields(_header(file, size, path), path)
        total = sum(math.prod(shape) * dtype.itemsize for _, dtype, shape in fields)
        held = size - file.tell()
        if total != held:
            raise CorruptFileError(f"{path}: the header announces {total} bytes of values, the file holds {held}")
        return {
            name: np.frombuffer(file.read(math.prod(shape) * dtype.itemsize), dtype).reshape(shape).copy()
            for name, dtype, shape in fields
        }


def _header(file: IO[bytes], size: int, path: Any) -> dict[str, Any]:
    """The dictionary at the start of a .npy file."""
    start = file.read(8)
    if start[:4] == b"PK\x03\x04":
        raise CorruptFileError(f"{path} is a .npz archive; save parameters with nn's save, as one .npy file")
    if start[:6] != _MAGIC or len(start) < 8:
        raise CorruptFileError(f"{path} is no .npy file: it starts with {start[:6]!r}")
    if start[6] not in (1, 2, 3):
        raise CorruptFileError(f"{path} has the unknown .npy version {start[6]}.{start[7]}")
    width = 2 if start[6] == 1 else 4
    length = int.from_bytes(file.read(width), "little")
    if length > min(_MAX_HEADER, size - file.tell()):
        raise CorruptFileError(
            f"{path}: the header announces {length} bytes; the file has {max(size - file.tell(), 0)} left, "
            f"and {_MAX_HEADER} are allowed"
        )
    try:
        header = ast.literal_eval(file.read(length).decode("utf-8" if start[6] == 3 else "latin1").strip())
    except Exception as error:  # whatever the parser makes of hostile text, also MemoryError and RecursionError
        raise CorruptFileError(f"{path}: the header cannot be read ({type(error).__name__})") from None
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise CorruptFileError(f"{path}: the header is no description of an array")
    return header


def _fields(header: dict[str, Any], path: Any) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """Name, dtype and shape of every field, once each is known to be plain numbers."""
    descr = header["descr"]
    if isinstance(descr, str) and "O" in descr:
        raise UnsafeFileError(f"{path} holds Python objects; reading them would run code that the file contains")
    if not isinstance(descr, list):
        raise CorruptFileError(f"{path} holds a plain array of {descr!r}, not one named field per parameter")
    if header["shape"] != ():
        raise CorruptFileError(f"{path} has shape {header['shape']}, not the () of a single record")
    fields: list[tuple[str, np.dtype[Any], tuple[int, ...]]] = []
    names: set[str] = set()
    for field in descr:
        name, code, shape = field if isinstance(field, tuple) and len(field) == 3 else (*_pair(field, path), ())
        if not isinstance(name, str) or not isinstance(code, str):
            raise CorruptFileError(f"{path}: a field is described by {field!r}, not by a name, a dtype and a shape")
        if name in names:
            raise CorruptFileError(f"{path}: the name {name!r} occurs twice")
        if "O" in code:
            raise UnsafeFileError(f"{path}: {name!r} holds Python objects; reading them would run code of the file's")
        if not re.fullmatch(r"[<>|=]?(f2|f4|f8|i1|i2|i4|i8|u1|u2|u4|u8|c8|c16|b1)", code):
            raise CorruptFileError(f"{path}: {name!r} has the dtype {code!r}, which is no number")
        if not isinstance(shape, tuple) or any(type(n) is not int or n < 0 for n in shape) or len(shape) > 32:
            raise CorruptFileError(f"{path}: {name!r} has the shape {shape!r}")
        names.add(name)
        fields.append((name, np.dtype(code), shape))
    return fields


def _pair(field: Any, path: Any) -> tuple[Any, Any]:
    if not isinstance(field, tuple) or len(field) != 2:
        raise CorruptFileError(f"{path}: a field is described by {field!r}, not by a name, a dtype and a shape")
    return field


def _differences(expected: dict[str, tuple[tuple[int, ...], Any]], arrays: dict[str, np.ndarray]) -> list[str]:
    """One line per name that is missing, unexpected, or does not fit."""
    missing = [name for name in expected if name not in arrays]
    unexpected = [name for name in arrays if name not in expected]
    lines = []
    for name in missing:
        close = difflib.get_close_matches(name, unexpected, n=1)
        lines.append(f"missing: {name} {expected[name][0]}" + (f" (the file has {close[0]})" if close else ""))
    for name in unexpected:
        close = difflib.get_close_matches(name, missing, n=1)
        lines.append(f"unexpected: {name} {arrays[name].shape}" + (f" (the model has {close[0]})" if close else ""))
    for name, (shape, dtype) in expected.items():
        if name in arrays and arrays[name].shape != shape:
            lines.append(f"wrong shape: {name} is {shape} in the model and {arrays[name].shape} in the file")
        elif name in arrays and not np.can_cast(arrays[name].dtype, dtype, "same_kind"):
            lines.append(f"wrong dtype: {name} is {dtype} in the model and {arrays[name].dtype} in the file")
    return lines
