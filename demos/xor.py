"""XOR in depth: the smallest problem that needs a hidden layer, and everything that can be seen of its solution."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

import nn
from demos import architecture, experiment
from demos.options import Options
from demos.report import Report, table
from nn import plots
from nn.files import write

TITLE = "XOR in depth"
QUESTION = "No straight line separates the two classes of XOR. How does a network with one small hidden layer do it?"
_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def run(options: Options) -> Report:
    """Train one row at a time, and write loss, boundary, hidden activations, weights, data flow and the table."""
    folder = options.out / "plots" / "xor"
    X, y = nn.data.xor()
    network = nn.NeuralNetwork(
        loss_function=nn.MSE() if options.loss == "mse" else nn.BinaryCrossEntropy(), seed=options.seed
    )
    for inputs, outputs in zip((2, *options.hidden), options.hidden):
        network.add(nn.Dense(inputs, outputs)).add(experiment.ACTIVATIONS[options.activation]())
    network.add(nn.Dense(options.hidden[-1], 1)).add(nn.Sigmoid())

    grid = plots.Grid.around(X, margin=0.3)
    every = max(options.epochs // 100, 1)
    history = network.train(
        X, y, epochs=options.epochs, learning_rate=options.learning_rate,
        recorders=[nn.record_weights(every=every), nn.record_activations(grid.points, at=[options.epochs])],
    )  # fmt: skip
    weights, maps = history.records["weights"], history.records["activations"].values[-1]
    series = {name: weights.series(name) for name in weights.values[0]}
    final, hidden = maps[f"layers.{len(network) - 1}"][:, 0], maps["layers.1"]

    files = [plots.save(_loss(history.loss, options), folder / "training_loss.png")]
    files.append(plots.save(_boundary(grid, final, X, y), folder / "decision_boundary.png"))
    files.append(plots.save(_hidden(grid, hidden, X, y, options), folder / "hidden_activations.png"))
    figure = plots.new_figure(8, 4.6)
    plots.weights_panel(figure.subplots(), weights.epochs, series, title="XOR: every weight during training")
    files.append(plots.save(figure, folder / "weight_dynamics.png"))
    loss_name = experiment.LOSS_NAMES[options.loss]
    for ending in (".svg", ".png"):
        files += architecture.draw(
            network, loss_name, options.learning_rate, folder / f"architecture_data_flow{ending}"
        )

    predictions = network.predict(X).reshape(-1)
    errors = np.abs(predictions - y.reshape(-1))
    rows = [
        [f"[{a:.0f}, {b:.0f}]", f"{target:.0f}", f"{prediction:.3f}", f"{error:.3f}"]
        for (a, b), target, prediction, error in zip(X, y[:, 0], predictions, errors)
    ]
    lines = table(["input", "target", "prediction", "error"], rows)
    files.append(write(folder / "predictions.md", "\n".join(lines) + "\n"))
    files.append(plots.save(_overview(history, weights.epochs, series, grid, final, X, y), folder / "overview.png"))

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
    return Report(TITLE, QUESTION, did, proves, list(dict.fromkeys(files)))


def _loss(losses: list[float], options: Options) -> Figure:
    figure = plots.new_figure(7, 4.2)
    name = experiment.LOSS_NAMES[options.loss]
    plots.loss_panel(figure.subplots(), losses, title="XOR: training loss", ylabel=name)
    return figure


def _boundary(grid: plots.Grid, final: np.ndarray, X: np.ndarray, y: np.ndarray) -> Figure:
    figure = plots.new_figure(5.6, 4.6)
    title = "XOR: decision boundary"
    plots.boundary_panel(figure.subplots(), grid, [0], final[None], X, y, title=title, colourbar=True)
    return figure


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


def _overview(
    history: nn.History, epochs: list[int], weights: dict[str, np.ndarray], grid: plots.Grid, final: np.ndarray,
    X: np.ndarray, y: np.ndarray,
) -> Figure:  # fmt: skip
    figure = plots.new_figure(12, 3.8)
    left, middle, right = figure.subplots(1, 3)
    plots.loss_panel(left, history.loss, title="XOR: training loss")
    plots.boundary_panel(middle, grid, [0], final[None], X, y, title="XOR: decision boundary")
    plots.weights_panel(right, epochs, weights, title="XOR: weights")
    return figure
