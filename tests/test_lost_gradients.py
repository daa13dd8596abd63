"""No function of NumPy's gives a plain number for a Tensor without saying so: it is recorded, or refused by name.

All public functions are called with Tensors that require a gradient, in many ways: what comes back in floats is a
Tensor, or does not depend on the values.
"""

import inspect

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors, tree

MODULES = {"": np, "linalg.": np.linalg, "fft.": np.fft, "lib.stride_tricks.": np.lib.stride_tricks, "emath.": np.emath,
           "polynomial.polynomial.": np.polynomial.polynomial}  # fmt: skip
# Conversions: what makes an array of one thing, or counts from it.  Bins: where they lie is looked at.
CONVERSIONS = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "fromiter", "arange"}
BINS = {"histogram", "histogram2d", "histogramdd", "histogram_bin_edges"}
FILES = {"fromfile", "memmap", "save", "savez", "savez_compressed", "savetxt", "load", "loadtxt", "genfromtxt", "test",
         "info", "show_config", "show_runtime", "fromregex", "ndfromtxt", "setbufsize", "seterrcall", "seterr"}  # fmt: skip


def functions():
    for prefix, module in MODULES.items():
        for name in sorted(n for n in dir(module) if not n.startswith("_")):
            found = getattr(module, name)
            if callable(found) and not inspect.isclass(found) and not inspect.ismodule(found) and name not in FILES:
                yield pytest.param(prefix + name, found, id=prefix + name)


def calls(scale):
    arrays = ([[2.0, 1.0], [1.0, 3.0]], [1.0, 2.0], 1.5)
    m, v, s = (Tensor(scale * np.array(x), requires_grad=True) for x in arrays)
    return [
        (m,), (v,), (s,), (m, m), (v, v), (m, 1), (v, 1), (v, (2,)), (v, (2,), (8,)), (m, v), (v, v, v), (1, v), (2, m),
        (lambda x: x * x, v), (lambda x: x.sum(), 0, m), ("i->i", v), (v, 0, 1), (v, [0]), (3, v, v), (v, v, 1),
        (2.0, s), (s, 2.0), (v, 2, 1), (np.arange(3.0), v), (np.eye(2), v), (np.eye(2), m), (v, np.arange(1, 3.0)),
    ]  # fmt: skip


def plain_floats(function, given):
    try:
        result = function(*given)
    except Exception:  # refused, or not called as it wants to be
        return []
    leaves = tree.flatten(result)[0] if not inspect.isgenerator(result) else []
    kinds = (np.ndarray, np.floating, np.complexfloating, float, complex)
    return [np.array(y) for y in leaves if isinstance(y, kinds) and np.asarray(y).dtype.kind in "fc"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "function"), list(functions()))
def test_no_plain_float_depends_on_what_requires_a_gradient(name, function):
    """What comes back in floats without being a Tensor stays the same when the values are others."""
    if name in CONVERSIONS | BINS or name.startswith("empty"):
        assert function is not None
        return
    for given, moved in zip(calls(1.0), calls(1.0 + 2.0**-12), strict=True):
        for one, other in zip(plain_floats(function, given), plain_floats(function, moved), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{name} of {given}")


@pytest.mark.parametrize("call", [
    lambda x: np.lib.stride_tricks.as_strided(x, (2,), (8,)),
    lambda x: np.lib.stride_tricks.sliding_window_view(x, 2),
    lambda x: np.polynomial.polynomial.polyadd(x, x),
    lambda x: np.polynomial.Polynomial(x)(2.0),
    lambda x: np.mean([x[0], x[1]]),
    lambda x: np.sum([x[0] * 2, x[1]]),
    lambda x: np.max([x[0], x[1]]),
    lambda x: np.emath.sqrt(x),
    lambda x: np.asarray_chkfinite(x),
    lambda x: np.require(x),
    lambda x: np.histogram(np.ones(3), weights=x),
])  # fmt: skip
def test_functions_that_numpy_would_run_on_the_values_alone_are_refused(call):
    x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(errors.DTypeError, match=r"gradient") as error:
        call(x * 1.0)
    if "makes a" in str(error.value):
        assert f"{__file__}:{call.__code__.co_firstlineno}" in str(error.value)
        with ag.no_grad():  # on purpose it runs
            assert call(x) is not None


def test_what_stays_allowed_outside_of_transformations():
    x = Tensor([1.0, 2.0], requires_grad=True) * 1.0
    np.testing.assert_allclose(x, [1.0, 2.0])
    np.testing.assert_array_equal([x[0], x[1]], [1.0, 2.0])
    assert np.asarray(x).tolist() == [1.0, 2.0] and np.array([x[0], x[1]]).tolist() == [1.0, 2.0]
    assert float(x[0]) == 1.0 and np.float32(x[1]) == 2.0 and np.allclose(x, [1, 2])
    assert np.array2string(x) == "[1. 2.]" and np.mean(x.numpy()) == 1.5


def test_the_different_values_are_recorded_with_what_is_known_of_them():
    x = Tensor([2.0, 1.0, 2.0, np.nan, np.nan], requires_grad=True)
    for function in (np.unique_all, np.unique_counts, np.unique_inverse):
        found, expected = function(x), function(x.numpy())
        assert type(found) is type(expected)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_array_equal(got, want)
        assert isinstance(found.values, Tensor) and found.values.requires_grad
    g = ag.grad(lambda t: (np.unique_counts(t).values * np.array([3.0, 5.0])).sum())(np.array([2.0, 1.0, 2.0]))
    assert g.tolist() == [5.0, 3.0, 0.0]
