"""The driver of the tests of pages: it sees what a reader sees, and no mistake of a page escapes it."""

import io

import numpy as np
import pytest
from PIL import Image

from tests import browser as driver

PAGE = """<!doctype html><meta charset="utf-8"><title>A page</title>
<style>body{margin:0;background:#0072b2}@media(prefers-color-scheme:dark){body{background:#102030}}</style>
<button id="add" style="margin:40px">0</button><input id="words">
<script>
const button = document.querySelector("#add");
button.onclick = () => button.textContent++;
document.onkeydown = event => document.title += " " + event.key;
</script>"""


@pytest.fixture
def sample(page, tmp_path):
    path = tmp_path / "a page & more.html"
    path.write_text(PAGE)
    page.open(path)
    return page


def test_the_mouse_and_the_keys_reach_the_page(sample):
    sample.click("#add")
    sample.click("#add")
    assert sample.text("#add") == "2"
    sample.press("ArrowLeft", "Home", "x")
    assert sample.evaluate("document.title") == "A page ArrowLeft Home x"
    sample.click("#words")
    sample.type("μ </script> 😀")
    assert sample.evaluate("document.querySelector('#words').value") == "μ </script> 😀"
    assert sample.errors == []


def test_a_screenshot_shows_the_theme_asked_for(sample):
    for theme, colour in (("light", (0x00, 0x72, 0xB2)), ("dark", (0x10, 0x20, 0x30))):
        sample.media(prefers_color_scheme=theme)
        sample.painted()
        picture = np.asarray(Image.open(io.BytesIO(sample.screenshot())).convert("RGB"))
        assert picture.shape == (800, 1280, 3)
        assert tuple(picture[-1, -1]) == colour


def test_zoom_halves_the_room_and_keeps_the_pixels(sample):
    sample.size(1280, 800, zoom=2)
    assert sample.evaluate("[innerWidth, innerHeight, devicePixelRatio]") == [640, 400, 2]
    assert Image.open(io.BytesIO(sample.screenshot())).size == (1280, 800)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ("throw new Error('lost')", "lost"),
        ("Promise.reject(new Error('refused'))", "refused"),
        ("console.error('wrong', 7)", "wrong 7"),
        ("new Image().src = 'missing.png'", "missing.png"),
    ],
)
def test_no_mistake_of_a_page_escapes(page, tmp_path, mistake, words):
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><script>setTimeout(() => {{ {mistake} }})</script>")
    page.open(path)
    page.evaluate("new Promise(done => setTimeout(done, 100))")
    assert len(page.errors) == 1 and words in page.errors[0]
    assert [address.rpartition("/")[2] for address in page.requests] == [
        "page.html",
        *["missing.png"] * ("src" in mistake),
    ]


def test_an_expression_that_fails_is_an_error_of_the_test(page):
    with pytest.raises(AssertionError, match="nowhere is not defined"):
        page.evaluate("nowhere()")


@pytest.mark.parametrize(("ci", "outcome"), [("true", "failed"), ("", "skipped")])
def test_without_a_browser_ci_fails_and_others_skip(monkeypatch, ci, outcome):
    said = []
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", ci)
    driver.missing(lambda reason: said.append(("failed", reason)), lambda reason: said.append(("skipped", reason)))
    assert [what for what, _ in said] == [outcome]
    assert "apt-get install chromium" in said[0][1]
