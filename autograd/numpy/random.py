"""`numpy.random` as it is: draws are constants as far as gradients go."""

from numpy.random import *  # noqa: F403
