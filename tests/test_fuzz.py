"""Random programs give the same compiled as eager: values, gradients and updates, nan and infinities among them."""

import pytest

from tests.fuzz import close, mismatches, program, same_bits


def equal(a, b):
    """Every bit; or, where arrays of another memory layout were summed in another order, within rounding."""
    return same_bits(a, b) or close(a, b)


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_200_programs(first):
    found = {seed: mismatches(seed, equal=equal) for seed in range(first, first + 25)}
    assert {seed: what for seed, what in found.items() if what} == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(200, 3200, 250))
def test_3000_programs(first):
    found = {seed: mismatches(seed, equal=equal) for seed in range(first, first + 250)}
    assert {seed: what for seed, what in found.items() if what} == {}


def test_almost_all_agree_in_every_bit():
    assert [seed for seed in range(100) if mismatches(seed, steps=2)] == []


def test_a_seed_always_gives_the_same_program():
    assert program(7).text == program(7).text
    assert program(7).text != program(8).text


def test_the_programs_cover_the_operations():
    text = "".join(program(seed).text for seed in range(200))
    for part in ("@", ".T", "[rows]", "ag.where", "ag.sum", "ag.reshape", "ag.concatenate", "**", "einsum", "backward"):
        assert part in text


def test_differences_are_found():
    """The comparison itself: a wrong bit, a wrong sign of zero, a wrong dtype, a missing nan."""
    import numpy as np

    assert same_bits(np.array([np.nan, -0.0]), np.array([np.nan, -0.0]))
    assert not same_bits(0.0, -0.0)
    assert not same_bits(np.float32(1), np.float64(1))
    assert not same_bits(1.0, np.nextafter(1.0, 2.0))
    assert not close(np.array([np.nan, 1.0]), np.array([0.0, 1.0]))
    assert not close(np.ones(3), np.ones((3, 1)))
