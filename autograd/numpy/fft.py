"""`numpy.fft`, with the functions of Tensors in place of NumPy's own that they stand for."""

from typing import Any

import numpy.fft

from ..functions.protocols import ours

__all__ = list(numpy.fft.__all__)

globals().update({name: ours(getattr(numpy.fft, name)) for name in __all__})


def __getattr__(name: str) -> Any:
    return getattr(numpy.fft, name)
