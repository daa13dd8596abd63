"""Random numbers in machine code: those of the generator, bit for bit, which is left where it would be."""

import threading

import numpy as np
import pytest

import autograd as ag


def dropping(rng, dtype=np.float64):
    """A step with dropout on a parameter that it changes."""
    w = ag.Tensor(np.ones((4, 50), dtype), requires_grad=True)

    def step(x):
        kept = rng.random(w.shape, dtype=dtype) < 0.8
        loss = (ag.where(kept, w * x, 0.0) ** 2).sum() * rng.random()
        w.grad = None
        loss.backward()
        w.data = w.data - 0.01 * w.grad
        return loss

    return step, w


BITS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


@pytest.mark.parametrize("bits", BITS)
def test_numbers_and_states_are_those_of_the_generator(bits):
    ours, theirs = np.random.Generator(bits(7)), np.random.Generator(bits(7))

    def step(rng):
        single = np.float32
        return [rng.random(5), rng.random((2, 3), dtype=single), rng.random(), rng.random(size=3, dtype=single),
                rng.random((0, 2)), rng.random(40)]  # fmt: skip

    compiled = ag.compile(lambda: [ag.Tensor(0.0) + x for x in step(ours)], backend="native")
    for _ in range(3):
        for got, want in zip(compiled(), step(theirs), strict=True):
            assert np.array_equal(got.data, want) and got.shape == np.shape(want)
    assert repr(ours.bit_generator.state) == repr(theirs.bit_generator.state)
    assert "through NumPy" not in compiled.explain() and "random numbers: draw" in compiled.explain()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dropout_trains_in_a_loop_within_machine_code(dtype):
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)
    function, w = dropping(ours, dtype)
    plain, expected = dropping(theirs, dtype)
    step = ag.compile(function, backend="native")
    losses = step.repeat(20, dtype(2))
    np.testing.assert_allclose(losses, [plain(dtype(2)).item() for _ in range(20)], rtol=100 * np.finfo(dtype).eps)
    np.testing.assert_allclose(w.data, expected.data, rtol=100 * np.finfo(dtype).eps)
    assert ours.bit_generator.state == theirs.bit_generator.state
    assert step._latest().loop.can_repeat


def test_other_methods_are_drawn_by_numpy_in_the_order_of_the_source():
    ours, theirs = np.random.default_rng(1), np.random.default_rng(1)

    def step(rng):
        return rng.random(3), rng.normal(size=2), rng.random(2), rng.integers(9, size=4), rng.random(1)

    compiled = ag.compile(lambda: [ag.Tensor(0) + x for x in step(ours)], backend="native")
    for _ in range(3):
        for got, want in zip(compiled(), step(theirs), strict=True):
            assert np.array_equal(got.data, want)


def test_two_threads_share_a_generator():
    rng, other = np.random.default_rng(3), np.random.default_rng(3)
    step = ag.compile(lambda: ag.Tensor(0.0) + rng.random(2000), backend="native")
    found = [step().data, step().data]  # (no trace is under way while the other thread draws)
    drawn = []

    def draw():
        for _ in range(200):
            drawn.append(rng.random(2000))

    thread = threading.Thread(target=draw)
    thread.start()
    found += [step().data for _ in range(199)]
    thread.join()
    rows = {row.tobytes() for row in (*found, *drawn)}
    assert rows == {other.random(2000).tobytes() for _ in range(401)}
