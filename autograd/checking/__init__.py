"""Checks on gradients: those that people derive by hand, and those of the engine itself."""

from .compare import Report, compare

__all__ = ["Report", "compare"]
