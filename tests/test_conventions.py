"""The table of conventions: what a derivative is where mathematics leaves a choice.  Each row is a test."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor

INF, NAN = np.inf, np.nan

# what is decided, the function, the points, the gradient of the sum at them
TABLE = [
    # kinks
    ("relu'(0) = 0", ag.relu, [-1.0, 0.0, 2.0], [0, 0, 1]),
    ("abs'(0) = 0", ag.abs, [-1.0, 0.0, 2.0], [-1, 0, 1]),
    ("leaky_relu'(0) = slope", lambda x: ag.leaky_relu(x, 0.1), [-1.0, 0.0, 2.0], [0.1, 0.1, 1]),
    ("clip passes the gradient at its bounds", lambda x: ag.clip(x, -1, 1), [-2.0, -1.0, 1.0, 2.0], [0, 1, 1, 0]),
    ("clip with one bound", lambda x: ag.clip(x, max=1), [-2.0, 1.0, 2.0], [1, 1, 0]),
    ("norm'(0) = 0", ag.norm, [0.0, 0.0], [0, 0]),
    ("norm'(0) = 0 row by row", lambda x: ag.norm(ag.reshape(x, (2, 2)), axis=1), [0.0, 0.0, 0.0, 4.0], [0, 0, 0, 1]),
    # ties
    ("max shares a tie equally", ag.max, [3.0, 1.0, 3.0, 3.0], [1 / 3, 0, 1 / 3, 1 / 3]),
    ("min shares a tie equally", ag.min, [1.0, 3.0, 1.0], [0.5, 0, 0.5]),
    ("max shares along each axis by itself", lambda x: ag.max(ag.reshape(x, (2, 2)), axis=0),
     [1.0, 2.0, 1.0, 5.0], [0.5, 0, 0.5, 1]),
    ("maximum shares a tie with a constant", lambda x: ag.maximum(x, 2.0), [1.0, 2.0, 3.0], [0, 0.5, 1]),
    ("minimum shares a tie with a constant", lambda x: ag.minimum(2.0, x), [1.0, 2.0, 3.0], [1, 0.5, 0]),
    ("maximum of x with itself", lambda x: ag.maximum(x, x), [1.0, 2.0], [1, 1]),
    # steps
    ("sign, floor, ceil and round are constants", lambda x: x * (ag.sign(x) + ag.floor(x) + ag.ceil(x) + ag.round(x)),
     [1.5, -1.0], [1 + 1 + 2 + 2, -1 - 1 - 1 - 1]),
    ("comparisons are constants", lambda x: x * (x > 1), [0.5, 1.0, 2.0], [0, 0, 1]),
    ("// is a constant", lambda x: x * (x // 1), [2.5], [2]),
    ("x % b has slope 1", lambda x: x % 2.0, [3.0, 4.0, -1.0], [1, 1, 1]),
    # powers and poles
    ("sqrt'(0) = inf", ag.sqrt, [0.0, 4.0], [INF, 0.25]),
    ("x ** 0.5 at 0", lambda x: x**0.5, [0.0, 4.0], [INF, 0.25]),
    ("x ** 0 is constant, at 0 too", lambda x: x**0, [0.0, 2.0, -1.0], [0, 0, 0]),
    ("x ** 1 at 0", lambda x: x**1, [0.0, 2.0], [1, 1]),
    ("x ** 2 at 0 and below", lambda x: x**2, [0.0, -3.0], [0, -6]),
    ("0 ** p does not depend on p > 0", lambda p: 0.0**p, [1.0, 2.0], [0, 0]),
    ("(-2) ** p has no derivative by p", lambda p: (-2.0) ** p, [2.0], [NAN]),
    ("1 / x at 0", lambda x: 1 / x, [2.0, 0.0], [-0.25, -INF]),
    ("log'(0) = inf", ag.log, [0.0, 2.0], [INF, 0.5]),
    ("std of equal elements: sqrt'(0) times 0", ag.std, [1.0, 1.0], [NAN, NAN]),
    # zeros and repeats
    ("prod with one zero", ag.prod, [2.0, 0.0, 3.0], [0, 6, 0]),
    ("prod with two zeros", ag.prod, [0.0, 2.0, 0.0], [0, 0, 0]),
    ("repeated indices add up", lambda x: x[[0, 0, 2, 0]], [1.0, 1.0, 1.0], [3, 0, 1]),
    ("repeated indices add up along an axis", lambda x: ag.take_along_axis(x, [1, 1], 0), [1.0, 1.0], [0, 2]),
    # branches
    ("where sends the gradient to the chosen side", lambda x: ag.where(x > 0, 2 * x, 3 * x), [0.0, 1.0], [3, 2]),
    ("where cannot stop 0 * inf elsewhere", lambda x: ag.where(x > 0, ag.sqrt(x), 0.0), [0.0, 4.0], [NAN, 0.25]),
    ("a safe input can", lambda x: ag.where(x > 0, ag.sqrt(ag.where(x > 0, x, 1.0)), 0.0), [0.0, 4.0], [0, 0.25]),
    ("max over nan is nan", ag.max, [1.0, NAN], [NAN, NAN]),
    # saturation
    ("sigmoid far out", ag.sigmoid, [-1e4, 0.0, 1e4], [0, 0.25, 0]),
    ("softplus far out", ag.softplus, [-1e4, 0.0, 1e4], [0, 0.5, 1]),
    ("tanh far out", ag.tanh, [-1e4, 0.0, 1e4], [0, 1, 0]),
    ("softmax of a large logit", lambda x: ag.softmax(x) * np.array([1.0, 0.0]), [1e4, 0.0], [0, 0]),
    ("log_softmax of a large logit", lambda x: ag.log_softmax(x)[1], [1e4, 0.0], [-1, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("function", "points", "gradient"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_convention(function, points, gradient):
    for dtype in (np.float64, np.float32):
        x = Tensor(points, requires_grad=True, dtype=dtype)
        with np.errstate(all="ignore"):
            y = function(x)
        y.sum().backward()
        np.testing.assert_array_equal(x.grad, np.array(gradient, dtype))


def test_every_row_is_decided_once():
    assert len({row[0] for row in TABLE}) == len(TABLE)


def test_a_tie_of_two_tensors_is_shared():
    for function in (ag.maximum, ag.minimum):
        a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([1.0, 2.0], requires_grad=True)
        function(a, b).sum().backward()
        assert a.grad.tolist() == b.grad.tolist() == [0.5, 0.5]


def test_clip_gives_its_bounds_what_it_takes_from_x():
    x = Tensor([-3.0, -1.0, 0.0, 1.0, 3.0], requires_grad=True)
    low, high = Tensor(-1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    ag.clip(x, low, high).sum().backward()
    assert (x.grad.tolist(), low.grad, high.grad) == ([0, 1, 1, 1, 0], 1, 1)


def test_clip_with_bounds_crossed_is_the_upper_one():
    x, low, high = (Tensor(v, requires_grad=True) for v in (0.0, 2.0, -1.0))
    y = ag.clip(x, low, high)
    y.backward()
    assert (y.item(), x.grad, low.grad, high.grad) == (-1, 0, 0, 1)


def test_argmax_and_argmin_take_the_first():
    assert ag.argmax(np.array([1.0, 5.0, 5.0])) == 1 and ag.argmin(np.array([2.0, 1.0, 1.0])) == 1


def test_round_goes_to_even():
    assert ag.round(np.array([0.5, 1.5, 2.5, -0.5])).tolist() == [0, 2, 2, 0]


def test_the_gradient_of_a_symmetric_matrix_is_symmetric():
    x = Tensor([[2.0, 0.5], [0.5, 1.0]], requires_grad=True)
    ag.cholesky(x).sum().backward()
    np.testing.assert_array_equal(x.grad, x.grad.T)


def test_no_warning_comes_from_a_gradient_that_nobody_asked_for():
    """x ** 3 has a logarithm in the rule of its exponent, sqrt a pole: neither may be heard."""
    x = Tensor([-1.0, 0.0, 2.0], requires_grad=True)
    (x**3).sum().backward()
    ag.sqrt(ag.maximum(x, 0.0)).sum().backward()
    assert np.isfinite(x.grad[[0, 2]]).all()
