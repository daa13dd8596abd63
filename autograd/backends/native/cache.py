"""Machine code kept on disk by content, so that a second process need not make it again.

Files lie in the user's cache directory, or where ``AUTOGRAD_CACHE`` says; ``AUTOGRAD_CACHE=off`` does without.  A file is
its checksum and the object code; one that does not match its checksum is as good as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from pathlib import Path

_MOST = 512  # files; when there are more, the older half goes


def folder() -> Path | None:
    """Where the files lie, or None where nothing is to be kept."""
    wanted = os.environ.get("AUTOGRAD_CACHE", "")
    if wanted.lower() in ("off", "0", "no"):
        return None
    if wanted:
        return Path(wanted)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "tracegrad"


def load(key: str) -> bytes | None:
    """The object code kept under a key, if it is there and whole."""
    with contextlib.suppress(OSError, RuntimeError):
        place = folder()
        if place is not None:
            content = (place / f"{key}.o").read_bytes()
            checksum, code = content[:32], content[32:]
            if hashlib.sha256(code).digest() == checksum:
                return code
    return None


def save(key: str, code: bytes) -> None:
    """Keep object code; a directory that cannot be written is no error."""
    with contextlib.suppress(OSError, RuntimeError):
        place = folder()
        if place is None:
            return
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(code).digest() + code)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, place / f"{key}.o")
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        _prune(place)


def _prune(place: Path) -> None:
    files = list(place.glob("*.o"))
    if len(files) > _MOST:
        for path in sorted(files, key=lambda p: p.stat().st_mtime)[: len(files) // 2]:
            path.unlink(missing_ok=True)
