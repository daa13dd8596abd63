"""Arrays of every dtype, layout and class: eager, generated NumPy and machine code agree, or refuse them by name."""

import types

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.core.errors import DTypeError

BACKENDS = ("numpy", "native")
DTYPES = [
    "f2", "f4", "f8", "g", ">f2", ">f4", ">f8", ">g", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8",
    ">i2", ">i4", ">i8", ">u4", "?",
]  # fmt: skip
FLOATS = [dtype for dtype in DTYPES if np.dtype(dtype).kind == "f"]


def unaligned(x):
    room = np.zeros(x.nbytes + 1, np.uint8)[1:]
    room[:] = np.frombuffer(x.tobytes(), np.uint8)
    return room.view(x.dtype).reshape(x.shape)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def within(x, step):
    """The same numbers with others between them."""
    room = np.zeros([abs(step) * n for n in x.shape], x.dtype)
    view = room[tuple(slice(None, None, step) for _ in x.shape)]
    view[...] = x
    return view


LAYOUTS = {
    "rows": np.array,
    "Fortran": np.asfortranarray,
    "strided": lambda x: within(x, 2),
    "backwards": lambda x: within(x, -1),
    "backwards in steps": lambda x: within(x, -3),
    "transposed": lambda x: np.array(x.T).T,
    "unaligned": unaligned,
    "read-only": read_only,
    "part of another": lambda x: np.pad(x, 1)[1:-1, 1:-1],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "one element, broadcast": lambda x: np.broadcast_to(x[1, 1], x.shape),
    "empty": lambda x: x[:0],
    "empty and strided": lambda x: x[::-1, 3:],
}


def sample(dtype):
    return (np.arange(12).reshape(3, 4) % 7 + 1).astype(dtype)


def told(value):
    value = np.asarray(getattr(value, "data", value))
    return value.dtype, value.shape, repr(value.tolist())


def agree(function, *arrays, wrap=True, exact=True):
    """Both backends give what eager gives, at the first and at later calls."""
    given = [Tensor(a) if wrap else a for a in arrays]
    want = function(*map(Tensor, arrays))
    for backend in BACKENDS:
        step = ag.compile(function, backend=backend)
        for _ in range(3):
            got = step(*given)
            for a, b in zip(got, want, strict=True):
                if exact or np.asarray(b.data).dtype.kind != "f":
                    assert told(a) == told(b), backend
                else:
                    assert (a.dtype, a.shape) == (b.dtype, b.shape)
                    tolerance = 4 * np.finfo(b.dtype).eps
                    np.testing.assert_allclose(np.asarray(a.data), np.asarray(b.data), rtol=tolerance, atol=tolerance)


def movements(x):
    return [
        x[::-1],
        x.T,
        np.concatenate([x, x], axis=1),
        np.stack([x, x]),
        np.roll(x, 1),
        x[:, None, 1:],
        x.reshape(-1),
    ]


def arithmetic(x):
    return [x * 1, x + x, np.maximum(x, 2), np.where(x > 3, x, x * 0), x.sum(axis=0), x.max() if x.size else x, x == x]


def of_truths(x):
    return [x & True, ~x, x == x, np.where(x, x, x), x.sum(axis=0)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", [True, False], ids=["tensors", "arrays"])
def test_every_dtype(dtype, wrap):
    x = sample(dtype)
    agree(movements, x, wrap=wrap)
    agree(of_truths if dtype == "?" else arithmetic, x, wrap=wrap)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "?", ">f8", "f2", "g"])
def test_every_layout(layout, dtype):
    x = LAYOUTS[layout](sample(dtype))
    agree(lambda x: [*movements(x), x * 1, x == x], x, wrap=False)
    constant = LAYOUTS[layout](sample(dtype))
    agree(lambda t: [t * constant, constant + t, np.concatenate([constant, constant * t])], np.ones((), dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_layouts_that_change_from_call_to_call(layout, dtype):
    """The first call has an array in rows; machine code then sees one that is not."""
    x = LAYOUTS[layout](sample(dtype))
    for backend in BACKENDS:
        step = ag.compile(lambda x: (x * 2, x.sum()), backend=backend)
        step(np.zeros(x.shape, dtype))
        got, total = step(x)
        np.testing.assert_array_equal(np.asarray(got.data), x * 2)
        assert total.data == x.sum(dtype=dtype)
        assert step.trace_count == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_parameters_of_every_layout(layout):
    x = LAYOUTS[layout](sample("f8"))
    for backend in BACKENDS:
        weight = Tensor(np.zeros(x.shape), requires_grad=True)
        weight.data = x

        def step(weight=weight):
            weight.zero_grad()
            (weight * weight).sum().backward()
            weight.data = weight.data - 0.25 * weight.grad

        compiled, before = ag.compile(step, backend=backend), np.array(x)
        for turn in range(1, 3):
            compiled()
            np.testing.assert_array_equal(weight.data, before * 0.5**turn)
        compiled.repeat(2)
        np.testing.assert_array_equal(weight.data, before / 16)
        np.testing.assert_array_equal(x, before)  # the array that it was given is the caller's


@pytest.mark.parametrize("dtype", FLOATS)
def test_gradients_keep_the_dtype_of_what_they_belong_to(dtype):
    def run(step_of, backend):
        weight, bias = Tensor(sample(dtype), requires_grad=True), Tensor(sample(dtype)[0, 0], requires_grad=True)
        element = Tensor(sample(dtype).ravel(), requires_grad=True)

        def step():
            for tensor in (weight, bias, element):
                tensor.zero_grad()
            loss = ((weight * 0.5 + bias) ** 2).sum() + element[3] * 2 + (weight.T[::-1] * 3).sum()
            loss.backward()
            for tensor in (weight, bias, element):
                tensor.data = tensor.data - 0.125 * tensor.grad
            return loss

        call = step if backend is None else ag.compile(step, backend=backend)
        losses = [told(call()) for _ in range(2)]
        for tensor in (weight, bias, element):
            assert tensor.grad.dtype == tensor.data.dtype == np.dtype(dtype).newbyteorder("="), backend
            assert tensor.grad.shape == tensor.data.shape
        return losses, [told(a) for t in (weight, bias, element) for a in (t.data, t.grad)]

    want = run(None, None)
    for backend in BACKENDS:
        assert run(None, backend) == want


@pytest.mark.parametrize("dtype", FLOATS)
def test_cross_and_norms_of_every_float(dtype):
    a, b = sample(dtype)[:, :3], sample(dtype)[:, 1:]

    def function(x, y):
        (gx, gy) = ag.grad(lambda x, y: (np.cross(x, y) ** 2).sum(), (0, 1))(x, y)
        return [np.cross(x, y), gx, gy, (x @ y).T, x.mean(axis=0)]

    agree(function, a, b, exact=False)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_scalars_and_0d_arrays(dtype):
    number = sample(dtype)[1, 2]
    for value in (number, np.array(number, dtype), np.array([number], dtype)[0:1].reshape(())):
        agree(
            lambda x: [x * np.float32(2) if x.dtype.kind == "f" else x | x, x == x, np.stack([x, x])], value, wrap=False
        )
        agree(lambda t: [t * value, t + value], np.ones(3, dtype) if dtype != "?" else np.ones(3))  # noqa: B023


def test_numbers_of_changing_types():
    """What is a NumPy scalar at one call may be a 0-d array, a float or of another dtype at the next."""
    values = [
        np.float64(1.5),
        np.array(2.5),
        3.5,
        np.float32(0.1),
        np.int64(7),
        8,
        True,
        np.float16(0.3),
        np.longdouble("0.1"),
    ]
    for backend in BACKENDS:
        step = ag.compile(lambda x: np.multiply(x, 2), backend=backend)
        for value in [*values, *reversed(values)]:
            assert float(np.asarray(step(value))) == float(np.multiply(value, 2))


def test_large_python_integers():
    for backend in BACKENDS:
        step = ag.compile(lambda x, n: x * n, backend=backend)
        for n in (2**62, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**70), 10**300):
            np.testing.assert_array_equal(step(Tensor([1.5, -2.0]), n).data, np.array([1.5, -2.0]) * n)


@pytest.mark.parametrize("dtype", [">f2", ">f4", ">f8", ">g"])
def test_another_byte_order_ends_where_tensors_begin(dtype):
    x = sample(dtype)
    own = np.dtype(dtype).newbyteorder("=")
    weight = Tensor(x, requires_grad=True)
    (weight[2, 3] * 2).backward()
    expected = np.zeros((3, 4))
    expected[2, 3] = 2
    np.testing.assert_array_equal(weight.grad, expected)
    weight.data, weight.grad = x[::-1], x
    assert {
        weight.dtype,
        weight.grad.dtype,
        (weight * x).dtype,
        np.stack([weight, x]).dtype,
        weight.astype(dtype).dtype,
    } == {own}
    np.testing.assert_array_equal(weight.data, x[::-1])
    gradient = ag.grad(lambda x: (x * x).sum())(x)
    assert gradient.dtype == x.dtype  # arrays come back as they were given
    np.testing.assert_array_equal(gradient, 2 * x)


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_of_another_byte_order_are_read_anew_at_each_call(backend):
    table = np.arange(3, dtype=">f8")
    step = ag.compile(lambda x: x * table, backend=backend)
    for turn in range(3):
        table[:] = turn
        np.testing.assert_array_equal(step(Tensor(np.ones(3))).data, [turn] * 3)


# ----- subclasses of ndarray -----
@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(12.0).reshape(3, 4))
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def test_memory_maps_work(mapped):
    plain = np.array(mapped)
    assert type(ag.exp(Tensor(mapped)).data) is np.ndarray
    np.testing.assert_array_equal((Tensor(2.0) * mapped).data, 2 * plain)
    np.testing.assert_array_equal((mapped * Tensor(2.0)).data, 2 * plain)
    np.testing.assert_array_equal(ag.grad(lambda x: (x * x).sum())(mapped), 2 * plain)
    for backend in BACKENDS:
        step = ag.compile(lambda x: x * 2 + mapped, backend=backend)
        for x in (mapped, plain, mapped, mapped[::-1, ::2].repeat(2, axis=1), Tensor(mapped)):
            values = x.data if isinstance(x, Tensor) else np.array(x)
            np.testing.assert_array_equal(step(x).data, values * 2 + plain)
        np.testing.assert_array_equal(ag.compile(lambda x: x.sum(), backend=backend).scan(mapped), plain.sum(axis=1))


def test_memory_maps_as_the_data_of_parameters(tmp_path):
    for backend in BACKENDS:
        place = np.memmap(tmp_path / backend, np.float64, "w+", shape=(3,))
        place[:] = [1, 2, 3]
        weight = Tensor(np.zeros(3), requires_grad=True)
        weight.data = place

        def step(weight=weight):
            weight.data = weight.data * 2
            return weight.sum()

        run = ag.compile(step, backend=backend)
        assert [float(run().data) for _ in range(3)] == [12, 24, 48]
        np.testing.assert_array_equal(place, [1, 2, 3])


def test_networks_learn_from_memory_maps(mapped):
    fitted = []
    for x in (mapped, np.array(mapped)):
        model = nn.Dense(4, 1, seed=0)
        nn.fit(model, x, np.ones((3, 1)), loss=nn.mean_squared_error, epochs=3, verbose=0)
        fitted.append((model.weight.data, nn.predict(model, x)))
    for a, b in zip(*fitted, strict=True):
        np.testing.assert_array_equal(a, b)


class Own(np.ndarray):
    """A class of a user's own."""


RECORDS = np.array([(1.0, 2), (3.0, 4), (5.0, 6)], [("a", "f8"), ("b", "i4")])
REFUSED = {
    "masked": (np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0]), "masked array.*filled"),
    "masked, nothing masked": (np.ma.masked_array([1.0, 2.0, 3.0]), "masked array.*filled"),
    "matrix": (np.ones((1, 3)).view(np.matrix), "matrix.*asarray"),
    "records": (RECORDS.view(np.recarray), "records.*fields"),
    "structured": (RECORDS, "not of numbers.*field"),
    "text": (np.array(["a", "b", "c"]), "numbers"),
    "strings": (np.array(["a", "b", "c"]), "not of numbers.*astype"),
    "objects": (np.array([1.0, None, 2.0], object), "not of numbers.*astype"),
    "numbers as objects": (np.array([1.0, 2.0, 3.0], object), "not of numbers.*astype"),
    "dates": (np.array(["2020-01-01"] * 3, "M8[D]"), "not of numbers"),
    "a user's class": (np.arange(3.0).view(Own), "Own.*asarray"),
}
EAGER = {
    "Tensor": Tensor,
    "Tensor of a list": lambda v: Tensor([v, v]),
    "a function": lambda v: ag.tanh(v),
    "an operator": lambda v: Tensor(1.0) * v,
    "another": lambda v: v / Tensor(2.0),
    "NumPy's function": lambda v: np.add(Tensor(1.0), v),
    "a join": lambda v: np.concatenate([Tensor([1.0]), v]),
    "our join": lambda v: ag.stack([Tensor([1.0, 1.0, 1.0]), v]),
    "data": lambda v: setattr(Tensor(np.ones(v.shape)), "data", v),
    "assign": lambda v: Tensor(np.ones(v.shape)).assign(v),
    "grad": lambda v: setattr(Tensor(np.ones(v.shape), requires_grad=True), "grad", v),
    "ag.grad": lambda v: ag.grad(lambda x: (x * x).sum())(v),
    "vmap": lambda v: ag.vmap(lambda x: x * 2)(v),
    "fit": lambda v: nn.fit(nn.Dense(3, 1), v, np.ones((len(v), 1)), loss=nn.mean_squared_error, epochs=1, verbose=0),
    "predict": lambda v: nn.predict(nn.Dense(3, 1), v),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", EAGER)
@pytest.mark.parametrize("name", REFUSED)
def test_other_arrays_are_refused_by_name(name, way):
    value, _ = REFUSED[name]
    with pytest.raises(DTypeError):
        EAGER[way](value)


@pytest.mark.parametrize("name", REFUSED)
def test_the_message_says_what_it_is_and_the_way_out(name):
    value, message = REFUSED[name]
    for use in (Tensor, lambda v: Tensor(1.0) * v, lambda v: ag.compile(lambda x: x * 1)(v)):
        with pytest.raises(DTypeError, match=message):
            use(value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", REFUSED)
def test_compiled_steps_refuse_them_at_every_call(name, backend):
    value, _ = REFUSED[name]
    plain = np.arange(float(value.size)).reshape(value.shape)
    step = ag.compile(lambda x: x * 2, backend=backend)
    with pytest.raises(DTypeError):
        step(value)
    np.testing.assert_array_equal(step(plain).data, plain * 2)
    for call in (lambda: step(value), lambda: step.repeat(2, value), lambda: step.scan(value)):
        with pytest.raises(DTypeError):
            call()
    holder = types.SimpleNamespace(array=plain)
    reading = ag.compile(lambda x: x * holder.array, backend=backend)
    one = Tensor(1.0)
    np.testing.assert_array_equal(reading(one).data, plain)
    holder.array = value
    with pytest.raises(DTypeError):
        reading(one)
    np.testing.assert_array_equal(step(plain).data, plain * 2)


MASKED = np.ma.masked_array([1.0, 2.0, 3.0], [0, 1, 0])
TRUTHS = np.ma.masked_array([True, True, False], [1, 0, 0])
PLACES = np.ma.masked_array([0, 1], [1, 0])
WAYS_IN = {
    "index": lambda x: Tensor(x)[TRUTHS],
    "positions": lambda x: Tensor(x)[PLACES],
    "part of an index": lambda x: Tensor(np.eye(3))[0, TRUTHS],
    "at": lambda x: Tensor(x).at[TRUTHS].set(1.0),
    "value": lambda x: Tensor(x).at[:].add(MASKED),
    "write": lambda x: Tensor(x).__setitem__(TRUTHS, 1.0),
    "written": lambda x: Tensor(x).__setitem__(slice(None), MASKED),
    "tangent": lambda x: ag.jvp(np.sin, (x,), (MASKED,)),
    "direction": lambda x: ag.hvp(lambda x: (x**3).sum(), x, MASKED),
    "cotangent": lambda x: ag.vjp(np.sin, x)[1](MASKED),
    "seed": lambda x: Tensor(x, requires_grad=True).backward(MASKED),
    "point": lambda x: ag.gradcheck(lambda x: x * 2.0, MASKED),
    "prediction": lambda x: nn.accuracy(MASKED, x),
    "labels": lambda x: nn.confusion_matrix(x, MASKED),
}


@pytest.mark.parametrize("way", WAYS_IN.values(), ids=WAYS_IN)
def test_masks_are_not_lost_on_any_way_in(way):
    with pytest.raises(DTypeError, match="masked array, whose mask would be lost"):
        way(np.ones(3))
