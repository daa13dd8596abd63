"""Containers keep the order and the kind that the caller gave them, in every transformation, eager and compiled."""

import collections
import dataclasses
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import Tensor
from autograd.backends import native
from autograd.core import errors, tree

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]

ORDERS = [
    {"weight": 2.0, "bias": 10.0},
    {"bias": 10.0, "weight": 2.0},
    {1: 2.0, "a": 10.0},
    {"a": 10.0, 1: 2.0},
    {(0, 1): 2.0, None: 10.0},
    {2.5: 2.0, "b": 10.0, (): 3.0},
    collections.OrderedDict(b=2.0, a=10.0),
    collections.defaultdict(float, b=2.0, a=10.0),
    {f"w{i}": 1.0 + i for i in range(12)},
    {"outer": {"z": 2.0, "a": 10.0}, "inner": 3.0},
]


def in_order(held: Any) -> list[Any]:
    return [x for v in held.values() for x in (in_order(v) if isinstance(v, dict) else [v])]


def weighed(held):
    """A function in which the order matters: the i-th value counts 10**i."""
    return sum(10.0**i * v * v for i, v in enumerate(in_order(held)))


def slopes(held):
    return [10.0**i * 2 * v for i, v in enumerate(in_order(held))]


def as_arrays(held):
    return tree.map(np.asarray, held)


@pytest.mark.parametrize("held", ORDERS, ids=str)
def test_flatten_keeps_order_and_kind(held):
    leaves, structure = tree.flatten(held)
    assert leaves == in_order(held)
    again = tree.unflatten(structure, leaves)
    assert type(again) is type(held)
    assert list(again.items()) == list(held.items())
    hash(structure)
    if isinstance(held, collections.defaultdict):
        assert again["new"] == 0.0


@pytest.mark.parametrize("held", ORDERS, ids=str)
@pytest.mark.parametrize("box", [float, np.asarray, Tensor])
def test_derivatives_in_the_callers_order(held, box):
    given = tree.map(box, held)
    gradient = ag.grad(weighed)(given)
    assert list(gradient) == list(held)
    np.testing.assert_allclose([float(g) for g in in_order(gradient)], slopes(held))
    value, gradient = ag.value_and_grad(weighed)(given)
    assert float(value) == pytest.approx(weighed(held))
    assert list(gradient) == list(held)
    np.testing.assert_allclose([float(g) for g in in_order(ag.jacobian(weighed)(given))], slopes(held))
    y, pullback = ag.vjp(weighed, given)
    assert float(y) == pytest.approx(weighed(held))
    np.testing.assert_allclose([float(g) for g in in_order(pullback(np.float64(1.0))[0])], slopes(held))
    ones = tree.map(np.ones_like, held)
    assert float(ag.jvp(weighed, (given,), (ones,))[1]) == pytest.approx(sum(slopes(held)))


@pytest.mark.parametrize("held", ORDERS, ids=str)
def test_vmap_in_the_callers_order(held):
    given = tree.map(lambda v: np.array([v, 2 * v]), held)
    np.testing.assert_allclose(ag.vmap(weighed)(given), [weighed(held), 4 * weighed(held)])
    doubled = ag.vmap(lambda h: tree.map(lambda v: v * 2.0, h))(given)
    assert list(doubled) == list(held)
    np.testing.assert_array_equal(in_order(doubled), 2.0 * np.array(in_order(given)))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("held", ORDERS, ids=str)
def test_compiled_steps_follow_the_order(held, backend):
    step = ag.compile(weighed, backend=backend)
    results = ag.compile(lambda h: tree.map(lambda v: v * 2.0, h), backend=backend)
    for order in (held, dict(reversed(held.items())), held):
        for _ in range(2):
            assert float(step(as_arrays(order))) == pytest.approx(weighed(order))
            got = results(as_arrays(order))
            assert list(got) == list(order)
            np.testing.assert_array_equal([float(x) for x in in_order(got)], [2.0 * v for v in in_order(order)])
    assert step.trace_count <= 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_keyword_arguments_follow_the_order(backend):
    def weighed_words(**words):
        return weighed(words)

    step = ag.compile(weighed_words, backend=backend)
    derived = ag.grad(lambda x, **words: x * weighed(words))
    for words in ({"b": 2.0, "a": 10.0}, {"a": 10.0, "b": 2.0}):
        for _ in range(2):
            assert float(step(**words)) == pytest.approx(weighed(words))
            assert float(derived(1.0, **words)) == pytest.approx(weighed(words))
            mapped = ag.vmap(lambda x, **words: x * weighed(words))
            np.testing.assert_allclose(mapped(np.ones(2), **words), [weighed(words)] * 2)


def test_two_containers_are_matched_by_key():
    primal, tangent = {"b": np.array([2.0]), "a": np.array([10.0])}, {"a": np.array([1.0]), "b": np.array([0.0])}
    f = lambda h: h["a"] * 3.0 + h["b"] * 5.0  # noqa: E731
    np.testing.assert_array_equal(ag.jvp(f, (primal,), (tangent,))[1], [3.0])
    _, pullback = ag.vjp(lambda h: {"q": h["a"] * 3.0, "p": h["b"] * 5.0}, primal)
    (gradient,) = pullback({"p": np.array([0.0]), "q": np.array([1.0])})
    assert list(gradient) == ["b", "a"]
    np.testing.assert_array_equal(gradient["a"], [3.0])
    np.testing.assert_array_equal(gradient["b"], [0.0])
    nested = {"x": primal, "n": 3}
    direction = {"n": None, "x": tangent}
    np.testing.assert_array_equal(ag.jvp(lambda h: f(h["x"]), (nested,), (direction,))[1], [3.0])


def test_axes_are_matched_by_key():
    held = {"b": np.array([[1.0, 2.0], [3.0, 4.0]]), "a": np.array([10.0, 20.0])}
    got = ag.vmap(lambda h: h["b"].sum() + h["a"], in_axes=({"a": 0, "b": 1},))(held)
    np.testing.assert_array_equal(got, [14.0, 26.0])
    got = ag.vmap(lambda h: {"s": h["b"] * 1.0, "t": h["a"] * 1.0}, out_axes={"t": 0, "s": 1})(held)
    np.testing.assert_array_equal(got["s"], held["b"].T)
    with pytest.raises(errors.ArgumentError):
        ag.vmap(lambda h: h["b"], in_axes=({"a": 0, "c": 1},))(held)


@dataclasses.dataclass
class Doubled:
    x: Any
    kind: str = "plain"

    def __post_init__(self):
        self.x = self.x * 2.0
        self.note = 7


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: Any
    hidden: Any = dataclasses.field(init=False, default=3.0)


@dataclasses.dataclass(slots=True)
class Slotted:
    x: Any


class Pair(NamedTuple):
    x: Any
    y: Any = 1.0


class Sub(list):
    pass


@pytest.mark.parametrize(
    "held",
    [Doubled(3.0), Frozen(3.0), Slotted(3.0), Pair(3.0), Sub([3.0]), collections.Counter(a=3.0)],
    ids=lambda h: type(h).__name__,
)
def test_containers_are_made_again_as_they_were(held):
    leaves, structure = tree.flatten(held)
    again = tree.unflatten(structure, leaves)
    assert again == held
    assert type(again) is type(held)
    assert getattr(again, "note", None) == getattr(held, "note", None)
    read = (lambda h: h.x) if hasattr(held, "x") else lambda h: h["a" if isinstance(h, dict) else 0]
    assert float(ag.compile(lambda h: read(h) * 2.0)(held)) == 2.0 * read(held)
    got = ag.grad(lambda h: read(h) ** 2)(held)
    assert type(got) is type(held)
    assert float(read(got)) == 2.0 * read(held)


def test_parameters_of_a_model_may_be_an_argument():
    model = nn.MLP([2, 3, 1])

    def norm(parameters):
        return sum((p * p).sum() for p in parameters)

    expected = sum(float((p.data**2).sum()) for p in model.parameters())
    assert float(norm(model.parameters()).data) == pytest.approx(expected)
    assert float(ag.compile(norm)(model.parameters())) == pytest.approx(expected)


def list_in_itself():
    held = [np.ones(2)]
    held.append(held)
    return held


def dict_in_itself():
    held = {"a": np.ones(2)}
    held["b"] = (held,)
    return held


@pytest.mark.parametrize("make", [list_in_itself, dict_in_itself])
def test_a_container_that_holds_itself_is_refused(make):
    x = np.ones(2)
    for call in (
        lambda: ag.grad(lambda held: 1.0)(make()),
        lambda: ag.vmap(lambda held: 1.0)(make()),
        lambda: ag.vjp(lambda x: make(), x),
        lambda: ag.checkpoint(lambda held: x)(make()),
        lambda: ag.compile(lambda held: x)(make()),
        lambda: ag.compile(lambda x: make())(x),
    ):
        with pytest.raises(errors.ArgumentError, match="holds itself"):
            call()
