"""When two results are the same: bit for bit, or as near as rounding explains.

The rule, stated once.  The eager program is run again, several times, with every rounded operation disturbed by up to one
unit in the last place of what it gives, and sums and products also of what they get; operations that do not round are
left as they are, except that it stays open which of 0.0 and -0.0 a maximum or a sum gives.  How far these runs lie from
the undisturbed one measures the program's condition, element by element.  A result is right if it is

* the eager one bit for bit (any nan is any nan), or
* finite, and within `FACTOR` times that distance plus `ULPS` units in the last place, or
* not finite, or a zero of the other sign, where one of the disturbed runs shows the same, or
* no float, and what the eager or one of the disturbed runs gives.

Shapes, dtypes and Python types have to be the same.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograd import Tensor
from autograd.core.array_methods import ArrayMethods
from autograd.core.primitive import REGISTRY, Primitive
from tests.fuzz.snapshot import Leaf

FACTOR = 16
ULPS = 4
RUNS = 24  # at most; most differences are explained by the first two

EXACT = {
    "neg", "abs", "sign", "where", "floor", "ceil", "round", "stop_gradient", "floor_divide", "equal", "not_equal", "less",
    "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_not", "isfinite", "isnan", "argmax",
    "argmin", "detsign",
}  # fmt: skip
ZERO_OPEN = {"relu", "maximum", "minimum", "clip", "max", "min"}  # exact, but the sign of a zero is not told


def same_bits(a: Any, b: Any) -> bool:
    """Equal in every bit, except that any nan equals any nan."""
    a, b = np.asarray(a), np.asarray(b)
    return (
        a.shape == b.shape
        and a.dtype == b.dtype
        and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        and (a.dtype.kind != "f" or np.array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)])))
    )


def close(a: Any, b: Any) -> bool:
    """Equal within rounding: for backends that sum in another order."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    eps = float(np.finfo(a.dtype).eps)
    scale = np.max(np.abs(b[np.isfinite(b)]), initial=0.0)
    return bool(np.allclose(a, b, rtol=1e4 * eps, atol=1e3 * eps * float(scale), equal_nan=True))


@contextlib.contextmanager
def disturbed(seed: int) -> Iterator[None]:
    """Inside, operations round otherwise: see the rule above.

    With an odd seed equal values are disturbed alike, as code that checks whether it computes the same twice expects.
    """
    kept = {name: (primitive.forward, primitive.vjps) for name, primitive in REGISTRY.items()}
    noise = _Noise(seed)
    short_ways = {name: vars(Tensor)[name] for name in vars(ArrayMethods) if callable(vars(Tensor).get(name))}
    try:
        for name in short_ways:  # operators that compute without asking the primitive
            delattr(Tensor, name)
        for primitive in REGISTRY.values():
            if primitive.kind in ("elementwise", "reduction", "contraction", "linalg") and primitive.name not in EXACT:
                primitive.forward = _rounding_otherwise(primitive, noise)
            primitive.vjps = _rules_rounding_otherwise(primitive.vjps, noise)
        yield
    finally:
        for name, (forward, vjps) in kept.items():
            REGISTRY[name].forward, REGISTRY[name].vjps = forward, vjps
        for name, method in short_ways.items():
            setattr(Tensor, name, method)


class _Noise:
    """Moves floats by up to one unit in the last place; `signs` gives zeros either sign, `values` moves the others."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rng = seed, np.random.default_rng(seed)

    def __call__(self, x: Any, values: bool = True, signs: bool = False) -> Any:
        if not isinstance(x, np.ndarray | np.generic) or x.dtype.kind != "f":
            return x
        rng = np.random.default_rng([self.seed, zlib.crc32(x.tobytes())]) if self.seed % 2 else self.rng
        factor = 1 + np.finfo(x.dtype).eps * rng.uniform(-1, 1, x.shape) if values else np.ones(x.shape)
        if signs:
            factor = np.where(x == 0, rng.choice([-1.0, 1.0], x.shape), factor)
        moved = np.asarray(x * factor.astype(np.longdouble), x.dtype)
        return moved if isinstance(x, np.ndarray) else moved[()]


def _rounding_otherwise(primitive: Primitive, noise: _Noise) -> Callable[..., Any]:
    forward = primitive.forward
    sums, exact = primitive.kind != "elementwise", primitive.name in ZERO_OPEN

    def run(*arrays: Any, **settings: Any) -> Any:
        given = [noise(a, signs=True) for a in arrays] if sums and not exact else arrays
        return noise(forward(*given, **settings), values=not exact, signs=sums or exact)

    return run


def _rules_rounding_otherwise(vjps: Any, noise: _Noise) -> Any:
    if callable(vjps):
        return lambda index: _Rule(vjps(index), noise) if vjps(index) is not None else None
    return tuple(rule and _Rule(rule, noise) for rule in vjps)


class _Rule:
    """A rule whose cotangents are disturbed; it is known to read what the rule's own code reads."""

    def __init__(self, rule: Callable[..., Any], noise: _Noise) -> None:
        self.rule, self.noise = rule, noise
        if hasattr(rule, "__code__"):
            self.__code__ = rule.__code__

    def __call__(self, g: Any, *values: Any, **settings: Any) -> Any:
        return self.noise(self.rule(self.noise(g, signs=True), *values, **settings))


def same(got: Leaf, want: Leaf) -> bool:
    """Whether two leaves agree bit for bit."""
    if got.kind != want.kind:
        return False
    if isinstance(want.value, np.ndarray) and isinstance(got.value, np.ndarray):
        return same_bits(got.value, want.value)
    return bool(type(got.value) is type(want.value) and got.value == want.value)


def explained(got: Leaf, want: Leaf, others: list[Leaf]) -> bool:
    """Whether rounding explains how the leaf differs from the eager one, given those of disturbed runs."""
    if not _alike(got, want):
        return False
    others = [leaf._replace(kind=want.kind) for leaf in others]  # (arrays may have been passed as tensors)
    others = [leaf for leaf in others if _alike(leaf, want)]
    if not isinstance(want.value, np.ndarray) or want.value.dtype.kind != "f":
        return any(same(got, leaf) for leaf in others)
    a, b = got.value, want.value
    runs = np.stack([b, *(leaf.value for leaf in others)])
    equal = (a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)
    seen = np.where(np.isnan(a), np.isnan(runs), (runs == a) & (np.signbit(runs) == np.signbit(a))).any(axis=0)
    finite = np.isfinite(runs)
    center = np.where(np.isfinite(b), b, np.where(finite, runs, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1))
    spread = np.where(finite, np.abs(runs - center), 0).max(axis=0)
    bound = FACTOR * spread + ULPS * np.spacing(np.abs(center).astype(b.dtype))
    near = np.isfinite(a) & finite.any(axis=0) & (np.abs(a - center) <= bound)
    near &= ~((a == 0) & (b == 0)) | (np.signbit(a) == np.signbit(b)) | (spread > 0)
    return bool((equal | seen | near).all())


def _alike(a: Leaf, b: Leaf) -> bool:
    """Whether type, dtype and shape are the same."""
    if a.kind != b.kind or isinstance(a.value, np.ndarray) is not isinstance(b.value, np.ndarray):
        return False
    return not isinstance(a.value, np.ndarray) or (a.value.shape, a.value.dtype) == (b.value.shape, b.value.dtype)
