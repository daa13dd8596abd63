"""Transposed copies of every size beside the blocks they are made of."""

import numpy as np
import pytest

import autograd as ag


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.int16, np.bool_])
@pytest.mark.parametrize("shape", [(8, 8), (16, 16), (7, 40), (40, 7), (33, 50), (16, 129), (100, 100)], ids=str)
def test_a_transposed_copy_is_the_transpose(shape, dtype):
    x = np.random.default_rng(0).integers(-100, 100, size=shape).astype(dtype)
    step = ag.compile(lambda x: ag.concatenate([x.T, x.T], axis=1), backend="native")
    np.testing.assert_array_equal(step(x).data, np.concatenate([x.T, x.T], axis=1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("m", "n", "k"), [(16, 16, 16), (5, 70, 33), (64, 33, 9), (100, 128, 65), (1000, 64, 64)])
def test_products_with_a_transposed_matrix(m, n, k, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(n, k)).astype(dtype)
    step = ag.compile(lambda a, b: a @ b.T, backend="native")
    want = a.astype(float) @ b.astype(float).T
    tolerance = (1e-14 if dtype == np.float64 else 1e-5) * np.abs(want).max()
    np.testing.assert_allclose(step(a, b).data, want, rtol=0, atol=tolerance)
