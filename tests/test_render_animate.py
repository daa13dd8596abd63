"""The GIF of a computation: values forward, gradients backward, in the drawings that the picture itself is made of."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autograd
from autograd import Tensor, keep_grads
from autograd.core.errors import ArgumentError
from autograd.render.animate import GRADIENT, VALUE, WAITING, _Painter, steps
from autograd.render.dot import to_dot
from autograd.render.gif import LIMIT, thin


def small_loss(backward: bool = True) -> Tensor:
    """(x @ w + 1)² summed, with gradients everywhere."""
    x, w = Tensor([[1.0, -2.0]], name="x"), Tensor([[0.5], [0.25]], True, name="w")
    h = x @ w + 1.0
    loss = (h * h).sum()
    loss.name = "loss"
    if backward:
        with keep_grads():
            loss.backward()
    return loss


def frames_of(path: Path) -> list[np.ndarray]:
    with Image.open(path) as image:
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(np.asarray(image.convert("RGB")).astype(int))
        return found


def durations(path: Path) -> list[int]:
    with Image.open(path) as image:
        found = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(image.info["duration"])
        return found


def test_values_come_in_forward_order_and_gradients_in_backward_order() -> None:
    diagram = autograd.draw(small_loss()).diagram
    names = [(m.state, m.node.name or m.node.formula if m.node else "") for m in steps(diagram)]
    forward = ["x", "w", "@", "· + 1", "×", "loss"]
    backward = ["loss", "×", "· + 1", "@", "w"]  # x wants no gradient
    assert names == [
        (WAITING, ""),
        *((VALUE, name) for name in forward),
        *((GRADIENT, name) for name in backward),
        (GRADIENT, ""),
    ]


def test_without_gradients_it_ends_when_all_is_computed() -> None:
    moments = steps(autograd.draw(small_loss(backward=False)).diagram)
    assert {moment.state for moment in moments} == {WAITING, VALUE} and moments[-1].node is None


@pytest.mark.parametrize("veil", [("value",), ("grad",), ("node", "value", "grad")])
def test_what_is_veiled_keeps_its_place(veil: tuple[str, ...]) -> None:
    picture = autograd.draw(small_loss(), derivatives=True)
    full, veiled = (picture.run("plain", to_dot(picture.diagram, veil=hidden)) for hidden in ((), veil))
    places = [
        [line.split()[:6] for line in text.decode().splitlines() if line.startswith("node")] for text in (full, veiled)
    ]
    assert places[0] == places[1] and len(places[0]) == 6


def test_every_frame_shows_what_each_node_has_by_then(tmp_path: Path) -> None:
    picture = autograd.draw(small_loss(), theme="light")
    painter = _Painter(picture, "TB")
    pale, valued, whole = painter.drawn
    for moment in steps(picture.diagram):
        frame = painter(moment)[-whole.shape[0] :]
        order = [node.id for node in picture.diagram.nodes]
        at = order.index(moment.node.id) if moment.node else -1
        for place, name in enumerate(order):
            left, top, right, bottom = (round(side) for side in painter.shapes[name].box)
            inner = np.s_[top + 6 : bottom - 6, left + 6 : right - 6]
            if moment.state == GRADIENT:
                source = whole if place >= at or moment.node is None else valued
            else:
                source = pale if moment.node is None or place > at else valued
            assert (frame[inner] == source[inner]).all(), (moment, name)


def test_the_last_frame_is_the_picture(tmp_path: Path) -> None:
    path = autograd.animate(small_loss(), tmp_path / "flow.gif")
    painter = _Painter(autograd.draw(small_loss(), theme="light"), "TB")
    with Image.open(
        io.BytesIO(
            autograd.draw(small_loss(), theme="light").run(
                "png", autograd.draw(small_loss(), theme="light").dot, dpi=110
            )
        )
    ) as image:
        whole = np.asarray(image.convert("RGB")).astype(int)
    last = frames_of(path)[-1][-whole.shape[0] :]
    assert last.shape == whole.shape and np.abs(last - whole).mean() < 3  # as near as 256 colours come
    assert (painter.drawn[-1] == whole).all()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_file_is_small_and_holds_its_first_and_last_frame(tmp_path: Path, theme: str) -> None:
    path = autograd.animate(small_loss(), tmp_path / "flow.gif", theme=theme, frame_ms=200, hold_ms=900, max_frames=8)
    times = durations(path)
    assert len(times) == 8 and times[0] == times[-1] == 900 and set(times[1:-1]) == {200}
    assert path.stat().st_size < LIMIT
    frames = frames_of(path)
    assert all((first != second).any() for first, second in itertools.pairwise(frames))
    assert frames[0].mean() > 200 if theme == "light" else frames[0].mean() < 60


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (autograd.animate(small_loss(), tmp_path / name).read_bytes() for name in ("a.gif", "b.gif"))
    assert first == second


def test_a_program_lights_up_in_the_order_of_its_listing(tmp_path: Path) -> None:
    graph = autograd.trace(lambda x: (x * x).sum(), np.ones(3))
    path = autograd.animate(graph, tmp_path / "program.gif", direction="LR")
    assert len(frames_of(path)) == len(autograd.draw(graph).diagram.nodes) + 2


def test_what_cannot_be_written_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"\.gif"):
        autograd.animate(small_loss(), tmp_path / "flow.png")
    with pytest.raises(ArgumentError, match="'light' or 'dark'"):
        autograd.animate(small_loss(), tmp_path / "flow.gif", theme="auto")
    with pytest.raises(ArgumentError, match="no frames"):
        autograd.write_gif(lambda frame: np.zeros((2, 2, 3)), [], tmp_path / "empty.gif")
    with pytest.raises(ArgumentError, match="max_frames=1"):
        autograd.write_gif(lambda frame: np.zeros((2, 2, 3)), [0], tmp_path / "empty.gif", max_frames=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_thinning_keeps_both_ends(count: int) -> None:
    kept = thin(range(count), 5)
    assert len(kept) == min(count, 5) and kept[0] == 0 and kept[-1] == count - 1 and kept == sorted(set(kept))
