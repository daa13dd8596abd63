"""NumPy's functions of integers, truths and single precision: the dtypes, shapes and values that NumPy gives."""

import re

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import tree
from autograd.core.errors import DTypeError, TraceError

from .numpy_calls import COUNTED, RECORDED
from .test_interop import arrays_of, function_of

DTYPES = ("?", "i1", "u2", "i8", "f4")

# Where NumPy itself refuses a number that the dtype does not hold, or what it computes overflows, nothing is to compare.
NOT_COMPARED = r"initial=-9|linalg\.cond|polyfit"


def rounded(array, dtype):
    """The array's numbers, doubled so that some differ after the cast, in another dtype."""
    array = np.asarray(array)
    if array.dtype.kind != "f" or dtype[0] == "f":
        return array.astype(dtype) if array.dtype.kind == "f" else array
    doubled = np.nan_to_num(array) * 2
    return (np.abs(doubled) if dtype[0] == "u" else doubled).astype(dtype)


def same(got, expected, call):
    for a, b in zip(tree.flatten(got)[0], tree.flatten(expected)[0], strict=True):
        a, b = np.asarray(a.data if isinstance(a, Tensor) else a), np.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape), call
        tolerance = {2: 1e-2, 4: 1e-4}.get(a.dtype.itemsize, 1e-9)
        assert np.allclose(a.astype(float), b.astype(float), rtol=tolerance, atol=tolerance, equal_nan=True), call


def compare(call, dtype):
    function, arrays = function_of(call), [rounded(array, dtype) for array in arrays_of(call)]
    try:
        expected = function(*arrays)
    except (TypeError, ValueError, np.linalg.LinAlgError, ZeroDivisionError):
        return  # (whether we refuse what NumPy refuses is asked elsewhere)
    try:
        got = function(*map(Tensor, arrays))
    except DTypeError:  # refused by name: integers that would lose what makes them useful
        assert dtype != "f4"
        return
    same(got, expected, call)
    try:
        graph = ag.trace(function, *arrays)
    except TraceError as refusal:
        assert "needs the value" in str(refusal)
        return
    outputs = [(atom.dtype, atom.shape) for atom in graph.outputs]
    computed = [leaf for leaf in tree.flatten(expected)[0] if isinstance(leaf, np.ndarray | np.generic)]
    assert len(outputs) <= len(computed)
    for (kind, shape), leaf in zip(outputs, computed[: len(outputs)], strict=True):
        if len(outputs) == len(computed):
            assert (kind, shape) == (leaf.dtype, leaf.shape), call


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("call", [call for call in RECORDED + COUNTED if not re.search(NOT_COMPARED, call)])
def test_dtypes_are_numpys(call):
    for dtype in DTYPES:
        compare(call, dtype)


@pytest.mark.parametrize("compiled", [False, True])
def test_half_precision_of_more_elements_than_its_largest_number(compiled):
    x = np.zeros(66_000, np.float16)

    def run(function):
        return np.asarray((ag.compile(function) if compiled else function)(x if compiled else Tensor(x)))

    wanted = np.float16(np.log(66_000))
    for function, value in ((ag.logsumexp, wanted), (ag.log_softmax, -wanted), (ag.softmax, np.float16(1 / 66_000))):
        found = run(function)
        assert found.dtype == np.float16
        assert (found == value).all()
    for function in (np.median, np.nanmedian, lambda x: np.quantile(x, 0.5)):
        found = run(function)
        assert (found.dtype, found) == (np.float16, 0)


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_methods_that_keep_the_dtype(backend):
    for dtype in DTYPES:
        x = np.arange(3).astype(dtype)
        for function in (lambda x: x.conjugate(), lambda x: x.conj(), lambda x: x.clip()):
            for found in (function(Tensor(x)).data, ag.compile(function, backend=backend)(x)):
                assert found.dtype == dtype
                assert (found == x).all()
