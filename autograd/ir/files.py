"""Files that a traced function opens or reads: refused, since the program would never read them again."""

from __future__ import annotations

import io
import os
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import TraceError
from ..core.source_location import CORE_FILES, OWN_FILES, at, is_library

if TYPE_CHECKING:
    from .trace import Trace

_OPENERS = frozenset({open, os.open, os.read, input, np.fromfile})
_READERS = frozenset({"read", "read1", "readline", "readlines", "readinto"})
# Python's own needs: importing, and showing the lines of code that warnings and errors are about.
_OWN_NEEDS = ("<frozen importlib", "<frozen zipimport", "linecache.py", "traceback.py", "warnings.py", "inspect.py")


def refuse(trace: Trace, frame: FrameType, function: Any) -> None:
    """Raise if a built-in function, called in a frame during the trace, opens or reads a file for the user.

    Raises:
        TraceError: it does.
    """
    opens = function in _OPENERS
    if not opens and not (function.__name__ in _READERS and isinstance(function.__self__, io.IOBase)):
        return
    above: FrameType | None = frame
    site = None
    while above is not None and not (above.f_code.co_name == "run" and above.f_code.co_filename in CORE_FILES):
        file = above.f_code.co_filename
        if file.startswith(_OWN_NEEDS[:2]) or file.endswith(_OWN_NEEDS[2:]):
            return
        if site is None and not is_library(file) and file not in OWN_FILES:
            site = file, above.f_lineno
        above = above.f_back
    raise trace.refused(
        TraceError(
            f"{at(site)} {'opens' if opens else 'reads'} a file while {trace.name!r} is traced, and a compiled step would not "
            "do so again: read it before, and pass what it holds as an argument"
        )
    )
