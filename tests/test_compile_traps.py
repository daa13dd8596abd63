"""What has gone wrong in other compilers of training steps: each trap once, compiled held to eager bit for bit."""

import copy
import dataclasses
import functools
import math
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors
from tests.fuzz import close, same_bits

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
exact = True


@pytest.fixture(params=BACKENDS, autouse=True)
def backend(request, monkeypatch):
    """Every trap is set for every backend; machine code may round differently, and NumPy may not."""
    monkeypatch.setattr(ag, "compile", functools.partial(ag.compile, backend=request.param))
    monkeypatch.setitem(globals(), "exact", request.param == "numpy")
    return request.param


def equal(a: Any, b: Any) -> bool:
    return same_bits(a, b) or (not exact and close(a, b))


def value(x: Any) -> Any:
    return x.data if isinstance(x, Tensor) else x


def agree(make: Callable[[], tuple[Any, ...]], *calls: Any, traces: int | None = None, **options: Any) -> Any:
    """Make two worlds, run one eagerly and one compiled, and compare results, tensors and gradients after every call.

    `make` returns the step and the tensors to watch; a call is a tuple of arguments, or a function of the world's
    tensors that does something between the calls (returning None) or gives the arguments.
    """
    eager, *expected = make()
    plain, *tensors = make()
    compiled = ag.compile(plain, **options)
    for call in calls:
        left, right = (call(*t) if callable(call) else call for t in (expected, tensors))
        if left is None:
            continue
        with np.errstate(all="ignore"):
            a = eager(*left)
        b = compiled(*right)
        (flat, structure), (other, same) = ag.tree.flatten(a), ag.tree.flatten(b)
        assert structure == same
        assert len(flat) == len(other)
        for x, y in zip(flat, other, strict=True):
            assert equal(value(x), value(y)), (x, y)
        for x, y in zip(expected, tensors, strict=True):
            assert equal(x.data, y.data), (x, y)
            assert (x.grad is None) == (y.grad is None), (x.grad, y.grad)
            assert x.grad is None or equal(x.grad, y.grad), (x.grad, y.grad)
    if traces is not None:
        assert compiled.trace_count == traces
    return compiled


def weight(*values: float, dtype: Any = float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True, dtype=dtype)


X = np.array([0.5, -1.0, 2.0])


# ----- arguments -----
def test_one_tensor_passed_twice():
    x, y = Tensor([1.0, 2.0]), Tensor([3.0, 5.0])
    agree(lambda: (lambda a, b: a * 2 + b,), (x, x), (x, y), (y, x), (y, y))


def test_one_tensor_that_gets_a_gradient_passed_twice():
    def make():
        def step(a, b):
            (a * b).sum().backward()
            return a + b

        return step, weight(1, 2), weight(3, 5)

    agree(make, lambda p, q: (p, q), lambda p, q: (p, p), lambda p, q: (q, q), lambda p, q: (q, p))


def test_one_tensor_that_is_written_to_passed_twice():
    def make():
        def step(a, b):
            a.data = a.data + 1
            return a * b

        return step, weight(1, 2), weight(3, 5)

    agree(make, lambda p, q: (p, q), lambda p, q: (p, p), lambda p, q: (q, p))


def test_a_captured_parameter_passed_as_argument():
    def make():
        w, v = weight(1, 2), weight(3, 5)

        def step(a):
            a.data = a.data * 2
            return w + a

        return step, w, v

    agree(make, lambda w, v: (w,), lambda w, v: (v,), lambda w, v: (w,), lambda w, v: (v,))
    agree(make, lambda w, v: (v,), lambda w, v: (w,), lambda w, v: (v,), lambda w, v: (w,))


def test_new_shapes_and_dtypes_make_new_traces_and_old_ones_are_kept():
    calls = [(np.ones(shape, dtype),) for shape in ((3,), (2, 3), ()) for dtype in (np.float64, np.float32)]
    agree(lambda: (lambda x: ag.sum(x) * 2,), *calls, *calls, traces=6)


def test_integers_and_booleans_as_arrays():
    agree(
        lambda: (lambda table, rows, mask: ag.where(mask, ag.Tensor(table)[rows], 0.0),),
        (np.arange(6.0), np.array([0, 5, 5]), np.array([True, False, True])),
        (np.arange(6.0), np.array([1, 1, 2]), np.array([False, False, True])),
        traces=1,
    )


def test_order_of_keywords():
    step = ag.compile(lambda *, a, b: a - b)
    assert float(step(a=np.ones(()), b=np.zeros(()))) == 1.0
    assert float(step(b=np.zeros(()), a=np.ones(()))) == 1.0
    assert step.trace_count == 2  # the order would show in **kwargs


def test_a_positional_argument_given_by_keyword():
    step = ag.compile(lambda a, b: a - b)
    assert [
        float(step(*args, **kwargs))
        for args, kwargs in [((3.0, 1.0), {}), ((3.0,), {"b": 1.0}), ((), {"b": 1.0, "a": 3.0})]
    ] == [2, 2, 2]


def test_defaults_may_be_left_out():
    step = ag.compile(lambda a, scale=2.0, *rest, power=1: a * scale**power)
    assert [float(step(3.0)), float(step(3.0, 5.0)), float(step(3.0, power=2)), float(step(3.0))] == [6, 15, 12, 6]


@dataclasses.dataclass
class Batch:
    x: Any
    y: Any


class Pair(NamedTuple):
    x: Any
    y: Any


@pytest.mark.parametrize(
    "wrap",
    [list, tuple, lambda p: {"x": p[0], "y": p[1]}, lambda p: Batch(*p), lambda p: Pair(*p), lambda p: [p, {"k": p}]],
)
def test_containers_go_in_and_come_out(wrap):
    def step(batch):
        return ag.tree.map(lambda a: a * 2, batch)

    agree(lambda: (step,), (wrap((Tensor(X), Tensor(1.0))),), (wrap((Tensor(X + 1), Tensor(2.0))),), traces=1)


def test_another_length_of_a_list_is_another_trace():
    def step(xs):
        return sum(xs[1:], start=xs[0])

    agree(lambda: (step,), ([Tensor(X)],), ([Tensor(X), Tensor(X)],), ([Tensor(X)] * 3,), traces=3)


def test_empty_and_zero_dimensional_inputs():
    for shape in ((), (0,), (2, 0), (1, 1)):
        agree(
            lambda: (lambda x: (ag.exp(x) * 2, ag.sum(x), x.T),),
            (np.full(shape, 0.5),),
            (np.full(shape, -2.0),),
            traces=1,
        )


def test_no_arguments_and_nothing_returned():
    def make():
        w = weight(1, 2)

        def step():
            w.data = w.data * 2

        return step, w

    agree(make, (), (), (), traces=1)


def test_float_arguments_vary_without_a_new_trace_and_stay_weak():
    compiled = agree(
        lambda: (lambda x, rate: x * rate + rate**2 - (1.0 - rate) / 3,),
        *((Tensor(X, dtype=np.float32), rate) for rate in (0.1, 0.25, -0.0, math.inf, math.nan, 1e30)),
        traces=1,
    )
    assert compiled.graph.eqns[-1].out.dtype == np.float32


def test_int_arguments_are_part_of_the_trace():
    compiled = agree(lambda: (lambda x, n: x**n,), (Tensor(X), 2), (Tensor(X), 3), (Tensor(X), 2), traces=2)
    assert "n: 2 -> 3" in compiled.explain()


def test_true_one_and_one_point_zero_are_different():
    agree(
        lambda: (lambda x, n: x if n is True else x * n + 0.5,),
        *((Tensor([2, 3]), n) for n in (1, True, 1.0, 1)),
        traces=3,
    )


def test_strings_and_functions_as_arguments():
    agree(
        lambda: (lambda x, kind, f: f(x) if kind == "f" else x + 1,),
        (Tensor(X), "f", ag.exp), (Tensor(X), "f", ag.tanh), (Tensor(X), "g", ag.exp), (Tensor(X), "f", ag.exp),
        traces=3,
    )  # fmt: skip


def test_static_floats_may_be_branched_on():
    def step(x, rate):
        return x * rate if rate > 0 else -x

    compiled = agree(lambda: (step,), *((Tensor(X), r) for r in (0.5, -0.5, 0.5, 0.25)), traces=3, static="rate")
    assert "rate: 0.5 -> -0.5" in compiled.explain()


def test_static_names_only_the_argument_of_that_name():
    def step(n, n_scale):
        return n_scale * n

    agree(lambda: (step,), (2, X), (2, X + 1), (3, X), traces=2, static=["n"])


def test_static_containers():
    def step(sizes, x):
        return ag.reshape(x, sizes["shape"]) * sizes["factors"][0]

    agree(
        lambda: (step,),
        ({"shape": (3, 1), "factors": [2.0]}, X),
        ({"shape": (1, 3), "factors": [2.0]}, X),
        ({"shape": (1, 3), "factors": [3.0]}, X),
        traces=3,
        static="sizes",
    )


def test_a_tensor_that_starts_to_require_a_gradient():
    x = Tensor(X)

    def step(a):
        y = (a * a).sum()
        if y.requires_grad:
            y.backward()
        return y

    compiled = ag.compile(step)
    compiled(x)
    x.requires_grad = True
    compiled(x)
    np.testing.assert_array_equal(x.grad, 2 * X)
    assert compiled.trace_count == 2


def test_gradients_of_arguments_belong_to_each_argument():
    @ag.compile
    def step(a):
        (a * a).sum().backward()

    first, second = weight(1, 2), weight(3, 4)
    step(first)
    step(second)
    np.testing.assert_array_equal(first.grad, [2, 4])
    np.testing.assert_array_equal(second.grad, [6, 8])


# ----- results -----
def test_results_stay_what_they_were():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            h = w * x
            w.data = w.data + 1
            return (
                h,
                h.reshape(3, 1),
                h.T,
                h[1:],
                h,
                w * 1,
                ag.broadcast_to(h, (2, 3)),
                h.sum(),
                w.data + 0,
                ag.exp(h)[::-1],
            )

        return step, w

    _, *_ = (eager := make())
    compiled = ag.compile(make()[0])
    kept = [(eager[0](Tensor(X + i)), compiled(Tensor(X + i))) for i in range(4)]
    for expected, got in kept:
        for a, b in zip(expected, got, strict=True):
            assert equal(value(a), value(b))


def test_views_of_inputs_and_parameters_never_change_later():
    w = weight(1, 2, 4)

    @ag.compile
    def step(x):
        w.data = w.data * 0.5 + x
        return w.T, w.reshape(3, 1), w[1:], x.reshape(3, 1), w.detach()

    kept = [(step(X), w.data.copy()) for _ in range(4)]
    for (transposed, column, tail, given, detached), then in kept:
        assert equal(transposed.data, then)
        assert equal(column.data, then.reshape(3, 1))
        assert equal(tail.data, then[1:])
        assert equal(given.data, X.reshape(3, 1))
        assert equal(detached.data, then)


def test_arrays_the_user_holds_stay_what_they_were():
    w = weight(1, 2, 4)

    @ag.compile
    def step(x):
        w.grad = None
        ((w - x) ** 2).sum().backward()
        w.data = w.data - 0.1 * w.grad

    held, copies = [], []
    for _ in range(5):
        held.append((w.data, w.grad))
        copies.append((w.data.copy(), None if w.grad is None else w.grad.copy()))
        step(X)
    for now, then in zip(held, copies, strict=True):
        assert equal(now[0], then[0])
        assert now[1] is None or equal(now[1], then[1])


def test_views_the_user_holds_stay_what_they_were():
    w = weight(1, 2, 4)

    @ag.compile
    def step():
        w.data = w.data * 2

    view = w.data[1:]
    tensor = w.T
    step()
    step()
    np.testing.assert_array_equal(view, [2, 4])
    np.testing.assert_array_equal(tensor.data, [1, 2, 4])
    np.testing.assert_array_equal(w.data, [4, 8, 16])


def test_results_are_not_aliases_of_parameters_or_of_each_other():
    w = weight(1, 2, 4)

    @ag.compile
    def step(x):
        w.data = w.data * 1.0
        return w * 1.0, w.detach(), x * 2, x * 2, x.detach()

    x = Tensor(X)
    results = [r.data for r in step(x)]
    for i, result in enumerate(results):
        others = [w.data, x.data, *(r for j, r in enumerate(results) if j != i)]
        assert not any(np.shares_memory(result, other) for other in others)
        result += 100
    np.testing.assert_array_equal(w.data, [1, 2, 4])
    np.testing.assert_array_equal(step(Tensor(X))[2].data, 2 * X)


def test_gradients_are_writable_arrays_of_their_own():
    v, w = weight(1, 2, 4), weight(3, 3, 3)

    @ag.compile
    def step():
        v.grad = w.grad = None
        (v + w).sum().backward()

    step()
    v.grad += 1
    np.testing.assert_array_equal(v.grad, [2, 2, 2])
    np.testing.assert_array_equal(w.grad, [1, 1, 1])
    step()
    np.testing.assert_array_equal(v.grad, [1, 1, 1])


def test_the_same_value_returned_twice_and_a_parameter_returned():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            y = w * x
            w.data = w.data + 1
            return [y, y, w, {"w": w, "x": x}, y.sum(), None, "text", 3]

        return step, w

    compiled = agree(make, (Tensor(X),), (Tensor(X),), traces=1)
    w = compiled.function.__closure__[0].cell_contents
    x = Tensor(X)
    result = compiled(x)
    assert result[2] is w
    assert result[3]["w"] is w
    assert result[3]["x"] is x


def test_plain_values_returned():
    agree(
        lambda: (lambda x: (x.shape, x.ndim, "a", 2.5, None, [], {}, x.dtype.name),),
        (Tensor(X),),
        (Tensor(X),),
        traces=1,
    )


def test_early_return():
    def step(x, fast):
        if fast:
            return x
        y = x * 2
        return y, y.sum()

    agree(lambda: (step,), (Tensor(X), True), (Tensor(X), False), (Tensor(X), True), traces=2)


# ----- functions -----
def test_methods_of_two_instances():
    class Model:
        def __init__(self, scale):
            self.w = weight(1.0, scale)
            self.scale = scale

        @ag.compile
        def step(self, x):
            self.w.data = self.w.data * self.scale
            return self.w * x + self.scale

    a, b = Model(2.0), Model(3.0)
    assert [float(m.step(1.0).data[1]) for m in (a, b, a, b)] == [6.0, 12.0, 10.0, 30.0]
    assert a.step.trace_count == b.step.trace_count == 1
    a.scale = 1.0
    assert float(a.step(1.0).data[1]) == 9.0
    assert a.step.trace_count == 2
    assert b.step.trace_count == 1


def test_instances_die_with_their_last_name():
    import weakref

    class Model:
        @ag.compile
        def step(self, x):
            return x * 2

    model = Model()
    model.step(X)
    gone = weakref.ref(model)
    del model
    import gc

    gc.collect()
    assert gone() is None


def test_bound_methods_partials_lambdas_and_callable_objects():
    class Scale:
        def __init__(self, k):
            self.k = k

        def __call__(self, x):
            return x * self.k

        def method(self, x):
            return x + self.k

    scale = Scale(2.0)
    for function in (scale, scale.method, functools.partial(lambda k, x: x - scale.k * k, 3.0), lambda x: scale(x) / 3):
        scale.k = 2.0
        compiled = ag.compile(function)
        for k in (2.0, 5.0, 2.0):
            scale.k = k
            assert equal(compiled(Tensor(X)).data, function(Tensor(X)).data)


def test_nested_compiled_functions():
    def make():
        w = weight(1, 2, 4)

        @ag.compile
        def inner(x):
            w.data = w.data + x
            return w * x

        def step(x):
            return inner(x) + inner(x * 2).sum()

        return step, w

    agree(make, (Tensor(X),), (Tensor(X),), traces=1)


def test_a_compiled_function_called_alone_and_inside_another():
    w = weight(1, 2, 4)

    @ag.compile
    def inner(x):
        return w * x

    @ag.compile
    def outer(x):
        return inner(x) * 2

    first, second = inner(X), outer(X)
    assert equal(first.data * 2, second.data)
    w.data = w.data + 1
    assert equal(inner(X).data * 2, outer(X).data)


def test_helpers_of_the_step_are_guarded_too():
    space = {"ag": ag, "rate": 2.0}
    exec("def helper(x):\n    return x * rate\ndef step(x):\n    return helper(x) + 1", space)
    step = ag.compile(space["step"])
    assert float(step(1.0)) == 3.0
    space["rate"] = 5.0
    assert float(step(1.0)) == 6.0
    space["helper"] = lambda x: x - 1
    assert float(step(1.0)) == 1.0


def test_a_copied_instance_has_steps_of_its_own():
    class Model:
        def __init__(self):
            self.w = weight(1, 2)

        @ag.compile
        def step(self, x):
            self.w.data = self.w.data + x
            return self.w * 1

    model = Model()
    model.step(1.0)
    other = copy.deepcopy(model)
    other.step(10.0)
    np.testing.assert_array_equal(model.w.data, [2, 3])
    np.testing.assert_array_equal(other.w.data, [12, 13])


def test_classes_that_cannot_be_hashed_or_keep_attributes():
    @dataclasses.dataclass
    class Unhashable:
        scale: float

        @ag.compile
        def step(self, x):
            return x * self.scale

    assert float(Unhashable(2.0).step(3.0)) == 6.0

    class Slotted:
        __slots__ = ()

        @ag.compile
        def step(self, x):
            return x

    with pytest.raises(errors.ArgumentError, match="__dict__"):
        Slotted().step(1.0)


def test_inner_compiled_functions_are_guarded_too():
    rate = 2.0
    inner = ag.compile(lambda x: x * rate)
    outer = ag.compile(lambda x: inner(x) + 1)
    assert float(outer(1.0)) == 3.0
    rate = 5.0
    assert float(outer(1.0)) == 6.0


def test_names_of_variables_cannot_clash_with_the_program():
    def step(x):
        add, exp, np_, dot, t1, multiply = x + 1, ag.exp(x), x * 3, x @ x, x - 1, x * 5
        add_, b_add, _exp, t1_, float_, scatter_add, run = add * 2, add * 3, exp * 2, t1 * 2, x * 7, x * 8, x * 9
        return (
            add,
            exp,
            np_,
            dot,
            t1,
            multiply,
            add_,
            b_add,
            _exp,
            t1_,
            float_,
            scatter_add,
            run,
            x * 1e16,
            x * 1e-16,
            x * -2,
            x * 2,
        )

    agree(lambda: (step,), (Tensor(X),), (Tensor(X + 1),), traces=1)


# ----- parameters and gradients -----
def test_a_parameter_assigned_twice_and_read_between():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            before = w * x
            w.data = w.data * 2
            between = w * x
            w.data = w.data - between.data
            w.assign(w.data + 1)
            return before, between, w * 1

        return step, w

    agree(make, (Tensor(X),), (Tensor(X),), traces=1)


def test_swapping_two_parameters():
    def make():
        v, w = weight(1, 2), weight(3, 4)

        def step():
            v.data, w.data = w.data, v.data

        return step, v, w

    agree(make, (), (), (), traces=1)


def test_gradients_accumulate_without_zero_grad():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            (w * x).sum().backward()
            return w.grad * 1

        return step, w

    agree(make, *[(Tensor(X),)] * 4, traces=2)


def test_zero_grad_alone():
    def make():
        w = weight(1, 2, 4)
        w.grad = np.ones(3)
        return w.zero_grad, w

    agree(make, (), (), lambda w: setattr(w, "grad", np.ones(3)), ())


def test_setting_gradients_alone():
    def make():
        w = weight(1, 2, 4)

        def step(g):
            w.grad = g.data * 2

        return step, w

    agree(make, (Tensor(X),), (Tensor(X + 1),), traces=1)


def test_clipping_gradients():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            w.grad = None
            (w * w * x).sum().backward()
            w.grad = ag.clip(w.grad, -1.0, 1.0)
            w.data = w.data - w.grad

        return step, w

    agree(make, (Tensor(X),), (Tensor(X),), traces=1)


def test_only_the_backward_pass_compiled():
    def make():
        w = weight(1, 2, 4)
        optimizer = nn.optim.Adam([w], learning_rate=0.1)

        def step(x):
            w.zero_grad()
            loss = ((w - x) ** 2).sum()
            loss.backward()
            return loss

        return step, w, optimizer

    _, *_ = made = make()
    eager, w, optimizer = made
    other, v, second = make()
    compiled = ag.compile(other)
    for _ in range(5):
        assert equal(eager(Tensor(X)).data, compiled(Tensor(X)).data)
        optimizer.step()
        second.step()
        assert equal(w.data, v.data)
        assert equal(w.grad, v.grad)


def test_only_the_optimizer_compiled():
    def make():
        w = weight(1, 2, 4)
        optimizer = nn.optim.SGD([w], learning_rate=0.1, momentum=0.9)
        return w, optimizer

    (w, optimizer), (v, second) = make(), make()
    compiled = ag.compile(second.step)
    for _ in range(5):
        for p, update in ((w, optimizer.step), (v, compiled)):
            p.zero_grad()
            (p * p * Tensor(X)).sum().backward()
            update()
        assert equal(w.data, v.data)


def test_an_eager_backward_after_compiled_steps():
    w = weight(1, 2, 4)

    @ag.compile
    def step():
        w.grad = None
        (w * w).sum().backward()
        w.data = w.data - 0.1 * w.grad

    step()
    w.zero_grad()
    (w * w).sum().backward()
    np.testing.assert_array_equal(w.grad, 2 * w.data)
    loss = (w * w).sum()
    step()
    with pytest.raises(errors.InplaceError):
        loss.backward()


def test_an_eager_loss_through_a_compiled_result_has_no_graph():
    w = weight(1, 2, 4)
    y = ag.compile(lambda: w * 2)()
    assert not y.requires_grad
    with pytest.raises(errors.GraphError):
        y.sum().backward()


def test_a_result_with_a_graph_from_outside_is_refused():
    w = weight(1, 2, 4)
    h = w * 2
    step = ag.compile(lambda x: (h * x).sum())
    with pytest.raises(errors.TraceError, match="detach"):
        step(X)


def test_without_recording():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            y = (w * x).sum()
            if y.requires_grad:
                y.backward()
            return y

        return step, w

    eager, w = make()
    other, v = make()
    compiled = ag.compile(other)
    for record in (True, False, True, False):
        for f in (eager, compiled):
            if record:
                f(Tensor(X))
            else:
                with ag.no_grad():
                    f(Tensor(X))
        assert equal(w.grad, v.grad)


def test_no_grad_inside():
    def make():
        w = weight(1, 2, 4)

        def step(x):
            with ag.no_grad():
                scale = w.sum()
            loss = (w * x).sum() * scale
            loss.backward()
            return loss

        return step, w

    agree(make, (Tensor(X),), lambda w: w.zero_grad(), (Tensor(X),))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: nn.optim.SGD(p, 0.1),
        lambda p: nn.optim.SGD(p, 0.1, momentum=0.9),
        lambda p: nn.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
        lambda p: nn.optim.SGD(p, 0.1, momentum=0.5, weight_decay=0.1),
        lambda p: nn.optim.RMSProp(p, 0.05),
        lambda p: nn.optim.Adam(p, 0.05),
    ],
    ids=["sgd", "momentum", "nesterov", "decay", "rmsprop", "adam"],
)
def test_every_optimizer_for_twenty_steps(optimizer, dtype):
    def make():
        w, b = weight(1, 2, 4, dtype=dtype), weight(0.5, dtype=dtype)
        unused = weight(1, dtype=dtype)
        rule = optimizer([w, b, unused])

        def step(x, y):
            rule.zero_grad()
            loss = ((ag.tanh(x * w + b) - y) ** 2).mean()
            loss.backward()
            rule.step()
            return loss

        return step, w, b, unused, *rule.state().values()

    x = Tensor(X / 8, dtype=dtype)
    agree(make, *[(x, Tensor(X[::-1] / 2, dtype=dtype))] * 20, traces=1)


def test_a_network_with_its_optimizer():
    def make():
        model = nn.MLP([2, 8, 3], activation=nn.Tanh, rng=np.random.default_rng(0))
        optimizer = nn.optim.Adam(model.parameters(), 0.05)

        def step(x, labels):
            optimizer.zero_grad()
            loss = nn.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            return loss

        return step, *model.parameters()

    rng = np.random.default_rng(1)
    agree(make, *((rng.normal(size=(5, 2)), rng.integers(0, 3, 5)) for _ in range(5)), traces=1)


# ----- what a step closes over -----
def test_a_learning_rate_in_an_attribute():
    def make():
        w = weight(1, 2, 4)
        optimizer = nn.optim.SGD([w], learning_rate=0.1)

        def step():
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()

        step.optimizer = optimizer
        return step, w

    step, w = make()
    compiled = ag.compile(step)
    expected = w.data
    for rate in (0.1, 0.1, 0.01, 0.1):
        step.optimizer.learning_rate = rate
        compiled()
        expected = expected - rate * (2 * expected)
        np.testing.assert_allclose(w.data, expected, rtol=1e-15)
    assert compiled.trace_count == 2
    assert "optimizer.learning_rate: 0.1 -> 0.01" in compiled.explain()


def test_a_learning_rate_in_a_cell():
    rate = 0.1

    @ag.compile
    def step(x):
        return x * rate

    assert float(step(1.0)) == 0.1
    rate = 0.01
    assert float(step(1.0)) == 0.01
    rate = 0.1
    assert float(step(1.0)) == 0.1
    assert step.trace_count == 2
    assert "rate: 0.1 -> 0.01" in step.explain()


def test_a_learning_rate_in_a_global():
    space = {"rate": 0.1}
    exec("def step(x):\n    return x * rate", space)
    step = ag.compile(space["step"])
    assert float(step(1.0)) == 0.1
    space["rate"] = 0.01
    assert float(step(1.0)) == 0.01
    assert "rate: 0.1 -> 0.01" in step.explain()


def test_a_learning_rate_in_defaults():
    def step(x, rate=0.1, *, scale=2.0):
        return x * rate * scale

    compiled = ag.compile(step)
    assert float(compiled(1.0)) == 0.2
    step.__defaults__ = (0.5,)
    assert float(compiled(1.0)) == 1.0
    step.__kwdefaults__["scale"] = 4.0
    assert float(compiled(1.0)) == 2.0


def test_a_rate_in_a_list_a_dict_a_class_and_a_module():
    config, rates, table = types.ModuleType("config"), [2.0], {"rate": 3.0}
    config.__file__ = "config.py"
    config.rate = 5.0

    class Settings:
        rate = 7.0

    @ag.compile
    def step(x):
        return x * rates[0] * table["rate"] * config.rate * Settings.rate

    def expected():
        return rates[0] * table["rate"] * config.rate * Settings.rate

    assert float(step(1.0)) == expected()
    rates[0] = 11.0
    assert float(step(1.0)) == expected()
    table["rate"] = 13.0
    assert float(step(1.0)) == expected()
    config.rate = 17.0
    assert float(step(1.0)) == expected()
    Settings.rate = 19.0
    assert float(step(1.0)) == expected()
    assert step.trace_count == 5


def test_a_module_without_a_file_and_a_namespace():
    config, space = types.ModuleType("config"), types.SimpleNamespace(rate=3.0)
    config.rate = 5.0
    step = ag.compile(lambda x: x * config.rate * space.rate)
    assert float(step(1.0)) == 15.0
    config.rate = 7.0
    assert float(step(1.0)) == 21.0
    space.rate = 2.0
    assert float(step(1.0)) == 14.0


def test_attributes_slots_properties_and_inherited_ones():
    class Base:
        shared = 2.0

    class Slotted(Base):
        __slots__ = ("_hidden", "own")

        @property
        def hidden(self):
            return self._hidden

    thing = Slotted()
    thing.own, thing._hidden = 3.0, 5.0
    step = ag.compile(lambda x: x * thing.own * thing.shared * thing.hidden)
    assert float(step(1.0)) == 30.0
    thing.own = 7.0
    assert float(step(1.0)) == 70.0
    Base.shared = 11.0
    assert float(step(1.0)) == 385.0
    thing._hidden = 1.0
    assert float(step(1.0)) == 77.0


def test_an_attribute_that_appears_later():
    class Thing:
        rate = 2.0

    thing = Thing()
    step = ag.compile(lambda x: x * thing.rate + getattr(thing, "extra", 0.0))
    assert float(step(1.0)) == 2.0
    thing.rate = 5.0
    assert float(step(1.0)) == 5.0
    thing.extra = 1.0
    assert float(step(1.0)) == 6.0


def test_a_global_that_appears_later():
    space: dict[str, Any] = {}
    exec("def step(x):\n    try:\n        return x * rate\n    except NameError:\n        return x", space)
    step = ag.compile(space["step"])
    assert float(step(1.0)) == 1.0
    space["rate"] = 5.0
    assert float(step(1.0)) == 5.0


def test_strings_none_tuples_sets_and_ranges_closed_over():
    kind, shape, names, optional, bounds = "exp", (3, 1), {"a"}, None, range(2)

    def step(x):
        y = ag.exp(x) if kind == "exp" else ag.tanh(x)
        y = ag.reshape(y, shape)
        if "b" in names:
            y = y + 1
        return (y if optional is None else y * optional) * len(bounds)

    compiled = ag.compile(step)

    def check():
        assert equal(compiled(Tensor(X)).data, step(Tensor(X)).data)

    check()
    kind = "tanh"
    check()
    shape = (1, 3)
    check()
    optional = 2.0
    check()
    bounds = range(3)
    check()
    names.add("b")
    check()


def test_sets_and_deques_that_change_in_place():
    from collections import OrderedDict, defaultdict, deque

    for make, change in (
        (set, lambda c: c.add(2.0)),
        (deque, lambda c: c.append(2.0)),
        (lambda: defaultdict(float), lambda c: c.update({(1, 2): 2.0})),
        (OrderedDict, lambda c: c.update({"k": 2.0})),
        (dict, lambda c: c.update({(0, 1): 3.0})),
        (list, lambda c: c.append(3.0)),
    ):
        held = make()
        step = ag.compile(lambda x, held=held: x + sum(held.values() if hasattr(held, "values") else held))
        step(1.0)
        change(held)
        total = sum(held.values() if hasattr(held, "values") else held)
        assert float(step(1.0)) == 1.0 + total, make


def test_values_under_keys_that_are_no_strings_change():
    table = {(0, 1): 2.0, None: 3.0, 1.5: 5.0}
    step = ag.compile(lambda x: x * table[0, 1] * table[None] * table[1.5])
    assert float(step(1.0)) == 30.0
    table[0, 1] = 7.0
    assert float(step(1.0)) == 105.0
    table[None] = 1.0
    assert float(step(1.0)) == 35.0


@pytest.mark.parametrize(
    "use",
    [
        lambda x, a: x * a,
        lambda x, a: x + Tensor(a),
        lambda x, a: x + Tensor(a[1:]).sum(),
        lambda x, a: x * a[1],
        lambda x, a: x * (a * 2),
        lambda x, a: x * float(a.sum()),
        lambda x, a: x if a[0] > 0 else -x,
        lambda x, a: x * a * (a * 2),
        lambda x, a: x * np.asarray(a, np.float32).astype(float),
        lambda x, a: ag.sum(x) * sum(a.tolist()),
        lambda x, a: x * a + a[0],
    ],
    ids=["direct", "tensor", "view", "element", "derived", "number", "branch", "both", "converted", "list", "twice"],
)
def test_an_array_closed_over_is_mutated_or_rebound(use):
    array = np.array([1.0, 2.0, 3.0])

    def step(x):
        return use(x, array)

    compiled = ag.compile(step)

    def check():
        for _ in range(2):
            assert equal(compiled(Tensor(X)).data, step(Tensor(X)).data)

    check()
    array[:] = [-1.0, 5.0, 7.0]
    check()
    array = np.array([11.0, 13.0, 17.0])
    check()
    array[0] = -2.0
    check()


def test_arrays_in_attributes_lists_and_globals_mutated():
    class Holder:
        def __init__(self):
            self.array = np.array([1.0, 2.0, 3.0])

    holder, listed = Holder(), [np.array([1.0, 2.0, 3.0])]

    def step(x):
        return x * holder.array[1] + x * listed[0][2]

    compiled = ag.compile(step)
    for change in (
        lambda: None,
        lambda: holder.array.fill(5.0),
        lambda: listed[0].fill(7.0),
        lambda: listed.__setitem__(0, X),
    ):
        change()
        assert equal(compiled(Tensor(X)).data, step(Tensor(X)).data)


def test_tensors_closed_over_rebound():
    w = weight(1, 2, 4)
    step = ag.compile(lambda x: w * x)
    step(X)
    w = weight(5, 6, 7)
    np.testing.assert_array_equal(step(X).data, np.array([5, 6, 7]) * X)
    layers = [w]
    step = ag.compile(lambda x: sum(layer * x for layer in layers))
    step(X)
    layers.append(weight(1, 1, 1))
    np.testing.assert_array_equal(step(X).data, np.array([6, 7, 8]) * X)


def test_a_parameter_that_changes_shape_or_dtype_is_another_trace():
    holder = types.SimpleNamespace(w=weight(1, 2, 4))
    step = ag.compile(lambda x: (holder.w * x).sum())
    assert float(step(2.0)) == 14.0
    holder.w = weight(1, 2)
    assert float(step(2.0)) == 6.0
    holder.w = weight(1, 2, dtype=np.float32)
    assert step(2.0).dtype == np.float32


def test_freezing_a_layer():
    def make():
        v, w = weight(1, 2, 4), weight(3, 3, 3)

        def step(x):
            v.grad = w.grad = None
            (v * w * x).sum().backward()

        return step, v, w

    def freeze(v, w):
        v.requires_grad = False

    def thaw(v, w):
        v.requires_grad = True

    agree(make, (Tensor(X),), freeze, (Tensor(X),), thaw, (Tensor(X),))


def test_training_and_evaluation_mode():
    class Noisy(nn.Module):
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def forward(self, x):
            return x * (self.rng.random(x.shape) < 0.5) if self.training else x

    model = nn.Sequential(nn.Dense(3, 3, rng=np.random.default_rng(0)), Noisy())
    step = ag.compile(lambda x: model(x))
    x = Tensor(np.ones((4, 3)))
    model.train()
    assert (step(x).data == 0).any()
    model.eval()
    assert not (step(x).data == 0).any()
    assert equal(step(x).data, model(x).data)


# ----- side effects in Python -----
def test_counters_in_closures_count():
    count = 0

    @ag.compile
    def step(x):
        nonlocal count
        count += 1
        return x * count

    assert [step(1.0) for _ in range(5)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert count == 5 and type(count) is int


def test_lists_that_grow_are_refused():
    seen = []

    @ag.compile
    def step(x):
        seen.append(len(seen))
        return x * 2

    with pytest.raises(errors.TraceError, match="seen"):
        for _ in range(3):
            step(1.0)


def test_attributes_that_count():
    class Model:
        def __init__(self):
            self.steps = 0

        @ag.compile
        def step(self, x):
            self.steps += 1
            return x / self.steps

    model = Model()
    assert [model.step(1.0) for _ in range(4)] == [1.0, 1 / 2, 1 / 3, 1 / 4]
    assert model.steps == 4


def test_values_kept_in_a_list_are_those_of_the_call():
    kept = []

    @ag.compile
    def step(x):
        kept[:] = [x * 2]
        return x + 1

    for i in range(4):
        step(X + i)
        assert type(kept[0]) is np.ndarray
        assert equal(kept[0], 2 * (X + i))


def test_caches_that_fill_once_are_fine():
    class Model:
        cache = None

        def scale(self):
            if self.cache is None:
                self.cache = 3.0
            return self.cache

    model = Model()
    step = ag.compile(lambda x: x * model.scale())
    assert [float(step(1.0)), float(step(2.0))] == [3.0, 6.0]


def test_what_a_rule_of_the_users_reads_is_watched():
    scale = [3.0]

    def scaled(g):
        return g * scale[0]

    @ag.primitive(vjps=[lambda g, y, x: scaled(g) * x])
    def odd_square(x):
        return np.square(x)

    w = Tensor(2.0, requires_grad=True)

    @ag.compile
    def step():
        w.grad = None
        odd_square(w).backward()

    step()
    assert float(w.grad) == 6.0
    for scale[0] in (5.0, 7.0, 3.0):
        step()
        assert float(w.grad) == 2.0 * scale[0]


# ----- errors while the program runs -----
def test_an_error_inside_leaves_parameters_as_they_were():
    w = weight(1, 2, 4)

    @ag.compile
    def step(a):
        w.grad = None
        (w * w).sum().backward()
        w.data = w.data - 0.1 * w.grad
        return ag.inv(a)

    step(np.eye(3))
    before, grad = w.data.copy(), w.grad.copy()
    with pytest.raises(ValueError, match="[Ss]ingular"):
        step(np.zeros((3, 3)))
    assert equal(w.data, before)
    assert equal(w.grad, grad)
    step(np.eye(3))
    assert not equal(w.data, before)


def test_an_index_outside_raises_and_leaves_everything_as_it_was():
    table = Tensor(np.arange(6.0), requires_grad=True)

    @ag.compile
    def step(rows):
        table.grad = None
        table[rows].sum().backward()
        table.data = table.data - table.grad

    step(np.array([0, 5]))
    before = table.data.copy()
    with pytest.raises(IndexError):
        step(np.array([0, 6]))
    assert equal(table.data, before)


class _Zero:
    """Something with a zero in it, wherever a step may read one; `put` makes it another."""

    shared = 0.0

    def __init__(self) -> None:
        self.number, self.table, self.row, self.pair = 0.0, {"key": 0.0}, [1.0, 0.0], (0.0, 1.0)
        self.inner = types.SimpleNamespace(deep=[{"zero": 0.0}])
        self.scalar, self.array, self.point, self.complex = np.float64(0.0), np.zeros(2), np.zeros(()), 0j


ZEROS: dict[str, tuple[Callable[[Any], Any], Callable[[Any, float], Any]]] = {
    "an attribute": (lambda h: h.number, lambda h, z: setattr(h, "number", z)),
    "an attribute of the class": (lambda h: h.shared, lambda h, z: setattr(type(h), "shared", z)),
    "a dict": (lambda h: h.table["key"], lambda h, z: h.table.update(key=z)),
    "a list": (lambda h: h.row[1], lambda h, z: h.row.__setitem__(1, z)),
    "a tuple": (lambda h: h.pair[0], lambda h, z: setattr(h, "pair", (z, 1.0))),
    "far inside": (lambda h: h.inner.deep[0]["zero"], lambda h, z: h.inner.deep[0].update(zero=z)),
    "a NumPy scalar": (lambda h: h.scalar, lambda h, z: setattr(h, "scalar", np.float64(z))),
    "an array written into": (lambda h: h.array, lambda h, z: h.array.fill(z)),
    "another array": (lambda h: h.array, lambda h, z: setattr(h, "array", np.full(2, z))),
    "an array that NumPy reads": (lambda h: np.copysign(1.0, h.array.copy()) * 0.0, lambda h, z: h.array.fill(z)),
    "an array of shape ()": (lambda h: h.point, lambda h, z: h.point.fill(z)),
    "the part of a complex number": (lambda h: h.complex.imag, lambda h, z: setattr(h, "complex", complex(0.0, z))),
}


@pytest.mark.parametrize("passed", [False, True], ids=["closed over", "an argument"])
@pytest.mark.parametrize("where", ZEROS)
def test_a_zero_that_becomes_minus_zero_is_seen(where, passed):
    """0.0 == -0.0, and 1 / x tells them apart."""
    read, put = ZEROS[where]

    class Holder(_Zero):
        shared = 0.0

    holder = Holder()
    step = ag.compile(lambda x, h: x / read(h)) if passed else ag.compile(lambda x: x / read(holder))
    arguments = (Tensor(np.ones(2)), holder) if passed else (Tensor(np.ones(2)),)
    with np.errstate(all="ignore"):
        for zero in (0.0, -0.0, -0.0, 0.0, -0.0):
            put(holder, zero)
            assert value(step(*arguments)).tolist() == [math.copysign(math.inf, zero)] * 2


def test_a_closed_over_zero_that_becomes_minus_zero_is_seen():
    zero, default = 0.0, lambda x, by=0.0: x / by
    by_closure, by_default = ag.compile(lambda x: x / zero), ag.compile(lambda x: default(x))
    with np.errstate(all="ignore"):
        for zero in (0.0, -0.0, -0.0, 0.0):
            default.__defaults__ = (zero,)
            for step in (by_closure, by_default):
                assert value(step(Tensor(np.ones(1)))).tolist() == [math.copysign(math.inf, zero)]
