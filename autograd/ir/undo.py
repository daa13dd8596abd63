"""Putting back what a trace has changed, whatever ends it: its last line, an error, or Ctrl-C at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_TRIES = 20  # of one action: what fails so often does not fail by chance


class Undo:
    """Context manager that runs its actions at the end, the last one first.  It is entered twice: ``with undo, undo:``.

    Python raises KeyboardInterrupt, or whatever another signal handler raises, between any two instructions: also in
    what puts things back.  An action that is stopped is run again, and so each must be one that may be repeated.  Where
    the exit itself is stopped before it has begun, the second one, for which nothing is left otherwise, does the work.
    """

    def __init__(self, *actions: Callable[[], Any]) -> None:
        self._actions = list(actions)

    def add(self, *actions: Callable[[], Any]) -> None:
        """Have this done too, and before all else; to be called before the change that it puts back."""
        self._actions.extend(actions)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        error: BaseException | None = None
        tries = 0
        while self._actions:
            try:
                while self._actions:
                    self._actions[-1]()
                    self._actions.pop()
                    tries = 0
            except BaseException as stopped:
                error = error or stopped
                tries += 1
                if tries == _TRIES:
                    self._actions.pop()
        if error is not None:
            raise error
