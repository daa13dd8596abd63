"""Passes over graph programs, one small file each; `pipeline` lists them in order."""

from .pipeline import PASSES, optimise

__all__ = ["PASSES", "optimise"]
