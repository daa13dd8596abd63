"""Finding a Graphviz program and running it: every order of preference, and what is said when something is missing."""

from __future__ import annotations

import os
import re
import stat
import xml.etree.ElementTree as ElementTree
import zlib
from pathlib import Path

import numpy as np
import pytest

from autograd import Tensor
from autograd.core.errors import RenderError
from autograd.render import draw, engine, find_engine
from autograd.render.engine import Engine, run_engine

SVG = "{http://www.w3.org/2000/svg}"


def program(folder: Path, name: str, script: str) -> Path:
    """An executable script in a folder of its own."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice made by the environment the tests run in."""
    monkeypatch.delenv(engine.VARIABLE, raising=False)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine with neither Graphviz nor the embedded engine."""
    monkeypatch.setattr(engine, "_system", lambda: None)
    monkeypatch.setattr(engine, "_embedded", lambda: None)


def test_system_dot_comes_before_the_embedded_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dot = program(tmp_path / "bin", "dot", "echo 'dot - graphviz version 9.0.0 (0)' >&2")
    monkeypatch.setenv("PATH", f"{dot.parent}{os.pathsep}{os.environ['PATH']}")
    found = find_engine()
    assert found == Engine("dot", str(dot)) and found.version == "9.0.0"


def test_the_environment_variable_comes_before_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = program(tmp_path / "bin", "my-dot", "exit 0")
    monkeypatch.setenv(engine.VARIABLE, str(own))
    assert find_engine() == Engine("dot", str(own))
    monkeypatch.setenv(engine.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(RenderError, match="TRACEGRAD_DOT=.*nowhere.*pip install"):
        find_engine()


def test_the_embedded_engine_is_found_without_an_activated_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = find_engine("graphviz-pure")
    assert found is not None and found.name == "graphviz-pure" and found.version == "16.1.0"


def test_an_engine_asked_for_must_exist(no_engine: None) -> None:
    assert find_engine() is None
    for name in ("dot", "graphviz-pure", "/no/such/program"):
        with pytest.raises(RenderError, match=f"engine='{name}'"):
            find_engine(name)


def test_without_an_engine_the_dot_file_is_written_and_the_error_says_what_to_install(
    tmp_path: Path, no_engine: None
) -> None:
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    with pytest.raises(RenderError, match=r"pip install 'tracegrad\[dot\]'"):
        draw(y, tmp_path / "graph.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.dot"]
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == draw(y).dot
    bundle = draw(x * x)._repr_mimebundle_()
    assert set(bundle) == {"text/plain"} and "pip install" in bundle["text/plain"]
    draw(x * x, tmp_path / "other.dot")
    with pytest.raises(RenderError, match="pip install"):
        _ = draw(x * x).svg


def test_pdf_needs_the_system_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_engine("graphviz-pure") is not None
    monkeypatch.setattr(engine, "_system", lambda: None)
    x = Tensor(2.0, requires_grad=True)
    with pytest.raises(RenderError, match=r"PDF needs .*\.svg"):
        draw(x * x, tmp_path / "graph.pdf")
    assert list(tmp_path.iterdir()) == []
    dot = program(tmp_path / "bin", "dot", "cat > /dev/null; printf %%PDF-1.5")
    draw(x * x, tmp_path / "graph.pdf", engine=str(dot))
    assert (tmp_path / "graph.pdf").read_bytes() == b"%PDF-1.5"


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_the_system_engine_writes_one_page_of_the_size_of_the_drawing(tmp_path: Path, direction: str) -> None:
    x = Tensor([[2.0, -1.0]], requires_grad=True, name="x/ é")
    picture = draw((x * x).sum(), tmp_path / "graph.pdf", engine="dot", direction=direction)
    data = (tmp_path / "graph.pdf").read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL)
    whole = data + b"".join(zlib.decompressobj().decompress(part) for part in streams if part[:1] == b"x")
    assert len(re.findall(rb"/Type\s*/Page\b", whole)) == 1
    box = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)\s*\]", whole)
    root = ElementTree.fromstring(picture.svg)
    size = [float(root.get(name, "").removesuffix("pt")) for name in ("width", "height")]
    assert [float(side) for side in box[0]] == pytest.approx(size, abs=2)
    assert b"/Font" in whole  # text stays text


def test_both_engines_draw_the_same_graph(tmp_path: Path) -> None:
    x = Tensor(np.ones((2, 9)), requires_grad=True, name="x")
    pictures = [draw((x * 2.0).sum(), engine=name) for name in ("dot", "graphviz-pure")]
    words = [["".join(node.itertext()) for node in ElementTree.fromstring(p.svg).iter(f"{SVG}text")] for p in pictures]
    assert words[0] == words[1] and "x" in words[0]
    assert all(picture.png.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0].dot == pictures[1].dot


def test_an_engine_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    slow = Engine("dot", str(program(tmp_path / "bin", "dot", "exec sleep 60")))
    with pytest.raises(RenderError, match=r"after 0\.2 s.*max_nodes="):
        run_engine(slow, "digraph {}", "svg", timeout=0.2)


def test_an_engine_that_fails_is_quoted_and_leaves_an_old_file_alone(tmp_path: Path) -> None:
    broken = program(tmp_path / "bin", "dot", "echo 'syntax error in line 7' >&2; exit 3")
    target = tmp_path / "graph.svg"
    target.write_text("old")
    x = Tensor(2.0, requires_grad=True)
    with pytest.raises(RenderError, match="exit code 3: syntax error in line 7"):
        draw(x * x, target, engine=str(broken))
    assert target.read_text() == "old" and sorted(path.name for path in tmp_path.iterdir()) == ["bin", "graph.svg"]
    with pytest.raises(RenderError, match="could not be started"):
        run_engine(Engine("dot", str(tmp_path)), "digraph {}", "svg")
