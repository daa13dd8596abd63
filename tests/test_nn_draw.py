"""The neuron diagram: its lines are the weights, its circles the units, in both themes and every format."""

from __future__ import annotations

import functools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import _pylab_helpers

import nn
from autograd import Picture
from autograd.core.errors import ArgumentError, DTypeError
from nn.pictures.neurons import COLOURS, NetworkPicture

draw = functools.partial(nn.draw, detail="neurons")
SVG = "{http://www.w3.org/2000/svg}"


def small() -> nn.MLP:
    """A 2-3-1 network with weights that are easy to name."""
    model = nn.MLP([2, 3, 1], activation=nn.Tanh, output_activation=nn.Sigmoid, seed=0)
    first, last = model[0], model[2]
    assert isinstance(first, nn.Dense) and isinstance(last, nn.Dense) and first.bias is not None
    first.weight.assign([[1.0, -2.0, 0.0], [0.5, 4.0, -0.25]])
    first.bias.assign([0.0, -1.0, 0.5])
    last.weight.assign([[-4.0], [2.0], [1.0]])
    return model


def root(picture: NetworkPicture) -> ElementTree.Element:
    return ElementTree.fromstring(picture.svg)


def weights(picture: NetworkPicture) -> dict[str, Any]:
    """The lines of the network by their tooltips; the two of the legend left out."""
    return {line.hint: line for line in picture.lines if "weight " in line.hint}


def test_layers_are_drawn_unless_neurons_are_asked_for(tmp_path: Path) -> None:
    picture = nn.draw(small(), tmp_path / "layers.dot", depth=0)
    assert isinstance(picture, Picture) and picture.dot == (tmp_path / "layers.dot").read_text()
    assert picture.dot == nn.draw(small(), detail="layers", depth=0).dot
    with pytest.raises(ArgumentError, match="detail='numbers' is not known; write detail='layers' or detail='neurons'"):
        nn.draw(small(), detail="numbers")  # type: ignore[call-overload]


def test_every_weight_is_a_line_as_wide_as_it_is_large() -> None:
    lines = weights(draw(small()))
    assert len(lines) == 9
    large, half = lines["x2 to unit 2: weight 4"], lines["x1 to unit 2: weight -2"]
    zero, negative = lines["x1 to unit 3: weight 0"], lines["unit 1 to y: weight -4"]
    assert (large.role, large.dashed) == ("positive", False) and (negative.role, negative.dashed) == ("negative", True)
    assert large.width == negative.width and large.opacity == negative.opacity
    assert half.width - zero.width == pytest.approx((large.width - zero.width) / 2)
    assert zero.width < half.width < large.width and zero.opacity < half.opacity < large.opacity


def test_lines_join_the_circles_of_their_units() -> None:
    picture = draw(small())
    places = {circle.hint.split(":")[0]: (circle.x, circle.y) for circle in picture.circles}
    assert set(places) == {"x1", "x2", "unit 1", "unit 2", "unit 3", "y"}
    for hint, line in weights(picture).items():
        tail, head = hint.split(":")[0].split(" to ")
        assert (line.y1, line.y2) == (places[tail][1], places[head][1])
        assert places[tail][0] < line.x1 < line.x2 < places[head][0]


def test_circles_are_filled_by_bias_and_say_it() -> None:
    circles = {circle.hint: circle for circle in draw(small()).circles}
    assert circles["unit 2: bias -1"].role == "negative" and circles["unit 2: bias -1"].opacity == 0.5
    assert circles["unit 3: bias 0.5"].opacity == 0.25 and circles["unit 1: bias 0"].opacity == 0
    assert circles["x1"].opacity == 0
    bare = draw(nn.Sequential(nn.Dense(1, 1, bias=False, seed=0)))
    assert [circle.hint for circle in bare.circles] == ["x", "y: no bias"]


def test_the_svg_holds_the_picture() -> None:
    picture = draw(small())
    drawn = root(picture)
    assert [line.findtext(f"{SVG}title") for line in drawn.iter(f"{SVG}line")] == [line.hint for line in picture.lines]
    assert len(list(drawn.iter(f"{SVG}circle"))) == 2 * len(picture.circles)
    text = [element.text for element in drawn.iter(f"{SVG}text")]
    expected = {"inputs", "layers.0", "layers.2", "Tanh", "Sigmoid", "3 units", "1 unit", "x1", "y", "-0.25"}
    assert expected <= set(text)


def test_everything_lies_inside_the_picture_and_no_circles_touch() -> None:
    for model in (small(), nn.MLP([784, 40, 3, 10], seed=0), nn.Sequential(nn.Dense(1, 1, seed=0))):
        picture = draw(model)
        for circle in picture.circles:
            assert 15 <= circle.x <= picture.width - 15 and circle.y - 15 >= 50 and circle.y + 15 <= picture.height - 45
        for words in picture.words:
            half = 0.3 * words.size * len(words.text) * (1 if words.middle else 0)
            assert words.x - half >= 0 and words.x + half <= picture.width and 0 < words.y < picture.height
        places = [(circle.x, circle.y) for circle in picture.circles]
        gaps = [np.hypot(a[0] - b[0], a[1] - b[1]) for index, a in enumerate(places) for b in places[:index]]
        assert min(gaps) > 31


def test_the_numbers_do_not_cover_each_other() -> None:
    numbers = [words for words in draw(small()).words if words.halo]
    assert len(numbers) == 9
    assert all(abs(a.x - b.x) > 38 or abs(a.y - b.y) > 13 for index, a in enumerate(numbers) for b in numbers[:index])
    assert not any(words.halo for words in draw(small(), numbers=False).words)
    assert not any(words.halo for words in draw(nn.MLP([8, 8, 1], seed=0)).words)


def test_large_layers_are_cut_in_the_middle_and_say_so() -> None:
    picture = draw(nn.MLP([784, 256, 128, 10], seed=0), max_units=7)
    assert len(picture.circles) == 4 * 7 and len(weights(picture)) == 3 * 49
    first = [circle.hint for circle in picture.circles[:7]]
    assert first == ["x1", "x2", "x3", "x4", "x782", "x783", "x784"]
    text = [words.text for words in picture.words]
    assert text.count("•") == 12 and "256 units, 7 drawn" in text and "784, 7 drawn" in text
    exact = draw(nn.MLP([7, 2], seed=0), max_units=7)
    assert len(exact.circles) == 9 and "•" not in [words.text for words in exact.words]


def test_weights_that_are_no_numbers_stand_out() -> None:
    model = small()
    model[0].weight.assign([[np.nan, np.inf, 1.0], [0.5, -2.0, 0.0]])  # type: ignore[union-attr]
    lines = weights(draw(model))
    assert lines["x1 to unit 1: weight nan"].role == lines["x1 to unit 2: weight inf"].role == "nan"
    assert all(np.isfinite(line.width) for line in lines.values())


def test_a_network_of_zeros_is_drawn() -> None:
    model = small()
    for parameter in model.parameters():
        parameter.assign(np.zeros(parameter.shape))
    assert {line.width for line in weights(draw(model)).values()} == {0.5}


def test_names_of_inputs_and_outputs() -> None:
    text = [words.text for words in draw(small(), inputs=["height", "w"], outputs=["is very large"]).words]
    assert "height" in text and "w" in text and "is very …" in text
    with pytest.raises(ArgumentError, match="3 names for 2 units"):
        draw(small(), inputs=["a", "b", "c"])


def test_layers_are_found_in_any_module() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            self.body = nn.Sequential(nn.Dense(2, 4, seed=0), nn.ReLU())
            self.head = nn.Dense(4, 1, seed=1)

    text = [words.text for words in draw(Model()).words]
    assert "body.layers.0" in text and "ReLU" in text and "head" in text and "linear" in text
    assert "Dense" in [words.text for words in draw(nn.Dense(2, 1, seed=0)).words]


def test_what_is_no_row_of_layers_is_refused() -> None:
    class Fork(nn.Module):
        def __init__(self) -> None:
            self.left, self.right = nn.Dense(2, 4, seed=0), nn.Dense(2, 4, seed=1)

    with pytest.raises(ArgumentError, match=r"right .*does not take the 4 outputs of left.*autograd\.draw"):
        draw(Fork())
    with pytest.raises(DTypeError, match="the model must be a Module, not 3"):
        draw(3)
    with pytest.raises(ArgumentError, match="no Dense layers"):
        draw(nn.Sequential(nn.Tanh()))
    with pytest.raises(ArgumentError, match="theme='auto'"):
        draw(small(), theme="sepia")
    with pytest.raises(ArgumentError, match="max_units=1"):
        draw(small(), max_units=1)


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_files_are_written_by_their_ending_with_the_same_bytes(tmp_path: Path, ending: str, start: bytes) -> None:
    first, second = tmp_path / "new" / f"a.{ending}", tmp_path / f"b.{ending}"
    draw(small(), first)
    draw(small()).save(second)
    assert first.read_bytes().startswith(start) and first.read_bytes() == second.read_bytes()
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_another_ending_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.svg, \.png, \.pdf"):
        draw(small(), tmp_path / "picture.gif")
    assert list(tmp_path.iterdir()) == []


def test_themes_exchange_every_colour() -> None:
    auto, light, dark = (draw(small(), theme=theme).svg for theme in ("auto", "light", "dark"))
    assert "prefers-color-scheme" in auto and "<style>" not in light and "<style>" not in dark
    used = {role for role, (day, _) in COLOURS.items() if day in light}
    assert used == set(COLOURS) - {"nan"}
    for role in used:
        day, night = COLOURS[role]
        assert night in dark and day not in dark and f'[fill="{day}"]{{fill:{night}}}' in auto
    assert len({day for day, _ in COLOURS.values()}) == len(COLOURS)


def luminance(colour: np.ndarray) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("night", [0, 1], ids=["light", "dark"])
def test_words_are_readable_wherever_they_stand(night: int) -> None:
    def rgb(role: str) -> np.ndarray:
        return np.array([int(COLOURS[role][night][i : i + 2], 16) / 255 for i in (1, 3, 5)])

    def contrast(first: np.ndarray, second: np.ndarray) -> float:
        low, high = sorted((luminance(first), luminance(second)))
        return (high + 0.05) / (low + 0.05)

    filled = [0.5 * rgb(role) + 0.5 * rgb("neuron") for role in ("positive", "negative")]
    for behind in (rgb("paper"), rgb("neuron"), *filled):
        assert contrast(rgb("ink"), behind) >= 4.5
    assert contrast(rgb("quiet"), rgb("paper")) >= 4.5
    for role in ("positive", "negative", "nan", "rim"):
        assert contrast(rgb(role), rgb("paper")) >= 3


def test_no_global_state_of_matplotlib_changes() -> None:
    before = dict(mpl.rcParams)
    figures = [draw(small()).figure() for _ in range(3)]
    assert len(figures) == 3 and not _pylab_helpers.Gcf.figs and dict(mpl.rcParams) == before


def test_the_bitmap_shows_the_network() -> None:
    figure = draw(small(), theme="light").figure()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].reshape(-1, 3).astype(int)
    for role in ("positive", "negative", "rim", "neuron"):
        wanted = [int(COLOURS[role][0][i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels - wanted).max(axis=1) < 30).sum() > 50, role


def test_notebooks_get_the_drawing() -> None:
    picture = draw(small())
    assert picture._repr_mimebundle_() == {"text/plain": repr(picture), "image/svg+xml": picture.svg}
    assert repr(picture) == "<NetworkPicture: MLP 2-3-1, 13 parameters>"


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_name_gives_well_formed_svg(first: str, last: str) -> None:
    picture = draw(small(), inputs=[first, "b"], outputs=[last])
    assert len(list(root(picture).iter(f"{SVG}circle"))) == 12
    assert not re.search("(?i)<script", picture.svg)
