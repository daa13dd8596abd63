"""`python -m demos.readme_pictures`: makes the pictures of the README again, from real runs, small enough to keep."""

from __future__ import annotations

import io
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from PIL import Image

from autograd.files import write
from nn.pictures import plots
from nn.pictures.animation import gif

from . import experiment, graph_report, xor
from .__main__ import GRAPH, XOR
from .options import Options

LIMIT = 300_000  # bytes per picture
XOR_PICTURES = ("overview.png", "hidden_activations.png", "architecture_data_flow.png")


def small(source: Path, target: Path) -> Path:
    """A PNG file reduced to 256 colours, chosen so that rare ones survive: half of the size."""
    with Image.open(source) as image:
        reduced = image.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, format="PNG", optimize=True)
    return write(target, buffer.getvalue())


def animation(target: Path) -> Path:
    """Loss and decision boundary of the two moons, moving together."""
    run = experiment.train(Options())
    figure = plots.new_figure(8, 3.4)
    left, right = figure.subplots(1, 2)
    show = plots.together(
        plots.loss_panel(left, run.losses),
        plots.boundary_panel(right, run.grid, run.epochs, run.frames, run.X, run.y, title=run.title),
    )
    return gif(figure, show, run.epochs[:-1], target, max_frames=20, frame_ms=200, limit=LIMIT)


def main(folder: Path) -> list[Path]:
    """Write all of them; returns their paths."""
    with tempfile.TemporaryDirectory() as scratch:
        graph_report.run(replace(GRAPH, out=Path(scratch)))
        xor.run(replace(XOR, out=Path(scratch)))
        made = Path(scratch) / "plots"
        files = [small(made / "graph" / "graph_beside_training.png", folder / "graph_beside_training.png")]
        files += [small(made / "xor" / name, folder / f"xor_{name}") for name in XOR_PICTURES]
    return [*files, animation(folder / "two_moons.gif")]


if __name__ == "__main__":
    for path in main(Path(sys.argv[1] if len(sys.argv) > 1 else "assets")):
        print(f"{path.as_posix()}  {path.stat().st_size:,} bytes")
