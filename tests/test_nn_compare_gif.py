"""Runs beside each other in one GIF: what every frame shows, for runs of different lengths and kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import _pylab_helpers
from PIL import Image

import nn
from autograd.core.errors import ArgumentError
from nn.pictures import animation, comparison
from nn.pictures.plots import Grid

X, Y = nn.data.two_moons(40, seed=0)


def run(epochs: int = 6, output: type[nn.Module] = nn.Sigmoid, **settings: Any) -> nn.History:
    model = nn.MLP([2, 4, 1], activation=nn.Tanh, output_activation=output, seed=0)
    loss = nn.binary_cross_entropy if output is nn.Sigmoid else nn.binary_cross_entropy_with_logits
    settings.setdefault("recorders", [nn.record_weights()])
    return model.fit(X, Y, loss=loss, epochs=epochs, verbose=0, learning_rate=0.05, **settings)


def seen(path: Path) -> tuple[tuple[int, int], list[int]]:
    """The size of a GIF, and how long each frame is shown."""
    with Image.open(path) as image:
        times = []
        for frame in range(image.n_frames):
            image.seek(frame)
            times.append(image.info["duration"])
        return image.size, times


def test_two_runs_stand_side_by_side_and_both_ends_are_held(tmp_path: Path) -> None:
    path = nn.compare_gif([run(), run(output=nn.Identity)], tmp_path / "runs.gif", frame_ms=50, hold_ms=700)
    (width, height), times = seen(path)
    assert times == [700, *[50] * 5, 700] and width > height
    assert list(tmp_path.iterdir()) == [path] and path.stat().st_size < 2_000_000


def test_max_frames_is_kept(tmp_path: Path) -> None:
    assert len(seen(nn.compare_gif([run(30)], tmp_path / "run.gif", max_frames=7))[1]) == 7


def test_the_boundary_of_an_epoch_is_that_of_its_weights() -> None:
    history = run(4)
    plane = comparison._plane(history, 40)
    assert plane is not None and plane["epochs"] == [0, 1, 2, 3, 4]
    fresh = nn.MLP([2, 4, 1], activation=nn.Tanh, output_activation=nn.Sigmoid, seed=0)
    grid = Grid.around(X, size=80)
    np.testing.assert_array_equal(plane["frames"][0], fresh.predict(grid.points)[:, 0])
    np.testing.assert_array_equal(plane["frames"][-1], history.run.model.predict(grid.points)[:, 0])


def test_a_run_that_ended_earlier_stays_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []

    monkeypatch.setattr(
        animation, "gif", lambda figure, show, frames, path, **_: figures.append((figure, show, frames))
    )
    nn.compare_gif({"long": run(9), "short": run(3)}, tmp_path / "runs.gif")
    figure, show, frames = figures[0]
    assert frames == list(range(10))
    show(9)
    words = [ax.get_title() for ax in figure.axes]
    assert words == ["long", "short", "boundary, epoch 9", "boundary, epoch 3"]
    assert [ax.texts[0].get_text()[:8] for ax in figure.axes[:2]] == ["epoch 8:", "epoch 2:"]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()


def test_without_weights_or_a_plane_the_losses_are_shown(tmp_path: Path) -> None:
    model = nn.MLP([3, 2, 1], seed=0)
    deep = model.fit(
        np.ones((5, 3)),
        np.zeros((5, 1)),
        loss=nn.mean_squared_error,
        epochs=3,
        verbose=0,
        recorders=[nn.record_weights()],
    )
    for runs in ([run(recorders=[])], [run(), deep]):
        (_, height), _ = seen(nn.compare_gif(runs, tmp_path / "runs.gif"))
        assert height == 320


@pytest.mark.parametrize("runs", [[], [1], [nn.History()], {}])
def test_what_is_no_run_is_refused(runs: Any, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"compare_gif\(\[first, second\]"):
        nn.compare_gif(runs, tmp_path / "runs.gif")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    settings = dict(mpl.rcParams)
    nn.compare_gif([run(2)], tmp_path / "run.gif")
    assert not _pylab_helpers.Gcf.figs and dict(mpl.rcParams) == settings
