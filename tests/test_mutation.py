"""Writing into values: every way of doing it is right or refused before anything changes, never silently wrong."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core.errors import AutogradError, InplaceError, TraceError

from .test_errors import leaf, line, says


def write(statement):
    """A statement as a function of the names it uses."""
    code = compile(statement, __file__, "exec")
    return lambda **names: exec(code, {"np": np, "Tensor": Tensor}, names)


# Done between recording loss = (y + b).sum() + w[i].sum(), where y = h * h * c * wide and h = x.T is a view of x, and its
# backward pass.  "refused now": the statement itself raises and nothing has changed; "refused by backward": that raises;
# "refused if watched": backward raises inside detect_anomaly, where writes that no tensor sees are looked for; "right":
# the gradient is that of the values at the time of recording.
AFTER = [
    # assignment to elements
    ("x[0, 0] = 5.0", "refused now"),
    ("x[...] = 0.0", "refused now"),
    ("x[0][0] = 5.0", "refused now"),
    ("x[x.data > 1] = 0.0", "refused now"),
    ("x[0] += 1", "refused now"),
    ("h[0] = 5.0", "refused now"),
    ("y[0] = 5.0", "refused now"),
    ("w[0] = 5.0", "refused now"),
    # a new value
    ("x.data = x.data * 2", "right"),
    ("x.assign(np.zeros((2, 2)))", "right"),
    ("h.data = h.data + 1", "refused by backward"),
    ("y.data = y.data + 1", "right"),
    ("b.data = [9.0, 9.0]", "right"),
    ("w.data = w.data * 2", "refused by backward"),
    ("x.data = np.zeros(3)", "refused now"),
    ("x.data = x.data.astype(complex)", "refused now"),
    # arithmetic in place
    ("x.data -= 1", "refused by backward"),
    ("x.data *= 0", "refused by backward"),
    ("h.data -= 1", "refused now"),
    ("y.data -= 1", "refused now"),
    ("b.data -= 1", "right"),
    ("x += 1", "right"),
    ("c += x", "refused now"),
    # elements of the value, behind the tensor's back
    ("h.data[0, 0] = 9", "refused now"),
    ("y.data[0, 0] = 9", "refused now"),
    ("(h * 2).data[0, 0] = 9", "refused now"),
    ("x.data[0, 0] = 9", "refused if watched"),
    ("x.data[0] += 1", "refused if watched"),
    ("x.data.T[0] = 9", "refused if watched"),
    ("x.data.sort(axis=0); x.data[...] = x.data[::-1]", "refused if watched"),
    ("x.data.fill(0)", "refused if watched"),
    ("np.copyto(x.data, 0)", "refused if watched"),
    ("np.multiply(x.data, 2, out=x.data)", "refused if watched"),
    ("alias = x.data; alias -= 1", "refused if watched"),
    # NumPy's functions and ndarray's methods that write
    ("np.copyto(x, 0.0)", "refused now"),
    ("np.put(x, [0], 1.0)", "refused now"),
    ("np.place(x, x > 1, 0.0)", "refused now"),
    ("np.fill_diagonal(x, 0.0)", "refused now"),
    ("np.add(c, 1.0, out=x)", "refused now"),
    ("np.add.at(x, 0, 1.0)", "refused now"),
    ("np.multiply(x, 2.0, out=c)", "refused now"),
    ("np.sum(x, axis=0, out=c)", "refused now"),
    ("x.sort()", "refused now"),
    ("x.fill(0.0)", "refused now"),
    # shape and dtype
    ("x.shape = (4,)", "refused now"),
    ("x.dtype = np.float32", "refused now"),
    ("x.T = x", "refused now"),
    ("x.data.shape = (4,)", "refused by backward"),
    # what the tensors were made from or computed with, and copies
    ("source[0] = 9", "right"),
    ("c[0] = 9", "right"),
    ("c *= 0", "right"),
    ("wide[0] = 9", "right"),
    ("i[0] = 1", "right"),
    ("x.numpy()[0] = 9", "right"),
    ("np.asarray(x)[0] = 9", "right"),
    ("x.detach()[0] = 9", "right"),
    ("Tensor(x)[0] = 9", "right"),
    ("unused[0] = 9", "right"),
]


@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
@pytest.mark.parametrize(("statement", "verdict"), AFTER)
def test_writing_between_recording_and_backward(statement, verdict):
    with ag.detect_anomaly() if verdict == "refused if watched" else ag.keep_grads():
        source = np.array([[1.0, 2.0], [3.0, 4.0]])
        x, w, b, unused = leaf(source), leaf([1.0, 2.0]), leaf([0.0, 0.0]), leaf([1.0])
        c, i = np.array([2.0, 3.0]), np.array([0, 0])
        wide = np.ones(2)
        h = x.T
        y = h * h * c * np.broadcast_to(wide, (2, 2))
        loss = (y + b).sum() + w[i].sum()
        act = write(statement)
        names = {
            "x": x,
            "h": h,
            "y": y,
            "w": w,
            "b": b,
            "source": source,
            "c": c,
            "i": i,
            "wide": wide,
            "unused": unused,
        }
        expected = 2 * source * c[:, None]
        before = {name: np.array(value) for name, value in names.items()}
        if verdict == "refused now":
            with pytest.raises((AutogradError, ValueError, AttributeError)):
                act(**names)
            for name, value in names.items():
                np.testing.assert_array_equal(value, before[name], err_msg=name)
        else:
            act(**names)
        if verdict in ("refused by backward", "refused if watched"):
            with pytest.raises((InplaceError, ValueError)):
                loss.backward()
            assert x.grad is None and w.grad is None
        else:
            loss.backward()
            np.testing.assert_array_equal(x.grad, expected)
            assert w.grad.tolist() == [2, 0]


# What is done before recording: the new value counts.
@pytest.mark.parametrize(
    "statement",
    ["x[0] = 5.0", "x[[True, False]] = 5.0", "x[:1] = Tensor([5.0])", "x.data = [5.0, 2.0]", "x.data[0] = 5.0",
     "x.data += [4.0, 0.0]", "x.assign(Tensor([5.0, 2.0]))", "np.copyto(x.data, [5.0, 2.0])",
     "np.add(x.data, [4.0, 0.0], out=x.data)"],
)  # fmt: skip
def test_writing_before_recording(statement):
    x = leaf([1.0, 2.0])
    write(statement)(x=x)
    (x * x).sum().backward()
    assert x.grad.tolist() == [10, 4]


# Inside a compiled step: states are written as a whole, elements only out of place.
@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ("x.data -= 1", "right"),
        ("x.data = x.data * 2", "right"),
        ("x.assign(x.data + 1)", "right"),
        ("x.data = x.at[0].set(9.0).data", "right"),
        ("c[0] = 9.0", "refused"),
        ("x[0] = 9.0", "refused"),
        ("x.data[0] = 9.0", "refused"),
        ("y[0] = 9.0", "refused"),
        ("np.copyto(x, 0.0)", "refused"),
        ("np.multiply(x, 2.0, out=c)", "refused"),
        ("x.data = np.zeros(3)", "refused"),
    ],
)
def test_writing_inside_a_compiled_step(statement, verdict):
    act = write(statement)

    def step(x, c):
        y = x * x
        loss = (y * c).sum()
        loss.backward()
        act(x=x, y=y, c=c)
        return loss

    def run(function):
        x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
        loss = function(x, c)
        return loss.item(), x.grad.tolist(), x.data.tolist(), c.data.tolist()

    if verdict == "right":
        assert run(ag.compile(step)) == run(step)
        return
    x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
    with pytest.raises(AutogradError):
        ag.compile(step)(x, c)
    assert (x.data.tolist(), c.data.tolist(), x.grad) == ([1, 2], [3, 4], None)


def test_elements_of_a_traced_value_are_written_out_of_place():
    @ag.compile
    def step(x):
        x.data[0] = 1.0
        return x

    with pytest.raises(TraceError, match=r"writes into argument 'x'.*x\.at\[index\]\.set"):
        step(Tensor([1.0, 2.0]))


def test_a_part_of_a_tensor_is_not_written_into_as_if_it_were_the_tensor():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for part in (x[0], x.T, x.reshape(-1)):
        made = line() - 1
        with pytest.raises(InplaceError) as error:
            part[0] = 9.0
        says(error, "part of another tensor", f"{__file__}:{made}", "x[0, 1] = v", ".at[")
    assert x.data.tolist() == [[1, 2], [3, 4]]
    x[0, 1] = 9.0
    copied = x[[1, 0]]
    copied[0] = 0.0
    assert x.data.tolist() == [[1, 9], [3, 4]] and copied.data.tolist() == [[0, 0], [1, 9]]


def test_results_without_a_graph_may_be_written_into():
    x = leaf([1.0, 2.0])
    with ag.no_grad():
        y = x * 2
    y[0] = 5.0
    y.data[1] = 7.0
    assert y.data.tolist() == [5, 7]
    z = x * 3
    z.sum().backward()
    z.data[0] = 0.0
    assert z.data.tolist() == [0, 6] and x.grad.tolist() == [3, 3]


def test_values_read_from_a_recorded_result_stay_what_they_are():
    x = leaf([1.0, 2.0])
    y = x * x
    seen = y.data
    with pytest.raises(ValueError, match="read-only"):
        seen[0] = 9.0
    y.numpy()[0] = 9.0
    y.sum().backward()
    assert x.grad.tolist() == [2, 4] and seen.tolist() == [1, 4]


def test_a_pullback_refuses_when_its_point_was_written_to():
    x = Tensor([1.0, 2.0])
    y, pullback = ag.vjp(lambda x: x * x, x)
    x.data -= 1
    with pytest.raises(InplaceError):
        pullback(np.ones(2))
    array = np.array([1.0, 2.0])
    y, pullback = ag.vjp(lambda x: x * x, array)
    array[:] = 0
    assert pullback(np.ones(2))[0].tolist() == [2, 4]


def test_assigning_into_a_recorded_tensor_is_refused_before_it_happens():
    x = leaf([1.0, 2.0, 3.0], name="x")
    y = x * x
    made = line() - 1
    with pytest.raises(InplaceError) as error:
        x[0] = 5.0
    says(error, "'x'", "shape (3,)", f"'mul' at {__file__}:{made}", "old value", ".at[")
    assert x.data.tolist() == [1, 2, 3]
    y.sum().backward()
    assert x.grad.tolist() == [2, 4, 6]


def test_a_write_after_recording_is_refused_by_backward():
    x = leaf([1.0, 2.0], name="x")
    y = x * x
    made = line() - 1
    x.data -= 1
    with pytest.raises(InplaceError) as error:
        y.sum().backward()
    says(error, "'x'", "shape (2,)", f"'mul' at {__file__}:{made}", "version", "expected")
    assert x.grad is None


def test_a_write_is_allowed_again_when_the_graph_is_gone():
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    del y
    x[0] = 5.0
    x.data -= 1
    (x * x).sum().backward()
    assert x.grad.tolist() == [2 + 8, 4 + 2]


def test_a_write_between_two_steps_of_training_is_no_error():
    w = leaf([1.0, 2.0])
    for _ in range(3):
        w.zero_grad()
        (w * w).sum().backward()
        w.data -= 0.25 * w.grad
    np.testing.assert_allclose(w.data, [0.125, 0.25])


def test_assigned_values_are_copies():
    x, new = leaf([1.0, 2.0]), np.array([3.0, 4.0])
    x.assign(new)
    new[:] = 0
    assert x.data.tolist() == [3, 4]
    y = Tensor(x)
    x.data -= 1
    assert y.data.tolist() == [3, 4]


def test_what_transformations_return_is_the_callers_own():
    x = np.array([1.0, 2.0])
    y, pullback = ag.vjp(ag.exp, x)
    y[:] = 0
    np.testing.assert_allclose(pullback(np.ones(2))[0], np.exp(x))
    results = [
        *ag.jvp(lambda x: x * x, (x,), (x,)),
        *ag.value_and_grad(lambda x: (x * x).sum().reshape(1))(x),
        *ag.value_and_grad(lambda x: x)(np.ones(1)),
        ag.grad(lambda x: x.sum())(x),
        ag.jacobian(lambda x: x)(x),
    ]
    for result in results:
        result += 1
    assert x.tolist() == [1, 2]
    for i, result in enumerate(results):
        assert not any(np.shares_memory(result, other) for other in results[:i])
