"""Code that compares what kind of thing it was given takes the branch that it takes in eager mode, or is refused."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core import errors


def by_type(x):
    return x * 2.0 if type(x) is np.ndarray else x * 3.0


def by_type_of_number(x):
    return x * 2.0 if type(x) in (int, float) else x * 3.0


def by_equal_type(x):
    y = x * 1.0
    return y * 2.0 if type(y) == np.ndarray else y * 3.0  # noqa: E721


@pytest.mark.parametrize(
    ("function", "x"), [(by_type, np.ones(2)), (by_type_of_number, 2.0), (by_equal_type, np.ones(2))]
)
def test_a_type_that_is_compared_is_refused(function, x):
    with pytest.raises(errors.TraceError, match="isinstance"):
        ag.compile(function)(x)
    np.testing.assert_array_equal(ag.compile(function)(Tensor(np.ones(2))).data, [3.0, 3.0])


def test_a_number_that_varies_is_no_input_where_its_type_is_compared():
    rates = [0.1]

    def step(x):
        return x * rates[0] if type(rates[0]) is float else x * 100.0

    compiled = ag.compile(step)
    for rates[0] in (0.1, 0.2, 0.3, 1, 0.4):
        expected = 2.0 * rates[0] if type(rates[0]) is float else 200.0
        assert float(compiled(Tensor(2.0))) == pytest.approx(expected)
