"""Random draws as an operation, so that a compiled step draws anew at every run and in the order of the source."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..primitive import Array, Primitive, Spec


def _draw(*, generator: np.random.Generator, method: str, args: Any, kwargs: Any, shape: Any, dtype: Any) -> Array:
    return getattr(generator, method)(*args, **dict(kwargs))


def _drawn(*, generator: Any, method: str, args: Any, kwargs: Any, shape: tuple[int, ...], dtype: Any) -> Spec:
    return shape, dtype


draw = Primitive(
    "draw", _draw, kind="random", shape=_drawn, doc="What a method of a random generator returns; no gradient."
)
