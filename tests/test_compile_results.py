"""Compiled functions return what plain ones return: type for type, container for container."""

import collections
import dataclasses
import functools
import typing

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors, tree

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
A = np.arange(3.0) + 1
Pair = collections.namedtuple("Pair", "a b")
NET = nn.MLP([2, 3, 1], seed=0)


class Typed(typing.NamedTuple):
    u: object
    v: object


@dataclasses.dataclass
class Data:
    u: object
    v: object


def by_kind(x):
    if isinstance(x, Tensor):
        return x * 2
    if isinstance(x, np.ndarray):
        return x * 3
    if isinstance(x, np.floating):
        return x * 4
    if isinstance(x, float):
        return x * 5
    return x * 6


@functools.singledispatch
def dispatched(x):
    return x * 2


@dispatched.register
def _(x: np.ndarray):
    return x * 3


CASES = {
    "sum": (lambda x: x.sum(), [A]),
    "sum of a tensor": (lambda x: x.sum(), [Tensor(A)]),
    "float": (lambda a: a * 2, [1.5]),
    "floats": (lambda a: (a + 1, a / 3, a**2, -a, abs(a), a // 2, a % 1), [1.5]),
    "mixed": (lambda x, y: {"z": x * y, "a": (x, 1, "s", None, True), "p": Pair(x.sum(), y)}, [A, 2.0]),
    "dataclass": (lambda x: Data(x * 2, x.mean()), [A]),
    "named tuples": (lambda x: [Pair(x, 1), Typed(x + 1, 2.5)], [A]),
    "numpy's functions": (lambda x: np.sin(x) + np.float64(2), [A]),
    "float32": (lambda x: x * 2, [A.astype("f4")]),
    "float16": (lambda x: x * 2, [A.astype("f2")]),
    "NumPy's numbers": (lambda x: (x * 2, x), [np.float64(2)]),
    "integers": (lambda x: x + 1, [np.arange(3)]),
    "truths": (lambda x: x > 1, [A]),
    "what is constant": (lambda x: (x * 2, np.arange(3), 7, 2.5, "s"), [A]),
    "nothing": (lambda x: None, [A]),
    "value and grad": (ag.value_and_grad(lambda x: (x * x).sum()), [A]),
    "of tensors": (ag.value_and_grad(lambda x: (x * x).sum()), [Tensor(A)]),
    "of floats": (ag.value_and_grad(lambda x: x * x), [2.0]),
    "of dicts": (ag.value_and_grad(lambda p: (p["w"] * p["b"]).sum()), [{"w": A, "b": A + 1}]),
    "grad": (ag.grad(lambda x: (x * x).sum()), [A]),
    "hessian": (ag.hessian(lambda x: (x * x).sum()), [A]),
    "jacobian": (ag.jacobian(lambda x: x * x), [A]),
    "vmap": (ag.vmap(lambda x: x * x), [A]),
    "jvp": (lambda x: ag.jvp(lambda y: y * y, (x,), (x,)), [A]),
    "vjp": (lambda x: ag.vjp(lambda y: y * y, x)[1](x), [A]),
    "shape": (lambda x: (x.shape, x.ndim, x.size, len(x), x.dtype), [A]),
    "an item": (lambda x: x[0], [A]),
    "items": (lambda x: [v * 2 for v in x], [A]),
    "itself": (lambda x: x, [A]),
    "itself, a tensor": (lambda x: x, [Tensor(A)]),
    "a network": (lambda x: NET(x), [np.ones((2, 2))]),
    "where": (lambda x: np.where(x > 1, x, 0.0), [A]),
    "zeros": (lambda x: (np.zeros(3), np.zeros_like(x)), [A]),
    "a copy": (lambda x: x.copy(), [A]),
    "a dict": (lambda d: {k: v * 2 for k, v in d.items()}, [{"b": A, "a": 2.0}]),
    "joined": (lambda x: np.concatenate([x, x]), [A]),
    "another dtype": (lambda x: x.astype("f4"), [A]),
    "a tensor": (lambda x: Tensor(x) * 2, [A]),
    "a leaf": (lambda x: Tensor(x, requires_grad=True), [A]),
    "isinstance, array": (by_kind, [A]),
    "isinstance, tensor": (by_kind, [Tensor(A)]),
    "isinstance, float": (by_kind, [2.0]),
    "isinstance, NumPy's": (by_kind, [np.float32(2.0)]),
    "isinstance, computed": (lambda x: (by_kind(x + 1), by_kind(x.sum())), [A]),
    "single dispatch": (dispatched, [A]),
    "labels": (lambda z, t: nn.cross_entropy(z, t), [np.eye(3), np.array([0, 1, 2])]),
}


def assert_same(got, expected):
    (leaves, form), (wanted, wanted_form) = tree.flatten(got), tree.flatten(expected)
    assert form == wanted_form
    for leaf, other in zip(leaves, wanted, strict=True):
        assert type(leaf) is type(other)
        if isinstance(leaf, Tensor):
            leaf, other = leaf.data, other.data
        if isinstance(leaf, (np.ndarray, np.generic)):
            assert leaf.dtype == other.dtype
            np.testing.assert_allclose(leaf, other, rtol=1e-6 if leaf.dtype.itemsize < 8 else 1e-13)
        else:
            assert leaf == other


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CASES)
def test_results_are_those_of_the_plain_function(name, backend):
    function, arguments = CASES[name]
    step = ag.compile(function, backend=backend)
    for _ in range(3):
        assert_same(step(*arguments), function(*arguments))


def test_an_array_given_is_returned_itself_and_a_tensor_returned_twice_is_one():
    step = ag.compile(lambda x, y: (x, (lambda z: [z, z])(y * 2)))
    for _ in range(3):
        x, twice = step(A, Tensor(A))
        assert x is A
        assert twice[0] is twice[1]


def test_constants_are_new_arrays_at_every_call():
    step = ag.compile(lambda x: (x * 2, np.zeros(2)))
    for _ in range(3):
        zeros = step(A)[1]
        assert not zeros.any()
        zeros += 1


def test_an_array_after_a_tensor_takes_its_own_branch():
    step = ag.compile(by_kind)
    for x in (Tensor(A), A, Tensor(A), np.float64(2.0), 2.0, A):
        assert_same(step(x), by_kind(x))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "CG"])
def test_scipy_minimises_with_compiled_gradients(backend, method):
    optimize = pytest.importorskip("scipy.optimize")

    def rosenbrock(x):
        return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

    both = ag.compile(ag.value_and_grad(rosenbrock), backend=backend)
    value, gradient = both(np.zeros(4))
    assert type(value) is np.float64 and type(gradient) is np.ndarray
    found = optimize.minimize(both, np.zeros(4), jac=True, method=method)
    np.testing.assert_allclose(found.x, np.ones(4), atol=1e-4)
    assert both.trace_count == 1


class Opaque:
    def __init__(self, x):
        self.x = x


@pytest.mark.parametrize(
    "wrap", [Opaque, lambda x: lambda: x, lambda x: {1, Opaque(x)}, lambda x: functools.partial(max, x)]
)
def test_objects_that_hide_traced_values_are_not_returned(wrap):
    with pytest.raises(errors.TraceError, match="holds traced values"):
        ag.compile(lambda x: wrap(x * 2))(A)
