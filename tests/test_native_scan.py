"""Running sums and places of extremes in machine code: those of NumPy, nan, ties and signs of zero included."""

import numpy as np
import pytest

import autograd as ag

RNG = np.random.default_rng(8)
NAN = np.array([[1.0, np.nan, 3.0, np.nan], [-0.0, 0.0, np.inf, -np.inf], [2.0, 2.0, -np.nan, 5.0]])
ARRAYS = {
    "matrix": RNG.normal(size=(5, 7)),
    "block": RNG.normal(size=(3, 4, 5)),
    "ties": RNG.integers(0, 3, (6, 9)).astype(float),
    "nan": NAN,
    "negative zeros": np.full((2, 3), -0.0),
    "single": np.array([[4.0]]),
    "integers": RNG.integers(-5, 5, (4, 6)),
    "short integers": RNG.integers(-100, 100, (4, 60)).astype(np.int8),
    "bools": RNG.random((4, 6)) < 0.5,
    "number": np.array(3.0),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_axis_of_every_array(dtype):
    arrays = {k: x.astype(dtype) if x.dtype == float else x for k, x in ARRAYS.items()}

    def along(x, compute):
        return [compute(x, axis, keep) for axis in (None, *range(np.ndim(x))) for keep in (False, True)]

    def function(given):
        return {
            name: [
                along(x, lambda x, axis, keep: ag.argmax(x, axis, keepdims=keep)),
                along(x, lambda x, axis, keep: ag.argmin(x, axis, keepdims=keep)),
                [ag.cumsum(x, axis) for axis in (None, *range(np.ndim(x)))],
            ]
            for name, x in given.items()
        }

    step = ag.compile(function, backend="native")
    found = step(arrays)
    assert "NumPy" not in step.explain() and "scan: argmax" in step.explain()
    with np.errstate(invalid="ignore"):
        for name, x in arrays.items():
            largest, smallest, sums = found[name]
            for got, want in [
                *zip(largest, along(x, lambda x, axis, keep: np.argmax(x, axis, keepdims=keep)), strict=True),
                *zip(smallest, along(x, lambda x, axis, keep: np.argmin(x, axis, keepdims=keep)), strict=True),
                *zip(sums, [np.cumsum(x, axis) for axis in (None, *range(x.ndim))], strict=True),
            ]:
                assert got.dtype == want.dtype, name
                assert np.array_equal(got.data, want, equal_nan=want.dtype.kind == "f"), name
                assert np.array_equal(np.signbit(got.data), np.signbit(want)) or np.isnan(want).any(), name


def test_the_share_of_right_answers_is_counted_in_the_loop_over_steps():
    w = ag.Tensor(RNG.normal(size=(4, 3)), requires_grad=True)
    x, labels = RNG.normal(size=(50, 4)), RNG.integers(0, 3, 50)

    @ag.compile(backend="native")
    def step(x, labels):
        logits = x @ w
        loss = -ag.take_along_axis(ag.log_softmax(logits, axis=1), labels[:, None], axis=1).mean()
        w.grad = None
        loss.backward()
        w.data = w.data - 0.5 * w.grad
        return loss, (ag.argmax(logits, axis=1) == labels).mean()

    before = w.numpy()
    losses, right = step.repeat(30, x, labels)
    assert step.looped and losses[-1] < losses[0]
    assert right[0] == (np.argmax(x @ before, axis=1) == labels).mean()
