"""gradcheck: right functions pass, wrong ones fail with the operation, argument, element and line; kinks are reported."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, gradcheck
from autograd.core import errors
from autograd.core.custom import unlisted
from autograd.core.primitive import REGISTRY

from .samples import NONE, SAMPLES

X = np.array([0.7, -1.2, 0.4])
W = np.array([[2.0, -1.0, 0.5], [0.3, 1.5, -0.7], [1.1, 0.2, 0.9]])

RIGHT = {
    "analytic": lambda x: ag.tanh(W @ x) * ag.exp(x),
    "composite": lambda x: ag.log_softmax(x) * ag.norm(x),
    "kinked": lambda x: ag.relu(x) * ag.abs(x) + ag.maximum(x, 0.1),
    "no complex forward": lambda x: ag.erf(x) + ag.floor(x) * x,
    "linear algebra": lambda x: ag.solve(W + ag.outer(x, x), x),
    "several outputs": lambda x: {"a": x[1:] ** 2, "n": 3, "b": (x.sum(), ag.argmax(x))},
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_functions_pass(name):
    checked = gradcheck(RIGHT[name], X)
    assert checked.elements > 3 and checked.kinks == ()


def test_containers_and_integers():
    p = {"w": Tensor(W.astype(np.float32)), "b": [1.5, X], "n": 2}
    assert gradcheck(lambda p, k: ag.sin(p["w"] @ p["b"][1] * p["b"][0]) ** p["n"] * k, p, 3).elements > 13


def test_large_arguments_are_sampled():
    x = np.linspace(-1, 1, 500)
    assert gradcheck(lambda x: ag.tanh(x).sum(), x, order=1, samples=10).elements == 11


def test_kinks_are_reported_and_left_out():
    checked = gradcheck(lambda x: ag.relu(x), np.array([1.0, 0.0, 1e-5, -1.0]), order=1)
    assert checked.kinks == (("argument 0", (1,)), ("argument 0", (2,)))
    assert checked.elements == 2 and "kinks: argument 0 at [1], argument 0 at [2]" in str(checked)


@ag.primitive(vjps=[lambda g, y, x: g * 3 * x**2 * np.array([1, 1, 1.5])])
def wrong_cube(x):
    return x**3


@ag.primitive(vjps=[lambda g, y, a, b: g * b, lambda g, y, a, b: g * a * 1.001])
def wrong_mul(a, b):
    return a * b


def value(x):
    return x.data if isinstance(x, Tensor) else x


@ag.primitive(vjps=[lambda g, y, x: g * 3 * value(x) ** 2])
def once_cube(x):
    return x**3


def test_a_wrong_rule_is_named_with_its_element_and_line():
    def f(x):
        y = ag.tanh(x)
        z = wrong_cube(y)
        return z * 2

    wanted = (
        r"derivative of f by argument 0 is .* at \[2\] where .* is measured.*"
        r"rule of 'wrong_cube' for its argument 0, recorded at .*test_gradcheck.py:%d, gives .* at \[2\]"
    )
    with pytest.raises(errors.GradientError, match=wanted % (f.__code__.co_firstlineno + 2)):
        gradcheck(f, X)


def test_an_operation_checked_by_itself_is_named_too():
    with pytest.raises(errors.GradientError, match="rule of 'wrong_cube' for its argument 0"):
        gradcheck(wrong_cube, X)


def test_the_argument_of_the_operation_is_named():
    with pytest.raises(errors.GradientError, match=r"rule of 'wrong_mul' for its argument 1"):
        gradcheck(lambda x: wrong_mul(ag.exp(x), ag.sin(x)), X)
    with pytest.raises(errors.GradientError, match=r"by argument 1 is"):
        gradcheck(wrong_mul, X, X)


def test_a_rule_that_is_right_only_once():
    assert gradcheck(once_cube, X, order=1).elements == 3
    with pytest.raises(errors.GradientError, match=r"second derivative of .*derivative of the rule of 'once_cube'"):
        gradcheck(lambda x: once_cube(x * 2), X)


def test_what_is_hidden_from_the_tape():
    with pytest.raises(errors.GradientError, match=r"Every recorded operation is right.*detach"):
        gradcheck(lambda x: x * x.detach(), X)


@ag.primitive(vjps=[lambda g, y, x: g * 3 * x**2 * 1.01])
def rough_cube(x):
    return x**3


def single(f):
    return lambda x: ag.astype(f(ag.astype(x, np.float32)), np.float64)


def test_functions_that_compute_in_single_precision_get_wider_tolerances():
    for f in (lambda x: ag.tanh(x) * x, lambda x: ag.log_softmax(x).sum(), lambda x: ag.relu(x) / (x * x + 1)):
        checked = gradcheck(single(f), X)
        assert checked.kinks == () and checked.elements >= 7
        assert checked.notes == ("the function computes in single precision: tolerance 0.001",)
    with pytest.raises(errors.GradientError, match="rule of 'rough_cube'"):
        gradcheck(single(rough_cube), X)
    kinked = gradcheck(single(lambda x: ag.abs(x)), np.array([1.0, 0.0, -1.0]), order=1)
    assert kinked.kinks == (("argument 0", (1,)),)


def test_single_precision_arguments_are_checked_in_double_and_that_is_said():
    checked = gradcheck(lambda a, b: ag.sin(a) * b, X.astype(np.float32), X)
    assert checked.notes == ("argument 0 came in less than double precision and was checked in double",)
    assert "note: argument 0 came in less" in str(checked)
    assert gradcheck(ag.sin, X).notes == ()


def test_zeros_are_noted():
    checked = gradcheck(lambda p, x: ag.tanh(x @ p["w"] + p["b"]), {"b": np.zeros(2), "w": np.ones((3, 2))}, X)
    assert checked.notes == ("argument 0, leaf 0 is all zero, which hides mistakes in what is multiplied by it",)


def test_random_functions_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(errors.ArgumentError, match="different values at the same point"):
        gradcheck(lambda x: x * rng.random(3), X)


def test_bad_calls_are_refused():
    with pytest.raises(errors.DTypeError, match="no argument holds floats"):
        gradcheck(lambda x: x, np.arange(3))
    with pytest.raises(errors.ArgumentError, match="order=3"):
        gradcheck(ag.sin, X, order=3)


@ag.primitive(vjps=[lambda g, y, x: g * y * (1 + ag.log(x))])
def self_power(x):
    return x**x


def test_a_right_primitive_of_the_user_passes():
    assert gradcheck(self_power, X + 3).elements == 9


def point(name):
    """The first sample of a primitive that has floats, as positional arguments and settings."""
    for case in SAMPLES[name].cases:
        arrays, settings = case.draw(np.float64, seed=3)
        if any(isinstance(a, np.ndarray | np.generic) and a.dtype.kind == "f" for a in arrays):
            return arrays, settings
    raise AssertionError(name)


# cholesky reads one triangle of a matrix that it takes to be symmetric; single elements cannot be moved.
CHECKED = sorted(name for name, sample in SAMPLES.items() if sample.kind != NONE and name != "cholesky")


@pytest.mark.parametrize("name", CHECKED)
def test_every_primitive_passes(name):
    arrays, settings = point(name)
    assert gradcheck(lambda *xs: REGISTRY[name](*xs, **settings), *arrays).kinks == ()


@pytest.mark.parametrize("name", CHECKED)
def test_every_primitive_fails_with_a_rule_that_is_a_thousandth_off(name):
    primitive = REGISTRY[name]

    def off(index):
        rule = primitive.rule(index)
        return rule and (lambda g, y, *arrays, **settings: rule(g, y, *arrays, **settings) * 1.001)

    arrays, settings = point(name)
    wrong = unlisted(f"{name}_off", primitive.forward, off, shape=primitive.shape)
    with pytest.raises(errors.GradientError, match=f"rule of '{name}_off'"):
        gradcheck(lambda *xs: wrong(*xs, **settings) * 2.0, *arrays)
