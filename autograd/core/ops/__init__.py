"""The operations: one record per primitive, by family; what is made of them has no rules of its own."""

from . import elementwise, linalg, random, reduce, shape  # noqa: F401
