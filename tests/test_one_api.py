"""One function per name: `autograd.sum`, what NumPy's protocol calls, and `autograd.numpy.sum` are the same object."""

import inspect

import numpy as np
import pytest

import autograd as ag
import autograd.numpy as anp
from autograd import Tensor
from autograd.core import errors
from autograd.core.primitive import Primitive
from autograd.functions.protocols import OVERRIDES, named, ours
from autograd.numpy import creation

X = np.arange(6.0).reshape(2, 3)
Z = np.array([[2.0, 0.5], [0.5, 3.0]])

# Names of `autograd` that mean something else in NumPy.
OTHERWISE = {"trace": "the tracer", "compile": "the decorator", "test": "pytest's"}
LINALG = {name for name in ag.__all__ if hasattr(np.linalg, name) and not hasattr(np, name)}


def numpys(name):
    return getattr(np, name, None) or getattr(np.linalg, name, None)


SHARED = sorted(n for n in ag.__all__ if callable(numpys(n)) and not isinstance(numpys(n), type) and n not in OTHERWISE)


# ----- identity -----
def test_the_names_that_are_shared():
    assert len(SHARED) > 75 and {"sum", "exp", "norm", "solve", "where", "subtract", "round"} <= set(SHARED)
    assert {"cholesky", "det", "inv", "norm", "slogdet", "solve"} <= LINALG
    assert not {"sub", "mul", "div", "neg", "getitem", "reduce_to", "scatter_add", "logabsdet"} & {
        *ag.__all__,
        *vars(ag),
    }
    assert ag.trace is not np.trace and anp.trace is OVERRIDES["trace"].call


@pytest.mark.parametrize("name", SHARED)
def test_one_object(name):
    function = getattr(ag, name)
    assert function is getattr(anp.linalg if name in LINALG else anp, name)
    assert function is ours(numpys(name))
    override = OVERRIDES.get(f"linalg.{name}" if name in LINALG else name)
    assert override is None or override.call is function
    assert function.__doc__ and (isinstance(function, Primitive) or function.__name__ == name)


def test_every_name_of_numpys_namespaces_is_ours_where_there_is_one():
    for space, module, prefix in ((anp, np, ""), (anp.linalg, np.linalg, "linalg."), (anp.fft, np.fft, "fft.")):
        for name in module.__all__:
            if name not in creation.__all__ and not inspect.ismodule(getattr(module, name)):
                assert getattr(space, name) is ours(getattr(module, name)), name
            if prefix + name in OVERRIDES:
                assert getattr(space, name) is OVERRIDES[prefix + name].call, name


def test_the_tensors_methods_are_the_functions():
    for name in ("sum", "mean", "argmax", "cumprod", "ravel", "swapaxes", "take", "round", "argsort", "dot", "norm"):
        assert inspect.getattr_static(Tensor, name) is ours(numpys(name)), name


# ----- signatures -----
def parameters(function, drop=0):
    try:
        return list(inspect.signature(function).parameters.values())[drop:]
    except ValueError:  # written in C, and this version of NumPy does not say
        return []


KINDS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def accepted(function, p):
    """Whether a param is taken: by the function itself, or checked by what is around it."""
    own = {q.name: q for q in parameters(function)}
    return p.name in own or any(q.kind is q.VAR_KEYWORD for q in own.values())


@pytest.mark.parametrize("name", sorted(n for n, o in OVERRIDES.items() if not o.values and named(n) is not None))
def test_params_stand_where_numpy_has_them(name):
    function, theirs = OVERRIDES[name].call, parameters(named(name))
    if isinstance(function, Primitive) or isinstance(named(name), np.ufunc) or not theirs:
        return
    places = [p.name for p in theirs if p.kind in KINDS]
    own = [p for p in parameters(function) if p.kind in KINDS]
    assert [p.name for p in own] == places[: len(own)]
    for p in theirs:
        if p.default is inspect.Parameter.empty and p.kind in KINDS:
            assert accepted(function, p), f"{p.name} is needed"


METHODS = [
    "sum",
    "prod",
    "max",
    "min",
    "mean",
    "var",
    "std",
    "all",
    "any",
    "argmax",
    "argmin",
    "cumsum",
    "cumprod",
    "ravel",
    "swapaxes",
    "squeeze",
    "repeat",
    "take",
    "diagonal",
    "trace",
    "compress",
    "round",
    "choose",
    "argsort",
    "argpartition",
    "dot",
    "reshape",
    "transpose",
    "flatten",
    "astype",
    "clip",
    "nonzero",
    "searchsorted",
]


@pytest.mark.parametrize("name", METHODS)
def test_methods_take_what_numpys_methods_take(name):
    theirs, own = parameters(getattr(np.ndarray, name), 1), parameters(getattr(Tensor, name), 1)
    names = [p.name for p in own]
    for p in theirs:
        if p.name not in ("kind", "order", "stable", "descending", "kwargs") or name in (
            "reshape",
            "flatten",
            "ravel",
            "astype",
        ):
            assert p.name in names or p.kind in (p.VAR_POSITIONAL, p.POSITIONAL_ONLY), p.name
    order = [p.name for p in theirs if p.kind in KINDS]
    assert [n for n in names if n in order] == [n for n in order if n in names]


# ----- plain arrays are NumPy's business -----
def test_plain_arrays_get_numpys_own_answer():
    for made in (anp.sort(np.array(["b", "a"])), anp.concatenate([["x"], ["y"]]), anp.unique(["q", "q"])):
        assert made.dtype.kind == "U"
    buffer = np.empty(3)
    assert ag.sum(X, axis=0, out=buffer) is buffer and buffer.tolist() == [3.0, 5.0, 7.0]
    assert anp.exp(X, out=np.empty_like(X), where=X > 1).shape == X.shape
    assert ag.reshape(X, (3, 2), order="F").tolist() == X.reshape((3, 2), order="F").tolist()
    assert anp.zeros_like(np.ones(2, ">f4"), subok=False).dtype == ">f4"
    assert anp.sum(1j * X) == 15j


# ----- what is refused, by name -----
REFUSED = {
    "out=": lambda t: ag.sum(t, out=np.empty(())),
    "out": lambda t: ag.sum(t, None, None, np.empty(())),
    "out= of a method": lambda t: t.mean(out=np.empty(())),
    "out= of an operation": lambda t: ag.exp(t, out=np.empty((2, 3))),
    "out= of a ufunc": lambda t: np.add(t, t, out=np.empty((2, 3))),
    "order='F'": lambda t: np.zeros_like(t, order="F"),
    "order='F' of a copy": lambda t: np.copy(t, order="F"),
    "order='x'": lambda t: np.sort(t, order="x"),
    "subok=False": lambda t: np.ones_like(t, subok=False),
    "order of astype": lambda t: t.astype(float, order="F"),
    "subok of astype": lambda t: t.astype(float, subok=False),
    "where of exp": lambda t: ag.exp(t, where=X > 1),
    "casting=": lambda t: ag.add(t, t, casting="no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    with pytest.raises(errors.DTypeError, match=name.partition(" of")[0].split("=")[0].split()[0]):
        REFUSED[name](Tensor(X, requires_grad=True))


@pytest.mark.parametrize("call", [
    lambda t: ag.sum(t, out=None),
    lambda t: np.sum(t, None, None, None),
    lambda t: np.sort(t, order=None, kind="stable"),
    lambda t: np.zeros_like(t, order="K", subok=True),
    lambda t: ag.exp(t, out=None, where=True, order="K", casting="same_kind", subok=True),
    lambda t: t.astype("f4", order="K", subok=True, casting="unsafe"),
    lambda t: t.clip(0, 1, out=None),
    lambda t: ag.stack([t, t], out=None, casting="same_kind"),
])  # fmt: skip
def test_numpys_defaults_may_be_written_out(call):
    np.testing.assert_array_equal(np.asarray(call(Tensor(X))), np.asarray(call(X)))


# ----- NumPy's spellings -----
WHERE = X > 1
SPELLINGS = {
    "subtract": lambda f, x: f.subtract(x, 1) + f.multiply(x, 2) - f.divide(x, 4) + f.negative(x),
    "round": lambda f, x: f.round(x / 7, decimals=2),
    "round of a number of places": lambda f, x: f.round(x / 7, 1),
    "pad": lambda f, x: f.pad(x, ((1, 0), (0, 2)), constant_values=3.0),
    "pad with a mode": lambda f, x: f.pad(x, 1, "edge"),
    "pad by axis": lambda f, x: f.pad(x, ((0, 0), (1, 1)), mode="constant", constant_values=(1.0, 2.0)),
    "sum of a dtype": lambda f, x: f.sum(x, dtype="f4"),
    "sum where": lambda f, x: f.sum(x, axis=0, where=WHERE, initial=2.0),
    "prod where": lambda f, x: f.prod(x, 1, where=WHERE),
    "mean where": lambda f, x: f.mean(x, axis=1, where=X > -1),
    "var where": lambda f, x: f.var(x, where=WHERE, ddof=1),
    "std": lambda f, x: f.std(x, axis=-1, ddof=1, keepdims=True),
    "max where": lambda f, x: f.max(x, where=WHERE, initial=-9.0),
    "clip": lambda f, x: f.clip(x, min=1, max=3),
    "clip above": lambda f, x: f.clip(x, max=3),
    "clip between": lambda f, x: f.clip(x, a_min=1.0, a_max=None),
    "where": lambda f, x: f.where(WHERE, x, 0.0),
    "reshape": lambda f, x: f.reshape(x, shape=(3, 2)),
    "reshape in another order": lambda f, x: f.reshape(x, -1, order="F"),
    "an axis of NumPy's integers": lambda f, x: f.sum(x, axis=np.int64(-1)),
    "axes": lambda f, x: f.sum(x, axis=(0, np.int8(1)), keepdims=True),
    "concatenate": lambda f, x: f.concatenate([x, x], axis=None, dtype="f4"),
    "take_along_axis": lambda f, x: f.take_along_axis(x, np.array([5, 0]), axis=None),
    "squeeze": lambda f, x: f.squeeze(x[None], axis=0),
    "split": lambda f, x: f.split(x, indices_or_sections=3, axis=1)[1],
    "diagonal": lambda f, x: f.diagonal(x, axis1=1, axis2=0, offset=-1),
    "cumsum": lambda f, x: f.cumsum(x, axis=1, dtype="f4"),
    "dot": lambda f, x: f.dot(a=x, b=x.T),
    "outer": lambda f, x: f.outer(x, x[0]),
    "tensordot": lambda f, x: f.tensordot(x, x, axes=([0, 1], [0, 1])),
    "einsum": lambda f, x: f.einsum(x, [0, 1], x, [2, 1], [0, 2]),
    "astype": lambda f, x: f.astype(x, np.float32, copy=False),
    "roll": lambda f, x: f.roll(x, shift=2),
    "tril": lambda f, x: f.tril(x, k=1) + f.triu(m=x),
    "argmax": lambda f, x: f.argmax(x, axis=0, keepdims=True),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_numpys_spellings(name):
    given = [Tensor(X, requires_grad=True)]
    found, expected = SPELLINGS[name](ag, *given), SPELLINGS[name](np, X)
    assert isinstance(found, Tensor) and found.dtype == expected.dtype
    np.testing.assert_allclose(found.data, expected, rtol=1e-6 if found.dtype == np.float32 else 1e-15)
    compiled = ag.compile(lambda x: SPELLINGS[name](ag, x))(X)
    np.testing.assert_allclose(compiled, expected, rtol=1e-6 if found.dtype == np.float32 else 1e-15)


def test_where_takes_its_arguments_by_name():
    t = Tensor(X)
    assert ag.where(condition=t > 1, x=t, y=0.0).data.tolist() == np.where(X > 1, X, 0).tolist()
    assert [p.tolist() for p in ag.where(t > 1)] == [p.tolist() for p in np.where(X > 1)]
    with pytest.raises(errors.ArgumentError, match="both x and y"):
        ag.where(t > 1, t)


# ----- methods -----
BY_METHOD = {
    "ravel": lambda x: x.ravel(),
    "ravel, F": lambda x: x.ravel("F"),
    "flatten": lambda x: x.flatten(order="F"),
    "repeat": lambda x: x.repeat(2, axis=1),
    "round": lambda x: (x / 7).round(2),
    "all": lambda x: (x > 1).all(axis=0),
    "any": lambda x: (x > 4).any(1, keepdims=True),
    "argsort": lambda x: (-x).argsort(axis=-1),
    "argsort of all": lambda x: (-x).argsort(None, kind="stable"),
    "nonzero": lambda x: (x > 2).nonzero()[0],
    "cumprod": lambda x: x.cumprod(axis=1),
    "cumsum": lambda x: x.cumsum(),
    "trace": lambda x: x.trace(1),
    "take": lambda x: x.take([0, 5, 5]),
    "take along": lambda x: x.take([2, 0], axis=1, mode="raise"),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x[None].squeeze(axis=0),
    "var": lambda x: x.var(0, None, None, 1, True),
    "std": lambda x: x.std(axis=1, ddof=1),
    "mean": lambda x: x.mean((0, 1), keepdims=True),
    "clip": lambda x: x.clip(1, 3),
    "clip above": lambda x: x.clip(max=3),
    "dot": lambda x: x.dot(x.T),
    "reshape": lambda x: x.reshape(3, 2),
    "reshape of a tuple": lambda x: x.reshape((3, -1)),
    "reshape, F": lambda x: x.reshape(-1, order="F"),
    "transpose": lambda x: x.transpose(1, 0),
    "transpose of a matrix by 0, 1": lambda x: x.transpose(0, 1),
    "transpose of a list": lambda x: x.reshape(1, 2, 3).transpose([2, 0, 1]),
    "diagonal": lambda x: x.diagonal(axis1=1, axis2=0),
    "compress": lambda x: x.compress([True, False], axis=0),
    "argmax": lambda x: x.argmax(0),
    "max": lambda x: x.max(axis=0, initial=4.0),
    "conj": lambda x: x.conj() + x.conjugate(),
    "searchsorted": lambda x: x[0].searchsorted([0.5, 1.5]),
    "choose": lambda x: (x[0] > 0).astype(int).choose([x[0], x[1]]),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_METHOD)
def test_methods_as_numpys(name):
    found, expected = BY_METHOD[name](Tensor(X, requires_grad=True)), BY_METHOD[name](X)
    assert np.asarray(getattr(found, "data", found)).dtype == expected.dtype
    np.testing.assert_allclose(getattr(found, "data", found), expected, rtol=1e-15)


def test_ptp():
    np.testing.assert_array_equal(Tensor(X).ptp(axis=1).data, np.ptp(X, axis=1))


def test_transpose_of_two_axes_out_of_more_names_swapaxes():
    t = Tensor(np.zeros((2, 3, 4, 5)))
    with pytest.raises(errors.ShapeError, match=r"write swapaxes\(2, 3\)"):
        t.transpose(2, 3)
    assert t.swapaxes(2, 3).shape == (2, 3, 5, 4)


# ----- lists of Tensors, wherever NumPy takes lists of arrays -----
LISTS = {
    "sum": lambda f, a, b: f.sum([a, b], axis=0),
    "mean": lambda f, a, b: f.mean([a, b]),
    "max": lambda f, a, b: f.max([a, b], axis=1),
    "matmul": lambda f, a, b: f.dot([a, b], [[1.0], [2.0], [3.0]]),
    "stack": lambda f, a, b: f.stack([a, b], axis=-1),
    "concatenate": lambda f, a, b: f.concatenate(([1.0], a, b)),
    "where": lambda f, a, b: f.where([True, False, True], [a[0], a[1], a[2]], b),
    "reshape": lambda f, a, b: f.reshape([a, b], (3, 2)),
    "transpose": lambda f, a, b: f.transpose([a, b]),
    "einsum": lambda f, a, b: f.einsum("ij,j", [a, b], b),
    "nested": lambda f, a, b: f.cumsum([[a, b], [b, a]], axis=2),
    "clip": lambda f, a, b: f.clip([a, b], 0.0, 1.0),
    "outer": lambda f, a, b: f.outer([a[0], a[1]], b),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("space", [ag, anp], ids=["autograd", "autograd.numpy"])
def test_lists_of_tensors(space, name):
    a, b = Tensor([0.5, 1.5, -1.0], requires_grad=True), Tensor([2.0, 0.25, 3.0], requires_grad=True)
    found, expected = LISTS[name](space, a, b), LISTS[name](np, a.data, b.data)
    assert isinstance(found, Tensor) and found.requires_grad
    np.testing.assert_allclose(found.data, expected, rtol=1e-15)
    found.sum().backward()
    assert a.grad is not None and b.grad is not None


def test_what_makes_arrays_of_tensors():
    t = Tensor([1.0, 2.0], requires_grad=True)
    cases = [
        (lambda f, x: f.full(3, x[1]), [3]),
        (lambda f, x: f.full((3, 2), x, dtype="f4"), [3, 2]),
        (lambda f, x: f.r_[x, 0.0, x[::-1]], [5]),
        (lambda f, x: f.r_["0,2", x, x], [2, 2]),
        (lambda f, x: f.r_[0:1:3j, x], [5]),
        (lambda f, x: f.c_[x, 2 * x], [2, 2]),
    ]
    for call, shape in cases:
        found, expected = call(anp, t), call(np, t.data)
        assert isinstance(found, Tensor) and found.dtype == expected.dtype and list(found.shape) == shape
        np.testing.assert_array_equal(found.data, expected)
    assert type(anp.full(2, 1.0)) is np.ndarray and anp.r_[1, 2].tolist() == [1, 2]


# ----- running extrema by NumPy's spelling -----
@pytest.mark.parametrize("name", ["add", "multiply", "maximum", "minimum", "logaddexp"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_accumulate(name, axis):
    x = np.array([[0.5, -1.0, 2.0, 0.25], [1.5, 0.75, -0.5, 3.0], [-2.0, 1.0, 0.125, 1.25]])
    t = Tensor(x, requires_grad=True)
    for ufunc in (getattr(np, name), getattr(anp, name)):
        found = ufunc.accumulate(t, axis=axis)
        np.testing.assert_allclose(found.data, getattr(np, name).accumulate(x, axis), rtol=1e-14)
    assert ag.gradcheck(lambda t: getattr(np, name).accumulate(t, axis), t)


# ----- empty and single -----
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std", "argmax", "any", "all", "cumsum"])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_a_single_number_with_an_axis(name, axis):
    x = np.float64(2.5)
    for call in (lambda a: getattr(anp, name)(a, axis), lambda a: getattr(a, name)(axis)):
        try:
            expected = call(x)
        except np.exceptions.AxisError:
            with pytest.raises(errors.AxisError):
                call(Tensor(x))
            continue
        found = call(Tensor(x))
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(found.data, expected)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)])
def test_softmax_of_nothing_is_nothing(shape):
    for function in (ag.softmax, ag.log_softmax):
        t = Tensor(np.zeros(shape), requires_grad=True)
        y = function(t)
        assert y.shape == shape
        y.sum().backward()
        assert t.grad.shape == shape
    with np.errstate(all="ignore"):
        assert ag.logsumexp(Tensor(np.zeros((3, 0))), axis=1).data.tolist() == [-np.inf] * 3


@pytest.mark.parametrize(("left", "right"), [
    ((0, 3, 3), (3,)), ((0, 3, 3), (0, 3, 2)), ((0, 3, 3), (3, 2)), ((2, 0, 0), (2, 0, 1)), ((0, 0), (0,)),
    ((3, 3), (0, 3, 2)), ((3, 3), (3, 0)),
])  # fmt: skip
def test_empty_systems(left, right):
    a, b = np.zeros(left), np.ones(right)
    a[...] = np.eye(left[-1])
    t, u = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    y = ag.solve(t, u)
    np.testing.assert_array_equal(y.data, np.linalg.solve(a, b))
    y.sum().backward()
    assert t.grad.shape == left and u.grad.shape == right
    assert ag.compile(ag.solve)(a, b).shape == y.shape


@pytest.mark.parametrize("name", ["inv", "det", "cholesky", "slogdet"])
@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 0), (0, 0)])
def test_empty_batches_of_matrices(name, shape):
    found, expected = getattr(ag, name)(Tensor(np.zeros(shape))), getattr(np.linalg, name)(np.zeros(shape))
    for one, other in zip(*([x] if name != "slogdet" else x for x in (found, expected)), strict=True):
        np.testing.assert_array_equal(one.data, other)
