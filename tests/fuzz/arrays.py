"""Arrays of every dtype, layout and kind of values, each made again from a few words: what programs are fed with.

>>> from tests.fuzz.arrays import array
>>> array(3, (2, 2), ">f4", "reversed").strides
(-8, -4)
>>> array(3, (3,), "f8", "plain", "positive").min() > 0
np.True_
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable

import numpy as np

Shape = tuple[int, ...]
Rng = np.random.Generator

FLOATS = ("f8", "f4", "f2", "g", ">f8", ">f4", ">f2")
INTEGERS = ("i8", "i4", "i2", "i1", "u1", "u4", ">i4", "?")


def _matrix(rng: Rng, shape: Shape) -> np.ndarray:
    return rng.uniform(-1, 1, shape) + 3 * np.eye(*shape[-2:])


def _definite(rng: Rng, shape: Shape) -> np.ndarray:
    a = rng.uniform(-1, 1, shape)
    return a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1])


def _odd(rng: Rng, shape: Shape) -> np.ndarray:
    """Values among which some are nan, infinite, zero of either sign, huge or tiny."""
    odd = rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0, 1e30, 1e-30, 1.0], shape)
    return np.where(rng.random(shape) < 0.3, odd, rng.uniform(-2, 2, shape))


DOMAINS: dict[str, Callable[[Rng, Shape], np.ndarray]] = {
    "real": lambda rng, shape: rng.uniform(-2, 2, shape),
    "positive": lambda rng, shape: rng.uniform(0.5, 2.5, shape),
    "unit": lambda rng, shape: rng.uniform(-0.8, 0.8, shape),
    "whole": lambda rng, shape: rng.integers(-2, 3, shape).astype(float),  # ties and zeros
    "increasing": lambda rng, shape: np.cumsum(rng.uniform(0.5, 1.5, shape), axis=-1),
    "matrix": _matrix,
    "definite": _definite,
    "odd": _odd,
}


def domain_of(values: np.ndarray) -> str:
    """The domain that an example of an argument belongs to."""
    if not values.size or not np.isfinite(values).all():
        return "real"
    if values.ndim > 1 and values.shape[-1] == values.shape[-2] > 1:
        diagonal = np.abs(np.diagonal(values, axis1=-2, axis2=-1))
        if np.all(2 * diagonal > np.abs(values).sum(axis=-1)):
            return "definite" if np.allclose(values, np.swapaxes(values, -1, -2)) else "matrix"
    if values.ndim == 1 and values.size > 3 and np.all(np.diff(values) > 0):
        return "increasing"
    if values.min() > 0:
        return "positive"
    return "unit" if np.abs(values).max() < 1 else "real"


def _strided(a: np.ndarray) -> np.ndarray:
    out = np.zeros([2 * n for n in a.shape], a.dtype)[(..., *(slice(None, None, 2) for _ in a.shape))]
    out[...] = a
    return out


def _reversed(a: np.ndarray) -> np.ndarray:
    turned = (..., *(slice(None, None, -1) for _ in a.shape))
    return a[turned].copy()[turned]


def _read_only(a: np.ndarray) -> np.ndarray:
    a.flags.writeable = False
    return a


def _broadcast(a: np.ndarray) -> np.ndarray:
    """A view in which all rows are the first one."""
    return np.broadcast_to(a[:1], a.shape) if a.ndim else a


def _mapped(a: np.ndarray) -> np.ndarray:
    """The same in a file that is mapped into memory."""
    if not a.size:
        return a
    with tempfile.TemporaryFile() as file:
        out = np.memmap(file, a.dtype, "w+", shape=a.shape or (1,))
    out = out if a.ndim else out.reshape(())
    out[...] = a
    return out


def _unaligned(a: np.ndarray) -> np.ndarray:
    """The same, starting in the middle of a machine word."""
    raw = np.zeros(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype).reshape(a.shape) if a.size else a
    out[...] = a
    return out


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda a: a,
    "strided": _strided,
    "reversed": _reversed,
    "fortran": lambda a: np.array(a, order="F"),
    "read-only": _read_only,
    "broadcast": _broadcast,
    "mapped": _mapped,
    "unaligned": _unaligned,
}


def array(seed: int, shape: Shape, dtype: str = "f8", layout: str = "plain", domain: str = "real") -> np.ndarray:
    """The array that these words stand for; always an ndarray, also where the shape is ()."""
    values = DOMAINS[domain](np.random.default_rng(seed), shape)
    with np.errstate(all="ignore"):
        if np.dtype(dtype).kind in "iu":
            values = np.rint(2 * np.nan_to_num(values, posinf=3, neginf=-3).clip(-3, 3))
            values = np.abs(values) if np.dtype(dtype).kind == "u" else values
        elif np.dtype(dtype).kind == "b":
            values = values > 0
        return LAYOUTS[layout](np.array(values, dtype))
