"""XOR in depth: the smallest problem that needs a hidden layer, and everything that can be seen of its solution."""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import autograd
import nn
from autograd import Tensor
from autograd.files import write
from nn.pictures import plots

from . import architecture, experiment, loss_surface, slides
from .options import Options
from .report import Report, table

TITLE = "XOR in depth"
QUESTION = "No straight line separates the two classes of XOR. How does a network with one small hidden layer do it?"
_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def run(options: Options) -> Report:
    """Train one row at a time, and write loss, boundary, hidden activations, weights, data flow, graph and table."""
    folder = options.out / "plots" / "xor"
    X, y = nn.data.xor()
    network = untrained(options)
    grid = plots.Grid.around(X, margin=0.3)
    every = max(options.epochs // 100, 1)
    history = network.train(
        X, y, epochs=options.epochs, learning_rate=options.learning_rate,
        recorders=[nn.record_weights(every=every), nn.record_activations(grid.points, at=[options.epochs])],
    )  # fmt: skip
    weights, maps = history.records["weights"], history.records["activations"].values[-1]
    series = {name: weights.series(name) for name in weights.values[0]}
    final, hidden = maps[f"layers.{len(network.model) - 1}"][:, 0], maps["layers.1"]

    loss_panel = partial(_loss, history.loss, options)
    boundary_panel = partial(_boundary, grid, final, X, y)
    files = [
        slides.save_panel(loss_panel, folder / "training_loss.png"),
        slides.save_panel(boundary_panel, folder / "decision_boundary.png"),
    ]
    files.append(plots.save(_hidden(grid, hidden, X, y, options), folder / "hidden_activations.png"))
    weights_panel = partial(plots.weights_panel, epochs=weights.epochs, weights=series)
    files.append(
        slides.save_panel(
            partial(weights_panel, title="XOR: every weight during training"), folder / "weight_dynamics.png"
        )
    )
    files.append(
        slides.save_panel(partial(_way, network.model, options, series, weights.epochs), folder / "loss_surface.png")
    )
    pictures = list(files)
    graph = _graph(network, X, y)
    title = "Graph of the loss of the four rows"
    slide = slides.graph_and_panels(graph, [loss_panel, boundary_panel], title)
    files.append(plots.save(slide, folder / "graph_beside_training.png", dpi=180))
    loss_name = experiment.LOSS_NAMES[options.loss]
    for ending in (".svg", ".png"):
        files += architecture.draw(
            network.model, loss_name, options.learning_rate, folder / f"architecture_data_flow{ending}"
        )

    predictions = network.predict(X).reshape(-1)
    errors = np.abs(predictions - y.reshape(-1))
    rows = [
        [f"[{a:.0f}, {b:.0f}]", f"{target:.0f}", f"{prediction:.3f}", f"{error:.3f}"]
        for (a, b), target, prediction, error in zip(X, y[:, 0], predictions, errors)
    ]
    lines = table(["input", "target", "prediction", "error"], rows)
    files.append(write(folder / "predictions.md", "\n".join(lines) + "\n"))
    figure = plots.new_figure(12, 3.8)
    for panel, ax in zip(
        (loss_panel, boundary_panel, partial(weights_panel, title="XOR: weights")), figure.subplots(1, 3)
    ):
        panel(ax)
    files.append(plots.save(figure, folder / "overview.png"))

    shape = "-".join(map(str, (2, *options.hidden, 1)))
    did = [
        f"A {shape} network with {options.activation}, {loss_name}, learning rate {options.learning_rate:g}, "
        f"{options.epochs:,} epochs of one row at a time:",
        "",
        *lines,
        "",
        f"Loss {history.loss[0]:.4f} in the first epoch, {history.loss[-1]:.6f} in the last.",
    ]
    if errors.max() < 0.5:
        proves = (
            f"Each of the {options.hidden[0]} neurons of the first hidden layer draws one soft line (see "
            f"hidden_activations.png); the rest of the network combines them into a region with two sides. "
            f"The largest error left is {errors.max():.3f}."
        )
    else:
        proves = (
            f"{int((errors >= 0.5).sum())} of the four rows are still wrong: this run sits on a plateau or in a local "
            "minimum, as some starts of so small a network do. Another --seed, more --epochs or more --hidden neurons "
            "help."
        )
    pictures += [path for path in files if path.name == "architecture_data_flow.png"]
    again = untrained(options)
    trainer = nn.Trainer(again, again.loss_function, nn.SGD(again, options.learning_rate))
    source = experiment.program(trainer, X[:1], y[:1])
    return Report(TITLE, QUESTION, did, proves, list(dict.fromkeys(files)), graph, pictures, source)


def untrained(options: Options) -> nn.NeuralNetwork:
    """The network of these options with its first weights."""
    loss = nn.MSE() if options.loss == "mse" else nn.BinaryCrossEntropy()
    network = nn.NeuralNetwork(loss_function=loss, seed=options.seed)
    for inputs, outputs in zip((2, *options.hidden), options.hidden):
        network.add(nn.Dense(inputs, outputs)).add(experiment.ACTIVATIONS[options.activation]())
    return network.add(nn.Dense(options.hidden[-1], 1)).add(nn.Sigmoid())


def _graph(network: nn.NeuralNetwork, X: np.ndarray, y: np.ndarray) -> autograd.Picture:
    """The loss of the four rows, with all values and gradients."""
    loss = network.loss_function(network.model(Tensor(X, name="x")), Tensor(y, name="y"))
    loss.name = "loss"
    network.model.zero_grad()
    with autograd.keep_grads():
        loss.backward()
    return autograd.draw(loss, collapse="constants")


def _loss(losses: list[float], options: Options, ax: Axes) -> None:
    plots.loss_panel(ax, losses, title="XOR: training loss", ylabel=experiment.LOSS_NAMES[options.loss])


def _boundary(grid: plots.Grid, final: np.ndarray, X: np.ndarray, y: np.ndarray, ax: Axes) -> None:
    plots.boundary_panel(ax, grid, [0], final[None], X, y, title="XOR: decision boundary", colourbar=True)


def _way(model: nn.Module, options: Options, weights: dict[str, np.ndarray], epochs: list[int], ax: Axes) -> None:
    plane = loss_surface.weight_plane(weights)
    losses = loss_surface.losses_in(plane, model, experiment.LOSSES[options.loss], *nn.data.xor())
    plots.surface_panel(ax, plane, losses, epochs, title="XOR: the way down the loss surface")


def _hidden(grid: plots.Grid, hidden: np.ndarray, X: np.ndarray, y: np.ndarray, options: Options) -> Figure:
    shown = min(hidden.shape[1], 8)
    columns = min(shown, 4)
    lines = -(-shown // columns)
    figure = plots.new_figure(3.1 * columns + 0.8, 3.1 * lines + 0.3, "XOR: what each hidden neuron answers")
    axes = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for ax in axes[shown:]:
        ax.set_axis_off()
    bounds = _BOUNDS.get(options.activation, (0.0, float(hidden.max()) or 1.0))
    plots.activation_panels(axes[:shown], grid, hidden[:, :shown], X, y, bounds=bounds)
    return figure
