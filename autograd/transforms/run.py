"""One run of a function in which something is refused that the function does by itself."""

from __future__ import annotations

from typing import Any

from ..core.mode import Error


class Run:
    """One run of a function by a transformation or a trace, which may have to refuse what the function does.

    Code that catches all errors (``except Exception``, `contextlib.suppress`) would catch the refusal too, and go on with
    what it would never have done by itself: so the run ends with that refusal all the same.
    """

    __slots__ = ("refusal",)

    def __init__(self) -> None:
        self.refusal: Exception | None = None

    def refused(self, error: Error) -> Error:
        """Note an error that is to be raised, and that the function would not meet without the transformation."""
        self.refusal = self.refusal or error
        return error

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, where: Any) -> None:
        refusal, self.refusal = self.refusal, None
        if refusal is not None and error is not refusal and (error is None or isinstance(error, Exception)):
            raise refusal
