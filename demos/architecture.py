"""The way of the data through a network and back, drawn by Graphviz from the network itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import graphviz

import autograd
import nn
from autograd.files import write

# fill and stroke of each kind of box: told apart by their words too, so the colours only help
_INPUT, _LAYER, _ACTIVATION = ("#e8f1fa", "#0072B2"), ("#fdf1e3", "#B8660B"), ("#e9f6f1", "#00805E")
_LOSS, _BACK = ("#fbe9e4", "#B84A00"), ("#f6ecf3", "#9A4F7E")


def diagram(model: nn.Sequential, loss: str, learning_rate: float) -> graphviz.Digraph:
    """Forward through the layers in dark lines, backward in dashed ones, with the shapes on the edges.

    Args:
        model: Dense layers and activations.
        loss: Its name.
        learning_rate: Of the update.
    """
    graph = graphviz.Digraph("architecture", graph_attr={"rankdir": "LR", "ranksep": "0.45", "nodesep": "0.35"})
    graph.attr("node", shape="box", style="rounded,filled", fontname="Helvetica", fontsize="11", margin="0.15,0.09")
    graph.attr("edge", fontname="Helvetica", fontsize="9", color="#444444")

    def box(name: str, label: str, colours: tuple[str, str], **more: str) -> None:
        graph.node(name, label, fillcolor=colours[0], color=colours[1], **more)

    layers = list(model)
    dense = [layer for layer in layers if isinstance(layer, nn.Dense)]
    box("target", f"Target y\n(n, {dense[-1].output_size})", _INPUT)  # first, so that it stands above the way back
    box("input", f"Input X\n(n, {dense[0].input_size})", _INPUT)
    before, number = "input", 0
    for index, layer in enumerate(layers):
        name = f"layer{index}"
        if isinstance(layer, nn.Dense):
            number += 1
            label = (
                f"Dense {number}\nZ = A W + b\nW ({layer.input_size}, {layer.output_size}), b ({layer.output_size},)"
            )
            box(name, label, _LAYER)
            width = layer.output_size
        else:
            box(name, f"{type(layer).__name__}\nA = f(Z)", _ACTIVATION)
        graph.edge(before, name, penwidth="1.6")
        before = name
    box("output", f"Prediction\n(n, {width})", _INPUT)
    box("loss", f"Loss\n{loss}", _LOSS)
    box("gradients", "backward()\n∂loss/∂W, ∂loss/∂b", _BACK)
    box("update", f"Update\nW − {learning_rate:g} · ∂loss/∂W", _BACK)
    graph.edge(before, "output", penwidth="1.6")
    graph.edge("output", "loss", penwidth="1.6", weight="9")
    graph.edge("target", "loss", penwidth="1.6")
    graph.edge("loss", "gradients", style="dashed", color=_BACK[1], penwidth="1.6")
    graph.edge("gradients", "update", style="dashed", color=_BACK[1], penwidth="1.6")
    for index, layer in enumerate(layers):
        if isinstance(layer, nn.Dense):
            graph.edge("update", f"layer{index}", style="dashed", color=_BACK[1], constraint="false")
    return graph


def draw(model: nn.Sequential, loss: str, learning_rate: float, path: Path) -> list[Path]:
    """Write the diagram.

    Args:
        model, loss, learning_rate: As for `diagram`.
        path: Of the picture (.svg or .png), which needs a Graphviz program; DOT text is written beside it.

    Returns:
        The files written.
    """
    source = diagram(model, loss, learning_rate).source
    files = [write(path.with_suffix(".dot"), source)]
    engine = autograd.draw(autograd.Tensor(0.0)).engine  # the program that `autograd.draw` uses here
    if engine is not None:
        command = [engine.path, f"-T{path.suffix[1:]}", *(["-Gdpi=120"] if path.suffix == ".png" else [])]
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=30, check=True)
        files.append(write(path, done.stdout))
    return files
