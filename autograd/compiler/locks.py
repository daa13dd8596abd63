"""Locks of compiled steps: one call at a time, none from within itself, and none left locked in a forked process."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_all: weakref.WeakSet[Any] = weakref.WeakSet()


def step_lock() -> Any:
    """A lock for a step, held while it is traced or runs: its memory and what it writes belong to one call at a time."""
    lock = threading.RLock()
    _all.add(lock)
    return lock


def _open_in_child() -> None:
    """The threads that held the others do not live on in a forked process."""
    for lock in list(_all):
        if not lock._is_owned():
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_in_child)
