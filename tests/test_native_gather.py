"""Indexing by arrays in machine code: the same elements and the same errors as NumPy, with nothing changed on the way."""

import numpy as np
import pytest

import autograd as ag
from autograd.core.ops.shape import getitem_p, scatter_add_p, split_index

RNG = np.random.default_rng(3)
X = RNG.normal(size=(5, 3, 4))
I, J, K = (RNG.integers(-n, n, (2, 3)) for n in X.shape)
ONE = np.array(1)
KEYS = {
    "rows": (I,),
    "vector": (I[0],),
    "number": (ONE,),
    "two": (I, J),
    "three": (I, J, K),
    "broadcast": (I[:, :1], J[0]),
    "columns": (Ellipsis, K),
    "middle": (slice(None), J, slice(1, 3)),
    "apart": (I, slice(None), K),
    "apart by an ellipsis": (I, Ellipsis, K),
    "apart by a new axis": (I, None, J),
    "with a number": (2, J),
    "number before a slice": (-1, slice(None), K),
    "number at the end": (slice(None), J, 3),
    "new axes": (None, I, None, slice(None, None, -1)),
    "backwards": (slice(None, None, -2), J, slice(None, None, -1)),
    "0-d beside an array": (ONE, slice(None), K),
    "short integers": (I.astype(np.int8), J.astype(np.int16)),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_reading_and_adding_is_that_of_numpy_to_the_last_bit(dtype):
    x = (10 * X).astype(dtype)
    split = {name: split_index(key, X.shape)[:2] for name, key in KEYS.items()}

    def function(x, arrays):
        found = []
        for name, (template, _) in split.items():
            part = getitem_p(x, *arrays[name], index=template)
            found += [part, scatter_add_p(part * 3, *arrays[name], index=template, shape=x.shape)]
        return found

    step = ag.compile(function, backend="native")
    got = step(x, {name: arrays for name, (_, arrays) in split.items()})
    assert "NumPy" not in step.explain()
    for name, key in KEYS.items():
        part, added = got.pop(0), got.pop(0)
        want = np.zeros_like(x)
        np.add.at(want, key, x[key] * dtype(3))
        assert part.dtype == added.dtype == dtype
        assert np.array_equal(part.data, x[key]), name
        assert np.array_equal(added.data, want), name


def test_along_an_axis():
    picked = [RNG.integers(-n, n, (*X.shape[:a], 2, *X.shape[a + 1 :])) for a, n in enumerate(X.shape)]

    def function(x, *picked):
        x = ag.Tensor(x.data, requires_grad=True)
        total = sum((ag.take_along_axis(x, i, axis) ** 2).sum() for axis, i in enumerate(picked))
        total.backward()
        return x.grad

    step = ag.compile(function, backend="native")
    want = np.zeros_like(X)
    for axis, indices in enumerate(picked):
        for at in np.ndindex(*indices.shape):
            place = (*at[:axis], indices[at], *at[axis + 1 :])
            want[place] += 2 * X[place]
    np.testing.assert_allclose(step(ag.Tensor(X), *picked), want, rtol=1e-14)
    assert "NumPy" not in step.explain()


def test_gradients_of_repeated_rows_add_up():
    table = ag.Tensor(RNG.normal(size=(6, 40)), requires_grad=True)

    def function(rows):
        table.grad = None
        (table[rows] ** 2).sum().backward()

    rows = np.array([[1, -1, 1], [5, 1, 0]])
    ag.compile(function, backend="native")(rows)
    times = np.array([1, 3, 0, 0, 0, 2])[:, None]
    np.testing.assert_allclose(table.grad, 2 * times * table.data, rtol=1e-14)


def embedding():
    """A table, a layer on top of it, and a step that trains both; with how often it was called."""
    rng = np.random.default_rng(0)
    table, weight = (ag.Tensor(rng.normal(size=shape), requires_grad=True) for shape in ((7, 3), (6, 7)))
    count = ag.Tensor(0.0)

    def step(rows, target):
        logits = table[rows].reshape(-1, 6) @ weight
        loss = -ag.log_softmax(logits, axis=1)[np.arange(4), target].mean()
        table.grad = weight.grad = None
        loss.backward()
        count.data = count.data + 1
        for p in (table, weight):
            p.data = p.data - 0.5 * p.grad
        return loss

    return step, [table, weight, count]


def test_an_embedding_trains_in_one_segment():
    rows, targets = RNG.integers(0, 7, (20, 4, 2)), RNG.integers(0, 7, (20, 4))
    plain, expected = embedding()
    function, state = embedding()
    step = ag.compile(function, backend="native")
    losses = step.scan(rows, targets)
    np.testing.assert_allclose(losses, [plain(*pair).item() for pair in zip(rows, targets, strict=True)], rtol=1e-12)
    for got, want in zip(state, expected, strict=True):
        np.testing.assert_allclose(got.data, want.data, rtol=1e-11)
    assert "in 1 segment" in step.explain()


@pytest.mark.parametrize("bad", [7, -8, 2**40, -(2**40)])
@pytest.mark.parametrize("where", ["rows", "target"])
def test_an_index_outside_raises_as_eager_does_and_changes_nothing(bad, where):
    function, state = embedding()
    step = ag.compile(function, backend="native")
    good = {"rows": RNG.integers(0, 7, (4, 2)), "target": RNG.integers(0, 7, 4)}
    step(**good)
    before = [np.array(t.data) for t in state] + [np.array(p.grad) for p in state[:2]]
    wrong = {name: array.copy() for name, array in good.items()}
    wrong[where].flat[-1] = bad
    with pytest.raises(IndexError) as raised:
        step(**wrong)
    with pytest.raises(IndexError) as eager:
        function(**wrong)
    assert str(eager.value).endswith(str(raised.value))
    after = [np.array(t.data) for t in state] + [np.array(p.grad) for p in state[:2]]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    step(**good)  # and it goes on
    assert state[2].item() == 2


def test_gradients_survive_an_index_that_was_found_wrong_too_late_to_be_first():
    w = ag.Tensor(np.ones((3, 40)), requires_grad=True)

    def function(scale):
        w.grad = None
        (w * scale).sum().backward()
        w.data = w.data + 1
        return w[(w * scale).sum(axis=1).data.astype(np.int64) // 160]

    step = ag.compile(function, backend="native")
    step(1.0)
    with pytest.raises(IndexError, match="index 3 is out of bounds for axis 0 with size 3"):
        step(4.0)
    assert np.array_equal(w.grad, np.ones((3, 40))) and np.array_equal(w.data, np.full((3, 40), 2.0))


def test_a_loop_over_steps_stops_before_the_wrong_index():
    function, state = embedding()
    step = ag.compile(function, backend="native")
    plain, expected = embedding()
    rows, targets = RNG.integers(0, 7, (9, 4, 2)), RNG.integers(0, 7, (9, 4))
    rows[6, 2, 1] = -9
    with pytest.raises(IndexError, match="index -9 is out of bounds for axis 0 with size 7"):
        step.scan(rows, targets)
    for pair in zip(rows[:6], targets[:6], strict=True):
        plain(*pair)
    assert state[2].item() == 6
    for got, want in zip(state, expected, strict=True):
        np.testing.assert_allclose(got.data, want.data, rtol=1e-12)


def test_arrays_without_elements_and_unsigned_indices():
    step = ag.compile(lambda x, i: x[i] * 2, backend="native")
    for indices in (np.zeros((0, 2), int), np.array([2, 1], np.uint8)):
        assert np.array_equal(step(X, indices).data, X[indices] * 2)
