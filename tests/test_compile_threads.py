"""Compiled steps called by several threads, from within themselves, by signal handlers, and in forked processes."""

import contextvars
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.errors import TraceError

ROOT = Path(__file__).parent.parent
BACKENDS = ("numpy", "native")


def in_new_process(text, backend, timeout=60):
    """What a program prints, words only; it must end by itself."""
    program = textwrap.dedent(text).replace("BACKEND", repr(backend))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def together(count, work):
    """Run `work(number)` on so many threads that start at the same moment; what each returned or raised."""
    barrier = threading.Barrier(count)
    outcomes = [None] * count

    def run(number):
        barrier.wait()
        try:
            outcomes[number] = work(number)
        except Exception as error:
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return outcomes


def training(backend, optimizer):
    """A step that trains a small network, its model and the data."""
    model = nn.MLP([2, 8, 1], activation=nn.Tanh, seed=0)
    update = optimizer(model.parameters())
    X, y = nn.data.xor()

    @ag.compile(backend=backend)
    def step(x, y):
        loss = nn.mean_squared_error(model(x), y)
        update.zero_grad()
        loss.backward()
        update.step()
        return loss

    return step, model, X, y


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("optimizer", [lambda p: nn.SGD(p, 0.1, momentum=0.9), lambda p: nn.Adam(p, 0.01)])
def test_first_calls_on_eight_threads_are_like_sequential_ones(backend, optimizer):
    step, model, X, y = training(backend, optimizer)
    losses = together(8, lambda _: [float(step(X, y).item()) for _ in range(5)])
    alone, expected, X, y = training(backend, optimizer)
    sequence = [float(alone(X, y).item()) for _ in range(40)]
    assert not [loss for loss in losses if isinstance(loss, Exception)]
    assert sorted(np.concatenate(losses).tolist()) == sorted(sequence)
    assert step.trace_count == 1
    for got, parameter in zip(model.parameters(), expected.parameters(), strict=True):
        assert np.array_equal(got.numpy(), parameter.numpy())


@pytest.mark.parametrize("backend", BACKENDS)
def test_threads_with_different_shapes_share_what_the_step_changes(backend):
    total = Tensor(0.0)

    @ag.compile(backend=backend)
    def step(x):
        total.data = total.data + x.sum()
        return total * 1

    done = together(8, lambda number: [step(np.ones(number + 1)) for _ in range(25)])
    assert not [each for each in done if isinstance(each, Exception)]
    assert total.item() == 25 * sum(range(1, 9))
    assert step.trace_count == 8


@pytest.mark.parametrize("backend", BACKENDS)
def test_loops_over_steps_on_several_threads(backend):
    weight = Tensor(0.0)

    @ag.compile(backend=backend)
    def step(x):
        weight.data = weight.data + x
        return weight * 1

    results = together(4, lambda number: step.repeat(50, 1.0) if number % 2 else step.scan(np.ones(50)))
    assert not [each for each in results if isinstance(each, Exception)]
    assert weight.item() == 200
    assert sorted(np.concatenate(results).tolist()) == list(range(1, 201))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_called_from_within_itself_is_refused_if_it_changes_anything(backend):
    weight, reenter = Tensor(1.0), []

    @ag.primitive(vjps=[lambda g, y, x: g * 2])
    def twice(x):
        if reenter:
            reenter.pop()
            step(1.0)
        return x * 2

    @ag.compile(backend=backend)
    def step(x):
        weight.data = weight.data + twice(weight) * x
        return weight * 1

    for _ in range(3):
        step(1.0)
    before = weight.item()
    reenter.append(True)
    with pytest.raises(TraceError, match=r"within itself|while it runs"):
        step(1.0)
    assert weight.item() == before
    assert step(1.0).item() == 3 * before


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_step_that_only_computes_may_be_called_from_within_itself(backend):
    seen, reenter = [], []

    @ag.primitive(vjps=[lambda g, y, x: g * 2])
    def twice(x):
        if reenter:
            reenter.pop()
            seen.append(float(step(np.float64(3.0))))
        return x * 2

    step = ag.compile(lambda x: twice(x) + 1, backend=backend)
    for _ in range(3):
        assert step(np.float64(2.0)) == 5
    reenter.append(True)
    assert step(np.float64(2.0)) == 5
    assert seen == [7.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_signal_handlers_that_call_the_running_step_return(backend):
    printed = in_new_process(
        """
        import signal, time
        import numpy as np
        import autograd as ag
        from autograd import Tensor
        weight = Tensor(np.zeros(2000))
        def function(x):
            weight.data = weight.data + x
            return weight.sum()
        train = ag.compile(function, backend=BACKEND)
        predict = ag.compile(lambda x: (weight * x).sum(), backend=BACKEND)
        called, refused, wrong = [0], [0], []
        def handler(number, frame):
            called[0] += 1
            value = float(predict(2.0).item())
            try:
                train(0.0)
            except ag.errors.TraceError:
                refused[0] += 1
        signal.signal(signal.SIGALRM, handler)
        for _ in range(3):
            train(1.0), predict(2.0)
        steps = 3
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            train(1.0)
            predict(1.0)
            train.repeat(50, 1.0)
            steps += 51
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert np.array_equal(weight.numpy(), np.full(2000, float(steps))), (weight.numpy()[:3], steps)
        print(called[0] > 10)
        """,
        backend,
    )
    assert printed == ["True"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_forks_while_others_step_and_compile(backend):
    printed = in_new_process(
        """
        import os, threading, time, warnings
        import numpy as np
        import autograd as ag
        from autograd import Tensor
        warnings.simplefilter("ignore")  # Python 3.12 warns of forks of processes with threads
        weight, stop = Tensor(np.zeros(20_000)), []
        def function(x):
            weight.data = weight.data * 0.5 + x
            return weight.sum()
        train = ag.compile(function, backend=BACKEND)
        def stepping():
            while not stop:
                train(1.0)
        def compiling():
            number = 0
            while not stop:
                number += 1
                ag.compile(lambda x: (x * number).sum(), backend=BACKEND)(np.ones(number % 50 + 1))
        threads = [threading.Thread(target=work) for work in (stepping, stepping, compiling)]
        for thread in threads:
            thread.start()
        statuses = []
        for _ in range(12):
            time.sleep(0.02)
            child = os.fork()
            if child == 0:
                train(1.0)
                new = ag.compile(lambda x: (x + 41).sum(), backend=BACKEND)
                os._exit(0 if float(new(np.ones(1)).item()) == 42 else 1)
            end = time.monotonic() + 20
            while True:
                done, status = os.waitpid(child, os.WNOHANG)
                if done or time.monotonic() > end:
                    break
                time.sleep(0.005)
            if not done:
                os.kill(child, 9)
                os.waitpid(child, 0)
            statuses.append(os.waitstatus_to_exitcode(status) if done else "hangs")
        stop.append(True)
        for thread in threads:
            thread.join()
        print(*sorted(set(map(str, statuses))))
        """,
        backend,
        timeout=120,
    )
    assert printed == ["0"]


def test_variables_of_the_module_that_other_threads_bind_during_a_trace_stay():
    space = {"ag": ag, "np": np, "busy": True}
    exec("def step(x):\n    for _ in range(300):\n        x = x * 1.5 - x\n    return x", space)
    done = threading.Event()

    def bind():
        number = 0
        while not done.is_set():
            space[f"late_{number}"] = number
            number += 1
            time.sleep(1e-4)
        space["bound"] = number

    thread = threading.Thread(target=bind)
    thread.start()
    for number in range(5):
        ag.compile(space["step"], backend="numpy")(np.ones(number + 1))
    done.set()
    thread.join()
    assert all(space.get(f"late_{number}") == number for number in range(space["bound"]))


# ----- what a call reads belongs to it -----
def counter_cases():
    def counted():
        held = Held()

        def step(x):
            held.n += 1
            return (x @ x).sum()

        return step, lambda: held.n

    def captured():
        w = Tensor(np.zeros(2))

        def step(x):
            w.data = w.data + 1
            return (x @ x).sum()

        return step, lambda: int(w.data[0])

    def argument():
        w = Tensor(np.zeros(2))

        def step(x, w=w):
            w.data = w.data + 1
            return (x @ x).sum()

        return (lambda x: step(x, w)), lambda: int(w.data[0])

    def rebound():
        held = Held()
        held.mean = np.zeros(2)

        def step(x):
            held.mean = held.mean + 1
            return (x @ x).sum()

        return step, lambda: int(held.mean[0])

    return {"attribute": counted, "tensor": captured, "default": argument, "array": rebound}


class Held:
    """Something to keep attributes in."""

    n = 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", counter_cases())
def test_no_update_is_lost_between_threads(case, backend):
    function, count = counter_cases()[case]()
    step = ag.compile(function, backend=backend)
    x = np.ones((300, 300))  # (large enough that others run meanwhile)
    for _ in range(3):
        step(x)
    errors = [each for each in together(6, lambda _: [step(x) for _ in range(5)]) if isinstance(each, Exception)]
    assert not errors
    assert count() == 3 + 6 * 5


def test_no_update_is_lost_between_loops_over_steps():
    w = Tensor(np.zeros(2))

    def body(w, x):
        w.data = w.data + 1
        return (x @ x).sum()

    step = ag.compile(body, backend="native")
    x = np.ones((100, 100))
    for _ in range(3):
        step(w, x)
    together(4, lambda _: step.repeat(10, w, x))
    assert w.data.tolist() == [43.0, 43.0]


def test_programs_are_not_lost_between_threads():
    step = ag.compile(lambda x, n: x * n, backend="numpy")
    x = np.ones(3)
    for n in (0, 0, 1, 1, 2, 2, 3, 3):
        step(x, n)
    results = together(4, lambda number: [float(step(x, (number + i) % 4)[0]) == (number + i) % 4 for i in range(300)])
    assert results == [[True] * 300] * 4
    assert len(step._traces.programs) == step.trace_count == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_primitive_of_the_users_sees_and_sets_context_variables(backend):
    rate, seen = contextvars.ContextVar("rate", default=2.0), contextvars.ContextVar("seen", default=0)

    @ag.primitive(vjps=[None], shape=lambda x: x)
    def scaled(x):
        seen.set(seen.get() + 1)
        return x * rate.get()

    step = ag.compile(lambda x: scaled(x) + 1, backend=backend)
    x = np.ones(3)
    step(x), step(x)
    for number in (3.0, 5.0):
        before = seen.get()
        rate.set(number)
        np.testing.assert_array_equal(step(x), x * number + 1)
        assert seen.get() == before + 1
