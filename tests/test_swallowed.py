"""A refusal that the traced or transformed code catches ends the run all the same: the other branch is another function."""

import contextlib

import numpy as np
import pytest

import autograd as ag
from autograd.core.errors import AutogradError, TraceError

X = np.array([1.0, 2.0, 4.0])


def _float(x):
    try:
        x = x / float(np.linalg.norm(x))
    except Exception:
        return x
    return x


def _suppressed(x):
    with contextlib.suppress(Exception):
        x = x / float(np.linalg.norm(x))
    return x


def _reraised(x):
    try:
        return x / float(np.linalg.norm(x))
    except Exception as error:
        raise KeyError("norm") from error


def _written(x):
    y = x * 1
    try:
        y[0] = 5.0
    except Exception:
        y = x
    return y


def _array(x):
    try:
        return np.array([x[0], x[1]]) * 2
    except Exception:
        return x


def _fourier(x):
    try:
        return np.fft.fft(x * 1).real
    except Exception:
        return x


def _finally(x):
    for _ in range(1):
        try:
            x = x * int(x[0])
        finally:
            continue  # noqa: B012 (that is what is tested)
    return x


SWALLOWING = [_float, _suppressed, _reraised, _written, _array, _fourier]
TRANSFORMATIONS = {
    "compile": lambda f: ag.compile(f, backend="numpy"),
    "trace": lambda f: lambda x: ag.trace(f, x),
    "vmap": lambda f: lambda x: ag.vmap(f)(np.stack([x, x])),
    "grad": lambda f: ag.grad(lambda x: f(x).sum()),
    "value_and_grad of several": lambda f: lambda x: ag.value_and_grad(lambda x, y: f(x).sum() + y, (0, 1))(x, 1.0),
    "jacobian": lambda f: ag.jacobian(f),
    "vjp": lambda f: lambda x: ag.vjp(f, x),
    "jvp": lambda f: lambda x: ag.jvp(f, (x,), (x,)),
    "hvp": lambda f: lambda x: ag.hvp(lambda x: f(x).sum(), x, x),
}


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
@pytest.mark.parametrize("function", SWALLOWING, ids=lambda f: f.__name__)
def test_a_caught_refusal_is_raised_at_the_end(function, transformation):
    with pytest.raises(AutogradError) as found:
        TRANSFORMATIONS[transformation](function)(X.copy())
    assert isinstance(found.value, TraceError) == (transformation in ("compile", "trace"))


def test_also_where_finally_drops_the_error():
    with pytest.raises(TraceError, match="int"):
        ag.compile(_finally)(X)


def test_a_refusal_in_an_inner_transformation_reaches_the_trace():
    def step(x):
        try:
            return ag.grad(lambda x: x.sum() * float(ag.stop_gradient(x).sum() if False else X.sum()))(x) * int(x[0])
        except Exception:
            return x

    with pytest.raises(TraceError, match="int"):
        ag.compile(step)(X)

    def rows(x):
        try:
            return ag.grad(lambda x: x.sum() if x[0] > 0 else -x.sum())(x)
        except Exception:
            return x

    with pytest.raises(AutogradError):
        ag.vmap(rows)(np.stack([X, -X]))


def test_errors_that_plain_code_meets_too_may_be_caught():
    def shaped(x):
        try:
            return x + np.ones(5)
        except ValueError:
            return x * 2

    def asked(x):
        return x * getattr(x, "nothing", 3.0)

    def missing(x):
        try:
            return x * {}["scale"]
        except KeyError:
            return x * 4

    for function, factor in ((shaped, 2), (asked, 3), (missing, 4)):
        for transform in (ag.compile(function), lambda x, f=function: ag.vmap(f)(x[None])[0]):
            assert np.array_equal(transform(X), X * factor)
        assert np.array_equal(ag.grad(lambda x, f=function: f(x).sum())(X), np.full(3, float(factor)))


def test_the_next_run_is_not_the_refused_one():
    step = ag.compile(lambda x, flag: _float(x) if flag else x * 2)
    with pytest.raises(TraceError):
        step(X, True)
    assert np.array_equal(step(X, False), X * 2)
    mapped = ag.vmap(lambda x: x * 2)
    with pytest.raises(AutogradError):
        ag.vmap(_float)(X[None])
    assert np.array_equal(mapped(X), X * 2)


def test_advice_fits_what_was_wanted():
    def messages(function):
        with pytest.raises(TraceError) as found:
            ag.compile(function)(X)
        return str(found.value)

    def filled(x):
        out = np.zeros(3)
        out[0] = x[0]
        return out

    def written(x):
        y = x * 1
        y[0] = 5.0
        return y

    assert "numpy.stack" in messages(lambda x: np.array([x[0], x[1]]))
    assert "numpy.stack" in messages(filled)
    assert "autograd.where" in messages(lambda x: x if x[0] > 0 else -x)
    assert ",," not in messages(written)
    assert "Tensor(x).at[index].set(value).data" in messages(written)
    assert "cannot be traced" in messages(lambda x: np.fft.fft(x))
