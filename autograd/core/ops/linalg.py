"""Contractions and linear algebra.  Matrices are the last two axes; leading axes broadcast as in NumPy.

Adjoints of the matrix functions: M. B. Giles, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation" (2008); Cholesky: I. Murray, "Differentiation of the Cholesky decomposition" (2016).
"""

from __future__ import annotations

import functools
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..primitive import Array, Primitive, Rule, ShapeRule, Spec
from .shape import broadcast_to_p, mT, reshape_p, tril_p, with_axis


def _matmul_vjp_a(g: Array, y: Array, a: Array, b: Array) -> Array:
    if a.ndim == b.ndim == 2:
        return g @ b.T
    if b.ndim == 1:
        return g * b if a.ndim == 1 else with_axis(g, -1) * b
    if a.ndim == 1:
        return reshape_p(b @ with_axis(g, -1), shape=b.shape[:-1])
    return g @ mT(b)


def _matmul_vjp_b(g: Array, y: Array, a: Array, b: Array) -> Array:
    if a.ndim == b.ndim == 2:
        return a.T @ g
    if a.ndim == 1:
        return g * a if b.ndim == 1 else with_axis(a, -1) * with_axis(g, -2)
    if b.ndim == 1:
        return reshape_p(mT(a) @ with_axis(g, -1), shape=(*a.shape[:-2], a.shape[-1]))
    return mT(a) @ g


def _matmul_shape(a: Spec, b: Spec) -> Spec:
    (left, right) = (s if len(s) > 1 else ((1, *s) if i == 0 else (*s, 1)) for i, s in enumerate((a[0], b[0])))
    if not a[0] or not b[0] or left[-1] != right[-2]:
        raise ArgumentError(f"shapes {a[0]} and {b[0]} do not multiply: the last axis of a must equal the rows of b")
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    rows = left[-2:-1] if len(a[0]) > 1 else ()
    columns = right[-1:] if len(b[0]) > 1 else ()
    return (*batch, *rows, *columns), np.result_type(a[1], b[1])


matmul = Primitive(
    "matmul", np.matmul, (_matmul_vjp_a, _matmul_vjp_b), kind="contraction", shape=_matmul_shape, symbol="@",
    doc="Matrix product a @ b by NumPy's rules: vectors are rows left, columns right; leading axes broadcast.",
    ufunc=np.matmul, numpy="{0} @ {1}", linear="each",
)  # fmt: skip


# ----- einsum -----
@functools.cache
def _einsum_rule(index: int) -> Rule:
    def rule(g: Array, y: Array, *arrays: Array, subscripts: str) -> Array:
        terms, result = _terms(subscripts)
        fresh = iter(c for c in string.ascii_letters if c not in subscripts)
        wanted, operands, letters = "", [g], [result]
        x = arrays[index]
        for i, (term, array) in enumerate(zip(terms, arrays, strict=True)):
            if i != index:
                operands.append(array)
                letters.append(term)
        for axis, letter in enumerate(terms[index]):
            length = x.shape[axis]
            if letter in wanted:  # a repeated index reads a diagonal: its gradient goes back onto the diagonal
                other = next(fresh)
                operands.append(np.eye(length, dtype=x.dtype))
                letters.append(letter + other)
                letter = other
            elif not any(letter in term for term in letters):  # summed over by this operand alone
                operands.append(np.ones(length, x.dtype))
                letters.append(letter)
            wanted += letter
        part = einsum_p(*operands, subscripts=",".join(letters) + "->" + wanted)
        # An axis that is of length one in all other operands is repeated over by this one.
        return part if part.shape == x.shape else broadcast_to_p(part, shape=np.broadcast_shapes(part.shape, x.shape))

    return rule


def _terms(subscripts: str) -> tuple[list[str], str]:
    left, right = subscripts.split("->")
    return left.split(","), right


def _einsum_shape(*specs: Spec, subscripts: str) -> Spec:
    terms, result = _terms(subscripts)
    lengths: dict[str, int] = {}
    for term, spec in zip(terms, specs, strict=True):
        own: dict[str, int] = {}
        for letter, n in zip(term, spec[0], strict=True):
            known = lengths.get(letter, 1)
            if n != own.setdefault(letter, n) or (n != known and 1 not in (n, known)):
                raise ArgumentError(f"the lengths of index {letter!r} differ in {subscripts!r}")
            lengths[letter] = n if known == 1 else known
    return tuple(lengths[c] for c in result), np.result_type(*(s[1] for s in specs))


einsum_p = Primitive(
    "einsum", lambda *arrays, subscripts: np.einsum(subscripts, *arrays, optimize=len(arrays) > 2), _einsum_rule,
    kind="contraction", shape=_einsum_shape, linear="each", view=lambda x, *others, subscripts: not others,
)  # fmt: skip


# ----- solving and decompositions -----
def _precision(*specs: Spec) -> np.dtype[Any]:
    """That of NumPy's linear algebra: single where all are single, else double."""
    return np.dtype(np.float32 if all(dtype == np.float32 for _, dtype in specs) else np.float64)


def _matrix_shape(spec: Spec) -> Spec:
    if len(spec[0]) < 2 or spec[0][-1] != spec[0][-2]:
        raise ArgumentError(f"a square matrix is needed, got shape {spec[0]}")
    return spec[0], _precision(spec)


def _scalar_shape(spec: Spec) -> Spec:
    shape, dtype = _matrix_shape(spec)
    return shape[:-2], dtype


def _solve_shape(a: Spec, b: Spec) -> Spec:
    (*batch, rows, _), _ = _matrix_shape(a)
    if not b[0] or (b[0][0] if len(b[0]) == 1 else b[0][-2]) != rows:
        raise ArgumentError(f"a system of shape {a[0]} needs right sides of {rows} rows, got shape {b[0]}")
    if len(b[0]) == 1:
        return (*batch, rows), _precision(a, b)
    return (*np.broadcast_shapes(tuple(batch), b[0][:-2]), *b[0][-2:]), _precision(a, b)


def _solve_vjp_a(g: Array, y: Array, a: Array, b: Array) -> Array:
    back = _back_solved(g, a, b)
    if b.ndim == 1:
        return -with_axis(back, -1) * with_axis(y, -2)
    return -back @ mT(y)


def _back_solved(g: Array, a: Array, b: Array) -> Array:
    """a.T⁻¹ g, where g may be a stack of vectors (b a single vector, a a stack of matrices)."""
    if b.ndim == 1 and a.ndim > 2:
        return reshape_p(solve(mT(a), with_axis(g, -1)), shape=g.shape)
    return solve(mT(a), g)


def _cholesky_vjp(g: Array, y: Array, x: Array) -> Array:
    size = y.shape[-1]
    half = np.tril(np.ones((size, size), y.dtype)) - 0.5 * np.eye(size, dtype=y.dtype)
    inner = solve(mT(y), (mT(y) @ tril_p(g, k=0)) * half)
    outer = mT(solve(mT(y), mT(inner)))
    return 0.5 * (outer + mT(outer))


def _column(g: Array) -> Array:
    return with_axis(with_axis(g, -1), -1)


def _linalg(name: str, forward: Any, vjps: Sequence[Rule], shape: ShapeRule, doc: str, **facts: Any) -> Primitive:
    facts = {"numpy": f"np.linalg.{name}({{0}})", **facts}
    return Primitive(name, forward, vjps, kind="linalg", shape=shape, doc=doc, **facts)


solve = _linalg(
    "solve", np.linalg.solve, (_solve_vjp_a, lambda g, y, a, b: _back_solved(g, a, b)), _solve_shape,
    "x with a @ x = b, for square matrices a and vectors or matrices b.",
    numpy="np.linalg.solve({0}, {1})", linear=(1,),
)  # fmt: skip
inv = _linalg(
    "inv", np.linalg.inv, (lambda g, y, x: -(mT(y) @ g @ mT(y)),), _matrix_shape, "Inverse of square matrices."
)
det = _linalg(
    "det", np.linalg.det, (lambda g, y, x: _column(g * y) * mT(inv(x)),), _scalar_shape,
    "Determinant of square matrices (gradient: invertible ones only).",
)  # fmt: skip
logabsdet = _linalg(
    "logabsdet", lambda x: np.linalg.slogdet(x)[1], (lambda g, y, x: _column(g) * mT(inv(x)),), _scalar_shape,
    "log |det x|, without overflow.", numpy="np.linalg.slogdet({0})[1]",
)  # fmt: skip
cholesky = _linalg(
    "cholesky", np.linalg.cholesky, (_cholesky_vjp,), _matrix_shape,
    "Lower triangular L with L @ L.T = x, for symmetric positive definite x (the gradient is symmetric).",
)  # fmt: skip
detsign = _linalg(
    "detsign", lambda x: np.linalg.slogdet(x)[0], (), _scalar_shape, "Sign of the determinant; no gradient.",
    numpy="np.linalg.slogdet({0})[0]",
)  # fmt: skip
