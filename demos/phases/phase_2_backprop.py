"""Phase 2: gradients three ways (by hand, by the engine, by a traced program), and one step along them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd
import nn
from autograd import Tensor, compare
from nn import optim

from .. import by_hand, experiment
from ..options import Options
from ..report import Report, table

TITLE = "Phase 2: backpropagation"
QUESTION = "Which way must every single weight move to make the loss smaller, and is the answer of the engine right?"

Gradients = dict[str, np.ndarray]


def run(options: Options) -> Report:
    """Compare all gradients with those derived by hand, make one step, and write `data/parameters.npy`."""
    X, y = experiment.dataset(options)
    model = experiment.network(options)
    loss_of = experiment.LOSSES[options.loss]
    x, target = Tensor(X, name="x"), Tensor(y, name="target")

    before = loss_of(model(x), target)
    before.backward(retain_graph=True)  # where a gradient is wrong, the graph tells the mistake

    parameters = dict(model.named_parameters())
    weights = [parameter.data for name, parameter in parameters.items() if name.endswith("weight")]
    biases = [parameter.data for name, parameter in parameters.items() if name.endswith("bias")]
    layers = by_hand.forward(X, weights, biases, options.activation)
    by_weights, by_biases = by_hand.backward(layers, y, weights, options.activation, options.loss)
    manual = dict(zip(parameters, (g for pair in zip(by_weights, by_biases) for g in pair), strict=True))
    eager = {name: parameter.grad for name, parameter in parameters.items()}
    traced = generated(model, loss_of, X, y)

    report, second = compare(manual, before), compare(traced, before)
    rows = []
    for row, other in zip(report.rows, second.rows, strict=True):
        largest = [f"{np.abs(gradients[row.name]).max():.6f}" for gradients in (manual, eager, traced)]
        apart = [cell for r in (row, other) for cell in (f"{r.absolute:.2e}", r.verdict)]
        rows.append([row.name, str(row.shape), *largest, *apart])

    optim.SGD(model.parameters(), learning_rate=options.learning_rate).step()
    after = loss_of(model(x), target)
    path = options.out / "data" / "parameters.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)

    squares = sum(float((gradient**2).sum()) for gradient in eager.values())
    predicted, happened = options.learning_rate * squares, float(before) - float(after)
    header = ["parameter", "shape", "by hand", "eager", "traced"]
    did = [
        f"Gradients of the {experiment.LOSS_NAMES[options.loss]} over {len(X)} rows of {options.dataset}, derived three "
        "times: by hand (the",
        "formulas in NumPy, without the engine), eagerly by the engine, and by the NumPy program that compile wrote",
        "(`step.source`, loaded and run by itself). Of each the largest element, and the largest differences:",
        "",
        *table([*header, "hand - eager", "verdict", "traced - eager", "verdict"], rows),
        *(f"{row.name}: {row.diagnosis.text}" for row in report.rows + second.rows if row.diagnosis is not None),
        "",
        f"Loss before backprop:             {float(before):.16f}",
        f"Loss after one backprop step:     {float(after):.16f}",
        f"The loss fell by {happened:.6f}; a step of {options.learning_rate:g} along the gradient promises "
        f"{predicted:.6f} to first order.",
    ]
    worst = max(row.absolute for row in report.rows + second.rows)
    right = report.ok and second.ok
    verdict = "agree to the last few bits" if right and worst < 1e-14 else "agree" if right else "DISAGREE"
    direction = "fell" if happened > 0 else "ROSE, so the step was too long"
    proves = (
        f"The engine, its traced program and the derivation by hand {verdict}: the largest difference in any of the "
        f"{len(rows)} parameters is {worst:.1e}. And the gradient is good for something: after one step the loss {direction}."
    )
    return Report(TITLE, QUESTION, did, proves, [path])


def generated(model: nn.Module, loss_of: Callable[..., Tensor], X: np.ndarray, y: np.ndarray) -> Gradients:
    """The gradients of all parameters from the printed program of a traced step, run as if a person had written it."""

    @autograd.compile(backend="numpy")
    def step(x: Any, target: Any) -> Any:
        model.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        return loss

    step(X, y)
    program: dict[str, Any] = {}
    exec(step.source, program)
    paths = {parameter.name: path for path, parameter in model.named_parameters()}
    values = {"x": X, "target": y, **{parameter.name: parameter.data for parameter in model.parameters()}}
    results = program[step.graph.name](*(values[var.name] for var in step.graph.inputs))
    named = dict(zip((var.name for var in step.graph.outputs), results, strict=True))
    return {path: named[f"grad_{name}"] for name, path in paths.items()}
