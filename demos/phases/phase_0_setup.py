"""Phase 0: the data, the network, and its first weights in a file."""

from __future__ import annotations

import numpy as np

from .. import experiment
from ..options import Options
from ..report import Report

TITLE = "Phase 0: set-up"
QUESTION = "In what form do inputs, targets and weights have to be before a network can learn anything?"


def run(options: Options) -> Report:
    """Make the data set and the network, and write `data/parameters.npy`."""
    X, y = experiment.dataset(options)
    model = experiment.network(options)
    path = options.out / "data" / "parameters.npy"
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    stored = np.load(path)
    same = all((stored[name] == parameter.data).all() for name, parameter in model.named_parameters())
    did = [
        f"Data set {options.dataset}: inputs X {X.shape}, targets y {y.shape}, "
        f"{int((y == 0).sum())} rows of class 0 and {int((y == 1).sum())} of class 1.",
        f"x₁ runs from {X[:, 0].min():.2f} to {X[:, 0].max():.2f}, x₂ from {X[:, 1].min():.2f} to {X[:, 1].max():.2f}.",
        "",
        *model.summary(X).splitlines(),
        "",
        f"Weights are drawn with variance 2 / inputs (He) from seed {options.seed}, biases start at zero:",
        *(
            f"  {name:<16} {p.shape!s:<9} mean {p.data.mean():+.4f}  deviation {p.data.std():.4f}"
            for name, p in model.named_parameters()
        ),
    ]
    count = sum(parameter.size for parameter in model.parameters())
    proves = (
        f"One row per sample and one column per feature are all the structure that training needs. The {count} numbers "
        f"of this network were read back from the file with plain NumPy and are {'' if same else 'NOT '}the same bit "
        "for bit, so every later phase can start from exactly here."
    )
    return Report(TITLE, QUESTION, did, proves, [path])
