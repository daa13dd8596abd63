"""&, |, ^, ~, << and >> on integers are bitwise, on truths logical, on floats refused: as NumPy has them, compiled too."""

import operator

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors

BINARY = {
    "and": (operator.and_, np.bitwise_and),
    "or": (operator.or_, np.bitwise_or),
    "xor": (operator.xor, np.bitwise_xor),
    "lshift": (operator.lshift, np.left_shift),
    "rshift": (operator.rshift, np.right_shift),
}
WHOLE = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES = ["bool", *WHOLE]


def numbers(dtype, seed=0):
    return (
        np.random.default_rng(seed)
        .integers(0 if dtype[0] in "bu" else -100, 2 if dtype == "bool" else 100, 12)
        .astype(dtype)
    )


def places(dtype):
    return np.arange(12).astype(dtype) % 7


def same(actual, expected):
    actual = actual.data if isinstance(actual, Tensor) else np.asarray(actual)
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(actual, expected)


def or_refusal(call):
    """What NumPy gives, or None where it refuses."""
    try:
        return call()
    except TypeError:
        return None


@pytest.mark.parametrize("right", DTYPES)
@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_pairs_of_dtypes(name, left, right):
    written, function = BINARY[name]
    a, b = numbers(left), places(right) if "shift" in name else numbers(right, 1)
    expected = or_refusal(lambda: function(a, b))
    for call in (
        lambda: written(Tensor(a), Tensor(b)),
        lambda: written(Tensor(a), b),
        lambda: written(a, Tensor(b)),
        lambda: function(Tensor(a), b),
        lambda: function(a, Tensor(b)),
    ):
        if expected is None:
            with pytest.raises(errors.DTypeError, match=r"not supported"):
                call()
        else:
            same(call(), expected)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", [*BINARY, "invert"])
def test_compiled(name, backend):
    """All dtypes in one program, since programs take time to compile."""
    written = BINARY[name][0] if name != "invert" else lambda a, b: ~a
    pairs = [
        (numbers(d), places(d) if "shift" in name else numbers(d, 1)) for d in (WHOLE if "shift" in name else DTYPES)
    ]

    def step(pairs):
        return [written(a, b) for a, b in pairs], [written(a, 3) for a, b in pairs if a.dtype != bool]

    given = [(Tensor(a), Tensor(b)) for a, b in pairs]
    for got, expected in zip(ag.compile(step, backend=backend)(given), step(pairs), strict=True):
        for y, e in zip(got, expected, strict=True):
            same(y, e)


@pytest.mark.parametrize("dtype", DTYPES)
def test_inverted(dtype):
    a = numbers(dtype)
    same(~Tensor(a), ~a)
    same(np.invert(Tensor(a)), ~a)
    same(np.bitwise_not(Tensor(a[0])), ~a[0])


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("dtype", DTYPES)
def test_python_numbers_on_either_side(name, dtype):
    written, _ = BINARY[name]
    a = places(dtype)
    for number in (0, 1, 5, True):
        for call in (lambda x, n=number: written(x, n), lambda x, n=number: written(n, x)):
            expected = or_refusal(lambda call=call: call(a))
            if expected is not None:
                same(call(Tensor(a)), expected)


@pytest.mark.parametrize("name", [*BINARY, "invert"])
@pytest.mark.parametrize("other", [True, 1, 1.5, np.array([True, False]), np.array([1.0, 2.0])], ids=repr)
def test_floats_are_refused(name, other):
    written = BINARY[name][0] if name != "invert" else lambda a, b: ~a
    for x in (Tensor([1.0, 2.0]), Tensor([1.0, 2.0], requires_grad=True), Tensor(np.float32(1.0))):
        for call in (lambda x=x: written(x, other), lambda x=x: written(other, x) if name != "invert" else ~x):
            with pytest.raises(errors.DTypeError, match=r"float(32|64).*not supported"):
                call()
    with pytest.raises(errors.AutogradError, match=r"not supported"):
        ag.trace(lambda t: written(t, other), np.ones(2))


def test_masks_stay_masks():
    x = Tensor([0.5, 1.5, 2.5, -1.0], requires_grad=True)
    mask = (x > 0) & ~(x > 2) | (x == -1.0)
    assert mask.dtype == bool and mask.data.tolist() == [True, True, False, True]
    assert ((x > 0) ^ (x > 1)).data.tolist() == [True, False, False, False]
    ag.where(mask, x * x, 0.0).sum().backward()
    assert x.grad.tolist() == [1.0, 3.0, 0.0, -2.0]


def test_the_rows_of_a_batch():
    a, b = numbers("int64").reshape(3, 4), numbers("int64", 1)[:4]
    same(ag.vmap(lambda row: (row & b) ^ 5)(Tensor(a)), (a & b) ^ 5)


def test_truth_of_any_number_has_names_of_its_own():
    x = Tensor([12, 10, 0])
    assert (x & 1).data.tolist() == [0, 0, 0] and (x | 1).data.tolist() == [13, 11, 1]
    assert ag.logical_and(x, 1).data.tolist() == [True, True, False]
    assert ag.logical_not(Tensor([0.0, 2.0])).data.tolist() == [True, False]
