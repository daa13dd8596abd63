"""The compile decorator as a whole: reasons, limits, repeat and scan, check, randomness, threads, cost of compiling."""

import threading
import time
import warnings

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native, numpy_program
from autograd.core import errors
from autograd.core.primitive import REGISTRY
from autograd.passes import optimise
from tests.fuzz import close, same_bits

X = np.array([0.5, -1.0, 2.0])
BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]


def descent(rate=0.1, dtype=float):
    """A step of gradient descent on w, and w."""
    w = Tensor(np.array([1.0, 2.0, 4.0]), requires_grad=True, dtype=dtype, name="w")

    def step(x):
        w.grad = None
        loss = ((w - x) ** 2).sum()
        loss.backward()
        w.data = w.data - rate * w.grad
        return loss

    return step, w


# ----- options and looking inside -----
def test_wrong_options_are_refused():
    with pytest.raises(errors.ArgumentError, match="unknown backend 'cuda'.*numpy"):
        ag.compile(lambda x: x, backend="cuda")
    with pytest.raises(errors.ArgumentError, match=r"static=\['n'\] names no argument"):
        ag.compile(lambda x: x, static="n")
    with pytest.raises(errors.ArgumentError, match="at least 1"):
        ag.compile(lambda x: x).repeat(0, X)
    with pytest.raises(errors.TraceError, match="not been traced"):
        _ = ag.compile(lambda x: x).source


def test_explain_says_everything():
    rate = 0.1
    w = Tensor(X, requires_grad=True)

    @ag.compile(backend="numpy")
    def step(x, n):
        w.grad = None
        (ag.exp(w * x) * n).sum().backward()
        w.data = w.data - rate * w.grad

    assert step.explain() == "step: not traced yet"
    step(X, 1)
    step(X, 2)
    step(np.ones((2, 3)), 2)
    step(np.ones(3, np.float32), 2)
    rate = 0.01
    step(X, 2)
    text = step.explain()
    assert text.startswith("step: 5 traces, backend numpy\ntrace 1: first call\n")
    assert "trace 2: n: 1 -> 2\n" in text
    assert "trace 3: x: array float64[3] -> array float64[2, 3]\n" in text
    assert "trace 4: x: array float64[2, 3] -> array float32[3]\n" in text
    assert "rate: 0.1 -> 0.01" in text
    assert "equations: trace " in text
    assert " -> dce " in text
    assert "fusion groups: " in text
    assert "loop over [3]: " in text
    assert "bytes" in text
    assert step.trace_count == 5
    assert repr(step) == "<compiled step, 5 traces>"
    assert "def program(" in step.program
    assert step.stages[0][0] == "trace"


def test_the_function_keeps_its_name_and_documentation():
    @ag.compile
    def step(x):
        """One step."""
        return x

    assert (step.__name__, step.__doc__) == ("step", "One step.")


def test_at_the_limit_compiled_variants_are_kept_and_new_cases_run_eagerly():
    step = ag.compile(lambda x, n: x * n, max_traces=2)
    step(X, 1)
    step(X, 2)
    with pytest.warns(UserWarning, match=r"traced 2 times.*n: 2 -> 3") as caught:
        np.testing.assert_array_equal(step(X, 3), X * 3)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(step(X, 4), X * 4)
        for n in (1, 2):
            np.testing.assert_array_equal(step(X, n).data, X * n)
    assert step.trace_count == 2


def test_compiling_can_be_switched_off():
    step, w = descent()
    compiled = ag.compile(step)
    with ag.disable_compile():
        loss = compiled(Tensor(X))
    assert compiled.trace_count == 0
    assert loss.creator is not None


# ----- repeat and scan -----
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_repeat_and_scan_equal_the_loop(backend, dtype):
    (first, v), (second, w) = descent(dtype=dtype), descent(dtype=dtype)
    loop, other = ag.compile(first, backend=backend), ag.compile(second, backend=backend)
    x = Tensor(X, dtype=dtype)
    equal = same_bits if backend == "numpy" else close
    expected = np.array([loop(x).data for _ in range(7)])
    assert equal(other.repeat(7, x), expected)
    assert equal(v.data, w.data)
    assert equal(v.grad, w.grad)
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    expected = np.array([loop(Tensor(row)).data for row in rows])
    assert equal(other.scan(Tensor(rows)), expected)
    assert equal(v.data, w.data)
    assert equal(v.grad, w.grad)


def test_repeat_and_scan_of_containers():
    step = ag.compile(lambda batch, scale: {"sum": batch["x"].sum() * scale, "x": batch["x"] + 1})
    rows = np.arange(6.0).reshape(2, 3)
    result = step.scan({"x": rows}, np.array([1.0, 10.0]))
    np.testing.assert_array_equal(result["sum"], [3.0, 120.0])
    np.testing.assert_array_equal(result["x"], rows + 1)
    assert step.repeat(2, {"x": X}, 2.0)["x"].shape == (2, 3)


@pytest.mark.parametrize("arguments", [(X, np.ones((2, 3))), (np.float64(1.0),), ()])
def test_scan_needs_one_leading_length(arguments):
    with pytest.raises(errors.ArgumentError, match="common leading length"):
        ag.compile(lambda *xs: xs).scan(*arguments)


# ----- check=True -----
def test_check_passes_what_is_right():
    step, w = descent()
    plain, v = descent()
    checked = ag.compile(step, check=True)
    for _ in range(3):
        assert close(checked(Tensor(X)).data, plain(Tensor(X)).data)
        assert close(w.data, v.data)
        assert close(w.grad, v.grad)


def test_check_finds_a_wrong_program(monkeypatch):
    monkeypatch.setattr(REGISTRY["exp"], "ufunc", np.expm1)
    step = ag.compile(lambda x: ag.exp(x) * 2, check=True, backend="numpy")
    with pytest.raises(errors.TraceError, match="compiled and eager differ in result"):
        step(Tensor(X))


def test_check_finds_a_wrong_update(monkeypatch):
    monkeypatch.setattr(REGISTRY["sub"], "ufunc", np.add)
    step, w = descent()
    with pytest.raises(errors.TraceError, match="differ in"):
        ag.compile(step, check=True, backend="numpy")(Tensor(X))


def test_check_draws_the_same_numbers_for_both():
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    step = ag.compile(lambda x: x + rng.random(3), check=True)
    for _ in range(3):
        assert same_bits(step(Tensor(X)).data, X + other.random(3))


# ----- randomness -----
class Holder:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)


def closure(seed):
    rng = np.random.default_rng(seed)
    return (lambda x: x * (rng.random(3) < 0.5) + rng.normal(0.0, 2.0, 3)), ()


def attribute(seed):
    holder = Holder(seed)
    return (lambda x: x + holder.rng.uniform(-1, 1, size=(2, 3)) * holder.rng.standard_normal()), ()


def in_a_list(seed):
    rngs = [np.random.default_rng(seed), np.random.default_rng(seed + 1)]
    return (lambda x: x + rngs[0].integers(0, 10, 3) + rngs[1].exponential(size=3)), ()


def in_a_global(seed):
    space = {"rng": np.random.default_rng(seed)}
    exec("def step(x):\n    return x[rng.permutation(3)]", space)
    return space["step"], ()


def argument(seed):
    return (lambda x, rng: x * rng.choice([0.0, 2.0], 3) + rng.gamma(2.0, size=3)), (np.random.default_rng(seed),)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", [closure, attribute, in_a_list, in_a_global, argument], ids=lambda f: f.__name__)
def test_draws_are_new_at_every_call_and_those_of_eager(make, backend):
    (eager, more), (plain, others) = make(7), make(7)
    step = ag.compile(plain, backend=backend)
    results = [step(Tensor(X), *others).data for _ in range(5)]
    expected = [eager(Tensor(X), *more).data for _ in range(5)]
    for got, want in zip(results, expected, strict=True):
        assert same_bits(got, want) or (backend == "native" and close(got, want))
    assert any((a != results[0]).any() for a in results[1:])
    assert step.trace_count == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_noisy_mask_under_backward(backend):
    def make():
        rng = np.random.default_rng(3)
        w = Tensor(X, requires_grad=True)

        def step(x):
            w.grad = None
            keep = (rng.random(3) < 0.8) / 0.8
            (w * x * keep).sum().backward()
            w.data = w.data - 0.1 * w.grad

        return step, w

    (eager, v), (plain, w) = make(), make()
    step = ag.compile(plain, backend=backend)
    for _ in range(6):
        eager(Tensor(X))
        step(Tensor(X))
        assert close(v.data, w.data)
        assert close(v.grad, w.grad)


def test_repeat_draws_anew_each_time():
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    step = ag.compile(lambda x: x + rng.random())
    np.testing.assert_array_equal(step.repeat(4, 1.0), [1.0 + other.random() for _ in range(4)])


# ----- threads -----
@pytest.mark.parametrize("backend", BACKENDS)
def test_eight_threads_on_one_step(backend):
    total = Tensor(np.zeros(64))

    @ag.compile(backend=backend)
    def step(x):
        total.data = total.data + x
        return ag.tanh(x * 2.0).sum()

    inputs = [Tensor(np.full(64, float(i))) for i in range(8)]
    expected = [float(step(x).data) for x in inputs]
    total.data = np.zeros(64)
    wrong = []

    def work(i):
        for _ in range(50):
            if float(step(inputs[i]).data) != expected[i]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert step.trace_count == 1
    np.testing.assert_array_equal(total.data, np.full(64, 50.0 * sum(range(8))))


def test_threads_that_trace_at_the_same_time():
    step = ag.compile(lambda x, n: (x * n).sum(), max_traces=100)
    results = {}

    def work(n):
        results[n] = [float(step(Tensor(X), n).data) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [float((X * n).sum())] * 5 for n in range(8)}


# ----- the cost of compiling -----
def long_step(n):
    w = Tensor(np.full(3, 0.1), requires_grad=True)

    def step(x):
        w.grad = None
        y = x
        for i in range(n // 2):
            y = y * w + 1.0 if i % 2 else ag.tanh(y) + x
        y.sum().backward()
        w.data = w.data - 0.1 * w.grad
        return y

    return step


def seconds_per_equation(n):
    start = time.process_time()
    graph = optimise(ag.trace(long_step(n), X))[-1][1]
    numpy_program.BACKEND.compile(graph)
    return (time.process_time() - start) / len(graph.eqns)


def test_compiling_costs_the_same_per_equation_however_long_the_step():
    seconds_per_equation(400)
    assert seconds_per_equation(8000) < 2.5 * min(seconds_per_equation(400) for _ in range(5))


def process_seconds(function):
    start = time.process_time()
    function(X)
    return time.process_time() - start


@pytest.mark.slow
def test_a_tape_of_ten_thousand_operations_is_compiled_in_the_time_of_fifty_eager_steps():
    eager = min(process_seconds(long_step(10_000)) for _ in range(3))
    step = ag.compile(long_step(10_000), backend="numpy")  # twenty-five thousand equations with the backward pass
    assert process_seconds(step) < 50 * eager


@pytest.mark.slow
def test_a_hundred_thousand_operations():
    small = min(seconds_per_equation(1000) for _ in range(3))
    assert seconds_per_equation(40_000) < 2.5 * small


def test_a_network_trains_the_same_compiled():
    def train(wrap):
        model = nn.MLP([2, 8, 1], activation=nn.Tanh, rng=np.random.default_rng(0))
        optimizer = nn.optim.SGD(model.parameters(), learning_rate=0.1, momentum=0.9)

        @wrap
        def step(x, y):
            loss = ((model(x) - y) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        x, y = nn.data.xor()
        return [float(step(Tensor(x), Tensor(y)).data) for _ in range(50)], [p.data for p in model.parameters()]

    (eager, weights), (compiled, others) = train(lambda f: f), train(lambda f: ag.compile(f, backend="numpy"))
    np.testing.assert_allclose(compiled, eager, rtol=1e-12)
    for a, b in zip(weights, others, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)
