"""What a traced function asks the world outside: files are refused, clocks and the like end the compilation."""

from __future__ import annotations

import io
import os
import queue
import threading
import time
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import TraceError
from ..core.source_location import CORE_FILES, OWN_FILES, Site, at, is_library

if TYPE_CHECKING:
    from .trace import Trace

_OPENERS = frozenset({open, os.open, os.read, input, np.fromfile})
_READERS = frozenset({"read", "read1", "readline", "readlines", "readinto"})
# Python's own needs: importing, and showing the lines of code that warnings and errors are about.
_OWN_NEEDS = ("<frozen importlib", "<frozen zipimport", "linecache.py", "traceback.py", "warnings.py", "inspect.py",
              "logging/__init__.py")  # fmt: skip
# Built-in functions that answer otherwise at another time, and methods that threads tell each other something by.
_ASKING = frozenset(
    {
        *(getattr(time, name + end) for name in ("time", "monotonic", "perf_counter", "process_time") for end in ("", "_ns")),
        os.stat, os.lstat, os.access, os.listdir, os.scandir, os.times,
    }
)  # fmt: skip
_OF_THREADS = (queue.SimpleQueue, type(threading.Lock()), type(threading.RLock()))
_TELLING = frozenset(
    ("set", "clear", "wait", "wait_for", "notify", "notify_all", "acquire", "release", "put", "get", "put_nowait",
     "get_nowait", "join")
)  # fmt: skip
THREADED: dict[int, CodeType] = {
    id(part.__code__): part.__code__
    for kind in (threading.Event, threading.Condition, threading.Semaphore, queue.Queue)
    for name, part in vars(kind).items()
    if name in _TELLING and hasattr(part, "__code__")
}
# Most calls are of none of these, which their names tell at once.
NAMES = frozenset(
    {
        *(function.__name__ for function in (*_OPENERS, *_ASKING)), *_READERS,
        *(name for kind in _OF_THREADS for name in dir(kind) if name[:2] != "__"),
    }
)  # fmt: skip


def refuse(trace: Trace, frame: FrameType, function: Any) -> None:
    """Raise if a built-in function of one of NAMES, called in a frame during the trace, opens or reads a file for the user.

    Where it asks a clock, for the state of a file, or for what other threads have done, that is noted.

    Raises:
        TraceError: it does.
    """
    opens = function in _OPENERS
    reads = not opens and function.__name__ in _READERS and isinstance(function.__self__, io.IOBase)
    told = isinstance(getattr(function, "__self__", None), _OF_THREADS)
    asks = (told or function in _ASKING) and not _by_us(frame)
    if opens or reads or asks:
        site, wanted = _asked_by(frame)
        if wanted and asks:
            trace.asks(site, function.__name__)
        elif wanted:
            raise trace.refused(
                TraceError(
                    f"{at(site)} {'opens' if opens else 'reads'} a file while {trace.name!r} is traced, and a compiled step "
                    "would not do so again: read it before, and pass what it holds as an argument"
                )
            )


def note_thread(trace: Trace, frame: FrameType) -> None:
    """Note that a method by which threads tell each other something was called during the trace."""
    site, wanted = _asked_by(frame)
    if wanted and not _by_us(frame):
        trace.asks(site, frame.f_code.co_name)


def _by_us(frame: FrameType) -> bool:
    """Whether it is for the package itself that Python's own code runs there: its locks, its signal handlers."""
    while is_library(frame.f_code.co_filename) and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_filename in OWN_FILES


def _asked_by(frame: FrameType) -> tuple[Site | None, bool]:
    """The user's line behind a call, and whether it is not for Python's own needs."""
    above: FrameType | None = frame
    site = None
    while above is not None and not (above.f_code.co_name == "run" and above.f_code.co_filename in CORE_FILES):
        file = above.f_code.co_filename
        if file.startswith(_OWN_NEEDS[:2]) or file.endswith(_OWN_NEEDS[2:]):
            return None, False
        if site is None and not is_library(file) and file not in OWN_FILES:
            site = file, above.f_lineno
        above = above.f_back
    return site, True
