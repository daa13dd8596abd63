"""What a compiled step leaves behind: what it rebinds is a result, a trace puts everything back, and call two traces again."""

import contextlib
import itertools
import random
import time
import types
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.errors import TraceError

BACKENDS = ("numpy", "native")
X = np.arange(12.0).reshape(4, 3) / 4  # (sums of these are exact in any order)

counter = 0
ratio = 1.0


class Norm(nn.Module):
    """Batch normalisation as people write it: running averages are attributes that every call binds anew."""

    total = 0

    def __init__(self):
        self.scale = Tensor(np.ones(3), requires_grad=True, name="scale")
        self.mean = np.zeros(3)
        self.average = 0.0
        self.calls = 0
        self.last = None

    def forward(self, x):
        self.mean = 0.75 * self.mean + 0.25 * x.mean(axis=0)
        self.average = 0.5 * self.average + 0.25
        self.calls += 1
        self.out = x * self.scale
        self.last = self.out
        return (self.out - self.mean) * self.calls


def plain(value):
    """A value with its type, tensors and arrays as lists."""
    if isinstance(value, Tensor):
        return "Tensor", value.dtype, value.shape, value.numpy().tolist()
    if isinstance(value, np.ndarray | np.generic):
        return type(value).__name__, value.dtype, value.shape, value.tolist()
    return type(value).__name__, repr(value)


def state(thing):
    return {name: plain(value) for name, value in sorted(vars(thing).items()) if not name.startswith("_")}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("wrap", [Tensor, np.asarray], ids=["tensor", "array"])
def test_attributes_that_a_module_binds_anew_are_as_after_eager_calls(backend, wrap):
    eager, module = Norm(), Norm()
    step = ag.compile(lambda x: module(x), backend=backend)
    for number in range(6):
        got, expected = step(wrap(X + number)), eager(wrap(X + number))
        assert plain(got) == plain(expected)
        assert state(module) == state(eager)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_module_given_as_an_argument_binds_its_attributes_too(backend):
    eager, module = Norm(), Norm()
    step = ag.compile(lambda m, x: m(x), backend=backend)
    for number in range(5):
        assert plain(step(module, Tensor(X + number))) == plain(eager(Tensor(X + number)))
        assert state(module) == state(eager)


@pytest.mark.parametrize("backend", BACKENDS)
def test_repeat_and_scan_carry_what_is_rebound(backend):
    eager, repeated, scanned = Norm(), Norm(), Norm()
    xs = np.stack([X, X + 1, X - 2, X * 3, X, X + 5])
    expected = [eager(Tensor(x)).numpy() for x in xs]
    got = ag.compile(lambda x: scanned(x), backend=backend).scan(xs)
    assert np.array_equal(got, expected)
    assert scanned.calls == 6
    assert np.array_equal(
        scanned.mean.numpy() if isinstance(scanned.mean, Tensor) else scanned.mean, eager.mean.numpy()
    )
    same = Norm()
    expected = [same(Tensor(X)).numpy() for _ in range(7)]
    assert np.array_equal(ag.compile(lambda x: repeated(x), backend=backend).repeat(7, Tensor(X)), expected)
    assert state(repeated) == state(same)


@pytest.mark.parametrize("backend", BACKENDS)
def test_globals_cells_items_and_class_attributes_that_are_rebound(backend):
    def make():
        kept, items, cell = {"n": 0, "sum": 0.0}, [0, 1.0], 2

        class Counts:
            number = 10

        def function(x):
            global counter, ratio
            nonlocal cell
            counter += 1
            ratio = ratio * 0.5
            cell = cell + 3
            kept["n"] += 2
            kept["sum"] = kept["sum"] + x.sum()
            items[0] = items[0] - 1
            items[1] = items[1] / 2
            Counts.number += 1
            return x * kept["n"] + items[1]

        return function, lambda: (
            counter, ratio, cell, Counts.number, *items, kept["n"], float(kept["sum"].item()), type(kept["sum"])
        )  # fmt: skip

    seen = []
    for compiled in (False, True):
        globals().update(counter=0, ratio=1.0)
        function, now = make()
        step = ag.compile(function, backend=backend) if compiled else function
        seen.append([(step(Tensor(X + i)).numpy().tolist(), now()) for i in range(5)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("start", [3, 2.5, True, np.float32(1.5), np.float64(2), np.int64(4), 2**70])
def test_rebound_numbers_keep_their_types(backend, start):
    def run(compiled):
        holder = types.SimpleNamespace(value=start, halved=start)

        def function(x):
            holder.value = holder.value + 1
            holder.halved = holder.halved * 0.5
            return x * holder.value

        step = ag.compile(function, backend=backend) if compiled else function
        return [(plain(step(Tensor([1.0, 2.0]))), plain(holder.value), plain(holder.halved)) for _ in range(4)]

    assert run(True) == run(False)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_counter_that_python_needs_is_still_right(backend):
    holder, expected = types.SimpleNamespace(n=0), types.SimpleNamespace(n=0)

    def body(holder, x):
        holder.n += 1
        return x * 2 if holder.n % 2 else x + sum(range(holder.n))

    step = ag.compile(lambda x: body(holder, x), backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(20):
            assert np.array_equal(step(X), body(expected, X))
    assert holder.n == 20


REFUSED = {
    "a list that grows": lambda box, x: box.list.append(float(len(box.list))) or x * 2,
    "a set that grows": lambda box, x: box.set.add(len(box.set)) or x * 2,
    "a bytearray": lambda box, x: box.bytes.append(1) or x * 2,
    "an item of an array": lambda box, x: box.array.__setitem__(0, box.array[0] + 1) or x * 2,
    "an array added to": lambda box, x: np.add(box.array, 1, out=box.array) is None or x * 2,
    "an argument written into": lambda box, x: x.__setitem__(0, 5.0) or x * 2,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_again_is_refused_and_put_back(backend, name):
    def box():
        return types.SimpleNamespace(
            list=[], dict={}, set=set(), bytes=bytearray(b"x"), array=np.zeros(3), late=None, n=0
        )

    kept, before, x = box(), box(), np.arange(3.0)

    def function(x):
        kept.n += 1
        kept.late = x * 3
        return REFUSED[name](kept, x)

    step = ag.compile(function, backend=backend)
    for _ in range(2):
        with pytest.raises(TraceError):
            step(x)
        assert state(kept) == state(before)
        assert np.array_equal(x, np.arange(3.0))
    with ag.disable_compile():
        step(x)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StopIteration])
def test_a_trace_that_fails_leaves_everything_as_it_was(error):
    box = types.SimpleNamespace(n=1, items=[1, [2]], table={"a": 1}, out=None, rng=np.random.default_rng(3))
    weight = Tensor([1.0, 2.0], requires_grad=True)
    expected = np.random.default_rng(3).random(4)

    def function(x):
        box.n += 1
        box.items[1].append(3)
        box.table["b"] = x
        box.out = weight * x
        box.rng.random(2)
        (weight * x).sum().backward()
        weight.data = weight.data + 1
        raise error("in the middle")

    with pytest.raises(error):
        ag.compile(function)(Tensor([3.0, 4.0]))
    assert (box.n, box.items, box.table, box.out) == (1, [1, [2]], {"a": 1}, None)
    assert np.array_equal(box.rng.random(4), expected)
    assert np.array_equal(weight.data, [1, 2])
    assert weight.grad is None


def _iterator():
    numbers = itertools.count(1)
    return lambda x: x * next(numbers)


def _generator():
    numbers = (n * n for n in itertools.count(1))
    return lambda x: x * next(numbers)


def _cycle():
    numbers = itertools.cycle([1.0, 2.0, 5.0])
    return lambda x: x * next(numbers)


def _clock():
    return lambda x: x + (time.perf_counter_ns() % 1_000_003)


def _random_state():
    state = np.random.RandomState(0)
    return lambda x: x * state.rand()


def _python_random():
    return lambda x: x * random.random()


class _Changing:
    def __init__(self):
        self.__dict__["_store"] = [0]

    def __getattr__(self, name):
        if name != "rate":
            raise AttributeError(name)
        return float(next(self._numbers))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", [_iterator, _generator, _cycle, _random_state])
def test_what_differs_at_every_reading_is_found_at_the_second_call(backend, make):
    eager, function = make(), make()
    step = ag.compile(function, backend=backend)
    x = Tensor([1.0, 2.0])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            got = [step(x).numpy().tolist() for _ in range(6)]
        except TraceError:
            return  # refused by name is right too
    assert got == [eager(x).numpy().tolist() for _ in range(6)]
    assert len(caught) == 1
    assert "test_compile_effects.py" in str(caught[0].message)


@pytest.mark.parametrize("make", [_clock, _python_random])
def test_clocks_and_pythons_generator_are_never_frozen(make):
    step = ag.compile(make())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert len({float(step(1.0)) for _ in range(6)}) > 4
        except TraceError:
            return


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("loop", ["repeat", "scan"])
def test_loops_over_steps_find_it_too(backend, loop):
    step, eager = ag.compile(_iterator(), backend=backend), _iterator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = step.repeat(6, 2.0) if loop == "repeat" else step.scan(np.full(6, 2.0))
    assert np.asarray(got).tolist() == [eager(2.0) for _ in range(6)]


@dataclass
class Pair:
    a: object
    b: object


RESULTS = {
    "array": lambda x: x * 2,
    "number": lambda x: (x * 2).sum(),
    "tuple": lambda x: (x + 1, x.sum()),
    "list": lambda x: [x + 1, None, "text", 3, 0.5],
    "dict in its order": lambda x: {"z": x, "a": x * 2, 3: x.mean()},
    "dataclass": lambda x: Pair(x * 2, (x, 1)),
    "fresh array": lambda x: (x * 2, np.arange(3)),
    "itself": lambda x: x,
    "comparison": lambda x: x > 1,
    "integer": lambda x: x.argmax(axis=0),
}


def described(value):
    if isinstance(value, dict):
        return [(key, described(part)) for key, part in value.items()]
    if isinstance(value, tuple | list):
        return type(value).__name__, [described(part) for part in value]
    if isinstance(value, Pair):
        return "Pair", described(value.a), described(value.b)
    return plain(value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("given", [X, Tensor(X), np.asfortranarray(X.astype("f4"))], ids=["array", "tensor", "float32"])
def test_results_have_the_types_of_eager_results(backend, name, given):
    step = ag.compile(RESULTS[name], backend=backend)
    for _ in range(3):
        assert described(step(given)) == described(RESULTS[name](given))


@pytest.mark.parametrize("backend", BACKENDS)
def test_value_and_grad_compiled_drives_scipy(backend):
    from scipy.optimize import minimize, rosen

    def f(x):
        return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    step = ag.compile(ag.value_and_grad(f), backend=backend)
    value, slope = step(np.zeros(4))
    assert isinstance(value, float) and type(slope) is np.ndarray
    found = minimize(step, np.zeros(4), jac=True, method="L-BFGS-B")
    assert found.success and np.allclose(found.x, 1, atol=1e-3)
    assert value == rosen(np.zeros(4))


@pytest.mark.parametrize("loss", [nn.mean_squared_error])
def test_fit_trains_a_hand_written_batch_normalisation_as_eager_steps_do(loss):
    def run(compiled):
        class Net(nn.Module):
            def __init__(self):
                self.dense = nn.Dense(2, 4, seed=0)
                self.mean = np.zeros(4)
                self.steps = 0

            def forward(self, x):
                h = self.dense(x)
                self.steps += 1
                self.mean = 0.9 * self.mean + 0.1 * h.mean(axis=0).detach()
                self.out = h - self.mean
                return self.out.sum(axis=1, keepdims=True)

        net = Net()
        rows = np.random.default_rng(0).normal(size=(32, 2))
        target = rows[:, :1] - rows[:, 1:]
        with contextlib.nullcontext() if compiled else ag.disable_compile():
            history = net.fit(rows, target, loss=loss, epochs=6, batch_size=8, learning_rate=0.05, verbose=0)
        mean = net.mean.numpy() if isinstance(net.mean, Tensor) else net.mean
        return np.array(history.loss), mean, net.dense.weight.numpy(), net.steps

    fast, slow = run(True), run(False)
    for a, b in zip(fast, slow, strict=True):
        assert np.allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("keep", ["result", "detached", "not in the loss"])
def test_gradients_do_not_go_on_into_what_earlier_calls_kept(backend, keep):
    """Eager mode keeps the graph with the value, and a later backward pass through it adds earlier calls' gradients."""

    def run(compiled):
        w, state = Tensor(np.ones(3), requires_grad=True), types.SimpleNamespace(mean=Tensor(0.5))

        def step(x):
            w.grad = None
            y, old = w * x, state.mean
            kept = y.mean().detach() if keep == "detached" else y.mean()
            state.mean = 0.75 * state.mean + 0.25 * kept
            loss = (y * y if keep == "not in the loss" else y - old).sum()
            loss.backward()
            return loss

        step = ag.compile(step, backend=backend) if compiled else step
        return [(step(X[row]).item(), w.grad.tolist(), state.mean.item()) for row in range(4)]

    if keep == "result":
        with pytest.raises(TraceError, match="goes backward through what was kept there"):
            run(True)
    else:
        assert run(True) == run(False)
