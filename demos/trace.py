"""One decorator on a training step: its graph as traced, the optimised graph, the NumPy program, and all three run."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import autograd
import nn
from autograd.files import write

from .experiment import ACTIVATIONS
from .options import Options
from .report import Report, table

TITLE = "A training step, traced"
QUESTION = "What does a training step of XOR compute, what is left of it after optimisation, and is it still the same?"
PASSES = {
    "trace": "as the step ran: forward, backward, update",
    "vectorise": "what single numbers compute again and again is computed once, on arrays",
    "fold": "numbers computed from numbers are computed now",
    "simplify": "what changes nothing is dropped: times one, broadcasts that happen anyway",
    "cse": "what is computed twice is computed once",
    "dce": "what nobody needs is dropped",
}

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What a run left.

    Attributes:
        losses: Of every step.
        weights: The final ones, by name.
        microseconds: How long a step took.
    """

    losses: list[float]
    weights: Weights
    microseconds: float

    def apart(self, other: Outcome) -> float:
        """The largest difference between any two losses or weights."""
        losses = max(abs(a - b) for a, b in zip(self.losses, other.losses, strict=True))
        return max(losses, *(float(np.abs(value - other.weights[name]).max()) for name, value in self.weights.items()))


def network(options: Options) -> nn.Sequential:
    """The XOR network of these options; the same seed gives the same weights."""
    found = nn.NeuralNetwork(loss_function=nn.MSE(), seed=options.seed)
    for inputs, outputs in zip((2, *options.hidden), options.hidden):
        found.add(nn.Dense(inputs, outputs)).add(ACTIVATIONS[options.activation]())
    return found.add(nn.Dense(options.hidden[-1], 1)).add(nn.Sigmoid()).model


def training_step(model: nn.Sequential, learning_rate: float) -> Callable[[Any, Any], Any]:
    """An ordinary step of gradient descent, as anybody would write it."""
    mean_squared_error = nn.MSE()
    optimizer = nn.SGD(model.parameters(), learning_rate=learning_rate)

    def step(x: Any, y: Any) -> Any:
        prediction = model(x)
        loss = mean_squared_error(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return step


def weights_of(model: nn.Sequential) -> Weights:
    """Copies of the parameters by the names that the graph uses."""
    return {parameter.name or path: np.array(parameter.data) for path, parameter in model.named_parameters()}


def run_model(model: nn.Sequential, step: Callable[[Any, Any], Any], steps: int) -> Outcome:
    """Train with the step on all rows of XOR at once."""
    X, y = nn.data.xor()
    start = time.perf_counter()
    losses = [float(step(X, y)) for _ in range(steps)]
    return Outcome(losses, weights_of(model), 1e6 * (time.perf_counter() - start) / steps)


def run_source(path: Path, graph: Any, weights: Weights, steps: int) -> Outcome:
    """Train with nothing but the printed program and NumPy: what one step returns is what the next one gets."""
    X, y = nn.data.xor()
    program = runpy.run_path(str(path))[graph.name]
    names = [var.name for var in graph.inputs]
    values, losses = {"x": X, "y": y, **weights}, []
    start = time.perf_counter()
    for _ in range(steps):
        results = dict(zip(graph.labels, program(*[values[name] for name in names]), strict=True))
        losses.append(float(results["return"]))
        values.update((name, results[name]) for name in weights)
    return Outcome(losses, {name: values[name] for name in weights}, 1e6 * (time.perf_counter() - start) / steps)


def run(options: Options) -> Report:
    """Train the same network eagerly, compiled and by its printed program, and write the listings and the picture."""
    folder, steps = options.out / "trace", options.epochs
    model = network(options)
    eager = run_model(model, training_step(model, options.learning_rate), steps)

    model = network(options)
    start = weights_of(model)
    step = autograd.compile(training_step(model, options.learning_rate))
    step(*nn.data.xor())  # traced here, so that tracing is not timed
    for name, parameter in model.named_parameters():
        parameter.assign(start[parameter.name or name])
    compiled = run_model(model, step, steps)

    traced, optimised = step.stages[0][1], step.graph
    files = [write(folder / "traced.txt", f"{traced}\n"), write(folder / "optimised.txt", f"{optimised}\n")]
    program = write(folder / "step_source.py", step.source)
    alone = run_source(program, optimised, start, steps)

    picture = autograd.draw([("as traced", traced), ("optimised", optimised)], collapse="parameters")
    endings = (".dot",) if picture.engine is None else (".svg", ".png")
    files += [program, *(picture.save(folder / f"before_after{ending}") for ending in endings)]

    runs = {"eager": eager, "compiled": compiled, "NumPy source": alone}
    rows = [
        [name, f"{r.losses[0]:.6f}", f"{r.losses[-1]:.6f}", f"{r.apart(eager):.1e}", f"{r.microseconds:.0f}"]
        for name, r in runs.items()
    ]
    did = [
        f"The graph as traced, {len(traced.eqns)} equations:\n",
        f"{traced}\n",
        *table(["pass", "equations"], [[f"{n}: {PASSES.get(n, n)}", str(len(g.eqns))] for n, g in step.stages]),
        f"\nThe optimised graph, {len(optimised.eqns)} equations:\n",
        f"{optimised}\n",
        f"The same as a NumPy program that needs nothing else ({program.name}):\n",
        step.source,
        f"All three, {steps:,} steps from the same weights:\n",
        *table(["run", "first loss", "last loss", "largest difference", "µs per step"], rows),
    ]
    if picture.engine is None:
        did.append('\nThere is no Graphviz program here, so the picture stands as text: pip install "tracegrad[dot]"')
    worst = max(outcome.apart(eager) for outcome in runs.values())
    agreement = "agree to the last bit" if worst == 0 else f"are at most {worst:.1e} apart"
    proves = (
        "Backpropagation needs no magic: the program above is what you would have derived by hand, and the losses and "
        f"weights of the three runs {agreement}. In the picture, what the passes drop is dashed on the left, and what "
        "they change is marked on the right."
    )
    return Report(TITLE, QUESTION, did, proves, files, picture, [], step.source)
