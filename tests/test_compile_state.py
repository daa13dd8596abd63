"""What a compiled step binds anew is left behind at every call, with the values and types of the plain step."""

import copy
import types

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors, tree

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
CALLS = 6
RNG = np.random.default_rng(0)
BATCHES = [RNG.normal(size=(4, 3)) for _ in range(CALLS)]
COUNT = 0


class Holder:
    """Something with attributes."""

    shared = 0

    def __init__(self, **own):
        self.__dict__.update(own)


class Slotted:
    __slots__ = ("__dict__", "count", "mean")

    def __init__(self):
        self.count, self.mean = 0, np.zeros(3)


class Norm(nn.Module):
    """Batch normalisation as people write it."""

    def __init__(self):
        super().__init__()
        self.mean, self.variance, self.batches = Tensor(np.zeros(3)), Tensor(np.ones(3)), 0

    def forward(self, x):
        if not self.training:
            return (x - self.mean) / (self.variance + 1e-5) ** 0.5
        mean, variance = x.mean(axis=0), x.var(axis=0)
        self.mean = 0.9 * self.mean + 0.1 * mean.detach()
        self.variance = 0.9 * self.variance + 0.1 * variance.detach()
        self.batches += 1
        return (x - mean) / (variance + 1e-5) ** 0.5


# Each makes a step of (x, number of the call) and a function that shows the state.
def running_mean_of_arrays():
    held = Holder(mean=np.zeros(3))

    def step(x, i):
        held.mean = 0.9 * held.mean + 0.1 * x.mean(axis=0)
        return x - held.mean

    return step, lambda: held.mean


def running_mean_of_tensors():
    held = Holder(mean=Tensor(np.zeros(3)))

    def step(x, i):
        held.mean = 0.9 * held.mean + 0.1 * Tensor(x).mean(axis=0)
        return (Tensor(x) - held.mean).sum()

    return step, lambda: held.mean


def a_counter_in_an_attribute():
    held = Holder(steps=0)

    def step(x, i):
        held.steps += 1
        return x / held.steps

    return step, lambda: held.steps


def a_counter_of_the_class():
    class Counting:
        count = 0

    def step(x, i):
        Counting.count += 1
        return x * Counting.count

    return step, lambda: Counting.count


def a_counter_that_hides_that_of_the_class():
    held = Holder()

    def step(x, i):
        held.shared += 1
        return x * held.shared

    return step, lambda: (held.shared, Holder.shared)


def a_counter_in_a_closure():
    count, last = 0, None

    def step(x, i):
        nonlocal count, last
        count = count + 1
        last = x * count
        return last.sum()

    return step, lambda: (count, last)


def a_counter_in_a_global():
    global COUNT
    COUNT = 0

    def step(x, i):
        global COUNT
        COUNT += 2
        return x + COUNT

    return step, lambda: COUNT


def a_counter_in_a_module():
    module = types.ModuleType("settings")
    module.steps = 0

    def step(x, i):
        module.steps += 1
        module.last = x * module.steps
        return module.last

    return step, lambda: (module.steps, module.last)


def slots():
    held = Slotted()

    def step(x, i):
        held.count += 1
        held.mean = held.mean + x.mean(axis=0)
        return held.mean / held.count

    return step, lambda: (held.count, held.mean)


def values_of_a_dict():
    state = {"t": 0, "m": np.zeros(3)}

    def step(x, i):
        state["t"] += 1
        state["m"] = 0.9 * state["m"] + 0.1 * x.mean(axis=0)
        state["new"] = x * state["t"]
        return state["m"] / (1 - 0.9 ** state["t"])

    return step, lambda: dict(state)


def values_under_tensors():
    w = Tensor(np.ones(3))
    moments = {w: np.zeros(3), (1, 2.5): 0.0}

    def step(x, i):
        moments[w] = moments[w] + x.sum(axis=0)
        moments[1, 2.5] = moments[1, 2.5] + 1.0
        return moments[w] * w

    return step, lambda: list(moments.values())


def items_of_a_list():
    window = [0.0, 0.0, 0.0]

    def step(x, i):
        window[0], window[1], window[2] = window[1], window[2], x.sum()
        return window[0] + window[1] + window[2]

    return step, lambda: list(window)


def a_dict_that_is_an_argument():
    state = {"h": np.zeros(3)}

    def inner(state, x):
        state["h"] = ag.tanh(state["h"] + x.mean(axis=0))
        return state["h"] * 2

    compiled = []

    def step(x, i):
        return (compiled or [inner])[0](state, x)

    step.inner, step.use = inner, compiled.append
    return step, lambda: dict(state)


def an_object_that_is_an_argument():
    held = Holder(n=0)

    def inner(held, x):
        held.n += 1
        held.last = x * held.n
        return held.last

    compiled = []

    def step(x, i):
        return (compiled or [inner])[0](held, x)

    step.inner, step.use = inner, compiled.append
    return step, lambda: (held.n, held.last)


def what_a_layer_computed():
    held = Holder(w=Tensor(np.ones((3, 2)), requires_grad=True))

    def step(x, i):
        held.w.grad = None
        held.out = Tensor(x) @ held.w
        loss = (held.out**2).sum()
        loss.backward()
        held.w.data = held.w.data - 0.01 * held.w.grad
        held.loss = loss
        return loss

    return step, lambda: (held.out.data, held.loss.data, held.w.data, held.w.grad)


def a_parameter_that_is_made_anew():
    held = Holder(w=Tensor(np.ones(3), requires_grad=True))

    def step(x, i):
        loss = ((held.w - x) ** 2).sum()
        loss.backward()
        held.w = Tensor(held.w.data - 0.1 * held.w.grad, requires_grad=True)
        return loss.data * 1

    return step, lambda: (held.w, held.w.requires_grad, held.w.grad)


def a_parameter_made_at_the_first_call():
    held = Holder(w=None)

    def step(x, i):
        if held.w is None:
            held.w = Tensor(np.full(3, 2.0), requires_grad=True)
        held.w.grad = None
        loss = (held.w * x).sum()
        loss.backward()
        held.w.data = held.w.data - 0.1 * held.w.grad
        return loss.data * 1

    return step, lambda: (held.w, held.w.requires_grad, held.w.grad)


def one_object_at_two_places():
    held = Holder()

    def step(x, i):
        held.a = held.b = x * 2
        return held.a

    return step, lambda: (held.a, held.a is held.b)


def a_state_that_was_another_one_first():
    start = Tensor(np.zeros(3))
    held = Holder(h=start)

    def step(x, i):
        held.h = ag.tanh(held.h + x.mean(axis=0))
        return held.h + start

    return step, lambda: held.h


def rates_that_decay():
    held = Holder(rate=0.1, power=1.0)

    def step(x, i):
        held.rate *= 0.9
        held.power = held.power * 0.5
        return x * held.rate / (1 - held.power)

    return step, lambda: (held.rate, held.power)


def numpy_numbers():
    held = Holder(rate=np.float32(0.1), count=np.int64(3))

    def step(x, i):
        held.rate = held.rate * np.float32(0.9)
        held.count += 1
        return x * held.rate * held.count

    return step, lambda: (held.rate, held.count)


def integers_beyond_64_bits():
    held = Holder(seed=12345, big=1)

    def step(x, i):
        held.seed = (held.seed * 6364136223846793005 + 1442695040888963407) % 2**64
        held.big = held.big * 10**15
        return x + 1

    return step, lambda: (held.seed, held.big)


def python_division():
    held = Holder(n=7, halves=100, power=2)

    def step(x, i):
        held.n = -held.n // 2
        held.halves = held.halves / 2
        held.power = held.power**2 % 1009
        return x * held.n

    return step, lambda: (held.n, held.halves, held.power)


def a_branch_on_a_counter():
    held = Holder(n=0)

    def step(x, i):
        held.n += 1
        return x * 0 if held.n % 3 == 0 else x * held.n

    return step, lambda: held.n


def a_state_that_is_reset():
    held = Holder(h=None)

    def step(x, i):
        if i % 3 == 0:
            held.h = None
        held.h = x if held.h is None else held.h * 0.5 + x
        return held.h

    return step, lambda: held.h


def containers():
    held = Holder(state=(0.0, None))

    def step(x, i):
        held.state = (held.state[0] + 1.0, {"x": x * 2, "n": [1, "a"]})
        return held.state[1]["x"]

    return step, lambda: held.state


def places_that_exchange_what_they_hold():
    held = Holder(a=Tensor([1.0, 2.0, 3.0]), b=Tensor([2.0, 4.0, 9.0]))

    def step(x, i):
        held.a, held.b = held.b, held.a
        return (held.a * x).sum().data * 1

    return step, lambda: (held.a, held.b)


def flags():
    held = Holder(first=True, mode="warm")

    def step(x, i):
        scale = 2.0 if held.first else 3.0
        held.first = False
        held.mode = "cold" if held.mode == "warm" else "warm"
        return x * scale

    return step, lambda: (held.first, held.mode)


def a_flag_of_a_tensor():
    w = Tensor(np.ones(3), requires_grad=True)

    def step(x, i):
        w.requires_grad = False
        return (w * x).sum().data * 1

    return step, lambda: w.requires_grad


def constants_made_in_the_step():
    held = Holder()

    def step(x, i):
        held.zeros = np.zeros(3)
        held.ones = [np.ones(2), 4]
        return x + held.zeros

    return step, lambda: (held.zeros, held.ones)


def a_module():
    norm = Norm()

    def step(x, i):
        return (norm(Tensor(x)) * x).sum().data * 1

    return step, lambda: (norm.mean, norm.variance, norm.batches)


STEPS = [
    running_mean_of_arrays, running_mean_of_tensors, a_counter_in_an_attribute, a_counter_of_the_class,
    a_counter_that_hides_that_of_the_class, a_counter_in_a_closure, a_counter_in_a_global, a_counter_in_a_module, slots,
    values_of_a_dict, values_under_tensors, items_of_a_list, a_dict_that_is_an_argument, an_object_that_is_an_argument,
    what_a_layer_computed, a_parameter_that_is_made_anew, a_parameter_made_at_the_first_call, one_object_at_two_places,
    a_state_that_was_another_one_first, rates_that_decay, numpy_numbers, integers_beyond_64_bits, python_division,
    a_branch_on_a_counter, a_state_that_is_reset, containers, places_that_exchange_what_they_hold, flags, a_flag_of_a_tensor,
    constants_made_in_the_step, a_module,
]  # fmt: skip


def assert_same(got, expected):
    """Equal, type for type; tensors by value."""
    (leaves, form), (wanted, wanted_form) = tree.flatten(got), tree.flatten(expected)
    assert form == wanted_form
    for leaf, other in zip(leaves, wanted, strict=True):
        assert type(leaf) is type(other)
        if isinstance(leaf, Tensor):
            leaf, other = leaf.data, other.data
        if isinstance(leaf, (np.ndarray, np.floating, float)):
            np.testing.assert_allclose(leaf, other, rtol=1e-12)
            assert np.asarray(leaf).dtype == np.asarray(other).dtype
        else:
            assert leaf == other


def compiled(step, **options):
    """The step compiled; or what it calls, where that takes its state as an argument."""
    if not hasattr(step, "inner"):
        return ag.compile(step, **options)
    step.use(ag.compile(step.inner, **options))
    return step


def history(make, wrap):
    """Results and states of some calls."""
    step, state = make()
    step = wrap(step)
    return [copy.copy((step(x, i), state())) for i, x in enumerate(BATCHES)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_what_is_bound_anew_is_left_behind(make, backend):
    expected = history(make, lambda step: step)
    for got, wanted in zip(history(make, lambda step: compiled(step, backend=backend)), expected, strict=True):
        assert_same(got, wanted)


@pytest.mark.parametrize("make", STEPS, ids=lambda make: make.__name__)
def test_the_same_checked_against_the_plain_step(make):
    expected = history(make, lambda step: step)
    for got, wanted in zip(history(make, lambda step: compiled(step, check=True)), expected, strict=True):
        assert_same(got, wanted)


@pytest.mark.parametrize(
    "make",
    [running_mean_of_arrays, a_counter_in_an_attribute, values_of_a_dict, what_a_layer_computed, rates_that_decay],
)
def test_state_needs_two_traces_and_then_none(make):
    step, _ = make()
    step = ag.compile(step)
    for x in [*BATCHES, *BATCHES]:
        step(x, 0)
    assert step.trace_count == 2


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "make", [running_mean_of_arrays, a_counter_in_a_closure, values_of_a_dict, what_a_layer_computed]
)
def test_repeat_and_scan_carry_state_along(make, backend):
    step, state = make()
    rows = [step(BATCHES[0], 0) for _ in range(5)]
    expected = state()
    again, left = make()
    stacked = ag.compile(lambda x: again(x, 0), backend=backend).repeat(5, BATCHES[0])
    np.testing.assert_allclose(stacked, np.stack([np.asarray(getattr(row, "data", row)) for row in rows]), rtol=1e-12)
    assert_same(left(), expected)

    step, state = make()
    rows = [step(x, 0) for x in BATCHES]
    expected = state()
    again, left = make()
    stacked = ag.compile(lambda x: again(x, 0), backend=backend).scan(np.stack(BATCHES))
    np.testing.assert_allclose(stacked, np.stack([np.asarray(getattr(row, "data", row)) for row in rows]), rtol=1e-12)
    assert_same(left(), expected)


def normalised(seed=0):
    model = nn.Sequential(Norm(), nn.Dense(3, 4, seed=seed), nn.Tanh(), nn.Dense(4, 1, seed=seed + 1))
    return model, nn.Adam(model.parameters(), 0.01)


def test_fit_trains_a_hand_written_batch_normalisation_as_the_plain_loop_does():
    X, y = RNG.normal(size=(40, 3)), RNG.normal(size=(40, 1))
    (model, rule), (plain, plain_rule) = normalised(), normalised()
    model.fit(X, y, loss=nn.MSE(), optimizer=rule, epochs=4, batch_size=8, shuffle=False, verbose=0)
    with ag.disable_compile():
        plain.fit(X, y, loss=nn.MSE(), optimizer=plain_rule, epochs=4, batch_size=8, shuffle=False, verbose=0)
    assert model.layers[0].batches == plain.layers[0].batches
    for name, tensor in plain.state().items():
        np.testing.assert_allclose(model.state()[name].data, tensor.data, rtol=1e-10)
    np.testing.assert_allclose(model.predict(X), plain.predict(X), rtol=1e-10)


def test_state_may_be_set_between_calls():
    held = Holder(mean=np.zeros(3), n=0)

    @ag.compile
    def step(x):
        held.mean = held.mean + x
        held.n += 1
        return held.mean * held.n

    for _ in range(4):
        step(np.ones(3))
    held.mean, held.n = np.full(3, 10.0), 100
    np.testing.assert_array_equal(step(np.ones(3)), np.full(3, 11.0 * 101))
    held.mean, held.n = np.zeros(3, np.float32), 2.5  # another dtype, and another type
    result = step(np.ones(3, np.float32))
    assert result.dtype == held.mean.dtype == np.float32
    assert held.n == 3.5 and type(held.n) is float
    held.mean = np.zeros((2, 3))
    assert step(np.ones(3)).shape == (2, 3)


def test_what_was_left_behind_is_the_users():
    held = Holder(h=np.zeros(2))

    @ag.compile
    def step(x):
        held.h = held.h + x
        held.out = x * 2
        return held.h

    kept = []
    for i in range(5):
        result = step(np.full(2, float(i)))
        assert result is held.h
        kept.append(held.h)
        held.out[0] = -1.0  # writing into it changes nothing else
    np.testing.assert_array_equal([h[0] for h in kept], np.cumsum(range(5)))


def test_another_object_as_argument_gets_its_own():
    @ag.compile
    def step(held, x):
        held.n += 1
        held.last = x * held.n
        return held.last

    holders = [Holder(n=10 * i) for i in range(3)]
    for _ in range(4):
        for held in holders:
            step(held, np.ones(2))
    assert [held.n for held in holders] == [4, 14, 24]
    assert [held.last[0] for held in holders] == [4.0, 14.0, 24.0]


def test_the_order_in_which_attributes_appear_is_kept():
    held = Holder()

    @ag.compile
    def step(x):
        held.z = x + 1
        held.a = x + 2
        return x

    for _ in range(3):
        step(1.0)
    assert list(vars(held)) == ["z", "a"]
    assert type(held.z) is float


def test_division_by_a_state_that_is_zero_raises_as_in_python():
    held = Holder(n=3, d=0.5)

    @ag.compile
    def step(x):
        held.n -= 1
        held.d = 1.0 / held.n
        return x * held.d

    assert [step(1.0), step(1.0)] == [0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        step(1.0)


def test_a_result_with_a_graph_in_a_state_that_is_read_is_refused():
    w = Tensor(np.ones(2), requires_grad=True)
    held = Holder(h=Tensor(np.ones(2)))

    @ag.compile
    def step(x):
        h = held.h * w + x
        held.h = h.detach()
        loss = h.sum()
        loss.backward()
        return loss

    step(np.ones(2))
    held.h = w * 2.0  # has a graph, which a step cannot go back into
    with pytest.raises(errors.TraceError, match="graph"):
        step(np.ones(2))
    assert held.h.creator is not None
