"""Corners of NumPy's functions: float16, no elements, no degrees of freedom, infinities, single numbers; compiled too."""

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core import errors

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of what has no value
BACKENDS = ["numpy", "native"]


def everywhere(f, *arrays):
    """The results of f on tensors: eager, and compiled by both backends."""
    tensors = [Tensor(a) for a in arrays]
    return [f(*tensors), *(ag.compile(f, backend=b)(*tensors) for b in BACKENDS)]


def same(results, expected, **tolerance):
    for result in results:
        got = np.asarray(result)
        assert (got.shape, got.dtype) == (np.shape(expected), np.asarray(expected).dtype)
        np.testing.assert_allclose(got, expected, **tolerance)


# ----- float16 is summed in float32 where NumPy does -----
HALF = np.random.default_rng(0).normal(3, 1, (600, 120)).astype(np.float16)  # more than 65504 elements
AVERAGES = {
    "mean": np.mean,
    "mean of the method": lambda x: x.mean(),
    "mean over an axis": lambda x: np.mean(x, axis=0),
    "mean, keepdims": lambda x: np.mean(x, axis=1, keepdims=True),
    "average": np.average,
    "average over an axis": lambda x: np.average(x, axis=0),
    "nanmean": np.nanmean,
    "mean, where": lambda x: np.mean(x, where=x > 0),
    "var": np.var,
    "var of the method": lambda x: x.var(),
    "var over an axis": lambda x: np.var(x, axis=0, ddof=1),
    "std": np.std,
    "std of the method": lambda x: x.std(),
    "std over an axis": lambda x: np.std(x, axis=1),
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_of_float16(name):
    f = AVERAGES[name]
    expected = f(HALF.astype(np.float64)).astype(np.float16)
    same(everywhere(f, HALF), expected, rtol=2.0**-10)
    gradient = ag.grad(lambda x: f(x).astype(np.float64).sum())
    right = ag.grad(lambda x: f(x).sum())(HALF.astype(np.float64))
    same(everywhere(gradient, HALF), right.astype(np.float16), rtol=2.0**-9, atol=2.0**-24)


def test_as_many_ones_as_float16_cannot_count():
    x = np.ones(66000, np.float16)
    for f, expected in ((np.mean, 1.0), (np.average, 1.0), (np.var, 0.0), (np.std, 0.0)):
        same(everywhere(f, x), np.float16(expected))
    same(everywhere(lambda x: nn.MSE()(x, np.zeros(66000, np.float16)), x), np.float16(1.0))
    x = np.full(70000, 200.0, np.float16) * np.where(np.arange(70000) % 2, 1, -1).astype(np.float16)
    same(everywhere(np.std, x), np.float16(200.0))  # though the variance, 40000, is close to the largest number
    assert np.isinf(everywhere(np.sum, x * x)[0].data) == np.isinf(np.sum(x * x))  # sums are NumPy's


def test_means_of_integers_do_not_wrap_around():
    for dtype in (np.int8, np.uint8, np.int32, np.int64, np.uint64, bool):
        x = np.full(5, np.iinfo(dtype).max if dtype is not bool else True, dtype)
        same(everywhere(np.mean, x), np.mean(x))
        same(everywhere(np.var, x), np.var(x))
        same(everywhere(lambda x: x.std(), x), np.std(x))


# ----- degrees of freedom -----
@pytest.mark.parametrize("ddof", [0, 1, 1.5, 3])
@pytest.mark.parametrize("values", [[1.0, 2.0], [2.0, 2.0], [5.0], []], ids=str)
def test_variances_with_too_few_elements(values, ddof):
    x = np.array(values)
    for f, name in ((np.var, "var"), (np.std, "std"), (np.nanvar, "nanvar"), (np.nanstd, "nanstd")):
        expected = f(x, ddof=ddof)
        same(everywhere(lambda t: f(t, ddof=ddof), x), expected)  # noqa: B023
        if name in ("var", "std"):
            same(everywhere(lambda t: getattr(t, name)(ddof=ddof), x), expected)  # noqa: B023


# ----- nan, inf -----
@pytest.mark.parametrize("settings", [
    {}, {"nan": np.inf}, {"nan": -np.inf}, {"posinf": np.nan}, {"neginf": np.inf}, {"posinf": -np.inf, "neginf": np.inf},
    {"nan": 1.5, "posinf": 2.5, "neginf": -3.5}, {"nan": np.nan}, {"posinf": np.inf, "neginf": -np.inf},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_nan_to_num(settings, dtype):
    x = np.array([np.nan, np.inf, -np.inf, 1.5, -0.0], dtype)
    same(everywhere(lambda t: np.nan_to_num(t, **settings), x), np.nan_to_num(x, **settings))
    g = ag.grad(lambda t: (np.nan_to_num(t, **settings) * np.arange(5.0)).sum())(x)
    assert g.tolist() == [0, 0, 0, 3, 4]


# ----- extrema of no elements -----
@pytest.mark.parametrize("shape", [(2, 0), (0,), (0, 3), (2, 3)], ids=str)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, -1), ()], ids=str)
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["max", "min", "nanmax", "nanmin", "sum", "prod"])
def test_reductions_with_an_initial_value(name, shape, axis, keepdims):
    if axis == (0, -1) and len(shape) == 1:
        axis = 0
    x, f = np.random.default_rng(1).normal(size=shape).astype(np.float32), getattr(np, name)
    for initial in (0.0, -np.inf, np.inf, np.float64(0.25)):
        expected = f(x, axis=axis, initial=initial, keepdims=keepdims)
        same([f(Tensor(x), axis=axis, initial=initial, keepdims=keepdims)], expected, rtol=1e-6)
        chosen = f(x, axis=axis, initial=initial, keepdims=keepdims, where=x > 0)
        got = f(Tensor(x), axis=axis, initial=initial, keepdims=keepdims, where=x > 0)
        same([got], chosen, rtol=1e-6)
    if x.size:
        g = ag.grad(lambda t: f(t, axis=axis, initial=0.0, keepdims=keepdims).sum())(x.astype(float))
        h = 2.0**-20
        moved = [
            f(x.astype(float) + t * np.ones(shape), axis=axis, initial=0.0, keepdims=keepdims).sum() for t in (h, -h)
        ]
        np.testing.assert_allclose(g.sum(), (moved[0] - moved[1]) / (2 * h), atol=1e-6)


@pytest.mark.parametrize("name", ["max", "nanmin", "sum"])
def test_reductions_with_an_initial_value_compiled(name):
    f = getattr(np, name)
    arrays = [np.ones(shape, np.float32) for shape in ((2, 0), (0, 3), (2, 3))]
    for call in (
        lambda *xs: [f(x, axis=1, initial=0.5) for x in xs],
        lambda *xs: [f(x, initial=-0.5, where=x > 0) for x in xs],
    ):
        for results in everywhere(call, *arrays):
            for got, expected in zip(results, call(*arrays), strict=True):
                same([got], expected)


@pytest.mark.parametrize("name", ["max", "min", "amax", "amin"])
def test_extrema_of_chosen_elements_need_an_initial_value(name):
    x = np.array([1.0, 5.0, 3.0])
    with pytest.raises(errors.ArgumentError, match=r"pass initial="):
        getattr(np, name)(Tensor(x), where=np.array([True, False, True]))
    with pytest.raises(errors.AutogradError):
        getattr(np, name)(Tensor(x[:0]))


# ----- norms -----
ORDERS = [None, 1, -1, 2, -2, 0, 3, 0.5, -0.5, np.inf, -np.inf, "fro", "nuc"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("shape", [(3,), (2, 3), (3, 3), (2, 3, 4), (0,), (2, 0), (0, 3), ()], ids=str)
def test_norms(shape, order):
    x = np.random.default_rng(2).normal(size=shape)[()]
    for axis in (None, 0, -1, (0, 1), (1, 0), (-1, 0), (0, 0)):
        for keepdims in (False, True):
            try:
                expected = np.linalg.norm(x, order, axis, keepdims)
            except (ValueError, IndexError):
                expected = None
            for call in (np.linalg.norm, ag.norm, lambda t, *rest: t.norm(*rest)):
                if expected is None:
                    with pytest.raises(errors.AutogradError):
                        call(Tensor(x), order, axis, keepdims)
                else:
                    same([call(Tensor(x), order, axis, keepdims)], expected, rtol=1e-13, atol=1e-15)
            if expected is not None:
                same([ag.norm(x, order, axis, keepdims)], expected, rtol=1e-13, atol=1e-15)


def test_norms_of_integers_and_the_gradient_of_a_column_sum():
    x = np.array([[1, -2], [3, 4]])
    for order in (None, 1, np.inf, 2, "nuc"):
        same([ag.norm(Tensor(x), order)], np.linalg.norm(x, order), rtol=1e-13)
    g = ag.grad(lambda t: ag.norm(t, 1))(x.astype(float))
    assert g.tolist() == [[0, -1], [0, 1]]  # column 1 has the largest sum, 6
    same(everywhere(lambda t: ag.norm(t, 1), x.astype(float)), np.float64(6.0))


# ----- single numbers -----
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "nancumsum", "nancumprod"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_running_sums_of_a_single_number(name, axis):
    f, x = getattr(np, name), np.float64(3.0)
    same(everywhere(lambda t: f(t, axis=axis), x), f(x, axis=axis))
    assert ag.grad(lambda t: f(t, axis=axis).sum())(3.0) == 1.0


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.float16, np.float32])
def test_running_products_have_numpys_dtypes(dtype):
    x = np.array([1, 1, 0, 1]).astype(dtype)
    for f in (np.cumprod, np.cumsum):
        same([f(Tensor(x))], f(x))


# ----- two arguments -----
def test_ldexp_where_the_power_alone_is_out_of_range():
    x, i = np.array([1e-300, 3.0, 5e-324, 1e300]), np.array([1040, 2, 1074, -1040])
    same(everywhere(lambda x: np.ldexp(x, i), x), np.ldexp(x, i))
    y, j = np.array([1e-30, 2.0], np.float32), np.array([140, -3])
    same(everywhere(lambda x: np.ldexp(x, j), y), np.ldexp(y, j))


def test_quantiles_of_integers():
    x = np.array([1, 8, 3, 2])
    for q in (0.3, 0.5, [0.1, 0.9]):
        same([np.quantile(Tensor(x), q)], np.quantile(x, q))
        same([np.percentile(Tensor(x), np.multiply(q, 100))], np.percentile(x, np.multiply(q, 100)))


def test_counting_with_truths_and_weights():
    x, w = np.array([True, False, True]), np.array([0.5, 1.0, 2.0])
    same([np.bincount(x, Tensor(w))], np.bincount(x, w))
    same([np.bincount(np.array([1, 3], np.uint8), Tensor(w[:2]), 6)], np.bincount([1, 3], w[:2], 6))
    for numbers, weights in ((x, w[:2]), ([-1, 2, 0], w), ([0.5, 1.0, 2.0], w)):
        with pytest.raises(errors.AutogradError):
            np.bincount(numbers, Tensor(weights))


def test_slopes_of_unsigned_numbers_do_not_wrap_around():
    for dtype in (np.uint8, np.int8, np.uint64):
        x = np.array([9, 3, 7, 1], dtype)
        same([np.gradient(Tensor(x))], np.gradient(x))
