"""NumPy's namespace for code that is to be differentiated: ``import autograd.numpy as np``.

Everything is NumPy's own.  Its functions ask a Tensor or Tracer among their arguments what to do (see
`autograd.functions.protocols`), and arrays are computed as always; so ``np.sum`` here and ``numpy.sum`` are one
and the same.  Only what makes arrays of lists needs a look into the lists first: `array`, `asarray` and the like keep
the Tensors in them.
What is covered, and what is not and why, stands in ``COVERAGE.md`` beside this file (``python -m autograd.numpy``).

>>> import autograd.numpy as np
>>> from autograd import grad
>>> grad(lambda x: np.sum(np.array([x, x**2]) * np.linspace(1.0, 2.0, 2)))(3.0)
np.float64(13.0)
"""

from typing import Any

import numpy

from .. import functions as functions  # tells NumPy's functions what to do with Tensors
from . import fft as fft
from . import linalg as linalg
from . import random as random
from .creation import array as array
from .creation import asanyarray as asanyarray
from .creation import asarray as asarray
from .creation import asarray_chkfinite as asarray_chkfinite
from .creation import ascontiguousarray as ascontiguousarray
from .creation import asfortranarray as asfortranarray

__all__ = list(numpy.__all__)


def __getattr__(name: str) -> Any:
    return getattr(numpy, name)


def __dir__() -> list[str]:
    return list(__all__)
