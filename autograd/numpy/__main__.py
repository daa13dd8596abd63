"""``python -m autograd.numpy > autograd/numpy/COVERAGE.md``: the table of what is covered."""

from .coverage import text

print(text(), end="")
