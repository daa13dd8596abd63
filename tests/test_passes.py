"""Each pass before and after, exact also for nan and -0.0; random programs mean the same after every pass."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from autograd.backends import reference
from autograd.core.ops.shape import reduce_to_p
from autograd.core.primitive import REGISTRY
from autograd.ir.graph import Eqn, Graph, Literal, Var, verify
from autograd.passes import PASSES, optimise
from autograd.passes.cse import share_common
from autograd.passes.dce import drop_unused
from autograd.passes.fold import fold_numbers
from autograd.passes.fuse import fusion_groups, is_reduction, iteration_space
from autograd.passes.simplify import RULES, simplify
from tests.fuzz import close, program, same_bits

ODD = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e-310, 2.5])
X = Tensor(ODD)


def evaluate(graph, *arrays):
    """What a graph means."""
    return reference.Interpreter(graph).run(*arrays)


def names(graph):
    return [eqn.primitive.name for eqn in graph.eqns]


def agree(before, after, *arrays):
    for a, b in zip(evaluate(before, *arrays), evaluate(after, *arrays), strict=True):
        assert same_bits(a, b), (a, b)


# ----- fold -----
def test_fold_computes_numbers_now():
    graph = ag.trace(lambda x: x * (ag.exp(np.float64(0.5)) + 0) + ag.sum(Tensor(np.float32(2.0)) * 3), X)
    folded = fold_numbers(graph)
    assert names(folded) == ["mul", "add"]
    agree(graph, folded, ODD)
    assert folded.eqns[-1].inputs[1].dtype == graph.eqns[-1].inputs[1].dtype


def test_fold_leaves_arrays_alone():
    array = np.ones(3)
    graph = ag.trace(lambda x: x[:3] * (Tensor(array) * 2), X)
    assert names(fold_numbers(graph)) == names(graph)


def test_fold_keeps_python_numbers_weak():
    a, b, x = (
        Var((), np.dtype(float), "a", True),
        Var((3,), np.dtype(np.float32), "b"),
        Var((3,), np.dtype(np.float32), "x"),
    )
    graph = Graph(
        "g",
        (x,),
        {},
        (Eqn(a, REGISTRY["mul"], (Literal(2.0), Literal(3.0))), Eqn(b, REGISTRY["mul"], (x, a))),
        (b,),
        ("return",),
    )
    folded = verify(fold_numbers(graph))
    assert folded.eqns[0].inputs[1].weak
    assert folded.eqns[0].out.dtype == np.float32


# ----- simplify -----
@pytest.mark.parametrize(
    ("function", "after"),
    [
        (lambda x: x * 1, []),
        (lambda x: 1.0 * x, []),
        (lambda x: x / 1, []),
        (lambda x: x - 0.0, []),
        (lambda x: x - 0, []),
        (lambda x: x + -0.0, []),
        (lambda x: -0.0 + x, []),
        (lambda x: ag.negative(-x), []),
        (lambda x: x.detach(), []),
        (lambda x: ag.astype(x, float), []),
        (lambda x: reduce_to_p(x, shape=x.shape), []),
        (lambda x: ag.broadcast_to(x, x.shape), []),
        (lambda x: ag.reshape(ag.reshape(x, (3, 3)), (9,)), []),
        (lambda x: ag.reshape(ag.reshape(x, (3, 3)), (9, 1)), ["reshape"]),
        (lambda x: ag.reshape(x, (3, 3)).T.T, ["reshape"]),
        (
            lambda x: ag.transpose(ag.transpose(ag.reshape(x, (1, 3, 3)), (1, 2, 0)), (1, 0, 2)),
            ["reshape", "transpose"],
        ),
        (lambda x: ag.broadcast_to(ag.broadcast_to(x, (2, 9)), (3, 2, 9)), ["broadcast_to"]),
        (lambda x: ag.reshape(x, (3, 3)) * ag.broadcast_to(x[:3], (3, 3)), ["reshape", "getitem", "mul"]),
        (lambda x: x * np.float64(2.0), ["mul"]),
        (lambda x: x**1, []),
    ],
    ids=lambda v: None if callable(v) else "-".join(v) or "nothing",
)
def test_what_changes_nothing_is_dropped(function, after):
    graph = ag.trace(function, X)
    result = verify(drop_unused(simplify(graph)))
    assert names(result) == after
    agree(graph, result, ODD)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 0.0,
        lambda x: x + 0,
        lambda x: 0 + x,
        lambda x: x - (-0.0),
        lambda x: 0 - x,
        lambda x: x * 0,
        lambda x: x - x,
        lambda x: x / x,
        lambda x: x**0,
        lambda x: 1 / x,
        lambda x: x * -1,
        lambda x: ag.maximum(x, x),
        lambda x: ag.astype(x, np.float32),
        lambda x: ag.exp(ag.log(x)),
        lambda x: ag.sqrt(x * x),
        lambda x: (x + 1) - 1,
    ],
)
def test_what_might_change_something_stays(function):
    graph = ag.trace(function, X)
    result = verify(simplify(graph))
    assert names(result) == names(graph)
    agree(graph, result, ODD)


def test_an_identity_that_changes_the_dtype_or_shape_stays():
    x = Tensor(np.arange(3, dtype=np.int64))
    assert names(simplify(ag.trace(lambda x: x * 1.0, x))) == ["mul"]
    assert names(simplify(ag.trace(lambda x: x / 1, x))) == ["div"]
    assert names(simplify(ag.trace(lambda x: ag.sum(x) * np.ones((), np.float64), Tensor(np.ones(3, np.float32))))) == [
        "sum",
        "mul",
    ]


def test_every_rule_has_been_tried():
    tried = {
        "mul",
        "div",
        "sub",
        "add",
        "stop_gradient",
        "astype",
        "reduce_to",
        "neg",
        "power",
        "reshape",
        "transpose",
        "broadcast_to",
    }
    neutral = {name for name, primitive in REGISTRY.items() if any(n is not None for n in primitive.neutral)}
    assert {primitive.name for primitive in RULES} | neutral == tried


# ----- common subexpressions -----
def test_equal_equations_are_shared():
    graph = ag.trace(lambda x, y: (ag.exp(x) * y) + (y * ag.exp(x)) + ag.sum(x, axis=0) - ag.sum(x), X, Tensor(ODD))
    shared = verify(drop_unused(share_common(graph)))
    assert names(shared) == ["exp", "mul", "add", "sum", "add", "sum", "sub"]
    agree(graph, shared, ODD, ODD)


def test_what_only_looks_equal_is_not_shared():
    def function(x):
        return [
            x - 0.5,
            0.5 - x,
            x + 0.0,
            x + -0.0,
            x * 1,
            x * 1.0,
            x[1:],
            x[:-1],
            ag.sum(x, keepdims=True),
            x > 1,
            x < 1,
        ]

    graph = ag.trace(function, X)
    shared = share_common(graph)
    assert len(shared.eqns) == len(graph.eqns)
    agree(graph, shared, ODD)


def test_draws_are_never_shared():
    rng = np.random.default_rng(0)
    step = ag.compile(lambda x: (x + rng.random(9), x + rng.random(9)), backend="numpy")
    a, b = step(Tensor(np.zeros(9)))
    assert (a.data != b.data).all()


# ----- dead code -----
def test_what_nobody_needs_is_dropped():
    array = np.ones(9)

    def function(x):
        _ = ag.exp(x) * array
        return x * 2

    graph = ag.trace(function, X)
    result = verify(drop_unused(graph))
    assert names(result) == ["mul"]
    assert result.constants == {}
    assert result.inputs == graph.inputs


def test_draws_are_kept_for_those_that_follow():
    rng = np.random.default_rng(0)

    def step(x):
        rng.random(3)
        return x + rng.random()

    expected = np.random.default_rng(0)
    expected.random(3)
    assert float(ag.compile(step)(Tensor(0.0)).data) == expected.random()


# ----- fusion groups -----
def test_groups_can_run_in_order():
    for seed in range(40):
        step, args, _ = program(seed).load()
        with np.errstate(all="ignore"):
            graph = optimise(ag.trace(step, *args))[-1][1]
        groups = fusion_groups(graph)
        assert sorted(map(id, graph.eqns)) == sorted(id(eqn) for group in groups for eqn in group.eqns)
        ready = {*graph.inputs, *graph.constants}
        for group in groups:
            reduced = set()
            for eqn in group.eqns:
                assert all(isinstance(a, Literal) or a in ready for a in eqn.inputs)
                assert not reduced & set(eqn.inputs), "a reduction is read inside its own loop"
                assert group.space is None or iteration_space(eqn) == group.space
                ready.add(eqn.out)
                if is_reduction(eqn):
                    reduced.add(eqn.out)
            assert group.space is not None or len(group.eqns) == 1


def test_elementwise_chains_and_their_sum_are_one_loop():
    graph = ag.trace(lambda x: ag.sum(ag.exp(x * 2) + 1), X)
    assert [group.kind for group in fusion_groups(graph)] == ["loop"]


# ----- all of them, on random programs -----
STAGES = [("all", None), *PASSES]


@pytest.mark.parametrize(("name", "run"), STAGES, ids=[name for name, _ in STAGES])
def test_random_programs_mean_the_same_after_each_pass(name, run):
    for seed in range(60):
        made = program(seed)
        step, args, parameters = made.load()
        with np.errstate(all="ignore"):
            graph = ag.trace(step, *args)
        after = verify(run(graph)) if run else optimise(graph)[-1][1]
        held = {**made.arguments, **made.parameters}
        arrays = [held.get(v.name) for v in graph.inputs]
        if any(a is None for a in arrays):
            continue  # a gradient that was there before
        agree(graph, after, *(a if a.ndim else a[()] for a in arrays))


ATOMS = st.one_of(st.integers(0, 5), st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2, 1, 0]))
OPERATIONS = st.sampled_from(
    [
        "add",
        "subtract",
        "multiply",
        "divide",
        "negative",
        "maximum",
        "minimum",
        "exp",
        "abs",
        "stop_gradient",
        "sum",
        "sign",
    ]
)


@given(
    st.lists(st.tuples(OPERATIONS, ATOMS, ATOMS), min_size=1, max_size=20),
    st.lists(st.integers(0, 8), min_size=3, max_size=3),
)
def test_drawn_graphs_mean_the_same_after_each_pass(rows, picks):
    def function(x, y):
        values = [x, y]
        for name, a, b in rows:
            operands = [values[-1 - v % len(values)] if isinstance(v, int) and v > 1 else v for v in (a, b)]
            if not any(
                isinstance(v, Tensor)
                for v in operands[: 1 if name in ("neg", "exp", "abs", "stop_gradient", "sign", "sum") else 2]
            ):
                operands[0] = values[-1]
            unary = name in ("negative", "exp", "abs", "stop_gradient", "sign", "sum")
            values.append(getattr(ag, name)(*operands[: 1 if unary else 2]))
        return values

    arrays = [ODD[picks], ODD[picks[::-1]]]
    with np.errstate(all="ignore"):
        graph = ag.trace(function, *map(Tensor, arrays))
        for (_, before), (_, after) in itertools.pairwise(optimise(graph)):
            agree(before, after, *arrays)


def test_the_stages_are_kept_with_their_names():
    stages = optimise(ag.trace(lambda x: x * 1 + ag.exp(x) * 0, X))
    assert [name for name, _ in stages] == ["trace", *(name for name, _ in PASSES)]
    assert close(len(stages[-1][1].eqns), 3)


def test_arrays_of_one_number_are_computed_as_that_number():
    w = Tensor([1.0, -2.0, 3.0], requires_grad=True, name="w")

    def step():
        w.grad = None
        ((w - 1.0) ** 2).mean().backward()
        return w.grad

    graph = ag.trace(step)
    result = graph
    for run in (fold_numbers, simplify, drop_unused):
        result = verify(run(result))
    assert names(result).count("broadcast_to") == 0
    assert names(result).count("power") <= 1  # (w - 1) ** 1 is w - 1
    agree(graph, result, w.data)
