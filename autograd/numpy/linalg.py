"""`numpy.linalg`, whose functions ask a Tensor among their arguments what to do."""

from numpy.linalg import *  # noqa: F403
