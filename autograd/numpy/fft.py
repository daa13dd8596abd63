"""`numpy.fft`, whose functions ask a Tensor among their arguments what to do."""

from numpy.fft import *  # noqa: F403
