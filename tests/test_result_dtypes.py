"""Functions of two arrays on every pair of dtypes, and with Python numbers: NumPy's dtype and values, or both refuse."""

import numpy as np
import pytest

from autograd import Tensor
from autograd.core import errors, tree

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
          "longdouble"]  # fmt: skip
NUMBERS = [1, 1.0, True, np.float64(1), np.float32(1), np.int64(1)]
UFUNCS = """
    add subtract multiply true_divide floor_divide mod remainder fmod power float_power maximum minimum fmax fmin hypot
    arctan2 logaddexp logaddexp2 copysign heaviside ldexp equal less logical_and logical_or logical_xor greater divmod gcd
    lcm bitwise_and left_shift matmul vecdot isclose dot inner outer vdot tensordot kron convolve correlate cross polyadd
    polymul polysub polyval append
"""
CALLS = {name: getattr(np, name) for name in UFUNCS.split()} | {
    "where": lambda a, b: np.where(np.arange(3) > 1, a, b),
    "clip": lambda a, b: np.clip(a, b, b),
    "average": lambda a, b: np.average(a, weights=b),
    "concatenate": lambda a, b: np.concatenate([a, b]),
    "stack": lambda a, b: np.stack([a, b]),
    "linspace": lambda a, b: np.linspace(a, b, 4),
    "logspace": lambda a, b: np.logspace(a, b, 3),
    "einsum": lambda a, b: np.einsum("i,i->i", a, b),
    "trapezoid": lambda a, b: np.trapezoid(a, b),
    "diff": lambda a, b: np.diff(a, prepend=b),
    "ediff1d": lambda a, b: np.ediff1d(a, to_end=b),
    "insert": lambda a, b: np.insert(a, 0, b),
    "bincount": lambda a, b: np.bincount(a, b),
    "gradient": lambda a, b: np.gradient(a, np.cumsum(b)) if np.ndim(b) else np.gradient(a, b),
    "interp": lambda a, b: np.interp(a, [1.0, 2.0, 4.0], b),
    "choose": lambda a, b: np.choose([0, 1, 0], [a, b]),
    "cov": lambda a, b: np.cov(a, b),
    "max, initial": lambda a, b: [np.max(a, initial=1), np.min(b, initial=0)],
    "nan_to_num": lambda a, b: np.nan_to_num(a),
    "mean, var, std": lambda a, b: [np.mean(a), np.var(a), np.std(b), np.average(b)],
    "sum, prod": lambda a, b: [np.sum(a), np.prod(b), np.cumsum(a), np.cumprod(b), np.trace(np.diag(a))],
    "norm": lambda a, b: [np.linalg.norm(a), np.linalg.norm(b, 1), np.linalg.norm(a, np.inf)],
    "median": lambda a, b: np.median(a),
    "ptp": lambda a, b: np.ptp(a),
    "percentile": lambda a, b: np.percentile(a, 30),
}


def outcome(call, *arrays):
    with np.errstate(all="ignore"):
        try:
            return tree.flatten(call(*arrays))[0]
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            return error


def check(name, a, b, written):
    """`written` are the same arguments, with Tensors among them."""
    expected, ours = outcome(CALLS[name], a, b), outcome(CALLS[name], *written)
    what = f"{name} of {np.asarray(a).dtype}, {np.asarray(b).dtype} {b if np.ndim(b) == 0 else ''}"
    if isinstance(expected, Exception):
        assert isinstance(ours, (errors.AutogradError, OverflowError)), f"{what}: NumPy says {expected!r}, got {ours!r}"
        return
    assert not isinstance(ours, Exception), f"{what}: {ours!r}"
    for got, want in zip(ours, expected, strict=True):
        got, want = np.asarray(got), np.asarray(want)
        kinds = (got.dtype, got.shape), (want.dtype, want.shape)
        assert kinds[0] == kinds[1], f"{what}: {kinds}"
        if want.dtype.kind == "f":
            eps = 64 * float(np.finfo(want.dtype).eps)
            np.testing.assert_allclose(got, want, rtol=eps, atol=eps, err_msg=what)
        else:
            np.testing.assert_array_equal(got, want, err_msg=what)


def array(dtype, *numbers):
    return np.array([bool(n % 2) for n in numbers] if dtype == "bool" else numbers).astype(dtype)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CALLS)
def test_pairs_of_arrays(name):
    for left in DTYPES:
        for right in DTYPES:
            a, b = array(left, 1, 3, 2), array(right, 3, 1, 1)
            check(name, a, b, (Tensor(a), Tensor(b)))
            check(name, a, b, (Tensor(a), b))


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "name", [n for n in CALLS if n not in ("stack", "concatenate", "norm", "median", "average", "cov")]
)
def test_an_array_and_a_number(name):
    for dtype in DTYPES:
        for number in NUMBERS:
            a = array(dtype, 1, 3, 2)
            check(name, a, number, (Tensor(a), number))
