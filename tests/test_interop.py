"""NumPy's functions on Tensors: values, gradients of two orders and traces against NumPy itself; what is refused."""

import re

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors, tree
from autograd.functions.protocols import OVERRIDES, named

from .numpy_calls import ARRAYS, COUNTED, LOOKED_AT, PLAIN, RECORDED
from .oracle import WEIGHTS

STEP = 2.0**-10


def names_in(call):
    """The arrays that a call mentions, in order."""
    found = dict.fromkeys(re.findall(r"\b[a-z]+\b", re.sub(r"np(\.\w+)+|lambda \w.*?:|\w+=|\"\w+\"", " ", call)))
    return [name for name in found if name in ARRAYS]


def function_of(call):
    """The call as a function of its arrays."""
    return eval(f"lambda {', '.join(names_in(call))}: {call}", {"np": np})


def outputs(result):
    """All arrays of a result, be it one, a tuple or a list."""
    return [np.asarray(y) for y in tree.flatten(result)[0]]


def arrays_of(call, dtype=np.float64):
    return [ARRAYS[name].astype(dtype)[()] for name in names_in(call)]


def same(actual, expected, ulps=64):
    """Equal in number, shape, dtype and, within rounding, in value."""
    actual, expected = outputs(actual), outputs(expected)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected):
        assert (a.shape, a.dtype) == (e.shape, e.dtype)
        if e.dtype.kind == "f":
            eps = ulps * np.finfo(e.dtype).eps
            np.testing.assert_allclose(a, e, rtol=eps, atol=eps * max(1.0, np.nanmax(np.abs(e), initial=0)))
        else:
            np.testing.assert_array_equal(a, e)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("call", RECORDED + LOOKED_AT + COUNTED)
def test_value(call, dtype):
    f, arrays = function_of(call), arrays_of(call, dtype)
    tensors = [Tensor(x, requires_grad=True) for x in arrays]
    result = f(*tensors)
    assert all(not (isinstance(y, np.ndarray) and y.dtype == object) for y in tree.flatten(result)[0])
    same(result, f(*arrays), ulps=64 if "linalg" not in call and "poly" not in call else 4096)


def total(f, weights):
    """<weights, outputs> as a function of the arrays: of those outputs that are floats and depend on them."""

    def along(*arrays):
        parts = tree.flatten(f(*arrays))[0]
        return sum((np.sum(y * u) for y, u in zip(parts, weights, strict=True) if u is not None), start=0.0)

    return along


def weights_for(result, rng):
    return [rng.uniform(0.5, 1.5, np.shape(y)) if np.asarray(y).dtype.kind == "f" else None
            for y in tree.flatten(result)[0]]  # fmt: skip


def slope(f, arrays, directions):
    """The derivative of a function of arrays along directions, by a central difference of sixth order."""

    def at(t):
        return float(f(*[x + t * d for x, d in zip(arrays, directions)]))

    return sum(w * (at(k * STEP) - at(-k * STEP)) for k, w in WEIGHTS.items()) / STEP


def check_slope(actual, expected, gradients, directions):
    size = max(1.0, sum(float(np.sum(np.abs(np.nan_to_num(g * d)))) for g, d in zip(gradients, directions)))
    assert abs(actual - expected) <= 2e-9 * size, (actual, expected)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("call", RECORDED + LOOKED_AT)
def test_gradients_of_both_orders(call):
    f, arrays = function_of(call), arrays_of(call)
    rng = np.random.default_rng(5)
    along = total(f, weights_for(f(*arrays), rng))
    places = tuple(range(len(arrays)))
    directions = [rng.choice([-1.0, 1.0], np.shape(x)) * rng.uniform(0.5, 1, np.shape(x)) for x in arrays]
    gradient = ag.grad(along, argnums=places)
    first = gradient(*arrays)
    inner = sum(float(np.sum(g * d)) for g, d in zip(first, directions))
    check_slope(inner, slope(along, arrays, directions), first, directions)

    def of_gradient(*xs):
        return sum((np.sum(g * d) for g, d in zip(gradient(*xs), directions)), start=0.0)

    second = ag.grad(of_gradient, argnums=places)(*arrays)
    inner = sum(float(np.sum(g * d)) for g, d in zip(second, directions))
    check_slope(inner, slope(of_gradient, arrays, directions), second, directions)


FIRST = list({re.search(r"np\.((?:linalg\.)?\w+)", call)[1]: call for call in reversed(RECORDED + COUNTED)}.values())


@pytest.mark.parametrize("call", FIRST)
def test_compiled_with_its_gradient(call):
    f, arrays = function_of(call), arrays_of(call)
    along = total(f, weights_for(f(*arrays), np.random.default_rng(5)))

    def step(*tensors):
        if call in COUNTED:
            return f(*tensors)
        value, gradients = ag.value_and_grad(along, argnums=tuple(range(len(tensors))))(*tensors)
        return [value, *gradients]

    tensors = [Tensor(x) for x in arrays]
    same(ag.compile(step, backend="numpy")(*tensors), step(*tensors), ulps=4096)


def test_programs_with_functions_of_their_own_rules_print_as_source_that_runs():
    def step(a, v):
        svd = np.linalg.svdvals(a)
        argsort = np.argsort(v)
        log10 = np.log10(1 + a * a) + np.hypot(v, a) + np.linalg.pinv(a).T
        return np.sum(svd) * log10 + np.interp(v, np.arange(4.0), v[argsort])

    arrays = [ARRAYS["a"], ARRAYS["v"]]
    compiled = ag.compile(step, backend="numpy")
    result = compiled(*map(Tensor, arrays))
    space = {}
    exec(compiled.source, space)
    same(space["step"](*arrays), result)
    same(result, step(*arrays))


@pytest.mark.parametrize("call", LOOKED_AT)
def test_what_looks_at_values_says_so_in_a_trace(call):
    with pytest.raises(errors.TraceError, match="needs the value"):
        ag.compile(function_of(call), backend="numpy")(*map(Tensor, arrays_of(call)))


@pytest.mark.parametrize("call", PLAIN)
def test_plain_answers(call):
    f, arrays = function_of(call), arrays_of(call)
    result, expected = f(*map(Tensor, arrays)), f(*arrays)
    assert not any(isinstance(y, Tensor) for y in tree.flatten(result)[0])
    assert type(result) is type(expected)
    if not isinstance(expected, (str, np.dtype)):
        same(result, expected)
    else:
        assert result == expected


def test_every_function_of_the_table_is_called():
    called = {
        name for call in RECORDED + LOOKED_AT + COUNTED + PLAIN for name in re.findall(r"np\.((?:\w+\.)?\w+)", call)
    }
    called |= {name.removesuffix(ending) for name in called for ending in (".reduce", ".accumulate", ".outer")}
    left = [n for n, o in OVERRIDES.items() if named(n) is not None and n not in called and not o.values]
    same_objects = {named(name) for name in called if named(name) is not None}
    assert [name for name in left if named(name) not in same_objects] == []


# ----- where eigenvalues or singular values coincide -----
def test_functions_that_do_not_depend_on_the_choice_of_vectors_have_gradients_where_values_coincide():
    eye, turn = np.eye(3), np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

    def rebuilt(m):
        values, vectors = np.linalg.eigh(m)
        return np.sum((vectors * values @ vectors.T) ** 2)

    np.testing.assert_allclose(ag.grad(lambda m: np.sum(np.linalg.eigvalsh(m) ** 2))(eye), 2 * eye, atol=1e-15)
    np.testing.assert_allclose(ag.grad(rebuilt)(eye), 2 * eye, atol=1e-15)
    np.testing.assert_allclose(ag.grad(lambda m: np.sum(np.linalg.svdvals(m) ** 3))(turn), 3 * turn, atol=1e-15)
    np.testing.assert_allclose(ag.grad(lambda m: np.linalg.norm(m, "nuc"))(turn), turn, atol=1e-15)


def test_the_gradient_by_a_symmetric_matrix_is_symmetric():
    m = ARRAYS["m"] + ARRAYS["m"].T
    for f in (lambda x: np.linalg.eigh(x).eigenvectors[0, 1], lambda x: np.linalg.pinv(x, hermitian=True)[0, 1]):
        g = ag.grad(f)(m)
        np.testing.assert_array_equal(g, g.T)
        assert np.abs(g).max() > 0.01
