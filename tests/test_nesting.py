"""What nesting costs: a transformation inside another walks only what lies between its output and its input."""

import itertools

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import engine
from autograd.transforms import forward_mode, reverse

from .oracle import central


# ----- how much is walked -----
def walked(monkeypatch, function, *args):
    """How many recorded tensors all passes together visit while the function runs."""
    count = 0
    true = engine.between

    def counted(*given):
        nonlocal count
        span = true(*given)
        count += len(span.order)
        return span

    with monkeypatch.context() as patched:
        for module in (reverse, forward_mode):
            patched.setattr(module, "between", counted)
        function(*args)
    return count


def after(n, m, inner):
    """A function with n operations, then m transformations that close over their result."""

    def f(x):
        h = x
        for _ in range(n):
            h = ag.sin(h)
        w = 0.3
        for _ in range(m):
            w = w - 0.1 * inner(w, h)
        return w

    return f


INNER = {
    "grad": lambda w, h: ag.grad(lambda w: (w - h) ** 2)(w),
    "value_and_grad": lambda w, h: ag.value_and_grad(lambda w: (w - h) ** 2)(w)[1],
    "vjp": lambda w, h: ag.vjp(lambda w: (w - h) ** 2, w)[1](1.0)[0],
    "jvp": lambda w, h: ag.jvp(lambda w: (w - h) ** 2, (w,), (1.0,))[1],
    "jvp of h": lambda w, h: ag.jvp(lambda w: (w - h) ** 2 * ag.prod(ag.stack([w, h])), (w,), (1.0,))[1],
    "jacobian": lambda w, h: ag.jacobian(lambda w: (w - h) ** 2)(w),
    "hessian": lambda w, h: ag.hessian(lambda w: (w - h) ** 3)(w),
    "hvp": lambda w, h: ag.hvp(lambda w: (w - h) ** 3, w, 1.0),
    "grad of checkpoint": lambda w, h: ag.grad(ag.checkpoint(lambda w: (w - h) ** 2))(w),
    "vmap of grad": lambda w, h: ag.vmap(ag.grad(lambda w: (w - h) ** 2))(ag.stack([w, h])).sum(),
}


@pytest.mark.parametrize("name", INNER)
def test_the_walk_is_linear_in_both(name, monkeypatch):
    def cost(n, m):
        return walked(monkeypatch, ag.grad(after(n, m, INNER[name])), 0.5)

    base = cost(10, 10)
    more_before, more_inside = cost(60, 10), cost(10, 60)
    assert more_before - base == 50  # each of the operations before, by the outer pass alone
    per_step = (more_inside - base) / 50
    assert per_step == (cost(10, 110) - more_inside) / 50  # the same for each, however many went before
    assert per_step < 60


@pytest.mark.parametrize("name", INNER)
def test_the_derivative_is_right(name):
    f = after(3, 4, INNER[name])
    expected = central(lambda x: float(np.asarray(getattr(f(Tensor(x)), "data", 0))), [0.5], [1.0])
    assert float(ag.grad(f)(0.5)) == pytest.approx(expected, rel=1e-8)
    assert float(ag.jvp(f, (0.5,), (1.0,))[1]) == pytest.approx(expected, rel=1e-8)


def test_a_pass_stops_at_its_own_leaves():
    x = Tensor(2.0, requires_grad=True)
    h = x * x
    seen = []

    def inner(w):
        y = w * h * 3
        span = engine.between([y], [w], 0)
        seen.append((len(span.order), span.outside))
        return y

    ag.grad(inner)(1.0)
    assert seen == [(2, True)]


def test_a_freed_graph_outside_is_no_matter_to_a_pass_inside():
    x = Tensor(2.0, requires_grad=True)
    h = x * x
    h.backward()
    with ag.no_grad():
        assert ag.grad(lambda w: w * h)(3.0) == 4


# ----- implicit differentiation: a rule that calls vjp on its own output -----
def step(a, y):
    return 0.5 * ag.cos(y) * a + 0.1 * a * a


def _solved(a):
    y = np.zeros_like(a)
    for _ in range(200):
        y = step(a, y)
    return y


def _implicit(g, y, a):
    """By the implicit function theorem: solve u = g + uᵀ ∂step/∂y, then uᵀ ∂step/∂a."""
    _, by_y = ag.vjp(lambda y: step(a, y), y)
    u = g
    for _ in range(60):
        u = g + by_y(u)[0]
    _, by_a = ag.vjp(lambda a: step(a, y), a)
    return by_a(u)[0]


fixed_point = ag.primitive(_solved, vjps=[_implicit], name="fixed_point_of_cos")
A = np.array([0.3, 0.8])


def test_a_fixed_point_has_its_derivatives_of_every_order():
    def total(a):
        return (fixed_point(a) ** 2).sum()

    v = np.array([1.0, -0.7])
    first = central(total, [A], [v])
    assert ag.grad(total)(A) @ v == pytest.approx(first, rel=1e-9)
    second = central(lambda a: float(ag.grad(total)(a) @ v), [A], [v])
    assert v @ ag.hessian(total)(A) @ v == pytest.approx(second, rel=1e-8)
    assert ag.hvp(total, A, v) @ v == pytest.approx(second, rel=1e-8)
    assert ag.jvp(ag.grad(total), (A,), (v,))[1] @ v == pytest.approx(second, rel=1e-8)
    x = Tensor(A, requires_grad=True)
    (ag.grad(total)(x) ** 2).sum().backward()
    np.testing.assert_allclose(x.grad, 2 * ag.hessian(total)(A) @ ag.grad(total)(A), rtol=1e-10)


# ----- many arguments -----
MANY = {
    "concatenate": lambda ts: ag.concatenate(ts),
    "stack": lambda ts: ag.stack(ts),
    "stack along the last axis": lambda ts: ag.stack(ts, axis=1),
    "hstack": lambda ts: np.hstack(ts),
    "vstack": lambda ts: np.vstack(ts),
    "block": lambda ts: np.block(list(ts)),
    "array": lambda ts: ag.numpy.array(list(ts)),
    "sum of a list": lambda ts: sum(ts),
    "checkpoint": lambda ts: ag.checkpoint(lambda *ts: ag.concatenate(ts))(*ts),
}


@pytest.mark.parametrize("name", MANY)
def test_many_arguments_get_their_gradients(name):
    ts = [Tensor([1.0 * i, 2.0 * i], requires_grad=True) for i in range(40)]
    y = MANY[name](ts)
    u = np.cos(np.arange(y.size)).reshape(y.shape)
    (y * y * u).sum().backward()
    for i in (0, 7, 39):
        values = [t.data.copy() for t in ts]

        def at(value, i=i, values=values):
            return float((np.asarray(MANY[name]([*values[:i], value, *values[i + 1 :]])) ** 2 * u).sum())

        expected = central(at, [values[i]], [np.array([1.0, -0.3])])
        assert ts[i].grad @ [1.0, -0.3] == pytest.approx(expected, rel=1e-8, abs=1e-8)
    for a, b in itertools.combinations(ts, 2):
        assert not np.shares_memory(a.grad, b.grad)


def looked_at(make, n):
    """How many values the rules of one backward pass are handed, and how many elements they give."""
    count = 0
    ts = [Tensor([1.0, 2.0], requires_grad=True) for _ in range(n)]
    y = make(ts)
    names = {t.creator.name: t.creator for t in ag.tape(y)}

    def counted(inner):
        def run(which, *given, **settings):
            nonlocal count
            parts = inner(which, *given, **settings)
            count += len(given) + sum(np.size(part) for part in parts)
            return parts

        return run

    before = {primitive: primitive.jointly for primitive in names.values()}
    try:
        for primitive, inner in before.items():
            primitive.jointly = counted(inner)
        (y * y).sum().backward()
    finally:
        for primitive, inner in before.items():
            primitive.jointly = inner
    return count


@pytest.mark.parametrize("name", ["concatenate", "stack", "checkpoint", "hstack"])
def test_backward_of_many_arguments_is_linear(name):
    a, b = looked_at(MANY[name], 50), looked_at(MANY[name], 500)
    assert a > 0 and b < 11 * a


CHAINS = {
    "elements": lambda x: sum(x[i] * x[i] for i in range(len(x))),
    "slices": lambda x: sum((x[i : i + 2] ** 2).sum() for i in range(len(x) - 1)),
    "reversed slices": lambda x: sum((x[i : i + 4 : 2] ** 2).sum() for i in range(len(x) - 4)),
    "index arrays": lambda x: sum((x[[i, i, 0]] ** 2).sum() for i in range(len(x))),
    "a mask": lambda x: sum((x[np.arange(len(x)) == i] ** 3).sum() for i in range(len(x))),
    "split": lambda x: sum((part**2).sum() for part in ag.split(x, len(x))),
    "rows": lambda x: sum((row**2).sum() for row in ag.reshape(x, (-1, 2))),
    "new axes": lambda x: sum((x[None, i] ** 2).sum() + (x[..., i, None] ** 3).sum() for i in range(len(x))),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_indexing_adds_up_in_place(name):
    x = Tensor(np.linspace(-1, 1, 12), requires_grad=True)
    y = CHAINS[name](x)
    y.backward(retain_graph=True)
    again = engine.pull([y], [Tensor(1.0)], graph=True)[x]  # recorded: nothing is added in place
    np.testing.assert_allclose(x.grad, again.data, rtol=1e-14)
    assert x.grad.flags.writeable and x.grad.base is None
    first = x.grad.copy()
    y.backward()
    np.testing.assert_array_equal(x.grad, 2 * first)


def test_a_chain_of_indexing_makes_few_arrays_of_the_whole(monkeypatch):
    from autograd.core.ops import shape

    made = 0
    true = shape.numpy_helpers.scatter_add

    def counted(*given):
        nonlocal made
        made += 1
        return true(*given)

    monkeypatch.setattr(shape.numpy_helpers, "scatter_add", counted)
    x = Tensor(np.ones(500), requires_grad=True)
    sum(x[i] * x[i] for i in range(500)).backward()
    assert x.grad.tolist() == [2.0] * 500 and made <= 2


# ----- one array for every owner -----
SHARING = {
    "a + b": (lambda a, b: a + b, 2),
    "a + b + a": (lambda a, b: a + b + a, 2),
    "a - b": (lambda a, b: a - b, 2),
    "stacked": (lambda a, b: ag.stack([a, b, a]), 2),
    "joined": (lambda a, b: ag.concatenate([a, b]), 2),
    "reshaped": (lambda a, b: ag.reshape(a, (1, 3)) + ag.reshape(b, (1, 3)), 2),
    "transposed": (lambda a, b: ag.reshape(a, (3, 1)).T + b, 2),
    "broadcast": (lambda a, b: a + b + np.zeros((4, 3)), 2),
    "broadcast_to": (lambda a, b: ag.broadcast_to(a, (2, 3)) + ag.broadcast_to(b, (2, 3)), 2),
    "sums": (lambda a, b: a.sum() + b.sum(), 2),
    "parts": (lambda a, b: a[:2] + b[1:], 2),
    "flipped": (lambda a, b: a[::-1] + b, 2),
    "cast": (lambda a, b: ag.astype(a, np.float64) + b, 2),
    "mod": (lambda a, b: a % 5.0 + b, 2),
    "leaves themselves": (lambda a, b: a, 1),
    "the cotangent handed back": (lambda a, b: _handed_back(a, b), 2),
    "an argument handed back": (lambda a, b: _argument_back(a, b), 2),
    "a constant handed back": (lambda a, b: _constant_back(a, b), 2),
}
_constant = np.ones(3)
_constant_back = ag.primitive(
    lambda a, b: a + b, vjps=[lambda g, y, a, b: _constant, lambda g, y, a, b: _constant], name="constant_back"
)
_argument_back = ag.primitive(
    lambda a, b: a * b, vjps=[lambda g, y, a, b: b, lambda g, y, a, b: a], name="argument_back"
)  # (right where g is 1)
_handed_back = ag.primitive(lambda a, b: a + b, vjps=[lambda g, y, a, b: g, lambda g, y, a, b: g], name="handed_back")


@pytest.mark.parametrize("name", SHARING)
def test_every_leaf_has_a_gradient_of_its_own(name):
    f, count = SHARING[name]
    a, b = Tensor([1.0, 2.0, 3.0], requires_grad=True), Tensor([4.0, 5.0, 6.0], requires_grad=True)
    y = f(a, b)
    seed = np.ones(y.shape)
    y.backward(seed)
    grads = [t.grad for t in (a, b)[:count]]
    everything = [*grads, seed, a.data, b.data, _constant]
    for one, other in itertools.combinations(everything, 2):
        assert not np.shares_memory(one, other)
    kept = [g.copy() for g in grads]
    for g in grads:
        assert g.flags.writeable
        g += 100.0
    assert (seed == 1).all()
    for g, old in zip(grads, kept, strict=True):
        assert g.tolist() == (old + 100).tolist()


@pytest.mark.parametrize("name", SHARING)
def test_every_result_of_a_pullback_is_an_array_of_its_own(name):
    f, _ = SHARING[name]
    y, pullback = ag.vjp(f, np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    u = np.ones(y.shape)
    everything = [*pullback(u), *pullback(u), u, y]
    for one, other in itertools.combinations(everything, 2):
        assert not np.shares_memory(one, other)
