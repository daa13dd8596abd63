"""Forward mode: every primitive's jvp against measured derivatives, at both orders, nested, traced; its cost."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor

from .oracle import TOLERANCE, central, complex_step, direction, inner, wanted
from .samples import ANALYTIC, rows

ROWS = [(name, *rest) for name, *rest in rows(differentiable=True)]
LABELS = [f"{name} {case.label}" for name, _, _, case in ROWS]


def setting(primitive, sample, case, order):
    """A function of the arguments that have a derivative, the point, random directions and a random cotangent."""
    arrays, settings = case.draw(np.float64, 0)
    which = wanted(primitive, arrays)
    rng = np.random.default_rng(order)

    def f(*xs):
        full = list(arrays)
        for i, x in zip(which, xs, strict=True):
            full[i] = x
        return primitive(*full, **settings)

    point = [arrays[i] for i in which]
    vs = [sample.tangent(direction(rng, x)) for x in point]
    ws = [sample.tangent(direction(rng, x)) for x in point]
    y = primitive(*arrays, **settings)
    return f, point, vs, ws, direction(rng, y) if which and y.dtype.kind == "f" else None


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), ROWS, ids=LABELS)
def test_jvp_of_every_primitive(name, primitive, sample, case):
    f, point, vs, ws, u = setting(primitive, sample, case, 1)
    if u is None:
        return
    y, dy = ag.jvp(f, point, vs)
    np.testing.assert_array_equal(y, f(*point))
    assert dy.shape == y.shape and dy.dtype == y.dtype
    analytic = sample.kind == ANALYTIC
    measured = (complex_step if analytic else central)(lambda *xs: inner(u, f(*xs)), point, vs)
    assert abs(inner(u, dy) - measured) <= TOLERANCE[analytic] * max(np.sum(np.abs(u * dy)), 1)
    # The second derivatives by forward over reverse, forward over forward and reverse over forward are one number.
    reverse = ag.jvp(lambda *xs: ag.vjp(f, *xs)[1](u), point, ws)[1]
    expected = sum(inner(a, b) for a, b in zip(reverse, vs, strict=True))
    size = sum(np.sum(np.abs(a * b)) for a, b in zip(reverse, vs, strict=True))
    twice = ag.jvp(lambda *xs: ag.jvp(f, xs, vs)[1], point, ws)[1]
    back = ag.grad(lambda *xs: (ag.jvp(f, xs, vs)[1] * u).sum(), argnums=range(len(point)))(*point)
    assert abs(inner(u, twice) - expected) <= 1e-10 * max(size, 1)
    assert abs(sum(inner(a, b) for a, b in zip(back, ws, strict=True)) - expected) <= 1e-10 * max(size, 1)


def network(parameters, x):
    for w, b in parameters:
        x = ag.tanh(x @ w + b)
    return x


RNG = np.random.default_rng(0)
P = [(RNG.normal(size=(a, b)) / 2, RNG.normal(size=b)) for a, b in ((3, 5), (5, 2))]
DP = [(RNG.normal(size=w.shape), RNG.normal(size=b.shape)) for w, b in P]
X, DX = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))


def test_a_network_against_the_complex_step():
    y, dy = ag.jvp(network, (P, X), (DP, DX))
    h = 1e-30
    moved = [(w + 1j * h * dw, b + 1j * h * db) for (w, b), (dw, db) in zip(P, DP)]
    np.testing.assert_allclose(dy, np.imag(network(moved, X + 1j * h * DX)) / h, rtol=1e-13, atol=1e-14)


def test_traced_compiled_and_checkpointed():
    _, expected = ag.jvp(network, (P, X), (DP, DX))
    step = ag.compile(lambda x, dx: ag.jvp(network, (P, x), (DP, dx))[1])
    for _ in range(2):
        np.testing.assert_allclose(step(X, DX).data, expected, rtol=1e-13, atol=1e-14)
    saved = ag.checkpoint(network)
    np.testing.assert_allclose(ag.jvp(saved, (P, X), (DP, DX))[1], expected, rtol=1e-13, atol=1e-14)
    graph = ag.trace(lambda x, dx: ag.jvp(ag.tanh, (x,), (dx,)), X, DX)
    assert [eqn.primitive.name for eqn in graph.eqns].count("tanh") == 1


def test_a_network_takes_at_most_three_times_the_operations():
    """One product per factor that moves, beside the function's own; one for its derivative at each activation."""

    def counts(function, *args):
        names = [eqn.primitive.name for eqn in ag.trace(function, *args).eqns]
        return len(names), names.count("matmul")

    plain = counts(lambda x: network(P, x), X)
    moved = counts(lambda x, dx: ag.jvp(lambda x: network(P, x), (x,), (dx,)), X, DX)
    everything = counts(lambda p, x, dp, dx: ag.jvp(network, (p, x), (dp, dx)), P, X, DP, DX)
    assert (plain[1], moved[1], everything[1]) == (2, 4, 6)
    assert moved[0] <= 3 * plain[0] and everything[0] <= 4 * plain[0]


def test_tangents_can_be_differentiated():
    v = np.array([1.0, -2.0, 0.5])
    x = np.array([0.3, 0.1, -0.4])
    f = ag.exp
    np.testing.assert_allclose(ag.grad(lambda v: ag.jvp(f, (x,), (v,))[1].sum())(v), np.exp(x), rtol=1e-15)
    t = Tensor(v, requires_grad=True)
    ag.jvp(f, (Tensor(x),), (t,))[1].sum().backward()
    np.testing.assert_allclose(t.grad, np.exp(x), rtol=1e-15)
    # perturbation confusion: d/dx (x · d/dy (x + y)) = 1
    assert ag.jvp(lambda x: x * ag.jvp(lambda y: x + y, (1.0,), (1.0,))[1], (1.0,), (1.0,))[1] == 1.0


def test_forward_mode_runs_no_backward_pass():
    """Of a rule in forward mode only elementwise operations are asked, once per operand that moves."""
    asked = []

    def rule(g, y, x):
        asked.append(g)
        return g * y

    exp = ag.primitive(lambda x: np.exp(x), vjps=[rule], name="my_exp")
    exp.kind = "elementwise"
    _, dy = ag.jvp(lambda x: exp(exp(x)), (0.5,), (1.0,))
    assert asked == [1.0, np.exp(0.5)] and dy == np.exp(np.exp(0.5)) * np.exp(0.5)


def test_single_precision_stays():
    x = np.ones(3, np.float32)
    y, dy = ag.jvp(lambda x: ag.sum(x * x) / 3, (x,), (x,))
    assert y.dtype == dy.dtype == np.float32


def test_a_long_chain_is_pushed_through():
    def chain(x):
        for _ in range(20_000):
            x = x + 1.0
        return x

    assert ag.jvp(chain, (1.0,), (2.0,)) == (20_001.0, 2.0)
