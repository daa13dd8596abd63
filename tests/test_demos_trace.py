"""`python -m demos trace`: the listings it prints, the program it writes, and that the three runs agree."""

from __future__ import annotations

import re
import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import nn
from demos import trace
from demos.__main__ import main
from demos.options import Options


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trace")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    options = Options("xor", (3,), "sigmoid", "mse", 2.0, 300, seed=1, out=folder)
    return trace.run(options).text()


def test_it_prints_both_graphs_and_the_program(printed: str, folder: Path) -> None:
    for name in ("traced.txt", "optimised.txt", "step_source.py"):
        assert (folder / "trace" / name).read_text(encoding="utf-8").rstrip() in printed
    traced, optimised = (int(n) for n in re.findall(r"graph.*, (\d+) equations:", printed))
    assert traced > optimised
    counts = [
        int(n) for n in re.findall(r"^\| (?:trace|fold|simplify|cse|dce): .*\| +(\d+) \|$", printed, re.MULTILINE)
    ]
    assert counts[0] == traced and counts[-1] == optimised and counts == sorted(counts, reverse=True)


def test_the_three_runs_agree_and_learn(printed: str) -> None:
    rows = re.findall(r"^\| (eager|compiled|NumPy source) +\| +(\S+) \| +(\S+) \| +(\S+) \|", printed, re.MULTILINE)
    assert [name for name, *_ in rows] == ["eager", "compiled", "NumPy source"]
    assert len({(first, last) for _, first, last, _ in rows}) == 1
    assert float(rows[0][2]) < float(rows[0][1])
    assert all(float(apart) < 1e-12 for *_, apart in rows)


def test_the_written_program_is_one_step_of_gradient_descent(printed: str, folder: Path) -> None:
    source = folder / "trace" / "step_source.py"
    assert re.findall(r"^import (.*)$|^from (.*)$", source.read_text(encoding="utf-8"), re.MULTILINE) == [
        ("numpy as np", "")
    ]
    X, y = nn.data.xor()
    w1, b1, w2, b2 = start = list(trace.weights_of(trace.network(Options("xor", (3,), "sigmoid", seed=1))).values())
    results = runpy.run_path(str(source))["step"](X, y, *start)
    hidden = 1 / (1 + np.exp(-(X @ w1 + b1)))
    output = 1 / (1 + np.exp(-(hidden @ w2 + b2)))
    delta = (output - y) / 2 * output * (1 - output)
    below = delta @ w2.T * hidden * (1 - hidden)
    gradients = [X.T @ below, below.sum(0), hidden.T @ delta, delta.sum(0)]
    np.testing.assert_allclose(results[0], ((output - y) ** 2).mean(), rtol=1e-14)
    for new, old, gradient in zip(results[1:5], start, gradients, strict=True):
        np.testing.assert_allclose(new, old - 2.0 * gradient, rtol=1e-12, atol=1e-15)


def test_the_picture_shows_before_and_after_side_by_side(printed: str, folder: Path) -> None:
    svg = ElementTree.parse(folder / "trace" / "before_after.svg").getroot()
    words = " ".join(text.text or "" for text in svg.iter("{http://www.w3.org/2000/svg}text"))
    assert "as traced:" in words and "optimised:" in words and "dropped" in words and "changed" in words
    assert (folder / "trace" / "before_after.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_takes_its_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "--hidden", "4,2", "--activation", "tanh", "--epochs", "3", "--out", str(tmp_path)]) == 0
    assert "dense_2_weight: f64[2,1]" in capsys.readouterr().out
    assert (tmp_path / "trace" / "step_source.py").exists()


def test_without_graphviz_the_picture_stands_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograd.render.picture.find_engine", lambda engine: None)
    report = trace.run(Options("xor", (2,), "sigmoid", "mse", 1.0, 2, out=tmp_path))
    assert [path.name for path in report.files] == ["traced.txt", "optimised.txt", "step_source.py", "before_after.dot"]
    assert "pip install" in report.text()
