"""Tracing: containers, keywords, whole steps; nothing outside changes when it raises; helpful refusals."""

import linecache
import queue

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors

X = np.array([0.5, -1.0, 2.0])


def names(graph):
    return [eqn.primitive.name for eqn in graph.eqns]


def test_containers_and_keywords():
    graph = ag.trace(lambda batch, *, scale: batch["x"] * scale[0] + batch["y"], {"y": Tensor(X), "x": X}, scale=[2.5])
    assert [v.name for v in graph.inputs] == ["batch_y", "batch_x", "scale_0"]
    assert [v.weak for v in graph.inputs] == [False, False, True]
    assert names(graph) == ["mul", "add"]


def test_integers_and_strings_are_part_of_the_program():
    graph = ag.trace(lambda x, n, kind: x**n if kind == "power" else x, Tensor(X), 3, "power")
    assert [v.name for v in graph.inputs] == ["x"]
    assert graph.eqns[0].inputs[1].value == 3


def test_a_gradient_program_uses_the_same_rules():
    w = Tensor(X, requires_grad=True, name="w")

    def step(x):
        loss = (ag.tanh(w) * x).sum()
        loss.backward()
        return w.grad

    graph = ag.trace(step, X)
    assert [eqn.phase for eqn in graph.eqns].count("backward") > 2
    assert graph.labels == ("return", "grad_w")
    assert graph.outputs[0] is graph.outputs[1]
    assert w.grad is None


def test_captured_tensors_are_inputs_and_assignments_outputs():
    w = Tensor(X, name="w")

    def step(x):
        w.data = w.data + x
        return w * 2

    graph = ag.trace(step, X)
    assert [v.name for v in graph.inputs] == ["x", "w"]
    assert graph.labels == ("return", "w")
    np.testing.assert_array_equal(w.data, X)


def test_arrays_closed_over_are_constants_by_reference():
    array = np.ones(3)
    graph = ag.trace(lambda x: x + array, X)
    assert [value is array for value in graph.constants.values()] == [True]


def test_a_wrong_call_is_refused_with_its_name():
    with pytest.raises(errors.ArgumentError, match="step cannot be called like this.*missing"):
        ag.trace(xs_and_ys(), X)


def xs_and_ys():
    def step(x, y):
        return x + y

    return step


# ----- a function that raises leaves everything as it was -----
class Stop(Exception):
    pass


def world():
    w = Tensor(X, requires_grad=True)
    w.grad = np.ones(3)
    optimizer = nn.optim.Adam([w], learning_rate=0.1)
    return w, optimizer


@pytest.mark.parametrize(
    "run", [lambda f, *a: ag.trace(f, *a), lambda f, *a: ag.compile(f)(*a)], ids=["trace", "compile"]
)
def test_a_failed_trace_changes_nothing(run):
    w, optimizer = world()
    rng, listed, holder = np.random.default_rng(0), [np.random.default_rng(1)], nn.Module()
    holder.rng = np.random.default_rng(2)

    def step(x):
        optimizer.zero_grad()
        noise = rng.normal(size=3) + listed[0].random(3) + holder.rng.uniform(size=3)
        (w * x * noise).sum().backward()
        optimizer.step()
        w.assign(w.data * 2)
        raise Stop

    state = [w, *optimizer.state().values()]
    before = [(t.value, t.data.copy(), t.stored_grad, t.changed, t.requires_grad, t.name) for t in state]
    generators = [rng, listed[0], holder.rng]
    states = [repr(g.bit_generator.state) for g in generators]
    with pytest.raises(Stop):
        run(step, Tensor(X))
    for t, (value, copied, grad, changed, requires, name) in zip(state, before, strict=True):
        assert t.value is value
        np.testing.assert_array_equal(t.data, copied)
        assert t.stored_grad is grad
        assert (t.changed, t.requires_grad, t.name) == (changed, requires, name)
    assert [rng, listed[0], holder.rng] == generators
    assert [repr(g.bit_generator.state) for g in generators] == states
    assert all(type(g) is np.random.Generator for g in generators)


def test_the_legacy_generator_is_refused_and_put_back():
    before = np.random.get_state()
    step = ag.compile(lambda x: x * np.random.rand())
    with pytest.raises(errors.TraceError, match="random numbers in a way that a trace cannot follow"):
        step(X)
    after = np.random.get_state()
    np.testing.assert_array_equal(after[1], before[1])
    assert after[2:] == before[2:]


@pytest.mark.parametrize("method", ["shuffle", "bytes", "spawn", "bit_generator"])
def test_draws_that_cannot_be_followed_are_refused_and_put_back(method):
    rng = np.random.default_rng(0)
    state = repr(rng.bit_generator.state)

    def step(x):
        if method == "bit_generator":
            return x * float(rng.bit_generator.random_raw() % 7)
        if method == "shuffle":
            rng.shuffle([1, 2, 3])
            return x
        return x * len(repr(getattr(rng, method)(5)))

    with pytest.raises(errors.TraceError, match="random (numbers|generator)"):
        ag.compile(step)(X)
    assert repr(rng.bit_generator.state) == state


def test_a_profiler_survives_a_trace():
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    ag.trace(lambda x: x * 2, X)
    profile.disable()
    assert profile.getstats()


# ----- code that needs a value -----
def condition(x):
    if x.sum() > 0:
        return x
    return -x


def conjunction(x):
    return x[0] > 0 and x[1] > 0


def disjunction(x):
    return x[0] > 0 or x[1] > 0


def smallest(x):
    return min(x[0], x[1])


def loop(x):
    while x.sum() < 3:
        x = x * 2
    return x


def floating(x):
    return float(x[0])


def whole(x):
    return int(x[0])


def item(x):
    return x[0].item()


def numpy(x):
    return x.numpy() * 2


def asarray(x):
    return np.asarray(x)


def counting(x):
    return range(x[0])


def raw(x):
    return float(x.data[0])


def formatted(x):
    return f"{x[0]:.3f}"


def written(x):
    return np.array([x[0], x[1]])


NEEDY = [
    condition,
    conjunction,
    disjunction,
    smallest,
    loop,
    floating,
    whole,
    item,
    numpy,
    asarray,
    counting,
    raw,
    formatted,
    written,
]


@pytest.mark.parametrize("function", NEEDY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("argument", [X, Tensor(X, requires_grad=True)], ids=["array", "tensor"])
def test_code_that_needs_a_value_is_told_what_to_write(function, argument):
    with pytest.raises(errors.TraceError) as caught:
        ag.compile(function)(argument)
    text = str(caught.value)
    place = text.split(" needs the value of ")[0]
    filename, _, line = place.rpartition(":")
    assert filename == __file__
    start = function.__code__.co_firstlineno
    assert start < int(line) <= start + 4
    assert linecache.getline(filename, int(line)).strip()
    advised = {
        "autograd.where": (condition, conjunction, disjunction, smallest, loop),
        "numpy.stack": (asarray, written),
    }
    assert next((advice for advice, needy in advised.items() if function in needy), "static=") in text


@pytest.mark.parametrize("function", [condition, floating, numpy])
def test_the_argument_is_named(function):
    with pytest.raises(errors.TraceError, match="'x'|computed at|shape"):
        ag.compile(function)(X)
    with pytest.raises(errors.TraceError, match="argument 'x'"):
        ag.compile(lambda x: x.numpy())(Tensor(X))


def test_a_mask_as_an_index_is_refused():
    with pytest.raises(errors.TraceError, match="mask"):
        ag.compile(lambda x: x[x > 0])(Tensor(X))


def test_a_float_argument_in_a_branch_is_told_about_static():
    with pytest.raises(errors.TraceError, match=r"'rate'.*static="):
        ag.compile(lambda x, rate: x if rate > 0 else -x)(X, 0.5)


def test_a_value_kept_after_the_trace_is_refused():
    kept = queue.SimpleQueue()  # (which cannot be looked into)
    ag.trace(lambda x: kept.put(x * 2), X)
    with pytest.raises(errors.TraceError, match="finished trace"):
        kept.get() + 1


def test_a_trace_leaves_nothing_behind():
    kept = []
    ag.trace(lambda x: kept.append(x * 2), X)
    assert kept == []


@pytest.mark.parametrize("name", sorted({name for name in dir(np.ndarray) if name[0] != "_"} - {"dump", "tofile"}))
def test_what_arrays_have_works_on_an_array_that_is_traced_or_is_refused(name):
    """Never an attribute of ours in its place, nor an error that is not ours."""
    x = np.arange(1.0, 10).reshape(3, 3)
    tried = 0
    for arguments in ((), (0,), (1,), (np.float32,)):

        def read(y, arguments=arguments):
            found = getattr(y, name)
            return found(*arguments) if callable(found) else found

        try:
            want = read(x.copy())
        except (TypeError, ValueError, IndexError):
            continue
        tried += 1
        try:
            got = ag.compile(read, backend="numpy")(x.copy())
        except errors.AutogradError:
            continue
        np.testing.assert_array_equal(np.asarray(got), np.asarray(want))
    assert tried or name in NEED_OTHER_ARGUMENTS


NEED_OTHER_ARGUMENTS = {
    "reshape",
    "choose",
    "compress",
    "put",
    "searchsorted",
    "setfield",
    "getfield",
    "to_device",
    "dot",
    "swapaxes",
}


@pytest.mark.parametrize("backend", ["numpy", *(["native"] if native.BACKEND.available() else [])])
def test_a_value_without_gradient_recorded_before_a_write_is_no_obstacle(backend):
    """The check of writes goes over arrays and traced values too, which have none."""
    results = []
    for compiled in (False, True):
        w, mean = Tensor(np.ones((2, 3)), requires_grad=True), Tensor(0.5)

        def step(x, w=w, mean=mean):
            y = (w * x).at[1:, 0:4:-2].add(ag.sum(w) * x)
            mean.data = 0.5 * mean.data + 1.0
            ag.mean(y).backward()

        run = ag.compile(step, backend=backend) if compiled else step
        for x in (0.1, 0.2, 0.3):
            run(x)
        results.append((w.grad.tolist(), float(mean)))
    assert results[0] == results[1]
