"""``import autograd.numpy as np``: the namespace, code written for it, what NumPy's functions refuse, and the table of all."""

import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from scipy import special

import autograd as ag
import autograd.numpy as np
import autograd.numpy.random as npr
from autograd import Tensor, grad
from autograd.core import errors
from autograd.functions.protocols import MISSING, OVERRIDES, named
from autograd.numpy import coverage


def leaf(*values):
    return Tensor(numpy.array(values), requires_grad=True)


# ----- the namespace -----
def test_the_namespace_is_that_of_numpy():
    assert set(np.__all__) == set(numpy.__all__)
    for name in ("linalg", "fft", "random"):
        assert set(dir(getattr(np, name))) >= set(getattr(numpy, name).__all__)
    assert np.char is numpy.char and np.float32 is numpy.float32 and np.linalg.LinAlgError is numpy.linalg.LinAlgError
    with pytest.raises(AttributeError, match="no_such_function"):
        np.no_such_function  # noqa: B018


@pytest.mark.parametrize("make", [np.array, np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray,
                                  np.asarray_chkfinite])  # fmt: skip
def test_arrays_of_tensors_keep_them(make):
    x = leaf(1.0, 2.0)
    for made in (make([[x[0], 5.0], [x[1] * x[0], 7.0]]), make(([x[0], 5.0], (x[1] * x[0], 7.0)), dtype=numpy.float32)):
        assert isinstance(made, Tensor)
        assert made.data.tolist() == [[1, 5], [2, 7]]
    x.grad = None
    make([x * 3, [1.0, 1.0]]).sum().backward()
    assert x.grad.tolist() == [3, 3]
    plain = make([[1.0, 2.0]])
    assert type(plain) is numpy.ndarray and plain.tolist() == [[1, 2]]


def test_array_takes_the_least_number_of_axes():
    assert np.array(leaf(1.0), ndmin=3).shape == (1, 1, 1)
    with pytest.raises(ValueError, match="infs or NaNs"):
        np.asarray_chkfinite([Tensor(numpy.inf)])


def test_logistic_regression():
    rng = npr.default_rng(0)
    X = rng.standard_normal((200, 3))
    truth = np.array([2.0, -1.0, 0.5])
    y = X @ truth > 0

    def loss(w):
        p = 1 / (1 + np.exp(-np.dot(X, w)))
        return -np.mean(np.log(p * y + (1 - p) * (1 - y))) + 1e-3 * np.sum(w**2)

    def by_hand(w):
        return X.T @ (1 / (1 + np.exp(-X @ w)) - y) / 200 + 2e-3 * w

    w = np.zeros(3)
    for _ in range(200):
        slope = grad(loss)(w)
        np.testing.assert_allclose(slope, by_hand(w), rtol=1e-12, atol=1e-14)
        w = w - slope
    assert type(w) is numpy.ndarray
    assert np.mean((X @ w > 0) == y) > 0.97


def test_a_small_network_in_containers():
    rng = npr.default_rng(1)
    x = np.linspace(-2, 2, 40)[:, None]
    target = np.sin(2 * x)
    parameters = [(0.8 * rng.standard_normal((m, n)), np.zeros(n)) for m, n in ((1, 16), (16, 1))]

    def predict(parameters, h):
        for W, b in parameters[:-1]:
            h = np.tanh(np.dot(h, W) + b)
        return np.dot(h, parameters[-1][0]) + parameters[-1][1]

    def loss(parameters):
        return np.mean((predict(parameters, x) - target) ** 2)

    start = loss(parameters)
    slope = grad(loss)
    for _ in range(400):
        parameters = [(W - 0.1 * dW, b - 0.1 * db) for (W, b), (dW, db) in zip(parameters, slope(parameters))]
    assert loss(parameters) < 0.1 * start
    (W, b), (dW, db) = parameters[0], slope(parameters)[0]
    assert type(dW) is numpy.ndarray and dW.shape == W.shape and db.shape == b.shape


def test_derivatives_of_derivatives_and_loops():
    def taylor_sine(x):
        total = term = x
        for i in range(1, 12):
            term = -term * x * x / ((2 * i + 1) * (2 * i))
            total = total + term
        return total

    points = np.linspace(-2, 2, 9)
    np.testing.assert_allclose([grad(taylor_sine)(p) for p in points], np.cos(points), rtol=1e-9)
    np.testing.assert_allclose([grad(grad(taylor_sine))(p) for p in points], -np.sin(points), rtol=1e-6, atol=1e-12)


def test_in_a_compiled_step():
    @ag.compile(backend="numpy")
    def step(w, x):
        loss = np.mean(np.square(np.einsum("ij,j->i", x, w) - np.max(x, axis=1)))
        loss.backward()
        return loss

    rng = npr.default_rng(2)
    w, x = Tensor(rng.standard_normal(3), requires_grad=True), Tensor(rng.standard_normal((5, 3)))
    compiled = step(w, x).item()
    gradient, w.grad = w.grad, None
    with ag.disable_compile():
        assert step(w, x).item() == pytest.approx(compiled, rel=1e-14)
    np.testing.assert_allclose(gradient, w.grad, rtol=1e-13)


# ----- a gradient that would be lost -----
LOST = [
    lambda x: numpy.array([x[0], x[1]]).sum(),
    lambda x: numpy.asarray(x).sum(),
    lambda x: numpy.sum([x[0], x[1]]),
    lambda x: float(x[0]) ** 2,
    lambda x: math.exp(x[0]),
    lambda x: numpy.vectorize(lambda v: v * v)(x).sum(),
]


@pytest.mark.parametrize("function", LOST)
def test_no_plain_number_is_made_of_what_is_differentiated(function):
    for transformed in (
        grad(function),
        ag.value_and_grad(function),
        ag.hessian(function),
        lambda x: ag.vjp(function, x),
    ):
        with pytest.raises(errors.DTypeError, match=r"\.py:\d+ makes a .* gradient would be lost"):
            transformed(numpy.array([1.0, 2.0]))


def test_values_are_read_on_purpose():
    def function(x):
        seen = [x.item() for x in x] + x.numpy().tolist() + x.data.tolist()
        assert seen == [1, 2] * 3 and np.allclose(x, [1, 2]) and f"{x[0]:.1f}" == "1.0" and x[0] > 0.5
        with ag.no_grad():
            assert float(x[1]) == 2 and numpy.asarray(x).tolist() == [1, 2]
        constant = Tensor([1.0])
        return (x * x).sum() * float(constant)

    assert grad(function)(numpy.array([1.0, 2.0])).tolist() == [2, 4]


# ----- what is refused -----
REFUSED = [
    (lambda x: numpy.sum(x, out=numpy.zeros(())), errors.DTypeError, r"numpy.sum cannot write into out="),
    (lambda x: numpy.sum(x, 0, None, numpy.zeros(())), errors.DTypeError, r"numpy.sum cannot write into out="),
    (lambda x: numpy.exp(x, out=numpy.zeros(3)), errors.DTypeError, r"numpy.exp cannot write into out="),
    (lambda x: numpy.add(numpy.ones(3), 1.0, out=x), errors.DTypeError, r"numpy.add cannot write into out="),
    (lambda x: numpy.add.reduce(x, out=numpy.zeros(())), errors.DTypeError, r"numpy.add.reduce cannot write into out="),
    (
        lambda x: numpy.exp(x, where=numpy.array([True, False, True])),
        errors.DTypeError,
        r"takes no where.*autograd.where",
    ),
    (lambda x: numpy.add.at(x, [0], 1.0), errors.DTypeError, r"numpy.add.at .*x.at"),
    (lambda x: numpy.divide.reduce(x), errors.DTypeError, r"numpy.divide.reduce has no gradient"),
    (
        lambda x: numpy.copyto(x, 0.0),
        errors.InplaceError,
        r"numpy.copyto .*writes into its argument.*x.at\[index\].set",
    ),
    (lambda x: numpy.put(x, [0], 1.0), errors.InplaceError, r"numpy.put "),
    (lambda x: numpy.place(x, x > 0, 1.0), errors.InplaceError, r"numpy.place "),
    (lambda x: numpy.putmask(x, x > 0, 1.0), errors.InplaceError, r"numpy.putmask "),
    (lambda x: numpy.put_along_axis(x, [0], 1.0, 0), errors.InplaceError, r"numpy.put_along_axis "),
    (lambda x: numpy.fill_diagonal(numpy.outer(x, x), 1.0), errors.InplaceError, r"numpy.fill_diagonal "),
    (lambda x: numpy.copyto(numpy.zeros(3), x), errors.InplaceError, r"numpy.copyto "),
    (lambda x: numpy.fft.rfft(x), errors.DTypeError, r"numpy.fft.rfft of a Tensor: its result is complex"),
    (lambda x: numpy.linalg.eigvals(numpy.outer(x, x)), errors.DTypeError, r"numpy.linalg.eigvals .*eigh"),
    (lambda x: numpy.nextafter(x, 0.0), errors.DTypeError, r"numpy.nextafter .*stop_gradient"),
    (lambda x: special.gamma(x), errors.DTypeError, r"^gamma of a Tensor: it has no gradient here.*autograd.primitive"),
    (lambda x: numpy.union1d(x, x), errors.DTypeError, r"numpy.union1d .*numpy.unique"),
    (
        lambda x: numpy.quantile(x, 0.5, method="inverted_cdf"),
        errors.ArgumentError,
        r"quantile takes method linear, .*'inver",
    ),
    (lambda x: numpy.quantile(numpy.ones(3), x), errors.ArgumentError, r"no gradient by q"),
    (lambda x: numpy.quantile(x, 1.5), errors.ArgumentError, r"between 0 and 1"),
    (lambda x: numpy.quantile(x, 0.5, weights=numpy.ones(3)), errors.DTypeError, r"numpy.quantile takes no weights"),
    (
        lambda x: numpy.linalg.svd(numpy.outer(x, [1.0, 2.0])),
        errors.ArgumentError,
        r"shape \(3, 2\).*full_matrices=False",
    ),
    (lambda x: numpy.linalg.qr(numpy.outer(x, [1.0, 2.0]), "complete"), errors.ArgumentError, r"'reduced' or 'r'"),
    (
        lambda x: numpy.linalg.eigh(numpy.outer(x, [1.0, 2.0])),
        errors.ArgumentError,
        r"square matrices, got shape \(3, 2\)",
    ),
    (lambda x: numpy.linalg.norm(x, "nuc", axis=0), errors.ArgumentError, r"pass two axes"),
    (lambda x: numpy.pad(x, 1, mode="linear_ramp"), errors.ArgumentError, r"'linear_ramp'"),
    (lambda x: numpy.polyfit(x, x, 1, full=True), errors.ArgumentError, r"coefficients only"),
    (lambda x: numpy.cross(x, numpy.ones(2)), errors.ArgumentError, r"length 3, got shapes \(3,\) and \(2,\)"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_refused(call, kind, message):
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(kind, match=message):
        call(x)
    assert x.data.tolist() == [1, 2, 3]


@pytest.mark.parametrize("name", sorted(n for n in MISSING if named(n) is not None))
def test_every_function_of_the_list_of_missing_ones_is_refused(name):
    function, x = named(name), leaf(1.0, 2.0, 3.0)
    arguments = {"nextafter": (x, x), "busday_offset": (x, 1), "put_along_axis": (x, x, x, 0)}
    two = "union1d intersect1d setdiff1d setxor1d busday_count fill_diagonal copyto"
    three = "put place putmask"
    given = arguments.get(name, (x, x) if name in two.split() else (x, x, x) if name in three.split() else (x,))
    with pytest.raises(errors.AutogradError, match=re.escape(f"numpy.{name} of a Tensor")):
        function(*given)


# ----- the table -----
def parameters_of(function):
    """Its parameters, none where it is written in C and this version of NumPy does not say."""
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:
        return []


# The first versions of NumPy with the arguments of today, for functions that changed theirs since 2.0.
ARGUMENTS_SINCE = {"clip": "2.1.0", "reshape": "2.1.0", "trim_zeros": "2.2.0"}


def test_arguments_stand_where_numpy_has_them():
    version = numpy.lib.NumpyVersion(numpy.__version__)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wrong = []
    for name, override in OVERRIDES.items():
        if named(name) is None or version < ARGUMENTS_SINCE.get(name, "2.0.0"):
            continue
        theirs, ours = parameters_of(named(name)), parameters_of(override.call)
        if isinstance(named(name), numpy.ufunc) or override.values or not theirs:
            continue
        places = [p.name for p in theirs if p.kind in positional]
        own = [p.name for p in ours if p.kind in positional]
        if own != places[: len(own)] or not {p.name for p in ours} <= {p.name for p in theirs} | {"kwargs"}:
            wrong.append((name, own, places))
    assert wrong == []


def test_nothing_in_numpys_namespaces_is_unlisted():
    names = [name for prefix in ("", "linalg.", "fft.") for name in coverage.public(prefix)]
    assert len(names) > 500
    assert [name for name in names if coverage.status(name)[0] == "unlisted"] == []


def test_the_table_is_up_to_date():
    made = subprocess.run([sys.executable, "-m", "autograd.numpy"], capture_output=True, check=True).stdout
    assert Path(coverage.__file__).with_name("COVERAGE.md").read_bytes() == made.replace(b"\r\n", b"\n")
