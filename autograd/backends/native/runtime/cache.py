"""Machine code kept on disk by content, so that a second process need not make it again.

Files lie in the user's cache directory, or where ``AUTOGRAD_CACHE`` says; ``AUTOGRAD_CACHE=off`` does without.  What is
read from there is run, so it must be the user's own: a regular file in a folder of the same owner, where nobody else may
write, nor put another folder in its place.  A file is a digest over its key and the object code, and the code.  Whatever
is not so is left unread, with one warning per process, and made anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import sys
import warnings
from pathlib import Path

from ....core.errors import CorruptFileError
from ....files import reading, replacing

_MOST = 512  # files; when there are more, the older half goes
_LARGEST = 1 << 28  # bytes of one file
_DIGEST = 32  # bytes

_warned = False


def folder() -> Path | None:
    """Where the files lie, or None where nothing is to be kept.

    Raises:
        RuntimeError: there is no home directory.
    """
    wanted = os.environ.get("AUTOGRAD_CACHE", "").strip()
    if wanted.lower() in ("off", "0", "no", "false", "none", "disable", "disabled"):
        return None
    if wanted.lower() not in ("", "on", "1", "yes", "true"):
        return _absolute(wanted)
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        base = Path(local) if local else Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        wanted = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(wanted) if os.path.isabs(wanted) else Path.home() / ".cache"  # as the standard says
    return base / "tracegrad"


@functools.cache
def _absolute(wanted: str) -> Path:
    """A relative path is relative to where the process was when it first asked: one process has one cache."""
    return Path(os.path.expandvars(wanted)).expanduser().absolute()


def load(key: str) -> bytes | None:
    """The object code kept under a key, if it is there, whole, and the user's own."""
    with contextlib.suppress(OSError, RuntimeError):
        place = folder()
        if place is None or not _is_private(place):
            return None
        path = place / f"{key}.o"
        try:
            content, why = _read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, CorruptFileError) as error:
            content, why = b"", str(error)
        digest, code = content[:_DIGEST], content[_DIGEST:]
        if not why and digest == _digest(key, code):
            return code
        _warn(path, why or "its content is damaged, or belongs under another name")
        os.unlink(path)
    return None


def save(key: str, code: bytes) -> None:
    """Keep object code; a directory that cannot be written is no error."""
    with contextlib.suppress(OSError, RuntimeError):
        place = folder()
        if place is None:
            return
        for missing in reversed([path for path in (place, *place.parents) if not path.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)
        if _is_private(place):
            with replacing(place / f"{key}.o", mode=0o600) as file:
                file.write(_digest(key, code) + code)
            _prune(place)


def _digest(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _read(path: Path) -> tuple[bytes, str]:
    """The content of a file, or why it is not read."""
    with reading(path, links=False) as file:
        status = os.fstat(file.fileno())
        why = _objection(status, own=True)
        if status.st_size > _LARGEST:
            why = f"it has {status.st_size} bytes"
        return (b"", why) if why else (file.read(status.st_size), "")


def _is_private(place: Path) -> bool:
    """Whether nobody else may write in a folder, or put another in its place."""
    real = place.resolve()
    own = {place, real}
    for path in (place, *place.parents, real, *real.parents):
        why = _objection(path.lstat(), own=path in own)
        if why:
            _warn(path, f"{why}. Keep the code elsewhere: set AUTOGRAD_CACHE to a folder of your own, or to off")
            return False
    return True


def _objection(status: os.stat_result, *, own: bool) -> str:
    """Why a file or folder may be somebody else's doing; "" if it cannot."""
    if not hasattr(os, "geteuid"):
        return ""  # Windows, where the folders of a user are closed to others
    if status.st_uid not in ((os.geteuid(),) if own else (os.geteuid(), 0)):
        return f"it belongs to another user ({status.st_uid})"
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX and not own):
        return ""  # in a sticky folder, as /tmp is one, nobody may rename what belongs to others
    return "others may write to it" if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""


def _warn(path: Path, why: str) -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(f"the cache of machine code makes no use of {path}: {why}", stacklevel=2)


def _prune(place: Path) -> None:
    ages = []
    for path in place.glob("*.o"):
        with contextlib.suppress(OSError):  # another process prunes too
            ages.append((path.lstat().st_mtime, path))
    if len(ages) > _MOST:
        for _, path in sorted(ages)[: len(ages) // 2]:
            path.unlink(missing_ok=True)
