"""The checkers are checked: a rule that is wrong in a known way must be caught, and right ones must not be."""

import numpy as np
import pytest

import autograd as ag
from autograd.core.errors import GraphError
from autograd.core.ops.elementwise import stop_gradient
from autograd.core.ops.shape import broadcast_to_p, getitem, getitem_p, scatter_add_p
from autograd.core.primitive import REGISTRY

from .oracle import TOLERANCE, central, check_first_order, check_second_order, complex_step
from .samples import SAMPLES

FIRST, SECOND = check_first_order, check_second_order


def right(name, index=0):
    return REGISTRY[name].rule(index)


def first_of_repeats(g, y, x, *arrays, index):
    """The gradient of x[[0, 0, 2]] that forgets to add repeated indices up."""
    out = np.zeros(x.shape)
    out[tuple(arrays) if arrays else index] = g
    return out


# name, index of the wrong rule, the wrong rule, which check must catch it
WRONG = [
    pytest.param("mul", 0, lambda g, y, a, b: 1.001 * g * b, FIRST, id="off by 0.1 %"),
    pytest.param("tanh", 0, lambda g, y, x: g * (1 - y * y) * 1.001, FIRST, id="off by 0.1 %, one argument"),
    pytest.param("softplus", 0, lambda g, y, x: 1.001 * g * ag.sigmoid(x), FIRST, id="off by 0.1 %, differences"),
    pytest.param("mul", 0, lambda g, y, a, b: g * a, FIRST, id="the wrong operand"),
    pytest.param("div", 1, lambda g, y, a, b: g * y / b, FIRST, id="the wrong sign"),
    pytest.param("sub", 1, lambda g, y, a, b: g, FIRST, id="the sign forgotten"),
    pytest.param("sum", 0, lambda g, y, x, *, axis, keepdims: g, FIRST, id="the broadcast forgotten"),
    pytest.param(
        "sum", 0, lambda g, y, x, *, axis, keepdims: broadcast_to_p(g.ravel()[:1], shape=x.shape), FIRST, id="along no axis"
    ),
    pytest.param(
        "broadcast_to", 0, lambda g, y, x, *, shape: getitem(g, (0,) * (g.ndim - x.ndim)), FIRST, id="the sum forgotten"
    ),
    pytest.param("matmul", 0, lambda g, y, a, b: g @ b, FIRST, id="a transpose forgotten"),
    pytest.param("getitem", 0, first_of_repeats, FIRST, id="repeated indices overwritten"),
    pytest.param("max", 0, lambda g, y, x, *, axis, keepdims: g * np.ones(x.shape), FIRST, id="also to the losers"),
    pytest.param("relu", 0, lambda g, y, x: g * (x > -10), FIRST, id="the kink forgotten"),
    pytest.param("cumsum", 0, lambda g, y, x, *, axis: ag.cumsum(g, axis), FIRST, id="the wrong direction"),
    pytest.param("exp", 0, lambda g, y, x: g * stop_gradient(y), SECOND, id="second order: output held constant"),
    pytest.param("mul", 0, lambda g, y, a, b: g * stop_gradient(b), SECOND, id="second order: operand held constant"),
    pytest.param(
        "sum", 0, lambda g, *rest, **axes: right_sum(stop_gradient(g), *rest, **axes), SECOND,
        id="second order: the cotangent held constant",
    ),
]  # fmt: skip
right_sum = right("sum")


@pytest.mark.parametrize(("name", "index", "rule", "check"), WRONG)
def test_a_wrong_rule_is_caught(monkeypatch, name, index, rule, check):
    primitive, sample = REGISTRY[name], SAMPLES[name]
    if primitive.variadic:
        monkeypatch.setattr(primitive, "vjps", lambda i: rule if i == index else None)
    else:
        monkeypatch.setattr(primitive, "vjps", tuple(rule if i == index else r for i, r in enumerate(primitive.vjps)))
    assert caught(check, primitive, sample)
    if check is SECOND:
        assert not caught(FIRST, primitive, sample), "meant to be wrong at second order only"


def caught(check, primitive, sample):
    """Whether a case fails the check, by its verdict, or because shapes do not fit or nothing was recorded."""
    for case in sample.cases:
        try:
            check(primitive, sample, case)
        except (AssertionError, ValueError, GraphError):
            return True
    return False


@pytest.mark.parametrize("name", sorted({case.values[0] for case in WRONG}))
def test_the_right_rule_passes(name):
    assert not caught(FIRST, REGISTRY[name], SAMPLES[name])
    assert not caught(SECOND, REGISTRY[name], SAMPLES[name])


def test_an_adjoint_pair_must_be_right_on_both_sides(monkeypatch):
    def twice(g, y, x, *arrays, index, shape):
        return 2 * getitem_p(g, *arrays, index=index)

    monkeypatch.setattr(scatter_add_p, "vjps", lambda i: twice if i == 0 else None)
    assert caught(FIRST, scatter_add_p, SAMPLES["scatter_add"])


# ----- the measuring itself -----
def test_the_complex_step_is_exact():
    x, v = np.array([0.5, 1.5]), np.array([1.0, -2.0])
    measured = complex_step(lambda a: np.sum(np.exp(a) * np.sin(a)), [x], [v])
    exact = np.sum(np.exp(x) * (np.sin(x) + np.cos(x)) * v)
    assert abs(measured - exact) <= 4 * np.finfo(float).eps * abs(exact)


def test_central_differences_are_exact_for_polynomials_of_degree_six():
    x, v = np.array([0.5, -1.25]), np.array([1.0, 0.5])
    measured = central(lambda a: np.sum(a**6 - a**3), [x], [v])
    assert abs(measured - np.sum((6 * x**5 - 3 * x**2) * v)) < 1e-12


def test_central_differences_leave_the_digits_that_the_tolerance_asks_for():
    x, v = np.array([0.5, 2.5]), np.array([1.0, 0.5])
    for f, derivative in ((np.exp, np.exp), (np.log, lambda a: 1 / a), (np.tanh, lambda a: 1 / np.cosh(a) ** 2)):
        assert abs(central(lambda a, f=f: np.sum(f(a)), [x], [v]) - np.sum(derivative(x) * v)) < 10 * TOLERANCE[False]


def test_arguments_without_a_direction_stand_still():
    for measure in (complex_step, central):
        assert measure(lambda a, b: a * b, [3.0, 5.0], [None, 1.0]) == pytest.approx(3.0, rel=1e-12)
