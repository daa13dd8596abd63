"""Checks on gradients: those that people derive by hand, and those of the engine itself."""

from .compare import compare
from .gradcheck import Checked, gradcheck
from .report import Report

__all__ = ["Checked", "Report", "compare", "gradcheck"]
