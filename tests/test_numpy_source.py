"""The NumPy backend: every primitive has its line; compiled equals eager; the source runs alone and gives the same."""

import ast

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends.numpy_source import EXPRESSIONS
from autograd.core.ops.shape import reduce_to_p
from autograd.core.primitive import REGISTRY
from tests.fuzz import close, program, same_bits
from tests.samples import SAMPLES
from tests.test_ir import check_golden, without_places, xor_step


def run_alone(source, name, *arrays):
    """What the source returns, executed with nothing but NumPy (which it imports itself)."""
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [alias.name for node in imported for alias in node.names] == ["numpy"]
    space = {"__builtins__": __builtins__}
    with np.errstate(all="ignore"):
        exec(compile(source, "<source>", "exec"), space)
        return space[name](*arrays)


def inputs_of(graph, given):
    return [given[v.name] for v in graph.inputs]


def test_every_primitive_has_a_line():
    missing = [name for name, op in REGISTRY.items() if not op.numpy and name not in EXPRESSIONS]
    assert missing == [], "say how NumPy writes them: numpy=... in their records in autograd/core/ops"
    assert [name for name in EXPRESSIONS if REGISTRY[name].numpy] == []


CASES = [(name, i) for name, sample in SAMPLES.items() if name != "draw" for i in range(len(sample.cases))]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "draw"])
def test_compiled_and_source_equal_eager(name, dtype):
    primitive, sample = REGISTRY[name], SAMPLES[name]
    for case in sample.cases:
        arrays, settings = case.draw(dtype)
        given = [
            np.asarray(a)[()] if not isinstance(a, (int, float)) or isinstance(a, np.generic) else a for a in arrays
        ]
        tensors = [Tensor(a) if isinstance(a, (np.ndarray, np.generic)) else a for a in given]

        def step(*xs, settings=settings):
            return primitive(*xs, **settings)

        with np.errstate(all="ignore"):
            expected = primitive(*given, **settings)
        compiled = ag.compile(step, backend="numpy")
        got = compiled(*tensors)
        got = got.data if isinstance(got, Tensor) else got
        assert same_bits(got, expected) or close(got, expected), case.label
        named = {f"xs_{i}": a for i, a in enumerate(given)}
        (alone,) = run_alone(compiled.source, "step", *inputs_of(compiled.graph, named))
        assert same_bits(alone, expected) or close(alone, expected), (case.label, compiled.source)


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])
@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.differentiable])
def test_compiled_gradients_equal_eager(name, dtype):
    primitive = REGISTRY[name]
    for case in SAMPLES[name].cases:
        arrays, settings = case.draw(dtype)
        floats = [isinstance(a, (np.ndarray, np.generic)) and a.dtype.kind == "f" for a in arrays]
        worlds = [[_tensor(a, f) for a, f in zip(arrays, floats, strict=True)] for _ in range(2)]

        def step(*xs, settings=settings):
            y = primitive(*xs, **settings)
            if y.requires_grad:
                (y * y).sum().backward()

        with np.errstate(all="ignore"):
            step(*worlds[0])
        ag.compile(step, backend="numpy")(*worlds[1])
        for x, y in zip(*worlds, strict=True):
            if isinstance(x, Tensor) and x.grad is not None:
                assert same_bits(x.grad, y.grad) or close(x.grad, y.grad), case.label


def _tensor(a, requires_grad):
    return Tensor(a, requires_grad) if isinstance(a, (np.ndarray, np.generic)) else a


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_the_source_of_random_programs_runs_alone(first):
    for seed in range(first, first + 25):
        made = program(seed)
        step, args, _ = made.load()
        compiled = ag.compile(step, backend="numpy")
        compiled(*args)
        named = {**made.arguments, **made.parameters}
        graph = compiled.graph
        values = inputs_of(graph, {name: a if a.ndim else a[()] for name, a in named.items()})
        other, fresh, parameters = made.load()
        with np.errstate(all="ignore"):
            results = [r.data.copy() for r in other(*fresh)]
        alone = run_alone(compiled.source, "step", *values)
        returned = [value for value, label in zip(alone, graph.labels, strict=True) if label == "return"]
        kept = [r for r, value in zip(results, other_kinds(made), strict=True) if value]
        assert len(returned) == len(kept)
        for a, b in zip(returned, kept, strict=True):
            assert same_bits(a, b) or close(a, b), (seed, compiled.source)


def other_kinds(made):
    """For each thing the program returns whether it is computed, rather than a tensor handed back as it is."""
    returned = made.text.rstrip().rpartition("return [")[2].rstrip("]").split(", ")
    return [name not in made.arguments and name not in made.parameters for name in returned]


def test_the_source_of_the_xor_step():
    step, _ = xor_step()
    compiled = ag.compile(step, backend="numpy")
    compiled(*map(Tensor, nn.data.xor()))
    lines = [line.rsplit(", test_ir.py:", 1)[0].rstrip() for line in compiled.source.splitlines()]
    check_golden("xor_source.txt", "\n".join(lines) + "\n")


def test_the_source_of_the_xor_step_trains_alone():
    x, y = nn.data.xor()
    step, parameters = xor_step()
    compiled = ag.compile(step, backend="numpy")
    values = [p.data.copy() for p in parameters]
    losses = [float(compiled(Tensor(x), Tensor(y)).data) for _ in range(10)]
    names = [v.name for v in compiled.graph.inputs]
    assert names[:2] == ["x", "y"]
    mine = dict(zip(("w1", "b1", "w2", "b2"), values, strict=True))
    for loss in losses:
        results = run_alone(compiled.source, "step", x, y, *(mine[name] for name in names[2:]))
        got = dict(zip(compiled.graph.labels, results, strict=True))
        assert close(got["return"], np.float64(loss))
        mine = {name: got[name] for name in mine}
    for name, p in zip(mine, parameters, strict=True):
        assert close(mine[name], p.data)


def test_headings_shapes_and_names():
    step, _ = xor_step()
    compiled = ag.compile(step, backend="numpy")
    compiled(*map(Tensor, nn.data.xor()))
    source = compiled.source
    for heading in ("# forward", "# backward", "# update"):
        assert source.count(heading) == 1
    assert "h = " in source
    assert "grad_w1 = " in source
    assert "f64[4,3]" in source
    assert max(map(len, source.splitlines())) <= 140
    assert without_places(source) == without_places(compiled.source)


def test_odd_numbers_are_written_so_that_they_come_back():
    values = [np.inf, -np.inf, np.nan, -0.0, 1e300, 5e-324, np.float32(0.1), np.int64(3), np.float64(-2.5)]

    def step(x):
        return [x * v for v in values]

    compiled = ag.compile(step, backend="numpy")
    x = np.array([1.0, -2.0], np.float64)
    with np.errstate(all="ignore"):
        expected = step(x)
    for got, want in zip(compiled(Tensor(x)), expected, strict=True):
        assert same_bits(got.data, want)
    for got, want in zip(run_alone(compiled.source, "step", x), expected, strict=True):
        assert same_bits(got, want)


def test_constants_are_written_out_when_they_are_small():
    array = np.array([[1.0, np.nan], [-np.inf, 2.5]])
    compiled = ag.compile(lambda x: x * array, backend="numpy")
    compiled(Tensor(1.0))
    (alone,) = run_alone(compiled.source, "function", np.float64(2.0))
    assert same_bits(alone, 2 * array)
    large = np.arange(1000.0)
    compiled = ag.compile(lambda x: x * large, backend="numpy")
    compiled(Tensor(1.0))
    assert "put your array here" in compiled.source


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(()),
        lambda x: x[0],
        lambda x: x.sum(),
        lambda x: np.where(x[0] > 0, x[0], 2.0),
        lambda x: np.squeeze(x) * 1,
        lambda x: np.percentile(x, 30),
        lambda x: np.linalg.det(np.reshape(x, (1, 1))),
        lambda x: np.einsum("i,i->", x, x),
    ],
)
@pytest.mark.parametrize("kind", [np.array, Tensor])
def test_results_of_shape_empty_are_numbers(function, kind):
    """Not arrays, which could be views of what the caller, or the next step, writes into."""
    x = np.array([1.5])
    step = ag.compile(lambda x: function(x), backend="numpy")
    for _ in range(3):
        got, want = step(kind(x)), function(kind(x))
        assert isinstance(got, Tensor) is isinstance(want, Tensor)
        got, want = (y.value if isinstance(y, Tensor) else y for y in (got, want))
        assert isinstance(got, np.generic) and (got, got.dtype) == (want, want.dtype)


@pytest.mark.parametrize("dtype", ["bool", "i1", "i4", "u2", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(2, 1), (3,), (1, 3), (2, 3), (1, 1)])
def test_a_sum_down_to_a_shape_keeps_the_dtype(dtype, shape):
    x = np.ones((2, 3), dtype)
    found = ag.compile(lambda x: reduce_to_p(x, shape=shape), backend="numpy")(x)
    assert found.dtype == x.dtype and np.array_equal(found, reduce_to_p(x, shape=shape))
