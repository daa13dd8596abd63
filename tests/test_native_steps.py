"""Steps in machine code: state overwritten in place and seen by nobody, loops over steps, NumPy in between, interruption."""

import _thread
import itertools
import threading
import time

import numpy as np
import pytest

import autograd as ag
from autograd.backends import native
from autograd.core.errors import MissingDependencyError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 2)), RNG.random((4, 1)).round()


def network(dtype=np.float64, sizes=(2, 3, 1), options=None):
    """A small network, its step (not compiled) and its parameters."""
    rng = np.random.default_rng(1)
    weights = [
        ag.Tensor(rng.normal(size=shape).astype(dtype), requires_grad=True) for shape in itertools.pairwise(sizes)
    ]
    biases = [ag.Tensor(np.zeros(n, dtype), requires_grad=True) for n in sizes[1:]]
    count = ag.Tensor(dtype(0))

    def step(x, y):
        h = x
        for w, b in zip(weights, biases, strict=True):
            h = ag.sigmoid(h @ w + b)
        loss = ((h - y) ** 2).mean()
        for p in (*weights, *biases):
            p.grad = None
        loss.backward()
        count.data = count.data + 1
        for p in (*weights, *biases):
            p.data = p.data - 0.5 * p.grad
        return loss, h

    return ag.compile(step, backend="native", **(options or {})), [*weights, *biases, count]


def values(tensors):
    return [np.array(t.data) for t in tensors]


def same(a, b):
    return all(np.array_equal(x, y) and np.asarray(x).dtype == np.asarray(y).dtype for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sizes", [(2, 3, 1), (2, 40, 1)])
def test_repeat_is_the_python_loop_to_the_last_bit(dtype, sizes):
    x, y = X.astype(dtype), Y.astype(dtype)
    step, state = network(dtype, sizes)
    other, others = network(dtype, sizes)
    losses, outputs = step.repeat(25, x, y)
    singles = [other(x, y) for _ in range(25)]
    assert same(losses, [loss.data for loss, _ in singles]) and same(outputs, [h.data for _, h in singles])
    assert same(values(state), values(others))
    assert same([t.grad for t in state[:-1]], [t.grad for t in others[:-1]])
    assert state[-1].item() == 25 and step.trace_count == 1


def test_scan_walks_along_stacked_arguments():
    xs, ys = RNG.normal(size=(12, 4, 2)), RNG.random((12, 4, 1))
    step, state = network()
    other, others = network()
    losses, _ = step.scan(xs, ys)
    assert same(losses, [other(x, y)[0].data for x, y in zip(xs, ys, strict=True)])
    assert same(values(state), values(others))
    assert same(step.scan(xs[::2], ys[::2])[0], [other(x, y)[0].data for x, y in zip(xs[::2], ys[::2], strict=True)])


def test_results_of_earlier_steps_stay():
    step, _ = network()
    loss, h = step(X, Y)
    kept = float(loss), h.data.copy()
    for _ in range(3):
        step(X, Y)
    assert float(loss) == kept[0] and np.array_equal(h.data, kept[1])


@pytest.mark.parametrize(
    "look", [lambda a: a, lambda a: a[:1], lambda a: a.T, memoryview], ids=["array", "view", "transpose", "memory"]
)
@pytest.mark.parametrize("loop", [False, True])
def test_who_has_seen_a_parameter_keeps_its_old_value(look, loop):
    step, state = network()
    step(X, Y)
    seen = look(state[0].data)
    before = np.array(seen)
    if loop:
        step.repeat(5, X, Y)
    else:
        step(X, Y)
    assert np.array_equal(np.array(seen), before)
    assert not np.array_equal(state[0].data[:1], before[:1] if before.shape != (3, 2) else before.T[:1])


def test_parameters_are_overwritten_where_nobody_sees_it():
    step, state = network()
    step(X, Y)
    where = state[0].data.__array_interface__["data"]
    step(X, Y)
    assert state[0].data.__array_interface__["data"] == where


def test_arguments_in_any_layout():
    step, _ = network()
    other, _ = network()
    wide = np.zeros((4, 4))
    wide[:, ::2] = X
    unaligned = np.frombuffer(b"x" + Y.tobytes(), dtype=np.uint8)[1:].view(np.float64).reshape(4, 1)
    for _ in range(2):
        assert float(step(np.asfortranarray(X), Y)[0]) == float(other(X, Y)[0])
        assert float(step(wide[:, ::2], unaligned)[0]) == float(other(X, Y)[0])


def test_arguments_that_are_assigned():
    @ag.compile(backend="native")
    def step(w, x):
        w.data = w.data * 2 + x
        return w.sum()

    w = ag.Tensor([1.0, 2.0])
    before = w.data
    assert float(step(w, 0.5)) == 7.0 and float(step(w, 1.0)) == 16.0
    assert np.array_equal(before, [1.0, 2.0]) and np.array_equal(w.data, [6.0, 10.0])
    assert np.array_equal(step.repeat(2, w, 0.0), [32.0, 64.0])


def test_exchanging_two_parameters():
    a, b = ag.Tensor([1.0, 2.0]), ag.Tensor([3.0, 4.0])

    @ag.compile(backend="native")
    def step():
        a.data, b.data = b.data, a.data
        return a * 1

    assert np.array_equal(step().data, [3.0, 4.0])
    assert np.array_equal(step.repeat(3), [[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
    assert np.array_equal(b.data, [3.0, 4.0])


def test_numpy_between_segments():
    w = ag.Tensor(np.eye(3) * 2)

    def step(x):
        y = ag.inv(w @ x) * 3
        w.data = w.data + y
        return ag.cumsum(y.sum(axis=0)) + 1

    x = np.eye(3) + 0.1
    compiled = ag.compile(step, backend="native")
    got = [compiled(x).data, *compiled.repeat(2, x)]
    after = w.data.copy()
    w.data = np.eye(3) * 2
    np.testing.assert_allclose(got, [step(x).data for _ in range(3)], rtol=1e-13)
    np.testing.assert_allclose(after, w.data, rtol=1e-13)


def test_random_numbers_are_drawn_anew_and_in_order():
    def make():
        rng = np.random.default_rng(5)

        def step(x):
            return x * rng.normal(size=3) + rng.random()

        return step

    plain, compiled = make(), ag.compile(make(), backend="native")
    for _ in range(3):
        np.testing.assert_allclose(compiled(np.ones(3)).data, plain(np.ones(3)), rtol=1e-15)


def test_constants_are_read_anew():
    table = np.arange(12.0).reshape(3, 4)[:, ::2]
    step = ag.compile(lambda x: (x * table).sum(), backend="native")
    assert float(step(np.ones((3, 2)))) == table.sum()
    table += 1
    assert float(step(np.ones((3, 2)))) == table.sum()


def test_a_loop_over_steps_can_be_interrupted():
    w, count = ag.Tensor(np.zeros(50_000)), ag.Tensor(0.0)

    @ag.compile(backend="native")
    def step():
        w.data = ag.sin(w.data) + 1
        count.data = count.data + 1
        return count * 1

    step.repeat(3)
    started = time.perf_counter()
    threading.Timer(0.3, _thread.interrupt_main).start()
    with pytest.raises(KeyboardInterrupt):
        step.repeat(10_000_000)
    assert time.perf_counter() - started < 3
    steps = int(count.item())
    assert 3 < steps < 10_000_000 and np.ptp(w.data) == 0  # every element has seen the same number of steps
    expected = 0.0
    for _ in range(steps):
        expected = np.sin(expected) + 1
    assert w.data[0] == pytest.approx(expected, rel=1e-12)


def test_other_threads_run_meanwhile():
    step = ag.compile(lambda x: ag.erf(ag.erf(ag.erf(x))).sum(), backend="native")
    x = np.ones(3_000_000)
    step(x)
    turns = 0
    running = threading.Thread(target=lambda: step(x))
    running.start()
    while running.is_alive():
        turns += 1
    assert turns > 1000


def test_two_threads_share_a_program():
    step = ag.compile(lambda x: (x @ x.T).sum(axis=0), backend="native")
    inputs = [RNG.normal(size=(60, 60)) for _ in range(8)]
    expected = [step(x).data for x in inputs]
    wrong = []

    def work():
        for _ in range(20):
            wrong.extend(i for i, x in enumerate(inputs) if not np.array_equal(step(x).data, expected[i]))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_without_llvmlite(monkeypatch):
    monkeypatch.setattr(native, "_installed", lambda: False)
    with pytest.raises(MissingDependencyError, match=r'pip install "tracegrad\[native\]"'):
        ag.compile(lambda x: x, backend="native")
    step = ag.compile(lambda x: x * 2)
    step(X)
    assert "backend numpy" in step.explain()


def test_the_code_can_be_read():
    step, _ = network()
    step(X, Y)
    assert "define i64 @segment0" in step.llvm and "fmul contract" in step.llvm
    assert "segment0" in step.asm
    assert "machine code" in step.explain()


def test_programs_are_freed():
    import gc
    import weakref

    step, _ = network()
    step(X, Y)
    machine = weakref.ref(step._latest().executable.program.machine)
    del step
    gc.collect()
    assert machine() is None


def test_machine_code_is_kept_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOGRAD_CACHE", str(tmp_path / "kept"))

    def run():
        step, _ = network(sizes=(2, 5, 1))
        loss = float(step(X, Y)[0])
        return loss, step._latest().executable.program.machine.cached, step.explain()

    loss, cached, text = run()
    assert not cached and "loaded" not in text
    (file,) = (tmp_path / "kept").iterdir()
    assert run()[:2] == (loss, True) and "loaded from the cache" in run()[2]
    file.write_bytes(file.read_bytes()[:-7])  # damaged: made anew, and whole again
    monkeypatch.setattr("autograd.backends.native.runtime.cache._warned", False)
    with pytest.warns(UserWarning, match="its content is damaged"):
        assert run()[:2] == (loss, False)
    assert run()[:2] == (loss, True)
    monkeypatch.setenv("AUTOGRAD_CACHE", "off")
    assert run()[:2] == (loss, False)
    monkeypatch.setenv("AUTOGRAD_CACHE", str(file / "not a directory"))
    assert run()[:2] == (loss, False)


def test_a_very_large_step_is_left_to_numpy_unless_machine_code_is_asked_for(monkeypatch):
    monkeypatch.setattr(native.BACKEND, "most_equations", 2)
    x = np.arange(3.0)
    left, asked = (ag.compile(lambda x: ag.exp(x * 2) + 1, backend=b) for b in (None, "native"))
    np.testing.assert_allclose(left(x).data, asked(x).data, rtol=1e-15)
    assert "backend numpy" in left.explain()
    assert "backend native" in asked.explain()


@pytest.mark.parametrize(("walk", "passed"), [("repeat", False), ("repeat", True), ("scan", False)])
@pytest.mark.parametrize("reset", [False, True], ids=["going on", "set to None by the caller"])
def test_gradients_that_add_up_over_steps_are_carried_from_step_to_step(walk, passed, reset):
    w = ag.Tensor(np.ones(3), requires_grad=True)

    def closed(x):
        loss = (w * x).sum()
        loss.backward()
        w.data = w.data - 0.125 * w.grad
        return loss

    def given(w, x):
        loss = (w * x).sum()
        loss.backward()
        w.data = w.data - 0.125 * w.grad
        return loss

    step = ag.compile(given if passed else closed, backend="native")
    value, grad = 1.0, 0.0
    for _ in range(3):
        if reset:
            w.grad, grad = None, 0.0
        if walk == "scan":
            losses = step.scan(np.full(4, 2.0))
        else:
            losses = step.repeat(4, w, 2.0) if passed else step.repeat(4, 2.0)
        expected = []
        for _ in range(4):
            expected.append(6 * value)
            grad += 2.0
            value -= 0.125 * grad
        assert losses.tolist() == expected
        assert w.grad.tolist() == [grad] * 3
        assert w.data.tolist() == [value] * 3
