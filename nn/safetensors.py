"""Named arrays in a `.safetensors` file, by the library of that name (the extra "files")."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np

from autograd.core.errors import ArgumentError, CorruptFileError, MissingDependencyError, UnsafeFileError

from .npy import MAGIC, Fields, Reader, brief

_DTYPES = {
    name: np.dtype(code)
    for name, code in (
        ("F64", "f8"), ("F32", "f4"), ("F16", "f2"), ("I64", "i8"), ("I32", "i4"), ("I16", "i2"), ("I8", "i1"),
        ("U64", "u8"), ("U32", "u4"), ("U16", "u2"), ("U8", "u1"), ("BOOL", "?"),
    )
}  # fmt: skip


def _library() -> ModuleType:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingDependencyError(
            'files of the kind .safetensors need a library: pip install safetensors, or pip install "tracegrad[files]"'
        ) from error
    library: ModuleType = safetensors
    return library


def check(name: str, dtype: np.dtype[Any]) -> None:
    """Refuse what the format does not have.

    Raises:
        UnsafeFileError: A dtype.
        ArgumentError: A name.
    """
    if dtype.newbyteorder("=") not in _DTYPES.values():
        known = ", ".join(dtype.name for dtype in _DTYPES.values())
        raise UnsafeFileError(f"{name} has dtype {dtype}: a .safetensors file holds {known}")
    if name == "__metadata__" or any("\ud800" <= character <= "\udfff" for character in name):
        raise ArgumentError(f"a .safetensors file cannot hold the name {brief(name)}")


def pack(arrays: dict[str, np.ndarray], path: Path) -> list[bytes]:
    """The parts of the file that holds the arrays.

    Args:
        arrays: By name.
        path: For messages.

    Returns:
        Bytes, to be written one after the other.

    Raises:
        MissingDependencyError: The library is not installed.
    """
    # The library takes the bytes as they lie, whatever the strides say.
    plain = {name: np.asarray(a, a.dtype.newbyteorder("="), order="C") for name, a in arrays.items()}
    return [_library().numpy.save(plain)]


def unpack(file: IO[bytes], path: Any) -> tuple[Fields, Reader]:
    """What a file holds.

    Args:
        file: Open for reading.
        path: Of the file.

    Returns:
        Dtype and shape of each array by name, and a function that reads one of them.

    Raises:
        CorruptFileError: It is no such file, or not whole.
        MissingDependencyError: The library is not installed.
    """
    library = _library()
    if file.read(len(MAGIC)) == MAGIC:
        raise CorruptFileError(f"{path} is a .npy file under another name: rename it to {Path(path).stem}.npy")
    with _refusing(library, path):
        stored = library.safe_open(path, framework="np")
        parts = {name: stored.get_slice(name) for name in stored.keys()}  # noqa: SIM118  (no dict, whatever it says)
    fields: Fields = {}
    for name, part in parts.items():
        if part.get_dtype() not in _DTYPES:
            raise CorruptFileError(
                f"{path}: {brief(name)} has the dtype {part.get_dtype()}, which NumPy lacks: convert it to F32 first"
            )
        fields[name] = _DTYPES[part.get_dtype()], tuple(part.get_shape())

    def read(name: str) -> np.ndarray:
        with _refusing(library, path):
            return np.array(stored.get_tensor(name))

    return fields, read


@contextlib.contextmanager
def _refusing(library: ModuleType, path: Any) -> Iterator[None]:
    try:
        yield
    except (library.SafetensorError, ValueError) as error:  # the latter for shapes that no array can have
        raise CorruptFileError(f"{path} is no .safetensors file that can be read: {error}") from None
