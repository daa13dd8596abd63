"""Phase 2: the gradients of the engine beside backpropagation by hand, and one step along them."""

from __future__ import annotations

import numpy as np

from autograd import Tensor, compare
from demos import experiment, manual_backprop
from demos.options import Options
from demos.report import Report, table
from nn import optim

TITLE = "Phase 2: backpropagation"
QUESTION = "Which way must every single weight move to make the loss smaller, and is the answer of the engine right?"


def run(options: Options) -> Report:
    """Compare all gradients with those derived by hand, make one step, and write `data/parameters.npy`."""
    X, y = experiment.dataset(options)
    model = experiment.network(options)
    loss_of = experiment.LOSSES[options.loss]
    x, target = Tensor(X, name="x"), Tensor(y, name="y")

    before = loss_of(model(x), target)
    before.backward(retain_graph=True)  # where a gradient is wrong, the graph tells the mistake

    parameters = dict(model.named_parameters())
    weights = [parameter.data for name, parameter in parameters.items() if name.endswith("weight")]
    biases = [parameter.data for name, parameter in parameters.items() if name.endswith("bias")]
    layers = manual_backprop.forward(X, weights, biases, options.activation)
    by_weights, by_biases = manual_backprop.backward(layers, y, weights, options.activation, options.loss)
    by_hand = [gradient for pair in zip(by_weights, by_biases) for gradient in pair]

    report = compare(dict(zip(parameters, by_hand, strict=True)), before)
    worst = max(row.absolute for row in report.rows)
    rows = []
    for row in report.rows:
        gradient = np.abs(parameters[row.name].grad).max()
        rows.append([row.name, str(row.shape), f"{gradient:.6f}", f"{row.absolute:.2e}", row.verdict])

    optim.SGD(model.parameters(), learning_rate=options.learning_rate).step()
    after = loss_of(model(x), target)
    path = options.out / "data" / "parameters.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)

    squares = sum(float((parameter.grad**2).sum()) for parameter in parameters.values())
    predicted, happened = options.learning_rate * squares, float(before) - float(after)
    did = [
        f"Gradients of the {experiment.LOSS_NAMES[options.loss]} over {len(X)} rows of {options.dataset}; by hand "
        "means the formulas in NumPy, without the engine:",
        "",
        *table(["parameter", "shape", "max abs", "max abs difference", "verdict"], rows),
        *(f"{row.name}: {row.diagnosis.text}" for row in report.rows if row.diagnosis is not None),
        "",
        f"Loss before backprop:             {float(before):.16f}",
        f"Loss after one backprop step:     {float(after):.16f}",
        f"The loss fell by {happened:.6f}; a step of {options.learning_rate:g} along the gradient promises "
        f"{predicted:.6f} to first order.",
    ]
    verdict = "agree to the last few bits" if report.ok and worst < 1e-14 else "agree" if report.ok else "DISAGREE"
    direction = "fell" if happened > 0 else "ROSE, so the step was too long"
    proves = (
        f"The engine and the derivation by hand {verdict}: the largest difference in any of the {len(rows)} parameters "
        f"is {worst:.1e}. And the gradient is good for something: after one step the loss {direction}."
    )
    return Report(TITLE, QUESTION, did, proves, [path])
