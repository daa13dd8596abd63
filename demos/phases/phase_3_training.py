"""Phase 3: the training loop, with the loss of every epoch and the weights of some."""

from __future__ import annotations

import numpy as np

from autograd.files import write
from nn import persist

from .. import experiment
from ..options import Options
from ..report import Report, table

TITLE = "Phase 3: training loop"
QUESTION = "What becomes of a network when the one step of the phase before is repeated, over and over?"


def run(options: Options) -> Report:
    """Train, and write `data/losses.csv`, `data/parameters.npy` and `data/weights/epoch_*.npy`."""
    trained = experiment.train(options)
    losses, data = trained.losses, options.out / "data"
    rows = "".join(f"{epoch},{loss!r}\n" for epoch, loss in enumerate(losses.tolist()))
    files = [write(data / "losses.csv", "epoch,loss\n" + rows)]
    trained.model.save(data / "parameters.npy")
    files.append(data / "parameters.npy")

    (data / "weights").mkdir(exist_ok=True)
    lines = []
    for epoch in experiment.weight_epochs(options.epochs):
        index = trained.epochs.index(epoch)
        weights = {name: series[index] for name, series in trained.weights.items()}
        path = data / "weights" / f"epoch_{epoch:03d}.npy"
        persist.save_arrays(weights, path)
        files.append(path)
        length = np.sqrt(sum(float((array**2).sum()) for array in weights.values()))
        moved = np.sqrt(sum(float(((array - trained.weights[name][0]) ** 2).sum()) for name, array in weights.items()))
        shown = f"{losses[epoch]:.6f}" if epoch < len(losses) else "(trained)"
        lines.append([str(epoch), shown, f"{length:.4f}", f"{moved:.4f}"])

    did = [
        f"{options.epochs} epochs of gradient descent over all {len(trained.X)} rows of {options.dataset}, "
        f"learning rate {options.learning_rate:g}. Each is: forward, loss, backward, update.",
        "",
        *table(["epoch", "loss", "length of all weights", "distance from the start"], lines),
    ]
    falls = int((np.diff(losses) < 0).sum())
    proves = (
        f"The loss went from {losses[0]:.4f} to {losses[-1]:.4f} and fell in {falls} of {max(len(losses) - 1, 0)} "
        f"steps; {trained.accuracy:.1%} of the rows are now classified rightly. Nobody told the network how: all it "
        "does is take the same short step against the gradient, again and again."
    )
    return Report(TITLE, QUESTION, did, proves, files, source=experiment.step_source(options))
