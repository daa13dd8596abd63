"""vmap: every primitive equals the stacked loop, with its derivatives; nesting, axes, errors; what it is good for."""

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core import errors
from autograd.core.primitive import REGISTRY
from autograd.transforms import batching

from . import fuzz
from .oracle import direction, wanted
from .samples import Arg, rows

B = 3
ROWS = rows()
LABELS = [f"{name} {case.label}" for name, _, _, case in ROWS]
SMOOTH = rows(differentiable=True)
SMOOTH_LABELS = [f"{name} {case.label}" for name, _, _, case in SMOOTH]


def batches(case):
    """Arguments with B rows along axis 0 (numbers have none), and the choices of which of them are mapped."""
    drawn = [case.draw(np.float64, seed)[0] for seed in range(B)]
    numbers = [not isinstance(arg, Arg) for arg in case.args]
    arrays = [parts[0] if number else np.stack(parts) for number, parts in zip(numbers, zip(*drawn))]
    free = [i for i, number in enumerate(numbers) if not number]
    choices = [set(free), *({i} for i in free if len(free) > 1)]
    if len(free) > 2:
        choices.append(set(free[1:]))
    return arrays, choices


def part(arrays, mapped, i):
    """The arguments of row i: those that are not mapped are row 0 of their batch for all."""
    return [a if np.ndim(a) == 0 else a[i] if j in mapped else a[0] for j, a in enumerate(arrays)]


def given(arrays, mapped):
    """The arguments and axes to call vmap with."""
    return [a if j in mapped or np.ndim(a) == 0 else a[0] for j, a in enumerate(arrays)], tuple(
        0 if j in mapped else None for j in range(len(arrays))
    )


def same(actual, expected, tolerance=1e-12):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), ROWS, ids=LABELS)
def test_values(name, primitive, sample, case):
    arrays, choices = batches(case)
    with np.errstate(all="ignore"):
        for mapped in choices:
            args, axes = given(arrays, mapped)
            found = ag.vmap(lambda *xs: primitive(*xs, **case.settings), in_axes=axes)(*args)
            same(found, np.stack([primitive(*part(arrays, mapped, i), **case.settings) for i in range(B)]))


def smooth(primitive, case):
    """A function of the float arguments of the first choice, batches of them, of directions and of cotangents."""
    arrays, choices = batches(case)
    which = [j for j in wanted(primitive, part(arrays, choices[0], 0)) if j in choices[0]]
    rng = np.random.default_rng(0)
    y = primitive(*part(arrays, choices[0], 0), **case.settings)
    if not which or y.dtype.kind != "f":
        return None

    def function(*xs):
        """Of the float arguments, then all others (integers, which may be mapped too)."""
        full = list(xs[len(which) :])
        for j, x in zip(which, xs):
            full.insert(j, x)
        return primitive(*full, **case.settings)

    others = [(a, 0 if j in choices[0] else None) for j, a in enumerate(arrays) if j not in which]
    points = [arrays[j] for j in which]
    return function, points, others, [direction(rng, x) for x in points], direction(rng, np.zeros((B, *y.shape)))


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), SMOOTH, ids=SMOOTH_LABELS)
def test_derivatives(name, primitive, sample, case):
    made = smooth(primitive, case)
    if made is None:
        return
    f, points, others, vs, us = made
    n = len(points)
    vs = [np.stack([sample.tangent(v) for v in rows_of]) for rows_of in vs]
    rest, axes = [a for a, _ in others], tuple(axis for _, axis in others)

    def row(i):
        extra = [a if axis is None else a[i] for a, axis in others]
        return [x[i] for x in points], extra, [v[i] for v in vs]

    def pulled(u, *args):
        return ag.vjp(lambda *xs: f(*xs, *args[n:]), *args[:n])[1](u)

    def pushed(vs, *args):
        return ag.jvp(lambda *xs: f(*xs, *args[n:]), args[:n], vs)[1]

    def curved(u, vs, *args):
        return ag.jvp(lambda *xs: pulled(u, *xs, *args[n:]), args[:n], vs)[1]

    loop = [row(i) for i in range(B)]
    gradients = [np.stack(g) for g in zip(*(pulled(us[i], *x, *extra) for i, (x, extra, _) in enumerate(loop)))]
    tangents = np.stack([pushed(v, *x, *extra) for x, extra, v in loop])
    second = [np.stack(g) for g in zip(*(curved(us[i], v, *x, *extra) for i, (x, extra, v) in enumerate(loop)))]
    everywhere = (0,) * n + axes
    # derivatives inside
    for found, expected in zip(ag.vmap(pulled, (0, *everywhere))(us, *points, *rest), gradients, strict=True):
        same(found, expected, 1e-11)
    same(ag.vmap(pushed, (0, *everywhere))(vs, *points, *rest), tangents, 1e-11)
    for found, expected in zip(ag.vmap(curved, (0, 0, *everywhere))(us, vs, *points, *rest), second, strict=True):
        same(found, expected, 1e-10)
    # outside, and one of each
    batch = ag.vmap(f, everywhere)
    for found, expected in zip(ag.vjp(lambda *xs: batch(*xs, *rest), *points)[1](us), gradients, strict=True):
        same(found, expected, 1e-11)
    same(ag.jvp(lambda *xs: batch(*xs, *rest), points, vs)[1], tangents, 1e-11)
    mixed = ag.jvp(lambda *xs: ag.vjp(lambda *xs: batch(*xs, *rest), *xs)[1](us), points, vs)[1]
    for found, expected in zip(mixed, second, strict=True):
        same(found, expected, 1e-10)
    inside = ag.vmap(pulled, (0, *everywhere))
    for found, expected in zip(ag.jvp(lambda *xs: inside(us, *xs, *rest), points, vs)[1], second, strict=True):
        same(found, expected, 1e-10)


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), SMOOTH, ids=SMOOTH_LABELS)
def test_jacobians_in_both_modes(name, primitive, sample, case):
    """Wide functions go backward, tall ones forward, a batch of unit vectors at a time: as one by one."""
    made = smooth(primitive, case)
    if made is None:
        return
    f, points, others, _, us = made
    point, rest = [x[0] for x in points], [a if axis is None else a[0] for a, axis in others]
    which = list(range(len(point)))
    y, pullback = ag.vjp(lambda *xs: f(*xs, *rest), *point)
    rows = [pullback(unit.reshape(us[0].shape)[()]) for unit in np.eye(us[0].size)]
    expected = [np.stack([r[i] for r in rows]) if rows else np.zeros((0, *point[i].shape)) for i in which]
    times = np.arange(1.0, 2 + sum(np.size(x) for x in point))
    for copies in (times[:1], times):
        tall = ag.jacobian(lambda *xs, c=copies: f(*xs, *rest).reshape((-1, 1)) * c, which)(*point)
        for found, block in zip(tall, expected, strict=True):
            same(found, block[:, None] * copies.reshape(-1, *(1,) * (block.ndim - 1)), 1e-11)


def test_every_primitive_has_its_rule_or_a_reason():
    alone = {name for name, primitive in REGISTRY.items() if primitive.kind == "elementwise"}
    assert not alone & set(batching.RULES)
    missing = set(REGISTRY) - set(batching.RULES) - set(batching.UNSUPPORTED) - alone
    assert missing == set(), "give them a rule in RULES of autograd/transforms/batching.py"
    assert set(batching.RULES) | set(batching.UNSUPPORTED) <= set(REGISTRY)
    assert not set(batching.RULES) & set(batching.UNSUPPORTED)


# ----- what enters, leaves, and is shared -----
RNG = np.random.default_rng(0)
X = RNG.normal(size=(B, 4))
W = RNG.normal(size=(4, 2))


def test_arrays_give_arrays_and_tensors_give_tensors():
    double = ag.vmap(lambda x: x * 2)
    assert type(double(X)) is np.ndarray and double(X).flags.owndata
    assert type(double(Tensor(X))) is Tensor and not double(Tensor(X)).requires_grad
    w = Tensor(W, requires_grad=True, name="w")
    assert ag.vmap(lambda x: x @ w)(X).requires_grad
    assert double(X.astype(np.float32)).dtype == np.float32
    assert double(np.arange(3)).dtype.kind == "i"


def test_axes():
    f = lambda x, y: x[:2] @ y  # noqa: E731
    expected = np.stack([f(x, W[:2]) for x in X])
    same(ag.vmap(f, (1, None))(X.T, W[:2]), expected)
    same(ag.vmap(f, (-1, None))(X.T, W[:2]), expected)
    same(ag.vmap(f, [0, None], out_axes=1)(X, W[:2]), expected.T)
    same(ag.vmap(f, (0, None), out_axes=-1)(X, W[:2]), expected.T)
    tree = {"a": X, "b": (np.ones(2), X.T)}
    found = ag.vmap(
        lambda t: {"s": t["a"] + t["b"][1], "c": t["b"][0]}, ({"a": 0, "b": (None, 1)},), {"s": 1, "c": None}
    )
    same(found(tree)["s"], 2 * X.T)
    same(found(tree)["c"], np.ones(2))
    same(ag.vmap(lambda t: t[0] * t[1][0])((X, [X])), X * X)
    same(ag.vmap(lambda x, *, by: x * by)(X, by=2.0), X * 2)
    same(ag.vmap(lambda x: 3.0)(X), np.full(B, 3.0))
    same(ag.vmap(lambda x: ag.sum(x) > 0)(X), X.sum(axis=1) > 0)
    assert ag.vmap(lambda x: None)(X) is None
    assert ag.vmap(ag.exp)(np.ones((0, 2))).shape == (0, 2)
    same(ag.vmap(lambda x: x @ W)(X[:1]), X[:1] @ W)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: ag.vmap(ag.add)(X, X[:2]), errors.ArgumentError, "different numbers of rows: 3 in argument 0"),
        (lambda: ag.vmap(ag.add, None)(X, X), errors.ArgumentError, "no argument is mapped"),
        (lambda: ag.vmap(ag.add)(X, 2), errors.ArgumentError, r"argument 1 has no axis 0 .* got 2 \(int\)"),
        (lambda: ag.vmap(ag.exp, 2)(X), errors.ArgumentError, r"argument 0 has no axis 2 .* shape \(3, 4\)"),
        (lambda: ag.vmap(ag.add, (0,))(X, X), errors.ArgumentError, "in_axes has 1 entries for 2 arguments"),
        (lambda: ag.vmap(ag.exp, ((0, 0),))(X), errors.ArgumentError, "in_axes must be an axis, None"),
        (lambda: ag.vmap(ag.exp, out_axes=3)(X), errors.ArgumentError, "out_axes=3 does not fit"),
        (lambda: ag.vmap(ag.exp, out_axes=None)(X), errors.ArgumentError, "results that do not depend on the row"),
        (lambda: ag.vmap(lambda x: "a")(X), errors.ArgumentError, "must return arrays or numbers"),
        (lambda: ag.vmap(lambda x: x if x.sum() > 0 else -x)(X), errors.BatchError, r"test_vmap.py:\d+ needs .*where"),
        (lambda: ag.vmap(lambda x: float(x[0]))(X), errors.BatchError, r"for float\(\)"),
        (lambda: ag.vmap(lambda x: x.numpy())(X), errors.BatchError, r"for numpy\(\)"),
        (lambda: ag.vmap(lambda x: x.__setitem__(0, 1.0))(X), errors.AutogradError, r"x\.at\[i\]|x\.at\[index\]"),
        (lambda: ag.vmap(lambda x: x[x > 0])(X), errors.BatchError, "boolean mask"),
        (lambda: ag.vmap(lambda x: x @ np.ones(3))(X), errors.ShapeError, r"shape \(4,\)"),
    ],
)  # fmt: skip
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call()


def test_writes_to_what_all_rows_share_are_refused():
    state, kept = Tensor(1.0), []

    def step(x):
        kept.append(x * 2)
        state.data = state.data + 1.0
        return x

    with pytest.raises(errors.InplaceError, match="all 3 rows of vmap of step share"):
        ag.vmap(step)(X)
    assert state.data == 1.0
    with pytest.raises(errors.BatchError, match="finished vmap of step"):
        kept[0].numpy()

    def local(x):
        t = Tensor(np.zeros(4))
        t.data = t.data + x.data
        return t * 2

    same(ag.vmap(local)(X), 2 * X)


def test_a_tensor_that_all_rows_share_gets_the_sum_of_their_gradients():
    for inner in (lambda x, w: ag.tanh(x @ w), lambda x, w: x @ ag.exp(w) * (w * w).sum()):
        w = Tensor(W, requires_grad=True)
        (ag.vmap(lambda x, w=w, inner=inner: inner(x, w))(X) ** 2).sum().backward()
        v = Tensor(W, requires_grad=True)
        sum((inner(x, v) ** 2).sum() for x in X).backward()
        same(w.grad, v.grad)
        loss = lambda w, inner=inner: (ag.vmap(inner, (0, None))(X, w) ** 2).sum()  # noqa: E731
        loop = lambda w, inner=inner: sum((inner(x, w) ** 2).sum() for x in X)  # noqa: E731
        same(ag.grad(loss)(W), v.grad)
        same(ag.hessian(loss)(W), ag.hessian(loop)(W), 1e-10)
        same(ag.hvp(loss, W, W), ag.hvp(loop, W, W), 1e-10)


def test_backward_inside_adds_up_like_the_loop():
    w = Tensor(W, requires_grad=True)

    def f(x):
        own = Tensor(np.ones(4), requires_grad=True)
        ((x * own) @ w).sum().backward()
        return own.grad

    found = ag.vmap(f)(X)
    same(found, np.stack([x * W.sum(axis=1) for x in X]))
    same(w.grad, np.repeat(X.sum(axis=0)[:, None], 2, axis=1))


# ----- nesting -----
def energy(w, x):
    return (ag.tanh(x @ w) ** 2).sum() + ag.exp(w[0, 0])


def test_per_sample_gradients_of_a_network_equal_the_loop():
    sizes = [(4, 5), (5, 2)]
    parameters = [(RNG.normal(size=s), RNG.normal(size=s[1])) for s in sizes]
    targets = RNG.normal(size=(B, 2))

    def loss(parameters, x, y):
        for w, b in parameters:
            x = ag.tanh(x @ w + b)
        return nn.mean_squared_error(x, y)

    found = ag.vmap(ag.grad(loss), (None, 0, 0))(parameters, X, targets)
    losses, again = ag.vmap(ag.value_and_grad(loss), (None, 0, 0))(parameters, X, targets)
    loop = [ag.grad(loss)(parameters, x, y) for x, y in zip(X, targets)]
    same(losses, [loss(parameters, x, y) for x, y in zip(X, targets)])
    for layer, pair in enumerate(found):
        for kind, g in enumerate(pair):
            same(g, np.stack([each[layer][kind] for each in loop]))
            same(again[layer][kind], g)


def test_every_transformation_inside_and_outside():
    v = RNG.normal(size=W.shape)
    for f in (energy, ag.checkpoint(energy)):
        per_row = {
            "grad": ag.grad(f),
            "hvp": lambda w, x, f=f: ag.hvp(lambda w: f(w, x), w, v),
            "jvp": lambda w, x, f=f: ag.jvp(lambda w: f(w, x), (w,), (v,))[1],
            "jacobian": lambda w, x: ag.jacobian(lambda w: ag.tanh(x @ w))(w),
            "hessian": lambda w, x, f=f: ag.hessian(lambda w: f(w, x))(w),
            "grad of grad": ag.grad(lambda w, x, f=f: (ag.grad(f)(w, x) ** 2).sum()),
            "vmap": lambda w, x: ag.vmap(lambda column: ag.sin(column) @ x, 1)(w),
        }
        for transformed in per_row.values():
            same(ag.vmap(transformed, (None, 0))(W, X), np.stack([transformed(W, x) for x in X]), 1e-11)
            batched = np.stack([W, W + 1, W - 1])
            same(ag.vmap(transformed)(batched, X), np.stack([transformed(w, x) for w, x in zip(batched, X)]), 1e-11)
        through = lambda w, f=f: ag.vmap(ag.grad(f), (None, 0))(w, X).sum()  # noqa: E731
        expected = ag.grad(lambda w: sum(ag.grad(energy)(w, x).sum() for x in X))(W)
        same(ag.grad(through)(W), expected, 1e-11)
        same(ag.jvp(through, (W,), (v,))[1], (expected * v).sum(), 1e-11)


def test_jacobians_by_mapping_over_a_pullback():
    f = lambda x: ag.tanh(x @ W)  # noqa: E731
    expected = ag.jacobian(f)(X[0])
    y, pullback = ag.vjp(f, X[0])
    same(ag.vmap(pullback)(np.eye(2))[0], expected)
    same(ag.vmap(lambda v: ag.jvp(f, (X[0],), (v,))[1], out_axes=1)(np.eye(4)), expected)
    # the batch of the pullback is made after the one inside the function, and stands outside of it
    _, pullback = ag.vjp(ag.vmap(f), X)
    units = np.eye(2 * B).reshape(-1, B, 2)
    same(ag.vmap(pullback)(units)[0], np.stack([ag.vjp(ag.vmap(f), X)[1](u)[0] for u in units]))


def test_nested_rows_of_other_lengths():
    a, b = RNG.normal(size=(5, 4)), RNG.normal(size=(3, 4))
    w = Tensor(np.ones(4), requires_grad=True)
    pairs = ag.vmap(lambda x: ag.vmap(lambda y: (x * w) @ y)(b))(a)
    same(pairs.data, a @ b.T)
    (pairs**2).sum().backward()
    same(w.grad, np.einsum("ij,ik,jk->k", 2 * a @ b.T, a, b))
    kernel = ag.vmap(ag.vmap(lambda x, y: ag.exp(-((x - y) ** 2).sum()), (None, 0)), (0, None))
    same(kernel(a, b), np.exp(-((a[:, None] - b) ** 2).sum(axis=-1)))
    same(ag.grad(lambda a: kernel(a, b).sum())(a), ag.grad(lambda a: ag.exp(-((a[:, None] - b) ** 2).sum(-1)).sum())(a))


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_compiled_inside_and_outside(backend):
    expected = np.stack([ag.grad(energy)(W, x) for x in X])
    mapped = ag.vmap(ag.grad(energy), (None, 0))
    step = ag.compile(mapped, backend=backend)
    for scale in (1.0, 2.0):
        same(step(W, X * scale).data, mapped(W, X * scale))
    same(ag.vmap(ag.compile(ag.grad(energy), backend=backend), (None, 0))(W, X), expected)
    w = Tensor(W, requires_grad=True)

    @ag.compile(backend=backend)
    def train(x):
        loss = ag.vmap(lambda row: energy(w, row))(x).mean()
        w.zero_grad()
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        return loss

    assert train(X).item() == pytest.approx(np.mean([energy(W, x) for x in X]), rel=1e-14)
    same(w.data, W - 0.1 * expected.mean(axis=0))


def test_a_primitive_of_the_user_runs_row_by_row():
    seen = []

    @ag.primitive(vjps=[lambda g, y, x, n: g * n * x ** (n - 1), None])
    def raised(x, n):
        seen.append(np.shape(x))
        return np.power(x, n)

    f = lambda x: raised(x, 3).sum()  # noqa: E731
    same(ag.vmap(f)(X), (X**3).sum(axis=1))
    assert seen == [(4,)] * B
    same(ag.vmap(ag.grad(f))(X), 3 * X**2)
    same(ag.vmap(ag.hessian(f))(X), np.stack([np.diag(6 * x) for x in X]))
    same(ag.grad(lambda x: ag.vmap(f)(x).sum())(X), 3 * X**2)
    same(ag.jvp(ag.vmap(f), (X,), (X,))[1], 3 * (X**3).sum(axis=1))
    with pytest.raises(errors.ShapeError, match="without rows it cannot be tried"):
        ag.vmap(f)(np.ones((0, 2)))


def test_random_numbers_are_the_same_in_every_row():
    rng = np.random.default_rng(0)
    found = ag.vmap(lambda x: x + rng.normal(size=4))(np.zeros((B, 4)))
    assert (found == found[0]).all() and found[0].any()
    step = ag.compile(ag.vmap(lambda x: x + rng.normal(size=4)))
    first, second = step(np.zeros((B, 4))), step(np.zeros((B, 4)))
    assert (first == first[0]).all() and (first != second).any()


def test_products_with_one_matrix_are_one_product():
    graph = ag.trace(ag.vmap(lambda x: ag.tanh(x @ W)), X)
    assert [(eqn.primitive.name, eqn.out.shape) for eqn in graph.eqns if eqn.primitive.name != "reshape"] == [
        ("matmul", (B, 2)),
        ("tanh", (B, 2)),
    ]


def test_numpy_functions_and_layers():
    f = lambda x: np.tanh(x) @ W + np.sum(x) - np.linalg.norm(x) + np.where(x > 0, x, 0.0)[:2]  # noqa: E731
    same(ag.vmap(f)(X), np.stack([f(x) for x in X]))
    same(ag.vmap(ag.jacobian(f))(X), np.stack([ag.jacobian(f)(x) for x in X]))
    model = nn.MLP([4, 5, 2], activation=nn.Tanh, seed=0)
    loss = ag.vmap(lambda x, y: nn.mean_squared_error(model(x), y))(X, X[:, :2]).mean()
    loss.backward()
    found = [parameter.grad for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.zero_grad()
    nn.mean_squared_error(model(Tensor(X)), X[:, :2]).backward()
    for g, parameter in zip(found, model.parameters(), strict=True):
        same(g, parameter.grad)


@pytest.mark.parametrize("first", range(0, 150, 50))
def test_random_programs(first):
    """Values of programs, and the gradients that they leave in their parameters."""
    for seed in range(first, first + 50):
        made = fuzz.program(seed)
        made.text = "\n".join(line for line in made.text.splitlines() if ".data =" not in line and ".grad" not in line)
        made.text = made.text.replace("rows):", "rows, one):").replace("loss.backward()", "(loss + one).backward()")
        arrays = [np.stack([a, a / 2 if a.dtype.kind == "f" else a, np.flip(a)]).astype(a.dtype)
                  for a in made.arguments.values()]  # fmt: skip
        rng = np.random.default_rng(seed)
        mapped = {*np.flatnonzero(rng.random(len(arrays)) < 0.7), len(arrays)}
        arrays.append(np.zeros(B))
        with np.errstate(all="ignore"):
            step, _, parameters = made.load()
            args, axes = given(arrays, mapped)
            results = ag.vmap(step, axes)(*map(Tensor, args))
            found = [*results, *(parameter.grad for parameter in parameters)]
            step, _, parameters = made.load()
            loop = [step(*map(Tensor, part(arrays, mapped, i))) for i in range(B)]
        columns = [
            np.stack([np.asarray(y.data if isinstance(y, Tensor) else y) for y in column]) for column in zip(*loop)
        ]
        for actual, expected in zip(found, [*columns, *(parameter.grad for parameter in parameters)], strict=True):
            actual = actual.data if isinstance(actual, Tensor) else actual
            assert (actual is None) is (expected is None), made.text
            assert actual is None or fuzz.close(actual, expected), made.text


def test_pictures_and_anomalies():
    w = Tensor(W, requires_grad=True, name="w")
    loss = ag.vmap(lambda x: ag.log(energy(w, x)))(X).sum()
    with ag.keep_grads():
        loss.backward()
    text = ag.draw(loss).dot
    assert "rows" in text and "tanh" in text and "Frame object" not in text
    report = ag.compare({"dw": w.grad})
    report.raise_if_wrong()
    with pytest.raises(errors.GraphError, match=r"goes through vmap: compare with the\s+gradients"):
        ag.compare({"dw": w.grad}, loss)
    with pytest.raises(errors.ArgumentError, match="explore the\\s+function of a single row"):
        ag.explore(loss)
    with ag.detect_anomaly(), pytest.raises(errors.NonFiniteError, match="log"):
        ag.vmap(lambda x: ag.log(x.sum()))(np.zeros((B, 4)))
