"""detect_anomaly: the first bad number is found where it is made, forward and backward; hidden writes are found."""

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.core.errors import InplaceError, NonFiniteError


def test_the_first_bad_operation_is_named_with_its_line_and_the_range_of_its_inputs():
    x = Tensor([1.0, 800.0], requires_grad=True)
    with ag.detect_anomaly(), pytest.raises(NonFiniteError) as caught, np.errstate(all="ignore"):
        ag.exp(x).sum()
    message = str(caught.value)
    assert "'exp'" in message
    assert "test_anomaly.py:" in message
    assert "inf at [1]" in message
    assert "1..800" in message


def test_a_bad_gradient_behind_where_names_the_operation_and_the_safe_pattern():
    x = Tensor([0.0, 4.0], requires_grad=True)
    with ag.detect_anomaly(), pytest.raises(NonFiniteError, match=r"'sqrt'.*where\(ok, f\(where"):
        ag.where(x > 0, ag.sqrt(x), 0.0).sum().backward()
    safe = ag.where(x > 0, ag.sqrt(ag.where(x > 0, x, 1.0)), 0.0)
    with ag.detect_anomaly():
        safe.sum().backward()
    assert x.grad.tolist() == [0.0, 0.25]


def test_a_write_behind_the_tensor_is_found():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with ag.detect_anomaly():
        y = (x * x).sum()
        x.data[0] = 5.0
        with pytest.raises(InplaceError, match="behind its tensor"):
            y.backward()


def test_nothing_is_reported_where_all_is_well_and_results_are_the_same():
    def gradient():
        x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        ag.mean(ag.tanh(x @ x) * 2).backward()
        return x.grad

    with ag.detect_anomaly():
        watched = gradient()
    assert np.array_equal(watched, gradient())
