"""NumPy's namespace for code that is to be differentiated: ``import autograd.numpy as np``.

Plain arrays are computed by NumPy's own functions.  Where a Tensor or Tracer is given, also in a list, the function of that
name here answers, which is the one that ``numpy.sum(tensor)`` gets too (see `autograd.functions.protocols`); `array`,
`full`, `r_` and their like keep the Tensors in what they are given.
What is covered, and what is not and why, stands in ``COVERAGE.md`` beside this file (``python -m autograd.numpy``).

>>> import autograd.numpy as np
>>> from autograd import grad
>>> grad(lambda x: np.sum(np.array([x, x**2]) * np.linspace(1.0, 2.0, 2)))(3.0)
np.float64(13.0)
"""

from types import ModuleType
from typing import Any

import numpy

from .. import functions as functions  # tells NumPy's functions what to do with Tensors
from ..functions.protocols import ours
from . import creation
from . import fft as fft
from . import linalg as linalg
from . import random as random

__all__ = list(numpy.__all__)

for _name in __all__:
    _found = getattr(creation, _name, None) if _name in creation.__all__ else ours(getattr(numpy, _name))
    if not isinstance(_found, ModuleType):
        globals()[_name] = _found


def __getattr__(name: str) -> Any:
    return getattr(numpy, name)


def __dir__() -> list[str]:
    return list(__all__)
