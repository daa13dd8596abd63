"""Every function that takes an axis, at every axis that somebody might write: NumPy's result, or both refuse."""

import numpy as np
import pytest
from scipy import special

import autograd as ag
from autograd import Tensor
from autograd.core import errors, tree

V = np.array([3.0, 1.0, 2.0, 2.5])
W = np.array([0.25, 0.5, 1.0, 2.0])


def pair(x):
    return [x, x + 0.5]


# Functions of an array and an axis, by NumPy's names.
NAMES = """
    sum prod max min amax amin ptp mean var std median argmax argmin any all count_nonzero nansum nanprod nanmax nanmin
    nanmean nanvar nanstd nanmedian nanargmax nanargmin average
    cumsum cumprod nancumsum nancumprod sort argsort diff flip expand_dims squeeze unstack gradient unwrap
"""
CALLS = {name: (lambda x, axis, name=name: getattr(np, name)(x, axis=axis)) for name in NAMES.split()} | {
    "sum, keepdims": lambda x, axis: np.sum(x, axis=axis, keepdims=True),
    "max, keepdims": lambda x, axis: np.max(x, axis, None, True),
    "mean, keepdims": lambda x, axis: np.mean(x, axis, keepdims=True),
    "argmax, keepdims": lambda x, axis: np.argmax(x, axis, keepdims=True),
    "sum, where": lambda x, axis: np.sum(x, axis=axis, where=x > 1),
    "mean, where": lambda x, axis: np.mean(x, axis=axis, where=x > -9),
    "cumulative_sum": lambda x, axis: np.cumulative_sum(x, axis=axis),
    "cumulative_prod": lambda x, axis: np.cumulative_prod(x, axis=axis, include_initial=True),
    "partition": lambda x, axis: np.partition(x, 0, axis=axis),
    "argpartition": lambda x, axis: np.argpartition(x, 0, axis=axis),
    "quantile": lambda x, axis: np.quantile(x, 0.25, axis=axis),
    "percentile": lambda x, axis: np.percentile(x, [20, 70], axis=axis),
    "nanquantile": lambda x, axis: np.nanquantile(x, 0.25, axis=axis, keepdims=True),
    "trapezoid": lambda x, axis: np.trapezoid(x, axis=axis),
    "trapezoid over x": lambda x, axis: np.trapezoid(x, x + 1, axis=axis),
    "diff, prepend": lambda x, axis: np.diff(x, prepend=0.0, axis=axis),
    "diff, n=2": lambda x, axis: np.diff(x, n=2, axis=axis),
    "stack": lambda x, axis: np.stack(pair(x), axis=axis),
    "concatenate": lambda x, axis: np.concatenate(pair(x), axis=axis),
    "concat": lambda x, axis: np.concat(pair(x), axis=axis),
    "append": lambda x, axis: np.append(x, x, axis=axis),
    "insert": lambda x, axis: np.insert(x, 0, 1.0, axis=axis),
    "delete": lambda x, axis: np.delete(x, 0, axis=axis),
    "split": lambda x, axis: np.split(x, [1], axis=axis),
    "split into one": lambda x, axis: np.split(x, 1, axis),
    "array_split": lambda x, axis: np.array_split(x, 2, axis=axis),
    "take": lambda x, axis: np.take(x, [0, 0], axis=axis),
    "take of one": lambda x, axis: np.take(x, 0, axis=axis),
    "take_along_axis": lambda x, axis: np.take_along_axis(x, np.zeros(x.shape, int), axis=axis),
    "repeat": lambda x, axis: np.repeat(x, 2, axis=axis),
    "roll": lambda x, axis: np.roll(x, 1, axis=axis),
    "rollaxis": lambda x, axis: np.rollaxis(x, axis),
    "moveaxis": lambda x, axis: np.moveaxis(x, axis, 0),
    "moveaxis to": lambda x, axis: np.moveaxis(x, 0, axis),
    "swapaxes": lambda x, axis: np.swapaxes(x, 0, axis),
    "swapaxes, first": lambda x, axis: np.swapaxes(x, axis, -1),
    "transpose": lambda x, axis: np.transpose(x, axis),
    "rot90": lambda x, axis: np.rot90(x, axes=(0, axis)),
    "diagonal": lambda x, axis: np.diagonal(x, 0, 0, axis),
    "diagonal, first": lambda x, axis: np.diagonal(x, 0, axis, 1),
    "trace": lambda x, axis: np.trace(x, 0, 0, axis),
    "trace, first": lambda x, axis: np.trace(x, 0, axis1=axis),
    "compress": lambda x, axis: np.compress([True], x, axis=axis),
    "unique": lambda x, axis: np.unique(x, axis=axis),
    "apply_along_axis": lambda x, axis: np.apply_along_axis(lambda v: v.sum(), axis, x),
    "apply_over_axes": lambda x, axis: np.apply_over_axes(np.sum, x, axis),
    "tensordot": lambda x, axis: np.tensordot(x, x, (axis, axis)),
    "tensordot, count": lambda x, axis: np.tensordot(x, np.ones(x.shape[::-1]), axis),
    "linalg.norm": lambda x, axis: np.linalg.norm(x, axis=axis),
    "linalg.norm of order 1": lambda x, axis: np.linalg.norm(x, 1, axis=axis),
    "linalg.norm, inf": lambda x, axis: np.linalg.norm(x, np.inf, axis, True),
    "linalg.vector_norm": lambda x, axis: np.linalg.vector_norm(x, axis=axis),
    "linalg.vecdot": lambda x, axis: np.linalg.vecdot(x, x, axis=axis),
    "linalg.cross": lambda x, axis: np.linalg.cross(x[:3], x[:3], axis=axis),
    "cross": lambda x, axis: np.cross(x[..., :3], x[..., :3], axis=axis),
    "linspace": lambda x, axis: np.linspace(x, x + 1, 3, axis=axis),
    "logspace": lambda x, axis: np.logspace(x, x + 1, 3, axis=axis),
    "geomspace": lambda x, axis: np.geomspace(abs(x) + 1, abs(x) + 2, 3, axis=axis),
    "fft.fftshift": lambda x, axis: np.fft.fftshift(x, axes=axis),
    "size": lambda x, axis: np.size(x, axis),
    "add.reduce": lambda x, axis: np.add.reduce(x, axis=axis),
    "multiply.accumulate": lambda x, axis: np.multiply.accumulate(x, axis=axis),
    "average, weights": lambda x, axis: np.average(x, axis=axis, weights=abs(x) + 1),
    "max, initial": lambda x, axis: np.max(x, axis=axis, initial=0.0),
    "cov": lambda x, axis: np.cov(x, rowvar=True) if axis == 0 else np.corrcoef(x, rowvar=False),
}  # fmt: skip

SHAPES = [(), (4,), (3, 4), (3, 3, 4)]
LATER = {"unstack": "2.1", "cumulative_sum": "2.1", "cumulative_prod": "2.1"}


def axes_for(ndim):
    """Numbers inside and outside, of every type, lists and tuples of them, and what is no axis."""
    numbers = [*range(-ndim - 2, ndim + 2), None]
    typed = [np.int64(0), np.int64(-1), np.int64(ndim), np.uint8(0), np.array(0), np.array(-1), np.array(ndim)]
    several = [(), (0,), (-1,), (0, 1), (1, 0), (0, 0), (0, -ndim), (0, ndim), (0, 1, 2), (2, 0, 1), (0, np.int64(1))]
    wrong = [1.0, 0.5, "0", (0.0,), (0, 1.5), np.float64(0), np.array([0.5]), object()]
    return numbers + typed + several + wrong


def outcome(call, x, axis):
    """The leaves of the result, or the error."""
    with np.errstate(all="ignore"):
        try:
            return tree.flatten(call(x, axis))[0]
        except (ValueError, TypeError, IndexError, ZeroDivisionError, RuntimeError, DeprecationWarning) as error:
            return error


def refused_on_purpose(name, ndim, axis):
    """What NumPy takes without saying so: numbers that are no integers, axis 0 of a single number, one axis in a tuple."""
    number = not isinstance(axis, tuple) and np.ndim(axis) == 0 and axis is not None
    if number and not hasattr(axis, "__index__"):
        return name.startswith(("linalg.norm", "linalg.vector_norm", "linspace", "logspace", "geomspace"))
    if name == "apply_over_axes":  # NumPy adds the number of axes to a negative one, whatever comes out
        return ndim == 0 or (number and axis < -ndim)
    if ndim == 0 and number and axis in (0, -1):
        return name in ("argsort", "argpartition", "squeeze", "nanmean", "nanvar", "nanstd", "mean, where")
    taken = ("unstack", "cumulative_sum", "cumulative_prod", "multiply.accumulate", "linspace", "logspace", "geomspace")
    return isinstance(axis, tuple) and len(axis) == 1 and name in taken


def check(ours, expected, what):
    if isinstance(expected, Exception):
        assert isinstance(ours, errors.AutogradError), f"{what}: NumPy refuses ({expected!r}), got {ours!r}"
        return
    assert not isinstance(ours, Exception), f"{what}: refused ({ours!r}), NumPy gives {expected}"
    assert len(ours) == len(expected), what
    for a, b in zip(ours, expected):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"{what}: {a.shape} {a.dtype}, NumPy {b.shape} {b.dtype}"
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, err_msg=what)


# NumPy fails over an array's hash; and since 2.5 it takes None for the last axis.
_NUMPYS_OWN = (("tensordot", np.ndarray), ("linalg.cross", type(None)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "error::DeprecationWarning")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name, shape):
    x = (np.random.default_rng(3).permutation(36)[: int(np.prod(shape))].reshape(shape) / 8 - 1.0)[()]
    for axis in axes_for(x.ndim):
        what = f"{name} of {shape}, axis {axis!r}"
        ours, expected = (outcome(CALLS[name], array, axis) for array in (Tensor(x, requires_grad=True), x))
        if refused_on_purpose(name, x.ndim, axis) and isinstance(ours, Exception):
            assert isinstance(ours, errors.AutogradError), what
        elif (name, type(axis)) not in _NUMPYS_OWN:
            check(ours, expected, what)


# ----- the package's own functions, on Tensors and traced values -----
OWN = {
    "sum": ag.sum, "prod": ag.prod, "max": ag.max, "min": ag.min, "mean": ag.mean, "var": ag.var, "std": ag.std,
    "cumsum": ag.cumsum, "argmax": ag.argmax, "argmin": ag.argmin, "flip": ag.flip, "expand_dims": ag.expand_dims,
    "squeeze": ag.squeeze, "transpose": ag.transpose,
    "linalg.norm": lambda x, axis: ag.norm(x, axis=axis),
    "stack": lambda x, axis: ag.stack(pair(x), axis),
    "concatenate": lambda x, axis: ag.concatenate(pair(x), axis),
    "split": lambda x, axis: ag.split(x, [1], axis),
    "roll": lambda x, axis: ag.roll(x, 1, axis),
    "swapaxes": lambda x, axis: ag.swapaxes(x, 0, axis),
    "diagonal": lambda x, axis: ag.diagonal(x, 0, 0, axis),
    "take_along_axis": lambda x, axis: ag.take_along_axis(x, np.zeros(x.shape, int), axis),
    "tensordot": lambda x, axis: ag.tensordot(x, x, (axis, axis)),
}  # fmt: skip
METHODS = "sum prod max min mean var std cumsum argmax argmin squeeze transpose".split()  # noqa: SIM905


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "error::DeprecationWarning")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", OWN)
def test_own_functions_as_numpys(name, shape):
    x = (np.random.default_rng(4).permutation(36)[: int(np.prod(shape))].reshape(shape) / 8 - 1.0)[()]
    ways = {"Tensor": (OWN[name], Tensor(x))}
    if name in METHODS:
        ways["method"] = (lambda t, axis: getattr(t, name)(axis)), Tensor(x)
    for axis in axes_for(x.ndim):
        if refused_on_purpose(name, x.ndim, axis) or (name, type(axis)) == ("tensordot", np.ndarray):
            continue  # as above
        if name == "roll" and x.ndim == 0 and isinstance(axis, tuple):
            continue  # NumPy stumbles
        expected = outcome(CALLS[name], x, axis)
        for way, (call, array) in ways.items():
            check(outcome(call, array, axis), expected, f"{name} of {shape} as {way}, axis {axis!r}")


def in_a_program(call, x, axis):
    return tree.flatten(ag.compile(lambda t: call(t, axis), backend="numpy")(x))[0]


def in_a_batch(call, x, axis):
    return [
        y.data[1] for y in tree.flatten(ag.vmap(lambda row: call(row, axis))(Tensor(np.stack([x.data, x.data]))))[0]
    ]


@pytest.mark.parametrize("way", [in_a_program, in_a_batch])
@pytest.mark.parametrize("name", OWN)
def test_programs_and_batches_take_and_refuse_the_same_axes(name, way):
    x = Tensor(np.arange(12.0).reshape(3, 4))
    for axis in (0, -1, np.int64(1), np.array(0), 2, -4, (0, 0), 0.5):
        eager = outcome(OWN[name], x, axis)
        ours = outcome(lambda x, axis: way(OWN[name], x, axis), x, axis)
        check(ours, eager, f"{name} {way.__name__}, axis {axis!r}")


@pytest.mark.parametrize("function", [ag.softmax, ag.log_softmax, ag.logsumexp], ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 3, 4)], ids=str)
def test_softmax_and_its_kin(function, shape):
    reference = {"softmax": special.softmax, "log_softmax": special.log_softmax, "logsumexp": special.logsumexp}
    x = np.random.default_rng(5).normal(size=shape)
    ndim = len(shape)
    for axis in [*range(-ndim, ndim), None, (0,), np.int64(0), np.array(-1), tuple(range(ndim))]:
        expected = reference[function.__name__](x, axis=axis if np.ndim(axis) or axis is None else int(axis))
        np.testing.assert_allclose(function(Tensor(x), axis).data, expected, rtol=1e-13)
    for axis in (ndim, -ndim - 1, (0, 0), (0, ndim), 0.5, True, "0"):
        with pytest.raises(errors.AutogradError):
            function(Tensor(x), axis)


def test_an_axis_error_is_numpys_too():
    for call in (lambda t: t.sum(axis=2), lambda t: np.stack([t, t], axis=9), lambda t: np.cumprod(t, 5)):
        for kind in (np.exceptions.AxisError, errors.AxisError, ValueError, IndexError):
            with pytest.raises(kind, match=r"axis [259] is not valid for an array with [23] axes: use -[23]\.\.[12]"):
                call(Tensor(np.ones((2, 3)), requires_grad=True))


@pytest.mark.parametrize("axis", [True, np.True_, np.array(False)])
def test_a_truth_is_no_axis(axis):
    for call in (
        ag.sum,
        ag.mean,
        ag.argmax,
        ag.cumsum,
        ag.softmax,
        ag.flip,
        ag.expand_dims,
        ag.squeeze,
        np.sort,
        np.diff,
    ):
        with pytest.raises(errors.DTypeError, match=r"an axis must be an integer"):
            call(Tensor(np.ones((2, 3))), axis=axis)


@pytest.mark.parametrize(("call", "message"), [
    (lambda t: ag.concatenate([t, np.ones((2, 4))], axis=0), r"every axis but 0"),
    (lambda t: ag.stack([t, np.ones((3, 2))]), r"all shapes must be equal"),
    (lambda t: ag.tensordot(t, np.ones((4, 3)), ((0,), (0,))), r"lengths differ"),
    (lambda t: ag.reshape(t, (2.5, 2)), r"a length must be an integer, got 2.5"),
    (lambda t: ag.transpose(t, (0,)), r"needs 2 axes"),
])  # fmt: skip
def test_shapes_that_do_not_join_are_refused_before_a_program_runs(call, message):
    with pytest.raises(errors.AutogradError, match=message):
        ag.trace(call, np.ones((2, 3)))
