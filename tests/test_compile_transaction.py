"""A trace that is refused or fails leaves everything in reach as it was."""

import array
import collections
import random
import types

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core import errors

SIZE = 3
REACHED = None


class Part:
    kinds = 0
    names: list = []


class Slotted:
    __slots__ = ("n", "x")

    def __init__(self):
        self.n = 0


def everything():
    """State of every kind, and a function that changes all of it."""
    part, slotted, module, n = Part(), Slotted(), types.ModuleType("own"), 0
    part.count, part.last, part.list, part.deep = 0, None, [1, 2], {"a": {"b": [0]}}
    module.value = 1
    queue, chars, numbers = collections.deque([1, 2], maxlen=4), bytearray(b"abc"), array.array("d", [1.0, 2.0])
    counter, order, default = (
        collections.Counter("ab"),
        collections.OrderedDict(b=1, a=2),
        collections.defaultdict(list),
    )
    seen, table, flags = {1, 2}, np.arange(4.0), np.zeros(2, dtype=object)
    rng, old, plain = np.random.default_rng(0), np.random.RandomState(0), random.Random(0)
    w = Tensor(np.ones(SIZE), requires_grad=True, name="w")
    w.grad = np.full(SIZE, 5.0)
    space = types.SimpleNamespace(x=1)

    def change(x):
        nonlocal n
        global REACHED
        n += 1
        REACHED = x
        part.count += 1
        part.last = x * 2
        part.new = x
        part.list.append(x)
        part.deep["a"]["b"][0] = x
        part.deep["more"] = [x]
        Part.kinds += 1
        Part.names.append("x")
        slotted.n, slotted.x = 5, x
        module.value, module.other = x, x
        queue.append(x)
        chars.extend(b"d")
        numbers.append(3.0)
        counter["c"] += 1
        order.move_to_end("b")
        default["k"].append(x)
        seen.add(3)
        table[0] = -1.0
        flags[0] = "set"
        rng.normal(size=2)
        old.normal()
        plain.random()
        random.random()
        np.random.random()
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        w.data = w.data - w.grad
        w.name, w.requires_grad = "other", False
        space.x = x
        change.calls = x

    change.calls = 0

    def shown():
        return {
            "n": n, "REACHED": REACHED, "part": dict(vars(part)), "list": [*part.list], "deep": repr(part.deep),
            "class": (Part.kinds, [*Part.names]), "slotted": (slotted.n, hasattr(slotted, "x")),
            "module": {k: v for k, v in vars(module).items() if k[0] != "_"}, "queue": [*queue], "chars": bytes(chars),
            "numbers": [*numbers], "counter": dict(counter), "order": [*order], "default": dict(default), "seen": {*seen},
            "table": table.tolist(), "flags": flags.tolist(), "rng": repr(rng.bit_generator.state),
            "old": repr(old.get_state()), "plain": plain.getstate(), "random": random.getstate(),
            "numpy": repr(np.random.get_state()), "w": (w.data.tolist(), w.grad.tolist(), w.name, w.requires_grad, w.passes),
            "space": dict(vars(space)), "calls": change.calls,
        }  # fmt: skip

    return change, shown


def needs_a_value(x):
    if x.sum() > 0:
        return x
    return -x


def raises(x):
    raise KeyError("the step's own")


def interrupts(x):
    raise KeyboardInterrupt


def exits(x):
    raise SystemExit(3)


def wrong_shape(x):
    return x @ np.ones((7, 7))


def writes(x):
    x[0] = 1.0


FAULTS = [
    (needs_a_value, errors.TraceError), (raises, KeyError), (interrupts, KeyboardInterrupt), (exits, SystemExit),
    (wrong_shape, ValueError), (writes, errors.TraceError), (lambda x: x * 1, errors.TraceError),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "error"), FAULTS, ids=lambda f: getattr(f, "__name__", ""))
@pytest.mark.parametrize("as_argument", [False, True], ids=["closed over", "argument"])
def test_a_trace_that_fails_leaves_everything_as_it_was(fault, error, as_argument):
    change, shown = everything()

    def step(x):
        change(x)
        return fault(x)

    def given(change, x):
        change(x)
        return fault(x)

    before = shown()
    with pytest.raises(error):
        ag.compile(given)(change, np.ones(SIZE)) if as_argument else ag.compile(step)(np.ones(SIZE))
    assert shown() == before


@pytest.mark.parametrize(
    "run", [ag.trace, lambda f, x: ag.compile(f).repeat(3, x), lambda f, x: ag.compile(f).scan(x[None])]
)
def test_so_do_trace_repeat_and_scan(run):
    change, shown = everything()

    def step(x):
        change(x)
        return needs_a_value(x)

    before = shown()
    with pytest.raises(errors.TraceError):
        run(step, np.ones(SIZE))
    assert shown() == before


def grows(held, x):
    held.list.append(x)


def grows_by_data(held, x):
    held.list.append(1)


def joins(held, x):
    held.set.add(len(held.set))


def shrinks(held, x):
    held.list.pop()


def loses(held, x):
    held.dict.pop(next(iter(held.dict)))


def writes_into_an_array(held, x):
    held.array[0] += 1


def adds_to_an_array(held, x):
    held.array += 1


def writes_into_a_large_array(held, x):
    held.large[0] += 1


def writes_by_out(held, x):
    np.add(held.array, 1.0, out=held.array)


def sorts(held, x):
    held.array[:] = held.array[::-1] + 1


def extends_bytes(held, x):
    held.bytes.extend(b"x")


def makes_objects(held, x):
    held.made = types.SimpleNamespace(x=x)


def keeps_a_closure(held, x):
    held.made = lambda: x


REFUSED = [
    (grows, "list"), (grows_by_data, "list"), (joins, "set"), (shrinks, "list"), (loses, "dict"),
    (writes_into_an_array, "array"), (adds_to_an_array, "array"), (writes_into_a_large_array, "array"),
    (writes_by_out, "array"), (sorts, "array"), (extends_bytes, "bytes"), (makes_objects, "made"), (keeps_a_closure, "made"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "name"), REFUSED, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("as_argument", [False, True], ids=["closed over", "argument"])
def test_what_no_program_can_do_again_is_refused_by_name(change, name, as_argument):
    held = Part()
    held.list, held.set, held.dict, held.bytes = (
        [0, 1, 2, 3, 4, 5, 6, 7],
        set(),
        dict.fromkeys("abcdefgh", 1),
        bytearray(),
    )
    held.array, held.large = np.zeros(3), np.zeros(3_000_000)

    def step(x):
        change(held, x)
        return x * 2

    def given(held, x):
        change(held, x)
        return x * 2

    with pytest.raises(errors.TraceError, match=name) as caught:
        ag.compile(given)(held, np.ones(2)) if as_argument else ag.compile(step)(np.ones(2))
    assert "instead" in str(caught.value) or "bind a new" in str(caught.value)
    assert (len(held.list), held.set, len(held.dict), held.bytes, hasattr(held, "made")) == (8, set(), 8, b"", False)
    assert not held.array.any() and not held.large.any()
    held.large[0] = 1.0  # may be written into again


@pytest.mark.parametrize(
    "write", ["b += 1", "b -= x", "b *= 2", "b[0] = 1", "b[:] = x", "b.sort()", "np.add(b, 1, out=b)"]
)
def test_writing_into_an_array_that_was_given_is_refused(write):
    space = {"np": np}
    exec(f"def step(b, x):\n    {write}\n    return x * 2", space)
    b = np.arange(3.0)
    with pytest.raises((errors.TraceError, errors.DTypeError, AttributeError)):
        ag.compile(space["step"])(b, np.ones(3))
    assert b.tolist() == [0.0, 1.0, 2.0]


def test_writing_in_place_where_nobody_else_sees_it_is_right():
    def step(x):
        h = x * 2
        h += 1
        h -= x
        h *= x
        h /= 3
        h **= 2
        k = x.astype(np.float32)
        k += x
        s = x.sum()
        t = s
        s += 1
        return h, k, s, t

    x = np.arange(3.0)
    for got, expected in zip(ag.compile(step)(x), step(x), strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.dtype == expected.dtype


@pytest.mark.parametrize("make", ["g = h[1:]", "g = h.reshape(3, 1)", "h = h.T; g = h", "g = np.squeeze(h)"])
def test_writing_in_place_where_a_view_shows_it_is_refused(make):
    space = {"np": np}
    exec(f"def step(x):\n    h = x * 2\n    {make}\n    h += 1\n    return g", space)
    with pytest.raises(errors.TraceError, match="view"):
        ag.compile(space["step"])(np.ones(3))


@pytest.mark.parametrize("same", ["h", "[h][0]", "(lambda k: k)(h)"])
@pytest.mark.parametrize("copy", ["h.copy()", "+h", "np.copy(h)", "np.positive(h)", "h * 1", "h.astype(float)"])
def test_writing_in_place_is_seen_under_every_name_and_not_in_copies(same, copy):
    space = {"np": np}
    exec(f"def step(x):\n    h = x * 2\n    a, b = {same}, {copy}\n    h += 1\n    b *= 3\n    return h, a, b", space)
    x = np.arange(3.0)
    for got, expected in zip(ag.compile(space["step"])(x), space["step"](x), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("body", [
    "w.data -= 0.5 * w.grad", "w.grad *= 0.5; w.data = w.data - w.grad", "g = w.grad; g *= 0.5; w.data = w.data - w.grad",
    "d = w.data; d -= 1.0", "d = w.data; w.data -= 1.0; return d * 1", "k = w.grad; g = w.grad; g *= 0.5; return k * 1",
    "h = x * 1; l = (w * h).sum(); h += 1; w.grad = None; l.backward()", "h = x * 1; w.assign(h); h += 1",
    "h = x * 1; t = Tensor(h); h += 1; return (t.data + h) * 1",
])  # fmt: skip
def test_values_and_gradients_of_tensors_written_in_place(body):
    space = {"Tensor": Tensor}
    body = body.replace("; ", "\n    ")
    exec(f"def step(w, x):\n    w.grad = None\n    ((w * x) ** 2).sum().backward()\n    {body}", space)
    found = []
    for wrap in (lambda f: f, ag.compile):
        w, step = Tensor(np.array([1.0, 2.0]), requires_grad=True), wrap(space["step"])
        results = [step(w, np.array([0.5, 0.25])) for _ in range(4)]
        found.append((w.data, w.grad, [0 if r is None else r for r in results]))
    for got, expected in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_what_is_made_only_once_is_made_by_the_first_call():
    held = Part()
    held.cache, held.table, held.names = {}, None, []

    def step(x):
        if held.table is None:
            held.table = types.SimpleNamespace(scale=2.0)
            held.names.append("made")
            held.cache["scale"] = [3.0]
        return x * held.table.scale * held.cache["scale"][0]

    compiled = ag.compile(step)
    assert [float(compiled(2.0)) for _ in range(4)] == [12.0] * 4
    assert held.names == ["made"]
    assert compiled.trace_count == 1


def test_a_refused_step_trains_eagerly_in_fit_and_happens_once():
    class Noting(nn.Module):
        def __init__(self):
            super().__init__()
            self.dense, self.seen, self.steps = nn.Dense(2, 1, seed=0), [], 0

        def forward(self, x):
            self.steps += 1
            self.seen.append(self.steps)
            return self.dense(x)

    X, y = np.random.default_rng(0).normal(size=(8, 2)), np.ones((8, 1))
    models = [Noting(), Noting()]
    with pytest.warns(UserWarning, match="without compilation") as caught:
        models[0].fit(X, y, loss=nn.MSE(), epochs=3, batch_size=4, verbose=0)
    assert len(caught) == 1
    with ag.disable_compile():
        models[1].fit(X, y, loss=nn.MSE(), epochs=3, batch_size=4, verbose=0)
    assert models[0].seen == models[1].seen == list(range(1, models[0].steps + 1))
    np.testing.assert_array_equal(models[0].dense.weight.data, models[1].dense.weight.data)


def test_after_a_refusal_the_plain_step_runs():
    held = Part()
    held.list, held.out = [], None

    @ag.compile
    def step(x):
        held.out = x * 2
        held.list.append(held.out)
        return held.out

    for _ in range(2):
        with pytest.raises(errors.TraceError, match="list"):
            step(np.ones(2))
        assert held.list == [] and held.out is None
    with ag.disable_compile():
        step(np.ones(2))
    np.testing.assert_array_equal(held.list, [[2.0, 2.0]])
