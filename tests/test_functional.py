"""Functions of functions: closed forms, nesting, containers, errors, tracing, primitives of the user, checkpoint."""

import math
import threading
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors

X = np.array([0.7, -1.2, 0.4])
A = np.array([[2.0, -1.0, 0.5], [0.3, 1.5, -0.7], [1.1, 0.2, 0.9]])
I3 = np.eye(3)
S = 1 / (1 + np.exp(-X))
R = np.sqrt(X @ X)
P = np.exp(X) / np.exp(X).sum()
ERF = np.array([math.erf(v) for v in X])
BELL = 2 / np.sqrt(np.pi) * np.exp(-X * X)


# Functions of each element, with their first and second derivatives at X.
POINTWISE = {
    "square": (lambda x: x * x, 2 * X, 2 + 0 * X),
    "cube": (lambda x: x**3, 3 * X**2, 6 * X),
    "inverse": (lambda x: 1 / x, -1 / X**2, 2 / X**3),
    "exp": (ag.exp, np.exp(X), np.exp(X)),
    "expm1": (ag.expm1, np.exp(X), np.exp(X)),
    "log": (lambda x: ag.log(x + 3), 1 / (X + 3), -1 / (X + 3) ** 2),
    "log1p": (lambda x: ag.log1p(x + 2), 1 / (X + 3), -1 / (X + 3) ** 2),
    "sqrt": (lambda x: ag.sqrt(x + 3), 0.5 * (X + 3) ** -0.5, -0.25 * (X + 3) ** -1.5),
    "sin": (ag.sin, np.cos(X), -np.sin(X)),
    "cos": (ag.cos, -np.sin(X), -np.cos(X)),
    "tan": (ag.tan, 1 / np.cos(X) ** 2, 2 * np.tan(X) / np.cos(X) ** 2),
    "arcsin": (
        lambda x: ag.arcsin(x / 2), 0.5 * (1 - X**2 / 4) ** -0.5, 0.125 * X * (1 - X**2 / 4) ** -1.5
    ),
    "arctan": (ag.arctan, 1 / (1 + X**2), -2 * X / (1 + X**2) ** 2),
    "sinh": (ag.sinh, np.cosh(X), np.sinh(X)),
    "cosh": (ag.cosh, np.sinh(X), np.cosh(X)),
    "tanh": (ag.tanh, 1 - np.tanh(X) ** 2, -2 * np.tanh(X) * (1 - np.tanh(X) ** 2)),
    "sigmoid": (ag.sigmoid, S * (1 - S), S * (1 - S) * (1 - 2 * S)),
    "softplus": (ag.softplus, S, S * (1 - S)),
    "erf": (ag.erf, BELL, -2 * X * BELL),
    "relu squared": (lambda x: ag.relu(x) ** 2, 2 * np.maximum(X, 0), 2.0 * (X > 0)),
    "abs cubed": (lambda x: ag.abs(x) ** 3, 3 * X * np.abs(X), 6 * np.abs(X)),
    "power of two": (lambda x: 2.0**x, np.log(2) * 2**X, np.log(2) ** 2 * 2**X),
    "silu": (
        ag.silu, S + X * S * (1 - S), S * (1 - S) * (2 + X * (1 - 2 * S))
    ),
    "gelu": (
        lambda x: ag.gelu(math.sqrt(2) * x),
        math.sqrt(2) / 2 * (1 + ERF + X * BELL),
        math.sqrt(2) * BELL * (1 - X * X),
    ),
}  # fmt: skip

# Functions to a number, with their gradients and Hessians at X.
CLOSED = {
    **{name: ((lambda x, f=f: f(x).sum()), d1, np.diag(d2)) for name, (f, d1, d2) in POINTWISE.items()},
    "quadratic form": (lambda x: x @ A @ x, (A + A.T) @ X, A + A.T),
    "norm": (ag.norm, X / R, (I3 - np.outer(X, X) / R**2) / R),
    "logsumexp": (ag.logsumexp, P, np.diag(P) - np.outer(P, P)),
    "product": (
        ag.prod,
        np.array([X[1] * X[2], X[0] * X[2], X[0] * X[1]]),
        np.array([[0, X[2], X[1]], [X[2], 0, X[0]], [X[1], X[0], 0]]),
    ),
    "variance": (ag.var, 2 / 3 * (X - X.mean()), 2 / 3 * (I3 - 1 / 3)),
    "squared sum": (lambda x: ag.sum(x) ** 2, 2 * X.sum() * np.ones(3), 2 * np.ones((3, 3))),
    "log determinant": (
        lambda x: ag.slogdet(ag.outer(x, x) + I3)[1],  # log(1 + x·x)
        2 * X / (1 + R**2),
        2 * I3 / (1 + R**2) - 4 * np.outer(X, X) / (1 + R**2) ** 2,
    ),
    "Rosenbrock": (
        lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
        np.array([-2 * (1 - X[0]) - 400 * X[0] * (X[1] - X[0] ** 2), 200 * (X[1] - X[0] ** 2), 0]),
        np.array([[2 - 400 * X[1] + 1200 * X[0] ** 2, -400 * X[0], 0], [-400 * X[0], 200, 0], [0, 0, 0]]),
    ),
}  # fmt: skip


def close(actual, expected):
    """Every entry right to 1e-12 of itself (where it is zero, of the largest)."""
    assert isinstance(actual, np.ndarray | np.generic) and actual.shape == np.shape(expected)
    size = np.where(expected == 0, np.max(np.abs(expected)), np.abs(expected))
    assert np.all(np.abs(actual - expected) <= 1e-12 * size)


def test_there_are_enough_closed_forms():
    assert len(CLOSED) >= 30 and len(JACOBIANS) >= 30


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms(name):
    f, gradient, hessian = CLOSED[name]
    v = np.array([1.0, -0.5, 2.0])
    close(ag.grad(f)(X), gradient)
    close(ag.jacobian(ag.grad(f))(X), hessian)
    close(ag.hessian(f)(X), hessian)
    close(ag.hvp(f, X, v), hessian @ v)
    close(ag.jvp(ag.grad(f), (X,), (v,))[1], hessian @ v)
    close(ag.jvp(f, (X,), (v,))[1], gradient @ v)
    close(ag.jacobian(f)(X), gradient)
    close(ag.grad(f)(Tensor(X)).data, gradient)


JACOBIANS = {
    **{name: (f, np.diag(d1)) for name, (f, d1, _) in POINTWISE.items()},
    "linear": (lambda x: A @ x, A),
    "elementwise": (ag.tanh, np.diag(1 - np.tanh(X) ** 2)),
    "softmax": (ag.softmax, np.diag(P) - np.outer(P, P)),
    "cumsum": (ag.cumsum, np.tril(np.ones((3, 3)))),
    "outer": (lambda x: ag.outer(x, x), np.einsum("ik,j->ijk", I3, X) + np.einsum("jk,i->ijk", I3, X)),
    "repeated index": (lambda x: x[np.array([0, 0, 2])], I3[[0, 0, 2]]),
}


@pytest.mark.parametrize("name", JACOBIANS)
def test_jacobians(name):
    f, expected = JACOBIANS[name]
    close(ag.jacobian(f)(X), expected)
    y, pullback = ag.vjp(f, X)
    u, v = np.cos(np.arange(y.size)).reshape(y.shape), np.array([1.0, -0.5, 2.0])
    close(y, f(X))
    close(pullback(u)[0], np.tensordot(u, expected, y.ndim))
    close(pullback(2 * u)[0], np.tensordot(2 * u, expected, y.ndim))
    close(ag.jvp(f, (X,), (v,))[1], expected @ v)


# ----- nesting -----
def test_five_derivatives_of_exp_sin():
    f = lambda x: ag.exp(ag.sin(x))  # noqa: E731
    g, s, c = f, math.sin(0.7), math.cos(0.7)
    for _ in range(5):
        g = ag.grad(g)
    # Faà di Bruno: exp(s) times the Bell polynomial of c, -s, -c, s, c.
    bell = c**5 - 10 * c**3 * s - 10 * c**3 + 15 * c * s**2 + 5 * c * s + 10 * c * s + c
    assert float(g(0.7)) == pytest.approx(math.exp(s) * bell, rel=1e-10)


def test_an_inner_derivative_is_not_confused_with_the_outer_one():
    assert float(ag.grad(lambda x: x * ag.grad(lambda y: x + y)(1.0))(1.0)) == 1
    assert float(ag.grad(lambda x: x * ag.grad(lambda y: x * y)(x))(3.0)) == 6
    assert float(ag.grad(lambda x: ag.grad(lambda y: x**2 * y**3)(2.0))(3.0)) == 2 * 3 * 3 * 4
    assert float(ag.grad(lambda x: ag.jvp(lambda y: x * y**2, (x,), (1.0,))[1])(3.0)) == 4 * 3
    assert float(ag.jvp(lambda x: x * ag.grad(lambda y: y * x)(x), (3.0,), (1.0,))[1]) == 6
    assert float(ag.grad(lambda t: ag.jvp(ag.sin, (0.0,), (t,))[1] ** 2)(3.0)) == 6


def test_a_pullback_and_a_hessian_product_can_be_differentiated():
    double = ag.grad(lambda x: ag.vjp(lambda y: y**3, x)[1](1.0)[0])
    assert float(double(2.0)) == 12
    close(ag.grad(lambda x: ag.sum(ag.hvp(lambda y: (y**4).sum(), x, np.ones(3))))(X), 24 * X)
    close(ag.grad(lambda x: ag.sum(ag.jacobian(lambda y: y**3)(x)))(X), 6 * X)


def test_a_gradient_penalty_reaches_the_parameters():
    w = Tensor(X, requires_grad=True)
    penalty = (ag.grad(lambda x: (ag.tanh(x * w)).sum())(Tensor([1.0, 1.0, 1.0])) ** 2).sum()
    penalty.backward()
    t = np.tanh(X)
    d = X * (1 - t**2)
    close(w.grad, 2 * d * (1 - t**2 - 2 * X * t * (1 - t**2)))


def test_tensors_that_require_no_gradient_give_results_without_history():
    value, gradient = ag.value_and_grad(lambda x: (x * x).sum())(Tensor(X))
    assert type(value) is type(gradient) is Tensor
    assert not value.requires_grad and not gradient.requires_grad
    x = Tensor(X, requires_grad=True)
    ag.grad(lambda x: (x**3).sum())(x).sum().backward()
    close(x.grad, 6 * X)
    with ag.no_grad():
        assert not ag.grad(lambda x: (x**3).sum())(x).requires_grad


def test_nothing_is_left_on_the_arguments_or_on_captured_tensors():
    x, w = Tensor(X, requires_grad=True), Tensor(X, requires_grad=True)
    ag.grad(lambda x: (x * w).sum())(x)
    assert x.grad is None and w.grad is None


# ----- containers and arguments -----
@dataclass
class Weights:
    w: object
    b: object


def test_containers():
    def f(p, scale):
        return (p["layer"].w * scale + p["layer"].b).sum() + p["bias"][0] ** 2

    given = {"layer": Weights(X, 2.0), "bias": (3.0, [X]), "n": 7, "name": "relu", "none": None}
    g = ag.grad(f)(given, 5.0)
    assert list(g) == list(given)
    close(g["layer"].w, 5 + 0 * X)
    assert float(g["layer"].b) == 3 and float(g["bias"][0]) == 6 and g["n"] is g["name"] is g["none"] is None
    close(g["bias"][1][0], 0 * X)
    h = ag.hessian(lambda p: (p["a"] * p["b"]).sum())({"a": X, "b": X})
    close(h["a"]["b"], I3)
    close(h["a"]["a"], 0 * I3)
    p = {"a": X, "n": 3}
    close(ag.hvp(lambda p: (p["a"] ** p["n"]).sum(), p, {"a": X, "n": None})["a"], 6 * X * X)


def test_argnums_and_keywords():
    f = lambda a, b, *, c: (a * b**2 * c).sum()  # noqa: E731
    close(ag.grad(f, 1)(X, X, c=2.0), 4 * X * X)
    a, b = ag.grad(f, (0, -1))(X, X, c=1.0)
    close(a, X**2)
    close(b, 2 * X * X)
    with pytest.raises(errors.ArgumentError, match=r"argnums=2 does not fit a call with 2"):
        ag.grad(f, 2)(X, X, c=1.0)
    for bad in ((1, -1), (), 1.0):  # twice the same argument, none, no position
        with pytest.raises(errors.ArgumentError, match="does not fit a call with 2"):
            ag.grad(f, bad)(X, X, c=1.0)


def test_outputs_in_containers():
    y, pullback = ag.vjp(lambda x: {"a": x * 2, "b": (x.sum(), 5.0)}, X)
    close(pullback({"a": X, "b": (1.0, 0.0)})[0], 2 * X + 1)
    _, dy = ag.jvp(lambda x: {"a": x * 2, "b": (x.sum(), 5.0)}, (X,), (X,))
    close(dy["a"], 2 * X)
    assert float(dy["b"][0]) == pytest.approx(X.sum()) and float(dy["b"][1]) == 0
    close(ag.jacobian(lambda x: (x * x, x.sum()))(X)[0], np.diag(2 * X))


def test_dtypes_stay():
    x = X.astype(np.float32)
    assert ag.grad(lambda x: ag.tanh(x).sum())(x).dtype == np.float32
    assert ag.hessian(lambda x: ag.tanh(x).sum())(x).dtype == np.float32
    assert ag.jvp(ag.tanh, (x,), (x,))[1].dtype == np.float32
    assert isinstance(ag.grad(lambda x: x * x)(2.0), np.float64)


def test_what_does_not_depend_has_gradient_zero():
    close(ag.grad(lambda x: 3.0)(X), 0 * X)
    close(ag.grad(lambda x, y: (y * y).sum())(X, X), 0 * X)
    close(ag.hessian(lambda x: (x * 2).sum())(X), 0 * I3)
    close(ag.hvp(lambda x: (x * 2).sum(), X, X), 0 * X)
    close(ag.jacobian(lambda x: np.ones(2))(X), np.zeros((2, 3)))


def test_results_are_the_callers_own():
    x, y = X.copy(), X.copy()
    gradient = ag.grad(lambda x, y: (x + y).sum(), (0, 1))(x, y)
    gradient[0][0] = 99
    assert gradient[1][0] == 1
    u = X.copy()
    given = ag.vjp(lambda x: x + 1, x)[1](u)[0]
    given[0] = 99
    close(u, X)


def test_changing_an_array_after_vjp_changes_nothing():
    x = X.copy()
    _, pullback = ag.vjp(lambda x: x * x, x)
    x[:] = 0
    close(pullback(np.ones(3))[0], 2 * X)


# ----- errors -----
def test_a_vector_output_is_refused():
    wanted = r"grad at .*test_functional.*returned shape \(3,\).*sum\(\).*jacobian.*vjp"
    with pytest.raises(errors.ShapeError, match=wanted):
        ag.grad(lambda x: x * 2)(X)
    with pytest.raises(errors.ShapeError, match="returned a tuple"):
        ag.grad(lambda x: (x.sum(), x))(X)


@pytest.mark.parametrize("x", [3, np.arange(3), Tensor([1, 2]), "x", np.array([1j])])
def test_what_is_no_float_is_refused(x):
    with pytest.raises(errors.DTypeError, match=r"floats|any floats"):
        ag.grad(lambda x: x)(x)


def test_what_does_not_fit_is_refused():
    _, pullback = ag.vjp(lambda x: x * 2, X)
    with pytest.raises(errors.ShapeError, match=r"shape \(2,\).*shape \(3,\)"):
        pullback(np.ones(2))
    with pytest.raises(errors.ArgumentError, match="container"):
        ag.jvp(ag.sin, (X,), (X, X))


# ----- traced, compiled, threads -----
@pytest.mark.parametrize("transform", [ag.grad, ag.hessian, lambda f: lambda x: ag.jvp(f, (x,), (x,))[1]])
def test_inside_compiled_functions(transform):
    f = lambda x: ag.sum(ag.tanh(x) ** 2 * A[0])  # noqa: E731
    expected = transform(f)(X)
    for backend in ("numpy", "native"):
        step = ag.compile(transform(f), backend=backend)
        np.testing.assert_allclose(step(X).data, expected, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(step(Tensor(2 * X)).data, transform(f)(2 * X), rtol=1e-13, atol=1e-14)


def test_a_compiled_function_can_be_differentiated():
    f = ag.compile(lambda x: (x**3).sum())
    for _ in range(2):
        close(ag.grad(f)(X), 3 * X**2)
        f(X)


def test_traced_programs_hold_no_second_forward_pass():
    graph = ag.trace(ag.value_and_grad(lambda x: ag.exp(x).sum()), X)
    assert [eqn.primitive.name for eqn in graph.eqns].count("exp") == 1


@pytest.mark.parametrize("around", [ag.grad, ag.vmap, ag.jacobian, ag.value_and_grad])
def test_what_a_transformed_function_reads_is_watched(around):
    scale, rng = [2.0], np.random.default_rng(0)
    transformed = around(lambda x: (x * scale[0] + x * rng.normal()).sum())
    step = ag.compile(transformed)

    def numbers(result):
        return [np.asarray(x.data if isinstance(x, Tensor) else x) for x in ag.tree.flatten(result)[0]]

    x = X.reshape(3, 1) if around is ag.vmap else X
    for scale[0] in (2.0, 5.0):
        rng.bit_generator.state = np.random.default_rng(1).bit_generator.state
        found = [numbers(step(x)) for _ in range(2)]
        rng.bit_generator.state = np.random.default_rng(1).bit_generator.state
        for pair in zip(found, [numbers(transformed(x)) for _ in range(2)]):
            for a, b in zip(*pair, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-13)


def test_threads_do_not_disturb_each_other():
    results = {}

    def work(i):
        for _ in range(20):
            results[i] = ag.hessian(lambda x: (x**3).sum() * i)(X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(1, 5):
        close(results[i], np.diag(6 * i * X))


def test_first_order_records_no_second_tape():
    seen = []

    @ag.primitive(vjps=[lambda g, y, x: seen.append(type(g)) or g * 2])
    def twice(x):
        return 2 * x

    ag.grad(lambda x: twice(x).sum())(X)
    assert seen == [np.ndarray]


# ----- primitives of the user's own -----
@ag.primitive(vjps=[lambda g, y, x, n, *, scale=1.0: g * y * (1 + ag.log(x)), None], symbol="xˣ")
def self_power(x, n, *, scale=1.0):
    """x**x * scale, n times over."""
    return x**x * scale


def test_a_primitive_of_the_user():
    x = X + 3
    assert isinstance(self_power(x, 1), np.ndarray)
    expected = x**x * (1 + np.log(x))
    close(ag.grad(lambda x: self_power(x, 1).sum())(x), expected)
    close(ag.grad(lambda x: self_power(x, 1, scale=3.0).sum())(x), 3 * expected)
    close(ag.jvp(lambda x: self_power(x, 1), (x,), (x,))[1], expected * x)
    close(ag.hessian(lambda x: self_power(x, 1).sum())(x), np.diag(x**x * ((1 + np.log(x)) ** 2 + 1 / x)))
    graph = ag.trace(lambda x: self_power(x, 1), x)
    assert [eqn.primitive.name for eqn in graph.eqns] == ["self_power"] and graph.outputs[0].shape == (3,)
    t = Tensor(x, requires_grad=True)
    assert "xˣ" in ag.draw(self_power(t, 1)).dot


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_a_primitive_of_the_user_compiled(backend):
    x = X + 3
    step = ag.compile(ag.grad(lambda x: (self_power(x * 2, 1, scale=0.5) * x).sum()), backend=backend)
    for given in (x, x + 1):
        p = (2 * given) ** (2 * given) / 2
        np.testing.assert_allclose(step(given).data, p + given * p * 2 * (1 + np.log(2 * given)), rtol=1e-13)


def test_the_program_of_a_primitive_of_the_user_runs_on_its_own():
    step = ag.compile(ag.value_and_grad(lambda x: (self_power(x, 1, scale=0.5) * x).sum()))
    value, gradient = step(X + 3)
    namespace: dict = {}
    exec(step.source, namespace)
    assert "def self_power(x, n, *, scale=1.0):" in step.source
    for given, wanted in zip(namespace["function"](X + 3), (value, gradient), strict=True):
        np.testing.assert_allclose(given, wanted.data, rtol=1e-14)


def test_integers_beside_floats_and_empty_arrays():
    assert ag.vjp(lambda x, n: x**n, 2.0, 3)[1](1.0) == (12.0, None)
    assert ag.jvp(lambda x, n: x**n, (2.0, 3), (1.0, None))[1] == 12.0
    assert ag.grad(lambda x: x.sum())(np.zeros(0)).shape == (0,)
    assert ag.jacobian(lambda x: x * 2)(np.zeros(0)).shape == (0, 0)


def test_primitives_are_checked_when_they_are_made():
    with pytest.raises(errors.ArgumentError, match="exists|already"):
        ag.primitive(lambda x: x, vjps=[None], name="exp")
    with pytest.raises(errors.ArgumentError, match="takes 2 arrays but has 1 rules"):
        ag.primitive(lambda a, b: a, vjps=[None], name="mine")
    with pytest.raises(errors.ArgumentError, match=r"rule 0 of mine at .*takes 2 arguments instead of 3"):
        ag.primitive(lambda a: a, vjps=[lambda g, a: g], name="mine")


# ----- checkpoint -----
def test_checkpoint_gives_the_same_gradients_from_a_smaller_tape():
    w = Tensor(A, requires_grad=True)

    def layer(x):
        return ag.tanh(ag.tanh(x @ w) @ w)

    def gradients(f):
        x, w.grad = Tensor(X, requires_grad=True), None
        hidden = x * 2
        y = f(f(hidden)).sum() + hidden.sum()
        size = len(ag.tape(y))
        y.backward()
        return x.grad, w.grad, size

    plain, saved = gradients(layer), gradients(ag.checkpoint(layer))
    close(saved[0], plain[0])
    close(saved[1], plain[1])
    assert (plain[2], saved[2]) == (12, 6)
    f = lambda x: ag.checkpoint(layer)(x).sum()  # noqa: E731
    np.testing.assert_allclose(ag.hessian(f)(X), ag.hessian(lambda x: layer(x).sum())(X), rtol=1e-12, atol=1e-13)
    step = ag.compile(ag.grad(f))
    np.testing.assert_allclose(step(X).data, ag.grad(f)(X), rtol=1e-13)


def test_checkpoint_captures_what_was_computed_before():
    x = Tensor(X, requires_grad=True)
    h = ag.exp(x)
    ag.checkpoint(lambda y: y * h)(x).sum().backward()
    close(x.grad, np.exp(X) * (1 + X))


def test_checkpoint_of_arrays_gives_arrays():
    y = ag.checkpoint(lambda x: np.sin(x))(X)
    assert type(y) is np.ndarray
    close(y, np.sin(X))


def test_checkpoint_notices_random_draws():
    rng = np.random.default_rng(0)
    x = Tensor(X, requires_grad=True)
    y = ag.checkpoint(lambda x: x * rng.random(3))(x).sum()
    with pytest.raises(errors.GraphError, match="another result when it ran again"):
        y.backward()


def test_a_hessian_product_of_ten_thousand_parameters_does_less_than_five_times_the_work_of_the_gradient():
    rng = np.random.default_rng(0)
    sizes, labels = (64, 96, 36, 10), rng.integers(0, 10, 32)
    rows = rng.normal(size=(32, 64))
    p = [rng.normal(size=shape) / 10 for n, m in pairwise(sizes) for shape in ((n, m), (m,))]
    assert sum(x.size for x in p) > 10_000

    def loss(p):
        h = ag.tanh(ag.tanh(rows @ p[0] + p[1]) @ p[2] + p[3])
        return -ag.log_softmax(h @ p[4] + p[5])[np.arange(32), labels].mean()

    def work(f, *args):
        """Multiplications in matrix products, and elements of all other results."""
        products = others = 0
        for eqn in ag.trace(f, *args).eqns:
            if eqn.primitive.name == "matmul":
                products += math.prod(eqn.inputs[0].shape) * eqn.out.shape[-1]
            else:
                others += math.prod(eqn.out.shape)
        return np.array([products, others])

    ratios = work(lambda p, v: ag.hvp(loss, p, v), p, p) / work(ag.grad(loss), p)
    assert 2 < ratios[0] < ratios[1] < 5
