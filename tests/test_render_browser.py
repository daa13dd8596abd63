"""Pictures in a real browser: both themes, readable, nothing cut off, and the page of all demos."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import autograd
import nn
from autograd import Picture, Tensor, keep_grads
from autograd.render.theme import PALETTE
from demos import trace, xor
from demos.options import Options
from demos.page import page as page_of
from nn.pictures import neurons

from .test_render_draw import NAMES
from .test_render_theme import contrast

# What each text shows, the box it needs, its colour and what is behind it; and the box of its node.
TEXTS = """[...document.querySelectorAll("g.node")].flatMap(node => {
  const outline = node.querySelector("polygon, path").getBoundingClientRect();
  return [...node.querySelectorAll("text")].map(text => {
    const box = text.getBoundingClientRect();
    return [text.textContent, getComputedStyle(text).fill, box.left - outline.left, box.top - outline.top,
            outline.right - box.right, outline.bottom - box.bottom];
  });
})"""


@pytest.fixture(scope="module")
def loss() -> Tensor:
    X, y = nn.data.xor()
    model = nn.MLP([2, 3, 1], activation=nn.Tanh, output_activation=nn.Sigmoid, seed=0)
    result = nn.mean_squared_error(model(Tensor(X, name="x")), Tensor(y, name="y"))
    result.name = "loss"
    with keep_grads():
        result.backward()
    return result


def shot(page: Any) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)


def share(pixels: np.ndarray) -> dict[str, float]:
    """How much of a picture has each colour."""
    colours, counts = np.unique(pixels @ [1 << 16, 1 << 8, 1], return_counts=True)
    return {f"#{colour:06x}": count / counts.sum() for colour, count in zip(colours, counts, strict=True)}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def hexadecimal(css: str) -> str:
    return "#" + "".join(f"{int(part):02x}" for part in css.removeprefix("rgb(").removesuffix(")").split(","))


@pytest.mark.parametrize("ending", ["svg", "html"])
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_a_picture_follows_the_readers_theme(
    page: Any, loss: Tensor, tmp_path: Path, ending: str, direction: str
) -> None:
    picture = autograd.draw(loss, tmp_path / f"loss.{ending}", derivatives=True, direction=direction)
    for place, theme in enumerate(("light", "dark")):
        page.media(prefers_color_scheme=theme)
        page.open(tmp_path / f"loss.{ending}")
        page.size(*page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"))
        painted = share(shot(page))
        assert 0.05 < painted[PALETTE["paper"][place]] < 0.98
        for role in ("parameter", "input", "output", "operation", "heat 5", "heat -5"):
            assert painted.get(PALETTE[role][place], 0) > 1e-4, (theme, role)
        shown = " ".join(page.evaluate("[...document.querySelectorAll('text')].map(text => text.textContent)"))
        for words in ("dense_0_weight", "Dense_0", "loss", "tanh", "(4, 3) float64", "x.T @ g", "output"):
            assert words in shown
        texts = page.evaluate(TEXTS)
        inks = {hexadecimal(text[1]) for text in texts}
        assert inks == {PALETTE[role][place] for role in ("ink", "quiet", "grad")}
        out = [text for text in texts if min(text[2:]) < -0.5]
        assert out == [], "text that does not fit into its node"
        assert len({text[0] for text in texts}) > 20 and len(picture.diagram.nodes) == 16
    assert page.errors == [] and all(request.startswith("file:") for request in page.requests)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_fixed_theme_ignores_the_reader(page: Any, loss: Tensor, tmp_path: Path, theme: str) -> None:
    autograd.draw(loss, tmp_path / "loss.html", theme=theme)  # type: ignore[arg-type]
    for reader in ("light", "dark"):
        page.media(prefers_color_scheme=reader)
        page.open(tmp_path / "loss.html")
        assert tuple(shot(page)[2, 2]) == rgb(PALETTE["paper"][theme == "dark"])


def test_what_the_browser_paints_is_readable(page: Any, loss: Tensor, tmp_path: Path) -> None:
    """Behind every text, the pixel most often seen in its box is far enough from the colour of the text."""
    autograd.draw(loss, tmp_path / "loss.svg")
    for theme in ("light", "dark"):
        page.media(prefers_color_scheme=theme)
        page.open(tmp_path / "loss.svg")
        pixels = shot(page)
        boxes = page.evaluate("""[...document.querySelectorAll("text")].map(text => {
            const box = text.getBoundingClientRect();
            return [text.textContent, getComputedStyle(text).fill, box.left, box.top, box.right, box.bottom] })""")
        checked = 0
        for words, ink, left, top, right, bottom in boxes:
            area = pixels[round(top) : round(bottom), round(left) : round(right)].reshape(-1, 3)
            if len(area) < 20:
                continue  # below the window
            colours, counts = np.unique(area, axis=0, return_counts=True)
            behind = "#" + "".join(f"{part:02x}" for part in colours[counts.argmax()])
            assert contrast(hexadecimal(ink), behind) >= 4.5, (theme, words, ink, behind)
            checked += 1
        assert checked > 40


def test_no_name_breaks_a_page(page: Any, tmp_path: Path) -> None:
    total = Tensor(0.0)
    for name in NAMES:
        with autograd.scope(name.replace("/", "|")):
            x = Tensor(2.0, True, name=name) * 3.0
            x.name = name
        total = total + x
    picture = autograd.draw(total, tmp_path / "names.html", derivatives=True)
    assert picture.save(tmp_path / "names.png").read_bytes().startswith(b"\x89PNG")
    page.open(tmp_path / "names.html")
    counts = page.evaluate(
        "['g.node', 'g.edge', 'g.cluster', 'script'].map(part => document.querySelectorAll(part).length)"
    )
    assert counts == [len(picture.diagram.nodes), len(picture.diagram.edges), len(NAMES), 0]
    assert len(picture.diagram.nodes) == 3 * len(NAMES) + 1 and page.errors == []
    shown = page.evaluate("[...document.querySelectorAll('g.cluster text')].map(text => text.textContent)")
    assert {"a:b", "<lambda>", "back\\slash", 'quo"te', "n" * 39 + "…"} <= {words.strip() for words in shown}


def test_pictures_of_one_page_do_not_mix(page: Any, loss: Tensor, tmp_path: Path) -> None:
    light, dark = (autograd.draw(loss, theme=theme).svg for theme in ("light", "dark"))  # type: ignore[arg-type]
    (tmp_path / "two.html").write_text(f"<!doctype html><meta charset=utf-8>{light}{dark}{autograd.draw(loss).svg}")
    page.media(prefers_color_scheme="dark")
    page.open(tmp_path / "two.html")
    fills = page.evaluate(
        "[...document.querySelectorAll('svg')].map(svg => getComputedStyle("
        "svg.querySelector('g.graph > polygon')).fill)"
    )
    assert [hexadecimal(fill) for fill in fills] == [PALETTE["paper"][0], PALETTE["paper"][1], PALETTE["paper"][1]]
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(element => element.id)")
    assert len(ids) == len(set(ids)) > 60


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_neuron_diagram_follows_the_readers_theme(page: Any, tmp_path: Path, theme: str) -> None:
    nn.draw(nn.MLP([2, 3, 1], seed=0), tmp_path / "network.svg", detail="neurons")
    page.media(prefers_color_scheme=theme)
    page.open(tmp_path / "network.svg")
    paper = rgb(neurons.COLOURS["paper"][theme == "dark"])
    pixels = shot(page)
    assert (pixels == paper).all(axis=-1).mean() > 0.3 and pixels[:200, :300].std() > 5
    inside = page.evaluate("""[...document.querySelectorAll("text")].every(text => {
        const box = text.getBoundingClientRect(), all = document.documentElement.getBoundingClientRect();
        return box.left >= 0 && box.top >= 0 && box.right <= all.right && box.bottom <= all.bottom })""")
    assert inside is True


# -- the page of the demos ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two demos, trained for a moment."""
    folder = tmp_path_factory.mktemp("report")
    reports = [
        xor.run(Options("xor", (3,), "sigmoid", "mse", 0.1, 20, out=folder)),
        trace.run(Options("xor", (3,), "sigmoid", "mse", 2.0, 5, out=folder)),
    ]
    path = folder / "report.html"
    walk = folder / "explore" / "a walk & more.html"
    reports[0].files.append(walk)
    path.write_text(page_of(reports, folder), encoding="utf-8")
    walk.parent.mkdir()
    walk.write_text("<!doctype html><title>Arrived</title>")
    reports[0].files.remove(walk)
    for file in (file for result in reports for file in result.files):
        file.unlink()  # the page needs none of them
    return path


def test_the_graph_stands_next_to_loss_and_boundary(page: Any, report: Path) -> None:
    page.size(1400, 900)
    page.open(report)
    graph, first, second = page.evaluate(
        "[...document.querySelectorAll('#part0 .beside figure')].map(figure => figure.getBoundingClientRect().toJSON())"
    )
    assert graph["right"] < first["left"] and abs(graph["top"] - first["top"]) < 2
    assert second["left"] == first["left"] and second["top"] > first["bottom"]
    captions = page.evaluate("[...document.querySelectorAll('#part0 figcaption')].map(words => words.textContent)")
    assert captions == [
        "Computation graph of loss",
        "training loss",
        "decision boundary",
        "hidden activations",
        "weight dynamics",
        "loss surface",
        "architecture data flow",
    ]
    sizes = page.evaluate("[...document.images].map(image => [image.naturalWidth, image.alt])")
    assert len(sizes) == 6 and all(width > 300 and words for width, words in sizes)


def test_the_page_holds_tables_and_the_source_of_the_step(page: Any, report: Path) -> None:
    page.open(report)
    rows = page.evaluate(
        "[...document.querySelectorAll('#part0 .table tr')].map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert rows[0] == ["input", "target", "prediction", "error"] and [row[0] for row in rows[1:]] == [
        "[0, 0]",
        "[0, 1]",
        "[1, 0]",
        "[1, 1]",
    ]
    page.click("#part0 summary")
    source = page.text("#part0 details pre")
    assert "# forward" in source and "# backward" in source and "# update" in source
    assert "def step(" in page.text("#part1 .words")


def test_other_pages_are_one_click_away(page: Any, report: Path) -> None:
    page.open(report)
    assert page.evaluate("[...document.querySelectorAll('#part0 a[href]')].map(link => link.textContent)") == [
        "a walk & more: a page of its own"
    ]
    page.click("#part0 a[href]")
    page.wait("document.title === 'Arrived'")


@pytest.mark.parametrize(("width", "zoom"), [(1400, 1.0), (1280, 2.0), (390, 1.0)])
def test_nothing_of_the_page_is_cut_off(page: Any, report: Path, width: int, zoom: float) -> None:
    page.size(width, 900, zoom=zoom)
    for theme, place in (("light", 0), ("dark", 1)):
        page.media(prefers_color_scheme=theme)
        page.open(report)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tuple(shot(page)[2, 2]) == rgb(PALETTE["paper"][place])
        colours = page.evaluate("""['h1', '.question', 'a', 'td', 'summary'].map(name =>
            getComputedStyle(document.querySelector(name)).color)""")
        assert min(contrast(hexadecimal(colour), PALETTE["paper"][place]) for colour in colours) >= 4.5
    assert page.errors == [] and all(request.startswith("file:") for request in page.requests)
    tops = page.evaluate("[...document.querySelectorAll('section')].map(part => part.getBoundingClientRect().top)")
    assert all(first < second for first, second in itertools.pairwise(tops))


def test_notebooks_and_scripts_show_the_same_drawing(
    loss: Tensor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: not opened.append(address))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    picture: Picture = autograd.draw(loss)
    picture.show()
    (address,) = opened
    path = Path(address.removeprefix("file://"))
    assert path.read_text(encoding="utf-8") == picture.html and picture.svg in picture.html
    assert picture._repr_mimebundle_()["image/svg+xml"] == picture.svg
