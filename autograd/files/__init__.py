"""Writing files whole, so that nobody ever reads half of one, and opening them without ever waiting.

A file is written under a temporary name in its own folder, synced, and renamed over the old one.  While it is being
written it is locked; the lock ends with its process, however that ends, so that what a killed one left can be told from
what another is writing, and is removed when the next file is written there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..core.errors import CorruptFileError, WriteError

try:
    import fcntl
except ImportError:  # Windows refuses to remove a file that is open, which serves as the lock
    fcntl = None  # type: ignore[assignment]

_BEGIN, _END = ".tracegrad-", ".part"


def write(path: str | os.PathLike[str], data: bytes | str) -> Path:
    """Write a file whole, making its folder where needed; see `replacing`.

    Returns:
        The path.

    Raises:
        WriteError: it cannot be written; what was there is unchanged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write(f"{folder}/a/b.txt", "text").read_text()
    'text'
    """
    with replacing(path) as file:
        file.write(data.encode("utf-8") if isinstance(data, str) else data)
    return Path(path)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, mode: int = 0o666) -> Iterator[IO[bytes]]:
    """A file to write into, which takes the place of `path` once the block has ended without an error.

    A symbolic link stays, and what it points to is replaced; an existing file keeps its permission bits.  What is no
    file (a device, a pipe) is written to directly.

    Args:
        path: Where to; its folder is made where needed.
        mode: Permission bits of a new file, less those that the user's umask takes away.

    Raises:
        WriteError: it cannot be written; what was there is unchanged.
    """
    try:
        target = os.path.realpath(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        old = _status(target)
        if old is not None and not stat.S_ISREG(old.st_mode):
            with open(target, "wb", opener=_at_once) as file:
                yield file
            return
        if old is not None and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "the file is write-protected")
        _remove_left(os.path.dirname(target))
        with _temporary(os.path.dirname(target), mode if old is None else stat.S_IMODE(old.st_mode)) as file:
            if old is not None:
                os.chmod(file.name, stat.S_IMODE(old.st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if fcntl is None:
                file.close()
            os.replace(file.name, target)
    except OSError as error:
        if isinstance(error, WriteError) or not (error.filename is None or _is_part(error.filename, target)):
            raise  # of another file, in the block
        why = f"{error.strerror or error}; the file has been left as it was"
        raise WriteError(error.errno or errno.EIO, why, os.fspath(path)) from error


@contextlib.contextmanager
def reading(path: str | os.PathLike[str], *, links: bool = True) -> Iterator[IO[bytes]]:
    """A regular file open for reading, without ever waiting for what is none.

    Raises:
        CorruptFileError: it is a folder, a device or a pipe.
        OSError: it cannot be opened, or it is a symbolic link and `links` is False.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags | (0 if links else getattr(os, "O_NOFOLLOW", 0)))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise CorruptFileError(f"{os.fspath(path)} is no regular file")
    with open(handle, "rb") as file:
        yield file


@contextlib.contextmanager
def _temporary(folder: str, mode: int) -> Iterator[IO[bytes]]:
    """A new, locked file of the folder, which is removed unless it has been renamed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        name = os.path.join(folder, f"{_BEGIN}{secrets.token_hex(8)}{_END}")
        with open(name, "wb", opener=lambda path, _: os.open(path, flags, mode)) as file:
            if not _lock(file.fileno()) or os.fstat(file.fileno()).st_nlink:
                try:
                    yield file
                    return
                finally:
                    with contextlib.suppress(OSError):
                        if fcntl is None:
                            file.close()
                        os.unlink(name)
        # Somebody who was tidying up has taken the file for left before it was locked: another one.


def _remove_left(folder: str) -> None:
    """Remove the temporary files of processes that have ended."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for name in [e.name for e in entries if e.name.startswith(_BEGIN) and e.name.endswith(_END)]:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError, CorruptFileError):
                if fcntl is None:
                    os.unlink(path)
                    continue
                with reading(path, links=False) as file:
                    fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)


def _lock(handle: int) -> bool:
    """Lock an open file for as long as its process lives; False where files cannot be locked."""
    with contextlib.suppress(OSError):
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return True
    return False


def _at_once(path: str, flags: int) -> int:
    """Open a device or pipe; an error, and no waiting, where nobody reads from it."""
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    os.set_blocking(handle, True)
    return handle


def _is_part(name: Any, target: str) -> bool:
    """Whether a file is the one that is written, the temporary one in its place, or a folder that it needs."""
    name, folder = os.path.realpath(os.fspath(name)), os.path.dirname(target)
    return name == target or f"{folder}{os.sep}".startswith(f"{name}{os.sep}") or _BEGIN in os.path.basename(name)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None
