"""The interface of backends: all that are registered do what the reference does, and a new one needs one class."""

import sys
import types

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import base
from autograd.backends.reference import Interpreter
from autograd.core.errors import ArgumentError
from autograd.core.primitive import REGISTRY
from autograd.passes import optimise
from tests.fuzz import close, same_bits
from tests.samples import SAMPLES
from tests.test_ir import xor_step
from tests.test_structure import imports_of, python_files

X = np.arange(1.0, 4.0)


def cases(name):
    """A function that applies the primitive to all its samples, their arrays, and what NumPy makes of them."""
    drawn = [case.draw(dtype, seed=5) for dtype in (np.float64, np.float32) for case in SAMPLES[name].cases]
    primitive = REGISTRY[name]
    varying = [[a for a in arrays if isinstance(a, np.ndarray | np.generic)] for arrays, _ in drawn]

    def function(given):
        results = []
        for (arrays, settings), values in zip(drawn, given, strict=True):
            rest = iter(values)
            some = [next(rest) if isinstance(a, np.ndarray | np.generic) else a for a in arrays]
            results.append(primitive(*some, **settings))
        return results

    with np.errstate(all="ignore"):
        return function, varying, [primitive(*arrays, **settings) for arrays, settings in drawn]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "draw"])
def test_the_reference_is_what_the_primitives_say(name):
    function, given, right = cases(name)
    step = ag.compile(function, backend="reference")
    for _ in range(3):
        for got, expected in zip(step(given), right, strict=True):
            assert same_bits(got, expected)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "draw"])
def test_numpy_programs_do_what_the_reference_does(name):
    function, given, _ = cases(name)
    graph = ag.trace(function, given)
    flat = ag.tree.flatten(given)[0]
    expected = Interpreter(graph).run(*flat)
    for got, right in zip(base.find("numpy").compile(graph).run(*flat), expected, strict=True):
        assert same_bits(got, right) or close(got, right)


@pytest.mark.parametrize("name", base.names())
def test_an_executable_takes_inputs_and_returns_outputs(name):
    graph = optimise(ag.trace(xor_step()[0], *map(Tensor, nn.data.xor())))[-1][1]
    inputs = [np.random.default_rng(i).normal(size=v.shape).astype(v.dtype)[()] for i, v in enumerate(graph.inputs)]
    before = [np.copy(x) for x in inputs]
    executable = base.find(name).compile(graph)
    for _ in range(2):
        results = executable.run(*inputs)
        assert type(results) is tuple
        for got, right in zip(results, Interpreter(graph).run(*inputs), strict=True):
            assert np.shape(got) == np.shape(right)
            np.testing.assert_allclose(got, right, rtol=1e-12)
    for kept, now in zip(before, inputs, strict=True):
        np.testing.assert_array_equal(kept, now)
    assert executable.text
    assert executable.explain()
    assert executable.listing("no such notation") is None


def training(backend):
    """A step that trains, draws, keeps a mean, counts, and uses a primitive of the user's."""
    state = types.SimpleNamespace(mean=np.zeros(3), steps=0, w=Tensor(X, requires_grad=True, name="w"))
    rng = np.random.default_rng(0)

    def step(x, rate):
        state.w.grad = None
        loss = ((state.w - x) ** 2).sum() + ag.where(x > 2, x, 0.0).sum() + rng.normal()
        loss.backward()
        state.w.data = state.w.data - rate * state.w.grad
        state.mean = 0.9 * state.mean + 0.1 * x
        state.steps += 1
        return loss, {"w": state.w}

    return (ag.compile(step, backend=backend) if backend else step), state


@pytest.mark.parametrize("backend", base.names())
def test_every_backend_trains_as_plain_python_does(backend):
    (plain, expected), (step, state) = training(None), training(backend)
    for i in range(5):
        x = X * i
        (a, first), (b, second) = plain(x, 0.1 / (i + 1)), step(x, 0.1 / (i + 1))
        np.testing.assert_allclose(b.data, a.data, rtol=1e-14)
        assert second["w"] is state.w and first["w"] is expected.w
        np.testing.assert_allclose(state.w.data, expected.w.data, rtol=1e-14)
        np.testing.assert_allclose(state.w.grad, expected.w.grad, rtol=1e-14)
        np.testing.assert_allclose(state.mean, expected.mean, rtol=1e-14)
        assert (state.steps, type(state.steps)) == (expected.steps, int)
    assert f"backend {backend}" in step.explain()


def test_the_reference_repeats_and_scans_by_calls():
    w = Tensor(0.0)

    def body(x):
        w.data = w.data + x.sum()
        return w * 1

    step = ag.compile(body, backend="reference")
    np.testing.assert_array_equal(step.scan(np.ones((3, 2))), [2.0, 4.0, 6.0])
    np.testing.assert_array_equal(step.repeat(2, np.ones(2)), [8.0, 10.0])
    assert not step.looped
    with pytest.raises(ArgumentError, match="reference"):
        assert step.llvm
    with pytest.raises(ArgumentError, match="reference"):
        step.explain(profile=(np.ones(2),))


# ----- one of one's own -----
@pytest.fixture
def counting(monkeypatch):
    """A backend in a module of its own, registered for the length of a test, that counts its runs."""

    class Counting(Interpreter):
        runs = 0

        def run(self, *inputs):
            Counting.runs += 1
            return super().run(*inputs)

    class Backend(base.Backend):
        name = "counting"

        def compile(self, graph, keep=frozenset(), overwrite=None):
            return Counting(graph)

    module = types.ModuleType("a_backend")
    module.BACKEND = Backend()
    monkeypatch.setitem(sys.modules, "a_backend", module)
    monkeypatch.setattr(base, "_MODULES", dict(base._MODULES))
    base.register("counting", "a_backend")
    return Counting


def test_a_backend_is_one_class_and_one_registration(counting):
    step = ag.compile(lambda x: (x * 2).sum(), backend="counting")
    assert [float(step(X)) for _ in range(4)] == [12.0] * 4
    assert counting.runs == 4
    assert "backend counting" in step.explain()


def test_a_backend_that_cannot_run_here_says_why(counting, monkeypatch):
    monkeypatch.setattr(base.Backend, "missing", lambda self: "install it")
    with pytest.raises(ag.core.errors.MissingDependencyError, match="install it"):
        ag.compile(lambda x: x, backend="counting")


def test_names_that_are_none_are_refused_with_those_that_are():
    with pytest.raises(ArgumentError, match="native, numpy, reference"):
        ag.compile(lambda x: x, backend="numby")


def test_the_driver_knows_no_backend():
    """It takes what it needs from the interface; the readable source, which every step has, is no backend."""
    found = {
        imported.name if imported.module == "autograd.backends" else imported.module
        for path in python_files("autograd/compiler")
        for imported in imports_of(path)
        if imported.module.startswith("autograd.backends")
    }
    assert found == {"base", "autograd.backends.base", "numpy_source"}
