"""x.at[key].set(v) and .add(v) for every kind of key: NumPy's assignment on a copy, the last of several values stays."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors

X = np.arange(24.0).reshape(2, 3, 4) - 5.5
REPEATED = {
    "list": [1, 0, 1, 1],
    "array": np.array([0, 1, 1]),
    "counted from the end": np.array([1, -1, 0, -2]),
    "short integers": np.array([1, 1, 0], np.int8),
    "unsigned": np.array([1, 1, 0], np.uint16),
    "matrix": np.array([[0, 1], [1, 1]]),
    "two arrays": (np.array([0, 0, 1]), np.array([2, -1, 1])),
    "two that broadcast": (np.array([[0], [1], [0]]), np.array([1, 1, 2])),
    "after a slice": (slice(None), np.array([2, 0, 2])),
    "after an ellipsis": (Ellipsis, np.array([3, 3, -1])),
    "between slices": (slice(0, 1), np.array([2, 0, 2]), slice(1, 3)),
    "apart": (np.array([0, 0]), slice(None), np.array([1, 1])),
    "apart by a new axis": (np.array([0, 0]), None, np.array([1, 1])),
    "with a number": (1, slice(None), np.array([2, 2, 0])),
    "with a number between": (np.array([1, 1]), 0, np.array([2, 2])),
    "with a mask": (np.array([True, True]), np.array([2, 2])),
    "backwards": (slice(None, None, -1), np.array([0, 0])),
    "all the same": np.zeros(7, int),
}
ONCE = {
    "number": 1,
    "negative number": (-1, -1),
    "slice": slice(0, 2),
    "steps": (slice(None), slice(None, None, 2)),
    "backwards": (slice(None, None, -1),),
    "ellipsis": (Ellipsis, 2),
    "everything": Ellipsis,
    "nothing named": (),
    "new axis": (None, 0),
    "mask": X > 3,
    "mask of the first axis": np.array([False, True]),
    "no element": X > 99,
    "empty list": [],
    "distinct": ([1, 0], [2, 0]),
    "0-d": np.array(1),
    "truth": True,
    "falsehood": False,
    "truth after a number": (0, True),
}
KEYS = {**{f"{n}, repeated": k for n, k in REPEATED.items()}, **ONCE}


def plain(key):
    return np.array(key, int) if isinstance(key, list) and not key else key


def assigned(x, key, v):
    y = np.array(x)
    y[plain(key)] = v
    return y


def added(x, key, v):
    y = np.array(x)
    np.add.at(y, plain(key), v)
    return y


def values_for(key):
    shape = X[plain(key)].shape
    return np.random.default_rng(1).uniform(10, 20, shape)


def as_tensors(key):
    """The same key with Tensors in place of its arrays and lists."""
    if isinstance(key, tuple):
        return tuple(map(as_tensors, key))
    return Tensor(np.array(key, None if len(key) else int)) if isinstance(key, list) or np.ndim(key) else key


@pytest.mark.parametrize("name", KEYS)
def test_set_and_add_are_numpys_assignments(name):
    key, v = KEYS[name], values_for(KEYS[name])
    for written in (key, as_tensors(key)):
        x = Tensor(X, requires_grad=True)
        np.testing.assert_array_equal(x.at[written].set(v).data, assigned(X, key, v))
        np.testing.assert_allclose(x.at[written].add(v).data, added(X, key, v), rtol=1e-15)
        np.testing.assert_array_equal(x.data, X)


@pytest.mark.parametrize("name", KEYS)
def test_gradients_of_both_orders(name):
    """<w, y> for y = x.at[key].set(v): w where x stays, and what of w the last value meets; then those of a square."""
    key, v, w = KEYS[name], values_for(KEYS[name]), np.random.default_rng(2).uniform(1, 2, X.shape)
    numbers = np.arange(1, v.size + 1).reshape(v.shape)
    owner = assigned(np.zeros(X.shape, int), key, numbers)
    to_v = np.zeros(v.size + 1)
    np.add.at(to_v, owner, w)
    for call, to_x, of_v in (
        (lambda x, v: x.at[key].set(v), w * (owner == 0), to_v[1:].reshape(v.shape)),
        (lambda x, v: x.at[key].add(v), w, w[plain(key)]),
    ):
        gx, gv = ag.grad(lambda x, v: (call(x, v) * w).sum(), argnums=(0, 1))(X, v)  # noqa: B023
        np.testing.assert_allclose(gx, to_x)
        np.testing.assert_allclose(gv, of_v)
        moved = ag.jvp(lambda v: ag.grad(lambda v: (call(Tensor(X), v) ** 2 * w).sum())(v), (v,), (np.ones_like(v),))[1]  # noqa: B023
        h = 2.0**-10
        slope = [ag.grad(lambda v: (call(Tensor(X), v) ** 2 * w).sum())(v + t) for t in (h, -h)]  # noqa: B023
        np.testing.assert_allclose(moved, (slope[0] - slope[1]) / (2 * h), rtol=1e-8, atol=1e-8)


TRACED = {
    n: k for n, k in KEYS.items() if not any(np.asarray(p).dtype == bool for p in (k if isinstance(k, tuple) else (k,)))
}


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", TRACED)
def test_compiled_with_the_index_as_an_argument_or_not(name, backend):
    key, v = KEYS[name], values_for(KEYS[name])
    parts = key if isinstance(key, tuple) else (key,)
    arrays = [plain(p) for p in parts if isinstance(p, (list, np.ndarray))]

    def step(x, v, arrays):
        rest = iter(arrays)
        given = tuple(next(rest) if isinstance(p, (list, np.ndarray)) else p for p in parts)

        def total(x, v):
            return (x.at[given].set(v) ** 2).sum() + (x.at[key].set(v) ** 3).sum() + (x.at[given].add(v) ** 2).sum()

        return x.at[given].set(v), x.at[key].set(v), x.at[given].add(v), ag.grad(total, argnums=(0, 1))(x, v)

    tensors = Tensor(X), Tensor(v), [Tensor(a) for a in arrays]
    got, expected = ag.compile(step, backend=backend)(*tensors), step(*tensors)
    for a, b in zip((*got[:3], *got[3]), (*expected[:3], *expected[3]), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-14)
    np.testing.assert_array_equal(got[0].data, assigned(X, key, v))
    np.testing.assert_array_equal(got[1].data, assigned(X, key, v))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", ["list", "matrix", "two arrays", "between slices", "apart", "all the same"])
def test_rows_of_a_batch_with_indices_of_their_own(name, shared):
    """Every row has its own index (the same numbers in another order), or all have the same one."""
    key, v = REPEATED[name], values_for(REPEATED[name])
    parts = key if isinstance(key, tuple) else (key,)
    arrays = [np.asarray(p) for p in parts if isinstance(p, (list, np.ndarray))]
    rows = [[a, a[..., ::-1]] for a in arrays]

    def f(x, v, *given):
        rest = iter(given)
        return x.at[tuple(next(rest) if isinstance(p, (list, np.ndarray)) else p for p in parts)].set(v)

    given = arrays if shared else [np.stack(pair) for pair in rows]
    mapped = ag.vmap(f, (0, 0, *[None if shared else 0] * len(arrays)))
    got = mapped(Tensor(np.stack([X, 2 * X])), Tensor(np.stack([v, v + 1])), *given)
    for i in (0, 1):
        expected = f(Tensor((1 + i) * X), v + i, *[a if shared else pair[i] for a, pair in zip(arrays, rows)])
        np.testing.assert_array_equal(got.data[i], expected.data)


@pytest.mark.parametrize("key", [[0, 0], np.array([0, 0]), Tensor([0, 0]), (Tensor([0, 0]),), [0, -2]], ids=repr)
def test_the_last_of_two_stays_whatever_the_key_is_made_of(key):
    x = Tensor([1.0, 2.0])
    assert x.at[key].set(Tensor([5.0, 7.0])).data.tolist() == [7.0, 2.0]
    assert x.at[key].set([np.nan, 7.0]).data.tolist() == [7.0, 2.0]
    assert x.at[key].set([np.inf, 7.0]).data.tolist() == [7.0, 2.0]
    assert x.at[key].add([5.0, 7.0]).data.tolist() == [13.0, 2.0]


@pytest.mark.parametrize(
    ("dtype", "value"), [(int, 2.5), (int, np.array([1.0])), (bool, 2), (bool, 0.5), (np.uint8, 0.5)]
)
def test_a_value_that_the_dtype_cannot_hold_is_refused(dtype, value):
    for write in ("set", "add"):
        with pytest.raises(errors.DTypeError, match=r"cannot put (float|int)64 into an array of"):
            getattr(Tensor(np.zeros(3, dtype)).at[0], write)(value)


def test_integers_and_truths_are_written_too():
    assert Tensor([1, 2, 3]).at[[0, 0]].set([7, 8]).data.tolist() == [8, 2, 3]
    assert Tensor([True, False]).at[1].set(True).data.tolist() == [True, True]
    assert Tensor([True, True]).at[[1, 1]].set([True, False]).data.tolist() == [True, False]


# ----- keys with truths among them -----
TRUTHS = [
    True, False, np.True_, np.array(True), np.array(False), (True,), (True, False), (0, True), (True, 0), (Ellipsis, True),
    (slice(None), True), (None, False), (slice(None), True, slice(None), False), (True, [1, 0]), ([1, 0], True), (False, [1]),
    (slice(None), True, [0, 2]), ([0, 1], True, slice(None), [0, 1]), (X[0] > 99).any(), (True, None, 1), (0, Ellipsis, True),
    (np.array([True, False]), True), (True, np.ones((2, 3), bool)), (np.zeros((2, 3), bool), 0),
]  # fmt: skip


def numpys(call):
    try:
        return call()
    except IndexError as error:
        return error


@pytest.mark.parametrize("key", TRUTHS, ids=repr)
@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 3, 4)], ids=str)
def test_truths_in_keys_as_numpy(key, shape):
    a = np.arange(float(np.prod(shape))).reshape(shape)
    expected, x = numpys(lambda: a[key]), Tensor(a, requires_grad=True)
    if isinstance(expected, Exception):
        with pytest.raises(IndexError) as error:
            x[key]
        assert isinstance(error.value, errors.AutogradError)
        return
    np.testing.assert_array_equal(x[key].data, expected)
    assert x[key].shape == expected.shape
    w = np.random.default_rng(0).uniform(1, 2, expected.shape)
    (x[key] * w).sum().backward()
    g = np.zeros(shape)
    np.add.at(g, key, w) if expected.size else None
    np.testing.assert_allclose(x.grad, g)
    got = ag.compile(lambda t: t[key] * 2.0, backend="native")(Tensor(a))
    np.testing.assert_array_equal(got.data, expected * 2)
    if shape:
        rows = ag.vmap(lambda row: row[key])(Tensor(np.stack([a, a + 1])))
        np.testing.assert_array_equal(rows.data, np.stack([a[key], (a + 1)[key]]))


def test_the_mask_of_a_single_number():
    t = Tensor(2.0, requires_grad=True)
    assert t[t.numpy() > 1].data.tolist() == [2.0] and t[t > 9].shape == (0,)
    t[t > 1].sum().backward()
    assert t.grad == 1.0
    assert Tensor([1.0, 2.0])[True].data.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("mask", [[True], [True, False], [True] * 4, [[True, False, True]], np.zeros((3, 1), bool)])
def test_masks_of_other_lengths_are_refused(mask):
    x = Tensor([1.0, 2.0, 3.0])
    array = np.array(mask)
    for call in (lambda: x[array], lambda: x[mask], lambda: x.at[array].set(0.0), lambda: x[Tensor(array)]):
        with pytest.raises(errors.OutOfBoundsError, match=r"a mask of shape .* does not fit|too many indices"):
            call()


# ----- keys out of bounds -----
FAR = np.array([1, 5])
OUTSIDE = {
    "number": lambda x, i: x[5],
    "index": lambda x, i: x[i],
    "take": lambda x, i: np.take(x, i),
    "take_along_axis": lambda x, i: np.take_along_axis(x, i, 0),
    "set": lambda x, i: Tensor(x).at[i].set(1.0),
    "add": lambda x, i: Tensor(x).at[i].add(1.0),
    "set of a number": lambda x, i: Tensor(x).at[5].set(1.0),
}


@pytest.mark.parametrize("backend", [None, "numpy", "native"])
@pytest.mark.parametrize("function", OUTSIDE.values(), ids=OUTSIDE)
def test_an_index_out_of_bounds_is_our_error(function, backend):
    step = function if backend is None else ag.compile(function, backend=backend)
    with pytest.raises(errors.OutOfBoundsError, match="index 5 is out of bounds for axis 0 with size 3"):
        step(Tensor(np.ones(3)) if backend is None else np.ones(3), FAR)
