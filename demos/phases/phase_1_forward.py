"""Phase 1: one pass through the untrained network, layer by layer."""

from __future__ import annotations

import numpy as np

import nn
from autograd import Tensor, no_grad

from .. import experiment
from ..options import Options
from ..report import Report, table

TITLE = "Phase 1: forward pass"
QUESTION = "What happens to an input on its way through the layers, and how wrong is the network before it learns?"


def run(options: Options) -> Report:
    """Compute the activations of every layer and the first loss."""
    X, y = experiment.dataset(options)
    model = experiment.network(options)
    with no_grad(), nn.observe(model) as outputs:
        prediction = model(Tensor(X))
        loss = experiment.LOSSES[options.loss](prediction, Tensor(y))
    rows = []
    for path, module in model.named_modules():
        if path:
            a = outputs[path].data
            rows.append([f"{path} {type(module).__name__}", str(a.shape), f"{a.mean():+.4f}", f"{a.std():.4f}"])
            rows[-1] += [f"{a.min():+.4f}", f"{a.max():+.4f}"]
    first = "\n".join(
        f"  x = {np.array2string(x, precision=3)}  ->  {p[0]:.8f}" for x, p in zip(X[:4], prediction.data)
    )
    did = [
        f"All {len(X)} rows of {options.dataset} went through the network at once:",
        "",
        *table(["layer", "shape", "mean", "deviation", "least", "largest"], rows),
        "",
        "The first four outputs:",
        first,
        "",
        f"Initial loss ({experiment.LOSS_NAMES[options.loss]}): {float(loss):.10f}",
    ]
    guess = float(np.log(2.0)) if options.loss == "bce" else 0.25
    correct = nn.accuracy(prediction.data, y)
    proves = (
        "The input reaches the output through matrix products, sums and one nonlinear function per layer. The "
        f"untrained network gets {correct:.1%} of the rows right; its loss of {float(loss):.4f} stands beside the "
        f"{guess:.4f} of answering 0.5 to everything. What it says is chance: it depends on the seed alone."
    )
    return Report(TITLE, QUESTION, did, proves)
