"""Tensor as its users meet it: operators on either side, NumPy on the left, dtypes, and scalars as in micrograd."""

import copy
import functools
import math

import numpy as np
import pytest
from matplotlib.figure import Figure

import autograd as ag
from autograd import Tensor
from autograd.core.errors import DTypeError
from autograd.core.primitive import REGISTRY

X, Y = np.array([1.5, -0.5, 2.0]), np.array([2.0, 3.0, 0.5])


def leaf(data, **settings):
    return Tensor(data, requires_grad=True, **settings)


# ----- micrograd's way of working -----
Value = functools.partial(Tensor, requires_grad=True)


def expression(a, b, relu):
    """Every feature of micrograd's published example: + - * / **, relu, reflected operators, reuse."""
    c = a * b - 3
    d = 1 + c**2 / 4
    d += relu(b - a) * 2 + 0.5 * d
    e = -d + relu(a - b)
    f = 12 / e - e / 8
    return 5 - f + a**3 + (b + 2) ** -1


def test_micrograds_example_runs_on_scalars():
    a, b = Value(-3.0), Value(1.5)
    y = expression(a, b, lambda v: v.relu())
    assert y.data == pytest.approx(expression(-3.0, 1.5, lambda v: max(v, 0.0)), rel=1e-15)
    y.backward()

    def step(da, db):
        return expression(-3 + da, 1.5 + db, lambda v: v if v.real > 0 else 0.0).imag / 1e-20

    assert a.grad == pytest.approx(step(1e-20j, 0), rel=1e-14)
    assert b.grad == pytest.approx(step(0, 1e-20j), rel=1e-14)
    assert f"{y.data:.4f} {a.grad:.4f}" == f"{y.item():.4f} {float(a.grad):.4f}"


def test_a_neuron_learns_in_plain_scalars():
    weights, bias = [Value(0.5), Value(-0.25)], Value(0.0)
    rows = [((1.0, 2.0), 1.0), ((2.0, -1.0), -1.0)]

    def loss():
        out = [sum((w * x for w, x in zip(weights, xs)), bias).tanh() for xs, _ in rows]
        return sum((o - target) ** 2 for o, (_, target) in zip(out, rows))

    first = loss().item()
    for _ in range(50):
        total = loss()
        for p in (*weights, bias):
            p.grad = 0.0
        total.backward()
        for p in (*weights, bias):
            p.data += -0.1 * p.grad
    assert loss().item() < 0.05 < first


# ----- operators -----
OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "**": lambda a, b: a**b, "//": lambda a, b: a // b, "%": lambda a, b: a % b, "@": lambda a, b: a @ b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip


@pytest.mark.parametrize("symbol", OPERATORS)
def test_operators_take_tensors_arrays_lists_and_numbers_on_either_side(symbol):
    operator, left = OPERATORS[symbol], np.abs(X)
    others = [Y, list(Y), Tensor(Y), leaf(Y)] + ([] if symbol == "@" else [2.0, 2, np.float64(2), np.float32(2)])
    for other in others:
        plain = other.data if isinstance(other, Tensor) else np.asarray(other) if isinstance(other, list) else other
        for mine, theirs in ((leaf(left), left), (Tensor(left), left)):
            right, reflected = operator(mine, other), operator(other, mine)
            assert isinstance(right, Tensor) and isinstance(reflected, Tensor)
            np.testing.assert_array_equal(right.data, operator(theirs, plain))
            np.testing.assert_array_equal(reflected.data, operator(plain, theirs))
            assert right.dtype == operator(theirs, plain).dtype


def test_reflected_operators_have_gradients():
    for operator, expected in (
        (lambda x: 3.0 - x, [-1, -1]), (lambda x: 3.0 / x, [-3, -0.75]), (lambda x: np.ones(2) - x, [-1, -1]),
        (lambda x: [3.0, 6.0] / x, [-3, -1.5]), (lambda x: np.float64(2) * x, [2, 2]),
        (lambda x: 2.0**x, [2 * math.log(2), 4 * math.log(2)]), (lambda x: np.array([[1.0, 2.0]]) @ x, [1, 2]),
    ):  # fmt: skip
        x = leaf([1.0, 2.0])
        operator(x).sum().backward()
        np.testing.assert_allclose(x.grad, expected, rtol=1e-15)


def test_unary_operators_and_logic():
    x = leaf([-1.0, 2.0])
    np.testing.assert_array_equal((-x).data, [1, -2])
    np.testing.assert_array_equal(abs(x).data, [1, 2])
    assert +x is x
    inside = (x > -2) & ~(x > 0) | (x == 2)
    assert inside.data.tolist() == [True, True] and not inside.requires_grad


def test_augmented_assignment_makes_a_new_tensor():
    x = y = leaf([1.0, 2.0])
    y += 1
    y *= 2
    y -= x
    y /= 4
    assert x.data.tolist() == [1, 2] and y.data.tolist() == [0.75, 1.0]
    y.sum().backward()
    assert x.grad.tolist() == [0.25, 0.25]


# ----- NumPy -----
def test_numpy_functions_of_tensors_are_recorded():
    known = [p for p in REGISTRY.values() if p.ufunc is not None]
    assert len(known) > 30
    for primitive in known:
        arrays = [np.array([[1, 0], [1, 1]])] * primitive.ufunc.nin
        if not primitive.name.startswith(("logical", "bitwise", "invert", "left", "right")):
            arrays = [np.array([[0.5, 0.25], [0.75, 0.5]])] * primitive.ufunc.nin
        tensors = [leaf(a) if a.dtype.kind == "f" else Tensor(a) for a in arrays]
        y = primitive.ufunc(*tensors)
        assert isinstance(y, Tensor)
        np.testing.assert_array_equal(y.data, primitive.ufunc(*arrays))
        assert y.creator is (primitive if primitive.differentiable else None)


def test_numpy_scalars_and_arrays_on_the_left_give_way():
    x = leaf([1.0, 2.0, 3.0])
    y = np.exp(np.float64(0.5) * np.ones(3) * x - np.maximum(x, np.array([0.0, 5.0, 0.0])))
    assert isinstance(y, Tensor) and y.dtype == np.float64
    y.sum().backward()
    expected = np.exp(0.5 * x.data - np.maximum(x.data, [0, 5, 0])) * [-0.5, 0.5, -0.5]
    np.testing.assert_allclose(x.grad, expected, rtol=1e-15)


def test_a_scalar_is_a_number():
    x = leaf(2.0)
    assert math.exp(x) == math.exp(2.0) and float(x) == 2.0 and int(x) == 2 and x.item() == 2.0
    assert isinstance(x.item(), float) and bool(x) and not bool(leaf(0.0))
    assert [1, 2, 3][Tensor(1)] == 2
    assert f"{x:.3f}" == "2.000" and f"{x}" == str(x)
    assert type(x.data) is np.float64


def test_conversion_copies():
    x = leaf([1.0, 2.0])
    for array in (x.numpy(), np.asarray(x), np.array(x, dtype=np.float32), np.asarray(leaf(3.0))):
        assert isinstance(array, np.ndarray)
        array[...] = 9
    assert x.data.tolist() == [1, 2]
    source = np.array([1.0, 2.0])
    y = Tensor(source)
    source[0] = 9
    assert y.data[0] == 1


# ----- dtypes -----
SMALL = [np.float32([0.5, 0.25, 0.75]), np.float32(0.5)]
FUNCTIONS = [
    lambda x: 2.0 * x + 1 - 0.5, lambda x: 1 / (3.0**x) ** 2, lambda x: x**2 + x**-1 + x**0.5, lambda x: x * True + 2,
    lambda x: ag.where(x > 0.3, x, 0.0), lambda x: ag.clip(x, 0.1, 0.6), lambda x: ag.maximum(x, 0.3),
    lambda x: ag.minimum(1, x), lambda x: ag.arctan2(x, 1.0), lambda x: x % 0.4, lambda x: x * x.detach(),
    lambda x: ag.sum(x) / 3, lambda x: x.at[...].add(2.0), lambda x: x.reshape(-1).at[0].set(x.sum()),
    ag.sigmoid, ag.softplus, ag.erf, ag.relu, ag.gelu, ag.silu, ag.leaky_relu, ag.abs, ag.sqrt, ag.log1p, ag.expm1,
    ag.tan, ag.arcsin, ag.arctan, ag.sinh, ag.mean, ag.var, ag.std, ag.norm, ag.logsumexp, ag.max, ag.prod, ag.cumsum,
    lambda x: ag.softmax(x.reshape(-1)), lambda x: ag.log_softmax(x.reshape(-1)), lambda x: ag.pad(x.reshape(-1), 1),
    lambda x: x.reshape(-1)[[0, 0]], lambda x: ag.concatenate([x.reshape(-1)] * 2), lambda x: x.flatten() @ x.flatten(),
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("data", SMALL, ids=["array", "scalar"])
def test_python_numbers_never_promote(function, data):
    x = leaf(data)
    y = function(x)
    assert y.dtype == np.float32
    y.backward(np.ones(y.shape))
    assert x.grad.dtype == np.float32 and x.grad.shape == x.shape


def test_a_float32_training_step_stays_float32():
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.normal(size=(4, 3)), dtype=np.float32), leaf(rng.normal(size=(3, 2)), dtype="float32")
    for _ in range(2):
        w.zero_grad()
        loss = ((ag.tanh(x @ w) - 0.5) ** 2).mean() + 0.01 * ag.norm(w)
        loss.backward()
        w.data = w.data - 0.1 * w.grad
        assert loss.dtype == w.grad.dtype == w.data.dtype == np.float32


def test_numpys_promotion_rules_are_kept():
    assert (Tensor(SMALL[0]) * np.float64(2)).dtype == np.float64
    assert (Tensor(SMALL[0]) * X).dtype == np.float64
    assert (Tensor([1, 2]) / 2).dtype == np.float64 and (Tensor([1, 2]) + 1).dtype == np.int64
    assert (Tensor([1, 2]) * 1.5).dtype == np.float64
    assert Tensor([True, False]).sum().item() == 1


def test_assignment_keeps_the_dtype():
    x = leaf([1.0, 2.0], dtype=np.float32)
    for new in ([3, 4], np.array([3.0, 4.0]), Tensor([3.0, 4.0])):
        x.data = new
        assert x.dtype == np.float32 and x.data.tolist() == [3, 4]


# ----- methods, attributes, containers -----
METHODS = {
    "exp": (), "log": (), "sqrt": (), "sin": (), "cos": (), "tanh": (), "sigmoid": (), "relu": (), "softmax": (),
    "log_softmax": (), "sum": (), "mean": (), "max": (), "min": (), "prod": (), "var": (), "std": (), "norm": (),
    "cumsum": (), "argmax": (), "argmin": (), "squeeze": (), "diagonal": (), "clip": (0.1, 1.0), "reshape": ((3, 2),),
    "swapaxes": (0, 1), "astype": (np.float32,), "transpose": ((1, 0),), "dot": (np.ones(3),),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_the_functions(name):
    x = leaf([[0.5, 0.25, 1.0], [2.0, 0.75, 1.5]])
    method, function = getattr(x, name)(*METHODS[name]), getattr(ag, name)(x, *METHODS[name])
    np.testing.assert_array_equal(method.data, function.data)
    assert getattr(Tensor, name).__doc__


def test_attributes():
    x = Tensor(np.zeros((2, 3), np.float32), name="x")
    assert (x.shape, x.dtype, x.ndim, x.size, len(x), x.name) == ((2, 3), np.float32, 2, 6, 2, "x")
    assert x.T.shape == (3, 2) and x.transpose(1, 0).shape == (3, 2) and x.flatten().shape == (6,)
    assert x.creator is None and x.inputs == () and x.params == {} and not x.requires_grad and not x.traced
    y = leaf([1.0, 2.0]) * 3
    assert y.creator is REGISTRY["mul"] and y.inputs[1] == 3 and y.requires_grad


def test_a_tensor_can_be_iterated_unpacked_and_hashed():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    first, second = x
    (first * second).sum().backward()
    assert x.grad.tolist() == [[3, 4], [1, 2]]
    assert {x: "x"}[x] == "x" and len({x, first, x}) == 2


def test_detach_and_tensor_of_a_tensor_cut_the_graph():
    x = leaf([1.0, 2.0])
    (x * x.detach() + Tensor(x)).sum().backward()
    assert x.grad.tolist() == [1, 2]


def test_copies():
    x = leaf([1.0, 2.0], name="x")
    y = x
    for _ in range(5000):
        y = y + 1
    twin = copy.deepcopy({"x": x, "y": y})
    assert twin["x"].name == "x" and twin["x"].requires_grad and twin["y"].data.tolist() == [5001, 5002]
    twin["x"].data -= 1
    copy.copy(x).data -= 1
    assert x.data.tolist() == [1, 2] and copy.copy(x).name == "x"


def test_matplotlib_plots_tensors():
    x = leaf([1.0, 2.0, 3.0])
    axes = Figure().subplots()
    (curve,) = axes.plot(x, x * x)
    axes.scatter(x, x)
    x.data = x.data * 0
    assert curve.get_xydata().tolist() == [[1, 1], [2, 4], [3, 9]]


def test_a_tensor_is_not_pickled():
    with pytest.raises(DTypeError, match="not pickled"):
        leaf(1.0).__reduce__()


def test_repr_shows_value_shape_dtype_and_origin():
    x = leaf([1.0, 2.0], name="x")
    assert repr(x) == "Tensor([1., 2.], shape=(2,), dtype=float64, name='x', requires_grad=True)"
    assert repr(x.sum()) == "Tensor(3.0, shape=(), dtype=float64, op=sum)"
    assert repr(Tensor(np.float32(2))) == "Tensor(2.0, shape=(), dtype=float32)"
    assert len(repr(Tensor(np.zeros((1000, 1000))))) < 1000


# ----- indexing -----
KEYS = [
    1, -1, slice(1, None), slice(None, None, -2), ..., None, (0, 2), (slice(None), 1), (..., -1), (None, 0, ..., None),
    [0, 1, 1], np.array([[0, 2], [2, 2]]), ([0, 2], [1, 1]), (slice(None), [3, 0, 3]), ([0, 1], slice(1, 3)),
    ([[0], [2]], [0, 3]), np.arange(12).reshape(3, 4) % 2 == 0, (np.array([True, False, True]), 2),
    np.array([True, False, True]),
    (np.array([False, False, False]),), [], (1, np.array([2, 2])), np.int64(2), (np.int32(1), np.uint8(3)), (),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key).replace("\n", ""))
def test_indexing_is_numpys_with_gradients(key):
    values = np.arange(12.0).reshape(3, 4)
    x = leaf(values)
    y = x[key]
    expected = values[np.array(key, int) if isinstance(key, list) and not key else key]
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.data, expected)
    y.sum().backward()
    counts = np.zeros((3, 4))
    np.add.at(counts, np.array(key, int) if isinstance(key, list) and not key else key, 1)
    np.testing.assert_array_equal(x.grad, counts)


def test_a_tensor_is_an_index():
    x = leaf([1.0, 2.0, 3.0])
    (x[Tensor([0, 0, 2])].sum() + x[x > 1.5].sum() + x[Tensor(1)]).backward()
    assert x.grad.tolist() == [2, 2, 2]


# ----- writing without overwriting -----
@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key).replace("\n", ""))
def test_at_is_assignment_on_a_copy(key):
    x, v = leaf(np.arange(12.0).reshape(3, 4)), leaf(100.0)
    array_key = np.array(key, int) if isinstance(key, list) and not key else key
    added, expected, counts = x.at[key].add(v), x.numpy(), np.zeros((3, 4))
    np.add.at(expected, array_key, 100.0)
    np.add.at(counts, array_key, 1)
    np.testing.assert_array_equal(added.data, expected)
    added.sum().backward()
    assert (x.grad == 1).all() and v.grad == counts.sum()
    x.zero_grad()
    v.zero_grad()
    replaced, expected = x.at[key].set(v), x.numpy()
    expected[array_key] = 100.0
    np.testing.assert_array_equal(replaced.data, expected)
    replaced.sum().backward()
    np.testing.assert_array_equal(x.grad, counts == 0)
    assert v.grad == (counts > 0).sum()


def test_at_keeps_shape_and_dtype_and_takes_values_that_broadcast():
    x = leaf([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    y = x.at[:, 0].set([7, 8]).at[Tensor([1])].add(np.array([[0.5, 0.25]]))
    assert y.dtype == np.float32 and y.data.tolist() == [[7, 2], [8.5, 4.25]]
    assert x.data.tolist() == [[1, 2], [3, 4]]
    y.sum().backward()
    assert x.grad.tolist() == [[0, 1], [0, 1]] and x.grad.dtype == np.float32


@pytest.mark.parametrize("dtypes", [("f4", "f8"), (">f4", "f4"), ("f8", ">f8"), ("f2", "g"), ("i4", "i8")])
def test_what_is_put_in_from_another_dtype_can_be_written_into(dtypes):
    t = Tensor(np.ones(3, dtypes[0]))
    t.data = np.full(3, 4, dtypes[1])
    t.data -= 1
    assert t.dtype == np.dtype(dtypes[0]).newbyteorder("=") and t.data.tolist() == [3.0, 3.0, 3.0]
    assert ag.astype(Tensor(np.ones(3)), "f4").value.base is None
