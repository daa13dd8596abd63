"""Pages to walk through: one neuron number by number, and a whole training run epoch by epoch."""

from __future__ import annotations

import autograd
import nn
from autograd import Tensor
from nn import optim

from . import experiment
from .options import Options
from .report import Report

TITLE = "A page to walk through"
QUESTION = "What does every number in a network do, forward and backward, while it learns?"


def one_neuron() -> Tensor:
    """The squared error of tanh(w1 x1 + w2 x2 + b): small enough to check every step by hand."""
    x1, x2 = Tensor(2.0, name="x1"), Tensor(-1.0, name="x2")
    w1, w2 = Tensor(0.5, requires_grad=True, name="w1"), Tensor(1.5, requires_grad=True, name="w2")
    b = Tensor(0.8, requires_grad=True, name="b")
    with autograd.scope("neuron"):
        z = w1 * x1 + w2 * x2 + b
        z.name = "z"
        y = autograd.tanh(z)
        y.name = "y"
    loss = (y - 1.0) ** 2
    loss.name = "loss"
    return loss


def run(options: Options) -> Report:
    """Write `one_neuron.html` and a page of the training run, named after its data."""
    folder = options.out / "explore"
    neuron = folder / "one_neuron.html"
    autograd.explore(one_neuron(), neuron, title="One neuron: (tanh(w1·x1 + w2·x2 + b) − 1)²")

    X, y = experiment.dataset(options)
    model = experiment.network(options)
    history = model.fit(
        X, y, loss=experiment.LOSSES[options.loss], epochs=options.epochs, batch_size=None, verbose=0,
        optimizer=optim.SGD(model.parameters(), learning_rate=options.learning_rate),
        recorders=[nn.record_weights()],
    )  # fmt: skip
    path = folder / f"{options.dataset}.html"
    sizes = "-".join(map(str, (2, *options.hidden, 1)))
    page = history.explore(path, title=f"{options.dataset.replace('_', ' ').capitalize()}, a {sizes} network: "
                           f"the loss of {experiment.ROWS} of {len(X)} rows", rows=experiment.ROWS)  # fmt: skip
    did = [
        f"One neuron, {neuron.stat().st_size / 1e6:.2f} MB: press → and watch values go forward, gradients back.",
        f"{options.epochs} epochs on {options.dataset.replace('_', ' ')}, {len(page.html.encode()) / 1e6:.1f} MB: loss "
        f"{history.loss[0]:.4f} -> {history.loss[-1]:.4f}, "
        f"{nn.accuracy(model.predict(X), y):.1%} right; the slider moves graph, curve, boundary and weights together.",
    ]
    proves = (
        "Nothing is hidden: each value comes from the ones above it by a formula that can be read with its numbers, "
        "each gradient is gradient × local derivative, and training is that, again and again. Each page is one file "
        "that opens in any browser, without a network."
    )
    return Report(TITLE, QUESTION, did, proves, [neuron, path])
