"""Writes inside transformations: every way of writing, on every kind of tensor, in every transformation, right or refused."""

import copy

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors

X = np.array([1.0, 2.0, 4.0])
V = np.array([1.0, 10.0, 100.0])

# How a transformation is asked for the derivative of sum(f(x)**2) by x, along V where it takes a direction.
TRANSFORMS = {
    "grad": lambda f, x: ag.grad(lambda x: (f(x) ** 2).sum())(x),
    "grad of a container": lambda f, x: ag.grad(lambda p: (f(p["x"]) ** 2).sum())({"x": x})["x"],
    "value_and_grad": lambda f, x: ag.value_and_grad(lambda x: (f(x) ** 2).sum())(x)[1],
    "vjp": lambda f, x: ag.vjp(lambda x: f(x) ** 2, x)[1](np.ones(3))[0],
    "jvp": lambda f, x: ag.jvp(lambda x: f(x) ** 2, (x,), (V,))[1],
    "jacobian": lambda f, x: ag.jacobian(lambda x: f(x) ** 2)(x),
    "hessian": lambda f, x: ag.hessian(lambda x: (f(x) ** 3).sum())(x),
    "hvp": lambda f, x: ag.hvp(lambda x: (f(x) ** 3).sum(), x, V),
    "vmap": lambda f, x: ag.vmap(lambda x: f(x) ** 2)(np.stack([x, 2 * x])),
    "vmap of grad": lambda f, x: ag.vmap(ag.grad(lambda x: (f(x) ** 2).sum()))(np.stack([x, 2 * x])),
    "grad of checkpoint": lambda f, x: ag.grad(lambda x: (ag.checkpoint(f)(x) ** 2).sum())(x),
    "grad of grad": lambda f, x: ag.grad(lambda x: ag.grad(lambda x: (f(x) ** 3).sum())(x).sum())(x),
}
GIVEN = {"array": np.array, "Tensor": Tensor, "variable": lambda x: Tensor(x, requires_grad=True)}


def run(statement, **names):
    """Carry out a statement on x; returns what x is bound to then."""
    exec(compile(statement, __file__, "exec"), {"np": np, "ag": ag, "Tensor": Tensor, "copy": copy}, names)
    return names["x"]


# Statements on the argument itself; None: refused wherever it stands, else what the function computes, out of place.
ON_THE_ARGUMENT = {
    "x[1] = 3.0": None,
    "x[...] = 0.0": None,
    "x[[0, 2]] = np.zeros(2)": None,
    "x[x.data > 1] = 0.0": None,
    "x[0] += 1": None,
    "x[0] = x[1]": None,
    "x[0] = x[1] * 2": None,
    "x[:2] = [x[1], x[2]]": None,
    "x.data = x.data * 2": None,
    "x.data = x * 2": None,
    "x.data -= 1": None,
    "x.data *= 0": None,
    "x.data[1] = 3.0": None,
    "x.data[:] = 0.0": None,
    "x.data.fill(0.0)": None,
    "np.copyto(x.data, 0.0)": None,
    "np.add(x.data, 1.0, out=x.data)": None,
    "np.copyto(x, 0.0)": None,
    "np.put(x, [0], 1.0)": None,
    "x.assign(np.zeros(3))": None,
    "x.assign(x * 2)": None,
    "x += 1": lambda x: x + 1,
    "x *= x": lambda x: x * x,
    "x -= x[0]": lambda x: x - x[0],
    "x = x.at[1].set(3.0)": lambda x: x * np.array([1.0, 0.0, 1.0]) + np.array([0.0, 3.0, 0.0]),
    "x = x.at[0].add(x[1])": lambda x: x + x[1] * np.array([1.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("statement", ON_THE_ARGUMENT)
def test_on_the_argument(statement, name, kind):
    x, before = GIVEN[kind](X), X.copy()
    plain = ON_THE_ARGUMENT[statement]
    if plain is None:
        with pytest.raises((errors.AutogradError, ValueError, AttributeError)):
            TRANSFORMS[name](lambda x: run(statement, x=x) * 1.0, x)
    else:
        found = TRANSFORMS[name](lambda x: run(statement, x=x) * 1.0, x)
        np.testing.assert_allclose(np.asarray(found), np.asarray(TRANSFORMS[name](plain, X)), rtol=1e-14)
    np.testing.assert_array_equal(np.asarray(x), before)
    if kind == "array":
        x[0] = 5.0  # the caller's own, still


# Statements on a result y = x * x of the argument, before it goes on.
ON_A_RESULT = [
    "y[1] = 3.0", "y[0] = x[1]", "y[0] += 1", "y.data = y.data * 3", "y.data = x * 3", "y.data -= 1", "y.data[0] = 9.0",
    "y.assign(np.zeros(3))", "np.copyto(y, 0.0)", "np.copyto(y.data, 0.0)",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "vmap"])
@pytest.mark.parametrize("statement", ON_A_RESULT)
def test_on_a_result(statement, name):
    def f(x):
        y = x * x
        run(statement, x=x, y=y)
        return y * 2.0

    with pytest.raises((errors.AutogradError, ValueError, AttributeError)):
        TRANSFORMS[name](f, X)


@pytest.mark.parametrize("statement", ON_A_RESULT)
def test_on_a_result_outside_of_transformations(statement):
    x = Tensor(X, requires_grad=True)
    y = x * x
    with pytest.raises((errors.AutogradError, ValueError, AttributeError)):
        run(statement, x=x, y=y)
        (y * 2.0).sum().backward()
    assert x.grad is None


@pytest.mark.parametrize("statement", ON_A_RESULT)
def test_on_a_result_of_a_row_of_vmap(statement):
    """Without a derivative the new value counts, where it can be given to all rows; elements cannot be written to."""

    def f(x):
        y = x * x
        run(statement, x=x, y=y)
        return y * 2.0

    right = {"y.data = y.data * 3": 6 * X * X, "y.data = x * 3": 6 * X, "y.data -= 1": 2 * X * X - 2}
    if (expected := right.get(statement, 0 * X if "assign" in statement else None)) is None:
        with pytest.raises(errors.AutogradError):
            ag.vmap(f)(X[None])
    else:
        assert ag.vmap(f)(X[None]).tolist() == [expected.tolist()]
        with pytest.raises(errors.InplaceError):
            ag.vmap(f)(Tensor(X[None], requires_grad=True)).sum().backward()


# Tensors that the function makes or finds: what depends on x may not get into them as a plain value.
INTO_OTHERS = [
    "b[0] = x[1]", "b[0] = x[1] * 2", "b[:2] = [x[1], 1.0]", "b[:2] = (x[0], x[1])", "b.data = x", "b.data = 2 * x",
    "b.assign(x)", "b[...] = x", "c[0] = x[1]", "c[:] = x", "c += x", "np.copyto(c, x)", "np.add(x, 1.0, out=c)",
    "b = Tensor(x)", "b = Tensor([x[0], x[1], 1.0])", "b = copy.copy(x * 1)", "b = copy.deepcopy(x)", "c = np.array(x)",
    "c = np.array([float(v) for v in x])",
]  # fmt: skip


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("name", [name for name in TRANSFORMS if name != "vmap"])
@pytest.mark.parametrize("statement", INTO_OTHERS)
def test_what_is_differentiated_is_not_written_elsewhere(statement, name, outside):
    b, c = Tensor(np.zeros(3)), np.zeros(3)

    def f(x):
        mine = {"x": x, "b": b, "c": c} if outside else {"x": x, "b": Tensor(np.zeros(3)), "c": np.zeros(3)}
        exec(compile(statement, __file__, "exec"), {"np": np, "Tensor": Tensor, "copy": copy}, mine)
        return mine["b"] * x + mine["c"]

    with pytest.raises((errors.AutogradError, ValueError)):  # (NumPy makes its own error of ours in c[0] = x[1])
        TRANSFORMS[name](f, X)
    assert not b.data.any() and not c.any()


# ----- outside of transformations -----
def test_a_value_that_requires_a_gradient_is_not_assigned_into_a_tensor():
    b = Tensor(5.0, requires_grad=True)
    for value in (b, b * 2, [b, 1.0, 2.0]):
        x = Tensor(X)
        with pytest.raises(errors.InplaceError, match=r"requires a gradient.*\.at\[index\]\.set\(v\).*detach"):
            x[0 if value is not None and not isinstance(value, list) else slice(None)] = value
        assert x.data.tolist() == X.tolist()
    x = Tensor(X, requires_grad=True)
    y = x.at[1].set(b)
    (y * y).sum().backward()
    assert b.grad == 10 and x.grad.tolist() == [2, 0, 8]
    with ag.no_grad():
        x[1] = b
    x[0] = b.detach()
    assert x.data.tolist() == [5, 5, 4]


def test_a_result_that_was_written_to_and_read_again_has_no_gradient():
    x = Tensor(X, requires_grad=True)
    y = x * x
    y.data = y.data * 3
    with pytest.raises(errors.InplaceError, match=r"made by 'mul' at .*given another value.*before 'sum'"):
        y.sum().backward()
    assert x.grad is None
    y = x * x
    z = y + 1.0
    y.data = y.data * 3  # nothing reads it any more, and neither rule needs it
    z.sum().backward()
    assert x.grad.tolist() == (2 * X).tolist()


def test_the_message_names_line_and_way_out():
    def f(x):
        x[1] = 3.0
        return (x * x).sum()

    with pytest.raises(errors.InplaceError, match=rf"{__file__}:\d+ writes into.*shape \(3,\).*x\.at\[index\]\.set"):
        ag.grad(f)(X)


def test_backward_inside_a_transformation_is_refused_where_a_derivative_would_be_lost():
    w = Tensor(2.0, requires_grad=True)

    def f(x):
        v = Tensor(3.0, requires_grad=True)
        (v * x * w).backward()
        return v.grad * 1.0

    with pytest.raises(errors.GraphError, match=r"backward\(\).*autograd\.grad"):
        ag.grad(f)(5.0)

    def unrelated(x):
        v = Tensor(3.0, requires_grad=True)
        (v * v).backward()
        return x * v.grad

    assert ag.grad(unrelated)(5.0) == 6
    assert w.grad is None


@pytest.mark.parametrize("statement", [s for s, plain in ON_THE_ARGUMENT.items() if plain is None])
def test_on_the_argument_of_a_function_that_is_compiled(statement):
    def step(x):
        return ag.grad(lambda x: (run(statement, x=x) ** 2).sum())(x)

    with pytest.raises((errors.AutogradError, ValueError, AttributeError)):
        ag.compile(step, backend="numpy")(X)


@pytest.mark.parametrize("requires_grad", [True, False])
def test_tensors_from_outside_may_be_updated_with_constants(requires_grad):
    """A side effect such as a running mean, done inside a function that is differentiated by something else."""
    seen = Tensor(np.zeros(3), requires_grad=requires_grad)

    def f(x):
        seen.data = 0.5 * seen.data + 0.5 * x.data
        return (x * x).sum()

    assert ag.grad(f)(X).tolist() == (2 * X).tolist()
    assert seen.data.tolist() == (X / 2).tolist()


def test_writing_after_vjp_is_refused_by_the_pullback():
    x = Tensor(X)
    _, pullback = ag.vjp(lambda x: x * x, x)
    x[1] = 9.0  # another value for x: the pullback keeps the old one
    assert pullback(np.ones(3))[0].data.tolist() == (2 * X).tolist()
    x = Tensor(X)
    _, pullback = ag.vjp(lambda x: x * x, x)
    x.data -= 1
    with pytest.raises(errors.InplaceError):
        pullback(np.ones(3))
