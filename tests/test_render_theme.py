"""Colours: readable in both themes, told apart by everybody, exchanged without a collision; summaries of arrays."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograd import Tensor
from autograd.render import draw
from autograd.render.summary import MAX_BARS, MAX_CELLS, summarise
from autograd.render.theme import HEAT_STEPS, PALETTE, colours, dark_style

FILLS = ["paper", "operation", "input", "parameter", "output", "folded", "backward", "update"]
HEAT = [f"heat {step}" for step in range(-HEAT_STEPS, HEAT_STEPS + 1)]


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: str, second: str) -> float:
    """Contrast ratio as WCAG 2.2 defines it, 1 to 21."""
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_is_readable_on_every_fill(theme: str) -> None:
    colour = colours(theme)
    pairs = [(ink, fill) for ink in ("ink", "quiet", "grad") for fill in FILLS]
    pairs += [("quiet", "group"), ("ink", "nan"), *(("ink", heat) for heat in HEAT)]
    worst = {pair: ratio for pair in pairs if (ratio := contrast(colour(pair[0]), colour(pair[1]))) < 4.5}
    assert worst == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_border_and_edge_stands_out_from_what_is_behind_it(theme: str) -> None:
    colour = colours(theme)
    lines = [f"{fill} line" for fill in FILLS[1:]] + ["edge", "flow 4"]
    assert {
        line: contrast(colour(line), colour("paper")) for line in lines if contrast(colour(line), colour("paper")) < 3
    } == {}


def test_no_light_colour_stands_for_two_dark_ones() -> None:
    pairs = set(PALETTE.values())
    assert len({light for light, _ in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "matrix",
    [  # Viénot, Brettel and Mollon (1999), linear RGB
        [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
        [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
    ],
    ids=["protanopia", "deuteranopia"],
)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_signs_and_kinds_stay_apart_for_the_colour_blind(matrix: list[list[float]], theme: str) -> None:
    def seen(role: str) -> np.ndarray:
        return np.array(matrix) @ [(int(colours(theme)(role)[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]

    kinds = ["heat -5", "heat 0", "heat 5"]
    for first, second in [*itertools.combinations(kinds, 2), ("input line", "parameter line")]:
        assert np.abs(seen(first) - seen(second)).max() > 0.1, (first, second)


def test_a_picture_for_both_themes_is_light_with_a_style_sheet_for_dark() -> None:
    x = Tensor([[1.0, -2.0]], requires_grad=True, name="x")
    y = x * x
    auto, light, dark = (draw(y, theme=theme) for theme in ("auto", "light", "dark"))  # type: ignore[arg-type]
    assert auto.dot == light.dot != dark.dot
    assert "prefers-color-scheme" in auto.svg and "<style>" not in light.svg and "<style>" not in dark.svg
    for role in ("paper", "parameter", "output line", "heat -5"):
        day, night = PALETTE[role]
        assert day in light.svg and night not in light.svg and night in dark.svg
        assert f'[fill="{day}"]{{fill:{night}}}' in dark_style(".some")


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.bool_, np.complex128]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=30),
    )
)
def test_any_array_has_a_summary_of_bounded_size(array: np.ndarray) -> None:
    summary = summarise(array)
    assert summary.text and len(summary.text) < 80
    assert len(summary.bars) <= MAX_BARS and len(summary.cells) <= MAX_CELLS
    assert all(
        len(row) <= MAX_CELLS and all(step is None or abs(step) <= HEAT_STEPS for step in row) for row in summary.cells
    )
    assert all(bar is None or abs(bar) <= 1 for bar in summary.bars)
    assert not (summary.bars and summary.cells)


def test_summaries_say_what_the_numbers_are() -> None:
    assert summarise(np.float32(0.5)).text == "0.5" and summarise(-0.0).text == "0" and summarise(7).text == "7"
    assert summarise(np.zeros((0, 3))).text == "empty"
    assert summarise(np.array([1.0, np.nan, 3.0])).text == "mean 2, std 1, 1 not finite"
    assert summarise(np.array([np.inf, np.inf])).text == "2 not finite"
    assert summarise(np.array([[0.0, 1.0], [-0.01, -1.0]])).cells == ((0, 5), (-1, -5))
    assert summarise(np.array([[1e300, -1e308]])).cells == ((1, -5),)
    assert summarise(np.array([4.0, 0, -2, 1, np.nan])).bars == (1.0, 0.0, -0.5, 0.25, None)
    assert summarise(np.array([3.0, 4.0])).norm == "5"
