"""A model of your own, written directly on Tensor: a damped oscillation fitted to noisy measurements.

No layer, no loss class, no optimizer: four numbers that require gradients, a formula, and `backward()`.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from matplotlib.axes import Axes

import autograd
from autograd import Tensor
from nn.pictures import plots

from . import slides
from .options import Options
from .report import Report, table

TITLE = "A custom model, written on Tensor"
QUESTION = "Which oscillation made these measurements? Any formula can be fitted once it is written with Tensors."
TRUTH = {"amplitude": 1.5, "decay": 0.35, "frequency": 2.2, "phase": 0.6}
GUESS = {"amplitude": 1.0, "decay": 0.1, "frequency": 2.0, "phase": 0.0}


class Oscillation:
    """y(t) = amplitude * exp(-decay * t) * cos(frequency * t + phase), with four trainable numbers."""

    def __init__(self, start: dict[str, float]) -> None:
        self.parameters = {name: Tensor(value, requires_grad=True, name=name) for name, value in start.items()}

    def __call__(self, t: Tensor | np.ndarray) -> Tensor:
        """The curve at the times t (n,)."""
        p = self.parameters
        y: Tensor = p["amplitude"] * autograd.exp(-p["decay"] * t) * autograd.cos(p["frequency"] * t + p["phase"])
        return y

    def step(self, learning_rate: float) -> None:
        """Move every number against its gradient, and forget the gradient."""
        for parameter in self.parameters.values():
            parameter.data = parameter.data - learning_rate * parameter.grad
            parameter.zero_grad()


def run(options: Options) -> Report:
    """Fit the curve, and write the fit and the graph of its loss."""
    rng = np.random.default_rng(options.seed)
    t = np.linspace(0.0, 6.0, 80)
    clean = TRUTH["amplitude"] * np.exp(-TRUTH["decay"] * t) * np.cos(TRUTH["frequency"] * t + TRUTH["phase"])
    measured = clean + 0.08 * rng.normal(size=t.size)

    model = Oscillation(GUESS)
    with autograd.no_grad():
        first = model(t).numpy()
    losses = []
    for _ in range(options.epochs):
        loss = ((model(t) - measured) ** 2).mean()
        loss.backward()
        model.step(options.learning_rate)
        losses.append(loss.item())
    with autograd.no_grad():
        last = model(t).numpy()

    loss = ((model(Tensor(t, name="t")) - Tensor(measured, name="measured")) ** 2).mean()
    with autograd.keep_grads():
        loss.backward(retain_graph=True)
    picture = autograd.draw(loss)

    def fit(ax: Axes) -> None:
        plots.tidy(ax, "Measurements and fit", "time", "y")
        ax.plot(t, measured, "o", color=plots.GREY, markersize=3.5, label="measured")
        ax.plot(t, first, "--", color=plots.ORANGE, linewidth=1.5, label="first guess")
        ax.plot(t, last, "-", color=plots.BLUE, linewidth=2.0, label=f"after {options.epochs} steps")
        ax.legend(fontsize=8, edgecolor=plots.PALE)

    panels = [
        partial(plots.loss_panel, losses=losses, title="Loss of the custom model", ylabel="mean squared error"),
        fit,
    ]
    folder = options.out / "plots" / "custom_model"
    files = [slides.save_panel(panel, folder / name) for panel, name in zip(panels, ("loss.png", "fit.png"))]
    slide = slides.graph_and_panels(picture, panels, "Graph of the loss")
    files.append(plots.save(slide, folder / "graph_beside_training.png", dpi=180))
    files.append(picture.save(folder / ("loss_graph.svg" if picture.engine else "loss_graph.dot")))

    rows = [
        [name, f"{GUESS[name]:.3f}", f"{tensor.item():.3f}", f"{TRUTH[name]:.3f}"]
        for name, tensor in model.parameters.items()
    ]
    did = [
        f"{options.epochs} steps of gradient descent on 80 measurements with noise of deviation 0.08:",
        "",
        *table(["parameter", "first guess", "fitted", "true"], rows),
    ]
    off = max(abs(tensor.item() - TRUTH[name]) for name, tensor in model.parameters.items())
    proves = (
        f"A model is any function of Tensors. The error of the fit fell from {losses[0]:.4f} to {losses[-1]:.4f}, "
        f"beside 0.0064 for the noise alone, and the fitted numbers are within {off:.3f} of those that made the data."
    )
    return Report(TITLE, QUESTION, did, proves, files, picture, files[:2])
