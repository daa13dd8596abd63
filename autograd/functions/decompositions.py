"""Decompositions of matrices, with rules of their own: pseudo-inverse, eigenvalues, singular values, QR.

Matrices are the last two axes.  A primitive has one output, so the factors come stacked row by row in one array and are
cut apart after it; the rule cuts the cotangent in the same way.  Where eigenvalues or singular values coincide, see
`autograd.functions.coincidence`.  The gradient by a symmetric matrix is symmetric.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.conversions import as_array
from ..core.custom import unlisted
from ..core.errors import ArgumentError
from ..core.mode import clock
from ..core.ops.elementwise import cast, where
from ..core.ops.linalg import matmul, solve
from ..core.ops.shape import getitem, mT
from ..core.primitive import Array, Spec, shape_of
from .coincidence import check_zeros, coincide, divided, largest, near, over_zero, undefined, visible
from .movement import concatenate, expand_dims, tril
from .protocols import implements


class EighResult(NamedTuple):
    """Eigenvalues in rising order, eigenvectors as columns."""

    eigenvalues: Array
    eigenvectors: Array


class SVDResult(NamedTuple):
    """x = U @ diag(S) @ Vh."""

    U: Array
    S: Array
    Vh: Array


class QRResult(NamedTuple):
    """x = Q @ R."""

    Q: Array
    R: Array


def _rows(x: Array, start: int, stop: int) -> Array:
    return getitem(x, (..., slice(start, stop), slice(None)))


def _spec(rows: Any) -> Any:
    """A shape rule: the number of rows of the stacked factors from the matrix's (m, n); their columns are min(m, n)."""

    def shape(spec: Spec) -> Spec:
        *lead, m, n = shape_of(spec)
        return (*lead, rows(m, n), min(m, n)), spec[1]

    return shape


def _floats(a: Array) -> Array:
    """What NumPy decomposes: integers and truths in double precision."""
    a = as_array(a)
    return cast(a, float) if a.dtype.kind in "iub" else a


# ----- pseudo-inverse -----
def _pinv_forward(x: Array, *, rcond: Any, hermitian: bool) -> Array:
    return np.linalg.pinv(x, rcond, hermitian)


def _pinv_rule(g: Array, y: Array, x: Array, *, rcond: Any, hermitian: bool) -> Array:
    """Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems", SIAM J. Numer.
    Anal. 10 (1973): dY = -Y dX Y + Y Yᵀ dXᵀ (1 - X Y) + (1 - Y X) dXᵀ Yᵀ Y, while the rank stays."""
    up, back = mT(y), mT(g)
    left = back - matmul(x, matmul(y, back))
    right = back - matmul(matmul(back, y), x)
    total = matmul(matmul(left, y), up) + matmul(up, matmul(y, right)) - matmul(matmul(up, g), up)
    return 0.5 * (total + mT(total)) if hermitian else total


_pinv_p = unlisted(
    "pinv",
    _pinv_forward,
    (_pinv_rule,),
    shape=lambda spec, *, rcond, hermitian: ((*spec[0][:-2], spec[0][-1], spec[0][-2]), spec[1]),
    doc="Moore-Penrose inverse",
)


@implements("linalg.pinv")
def pinv(a: Array, rcond: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Array:
    """The Moore-Penrose inverse; its gradient holds while the rank stays."""
    if rcond is None:
        rcond = 1e-15 if rtol is None else rtol
    return _pinv_p(_floats(a), rcond=rcond, hermitian=hermitian)


# ----- eigenvalues of symmetric matrices -----
def _eigh_forward(x: Array, *, lower: bool) -> Array:
    values, vectors = np.linalg.eigh(x, "L" if lower else "U")
    return np.concatenate((values[..., None, :], vectors), -2)


def _eigh_rule(g: Array, y: Array, x: Array, *, lower: bool) -> Array:
    """M. B. Giles, "Collected matrix derivative results" (2008), 3.1: U (diag(ḡ) + F ∘ (Uᵀ Ḡ)) Uᵀ, made symmetric."""
    n = y.shape[-1]
    vectors = _rows(y, 1, n + 1)
    inner = matmul(mT(vectors), _rows(g, 1, n + 1))
    gw = getitem(g, (..., 0, slice(None)))
    pairs = divided(0.5 * (inner - mT(inner)), y, 0, -1, largest(inner), gw)
    return _between(vectors, pairs + _diagonal(gw), vectors, symmetric=True)


def _between(left: Array, middle: Array, right: Array, symmetric: bool = False) -> Array:
    full = matmul(matmul(left, middle), mT(right))
    return 0.5 * (full + mT(full)) if symmetric else full


def _diagonal(g: Array) -> Array:
    return expand_dims(g, -1) * np.eye(g.shape[-1], dtype=g.dtype)


_eigh_p = unlisted(
    "eigh",
    _eigh_forward,
    (_eigh_rule,),
    shape=lambda spec, *, lower: _spec(lambda m, n: n + 1)(spec),
    singular=lambda tensor: coincide(tensor, 0),
)


def _eigvalsh_forward(x: Array, *, lower: bool) -> Array:
    return np.linalg.eigvalsh(x, "L" if lower else "U")


def _eigvalsh_rule(g: Array, y: Array, x: Array, *, lower: bool) -> Array:
    vectors = eigh(x, "L" if lower else "U").eigenvectors
    return _between(vectors, _diagonal(g) + undefined(g, y), vectors, symmetric=True)


_eigvalsh_p = unlisted(
    "eigvalsh",
    _eigvalsh_forward,
    (_eigvalsh_rule,),
    shape=lambda spec, *, lower: (spec[0][:-1], spec[1]),
)


@implements("linalg.eigh")
def eigh(a: Array, UPLO: str = "L") -> EighResult:
    """Eigenvalues and eigenvectors of symmetric matrices."""
    a = _floats(a)
    _square("eigh", a)
    y = _eigh_p(a, lower=UPLO.upper() == "L")
    clock.delicate = clock.tick()
    return EighResult(getitem(y, (..., 0, slice(None))), _rows(y, 1, None))  # type: ignore[arg-type]


@implements("linalg.eigvalsh")
def eigvalsh(a: Array, UPLO: str = "L") -> Array:
    """Eigenvalues of symmetric matrices in rising order."""
    a = _floats(a)
    _square("eigvalsh", a)
    return eigh(a, UPLO).eigenvalues if visible(a) else _eigvalsh_p(a, lower=UPLO.upper() == "L")


def _square(name: str, a: Array) -> None:
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ArgumentError(f"{name} takes square matrices, got shape {a.shape}")


# ----- singular values -----
def _svd_forward(x: Array) -> Array:
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return np.concatenate((u, s[..., None, :], np.swapaxes(vh, -1, -2)), -2)


def _svd_rule(g: Array, y: Array, x: Array) -> Array:
    """J. Townsend, "Differentiating the singular value decomposition" (2016), for any shape; by partial fractions, so that
    what is divided by s_i + s_j stands apart from what is divided by s_j - s_i."""
    m, n = x.shape[-2:]
    (u, v), (gu, gs, gv) = (_rows(y, 0, m), _rows(y, m + 1, m + 1 + n)), _factors(g, m, n)
    k = gs.shape[-1]
    inner_u, inner_v = matmul(mT(u), gu), matmul(mT(v), gv)
    left, right = inner_u - mT(inner_u), inner_v - mT(inner_v)
    size = largest(concatenate((inner_u, inner_v), inner_u.ndim - 1))
    check_zeros(inner_u, gs, y, m)
    middle = divided(0.5 * (left + right), y, m, -1, size, gs) + divided(0.5 * (left - right), y, m, 1, size)
    total = _between(u, middle + _diagonal(gs), v)
    if m > k:
        total = total + matmul(over_zero(gu - matmul(u, inner_u), y, m, largest(gu)), mT(v))
    if n > k:
        total = total + matmul(u, mT(over_zero(gv - matmul(v, inner_v), y, m, largest(gv))))
    return total


def _factors(y: Array, m: int, n: int) -> tuple[Array, Array, Array]:
    return _rows(y, 0, m), getitem(y, (..., m, slice(None))), _rows(y, m + 1, m + 1 + n)


def _svd_is_singular(tensor: Any) -> bool:
    return coincide(tensor, tensor.inputs[0].shape[-2], zero=True)


_svd_p = unlisted("svd", _svd_forward, (_svd_rule,), shape=_spec(lambda m, n: m + n + 1), singular=_svd_is_singular)


def _svdvals_forward(x: Array) -> Array:
    return np.linalg.svd(x, compute_uv=False)


def _svdvals_rule(g: Array, y: Array, x: Array) -> Array:
    u, _, vh = svd(x, full_matrices=False)
    return _between(u, _diagonal(where(near(y, y) & (g != 0), np.nan, g)) + undefined(g, y), mT(vh))


_svdvals_p = unlisted(
    "svdvals",
    _svdvals_forward,
    (_svdvals_rule,),
    shape=lambda spec: ((*spec[0][:-2], min(spec[0][-2:])), spec[1]),
)


@implements("linalg.svd")
def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular values and vectors; vectors of the null space have no gradient, so pass full_matrices=False."""
    a = _floats(a)
    if a.ndim < 2:
        raise ArgumentError(f"svd takes matrices, got shape {a.shape}")
    m, n = a.shape[-2:]
    if not compute_uv and not visible(a):
        return _svdvals_p(a)
    if compute_uv and full_matrices and m != n:
        raise ArgumentError(f"svd of shape {a.shape}: the null space has no gradient; pass full_matrices=False")
    y = _svd_p(a)
    clock.delicate = clock.tick()
    u, s, v = _factors(y, m, n)
    return SVDResult(u, s, mT(v)) if compute_uv else s


@implements("linalg.svdvals")
def svdvals(x: Array) -> Array:
    """Singular values in falling order."""
    return svd(x, compute_uv=False)


# ----- QR -----
def _qr_forward(x: Array) -> Array:
    return np.concatenate(np.linalg.qr(x), -2)


def _qr_rule(g: Array, y: Array, x: Array) -> Array:
    """S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2018), for full column rank:
    (Q̄ + Q sym(R R̄ᵀ - Q̄ᵀ Q)) R⁻ᵀ, where sym mirrors the lower triangle."""
    m, n = x.shape[-2:]
    (q, r), (gq, gr) = ((_rows(z, 0, m), _rows(z, m, m + n)) for z in (y, g))
    inner = matmul(r, mT(gr)) - matmul(mT(gq), q)
    mirrored = tril(inner) + mT(tril(inner, -1))
    return mT(solve(r, mT(gq + matmul(q, mirrored))))


_qr_p = unlisted("qr", _qr_forward, (_qr_rule,), shape=_spec(lambda m, n: m + n))


@implements("linalg.qr")
def qr(a: Array, mode: str = "reduced") -> Any:
    """Orthonormal columns times an upper triangle; a wide matrix is that of its first columns, with QᵀA after it."""
    a = _floats(a)
    if a.ndim < 2:
        raise ArgumentError(f"qr takes matrices, got shape {a.shape}")
    m, n = a.shape[-2:]
    if mode not in ("reduced", "r") and not (mode == "complete" and m <= n):
        raise ArgumentError(
            f"qr of shape {a.shape} takes mode 'reduced' or 'r', got {mode!r}: the rest has no gradient"
        )
    k = min(m, n)
    y = _qr_p(getitem(a, (..., slice(0, k))))
    q, r = _rows(y, 0, m), _rows(y, m, m + k)
    if n > m:
        r = concatenate((r, matmul(mT(q), getitem(a, (..., slice(k, n))))), r.ndim - 1)
    return r if mode == "r" else QRResult(q, r)
