"""Writing files whole: under a temporary name first, so that nobody ever reads half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write(path: Path, data: bytes | str) -> Path:
    """Write a file, making its folder where needed.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
