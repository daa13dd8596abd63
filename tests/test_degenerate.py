"""Derivatives where a formula divides 0 by 0: what is defined is right, at first and second order, what is not is nan."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, errors

INF, NAN = np.inf, np.nan
BASES = [0.0, -0.0, 1.0, 2.0, -1.5, INF, -INF, NAN]

# d/da a**b at the bases above.
BY_BASE = {
    0.0: [0, 0, 0, 0, 0, 0, 0, 0],
    1.0: [1, 1, 1, 1, 1, 1, 1, 1],
    2.0: [0, 0, 2, 4, -3, INF, -INF, NAN],
    3.0: [0, 0, 3, 12, 6.75, INF, INF, NAN],
    0.5: [INF, INF, 0.5, 0.5 / np.sqrt(2), NAN, 0, 0, NAN],
    -1.0: [-INF, -INF, -1, -0.25, -1 / 2.25, 0, 0, NAN],
}
EXPONENTS = {
    "number": lambda b: b,
    "int": int,
    "NumPy scalar": np.float64,
    "array": lambda b: np.full(len(BASES), b),
    "array of integers": lambda b: np.full(len(BASES), int(b)),
    "Tensor": Tensor,
    "variable": lambda b: Tensor(np.full(len(BASES), b), requires_grad=True),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", EXPONENTS)
@pytest.mark.parametrize("b", BY_BASE)
def test_powers_by_their_base(b, kind):
    if "int" in kind and b not in (0.0, 1.0, 2.0, 3.0):
        b = 0.0
    exponent = EXPONENTS[kind](b)
    found = ag.grad(lambda x: (x**exponent).sum())(np.array(BASES))
    np.testing.assert_allclose(np.asarray(found), BY_BASE[b], rtol=1e-14)
    pushed = ag.jvp(lambda x: x**exponent, (np.array(BASES),), (np.ones(8),))[1]
    np.testing.assert_allclose(np.asarray(pushed), BY_BASE[b], rtol=1e-14)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("b", BY_BASE)
def test_powers_by_their_base_compiled(b, backend):
    for exponent in (b, np.full(8, b)):
        step = ag.compile(lambda x, exponent=exponent: ag.grad(lambda x: (x**exponent).sum())(x), backend=backend)
        found = step(Tensor(BASES))
        np.testing.assert_allclose(found.data, BY_BASE[b], rtol=1e-14)
    varying = ag.compile(lambda x, b: ag.grad(lambda x: (x**b).sum())(x), backend=backend)
    for other in (2.0, 3.0, b, b):
        np.testing.assert_allclose(varying(Tensor(BASES), other).data, BY_BASE[other], rtol=1e-14)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("a", "expected"),
    [(0.0, [0, 0, 0, 0]), (1.0, [0, 0, 0, 0]), (2.0, np.log(2) * np.array([1, 2, 0.5, np.sqrt(2)])),
     (-1.5, [NAN] * 4), (INF, [INF, INF, 0, INF]), (NAN, [NAN] * 4)],
)  # fmt: skip
def test_powers_by_their_exponent(a, expected):
    exponents = np.array([0.0, 1.0, -1.0, 0.5])
    wanted = np.array(expected, float)
    for base in (a, np.float64(a), np.full(4, a), Tensor(a)):
        found = np.asarray(ag.grad(lambda b, base=base: (base**b).sum())(exponents))
        defined = (exponents >= 0) | (a != 0)  # 0 ** -1 is infinite
        np.testing.assert_allclose(found[defined], wanted[defined], rtol=1e-14)


def test_second_derivatives_of_powers_where_the_exponent_is_zero():
    h = ag.hessian(lambda p: p[0] ** p[1])(np.array([2.0, 0.0]))
    np.testing.assert_allclose(h, [[0, 0.5], [0.5, np.log(2) ** 2]], rtol=1e-14)
    h = ag.hessian(lambda p: p[0] ** p[1])(np.array([3.0, 1.0]))
    np.testing.assert_allclose(h, [[0, 1 + np.log(3)], [1 + np.log(3), 3 * np.log(3) ** 2]], rtol=1e-14)
    assert ag.hessian(lambda x: (x**0).sum())(np.array([0.0, 2.0])).tolist() == [[0, 0], [0, 0]]
    assert ag.hessian(lambda x: (x**2).sum())(np.array([0.0, 2.0])).tolist() == [[2, 0], [0, 2]]


# ----- norms -----
NORMS = {
    "norm": ag.norm,
    "norm of rows": lambda x: ag.norm(ag.reshape(x, (1, -1)), axis=1).sum(),
    "np.linalg.norm": np.linalg.norm,
    "ord 2": lambda x: np.linalg.norm(x, 2),
    "ord 3": lambda x: np.linalg.norm(x, 3),
    "ord 1.5": lambda x: np.linalg.norm(x, 1.5),
    "Frobenius": lambda x: np.linalg.norm(ag.reshape(x, (1, -1)), "fro"),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_at_zero_have_no_second_derivative(name):
    f, zero = NORMS[name], np.zeros(3)
    assert ag.grad(f)(zero).tolist() == [0, 0, 0]
    assert ag.grad(lambda x: f(x) ** 2)(zero).tolist() == [0, 0, 0]
    assert np.isnan(ag.hessian(lambda x: f(x) ** 2)(zero)).all()
    assert np.isnan(ag.hvp(f, zero, np.ones(3))).all()
    x = np.array([2.0, -1.0, 2.0])
    if name not in ("ord 3", "ord 1.5"):
        np.testing.assert_allclose(ag.hessian(lambda x: f(x) ** 2)(x), 2 * np.eye(3), atol=1e-14)


def test_rows_that_are_zero_do_not_disturb_the_others():
    x = np.array([[0.0, 0.0], [3.0, 4.0]])
    h = ag.hvp(lambda x: ag.norm(x, axis=1).sum(), x, np.array([[1.0, 1.0], [4.0, -3.0]]))
    assert np.isnan(h[0]).all()
    np.testing.assert_allclose(h[1], [0.8, -0.6], rtol=1e-14)


# ----- results that cannot change smoothly -----
NO_FLOATS = {
    "allclose": lambda x: np.allclose(x, x),
    "a comparison": lambda x: x[0] > 0,
    "all": lambda x: (x > 0).all() if isinstance(x, np.ndarray) else np.all(x > 0),
    "argmax": lambda x: ag.argmax(x),
    "a cast": lambda x: ag.astype(x, int).sum(),
    "an int": lambda x: 3,
    "a bool": lambda x: True,
    "a NumPy integer": lambda x: np.int64(3),
    "a length": lambda x: len(x),
    "an integer Tensor": lambda x: Tensor(3),
}
ASKED = {
    "grad": lambda f, x: ag.grad(f)(x),
    "value_and_grad": lambda f, x: ag.value_and_grad(f)(x),
    "vjp": lambda f, x: ag.vjp(f, x),
    "jvp": lambda f, x: ag.jvp(f, (x,), (x,)),
    "jacobian": lambda f, x: ag.jacobian(f)(x),
    "hessian": lambda f, x: ag.hessian(f)(x),
    "hvp": lambda f, x: ag.hvp(f, x, x),
    "grad of a container": lambda f, x: ag.grad(lambda p: f(p["x"]))({"x": x}),
    "compiled": lambda f, x: ag.compile(ag.grad(f), backend="numpy")(x),
}


NEED_VALUES = ("allclose", "all")  # refused by a trace for that reason


@pytest.mark.parametrize(
    ("name", "asked"), [(n, a) for n in NO_FLOATS for a in ASKED if not (a == "compiled" and n in NEED_VALUES)]
)
def test_functions_without_a_derivative_are_refused(name, asked):
    with pytest.raises(errors.DTypeError, match="which has no derivative: return a float"):
        ASKED[asked](NO_FLOATS[name], np.array([1.0, 2.0]))


def test_integers_beside_floats_are_results_like_others():
    y, pullback = ag.vjp(lambda x: {"loss": (x * x).sum(), "count": 3, "right": x > 0}, np.array([1.0, 2.0]))
    assert y["count"] == 3
    found = pullback({"loss": 1.0, "count": 0, "right": np.zeros(2)})[0]
    assert found.tolist() == [2, 4]
