"""A small autograd engine over NumPy that can be seen through: record, differentiate, trace, compile, draw.

>>> from autograd import Tensor
>>> x = Tensor(2.0, requires_grad=True)
>>> y = x * x + 3 * x
>>> y.backward()
>>> float(x.grad)
7.0
"""

from . import errors, tree
from .compile import compile, disable_compile
from .ir.trace import trace
from .mode import keep_grads, no_grad, scope
from .ops.composite import (
    dot,
    gelu,
    leaky_relu,
    log_softmax,
    logsumexp,
    mean,
    norm,
    outer,
    silu,
    softmax,
    std,
    tensordot,
    var,
)
from .ops.elementwise import (
    add,
    arccos,
    arcsin,
    arctan,
    arctan2,
    astype,
    ceil,
    clip,
    cos,
    cosh,
    div,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    not_equal,
    power,
    relu,
    sigmoid,
    sign,
    sin,
    sinh,
    softplus,
    sqrt,
    stop_gradient,
    sub,
    tan,
    tanh,
    where,
)
from .ops.elementwise import abs_p as abs
from .ops.elementwise import round_p as round
from .ops.linalg import cholesky, det, einsum, inv, logabsdet, matmul, slogdet, solve
from .ops.reduce import argmax, argmin, cumsum, max, min, prod, sum
from .ops.shape import (
    broadcast_to,
    concatenate,
    diagonal,
    expand_dims,
    flip,
    getitem,
    pad,
    reduce_to,
    reshape,
    roll,
    scatter_add,
    split,
    squeeze,
    stack,
    swapaxes,
    take_along_axis,
    transpose,
    tril,
    triu,
)
from .tensor import Tensor, tape

__all__ = [name for name in dir() if not name.startswith("_") and name not in ("mode", "ops", "primitive", "engine", "tensor", "ir", "name")]
