"""What an operation refuses, its shape rule refuses too: else a program would be made of a call that never was."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, errors
from autograd.core.primitive import spec_of

from .samples import rows

X = np.arange(6.0).reshape(2, 3)


def other_values(value):
    """A param a little or far off, of another length, or with a part twice."""
    if isinstance(value, tuple):
        for i, part in enumerate(value):
            yield from ((*value[:i], other, *value[i + 1 :]) for other in other_values(part))
            yield (*value[:i], *value[i + 1 :])
        yield (*value, *[part for part in value[-1:] or (1,) if isinstance(part, int | tuple)])
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (value + 1, value - 1, value + 5, -value - 7)


def other_shapes(array):
    """The array with an axis longer, shorter, added or gone."""
    for axis, n in enumerate(array.shape):
        widths = [(0, int(i == axis)) for i in range(array.ndim)]
        yield np.pad(array, widths)
        if n:
            yield array.take(range(n - 1), axis)
    yield array[None]
    if array.ndim and len(array):
        yield array[0]


def wrong_calls(arrays, params):
    for i, array in enumerate(arrays):
        if isinstance(array, (np.ndarray, np.generic)):
            yield from (([*arrays[:i], other, *arrays[i + 1 :]], params) for other in other_shapes(np.asarray(array)))
    for name, value in params.items():
        yield from ((arrays, {**params, name: other}) for other in other_values(value))


VALUES = object()


def outcome(call, arrays, params):
    """Shape and dtype, or the error; VALUES where not the shapes but the numbers are refused."""
    try:
        with np.errstate(all="ignore"):
            return call(*arrays, **params)
    except np.linalg.LinAlgError as error:
        return VALUES if "ingular" in str(error) or "definite" in str(error) else error
    except IndexError as error:
        return VALUES if "out of bounds" in str(error) else error
    except (ValueError, TypeError) as error:
        return error


@pytest.mark.parametrize(("name", "primitive", "sample", "case"), [
    pytest.param(*row, id=f"{row[0]}({row[3].label})") for row in rows() if row[1].kind != "elementwise"
])  # fmt: skip
def test_what_the_operation_refuses_the_rule_refuses(name, primitive, sample, case):
    for arrays, params in wrong_calls(*case.draw()):
        done = outcome(primitive, arrays, params)
        told = outcome(primitive.shape, map(spec_of, arrays), params)
        if done is VALUES or isinstance(told, Exception):
            continue
        assert not isinstance(done, Exception), (arrays, params, done, told)
        assert (tuple(told[0]), told[1]) == spec_of(done), (arrays, params)


REFUSED = {
    "reshape there and back": lambda x: x.reshape(7).reshape(2, 3),
    "reshape unused": lambda x: (x.reshape(4, 4), x.sum())[1],
    "reshape for its shape": lambda x: x * x.reshape(7).shape[0],
    "a border less than none": lambda x: np.pad(x, -1),
    "broadcast to fewer": lambda x: np.broadcast_to(x, (2, 2)).sum(),
    "a diagonal over one axis": lambda x: np.diagonal(x, 0, 1, 1),
    "the largest of none": lambda x: x[:0].max(),
    "where the largest of none is": lambda x: x[:0].argmax(axis=0),
    "indices of another rank": lambda x: np.take_along_axis(x, np.zeros(2, int), 0),
    "a contraction of other lengths": lambda x: np.einsum("ij,ik->jk", x, x.T),
    "a system that is not square": lambda x: np.linalg.solve(x, x),
    "right sides of other lengths": lambda x: np.linalg.solve(x @ x.T, x.T),
    "text": lambda x: x.astype("U"),
    "an object": lambda x: x.astype(object),
}


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("kind", [np.asarray, Tensor])
@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_a_program_as_without(name, kind, backend):
    compiled = ag.compile(REFUSED[name], backend=backend)
    with pytest.raises(errors.AutogradError):
        compiled(kind(X))
    if not (kind is np.asarray and name in ("text", "an object")):
        with pytest.raises((ValueError, TypeError)):
            REFUSED[name](kind(X))


COMPLEX = {
    "imag": lambda x: np.imag(x * 1j),
    "real": lambda x: np.exp(1j * x).real,
    "conj": lambda x: np.conj(x + 1j),
    "angle": lambda x: np.angle(x / 1j),
    "sqrt": lambda x: np.sqrt(x.astype(complex) * -1),
    "a constant": lambda x: (x * np.full(3, 1j)).imag,
    "a power": lambda x: abs(x**1j),
}


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("name", COMPLEX)
def test_numbers_that_become_complex_in_a_program_are_refused_by_name(name, backend):
    with pytest.raises(errors.TraceError, match=r"test_shape_rules.py:\d+ makes complex numbers of real ones"):
        ag.compile(COMPLEX[name], backend=backend)(X)


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize(
    "f", [np.abs, lambda x: x * x, lambda x: np.sqrt(x * -1), lambda x: x * np.complex128(1) + x * np.complex128(10j)]
)
def test_complex_arguments_are_computed_with(f, backend):
    for x in (X * 1j, Tensor(X * 1j)):
        compiled, plain = ag.compile(f, backend=backend), f(x)
        for _ in range(2):
            np.testing.assert_array_equal(getattr(compiled(x), "data", compiled(x)), getattr(plain, "data", plain))


@pytest.mark.parametrize("f", [np.real, np.imag, np.conj, np.angle, np.real_if_close], ids=lambda f: f.__name__)
def test_parts_of_complex_tensors_are_refused(f):
    with pytest.raises(errors.DTypeError, match="real numbers, got complex128"):
        f(Tensor(X * 1j))


@pytest.mark.parametrize("backend", ["numpy", "native"])
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("f", [np.maximum, np.minimum], ids=lambda f: f.__name__)
def test_of_two_zeros_the_one_is_taken_that_numpy_takes(f, size, backend):
    for a, b in ((-0.0, 0.0), (0.0, -0.0)):
        for arguments in ((np.full(size, a), b), (a, np.full(size, b)), (np.full(size, a), np.full(size, b))):
            found = ag.compile(f, backend=backend)(*arguments)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(f(*arguments)))
