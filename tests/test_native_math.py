"""Elementary functions in machine code against extended precision: at most 2 ulp, and NumPy's edges exactly."""

import math

import numpy as np
import pytest

import autograd

NAMES = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "sin", "cos", "erf", "sqrt")
EDGES = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 709.78, 709.79, -745.1, -745.2, -708.5, 88.72, 88.73, -103.9,
         -104.0, math.pi, math.pi / 2, 0.625, 0.84375, 1.25, 6.0, -37.0, -40.0, 2e-8, 1e5, 1e22)  # fmt: skip


def reference(name, x):
    """The function in extended precision (erf: the C library's, which is within 1 ulp)."""
    with np.errstate(all="ignore"):
        wide = x.astype(np.longdouble)
        if name == "sigmoid":  # as NumPy computes it: 0 where exp(-x) overflows
            overflows = np.isinf(np.exp(-x))
            return np.where(overflows, 0, 1 / (1 + np.exp(-wide)))
        if name == "softplus":
            return np.logaddexp(wide, 0)
        if name == "erf":
            return np.array([math.erf(float(v)) for v in x], np.longdouble)
        return getattr(np, name)(wide)


def points(dtype, size, seed=0):
    """Edges of the functions and of the format, ordinary numbers, wide ranges, and random bit patterns."""
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    edges = [*EDGES, info.max, -info.max, info.tiny, -info.tiny, info.smallest_subnormal, -info.smallest_subnormal]
    word = np.uint64 if dtype is np.float64 else np.uint32
    with np.errstate(over="ignore", invalid="ignore"):
        return np.concatenate(
            [
                np.array(edges).astype(dtype),
                rng.normal(size=size).astype(dtype),
                rng.uniform(-750, 750, size).astype(dtype),
                np.exp(rng.uniform(-40, 5, size)).astype(dtype),
                (1 - np.exp(rng.uniform(-30, 0, size))).astype(dtype),
                rng.integers(0, np.iinfo(word).max, size, dtype=word, endpoint=True).view(dtype),
            ]
        )


def worst(name, x):
    """The largest distance in ulp from the correctly rounded result, after nan, inf and the sign of zero agree."""
    got = autograd.compile(lambda x: getattr(autograd, name)(x), backend="native")(x)
    exact = reference(name, x)
    with np.errstate(all="ignore"):
        want = exact.astype(x.dtype)
        np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
        np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
        finite = np.isfinite(want)
        np.testing.assert_array_equal(np.signbit(got[finite]), np.signbit(want[finite]))
        return np.max(np.abs(got[finite] - want[finite]) / np.spacing(np.abs(want[finite])))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NAMES)
def test_within_two_ulp(name, dtype):
    assert worst(name, points(dtype, 20_000)) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NAMES)
def test_a_million_points(name, dtype):
    assert worst(name, points(dtype, 200_000, seed=1)) <= 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["tan", "arcsin", "arccos", "arctan", "sinh", "cosh"])
def test_functions_of_the_c_library(name, dtype):
    x = np.random.default_rng(0).uniform(-1, 1, 1000).astype(dtype)
    got = autograd.compile(lambda x: getattr(autograd, name)(x), backend="native")(x)
    want = getattr(np, name)(x.astype(np.longdouble)).astype(dtype)
    assert np.max(np.abs(got - want) / np.spacing(np.abs(want))) <= 2


@pytest.mark.parametrize("exponent", [2, 3, 0.5, -1, 0, 1, 4, 2.5, -0.3])
def test_powers(exponent):
    x = np.random.default_rng(0).uniform(0.1, 9, 1000)
    got = autograd.compile(lambda x: x**exponent, backend="native")(x)
    want = (x.astype(np.longdouble) ** exponent).astype(float)
    assert np.max(np.abs(got - want) / np.spacing(np.abs(want))) <= 2


@pytest.mark.parametrize("name", ["floor_divide", "mod"])
def test_division_with_rest_as_numpy_has_it(name):
    values = np.array([0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 7.0, -7.0, 0.1, 1e300, math.inf, -math.inf, math.nan])
    a, b = (grid.ravel() for grid in np.meshgrid(values, values))
    got = autograd.compile(lambda a, b: a // b if name == "floor_divide" else a % b, backend="native")(a, b)
    with np.errstate(all="ignore"):
        want = getattr(np, name)(a, b)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["maximum", "minimum", "sign", "abs", "relu", "round", "floor", "ceil"])
def test_edges_of_exact_functions(name):
    values = np.array([0.0, -0.0, 0.5, 1.5, -2.5, 3.0, math.inf, -math.inf, math.nan])
    grids = [grid.ravel() for grid in np.meshgrid(values, values)][: 2 if name in ("maximum", "minimum") else 1]
    function = getattr(autograd, name)
    got = autograd.compile(lambda *xs: function(*xs), backend="native")(*grids)
    np.testing.assert_array_equal(got, function(*grids))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_powers_are_within_two_ulp(dtype):
    rng = np.random.default_rng(4)
    x = np.concatenate([np.exp(rng.uniform(-20, 20, 20_000)), rng.uniform(0.9, 1.1, 10_000)]).astype(dtype)
    y = np.concatenate([rng.uniform(-8, 8, 20_000), rng.uniform(-300, 300, 10_000)]).astype(dtype)
    got = autograd.compile(lambda x, y: x**y, backend="native")(x, y)
    with np.errstate(all="ignore"):
        want = (x.astype(np.longdouble) ** y.astype(np.longdouble)).astype(dtype)
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    finite = np.isfinite(want)
    assert np.all(np.abs(got[finite] - want[finite]) <= 2 * np.spacing(np.abs(want[finite])))
