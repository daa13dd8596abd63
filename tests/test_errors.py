"""Mistakes of users: each is refused before anything has changed, by a message that says what to write instead."""

import gc
import sys
import warnings

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, no_grad
from autograd.core import errors
from autograd.core.errors import ArgumentError, AutogradError, DTypeError, GraphError, ShapeError


def leaf(data, **settings):
    return Tensor(data, requires_grad=True, **settings)


def line():
    """The line this is called from."""
    return sys._getframe(1).f_lineno


def says(error, *parts):
    """The exception's text, which must hold every part."""
    text = str(error.value)
    for part in parts:
        assert str(part) in text, f"{part!r} is not in: {text}"
    return text


def test_every_error_is_ours_and_a_built_in_one():
    classes = [c for c in vars(errors).values() if isinstance(c, type) and c is not AutogradError]
    assert len(classes) > 10
    for c in classes:
        assert issubclass(c, AutogradError) and c.__doc__
        usual = (ValueError, TypeError, RuntimeError, ArithmeticError, ImportError, AssertionError, OSError)
        assert any(issubclass(c, b) for b in usual)


# ----- backward -----
def test_backward_of_something_that_is_no_scalar():
    x = leaf([1.0, 2.0, 3.0])
    with pytest.raises(GraphError) as error:
        (x * 2).backward()
    says(error, "shape (3,)", ".sum()", "gradient=")
    assert x.grad is None


def test_backward_without_history():
    for make in (lambda: Tensor(1.0), lambda: Tensor(1.0) * 2, lambda: leaf(1.0).detach() * 2):
        with pytest.raises(GraphError) as error:
            make().backward()
        says(error, "requires a gradient", "requires_grad=True", "no_grad()")
    with no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(GraphError):
        y.backward()


def test_backward_twice_names_the_first_and_the_cure():
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward()
    first = line() - 1
    before = x.grad.copy()
    with pytest.raises(GraphError) as error:
        loss.backward()
    text = says(error, f"{__file__}:{first}", "recompute the forward pass", "retain_graph=True")
    assert text.index("recompute") < text.index("retain_graph"), "the real cure comes first"
    np.testing.assert_array_equal(x.grad, before)


def test_backward_through_a_part_made_outside_the_loop_names_it():
    x = leaf([1.0, 2.0])
    h = x * x
    made = line() - 1
    h.name = "h"
    with pytest.raises(GraphError) as error:
        for scale in (1.0, 2.0):
            (h * scale).sum().backward()
    backward = line() - 1
    says(error, "'h'", "shape (2,)", f"'mul' at {__file__}:{made}", f"{__file__}:{backward}")
    says(error, "outside the loop", "retain_graph=True")


def test_a_second_pass_that_fails_leaves_the_gradients_alone():
    x, w = leaf(2.0), leaf(3.0)
    h = x * x
    (h * 1.0).backward()
    with pytest.raises(GraphError):
        (w * w + h * w).backward()
    assert x.grad == 4.0 and w.grad is None


def test_a_cotangent_of_the_wrong_shape():
    x = leaf([1.0, 2.0])
    with pytest.raises(ShapeError) as error:
        (x * 2).backward(np.ones((2, 1)))
    says(error, "(2, 1)", "(2,)")
    assert x.grad is None


def test_reading_the_gradient_of_a_result_says_how_to_keep_it():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.warns(UserWarning, match="keep_grads"):
        assert y.grad is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert x.grad == 4.0 and Tensor(1.0).grad is None


# ----- dtypes and data -----
@pytest.mark.parametrize("data", [np.array([1, 2, 3]), np.array([True]), np.int64(3), [1, 2], np.array([1j])])
def test_only_floats_carry_gradients(data):
    with pytest.raises(DTypeError) as error:
        Tensor(data, requires_grad=True)
    says(error, "float dtype", np.asarray(data).dtype, ".astype(float)")


def test_a_python_integer_with_gradient_becomes_a_float():
    x = leaf(3)
    assert x.dtype == np.float64
    (x * x).backward()
    assert x.grad == 6.0
    assert leaf([1, 2], dtype=float).dtype == np.float64


@pytest.mark.parametrize("data", ["abc", [None], [[1.0], [1.0, 2.0]], {"a": 1}, object()])
def test_what_is_no_array_of_numbers(data):
    with pytest.raises(DTypeError) as error:
        Tensor(data)
    says(error, type(data).__name__)


@pytest.mark.parametrize("other", ["a", None, {}, object()])
def test_operators_with_something_else(other):
    for operation in (lambda a, b: a + b, lambda a, b: b * a, lambda a, b: a @ b, lambda a, b: a**b):
        with pytest.raises(TypeError):
            operation(leaf([1.0]), other)


# ----- shapes: both operands and the line -----
def test_shapes_that_do_not_broadcast():
    x, w = leaf(np.ones((2, 3)), name="x"), Tensor(np.ones(4, np.float32), name="weights")
    for operation in (lambda a, b: a + b, lambda a, b: b * a, ag.maximum, lambda a, b: a > b, ag.divide):
        with pytest.raises(ShapeError) as error:
            operation(x, w)
        says(error, "x of shape (2, 3) float64", "weights of shape (4,) float32")
    with pytest.raises(ShapeError) as error:
        x - np.ones(4)
    says(error, f"'sub' at {__file__}:{line() - 1}", "(2, 3)", "(4,)")
    with pytest.raises(ShapeError) as error:
        np.ones(4) / x
    says(error, f"'div' at {__file__}:{line() - 1}", "(2, 3)", "(4,)")


MISFITS = [
    ("matmul", lambda x: x @ x, "(2, 3)"),
    ("matmul", lambda x: np.ones((2, 2)) @ x @ np.ones(2), "(2,)"),
    ("matmul", lambda x: x @ Tensor(2.0), "()"),
    ("concatenate", lambda x: ag.concatenate([x, np.ones((3, 3))], axis=1), "(3, 3)"),
    ("stack", lambda x: ag.stack([x, np.ones(3)]), "(3,)"),
    ("where", lambda x: ag.where(x > 0, x, np.ones(2)), "(2,)"),
    ("einsum", lambda x: ag.einsum("ij,ij->", x, np.ones((2, 2))), "(2, 2)"),
    ("broadcast_to", lambda x: x.at[0].set(Tensor([1.0, 2.0])), "(2,)"),
    ("reshape", lambda x: x.reshape(4, 2), "(2, 3)"),
    ("broadcast_to", lambda x: ag.broadcast_to(x, (3, 3)), "(2, 3)"),
    ("max", lambda x: x[:, :0].max(), "(2, 0)"),
    ("solve", lambda x: ag.solve(np.eye(3), x), "(2, 3)"),
]


@pytest.mark.parametrize(("name", "call", "shape"), MISFITS)
def test_operands_that_do_not_fit(name, call, shape):
    x = leaf(np.ones((2, 3)))
    with pytest.raises((ShapeError, ArgumentError)) as error:
        call(x)
    says(error, f"{name!r} at {__file__}:{call.__code__.co_firstlineno}", shape)


WRONG_ARGUMENTS = [
    (lambda x: x.sum(axis=2), "axis 2"),
    (lambda x: x.max(axis=(0, 0)), "(0, 0)"),
    (lambda x: x.reshape(-1, -1), "(-1, -1)"),
    (lambda x: x.reshape(4, -1), "(4, -1)"),
    (lambda x: x.squeeze(0), "axis 0"),
    (lambda x: ag.split(x, 2, axis=1), "2 equal sections"),
    (lambda x: x[0.5], "float64"),
    (lambda x: ag.take_along_axis(x, np.zeros((3, 3), int), 1), "(3, 3)"),
    (lambda x: ag.einsum("ij,jk", x), "2 operands"),
    (lambda x: ag.einsum("ijk->", x), "'ijk'"),
    (lambda x: ag.inv(x @ x.T * 0), "Singular"),
    (lambda x: ag.cholesky(-(x @ x.T) - np.eye(2)), "positive definite"),
]


@pytest.mark.parametrize(("call", "part"), WRONG_ARGUMENTS)
def test_arguments_outside_what_is_accepted(call, part):
    with pytest.raises(ArgumentError) as error:
        call(leaf(np.ones((2, 3))))
    says(error, part)


def test_an_index_out_of_range():
    x = leaf([1.0, 2.0])
    for key in (2, -3, [0, 7], (0, 0)):
        with pytest.raises(IndexError):
            x[key]


# ----- values and gradients that do not fit -----
def test_a_value_that_does_not_fit_changes_nothing():
    x = leaf([1.0, 2.0], name="x")
    wrong = ((np.ones(3), ShapeError), (5.0, ShapeError), (np.array([1j, 2]), DTypeError), (["a", "b"], DTypeError))
    for new, kind in wrong:
        with pytest.raises(kind) as error:
            x.data = new
        says(error, "'x'")
        with pytest.raises(kind):
            x.assign(new)
    assert x.data.tolist() == [1.0, 2.0]


def test_a_gradient_of_the_wrong_shape():
    x = leaf([1.0, 2.0])
    with pytest.raises(ShapeError) as error:
        x.grad = np.ones((2, 1))
    says(error, "(2, 1)", "(2,)")


def test_one_number_from_many():
    x = leaf([1.0, 2.0])
    with pytest.raises(ShapeError) as error:
        x.item()
    says(error, "2", ".numpy()")
    for convert in (bool, float, int):
        with pytest.raises((TypeError, ValueError)):
            convert(x)
    with pytest.raises(TypeError):
        len(leaf(1.0))


# ----- NumPy functions without a gradient here -----
def test_a_ufunc_without_a_rule_is_named():
    x = leaf([0.1, 0.2])
    with pytest.raises(DTypeError) as error:
        np.nextafter(x, 1.0)
    says(error, "numpy.nextafter", "autograd", ".numpy()")
    with pytest.raises(DTypeError) as error:
        np.add.reduceat(x, [0, 1])
    says(error, "numpy.add.reduceat", "autograd", ".numpy()")
    with pytest.raises(DTypeError) as error:
        np.exp(x, out=np.empty(2))
    says(error, "numpy.exp", "out")


def test_a_result_cannot_flow_into_an_array_unnoticed():
    array = np.zeros(2)
    with pytest.raises(DTypeError):
        array += leaf([1.0, 2.0])
    assert array.tolist() == [0, 0]


# ----- what an error leaves behind -----
def test_an_error_keeps_no_graph_alive():
    x = leaf([1.0, 2.0])
    y = x * 2
    assert [held for held in gc.get_referrers(x) if isinstance(held, tuple)]
    with pytest.raises(ShapeError):
        y + np.ones(3)
    del y
    assert not [held for held in gc.get_referrers(x) if isinstance(held, tuple)]  # (the inputs of what it went into)
