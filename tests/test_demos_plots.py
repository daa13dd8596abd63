"""Panels, figures and animations, on made-up arrays."""

import io
import itertools
import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import _pylab_helpers
from matplotlib.colors import to_hex, to_rgb
from PIL import Image

from demos import by_hand, readme_pictures
from nn.pictures import animation, plots

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = (X[:, :1] > 0).astype(float)
GRID = plots.Grid.around(X, size=20)
EPOCHS = list(range(0, 30, 3))
FRAMES = np.array([1 / (1 + np.exp(-(0.2 + e / 10) * GRID.points[:, 0] + 0.1 * e)) for e in EPOCHS])
LOSSES = np.exp(-np.arange(30) / 6)


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(float)


def training_figure():
    figure = plots.new_figure(7, 3)
    left, right = figure.subplots(1, 2)
    show = plots.together(
        plots.loss_panel(left, LOSSES), plots.boundary_panel(right, GRID, EPOCHS, FRAMES, X, Y, colourbar=True)
    )
    return figure, show


def one_of_each():
    figure, _ = training_figure()
    yield "loss and boundary", figure
    figure = plots.new_figure(6, 4)
    ax = figure.subplots()
    plots.losses_panel(ax, {"a": LOSSES, "b": LOSSES**2}, title="losses")
    plots.mark_epochs(ax, LOSSES, (0, 14, 29))
    yield "losses", figure
    figure = plots.new_figure(9, 3)
    plots.activation_panels(figure.subplots(1, 3), GRID, RNG.random((400, 3)), X, Y)
    yield "activations", figure
    figure = plots.new_figure(6, 4)
    plots.weights_panel(figure.subplots(), EPOCHS, {"w": RNG.normal(size=(10, 2, 3)), "b": RNG.normal(size=(10, 3))})
    yield "weights", figure
    figure = plots.new_figure(8, 4)
    left, right = figure.subplots(1, 2)
    plots.confidence_panel(left, RNG.random(40), Y)
    plots.confusion_panel(right, np.array([[30, 1], [0, 9]]))
    yield "confidence and confusion", figure


def test_no_picture_is_blank_or_cut_off():
    for name, figure in one_of_each():
        image = pixels(plots.png(figure, dpi=60))
        assert image.std() > 10, name
        border = np.concatenate([image[:2].ravel(), image[-2:].ravel(), image[:, :2].ravel(), image[:, -2:].ravel()])
        assert (border == 255).all(), f"{name}: something touches the edge"


def test_the_same_arrays_give_the_same_bytes():
    assert plots.png(training_figure()[0]) == plots.png(training_figure()[0])


def test_two_hundred_pictures_leave_nothing_behind(tmp_path):
    settings = dict(matplotlib.rcParams)
    for i in range(200):
        figure = plots.new_figure(1.5, 1)
        ax = figure.subplots()
        ax.plot([0, i])
        ax.set_axis_off()  # ticks take most of the time
        plots.png(figure, dpi=20)
    assert _pylab_helpers.Gcf.get_num_fig_managers() == 0
    assert dict(matplotlib.rcParams) == settings


def test_a_panel_moves_to_the_frame_at_or_before_an_epoch():
    figure = plots.new_figure(3, 3)
    ax = figure.subplots()
    show = plots.boundary_panel(ax, GRID, EPOCHS, FRAMES, X, Y)
    limits = ax.get_xlim(), ax.get_ylim()
    for epoch, index in ((0, 0), (2, 0), (3, 1), (26, 8), (27, 9), (400, 9)):
        show(epoch)
        assert (ax.images[0].get_array() == GRID.image(FRAMES[index])).all()
    assert limits == (ax.get_xlim(), ax.get_ylim())


def test_a_loss_panel_writes_the_loss_of_the_epoch():
    figure = plots.new_figure(3, 3)
    ax = figure.subplots()
    show = plots.loss_panel(ax, [0.5, 0.25, 0.125])
    show(1)
    assert ax.texts[0].get_text() == "epoch 1: loss 0.2500"
    assert ax.lines[1].get_ydata().tolist() == [0.5, 0.25]


@pytest.mark.parametrize("losses", [[0.0, 0.0], [0.7], [1.0, 0.5, 0.0], [1e-9, 1e-3, 1e6], [-1.0, -2.0]])
def test_unusual_losses_are_drawn(losses):
    figure = plots.new_figure(3, 3)
    plots.loss_panel(figure.subplots(), losses)
    assert pixels(plots.png(figure, dpi=40)).std() > 5


def test_a_boundary_that_lies_outside_the_picture_is_no_error():
    figure = plots.new_figure(3, 3)
    plots.boundary_panel(figure.subplots(), GRID, [0], np.full((1, 400), 0.9), X, Y)
    assert pixels(plots.png(figure, dpi=40)).std() > 5


def test_classes_differ_in_shape_and_colour():
    figure = plots.new_figure(3, 3)
    ax = figure.subplots()
    plots.scatter(ax, X, Y)
    first, second = ax.collections
    assert len(first.get_paths()[0]) != len(second.get_paths()[0])
    assert (first.get_facecolor() != second.get_facecolor()).any()


def test_nothing_of_ours_uses_the_global_state_of_pyplot():
    root = Path(__file__).parent.parent
    files = [path for package in ("autograd", "nn", "demos") for path in (root / package).rglob("*.py")]
    wrong = [
        path.name for path in files if re.search(r"pyplot|pylab|rcParams\[|matplotlib\.use", path.read_text("utf-8"))
    ]
    assert len(files) > 60 and wrong == []


@pytest.mark.parametrize("matrix", [  # Viénot, Brettel and Mollon (1999), linear RGB
    [[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]],
    [[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]],
], ids=["protanopia", "deuteranopia"])  # fmt: skip
def test_curves_and_classes_stay_apart_for_the_colour_blind(matrix):
    def seen(colour: str) -> np.ndarray:
        return np.clip(np.array(matrix) @ np.array(to_rgb(colour)) ** 2.2, 0, 1)

    for first, second in itertools.combinations(plots.COLOURS[:4], 2):  # more than four curves differ in stroke too
        assert np.abs(seen(first) - seen(second)).max() > 0.05, (first, second)
    sides = [to_hex(plots.SIDES(value)) for value in (0.0, 0.5, 1.0)]
    for first, second in itertools.combinations(sides, 2):
        assert np.abs(seen(first) - seen(second)).max() > 0.15, (first, second)
    assert len(set(plots.STYLES)) == len(plots.COLOURS)


# -- animations --------------------------------------------------------------------------------------------------------


def durations(path):
    with Image.open(path) as image:
        found = []
        for frame in range(image.n_frames):
            image.seek(frame)
            found.append(image.info["duration"])
        return found


def test_a_gif_holds_its_first_and_last_frame(tmp_path):
    figure, show = training_figure()
    path = animation.gif(figure, show, range(30), tmp_path / "a.gif", max_frames=12, frame_ms=50, hold_ms=900)
    times = durations(path)
    assert len(times) == 12
    assert times[0] == times[-1] == 900
    assert set(times[1:-1]) == {50}
    with Image.open(path) as image:
        assert image.info["loop"] == 0


def test_a_gif_shows_what_the_figure_shows(tmp_path):
    """Frames are drawn on a background that is kept; the result must be the picture that a whole drawing gives."""
    figure, show = training_figure()
    path = animation.gif(figure, show, [0, 15, 29], tmp_path / "a.gif")
    show(15)
    figure.canvas.draw()
    whole = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(float)
    with Image.open(path) as image:
        image.seek(1)
        frame = np.asarray(image.convert("RGB")).astype(float)
    far = np.abs(frame - whole).max(axis=-1) > 60  # more than a palette explains
    assert far.mean() < 0.002


def test_the_same_frames_give_the_same_gif(tmp_path):
    files = [animation.gif(*training_figure(), [0, 9, 29], tmp_path / name).read_bytes() for name in ("a.gif", "b.gif")]
    assert files[0] == files[1]


def test_a_gif_stays_under_its_limit_by_leaving_frames_out(tmp_path):
    figure, show = training_figure()
    small = animation.gif(figure, show, range(30), tmp_path / "a.gif", max_frames=16, limit=10**9)
    size, frames = small.stat().st_size, len(durations(small))
    smaller = animation.gif(figure, show, range(30), tmp_path / "b.gif", max_frames=16, limit=size // 2)
    assert smaller.stat().st_size <= size // 2
    assert 2 <= len(durations(smaller)) < frames


# -- backpropagation by hand -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_backprop_by_hand_is_the_derivative(activation, loss):
    weights = [RNG.normal(size=shape) for shape in ((2, 4), (4, 3), (3, 1))]
    biases = [RNG.normal(size=size) for size in (4, 3, 1)]

    def value() -> float:
        p = by_hand.forward(X, weights, biases, activation)[-1]
        if loss == "mse":
            return float(((p - Y) ** 2).mean())
        return float(-(Y * np.log(p) + (1 - Y) * np.log(1 - p)).mean())

    layers = by_hand.forward(X, weights, biases, activation)
    by_weights, by_biases = by_hand.backward(layers, Y, weights, activation, loss)
    for arrays, gradients in ((weights, by_weights), (biases, by_biases)):
        for array, gradient in zip(arrays, gradients, strict=True):
            direction, step = RNG.normal(size=array.shape), 1e-6
            before = array.copy()
            array += step * direction
            up = value()
            array[...] = before - step * direction
            down = value()
            array[...] = before
            assert (up - down) / (2 * step) == pytest.approx(float((gradient * direction).sum()), rel=1e-6, abs=1e-9)


# -- the README's pictures ---------------------------------------------------------------------------------------------


def test_the_pictures_of_the_readme_are_there_and_small():
    root = Path(__file__).parent.parent
    named = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (root / "README.md").read_text(encoding="utf-8"))
    assert set(named) == {path.relative_to(root).as_posix() for path in (root / "assets").iterdir()}
    assert all((root / name).stat().st_size < readme_pictures.LIMIT for name in named)


def test_a_reduced_picture_looks_the_same(tmp_path):
    path = plots.save(training_figure()[0], tmp_path / "a.png")
    reduced = readme_pictures.small(path, tmp_path / "b.png")
    assert reduced.stat().st_size < path.stat().st_size
    assert np.abs(pixels(path.read_bytes()) - pixels(reduced.read_bytes())).mean() < 4
