"""Whatever users call their tensors, scopes, layers, stages and units: every way of drawing takes it, with every engine."""

from __future__ import annotations

import functools
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import autograd
import nn
from autograd import Tensor, animate, draw, explore, keep_grads, panels, scope
from autograd.ir import Graph
from autograd.render import Picture

NAMES = [
    "", "a/", "/a", "a//b", "/", "///", "a/b/c", " ", " / ", "\t", "\n", "a\nb", "a:b", "a:n:s", "a.b", "..", ".",
    "back\\", "\\", "\\N \\G", "\\n", '"', "'", "`", "<b>", "</TD>", "</script>", "&amp;", "&", "&#0;", "-->", "<!--",
    "]]>", "{x", "}", "|", "#", "$x$", "$\\frac{$", "%s", "\0", "\x7f", "\x85", "\u2028", "\ud800", "\ufffe",
    "\U0001ffff", "\u202e", "\u0300", "\u200b", "\u00a0", "∇ × ‖é‖", "n" * 20_000, "a/" * 40, "\\" * 3000, '"' * 3000,
    "&" * 3000, "/" * 3000, "strict", "node", "n0", "cluster_g1", "label=x", ";", "// c", "/* c */", "0", "-",
]  # fmt: skip
SVG = "{http://www.w3.org/2000/svg}"
pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing from font:UserWarning")


@functools.cache
def tape() -> Tensor:
    """A chain of operations, one in a scope of each name, on a parameter of that name, with a result of that name."""
    y = chain(NAMES)
    with keep_grads():
        y.backward()
    return y


def chain(names: list[str]) -> Tensor:
    y = Tensor(2.0, True, name="x")
    for name in names:
        with scope(name):
            y = y * Tensor(1.0, True, name=name)
            with scope(name):
                y = y + 1.0
        y.name = name
    return y


@functools.cache
def program() -> Graph:
    weights = [Tensor(1.0, True, name=name) for name in NAMES]

    def step(x: Tensor) -> Tensor:
        for weight in weights:
            with scope(weight.name or ""):
                x = x * weight
        return x

    return autograd.trace(step, np.float64(2.0))


class Layers(nn.Module):
    """Layers and a parameter in dictionaries, under each of the names."""

    def __init__(self) -> None:
        self.parts = {name: nn.Dense(1, 1) for name in NAMES}
        self.weights = {name: nn.Parameter(1.0) for name in NAMES}

    def forward(self, x: Any) -> Any:
        for name, layer in self.parts.items():
            x = layer(x) * self.weights[name]
        return x


WAYS: dict[str, Callable[..., Picture]] = {
    "tape": lambda **o: draw(tape(), derivatives=True, **o),
    "depth 0": lambda **o: draw(tape(), depth=0, **o),
    "depth 1": lambda **o: draw(tape(), depth=1, **o),
    "repeats": lambda **o: draw(tape(), collapse=["repeats", "parameters"], **o),
    "every scope by its own name": lambda **o: draw(tape(), collapse=[n for n in NAMES if n.strip("/")], **o),
    "program": lambda **o: draw(program(), **o),
    "stages": lambda **o: draw([(name, graph()) for name in NAMES], **o),
    "structure": lambda **o: draw(Layers(), **o),
    "layers": lambda **o: draw(Layers()(Tensor([[1.0]], True)), **o),
}


def graph() -> Graph:
    return autograd.trace(lambda x: x * x, np.float64(2.0))


@pytest.mark.parametrize("way", WAYS)
def test_every_name_is_drawn(way: str, tmp_path: Path) -> None:
    picture = WAYS[way](max_nodes=None)
    root = ElementTree.fromstring(picture.svg)
    groups = [group.get("class") for group in root.iter(f"{SVG}g")]
    assert groups.count("node") == len(picture.diagram.nodes)
    assert groups.count("edge") == len(picture.diagram.edges)
    assert all(part for node in picture.diagram.nodes if node.scope for part in node.scope.split("/"))
    assert len(re.findall("(?i)</script|<script", picture.html)) == 0
    json.loads(picture.save(tmp_path / "graph.json").read_text("ascii"))
    assert picture.save(tmp_path / "graph.dot").read_text("utf-8") == picture.dot


@pytest.mark.parametrize(
    "name", ["a/", "a//b", 'quo"te', "back\\", "\0", "n" * 20_000], ids=lambda name: ascii(name)[:9]
)
def test_bitmaps_and_animations_of_any_name(name: str, tmp_path: Path) -> None:
    x = Tensor(2.0, True, name=name)
    with scope(name):
        y = x * x
    y.name = name
    assert draw(y).png.startswith(b"\x89PNG")
    with Image.open(animate(y, tmp_path / "flow.gif", max_frames=3)) as image:
        assert getattr(image, "n_frames", 1) == 3


def test_pages_of_any_name() -> None:
    x, half = np.arange(2.0), len(NAMES) // 2
    beside: list[Any] = [panels.Curve(name, x[:1], {name: x[:1]}) for name in NAMES[:half]]
    beside += [panels.Arrays(name, {name: (np.ones((1, 2)), np.ones((1, 2)))}) for name in NAMES[half:]]
    shallow = [name for name in NAMES if name.count("/") < 9]  # each depth is a view of its own
    page = explore(chain(shallow), panels=beside, title=NAMES[-1])
    page.html.encode("utf-8")
    assert len(re.findall("(?i)</script", page.html)) == 3
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', page.html, re.DOTALL)[0])
    assert [panel["title"] for panel in data["panels"]] == NAMES
    assert len(data["views"][0]["nodes"]) == 3 * len(shallow) + 1


@pytest.mark.parametrize("ending", ["svg", "png", "pdf"])
def test_networks_with_units_of_any_name(ending: str, tmp_path: Path) -> None:
    kind = type("Odd<&$\1'", (nn.Sequential,), {})
    picture = nn.draw(
        kind(nn.Dense(len(NAMES), 1), nn.Dense(1, len(NAMES))),
        tmp_path / f"net.{ending}",
        detail="neurons",
        inputs=NAMES,
        outputs=NAMES,
        max_units=len(NAMES),
    )
    shown = [words.text for words in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]
    assert "$x$" in shown and "</TD>" in shown and "\ufffd" in shown
    assert (tmp_path / f"net.{ending}").stat().st_size > 1000


def test_empty_parts_of_a_scope_say_nothing() -> None:
    x = Tensor(2.0, True, name="x")
    with scope("a//b/"), scope("/"), scope("/c"):
        y = x * x * x
    assert {node.scope for node in draw(y).diagram.nodes} == {"a/b/c"}
    assert [node.symbol for node in draw(y, collapse="/a//b/").diagram.nodes] == ["b"]
