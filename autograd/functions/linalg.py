"""Products, norms and solutions of linear systems, as in `numpy` and `numpy.linalg`."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.conversions import as_array
from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.ops import linalg as ops
from ..core.ops.axes import Axis, axis_number, axis_numbers, whole
from ..core.ops.elementwise import cast, stop_gradient
from ..core.ops.linalg import matmul
from ..core.ops.shape import mT
from ..core.primitive import Array
from .decompositions import pinv, svdvals
from .movement import expand_dims, reshape, transpose
from .norms import matrix_norm, norm, vector_norm
from .protocols import answers_plainly, implements, plain
from .reductions import total


# ----- products -----
@implements("dot")
def dot(a: Array, b: Array, out: None = None) -> Array:
    """NumPy's dot: product with a number, inner product of vectors, last axis of a with second to last of b.

    >>> import autograd as ag
    >>> float(ag.dot(ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])))
    11.0
    """
    a, b = as_array(a), as_array(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 2,)))


@implements("vdot")
def vdot(a: Array, b: Array) -> Array:
    """Σ of products of all elements."""
    return matmul(reshape(as_array(a), (-1,)), reshape(as_array(b), (-1,)))


@implements("inner")
def inner(a: Array, b: Array) -> Array:
    """Σ of products over the last axes."""
    a, b = as_array(a), as_array(b)
    return a * b if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, ((a.ndim - 1,), (b.ndim - 1,)))


@implements("outer")
def outer(a: Array, b: Array, out: None = None) -> Array:
    """a_i b_j for all pairs of the flattened arguments.

    >>> import autograd as ag
    >>> ag.outer(ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])).data
    array([[3., 4.],
           [6., 8.]])
    """
    return reshape(as_array(a), (-1, 1)) * reshape(as_array(b), (1, -1))


@implements("linalg.outer")
def outer_of_vectors(x1: Array, x2: Array) -> Array:
    """a_i b_j"""
    return outer(x1, x2)


@implements("tensordot")
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Sum of products over the given axes: a number n (the last n of a with the first n of b) or two lists.

    >>> import autograd as ag
    >>> ag.tensordot(ag.Tensor([[1.0, 2.0]]), ag.Tensor([3.0, 4.0]), axes=1).data
    array([11.])
    """
    a, b = as_array(a), as_array(b)
    if not isinstance(axes, Iterable) or getattr(axes, "ndim", 1) == 0:
        n = whole(axes)
        axes = (range(a.ndim - n, a.ndim), range(n))
    left, right = (axis_numbers(part, x.ndim) for x, part in zip((a, b), axes, strict=True))
    if [a.shape[i] for i in left] != [b.shape[i] for i in right]:
        raise ShapeError(f"tensordot of {a.shape} and {b.shape} over axes {left} and {right}: their lengths differ")
    free_a, free_b = ([i for i in range(x.ndim) if i not in used] for x, used in ((a, left), (b, right)))
    rows, inner = [a.shape[i] for i in free_a], math.prod(a.shape[i] for i in left)
    columns = [b.shape[i] for i in free_b]
    flat_a = reshape(transpose(a, (*free_a, *left)), (math.prod(rows), inner))
    flat_b = reshape(transpose(b, (*right, *free_b)), (inner, math.prod(columns)))
    return reshape(matmul(flat_a, flat_b), (*rows, *columns))


@implements("linalg.tensordot")
def tensordot_along(x1: Array, x2: Array, *, axes: Any = 2) -> Array:
    """Σ of products over the given axes."""
    return tensordot(x1, x2, axes)


@implements("linalg.matmul")
def matmul_(x1: Array, x2: Array) -> Array:
    """Matrix products."""
    return matmul(as_array(x1), as_array(x2))


@implements("vecdot")
def vecdot(x1: Array, x2: Array) -> Array:
    """Inner products over the last axis."""
    a, b = as_array(x1), as_array(x2)
    return matmul(expand_dims(a, -2), expand_dims(b, -1))[..., 0, 0]


@implements("linalg.vecdot")
def vecdot_along(x1: Array, x2: Array, *, axis: int = -1) -> Array:
    """Inner products over an axis."""
    a, b = (np.moveaxis(x, axis_number(axis, x.ndim), -1) for x in map(as_array, (x1, x2)))
    return vecdot(a, b)


@implements("matvec")
def matvec(x1: Array, x2: Array) -> Array:
    """Matrices times vectors."""
    if np.ndim(x1) < 2:
        raise ShapeError(f"matvec takes matrices and vectors, got shapes {np.shape(x1)} and {np.shape(x2)}")
    return matmul(as_array(x1), expand_dims(as_array(x2), -1))[..., 0]


@implements("vecmat")
def vecmat(x1: Array, x2: Array) -> Array:
    """Vectors times matrices."""
    if np.ndim(x2) < 2:
        raise ShapeError(f"vecmat takes vectors and matrices, got shapes {np.shape(x1)} and {np.shape(x2)}")
    return matmul(expand_dims(as_array(x1), -2), as_array(x2))[..., 0, :]


@implements("einsum")
def einsum(*operands: Any, out: None = None, optimize: Any = False) -> Array:
    """Einstein summation: multiply, then sum over the indices that the result does not name.

    Args:
        operands: subscripts as for NumPy ("ij,jk->ik", with "..." and without "->" too), then one array per term; or
            arrays and lists of axis numbers in turn.
        out: refused.
        optimize: as for NumPy; no difference to the result.

    >>> import autograd as ag
    >>> ag.einsum("ij,j->i", ag.Tensor([[1.0, 2.0], [3.0, 4.0]]), ag.Tensor([1.0, 1.0])).data
    array([3., 7.])
    """
    if isinstance(operands[0], str):
        return _einsum(operands[0], [as_array(x) for x in operands[1:]])
    arrays, lists = operands[: len(operands) // 2 * 2 : 2], operands[1::2]
    terms = ["".join("..." if i is Ellipsis else string.ascii_letters[i] for i in part) for part in lists]
    result = ""
    if len(operands) % 2:
        result = "->" + "".join("..." if i is Ellipsis else string.ascii_letters[i] for i in operands[-1])
    return _einsum(",".join(terms) + result, [as_array(x) for x in arrays])


def _einsum(subscripts: str, operands: Sequence[Array]) -> Array:
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ArgumentError(f"einsum {subscripts!r} names {len(terms)} operands, but {len(operands)} were given")
    if not arrow:
        named = left.replace(",", "").replace("...", "")
        result = ("..." if "..." in left else "") + "".join(sorted(c for c in set(named) if named.count(c) == 1))
    if "..." in text:
        free = [c for c in string.ascii_letters if c not in text]
        extra = [
            np.ndim(x) - len(term.replace("...", "")) if "..." in term else 0
            for term, x in zip(terms, operands, strict=True)
        ]
        most = max(extra)
        terms = [term.replace("...", "".join(free[most - n : most])) for term, n in zip(terms, extra, strict=True)]
        result = result.replace("...", "".join(free[:most]))
    for term, x in zip(terms, operands, strict=True):
        if len(term) != np.ndim(x):
            raise ArgumentError(
                f"einsum {subscripts!r}: the term {term!r} names {len(term)} axes, its operand has shape {np.shape(x)}"
            )
    return ops.einsum_p(*operands, subscripts=",".join(terms) + "->" + result)


@implements("linalg.multi_dot")
def multi_dot(arrays: Sequence[Array], *, out: None = None) -> Array:
    """The product of all, from the left."""
    return functools.reduce(matmul, map(as_array, arrays))


@implements("linalg.matrix_power")
def matrix_power(a: Array, n: int) -> Array:
    """a @ a @ ... (n times), by squaring; of the inverse for negative n."""
    if n == 0:
        return np.broadcast_to(np.eye(a.shape[-1], dtype=a.dtype), a.shape).copy()
    base, n, result = (a, n, None) if n > 0 else (ops.inv(a), -n, None)
    while n:
        if n & 1:
            result = base if result is None else matmul(result, base)
        base, n = (matmul(base, base) if n > 1 else base), n >> 1
    return result


# ----- norms -----
@implements("linalg.vector_norm")
def vector_norm_(x: Array, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Array:
    """Norms of vectors over any axes."""
    return vector_norm(x, ord, axis, keepdims)


@implements("linalg.matrix_norm")
def matrix_norm_(x: Array, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Norms of the matrices in the last two axes."""
    return matrix_norm(x, ord, (-2, -1), keepdims)


@implements("linalg.cond")
def cond(x: Array, p: Any = None) -> Array:
    """Norm of a matrix times that of its inverse: how much solving magnifies errors."""
    if p in (None, 2, -2):
        values = svdvals(x)
        ratio = values[..., 0] / values[..., -1]
        return 1 / ratio if p == -2 else ratio
    return norm(x, p, (-2, -1)) * norm(ops.inv(x), p, (-2, -1))


# ----- systems -----
class SlogdetResult(NamedTuple):
    """Sign (no gradient) and logarithm of the absolute value of a determinant."""

    sign: Array
    logabsdet: Array


@implements("linalg.slogdet")
def slogdet(a: Array) -> SlogdetResult:
    """Sign (no gradient) and logarithm of the absolute value of determinants.

    >>> import autograd as ag
    >>> sign, logarithm = ag.slogdet(ag.Tensor([[1.0, 0.0], [0.0, -1.0]]))
    >>> float(sign), float(logarithm)
    (-1.0, 0.0)
    """
    a = as_array(a)
    return SlogdetResult(ops.detsign(stop_gradient(a)), ops.logabsdet(a))


@implements("linalg.det")
def det(a: Array) -> Array:
    """Determinants of square matrices (gradient: invertible ones only).

    >>> import autograd as ag
    >>> float(ag.det(ag.Tensor([[2.0, 0.0], [1.0, 3.0]])))
    6.0
    """
    return ops.det(as_array(a))


@implements("linalg.inv")
def inv(a: Array) -> Array:
    """Inverses of square matrices.

    >>> import autograd as ag
    >>> ag.inv(ag.Tensor([[2.0, 0.0], [0.0, 4.0]])).data
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return ops.inv(as_array(a))


@implements("linalg.solve")
def solve(a: Array, b: Array) -> Array:
    """x with a @ x = b, for square matrices a and vectors or matrices b.

    >>> import autograd as ag
    >>> ag.solve(ag.Tensor([[2.0, 0.0], [0.0, 4.0]]), [2.0, 2.0]).data
    array([1. , 0.5])
    """
    return ops.solve(as_array(a), as_array(b))


@implements("linalg.cholesky")
def cholesky(a: Array, *, upper: bool = False) -> Array:
    """Lower triangular L with L @ L.T = a, for symmetric positive definite a; upper: its transpose.

    >>> import autograd as ag
    >>> ag.cholesky(ag.Tensor([[4.0, 2.0], [2.0, 5.0]])).data
    array([[2., 0.],
           [1., 2.]])
    """
    a = as_array(a)
    return mT(ops.cholesky(mT(a))) if upper else ops.cholesky(a)


@implements("linalg.tensorinv")
def tensorinv(a: Array, ind: int = 2) -> Array:
    """The inverse of a tensor as a map from its last axes to its first `ind` ones."""
    rows = math.prod(a.shape[:ind])
    return reshape(ops.inv(reshape(a, (rows, -1))), a.shape[ind:] + a.shape[:ind])


@implements("linalg.tensorsolve")
def tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    """x with tensordot(a, x, x.ndim) = b."""
    a, b = as_array(a), as_array(b)
    if axes is not None:
        last = axis_numbers(axes, a.ndim)
        a = transpose(a, (*(i for i in range(a.ndim) if i not in last), *last))
    lengths = a.shape[b.ndim :]
    return reshape(ops.solve(reshape(a, (-1, math.prod(lengths))), reshape(b, (-1,))), lengths)


@implements("linalg.lstsq")
def lstsq(a: Array, b: Array, rcond: float | None = None) -> tuple[Array, Array, Any, Array]:
    """x of least |b - a @ x|² (by the pseudo-inverse), the squares left over, rank and singular values."""
    kinds = {as_array(x).dtype for x in (a, b)}
    if np.dtype(np.float16) in kinds or any(kind.itemsize > 8 for kind in kinds):
        raise DTypeError(f"lstsq takes float32 and float64, got {' and '.join(map(str, kinds))}: use .astype(float)")
    dtype = np.dtype(np.float32) if kinds == {np.dtype(np.float32)} else np.dtype(float)
    a, b = cast(as_array(a), dtype), cast(as_array(b), dtype)
    m, n = a.shape
    limit = float(np.finfo(a.dtype).eps) * max(m, n) if rcond is None else rcond
    values = svdvals(a)
    x = matmul(pinv(a, limit), b)
    sizes = plain(values)
    rank = np.intc((sizes > limit * sizes.max(initial=0)).sum())
    away = b - matmul(a, x)
    left = np.zeros(0, x.dtype) if rank < n or m <= n else reshape(total(away * away, 0), (-1,))
    return x, left, rank, values


answers_plainly("linalg.matrix_rank")
