"""The backward pass: deep and wide graphs, accumulation, memory, threads, and higher order."""

import gc
import sys
import threading
import time
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, keep_grads, no_grad, scope, tape
from autograd.core import engine
from autograd.core.primitive import REGISTRY, reads

FREE_LISTS = 10_000  # blocks that the interpreter keeps for reuse; a graph of a million operations has millions


def leaf(data, **settings):
    return Tensor(data, requires_grad=True, **settings)


@contextmanager
def no_collector():
    """Whatever is freed inside is freed by reference counting alone."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


# ----- depth and width -----
def test_a_chain_of_a_million_operations_runs_and_is_freed_without_recursion():
    length = 1_000_000
    assert sys.getrecursionlimit() <= 10_000
    with no_collector():
        x = leaf(1.0)
        before = sys.getallocatedblocks()
        y = x
        for _ in range(length):
            y = y + x
        assert y.item() == length + 1
        y.backward()
        assert x.grad == length + 1
        del y
        assert sys.getallocatedblocks() - before < FREE_LISTS


def test_a_long_chain_is_freed_when_it_never_ran_backward():
    with no_collector():
        x = leaf([1.0, 2.0])
        before = sys.getallocatedblocks()
        y = x
        for _ in range(100_000):
            y = (y * 1.0).reshape(2)
        assert len(tape(y)) == 200_000
        assert repr(y).startswith("Tensor([1., 2.]")
        del y
        assert sys.getallocatedblocks() - before < FREE_LISTS


def test_reuse_does_not_multiply_the_work():
    """18 diamonds have 2**18 paths: a walk along paths would take minutes."""

    def seconds(diamonds):
        x = y = leaf(1.0)
        for _ in range(diamonds):
            y = y * 0.5 + y * 0.5
        start = time.perf_counter()
        y.backward()
        assert x.grad == 1.0
        return time.perf_counter() - start

    assert seconds(18) < 0.1
    assert seconds(2000) < 5


def test_a_thousand_operations_cost_a_thousand_times_one():
    def calls(length):
        x = y = leaf(1.0)
        for _ in range(length):
            y = y * x
        count = 0

        def counted(tensor):
            nonlocal count
            count += 1

        engine.pull([y], [np.float64(1)], visit=lambda tensor, g: counted(tensor))
        return count

    assert [calls(n) for n in (1, 10, 1000)] == [1, 10, 1000]


# ----- memory -----
def test_graphs_have_no_cycles():
    gc.collect()
    x, w = leaf(np.ones((3, 4))), leaf(np.ones((4, 2)))

    def run():
        h = ag.softmax(ag.tanh(x @ w), axis=1)
        parts = ag.split(ag.concatenate([h, h[:, ::-1]]), 2)
        loss = (parts[0] * parts[1]).sum() + h[[0, 0]].max() + ag.norm(w)
        with keep_grads(), scope("there"):
            loss.backward(retain_graph=True)
        first = engine.pull([loss], [Tensor(1.0)], graph=True)
        first[x].sum().backward()

    with no_collector():
        run()
        assert gc.collect() == 0


def test_a_failed_operation_leaves_no_cycle():
    x = leaf([1.0, 2.0])
    with no_collector():
        y = x * 2
        with pytest.raises(ValueError):
            y + np.ones(3)
        with pytest.raises(ValueError):
            ag.matmul(y, np.ones(3))
        del y
        alive = [t for t in gc.get_objects() if isinstance(t, Tensor) and t.creator is REGISTRY["mul"]]
    assert alive == []


def test_ten_thousand_training_steps_grow_no_memory():
    rng = np.random.default_rng(0)
    data = Tensor(rng.normal(size=(4, 2)))
    w1, w2 = leaf(rng.normal(size=(2, 3))), leaf(rng.normal(size=(3, 1)))

    def train(steps):
        for _ in range(steps):
            loss = (ag.sigmoid(ag.sigmoid(data @ w1) @ w2) ** 2).mean()
            for parameter in (w1, w2):
                parameter.zero_grad()
            loss.backward()
            for parameter in (w1, w2):
                parameter.data = parameter.data - 0.1 * parameter.grad

    with no_collector():
        train(100)
        tracemalloc.start()
        train(100)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        blocks = sys.getallocatedblocks()
        train(9_700)
        assert sys.getallocatedblocks() - blocks < 1000
        tracemalloc.start()
        train(100)
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert after - before < 1_000_000


def test_backward_frees_the_graph_as_it_goes():
    x = leaf(np.ones(1000))
    y = x * 2
    z = (y * y).sum()
    z.backward()
    assert z.inputs is None and y.inputs is None
    assert x.inputs == ()


# ----- accumulation -----
def test_leaves_accumulate():
    x = leaf([1.0, 2.0])
    for times in (1, 2, 3):
        (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad, times * 2 * x.data)


def test_interior_gradients_do_not_leak_into_a_second_pass():
    """micrograd's mistake: the second pass would start from the interior gradients of the first."""
    x = leaf(3.0)
    y = x * x
    z = y * 2
    z.backward(retain_graph=True)
    assert x.grad == 12.0
    z.backward()
    assert x.grad == 24.0


def test_zero_grad_and_backward_again_gives_identical_bits():
    rng = np.random.default_rng(1)
    x, w = leaf(rng.normal(size=(5, 3))), leaf(rng.normal(size=(3, 3)))
    loss = ag.logsumexp(ag.tanh(x @ w) @ w) + (x @ w).std() * ag.norm(w)
    grads = []
    for _ in range(2):
        x.zero_grad()
        w.zero_grad()
        loss.backward(retain_graph=True)
        grads.append((x.grad.tobytes(), w.grad.tobytes()))
    assert grads[0] == grads[1]


def test_a_retained_graph_can_be_shared_by_two_outputs():
    x = leaf(2.0)
    h = x * x
    (h * 3).backward(retain_graph=True)
    (h * 5).backward()
    assert x.grad == (3 + 5) * 4


def test_one_pass_through_a_shared_part_adds_up():
    x = leaf([1.0, -2.0, 3.0])
    h = x * x
    (h.sum() + (h * h).sum() + h[0] * x[2]).backward()
    expected = 2 * x.data + 4 * x.data**3
    expected[0] += 2 * 1.0 * 3.0
    expected[2] += 1.0
    np.testing.assert_array_equal(x.grad, expected)


def test_gradients_of_two_leaves_never_share_memory():
    a, b, c = leaf([1.0, 2.0]), leaf([3.0, 4.0]), leaf([[5.0], [6.0]])
    seed = np.ones(2)
    (a + b + c.reshape(2)).backward(seed)
    a.grad += 100
    assert b.grad.tolist() == [1, 1] and c.grad.tolist() == [[1], [1]] and seed.tolist() == [1, 1]
    a.zero_grad()
    (a.sum() + b.sum()).backward()
    assert a.grad.tolist() == [1, 1] and b.grad.tolist() == [2, 2]
    assert a.grad.flags.writeable


def test_a_gradient_handed_out_earlier_is_not_written_to():
    x = leaf([1.0, 2.0])
    (x * 2).sum().backward()
    held = x.grad
    (x * 3).sum().backward()
    assert held.tolist() == [2, 2] and x.grad.tolist() == [5, 5]


def test_the_same_tensor_on_both_sides():
    x = leaf([2.0, 3.0])
    for y, expected in ((x + x, [2, 2]), (x - x, [0, 0]), (x * x, [4, 6]), (x / x, [0, 0])):
        x.zero_grad()
        y.sum().backward()
        assert x.grad.tolist() == expected
    x.zero_grad()
    (x @ x).backward()
    assert x.grad.tolist() == [4, 6]


def test_a_leaf_is_its_own_output():
    x = leaf(2.0)
    x.backward()
    x.backward(5.0)
    assert x.grad == 6.0


def test_backward_with_a_cotangent_of_another_kind():
    x = leaf([1.0, 2.0])
    for cotangent in ([1, 2], np.array([1, 2]), Tensor([1.0, 2.0]), np.array([1, 2], np.float32)):
        x.zero_grad()
        (x * 3).backward(cotangent)
        assert x.grad.tolist() == [3, 6] and x.grad.dtype == np.float64


def test_a_single_element_of_any_rank_is_scalar_enough():
    for shape in ((), (1,), (1, 1, 1)):
        x = leaf(np.full(shape, 3.0))
        (x * x).backward()
        assert x.grad.shape == shape and x.grad.item() == 6.0


def test_empty_tensors_have_empty_gradients():
    x, w = leaf(np.zeros((0, 3))), leaf(np.ones((3, 2)))
    (x @ w).sum().backward()
    assert x.grad.shape == (0, 3)
    np.testing.assert_array_equal(w.grad, np.zeros((3, 2)))


# ----- what is recorded -----
def test_only_what_leads_to_a_gradient_is_recorded():
    a, b = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])
    c = a * b
    assert not c.requires_grad and c.creator is None and c.inputs == ()
    x = leaf([1.0, 1.0])
    y = x * c
    assert y.creator is REGISTRY["mul"] and y.inputs == (x, c)[:2]
    y.sum().backward()
    assert c.grad is None and a.grad is None


def test_a_constant_argument_costs_no_rule(monkeypatch):
    def refuse(g, y, a, b):
        raise AssertionError("the gradient of a constant was computed")

    mul, matmul = REGISTRY["mul"], REGISTRY["matmul"]
    monkeypatch.setattr(mul, "vjps", (mul.vjps[0], refuse))
    monkeypatch.setattr(matmul, "vjps", (refuse, matmul.vjps[1]))
    w = leaf(np.ones((2, 2)))
    (Tensor(np.ones((3, 2))) @ w * 2.0 * np.ones(2)).sum().backward()
    np.testing.assert_array_equal(w.grad, np.full((2, 2), 6.0))


def test_the_tape_is_in_order_of_recording():
    x = leaf(2.0)
    a = x * x
    b = ag.exp(a)
    c = a + b
    assert [id(t) for t in tape(c)] == [id(a), id(b), id(c)]
    assert [t.creator.name for t in tape(c)] == ["mul", "exp", "add"]
    assert tape(x) == []


def test_a_tensor_knows_its_line_scope_and_settings():
    x = leaf([[1.0, 2.0]])
    line = sys._getframe().f_lineno
    with scope("outer"), scope("inner"):
        y = x.sum(axis=0)
        z = ag.mean(x)
    assert y.site == (__file__, line + 2) and z.site == (__file__, line + 3)
    assert y.scope == z.scope == "outer/inner" and x.scope == ""
    assert y.params == {"axis": (0,), "keepdims": False}
    assert x.site is None


# ----- modes -----
def test_no_grad_nests_decorates_and_ends_with_an_exception():
    x = leaf(2.0)

    @no_grad()
    def frozen():
        return x * x

    with pytest.raises(ZeroDivisionError), no_grad(), no_grad():
        1 / 0  # noqa: B018
    assert not frozen().requires_grad
    y = x * x
    assert y.requires_grad
    with no_grad():
        z = y * 2
    (y + z).backward()
    assert x.grad == 4.0


def test_keep_grads_leaves_gradients_on_interior_tensors():
    x = leaf([1.0, 2.0])
    h = x * x
    with keep_grads():
        (3 * h).sum().backward(retain_graph=True)
        assert h.grad.tolist() == [3, 3]
        (h.sum()).backward()
    assert h.grad.tolist() == [1, 1]  # of the last pass: interior gradients start fresh
    assert x.grad.tolist() == [8, 16]


def test_threads_do_not_see_each_others_mode():
    barrier = threading.Barrier(8)
    results = [None] * 8

    def work(number):
        rng = np.random.default_rng(number)
        x = leaf(rng.normal(size=(4, 4)))
        barrier.wait()
        grads = []
        for i in range(60):
            with scope(f"thread{number}"):
                if (i + number) % 3 == 0:
                    with no_grad():
                        y = (x @ x).sum()
                    assert not y.requires_grad
                    continue
                y = (ag.tanh(x @ x) * i).sum()
            assert y.scope == f"thread{number}"
            x.zero_grad()
            with keep_grads() if i % 2 else scope("backward"):
                y.backward()
            grads.append(x.grad.tobytes())
        results[number] = grads

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together, barrier = list(results), threading.Barrier(1)
    for number in range(8):
        work(number)
    assert together == results and None not in results


# ----- higher order -----
def test_third_derivative_of_a_power():
    x = leaf(2.0)
    g = x**5
    for expected in (80.0, 160.0, 240.0):
        g = engine.pull([g], [Tensor(1.0)], graph=True)[x]
        assert g.item() == pytest.approx(expected, rel=1e-14)


def test_hessian_of_a_quadratic_form_is_its_matrix():
    a = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 1.0]])
    x = leaf([1.0, -2.0, 0.5])
    gradient = engine.pull([x @ a @ x / 2], [Tensor(1.0)], graph=True)[x]
    rows = [engine.pull([gradient[i]], [np.float64(1)])[x] for i in range(3)]
    np.testing.assert_allclose(rows, a, rtol=1e-15)


def test_pull_takes_several_outputs_and_stops_at_its_sources():
    x = leaf(3.0)
    h = x * x
    a, b = h * 2, h + x
    found = engine.pull([a, b, a], [np.float64(1), np.float64(10), np.float64(1)], span=engine.between([a, b], [h, x]))
    assert found[h] == 2 * 2 + 10
    assert found[x] == 10  # what goes to x by another way than h


# ----- which values a rule reads -----
def test_rules_tell_what_they_read():
    exp, mul, add = REGISTRY["exp"], REGISTRY["mul"], REGISTRY["add"]
    assert reads(exp.rule(0)) == {0, 1}
    assert reads(mul.rule(0)) == {0, 3} and reads(mul.rule(1)) == {0, 2}
    assert reads(add.rule(0)) == {0}
    assert reads(REGISTRY["concatenate"].rule(0)) is None  # any number of arguments: it cannot be told
