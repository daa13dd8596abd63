"""Checks on gradients: those that people derive by hand, and those of the engine itself."""

from .compare import Report, compare
from .gradcheck import Checked, gradcheck

__all__ = ["Checked", "Report", "compare", "gradcheck"]
