"""Several threads: the same bits whatever their number, none for small work, and no harm from forks, Ctrl-C or each other."""

import _thread
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
from autograd.backends.native.runtime import threads
from autograd.backends.native.schedule.row_fusion import RowFusion
from autograd.backends.native.tasks.loops import Loop
from autograd.core.errors import ArgumentError

RNG = np.random.default_rng(0)
ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _threads():
    before = ag.get_num_threads()
    yield
    ag.set_num_threads(before)


def in_new_process(text, timeout=60):
    """What a program prints; it must end by itself."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], cwd=ROOT, capture_output=True, text=True,
                          timeout=timeout, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def parts(step):
    """How many functions the threads share."""
    return step.llvm.count("void @part")


@pytest.mark.parametrize("number", [0, -1, 257, 1.5, 2.0, True, "2", None])
def test_a_number_of_threads_is_a_whole_number(number):
    before = ag.get_num_threads()
    with pytest.raises(ArgumentError, match=r"from 1 to 256, got "):
        ag.set_num_threads(number)
    assert ag.get_num_threads() == before


def test_the_number_that_was_set_is_told():
    for number in (1, 3, np.int64(2)):
        ag.set_num_threads(number)
        assert ag.get_num_threads() == number


def network(sizes, rows, dtype, activation, backend="native"):
    """A compiled training step with softmax at its end, and its data."""
    model = nn.MLP(list(sizes), activation=activation, seed=0, dtype=dtype)
    optimizer = nn.SGD(model.parameters(), learning_rate=0.1)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(rows, sizes[0])).astype(dtype), np.eye(sizes[-1], dtype=dtype)[np.arange(rows) % sizes[-1]]

    @ag.compile(backend=backend)
    def step(x, y):
        loss = nn.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step, model, x, y


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("sizes", "rows", "activation"),
    [
        ((2, 64, 64, 3), 1000, nn.Tanh),
        ((2, 64, 64, 3), 997, nn.Tanh),
        ((64, 128, 10), 128, nn.ReLU),
        ((300, 270, 5), 131, nn.Sigmoid),
    ],
    ids=str,
)
def test_training_gives_the_same_bits_for_any_number_of_threads(sizes, rows, activation, dtype):
    found = []
    for number in (1, 2, 5):
        ag.set_num_threads(number)
        step, model, x, y = network(sizes, rows, dtype, activation)
        losses = [step(x, y).item() for _ in range(2)]
        losses += list(step.repeat(20, x, y))
        losses += list(step.scan(np.stack([x, x]), np.stack([y, y])))
        assert parts(step) > 0 and f"chunks for up to {number} threads" in step.explain()
        found.append((losses, [p.numpy().tobytes() for p in model.parameters()]))
    assert found[0] == found[1] == found[2]
    step, model, x, y = network(sizes, rows, dtype, activation, backend="numpy")
    tolerance = 1e-11 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(losses, [step(x, y).item() for _ in range(24)], rtol=tolerance)
    for mine, (_, other) in zip(found[0][1], model.named_parameters(), strict=True):
        mine = np.frombuffer(mine, dtype).reshape(other.shape)
        np.testing.assert_allclose(mine, other.numpy(), rtol=0, atol=tolerance * np.abs(other.numpy()).max())


FUNCTIONS = {
    "elementwise": (lambda x: ag.tanh(x) / (1 + ag.log1p(ag.exp(x))), (300_007,)),
    "sum": (lambda x: ag.sum(ag.exp(-(x**2))), (1_000_000,)),
    "sum of rows": (lambda x: ag.sum(ag.sin(x), axis=1), (997, 301)),
    "sum of columns": (lambda x: ag.sum(ag.sin(x), axis=0), (997, 301)),
    "few rows, sum of columns": (lambda x: ag.sum(ag.sin(x), axis=0), (3, 100_003)),
    "middle axis": (lambda x: ag.max(ag.cos(x), axis=1), (40, 101, 77)),
    "broadcast": (lambda x: ag.exp(x[:, :1]) * ag.exp(x), (501, 401)),
    "transposed": (lambda x: ag.exp(x.T) + 1, (501, 401)),
    "max of all": (lambda x: ag.max(ag.sin(x)), (700_001,)),
    "product of rows": (lambda x: x @ x[:33].T, (2003, 67)),
    "product of columns": (lambda x: x[:, :7].T @ x, (300, 1003)),
    "product with a column": (lambda x: x @ x[0], (2003, 401)),
    "stacked products": (lambda x: x @ ag.transpose(x, (0, 2, 1)), (13, 64, 64)),
    "one matrix for a stack": (lambda x: x @ x[0].T, (13, 64, 64)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_chunks_compute_what_the_whole_would(name, dtype):
    function, shape = FUNCTIONS[name]
    x = ag.Tensor(RNG.normal(size=shape).astype(dtype))
    expected = np.asarray(function(ag.Tensor(x.data.astype(np.float64))).data)
    found = []
    for number in (1, 2, 3):
        ag.set_num_threads(number)
        step = ag.compile(lambda x: function(x) * 1, backend="native")
        found.append(step(x).data)
        assert parts(step) > 0
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    size = 1 + np.max(np.abs(expected))
    tolerance = (1e-13 if dtype == np.float64 else 3e-6) * size * (4 if "product" in name or name == "sum" else 1)
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=tolerance)


def test_small_work_has_no_trace_of_threads():
    step, _, x, y = network((2, 16, 16, 2), 100, np.float64, nn.Tanh)
    step(x, y)
    assert parts(step) == 0 and "%share(" not in step.llvm


def test_threads_are_made_when_the_first_large_work_is_done():
    numbers = in_new_process(
        """
        import os
        import numpy as np
        import autograd as ag

        def threads():
            return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None

        ag.set_num_threads(3)
        start = threads()
        step = ag.compile(lambda x: ag.sin(x).sum(), backend="native")
        step(np.ones(100)), step.repeat(3, np.ones(100))
        small = threads()
        step(np.ones(1_000_000))
        large = threads()
        ag.set_num_threads(1)
        step(np.ones(1_000_000))
        print(small - start, large - start) if start else print("0 2")
        """
    )
    assert numbers == ["0", "2"]


def test_a_process_ends_while_threads_spin_or_sleep():
    for wait in (0.0, 0.05):
        printed = in_new_process(
            f"""
            import time
            import numpy as np
            import autograd as ag
            ag.set_num_threads(4)
            step = ag.compile(lambda x: ag.sin(x).sum(), backend="native")
            print(float(step(np.zeros(1_000_000))))
            time.sleep({wait})
            """
        )
        assert printed == ["0.0"]


def test_a_forked_process_makes_threads_of_its_own():
    printed = in_new_process(
        """
        import os, sys
        import numpy as np
        import autograd as ag
        ag.set_num_threads(2)
        x = np.linspace(0, 1, 1_000_000)
        step = ag.compile(lambda x: ag.sin(x).sum(), backend="native")
        before = float(step(x))
        child = os.fork()
        same = float(step(x)) == before and [float(step(x)) for _ in range(20)] == [before] * 20
        threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 2
        if child == 0:
            os._exit(0 if same and threads == 2 else 1)
        _, status = os.waitpid(child, 0)
        print(same, os.waitstatus_to_exitcode(status))
        """
    )
    assert printed == ["True", "0"]


def test_steps_of_several_python_threads_at_once():
    ag.set_num_threads(3)
    inputs = [RNG.normal(size=200_000) for _ in range(3)]
    steps = [ag.compile(lambda x: ag.sin(x).sum() * 1, backend="native") for _ in inputs]
    expected = [step(x).item() for step, x in zip(steps, inputs, strict=True)]
    wrong = []

    def work(step, x, value):
        wrong.extend(1 for _ in range(60) if step(x).item() != value)

    threads = [threading.Thread(target=work, args=each) for each in zip(steps, inputs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for number in (1, 2, 3, 2, 1, 3) * 3:
        ag.set_num_threads(number)
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_loop_over_shared_steps_can_be_interrupted():
    ag.set_num_threads(2)
    w, count = ag.Tensor(np.zeros(100_000)), ag.Tensor(0.0)

    @ag.compile(backend="native")
    def step():
        w.data = ag.sin(w.data) + 1
        count.data = count.data + 1
        return count * 1

    step.repeat(3)
    assert parts(step) > 0
    threading.Timer(0.3, _thread.interrupt_main).start()
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        step.repeat(10_000_000)
    assert time.perf_counter() - started < 3
    expected = 0.0
    for _ in range(int(count.item())):
        expected = np.sin(expected) + 1
    assert np.ptp(w.data) == 0 and w.data[0] == pytest.approx(expected, rel=1e-12)


def test_what_one_later_loop_reads_is_computed_there():
    step, _, x, y = network((2, 64, 64, 3), 1000, np.float64, nn.Tanh)
    step(x, y)
    (fused,) = (task for task in step._latest().executable.program.tasks if isinstance(task, RowFusion))
    loops = [[eqn.primitive.name for eqn in task.eqns] for task in fused.members if isinstance(task, Loop)]
    assert loops[:2] == [["add", "tanh"], ["add", "tanh"]]
    assert all(names[:2] == ["mul", "sub"] for names in loops[-2:])


def test_help_is_given_up_while_it_makes_steps_slower_and_tried_again(monkeypatch):
    now = 0.0
    monkeypatch.setattr(threads.time, "monotonic", lambda: now)
    choice, used = threads.Choice(), []
    for turn in range(400):
        steps, helped = choice.next(80)
        apart = turn < 200  # later the cores are near each other
        seconds = steps * (1e-3 if not helped else 2e-3 if apart else 0.6e-3)
        now += seconds
        choice.learn(helped, seconds / steps)
        used.append((helped, steps))
    alone = sum(steps for helped, steps in used[:200] if not helped)
    together = sum(steps for helped, steps in used[200:] if helped)
    assert alone > 0.95 * sum(steps for _, steps in used[:200])
    assert together > 0.8 * sum(steps for _, steps in used[200:])
