"""Backends: each turns an optimised graph into something that runs.  Where none is named, the first that fits is taken."""

from .base import register

register("native", "autograd.backends.native")
register("numpy", "autograd.backends.numpy_program")
register("reference", "autograd.backends.reference")
