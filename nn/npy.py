"""Named arrays in a structured `.npy` file: a single record with one field per array.

    np.load("parameters.npy")["layers.0.weight"]          # needs nothing but NumPy

There is no pickle in it, and none is ever read.  The header of a file is taken apart here rather than by NumPy, because
a hostile one must not be able to ask for memory, for objects, or for a shape that its bytes cannot fill.
"""

from __future__ import annotations

import ast
import math
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from autograd.core.errors import ArgumentError, CorruptFileError, UnsafeFileError

Fields = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]  # dtype and shape by name
Reader = Callable[[str], np.ndarray]

MAGIC = b"\x93NUMPY"
_MAX_HEADER = 1 << 20  # bytes; room for some 20,000 parameters
_NUMBERS = re.compile(r"[<>|=]?(f2|f4|f8|i1|i2|i4|i8|u1|u2|u4|u8|c8|c16|b1)")


def check(name: str, dtype: np.dtype[Any]) -> None:
    """Refuse what cannot be written.

    Raises:
        UnsafeFileError: A dtype that is no number, or one of this machine only.
    """
    if not _NUMBERS.fullmatch(dtype.newbyteorder("<").str):
        raise UnsafeFileError(
            f"{name} has dtype {dtype}: only numbers can be saved without pickle, and of those the ones that every "
            "machine knows; float64 and complex128 are the widest"
        )


def pack(arrays: dict[str, np.ndarray], path: Path) -> list[bytes]:
    """The parts of the file that holds the arrays.

    Args:
        arrays: By name.
        path: For messages.

    Returns:
        Bytes, to be written one after the other.

    Raises:
        ArgumentError: The names are too long for a header.
    """
    fields = [(name, array.dtype.newbyteorder("<").str, array.shape) for name, array in arrays.items()]
    header = repr({"descr": [f if f[2] else f[:2] for f in fields], "fortran_order": False, "shape": ()})
    latin = all(ord(character) < 256 for character in header)
    text = header.encode("latin1" if latin else "utf-8")
    text += b" " * (-(len(MAGIC) + 6 + len(text) + 1) % 64) + b"\n"  # what follows is aligned
    if len(text) > _MAX_HEADER:
        raise ArgumentError(
            f"{path}: the names of {len(arrays)} parameters take {len(text)} bytes, and a .npy file has room for "
            f"{_MAX_HEADER}: save them as {path.with_suffix('.safetensors').name}"
        )
    start = MAGIC + bytes([2 if latin else 3, 0]) + len(text).to_bytes(4, "little")
    return [start, text, *(array.astype(code).tobytes() for array, (_, code, _) in zip(arrays.values(), fields))]


def unpack(file: IO[bytes], path: Any) -> tuple[Fields, Reader]:
    """What a file holds; nothing is executed, and nothing allocated yet.

    Args:
        file: Open for reading.
        path: For messages.

    Returns:
        Dtype and shape of each array by name, and a function that reads one of them.

    Raises:
        CorruptFileError: It is no such file, or not whole.
        UnsafeFileError: It holds Python objects.
    """
    size = os.fstat(file.fileno()).st_size
    fields = _fields(_header(file, size, path), path)
    places, position = {}, file.tell()
    held = size - position
    for name, (dtype, shape) in fields.items():
        places[name] = position
        position += math.prod(shape) * dtype.itemsize
    if position != size:
        total = position - size + held
        raise CorruptFileError(f"{path}: the header announces {total} bytes of values, the file holds {held}")

    def read(name: str) -> np.ndarray:
        dtype, shape = fields[name]
        file.seek(places[name])
        content = file.read(math.prod(shape) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape).copy()

    return fields, read


def _header(file: IO[bytes], size: int, path: Any) -> dict[str, Any]:
    """The dictionary at the start of a .npy file."""
    start = file.read(8)
    if start[:4] == b"PK\x03\x04":
        raise CorruptFileError(f"{path} is a .npz archive; save parameters with nn's save, as one .npy file")
    if start[:6] != MAGIC or len(start) < 8:
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


def _fields(header: dict[str, Any], path: Any) -> Fields:
    """Dtype and shape of every field, once each is known to be plain numbers."""
    descr = header["descr"]
    if isinstance(descr, str) and "O" in descr:
        raise UnsafeFileError(f"{path} holds Python objects; reading them would run code that the file contains")
    if not isinstance(descr, list):
        raise CorruptFileError(f"{path} holds a plain array of {brief(descr)}, not one named field per parameter")
    if header["shape"] != ():
        raise CorruptFileError(f"{path} has shape {brief(header['shape'])}, not the () of a single record")
    fields: Fields = {}
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3) or not all(isinstance(f, str) for f in field[:2]):
            raise CorruptFileError(
                f"{path}: a field is described by {brief(field)}, not by a name, a dtype and a shape"
            )
        name, code, shape = field if len(field) == 3 else (*field, ())
        if name in fields:
            raise CorruptFileError(f"{path}: the name {brief(name)} occurs twice")
        if "O" in code:
            raise UnsafeFileError(
                f"{path}: {brief(name)} holds Python objects; reading them would run code of the file's"
            )
        if not _NUMBERS.fullmatch(code):
            raise CorruptFileError(f"{path}: {brief(name)} has the dtype {brief(code)}, which is no number")
        if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
            raise CorruptFileError(f"{path}: {brief(name)} has the shape {brief(shape)}")
        dtype = np.dtype(code)
        if 0 in shape and math.prod(n for n in shape if n) * dtype.itemsize > sys.maxsize:
            raise CorruptFileError(f"{path}: {brief(name)} has the shape {shape}, which no array can have")
        fields[name] = dtype, shape
    return fields


def brief(value: object, most: int = 80) -> str:
    """What a value looks like, cut short: a file may hold names of a megabyte."""
    text = repr(value[:most] if isinstance(value, str) else value)
    return text if len(text) <= most + 2 else f"{text[:most]}..."
