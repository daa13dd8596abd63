"""`numpy.linalg`, with the functions of Tensors in place of NumPy's own that they stand for."""

from typing import Any

import numpy.linalg

from ..functions.protocols import ours

__all__ = list(numpy.linalg.__all__)

globals().update({name: ours(getattr(numpy.linalg, name)) for name in __all__})


def __getattr__(name: str) -> Any:
    return getattr(numpy.linalg, name)
