"""What machine code cannot read as it lies, and what NumPy computes between two parts of it: never what an earlier call left.

Steps with a function that goes through NumPy, with any number of arguments, give what they give eagerly: results, updates,
gradients, loops over steps.  A step that fails leaves everything as it was.
"""

import signal

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends.native import UNSUPPORTED
from autograd.core.primitive import REGISTRY
from tests.samples import SAMPLES

COUNTS = (0, 1, 5, 29, 30, 31, 32, 33, 64, 100)  # (Python passes more than 30 arguments in another way)


@ag.primitive(vjps=[lambda g, y, x: g * 2 * x])
def squared_by_numpy(x):
    """An operation of a user's own: there is no machine code for it."""
    return np.square(x)


def solved(x):
    return np.linalg.solve(x, x[0])


def drawing():
    rng = np.random.default_rng(5)
    return lambda x: x * rng.normal(size=(3, 3))


def drawing_in_machine_code():
    rng = np.random.default_rng(5)
    return lambda x: x * rng.random((3, 3))


MADE = {
    "einsum": lambda: lambda x: np.einsum("ij,kj->ik", x, x),
    "solve": lambda: solved,
    "inv": lambda: np.linalg.inv,
    "det": lambda: np.linalg.det,
    "logabsdet": lambda: lambda x: np.linalg.slogdet(x)[1],
    "detsign": lambda: lambda x: np.linalg.slogdet(x)[0] * x,
    "cholesky": lambda: lambda x: np.linalg.cholesky(x @ x.T),
    "draw": drawing,
    "draw in machine code": drawing_in_machine_code,
    "a user's primitive": lambda: squared_by_numpy,
    "two of them": lambda: lambda x: np.einsum("ij->ji", np.linalg.inv(x)) @ np.linalg.inv(x + 1),
    "left_shift": lambda: lambda x: x + np.left_shift(x.astype(np.int64), 1),
    "right_shift": lambda: lambda x: x + (x.astype(np.int64) >> 1),
    "float16": lambda: lambda x: (x.astype(np.float16) + 1).astype(np.float64) * x,
    "longdouble": lambda: lambda x: (x.astype(np.longdouble) / 3).astype(np.float64) + x,
    "none of them": lambda: lambda x: np.exp(x) * x,
}


def world(make, count, scalars=0):
    """A step over `count` parameters (the first few of them numbers), and the parameters."""
    function = make()
    weights = [Tensor(0.5 if i < scalars else np.full(3, 0.25 * i), name=f"w{i}") for i in range(count)]

    def step(x):
        total = function(x).sum()
        for weight in weights:
            total = total + weight.sum() * 2
            weight.data = weight.data * 0.5 + 1
        return total

    return step, weights


MATRIX = np.array([[3.0, 1.0, 0.5], [0.25, 4.0, 1.0], [0.5, 0.75, 5.0]])


def test_every_function_that_goes_through_numpy_is_tried():
    assert set(UNSUPPORTED) <= set(MADE)


def check(name, count, backend):
    """Compiled as eager: results, `repeat`, and what is left in the parameters."""
    plain, expected = world(MADE[name], count, min(count, 2))
    step, weights = world(MADE[name], count, min(count, 2))
    step = ag.compile(step, backend=backend)
    x = MATRIX
    for turn in range(3):
        got, want = step(x), plain(Tensor(x))
        np.testing.assert_allclose(got.data, want.data, rtol=1e-13, err_msg=f"call {turn}")
        x = x + 0.5 * np.eye(3)
    np.testing.assert_allclose(step.repeat(3, x), [plain(Tensor(x)).data for _ in range(3)], rtol=1e-13)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-14)
        assert type(a.data) is type(b.data)


@pytest.mark.parametrize("name", MADE)
def test_many_arguments(name):
    check(name, 0, "native")
    check(name, 33, "native")


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", ["inv", "draw in machine code"])
def test_any_number_of_arguments(name, count):
    check(name, count, "native")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "numpy"])
@pytest.mark.parametrize("name", MADE)
def test_any_function_with_any_number_of_arguments(name, backend):
    for count in COUNTS:
        check(name, count, backend)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_primitive_among_many_arguments(name):
    """One sample of each primitive between 33 parameters that change, called again and again."""
    primitive = REGISTRY[name]
    case = next((case for case in SAMPLES[name].cases if not case.settings.get("empty")), None)
    arrays, settings = case.draw(np.float64)
    given = [a for a in arrays if isinstance(a, np.ndarray | np.generic)]

    def make():
        weights = [Tensor(np.full(2, float(i))) for i in range(33)]

        def step(*values):
            rest = iter(values)
            result = primitive(
                *[next(rest) if isinstance(a, np.ndarray | np.generic) else a for a in arrays], **settings
            )
            for weight in weights:
                weight.data = weight.data * 0.5
            return result

        return step, weights

    (plain, expected), (step, weights) = make(), make()
    step = ag.compile(step, backend="native")
    for _ in range(2):
        with np.errstate(all="ignore"):
            got, want = step(*map(Tensor, given)), plain(*map(Tensor, given))
        np.testing.assert_allclose(got.data, getattr(want, "data", want), rtol=1e-13, atol=1e-15)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


class Contracting(nn.Module):
    """A network of `depth` layers with an einsum in it."""

    def __init__(self, depth):
        self.layers = [nn.Dense(4, 4, seed=i) for i in range(depth)]

    def forward(self, x):
        for layer in self.layers:
            x = np.tanh(layer(x))
        return np.einsum("ni,mi->nm", x, x)[:, :1]


@pytest.mark.parametrize("depth", [1, 4, 12])
def test_fit_with_adam(depth):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)), rng.normal(size=(12, 1))
    eager, compiled = Contracting(depth), Contracting(depth)
    with ag.disable_compile():
        want = nn.fit(eager, x, y, loss=nn.mean_squared_error, epochs=6, batch_size=4, learning_rate=0.01, verbose=0)
    got = nn.fit(compiled, x, y, loss=nn.mean_squared_error, epochs=6, batch_size=4, learning_rate=0.01, verbose=0)
    np.testing.assert_allclose(got.loss, want.loss, rtol=1e-9)
    assert got.loss[-1] < got.loss[0]
    for a, b in zip(compiled.parameters(), eager.parameters(), strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-8, atol=1e-12)


# ----- what a failed step leaves -----
fault = None  # what the function of the user's own raises, if anything


@ag.primitive(vjps=[lambda g, y, x: g])
def failing(x):
    if fault is not None:
        fault()
    return x * 1


def interrupt():
    raise KeyboardInterrupt


def signal_to_itself():
    signal.raise_signal(signal.SIGINT)


def singular():
    raise np.linalg.LinAlgError("singular, as NumPy may find in the middle of a step")


@pytest.mark.parametrize("raised", [interrupt, signal_to_itself, singular])
@pytest.mark.parametrize("count", [1, 33])
@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_a_step_that_fails_in_the_middle_changes_nothing(backend, count, raised, monkeypatch):
    weights = [Tensor(1.0 if i == 0 else np.full(3, float(i)), requires_grad=True) for i in range(count)]

    def step(x):
        for weight in weights:
            weight.zero_grad()
        loss = sum(((weight * x) ** 2).sum() for weight in weights)
        loss = failing(loss) * np.linalg.inv(x * np.eye(2)).sum()
        loss.backward()
        for weight in weights:
            weight.data = weight.data - 0.01 * weight.grad
        return loss

    run = ag.compile(step, backend=backend)
    run(1.0)
    run(2.0)
    before = [(np.array(w.data), np.array(w.grad)) for w in weights]
    monkeypatch.setitem(globals(), "fault", raised)
    for call in (lambda: run(3.0), lambda: run.repeat(2, 3.0)):
        with pytest.raises((KeyboardInterrupt, np.linalg.LinAlgError)):
            call()
        for weight, (value, gradient) in zip(weights, before, strict=True):
            np.testing.assert_array_equal(weight.data, value)
            np.testing.assert_array_equal(weight.grad, gradient)
    monkeypatch.setitem(globals(), "fault", None)
    with pytest.raises(np.linalg.LinAlgError):
        run(0.0)
    got = run(3.0)
    for weight, (value, _) in zip(weights, before, strict=True):
        weight.data = value if value.ndim else value[()]
    np.testing.assert_allclose(got.data, step(3.0).data, rtol=1e-12)


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_an_index_out_of_range_changes_nothing_not_even_gradients_of_the_last_step(backend):
    def world():
        table = Tensor(np.arange(40.0).reshape(10, 4) / 40, requires_grad=True)
        weight = Tensor(np.ones((4, 4)), requires_grad=True)

        def step(index):
            for p in (table, weight):
                p.zero_grad()
            h = np.tanh(table[index] @ weight)
            loss = (h * h).sum()
            loss.backward()
            for p in (table, weight):
                p.data = p.data - 0.1 * p.grad
            return loss

        return step, (table, weight)

    (plain, expected), (step, parameters) = world(), world()
    run = ag.compile(step, backend=backend)
    good, bad = np.array([1, 2, 3]), np.array([1, 2, 30])
    for failing_call in (lambda: run(bad), lambda: run.repeat(3, bad)):
        for _ in range(2):
            run(good), plain(good)
        with pytest.raises(IndexError, match="30 is out of bounds"):
            failing_call()
        for a, b in zip(parameters, expected, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-12)
            np.testing.assert_allclose(a.grad, b.grad, rtol=1e-12)
    for p in parameters:
        p.grad = None
    with pytest.raises(IndexError):
        run.repeat(3, bad)
    assert [p.grad for p in parameters] == [None, None]


@pytest.mark.parametrize("backend", ["native", "numpy"])
def test_a_gradient_of_another_dtype_is_not_read_as_its_own(backend):
    weight = Tensor(np.ones(3), requires_grad=True)

    def step(x):
        (weight * x).sum().backward()

    run = ag.compile(step, backend=backend)
    x = np.arange(3.0)
    run(x)
    run(x)
    weight.grad = np.full(3, 0.5, np.float32)
    assert weight.grad.dtype == np.float64
    run(x)
    np.testing.assert_array_equal(weight.grad, x + 0.5)
    weight.grad = np.asfortranarray(np.arange(6.0).reshape(2, 3))[1]
    run(x)
    np.testing.assert_array_equal(weight.grad, x + [3, 4, 5])
