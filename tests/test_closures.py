"""Transformations inside a larger computation keep the gradient of what their function closes over."""

import gc

import numpy as np
import pytest
from scipy.optimize import minimize

import autograd as ag
import nn
from autograd import Tensor

from .oracle import central, inner

X = np.linspace(-1.0, 1.2, 6).reshape(3, 2)
V = np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1]])
W = np.array([[0.3, -0.2], [0.5, 0.1]])
DIRECTION = np.array([[0.7, -0.5], [1.0, 0.6]])


def net(x, w):
    return ag.tanh(x @ w) * (1 + x)


def number(x, w):
    return (net(x, w) ** 2).sum()


# Each: what a larger computation makes of the derivative by x of a function that closes over w, in arrays.
INNER = {
    "grad": lambda x, w: ag.grad(lambda x: number(x, w))(x),
    "value_and_grad": lambda x, w: ag.value_and_grad(lambda x: number(x, w))(x)[1],
    "value of value_and_grad": lambda x, w: ag.value_and_grad(lambda x: number(x, w))(x)[0],
    "grad of a container": lambda x, w: ag.grad(lambda p: number(p["x"], w))({"x": x})["x"],
    "grad, two arguments": lambda x, w: ag.grad(lambda x, s: s * number(x, w), (0, 1))(x, 2.0)[0],
    "grad of grad": lambda x, w: ag.grad(lambda x: (ag.grad(lambda x: number(x, w))(x) ** 2).sum())(x),
    "vjp": lambda x, w: ag.vjp(lambda x: net(x, w), x)[1](V)[0],
    "value of vjp": lambda x, w: ag.vjp(lambda x: net(x, w), x)[0],
    "jvp": lambda x, w: ag.jvp(lambda x: net(x, w), (x,), (V,))[1],
    "value of jvp": lambda x, w: ag.jvp(lambda x: net(x, w), (x,), (V,))[0],
    "jvp of grad": lambda x, w: ag.jvp(ag.grad(lambda x: number(x, w)), (x,), (V,))[1],
    "jacobian": lambda x, w: ag.jacobian(lambda x: net(x, w))(x),
    "jacobian by columns": lambda x, w: ag.jacobian(lambda x: ag.stack([net(x, w), net(2 * x, w)]))(x),
    "hessian": lambda x, w: ag.hessian(lambda x: number(x, w))(x),
    "hvp": lambda x, w: ag.hvp(lambda x: number(x, w), x, V),
    "vmap": lambda x, w: ag.vmap(lambda row: number(row, w))(x),
    "vmap of grad": lambda x, w: ag.vmap(ag.grad(lambda row: number(row, w)))(x),
    "grad of vmap": lambda x, w: ag.grad(lambda x: ag.vmap(lambda row: number(row, w))(x).sum())(x),
    "checkpoint": lambda x, w: ag.checkpoint(lambda x: net(x, w))(x),
    "grad of checkpoint": lambda x, w: ag.grad(lambda x: (ag.checkpoint(lambda x: net(x, w))(x) ** 2).sum())(x),
}
KINDS = {"array": np.array, "Tensor": Tensor, "variable": lambda x: Tensor(x, requires_grad=True)}


def loss(name, x, w):
    result = INNER[name](x, w)
    return (result * np.cos(np.arange(np.size(result))).reshape(np.shape(result))).sum()


def measured(name):
    """The derivative of the loss along a direction of w, from values alone."""
    return central(lambda w: loss(name, X, w), [W], [DIRECTION])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", INNER)
def test_the_closed_over_parameters_get_their_gradient(name, kind):
    w = Tensor(W, requires_grad=True)
    x = KINDS[kind](X)
    total = loss(name, x, w)
    assert type(total) is Tensor
    assert float(total.data) == pytest.approx(float(np.asarray(loss(name, X, W))), rel=1e-12)
    total.backward()
    assert inner(w.grad, DIRECTION) == pytest.approx(measured(name), rel=1e-7)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("kind", ["array", "Tensor"])
@pytest.mark.parametrize("name", INNER)
def test_the_same_in_a_compiled_step(name, kind, backend):
    w, eager = Tensor(W, requires_grad=True), Tensor(W, requires_grad=True)
    loss(name, X, eager).backward()

    @ag.compile(backend=backend)
    def step(x):
        w.grad = None
        total = loss(name, x, w)
        total.backward()
        return total

    for _ in range(2):
        step(KINDS[kind](X))
        np.testing.assert_allclose(w.grad, eager.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", INNER)
def test_without_recording_arrays_give_arrays(name):
    w = Tensor(W, requires_grad=True)
    with ag.no_grad():
        result = INNER[name](X, w)
    plain = INNER[name](X, W)
    if "checkpoint" in name and "grad" not in name:
        result = result.data  # what a function of tensors returns without any transformation
    assert type(result) is type(plain) and isinstance(plain, np.ndarray | np.generic)
    np.testing.assert_allclose(result, plain, rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in INNER if name != "checkpoint"])
def test_what_is_closed_over_may_require_nothing(name):
    for w in (W, Tensor(W)):
        result = INNER[name](X, w)
        if isinstance(result, Tensor):  # (a value made of a Tensor by vmap)
            assert not result.requires_grad
            result = result.data
        assert isinstance(result, np.ndarray | np.generic)


def test_a_value_that_depends_on_the_closure_alone():
    w = Tensor(W, requires_grad=True)
    value, gradient = ag.value_and_grad(lambda x: w.sum())(X)
    assert value.requires_grad and type(gradient) is np.ndarray and not gradient.any()
    value, gradient = ag.value_and_grad(lambda x: (x * x).sum() + w.sum())(X)
    assert value.requires_grad and gradient.data.tolist() == (2 * X).tolist()


def test_gradients_of_all_kinds_meet_in_one_backward():
    """A physics-informed loss: second derivatives in x and t, a boundary and data, each beside the others."""
    nn_ = nn.Sequential(nn.Dense(2, 8, seed=0), nn.Tanh(), nn.Dense(8, 1, seed=1))
    points = np.random.default_rng(0).uniform(-1, 1, (5, 2))

    def residual(point):
        u = lambda p: nn_(ag.reshape(p, (1, 2))).sum()  # noqa: E731
        h = ag.hessian(u)(point)
        return ag.grad(u)(point)[1] - 0.3 * h[0, 0] + u(point) * h[0, 1]

    def total():
        inside = sum(residual(p) ** 2 for p in points)
        return inside + (nn_(points) ** 2).mean()

    for p in nn_.parameters():
        p.zero_grad()
    total().backward()
    for p in nn_.parameters():
        direction, start = np.sin(1 + np.arange(p.size)).reshape(p.shape), p.data.copy()

        def at(value, p=p):
            p.data = value
            return total().item()

        expected = central(at, [start], [direction])
        p.data = start
        assert inner(p.grad, direction) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_a_hamiltonian_network_learns_from_the_field_of_its_gradient():
    w1, w2 = Tensor(np.eye(2, 4) * 0.5, requires_grad=True), Tensor(np.full((4, 1), 0.3), requires_grad=True)
    state = np.random.default_rng(1).normal(size=(16, 2))
    field = np.stack([state[:, 1], -state[:, 0]], axis=1)  # of a spring

    def step():
        w1.grad = w2.grad = None
        slope = ag.grad(lambda s: (ag.tanh(s @ w1) ** 2 @ w2).sum())(state)
        error = ((ag.stack([slope[:, 1], -slope[:, 0]], axis=1) - field) ** 2).mean()
        error.backward()
        for w in (w1, w2):
            w.data = w.data - 0.3 * w.grad
        return error.item()

    losses = [step() for _ in range(60)]
    assert losses[-1] < 0.5 * losses[0]


def test_recording_stops_with_what_is_closed_over():
    """The inner pass works out no gradients of the parameters, which nobody asked for."""
    seen = []

    @ag.primitive(vjps=[lambda g, y, x, w: g * w, lambda g, y, x, w: seen.append(1) or g * x], name="counted_product")
    def product(x, w):
        return x * w

    w = Tensor(2.0, requires_grad=True)
    g = ag.grad(lambda x: product(x, w) ** 2)(3.0)
    assert not seen
    g.backward()
    assert seen and w.grad == 4 * 2.0 * 3.0


def test_the_graph_goes_with_the_result():
    w = Tensor(np.ones(3), requires_grad=True)
    f = ag.value_and_grad(lambda x: (ag.tanh(x * w)).sum())
    f(np.ones(3))
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(50):
            f(np.ones(3))
        assert len(gc.get_objects()) - before < 10
    finally:
        gc.enable()


def test_an_optimizer_of_scipy_runs_on_arrays_where_nothing_is_recorded():
    target = Tensor([1.0, -2.0], requires_grad=True)
    distance = ag.value_and_grad(lambda x: ((x - target) ** 2).sum())
    with ag.no_grad():
        found = minimize(distance, np.zeros(2), jac=True)
    np.testing.assert_allclose(found.x, [1, -2], atol=1e-6)
    assert type(found.x) is np.ndarray
