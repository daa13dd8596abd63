"""Every primitive, case by case: its value, its shape rule, its gradients; then the functions built from them."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import autograd as ag
from autograd import Tensor
from autograd.core.primitive import REGISTRY, spec_of

from .oracle import central, check_first_order, check_second_order, direction, inner, wanted
from .samples import NONE, SAMPLES, rows

ALL = [pytest.param(*row, id=f"{row[0]}({row[3].label})") for row in rows()]
DIFFERENTIABLE = [pytest.param(*row, id=f"{row[0]}({row[3].label})") for row in rows(differentiable=True)]
EPS = {np.float64: np.finfo(np.float64).eps, np.float32: np.finfo(np.float32).eps}
COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
INTEGERS = {"argmax", "argmin", "bitwise_and", "bitwise_or", "bitwise_xor", "invert", "left_shift", "right_shift"}
PREDICATES = COMPARISONS | {"logical_and", "logical_or", "logical_not", "isfinite", "isnan"}


def widened(array):
    """Floats in double precision: the reference is computed in it whatever the dtype under test."""
    return np.asarray(array, np.float64) if getattr(array, "dtype", None) == np.float32 else array


# ----- every primitive -----
def test_the_table_has_exactly_the_primitives_of_the_package():
    names = "from autograd.core.primitive import REGISTRY; print(*REGISTRY)"
    registry = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True).stdout.split()
    random = {"draw"}  # has no arguments to sample
    assert set(registry) - set(SAMPLES) - random == set(), "give them a row in SAMPLES of tests/samples.py"
    assert set(SAMPLES) | random == set(registry)


def test_the_table_says_which_primitives_have_a_gradient():
    assert {name for name, sample in SAMPLES.items() if sample.kind != NONE} == {
        name for name in SAMPLES if REGISTRY[name].differentiable
    }


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "primitive", "sample", "case"), ALL)
def test_value(name, primitive, sample, case, dtype):
    arrays, settings = case.draw(dtype)
    value = primitive(*arrays, **settings)
    expected = np.asarray(sample.reference(*map(widened, arrays), **settings))
    if name in PREDICATES:
        assert value.dtype == bool
    elif name in INTEGERS:
        assert value.dtype == np.int64
    else:
        assert value.dtype == settings.get("dtype", dtype)
    assert value.shape == expected.shape
    if value.size and value.dtype.kind == "f":
        eps, size = EPS[value.dtype.type], max(np.nanmax(np.abs(expected)), 1.0)
        np.testing.assert_allclose(value, expected, rtol=16 * eps, atol=16 * eps * size)
    else:
        np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), ALL)
def test_tensors_give_the_bits_of_arrays(name, primitive, sample, case):
    arrays, settings = case.draw(np.float32)
    tensors = [Tensor(a) if isinstance(a, (np.ndarray, np.generic)) else a for a in arrays]
    raw, out = primitive(*arrays, **settings), primitive(*tensors, **settings)
    assert isinstance(out, Tensor) and not out.requires_grad
    assert out.shape == raw.shape and out.dtype == raw.dtype
    np.testing.assert_array_equal(out.data, raw)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "primitive", "sample", "case"), ALL)
def test_shape_rule(name, primitive, sample, case, dtype):
    arrays, settings = case.draw(dtype)
    value = primitive(*arrays, **settings)
    shape, result = primitive.shape(*map(spec_of, arrays), **settings)
    assert (tuple(shape), result) == (value.shape, value.dtype)


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), DIFFERENTIABLE)
def test_gradient(name, primitive, sample, case):
    check_first_order(primitive, sample, case)


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), DIFFERENTIABLE)
def test_second_order(name, primitive, sample, case):
    check_second_order(primitive, sample, case)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("name", "primitive", "sample", "case"), DIFFERENTIABLE)
def test_gradients_have_shape_and_dtype_of_their_owner(name, primitive, sample, case, dtype):
    arrays, settings = case.draw(dtype)
    which = wanted(primitive, arrays)
    inputs = [Tensor(a, requires_grad=i in which) if hasattr(a, "dtype") else a for i, a in enumerate(arrays)]
    y = primitive(*inputs, **settings)
    if not which or y.dtype.kind != "f":
        return
    y.backward(np.ones(y.shape, y.dtype))
    for i, array in enumerate(arrays):
        if i in which:
            assert inputs[i].grad.shape == np.shape(array)
            assert inputs[i].grad.dtype == array.dtype
        elif isinstance(inputs[i], Tensor):
            assert inputs[i].grad is None


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "power", "maximum", "where", "matmul", "solve"])
def test_each_operand_keeps_its_own_dtype(name):
    first = np.array([[2.0, 0.5], [0.25, 3.0]], np.float32)
    arrays = [np.array([[True, False], [False, True]])] * (name == "where") + [first, 1 + first.astype(np.float64)]
    tensors = [Tensor(a, requires_grad=a.dtype != bool) for a in arrays]
    y = REGISTRY[name](*tensors)
    assert y.dtype == np.float64
    y.sum().backward()
    assert [t.grad.dtype for t in tensors[-2:]] == [np.float32, np.float64]


def test_an_integer_result_carries_no_gradient():
    x = Tensor([1.7, 2.2], requires_grad=True)
    for result in (x.astype(int), x.astype(bool), x > 0, x.argmax(), x // 1, ag.floor(x)):
        assert not result.requires_grad
    assert Tensor([True]).detach().data.tolist() == [True]
    y = x.astype(np.float32).astype(float)
    (y * 2.5).sum().backward()
    assert x.grad.tolist() == [2.5, 2.5]


def test_a_draw_is_what_the_generator_gives():
    for method, kwargs in (
        ("normal", {"size": (2, 3)}),
        ("random", {"dtype": np.float32, "size": 4}),
        ("integers", {"high": 9}),
    ):
        args = (2,) if method == "integers" else ()
        expected = getattr(np.random.default_rng(5), method)(*args, **kwargs)
        settings = {"method": method, "args": args, "kwargs": tuple(kwargs.items())}
        settings |= {"shape": np.shape(expected), "dtype": np.asarray(expected).dtype}
        value = REGISTRY["draw"](generator=np.random.default_rng(5), **settings)
        np.testing.assert_array_equal(value, expected)
        assert REGISTRY["draw"].shape(generator=None, **settings) == (np.shape(value), np.asarray(value).dtype)


# ----- functions of the package against NumPy's -----
X = np.array([[0.3, -1.2, 2.0], [1.5, 0.7, -0.4]])
Y = np.array([[1.1, 0.2, -0.5], [-0.9, 1.3, 0.8]])
B = np.arange(24.0).reshape(2, 3, 4) / 7 - 1.5

FUNCTIONS = [  # name, arguments, keywords, what NumPy or SciPy says
    ("mean", (X,), {}, np.mean(X)),
    ("mean", (B,), {"axis": (0, -1), "keepdims": True}, np.mean(B, (0, -1), keepdims=True)),
    ("var", (X,), {"axis": 1, "ddof": 1}, np.var(X, 1, ddof=1)),
    ("std", (X,), {"axis": -2}, np.std(X, -2)),
    ("std", (B,), {"axis": (0, 2), "keepdims": True, "ddof": 1}, np.std(B, (0, 2), ddof=1, keepdims=True)),
    ("softmax", (X,), {}, special.softmax(X, -1)),
    ("softmax", (B,), {"axis": (0, 1)}, special.softmax(B, (0, 1))),
    ("log_softmax", (X,), {"axis": 0}, special.log_softmax(X, 0)),
    ("logsumexp", (X,), {}, special.logsumexp(X)),
    ("logsumexp", (B,), {"axis": (-1, 0)}, special.logsumexp(B, (-1, 0))),
    ("logsumexp", (X,), {"axis": 1, "keepdims": True}, special.logsumexp(X, 1, keepdims=True)),
    ("gelu", (X,), {}, X * special.ndtr(X)),
    ("silu", (X,), {}, X * special.expit(X)),
    ("leaky_relu", (X,), {"negative_slope": 0.2}, np.where(X > 0, X, 0.2 * X)),
    ("norm", (X,), {}, np.linalg.norm(X)),
    ("norm", (X,), {"axis": 1, "keepdims": True}, np.linalg.norm(X, axis=1, keepdims=True)),
    ("dot", (X, Y.T), {}, np.dot(X, Y.T)),
    ("dot", (X[0], Y[0]), {}, np.dot(X[0], Y[0])),
    ("dot", (X[0], B), {}, np.dot(X[0], B)),
    ("dot", (2.0, X), {}, 2 * X),
    ("outer", (X, Y[0]), {}, np.outer(X, Y[0])),
    ("tensordot", (B, B), {"axes": ((0, 2), (0, 2))}, np.tensordot(B, B, ((0, 2), (0, 2)))),
    ("tensordot", (X, B), {"axes": ([1], [1])}, np.tensordot(X, B, ([1], [1]))),
    ("tensordot", (X, Y), {}, np.tensordot(X, Y)),
    ("tensordot", (X, Y), {"axes": 0}, np.tensordot(X, Y, 0)),
    ("einsum", ("...i,ij", X, Y.T), {}, np.einsum("...i,ij", X, Y.T)),
    ("einsum", ("b...,...->b...", B, B[0]), {}, np.einsum("b...,...->b...", B, B[0])),
    ("einsum", ("i...j -> j...i", B), {}, np.einsum("i...j -> j...i", B)),
    ("einsum", ("ba,cb", X, Y.T), {}, np.einsum("ba,cb", X, Y.T)),
    ("sum", (B,), {"axis": (-1, 0)}, np.sum(B, (-1, 0))),
    ("max", (B,), {"axis": (2, 0)}, np.max(B, (2, 0))),
    ("cumsum", (B,), {}, np.cumsum(B)),
    ("cumsum", (B,), {"axis": -2}, np.cumsum(B, -2)),
    ("prod", (B,), {"axis": -1}, np.prod(B, -1)),
    ("clip", (X,), {"min": -0.5}, np.clip(X, -0.5, None)),
    ("clip", (X, Y, Y + 1), {}, np.clip(X, Y, Y + 1)),
    ("reshape", (B, (4, -1)), {}, B.reshape(4, -1)),
    ("reshape", (B,), {"shape": (6, 4)}, B.reshape(6, 4)),
    ("transpose", (B,), {}, B.T),
    ("transpose", (B, (-1, 0, 1)), {}, np.transpose(B, (-1, 0, 1))),
    ("swapaxes", (B, -1, 0), {}, np.swapaxes(B, -1, 0)),
    ("squeeze", (B[:, :1],), {}, np.squeeze(B[:, :1])),
    ("squeeze", (B[:1, :1], -2), {}, np.squeeze(B[:1, :1], -2)),
    ("expand_dims", (X, -2), {}, np.expand_dims(X, -2)),
    ("flip", (B, (-1, 0)), {}, np.flip(B, (-1, 0))),
    ("roll", (B, (1, -2), (0, -1)), {}, np.roll(B, (1, -2), (0, -1))),
    ("pad", (X, (1, 2)), {"constant_values": 3.0}, np.pad(X, (1, 2), constant_values=3.0)),
    ("pad", (X, 1), {}, np.pad(X, 1)),
    ("concatenate", ([X, Y, X],), {"axis": -1}, np.concatenate([X, Y, X], -1)),
    ("stack", ((X, Y),), {"axis": -1}, np.stack((X, Y), -1)),
    ("tril", (X, -1), {}, np.tril(X, -1)),
    ("diagonal", (B, 1, -1, 0), {}, np.diagonal(B, 1, -1, 0)),
    ("take_along_axis", (X, np.argsort(X), -1), {}, np.sort(X)),
    ("argmin", (X,), {"axis": -1}, np.argmin(X, -1)),
    ("round", (X,), {}, np.round(X)),
    ("matmul", (X, B), {}, np.matmul(X, B)),
    ("inv", (X @ Y.T,), {}, np.linalg.inv(X @ Y.T)),
    ("cholesky", (X @ X.T,), {}, np.linalg.cholesky(X @ X.T)),
]


@pytest.mark.parametrize(("name", "args", "keywords", "expected"), FUNCTIONS, ids=[row[0] for row in FUNCTIONS])
def test_function_on_arrays_and_tensors(name, args, keywords, expected):
    function = getattr(ag, name)
    raw = function(*args, **keywords)
    assert not isinstance(raw, Tensor)
    np.testing.assert_allclose(raw, expected, rtol=1e-14, atol=1e-15)

    def tensor(a):
        if isinstance(a, (list, tuple)) and isinstance(a[0], np.ndarray):
            return [tensor(part) for part in a]
        return Tensor(a, requires_grad=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a

    tensors = [tensor(a) for a in args]
    out = function(*tensors, **keywords)
    assert isinstance(out, Tensor) and out.shape == np.shape(expected)
    np.testing.assert_array_equal(out.data, raw)


@pytest.mark.parametrize(
    ("name", "args", "keywords"),
    [row[:3] for row in FUNCTIONS if row[0] not in ("argmin", "round") and isinstance(row[1][0], np.ndarray)],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_gradient_of_function(name, args, keywords):
    function, rng = getattr(ag, name), np.random.default_rng(3)
    x = Tensor(args[0], requires_grad=True)
    y = function(x, *args[1:], **keywords)
    u, v = direction(rng, y.data), direction(rng, x.data)
    v = v + v.T if name == "cholesky" else v
    y.backward(u)
    measured = central(lambda a: inner(u, function(a, *args[1:], **keywords)), [args[0]], [v])
    assert abs(inner(x.grad, v) - measured) < 1e-8 * max(1, abs(measured))


def test_splitting():
    x = Tensor(np.arange(12.0).reshape(2, 6), requires_grad=True)
    for sections in (3, [1, 4], [0, 6]):
        parts = ag.split(x, sections, axis=-1)
        for part, expected in zip(parts, np.split(x.data, sections, axis=-1), strict=True):
            np.testing.assert_array_equal(part.data, expected)
    (ag.split(x, 3, axis=1)[1] * 2).sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 0, 2, 2, 0, 0]] * 2)


def test_slogdet_agrees_with_numpy():
    x = np.array([[[0.0, 2.0], [1.0, 3.0]], [[4.0, 1.0], [0.5, 2.0]]])
    for ours, numpys in zip(ag.slogdet(Tensor(x)), np.linalg.slogdet(x), strict=True):
        np.testing.assert_allclose(ours.data, numpys, rtol=1e-15)


# ----- extremes -----
def test_large_logits_stay_finite():
    for scale in (1e4, -1e4):
        x = Tensor([scale, 0.0, -scale], requires_grad=True)
        for function in (ag.softmax, ag.log_softmax, ag.logsumexp, ag.sigmoid, ag.softplus, ag.tanh, ag.silu, ag.gelu):
            x.zero_grad()
            y = function(x)
            y.sum().backward()
            assert np.isfinite(y.data).all() and np.isfinite(x.grad).all(), function.__name__


def test_erf_agrees_with_scipy_everywhere():
    x = np.concatenate([np.linspace(-7, 7, 20001), [-np.inf, np.inf, 0.84375, 1.25, 1 / 0.35, 6, 1e-300, -0.0]])
    np.testing.assert_allclose(ag.erf(x), special.erf(x), rtol=5e-16, atol=0)
    assert math.isnan(ag.erf(np.nan)) and np.signbit(ag.erf(-0.0))


def test_logsumexp_of_infinities():
    assert ag.logsumexp(np.array([-np.inf, 0.0])) == 0.0
    with np.errstate(divide="ignore"):
        assert ag.logsumexp(np.array([-np.inf, -np.inf])) == -np.inf
    assert ag.logsumexp(np.array([np.inf, 0.0])) == np.inf
