"""Python numbers in compiled steps: where they divide by zero, overflow, become complex or outgrow machine integers."""

import contextlib
import itertools
import math
import types

import numpy as np
import pytest

import autograd as ag
from autograd.core.errors import TraceError

X = np.arange(1.0, 4.0)
BACKENDS = ("numpy", "native")
FLOATS = (0.5, 0.0, -0.0, -2.0, 3.0, 1e200, -1e200, math.inf, math.nan)
ONE = {
    "1 / x": lambda x: 1 / x,
    "x / (x - 3)": lambda x: x / (x - 3.0),
    "x // 0.": lambda x: 1 // x,
    "x % 0": lambda x: 7.5 % x,
    "x ** .5": lambda x: x**0.5,
    "x ** -1": lambda x: x**-1,
    "x ** 2": lambda x: x**2,
    "2 ** x": lambda x: 2.0**x,
    "(-x) ** x": lambda x: (-x) ** x,
    "not used": lambda x: (1 / (x * 2 - 1), x + 1)[1],
    "with an array": lambda x: X * (1 / (x + 2)),
    "twice": lambda x: (1 / x + x**1.5, abs(-x) * 2),
    "harmless": lambda x: (x / 4 + 3 * x - 1) * X,
}
TWO = {
    "x / y": lambda x, y: x / y,
    "x // y": lambda x, y: x // y,
    "x % y": lambda x, y: x % y,
    "x ** y": lambda x, y: x**y,
    "x / (x - y)": lambda x, y: x / (x - y),
}


def outcome(function, *args):
    """What a call gives, or which error."""
    try:
        with np.errstate(all="ignore"):
            result = function(*args)
    except Exception as error:
        return type(error)
    leaves = ag.tree.flatten(result)[0]
    return [(type(leaf), np.asarray(leaf).dtype, np.asarray(leaf).tobytes()) for leaf in leaves]


def same(got, right):
    """Equal; all nan are one."""
    if not isinstance(got, list) or not isinstance(right, list):
        return got == right
    return len(got) == len(right) and all(
        a[:2] == b[:2] and (a[2] == b[2] or np.allclose(*(np.frombuffer(v[2], v[1]) for v in (a, b)), equal_nan=True))
        for a, b in zip(got, right, strict=True)
    )


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ONE)
def test_a_float_argument_gives_what_python_gives(name, backend):
    step = ag.compile(ONE[name], backend=backend)
    for x in (*FLOATS, *reversed(FLOATS)):
        got, right = outcome(step, x), outcome(ONE[name], x)
        assert same(got, right), (x, got, right)
    assert step.trace_count <= 1


@pytest.mark.parametrize("name", TWO)
def test_two_float_arguments_give_what_python_gives(name):
    step = ag.compile(TWO[name], backend="numpy")
    for x, y in itertools.product(FLOATS, FLOATS):
        got, right = outcome(step, x, y), outcome(TWO[name], x, y)
        assert same(got, right), (x, y, got, right)


@pytest.mark.parametrize("backend", BACKENDS)
def test_floats_that_a_step_keeps_give_what_python_gives(backend):
    def make():
        state = types.SimpleNamespace(value=4.0)

        def step(x):
            state.value = state.value - 1.0
            return x * (1 / state.value)

        return step, state

    (plain, expected), (step, state) = make(), make()
    step = ag.compile(step, backend=backend)
    for _ in range(8):
        got, right = outcome(step, X), outcome(plain, X)
        assert same(got, right), (got, right)
        assert state.value == expected.value


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("start", [3, 3 * 10**9, (1 << 62) - 2])
def test_whole_numbers_of_any_size(backend, start):
    def make():
        state = types.SimpleNamespace(n=start)

        def step(x):
            state.n += 1
            return x * (state.n * state.n * state.n)

        return step, state

    (plain, expected), (step, state) = make(), make()
    step = ag.compile(step, backend=backend)
    for _ in range(6):
        np.testing.assert_array_equal(step(X), plain(X))
        assert state.n == expected.n


@pytest.mark.parametrize("backend", BACKENDS)
def test_loops_over_steps_meet_python_numbers_too(backend):
    step = ag.compile(lambda x, y: x * (1 / y), backend=backend)
    np.testing.assert_array_equal(step.repeat(3, X, 4.0), [X / 4] * 3)
    with pytest.raises(ZeroDivisionError):
        step.repeat(3, X, 0.0)
    np.testing.assert_array_equal(step.repeat(3, X, 2.0), [X / 2] * 3)


# ----- what NumPy is told to do about errors -----
def seterr(x):
    before = np.seterr(divide="raise")
    try:
        return 1 / x
    finally:
        np.seterr(**before)


def under(**settings):
    def step(x):
        with np.errstate(**settings):
            return np.log(x)

    return step


def decorated(x):
    return np.errstate(invalid="raise")(lambda y: np.sqrt(y))(x)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "step", [seterr, decorated, under(all="raise"), under(divide="call", call=print), under(all="warn")]
)
def test_errors_that_a_step_asks_numpy_for_are_refused(step, backend):
    compiled = ag.compile(step, backend=backend)
    for _ in range(2):
        with pytest.raises(TraceError, match=r"np\.errstate"):
            compiled(X)


def test_a_step_may_tell_numpy_to_ignore_errors():
    step = ag.compile(under(all="ignore"), backend="numpy")
    for x in (X, X * 0, -X):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(step(x), np.log(x))


def test_errors_asked_for_outside_of_the_computation_are_no_matter():
    def step(x):
        with np.errstate(all="raise"), contextlib.suppress(FloatingPointError):
            limit = 1.0
        return x * limit

    compiled = ag.compile(step)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(X), X)


# ----- primitives of the user's that give Python's numbers -----
@ag.primitive(vjps=[lambda g, y, x: g * np.ones(3)])
def total(x):
    return float(sum(x))


@ag.primitive(vjps=[None])
def count(x):
    return len(x)


@ag.primitive(vjps=[None])
def any_negative(x):
    return bool(min(x) < 0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("operation", [total, count, any_negative])
@pytest.mark.parametrize("use", [lambda y, x: y, lambda y, x: x * y, lambda y, x: (y, y * 2, y / 0.0)])
def test_numbers_of_primitives_are_numpys_everywhere(use, operation, backend):
    def step(x):
        return use(operation(x), x)

    compiled = ag.compile(step, backend=backend)
    for _ in range(3):
        got, right = outcome(compiled, X), outcome(step, X)
        assert isinstance(right, list)
        assert same(got, right)


def test_a_primitive_that_gives_a_float_has_a_gradient():
    np.testing.assert_array_equal(ag.grad(total)(X), np.ones(3))
    assert ag.Tensor(X, requires_grad=True).sum().dtype == total(ag.Tensor(X, requires_grad=True)).dtype
    with pytest.raises(ag.core.errors.SignatureError):
        total(X, axis=0)
