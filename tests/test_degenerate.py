"""Derivatives where a formula divides 0 by 0: what is defined is right, at first and second order, what is not is nan."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors

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


# ----- decompositions where values coincide -----
RNG = np.random.default_rng(0)
Q3, Q4 = (np.linalg.qr(RNG.normal(size=(n, n)))[0] for n in (3, 4))
C3, C42 = RNG.normal(size=(3, 3)), RNG.normal(size=(4, 2))


def function_of(A, f):
    w, U = np.linalg.eigh(A)
    return (U * f(w)) @ U.T


def factors(A, f):
    U, S, Vh = np.linalg.svd(A, full_matrices=False)
    return (U * f(S)) @ Vh


SYMMETRIC = {
    "diagonal": np.diag([2.0, 2.0, 5.0]),
    "turned": Q3 @ np.diag([2.0, 2.0, 5.0]) @ Q3.T,
    "identity": np.eye(3),
    "twice two": Q4 @ np.diag([1.0, 1.0, 3.0, 3.0]) @ Q4.T,
    "zero": np.zeros((3, 3)),
    "all different": Q3 @ np.diag([1.0, 2.0, 4.0]) @ Q3.T,
}
# Functions of a symmetric matrix, which do not depend on the choice of vectors.
OF_SYMMETRIC = {
    "exp": lambda A: (function_of(A, np.exp) * C3.sum()).sum() + (function_of(A, np.exp)[:3, :3] * C3).sum(),
    "square": lambda A: function_of(A, lambda w: w * w)[0, 1],
    "the matrix itself": lambda A: function_of(A, lambda w: w)[0, 1],
    "logarithm at the identity": lambda A: function_of(A, lambda w: np.log(1 + w * w))[0, 1],
    "sum of squares": lambda A: (np.linalg.eigvalsh(A) ** 2).sum(),
    "sum of exps": lambda A: np.exp(np.linalg.eigvalsh(A)).sum(),
    "product": lambda A: np.prod(np.linalg.eigvalsh(A)),
    "values of eigh": lambda A: np.sin(np.linalg.eigh(A)[0]).sum(),
    "a projection that is not split": lambda A: (np.linalg.eigh(A)[1] ** 2).sum(),
}


def difference(f, A, B, h=2.0**-6):
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    return sum(c * (np.asarray(f(A + k * h * B)) - np.asarray(f(A - k * h * B))) for k, c in weights.items()) / h


@pytest.mark.parametrize("where", SYMMETRIC)
@pytest.mark.parametrize("name", OF_SYMMETRIC)
def test_what_does_not_depend_on_the_choice_of_eigenvectors(name, where):
    f, A = OF_SYMMETRIC[name], SYMMETRIC[where]
    rng = np.random.default_rng(3)
    B, K = (x + x.T for x in rng.normal(size=(2, *A.shape)) / 4)
    g = ag.grad(f)(A)
    expected = difference(f, A, B)
    assert (g * B).sum() == pytest.approx(expected, rel=1e-7, abs=1e-7)
    x = Tensor(A, requires_grad=True)
    f(x).backward()
    np.testing.assert_allclose(x.grad, g, rtol=1e-12, atol=1e-12)
    second = difference(lambda A: (ag.grad(f)(A) * K).sum(), A, B)
    assert (ag.hvp(f, A, K) * B).sum() == pytest.approx(second, rel=1e-6, abs=1e-6)
    if where == "diagonal":
        assert np.einsum("ij,ijkl,kl", K, ag.hessian(f)(A), B) == pytest.approx(second, rel=1e-6, abs=1e-6)


def test_the_rows_of_the_table():
    assert ag.hessian(lambda A: (np.linalg.eigvalsh(A) ** 2).sum())(np.eye(2))[0, 1].tolist() == [[0, 1], [1, 0]]
    np.testing.assert_allclose(
        ag.grad(lambda A: factors(A, lambda s: s)[0, 1])(np.eye(2)), [[0, 1], [0, 0]], atol=1e-15
    )
    turned = ag.grad(lambda A: factors(A, lambda s: s * 0 + 1)[0, 1])(2 * np.eye(2))
    np.testing.assert_allclose(turned, [[0, 0.25], [-0.25, 0]], atol=1e-15)
    g = ag.grad(lambda A: function_of(A, np.exp)[0, 1])(np.diag([2.0, 2.0, 5.0]))
    assert g[0, 1] + g[1, 0] == pytest.approx(np.exp(2.0), rel=1e-12)


RECTANGLES = {
    "equal": np.eye(4, 2),
    "turned": Q4[:, :2] * 3.0,
    "wide": np.eye(2, 4) * 2.0,
    "square": np.eye(3),
    "three of four": Q4 @ np.diag([2.0, 2.0, 2.0, 1.0]) @ Q4,
    "one is zero": np.outer([1.0, 2.0, -1.0], [1.0, 2.0]),
    "wide, one is zero": np.outer([1.0, 2.0], [1.0, 2.0, -1.0]),
    "zero": np.zeros((3, 2)),
    "all different": C42,
}


@pytest.mark.parametrize("where", RECTANGLES)
def test_odd_functions_of_singular_values_do_not_depend_on_the_vectors(where):
    A = RECTANGLES[where]
    rng = np.random.default_rng(5)
    B, K, C = rng.normal(size=(3, *A.shape)) / 4
    g = ag.grad(lambda A: (factors(A, lambda s: s) * C).sum())(A)
    np.testing.assert_allclose(g, C, rtol=1e-12, atol=1e-12)
    cubic = lambda A: (factors(A, lambda s: s**3 - s) * C).sum()  # noqa: E731
    plain = lambda A: ((A @ A.T @ A - A) * C).sum()  # noqa: E731
    np.testing.assert_allclose(ag.grad(cubic)(A), ag.grad(plain)(A), rtol=1e-10, atol=1e-12)
    squares = lambda A: (np.linalg.svd(A, compute_uv=False) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(ag.grad(squares)(A), 2 * A, rtol=1e-12, atol=1e-12)
    if "zero" not in where:
        np.testing.assert_allclose(ag.hvp(cubic, A, K), ag.hvp(plain, A, K), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(ag.hvp(squares, A, K), 2 * K, rtol=1e-9, atol=1e-10)
        polar = lambda A: (factors(A, lambda s: s * 0 + 1) * C).sum()  # noqa: E731
        assert (ag.grad(polar)(A) * B).sum() == pytest.approx(difference(polar, A, B), rel=1e-7, abs=1e-8)


CHOSEN = {
    "an entry of a vector": lambda A: np.linalg.eigh(A)[1][0, 0],
    "another entry": lambda A: np.linalg.eigh(A)[1][1, 0],
    "one projection": lambda A: np.linalg.eigh(A)[1][0, 0] ** 2,
    "two entries": lambda A: (np.linalg.eigh(A)[1][:, 0] * np.array([1.0, 2.0, 3.0])[: len(A)]).sum(),
    "weighted vectors": lambda A: (np.linalg.eigh(A)[1] ** 2 * np.arange(len(A) ** 2).reshape(A.shape) ** 2).sum(),
    "left vectors alone": lambda A: np.linalg.svd(A)[0][0, 0],
}


@pytest.mark.parametrize("name", CHOSEN)
def test_what_depends_on_the_choice_of_vectors_is_nan(name):
    assert np.isnan(ag.grad(CHOSEN[name])(2 * np.eye(2))).any()
    assert np.isnan(ag.grad(CHOSEN[name])(2 * np.eye(3))).any()
    assert np.isfinite(ag.grad(CHOSEN[name])(np.diag([1.0, 2.0]))).all()


@pytest.mark.parametrize(
    "f",
    [lambda A: np.linalg.eigvalsh(A)[0], lambda A: np.linalg.eigh(A)[0][1], lambda A: np.linalg.svd(A)[1][0],
     lambda A: (np.linalg.svdvals(A) * np.array([1.0, 2.0])).sum()],
)  # fmt: skip
def test_a_single_one_of_equal_values_warns(f):
    with pytest.warns(RuntimeWarning, match=r"test_degenerate.py:\d+: .*depends on the choice of vectors"):
        ag.grad(f)(2 * np.eye(2))


def test_the_largest_of_equal_values_shares_its_gradient():
    np.testing.assert_allclose(ag.grad(lambda A: np.linalg.eigvalsh(A).max())(np.eye(2)), np.eye(2) / 2, atol=1e-15)
    np.testing.assert_allclose(ag.grad(lambda A: np.linalg.norm(A, 2))(np.eye(2)), np.eye(2) / 2, atol=1e-15)


@pytest.mark.parametrize("name", ["exp", "square"])
def test_forward_mode_and_programs_say_nan(name):
    f, A = OF_SYMMETRIC[name], np.eye(3)
    assert np.isnan(ag.jvp(f, (A,), (C3 + C3.T,))[1])
    assert np.isnan(np.asarray(ag.compile(ag.grad(f), backend="numpy")(Tensor(A)).data)).any()
    assert np.isnan(ag.vmap(ag.grad(f))(A[None])).any()
    values = lambda A: (np.linalg.eigvalsh(A) ** 2).sum()  # noqa: E731
    np.testing.assert_allclose(ag.compile(ag.grad(values), backend="numpy")(Tensor(A)).data, 2 * A, atol=1e-14)
    np.testing.assert_allclose(ag.vmap(ag.grad(values))(A[None])[0], 2 * A, atol=1e-14)
    assert ag.jvp(values, (A,), (C3 + C3.T,))[1] == pytest.approx(4 * np.trace(C3), rel=1e-12)


def test_stacks_of_matrices_are_singular_each_by_itself():
    A = np.stack([np.diag([2.0, 2.0, 5.0]), np.diag([1.0, 3.0, 3.0]), np.diag([1.0, 2.0, 4.0])])

    def f(A):
        w, U = np.linalg.eigh(A)
        return ((U * np.exp(w)[..., None, :]) @ np.swapaxes(U, -1, -2) * C3).sum()

    single = np.stack([ag.grad(f)(a) for a in A])
    np.testing.assert_allclose(ag.grad(f)(A), single, rtol=1e-12, atol=1e-12)


def test_a_pass_that_takes_limits_frees_and_keeps_like_any_other():
    x = Tensor(np.eye(3), requires_grad=True)
    h = x * 2.0
    y = function_of(h, np.exp)[0, 1]
    with ag.keep_grads():
        y.backward()
    assert type(h.grad) is np.ndarray
    first = x.grad.copy()
    y.backward()
    np.testing.assert_allclose(x.grad, 2 * first)
    with pytest.raises(errors.GraphError, match="already freed"):
        y.backward()


@pytest.mark.parametrize("point", [(0.0, 0.0), (0.0, 2.0), (-3.0, 4.0)], ids=str)
def test_hypot_at_zero_has_no_second_derivative(point):
    def f(x):
        return np.hypot(x[0], x[1]) ** 2

    found = ag.hessian(f)(np.array(point))
    np.testing.assert_allclose(found, 2 * np.eye(2) if any(point) else np.full((2, 2), NAN), atol=1e-14)
    np.testing.assert_allclose(ag.grad(f)(np.array(point)), 2 * np.array(point))
