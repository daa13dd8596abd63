"""Six networks with their backpropagation by hand, the mistakes people make in it, and other ways to write it right.

A derivation is text, one assignment a line, so that a mistake or another form is one line put in place of another.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

import autograd as ag
from autograd import Tensor


class Network(NamedTuple):
    """A forward pass on Tensors, and its derivation in NumPy on their values."""

    forward: str
    backward: str
    parameters: dict[str, tuple[int, ...]]
    constants: dict[str, np.ndarray]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


rng = np.random.default_rng(7)
LABELS = rng.integers(0, 5, 8)
CHARACTERS = rng.integers(0, 6, (8, 3))  # many characters occur more than once
WINDOWS = np.arange(5)[:, None] + np.arange(3)  # 5 overlapping windows of 3

NETWORKS = {
    "xor": Network(
        """
        z1 = X @ W1 + b1
        a1 = ag.sigmoid(z1)
        z2 = a1 @ W2 + b2
        a2 = ag.sigmoid(z2)
        e = a2 - y
        loss = (e * e).mean()
        """,
        """
        de = 2 * e / e.size
        da2 = de
        dz2 = da2 * a2 * (1 - a2)
        dW2 = a1.T @ dz2
        db2 = dz2.sum(0)
        da1 = dz2 @ W2.T
        dz1 = da1 * a1 * (1 - a1)
        dW1 = X.T @ dz1
        db1 = dz1.sum(0)
        """,
        {"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)},
        {"X": np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), "y": np.array([[0.0], [1], [1], [0]])},
    ),
    "tanh": Network(
        """
        z1 = X @ W1 + b1
        h1 = ag.tanh(z1)
        z2 = h1 @ W2 + b2
        h2 = ag.tanh(z2)
        z3 = h2 @ W3 + b3
        h3 = ag.tanh(z3) + h1
        out = h3 @ W4
        d = out - y
        loss = 0.5 * (d ** 2).sum() / 6
        """,
        """
        dd = d / 6
        dout = dd
        dW4 = h3.T @ dout
        dh3 = dout @ W4.T
        dz3 = dh3 * (1 - np.tanh(z3) ** 2)
        dW3 = h2.T @ dz3
        db3 = dz3.sum(0)
        dh2 = dz3 @ W3.T
        dz2 = dh2 * (1 - h2 ** 2)
        dW2 = h1.T @ dz2
        db2 = dz2.sum(0)
        dh1 = dz2 @ W2.T + dh3
        dz1 = dh1 * (1 - h1 ** 2)
        dW1 = X.T @ dz1
        db1 = dz1.sum(0)
        """,
        {"W1": (3, 4), "b1": (4,), "W2": (4, 4), "b2": (4,), "W3": (4, 4), "b3": (4,), "W4": (4, 2)},
        {"X": rng.normal(size=(6, 3)), "y": rng.normal(size=(6, 2))},
    ),
    "softmax": Network(
        """
        z = X @ W1 + b1
        h = ag.relu(z)
        logits = h @ W2 + b2
        shifted = logits - logits.max(axis=1, keepdims=True).detach()
        counts = ag.exp(shifted)
        total = counts.sum(axis=1, keepdims=True)
        inverse = total ** -1
        probs = counts * inverse
        logprobs = ag.log(probs)
        loss = -logprobs[rows, labels].mean()
        """,
        """
        dlogprobs = np.zeros_like(logprobs); dlogprobs[rows, labels] = -1 / len(labels)
        dprobs = dlogprobs / probs
        dinverse = (counts * dprobs).sum(1, keepdims=True)
        dtotal = -total ** -2 * dinverse
        dcounts = inverse * dprobs + dtotal
        dshifted = counts * dcounts
        dlogits = dshifted
        dW2 = h.T @ dlogits
        db2 = dlogits.sum(0)
        dh = dlogits @ W2.T
        dz = dh * (z > 0)
        dW1 = X.T @ dz
        db1 = dz.sum(0)
        """,
        {"W1": (4, 7), "b1": (7,), "W2": (7, 5), "b2": (5,)},
        {"X": rng.normal(size=(8, 4)), "labels": LABELS, "rows": np.arange(8)},
    ),
    "batch norm": Network(
        """
        h = X @ W1 + b1
        mean = h.sum(axis=0, keepdims=True) / 8
        diff = h - mean
        square = diff ** 2
        var = square.sum(axis=0, keepdims=True) / 7
        inv = (var + 1e-5) ** -0.5
        raw = diff * inv
        act = gain * raw + shift
        t = ag.tanh(act)
        out = t @ W2
        e = out - y
        loss = (e * e).mean()
        """,
        """
        dout = 2 * e / e.size
        dW2 = t.T @ dout
        dt = dout @ W2.T
        dact = dt * (1 - t ** 2)
        dgain = (dact * raw).sum(0, keepdims=True)
        dshift = dact.sum(0, keepdims=True)
        draw = dact * gain
        dinv = (draw * diff).sum(0, keepdims=True)
        dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv
        dsquare = np.ones_like(square) / 7 * dvar
        ddiff = draw * inv + 2 * diff * dsquare
        dmean = -ddiff.sum(0, keepdims=True)
        dh = ddiff + dmean / 8
        dW1 = X.T @ dh
        db1 = dh.sum(0)
        """,
        {"W1": (4, 6), "b1": (6,), "gain": (1, 6), "shift": (1, 6), "W2": (6, 2)},
        {"X": rng.normal(size=(8, 4)), "y": rng.normal(size=(8, 2))},
    ),
    "characters": Network(
        """
        emb = C[characters]
        flat = emb.reshape(8, 12)
        h = ag.tanh(flat @ W1 + b1)
        logits = h @ W2 + b2
        logp = ag.log_softmax(logits)
        loss = -logp[rows, labels].mean()
        """,
        """
        p = np.exp(logits - logits.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
        dlogits = p.copy(); dlogits[rows, labels] -= 1; dlogits /= 8
        dW2 = h.T @ dlogits
        db2 = dlogits.sum(0)
        dh = dlogits @ W2.T
        dpre = dh * (1 - h * h)
        dW1 = flat.T @ dpre
        db1 = dpre.sum(0)
        dflat = dpre @ W1.T
        demb = dflat.reshape(8, 3, 4)
        dC = np.zeros_like(C); np.add.at(dC, characters, demb)
        """,
        {"C": (6, 4), "W1": (12, 8), "b1": (8,), "W2": (8, 5), "b2": (5,)},
        {"characters": CHARACTERS, "labels": LABELS, "rows": np.arange(8)},
    ),
    "conv": Network(
        """
        patches = x[:, windows]
        z = ag.einsum("npk,kf->npf", patches, W) + b
        a = ag.relu(z)
        pooled = a.mean(axis=1)
        out = pooled @ V
        e = out - y
        loss = (e ** 2).sum() / 6
        """,
        """
        dout = 2 * e / 6
        dV = pooled.T @ dout
        dpooled = dout @ V.T
        da = np.repeat(dpooled[:, None, :], 5, axis=1) / 5
        dz = da * (z > 0)
        db = dz.sum((0, 1))
        dW = np.einsum("npk,npf->kf", patches, dz)
        dpatches = np.einsum("npf,kf->npk", dz, W)
        dx = np.zeros_like(x); np.add.at(dx, (slice(None), windows), dpatches)
        """,
        {"x": (6, 7), "W": (3, 3), "b": (3,), "V": (3, 2)},
        {"windows": WINDOWS, "y": rng.normal(size=(6, 2))},
    ),
}

# network, the right line, the line somebody wrote instead, what the diagnosis has to be called.
MISTAKES = [
    ("xor", "de = 2 * e / e.size", "de = e / e.size", "factor"),
    ("xor", "de = 2 * e / e.size", "de = 2 * e", "factor"),
    ("xor", "de = 2 * e / e.size", "de = 2 * (y - a2) / e.size", "sign"),
    ("xor", "dz2 = da2 * a2 * (1 - a2)", "dz2 = da2", "derivative missing"),
    ("xor", "dz2 = da2 * a2 * (1 - a2)", "dz2 = a2 * (1 - a2)", "upstream forgotten"),
    ("xor", "dz1 = da1 * a1 * (1 - a1)", "dz1 = da1 * z1 * (1 - z1)", "derivative point"),
    ("xor", "dz1 = da1 * a1 * (1 - a1)", "s = 1 / (1 + np.exp(-a1)); dz1 = da1 * s * (1 - s)", "derivative point"),
    ("xor", "db1 = dz1.sum(0)", "db1 = dz1.sum(1)", "wrong axis"),
    ("xor", "dW1 = X.T @ dz1", "dW1 = dz1.T @ X", "transposed"),
    ("xor", "db2 = dz2.sum(0)", "db2 = dz2", "not summed"),
    ("tanh", "dW2 = h1.T @ dz2", "dW2 = dz2.T @ h1", "transposed"),
    ("tanh", "dh2 = dz3 @ W3.T", "dh2 = dz3 @ W3", "transposed"),
    ("tanh", "dz2 = dh2 * (1 - h2 ** 2)", "dz2 = dh2 * (1 - z2 ** 2)", "derivative point"),
    ("tanh", "dz2 = dh2 * (1 - h2 ** 2)", "dz2 = dh2 * (1 - np.tanh(h2) ** 2)", "derivative point"),
    ("tanh", "dh1 = dz2 @ W2.T + dh3", "dh1 = dz2 @ W2.T", "path missing"),
    ("tanh", "dh1 = dz2 @ W2.T + dh3", "dh1 = dh3", "path missing"),
    ("tanh", "dW3 = h2.T @ dz3", "dW3 = z2.T @ dz3", "wrong operand"),
    ("tanh", "dW2 = h1.T @ dz2", "dW2 = 2 * h1.T @ dz2", "accumulated twice"),
    ("tanh", "dW1 = X.T @ dz1", "dW1 = X.T @ dh1", "derivative missing"),
    ("tanh", "db1 = dz1.sum(0)", "db1 = dz1.mean(0)", "factor"),
    ("softmax", "dtotal = -total ** -2 * dinverse", "dtotal = total ** -2 * dinverse", "sign"),
    ("softmax", "dcounts = inverse * dprobs + dtotal", "dcounts = inverse * dprobs", "path missing"),
    ("softmax", "dlogits = dshifted", "dlogits = dprobs * probs * (1 - probs)", "diagonal Jacobian"),
    ("softmax", "dz = dh * (z > 0)", "dz = dh", "derivative missing"),
    ("softmax", "dprobs = dlogprobs / probs", "dprobs = 1 / probs", "upstream forgotten"),
    ("softmax", "dprobs = dlogprobs / probs", "dprobs = dlogprobs", "derivative missing"),
    ("softmax", "dprobs = dlogprobs / probs", "dprobs = dlogprobs * probs", "derivative inverted"),
    ("softmax", "dinverse = (counts * dprobs).sum(1, keepdims=True)", "dinverse = (counts * dprobs).sum(1)", "shape"),
    ("batch norm", "dsquare = np.ones_like(square) / 7 * dvar", "dsquare = np.ones_like(square) / 8 * dvar", "factor"),
    ("batch norm", "dh = ddiff + dmean / 8", "dh = ddiff", "path missing"),
    ("batch norm", "dh = ddiff + dmean / 8", "dh = ddiff + dmean", "factor"),
    ("batch norm", "ddiff = draw * inv + 2 * diff * dsquare", "ddiff = draw * inv + diff * dsquare", "factor"),
    ("batch norm", "ddiff = draw * inv + 2 * diff * dsquare", "ddiff = draw * inv", "path missing"),
    (
        "batch norm",
        "dgain = (dact * raw).sum(0, keepdims=True)",
        "dgain = (dact * act).sum(0, keepdims=True)",
        "wrong operand",
    ),
    ("batch norm", "dshift = dact.sum(0, keepdims=True)", "dshift = dact.sum(0)", "shape"),
    ("batch norm", "dinv = (draw * diff).sum(0, keepdims=True)", "dinv = draw * diff", "diagonal Jacobian"),
    ("characters", "np.add.at(dC, characters, demb)", "dC[characters] += demb", "repeated indices"),
    (
        "characters",
        "np.add.at(dC, characters, demb)",
        "for j in range(3): dC[characters[:, j]] += demb[:, j]",
        "repeated indices",
    ),
    ("characters", "dlogits /= 8", "pass", "factor"),
    ("characters", "dlogits[rows, labels] -= 1", "dlogits *= -1; dlogits[rows, labels] += 1", "sign"),
    ("characters", "dpre = dh * (1 - h * h)", "dpre = dh * h * (1 - h)", "other derivative"),
    ("characters", "db1 = dpre.sum(0)", "db1 = dpre.sum(1)", "wrong axis"),
    ("conv", "np.add.at(dx, (slice(None), windows), dpatches)", "dx[:, windows] += dpatches", "repeated indices"),
    ("conv", " / 5", "", "factor"),
    ("conv", "db = dz.sum((0, 1))", "db = dz.sum((0, 2))", "wrong axis"),
    ("conv", "dpatches = np.einsum('npf,kf->npk', dz, W)", "dpatches = np.einsum('npf,fk->npk', dz, W)", "transposed"),
    ("conv", "dz = da * (z > 0)", "dz = da", "derivative missing"),
    ("conv", "dV = pooled.T @ dout", "dV = pooled.T @ e", "factor"),
    ("tanh", "dz2 = dh2 * (1 - h2 ** 2)", "dz2 = dh2 * (1 - h2)", "other derivative"),
    ("tanh", "dh2 = dz3 @ W3.T", "dh2 = dz3 @ W3.T * (1 - h2 ** 2)", "derivative twice"),
    ("batch norm", "dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv", "dvar = (var + 1e-5) ** -1.5 * dinv", "factor"),
    ("batch norm", "dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv", "dvar = -0.5 * var ** -1.5 * dinv", "derivative point"),
    ("characters", "dC = np.zeros_like(C)", "dC = np.ones_like(C)", "offset"),
]

# Other ways to write a line that are just as right; rounding differs.
FORMS = {
    "xor": {
        "de = 2 * e / e.size": ["de = (e + e) * 0.25", "de = (2 / len(y)) * (a2 - y)"],
        "dz2 = da2 * a2 * (1 - a2)": ["dz2 = da2 * (a2 - a2 ** 2)", "dz2 = da2 * np.exp(-z2) / (1 + np.exp(-z2)) ** 2"],
        "dz1 = da1 * a1 * (1 - a1)": ["dz1 = da1 / (2 + np.exp(z1) + np.exp(-z1))", "dz1 = a1 * da1 - a1 ** 2 * da1"],
        "dW2 = a1.T @ dz2": [
            "dW2 = np.einsum('ni,nj->ij', a1, dz2)",
            "dW2 = sum(np.outer(a, d) for a, d in zip(a1, dz2))",
        ],
        "dW1 = X.T @ dz1": ["dW1 = (dz1.T @ X).T", "dW1 = (X[:, :, None] * dz1[:, None]).sum(0)"],
    },
    "tanh": {
        "dz3 = dh3 * (1 - np.tanh(z3) ** 2)": ["dz3 = dh3 / np.cosh(z3) ** 2", "dz3 = dh3 * (1 - (h3 - h1) ** 2)"],
        "dz2 = dh2 * (1 - h2 ** 2)": ["dz2 = dh2 * (1 - h2) * (1 + h2)", "dz2 = dh2 - dh2 * h2 * h2"],
        "dz1 = dh1 * (1 - h1 ** 2)": ["dz1 = dh1 * 4 / (np.exp(z1) + np.exp(-z1)) ** 2"],
        "dW2 = h1.T @ dz2": ["dW2 = np.tensordot(h1, dz2, (0, 0))"],
        "db1 = dz1.sum(0)": ["db1 = np.ones(6) @ dz1", "db1 = dz1.mean(0) * 6", "db1 = dz1[::-1].cumsum(0)[-1]"],
    },
    "softmax": {
        "dlogits = dshifted": [
            "dlogits = (probs - np.eye(5)[labels]) / 8",
            "dlogits = probs / 8; dlogits[rows, labels] -= 0.125",
        ],
        "dtotal = -total ** -2 * dinverse": [
            "dtotal = -dinverse / (total * total)",
            "dtotal = -(inverse ** 2) * dinverse",
        ],
        "dprobs = dlogprobs / probs": ["dprobs = dlogprobs * np.exp(-logprobs)"],
        "dW2 = h.T @ dlogits": ["dW2 = np.einsum('ni,nj->ij', h, dlogits)"],
        "dz = dh * (z > 0)": ["dz = np.where(h > 0, dh, 0)", "dz = dh * np.sign(h)"],
    },
    "batch norm": {
        "dh = ddiff + dmean / 8": [
            "dh = gain * inv / 8 * (8 * dact - dact.sum(0) - 8 / 7 * raw * (dact * raw).sum(0))",
            "dh = ddiff - ddiff.mean(0)",
        ],
        "dvar = -0.5 * (var + 1e-5) ** -1.5 * dinv": [
            "dvar = -0.5 * inv ** 3 * dinv",
            "dvar = -dinv * inv / (2 * (var + 1e-5))",
        ],
        "dact = dt * (1 - t ** 2)": ["dact = dt / np.cosh(act) ** 2", "dact = dt * (1 - t) * (1 + t)"],
        "db1 = dh.sum(0)": ["db1 = np.zeros(6)", "db1 = dh.mean(0) * 8"],
        "dW1 = X.T @ dh": ["dW1 = (X - X.mean(0)).T @ dh"],
    },
    "characters": {
        "p = np.exp(logits - logits.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)": ["p = np.exp(logp)"],
        "dpre = dh * (1 - h * h)": ["dpre = dh * (1 - h) * (1 + h)", "dpre = dh - h * dh * h"],
        "np.add.at(dC, characters, demb)": [
            "dC += np.einsum('njc,njd->cd', np.eye(6)[characters], demb)",
            "[dC.__setitem__(c, dC[c] + g) for c, g in zip(characters.ravel(), demb.reshape(-1, 4))]",
        ],
        "db2 = dlogits.sum(0)": ["db2 = np.ones(8) @ dlogits", "db2 = sum(dlogits)"],
    },
    "conv": {
        "dout = 2 * e / 6": ["dout = e / 3", "dout = (out - y) * 0.3333333333333333"],
        "dz = da * (z > 0)": ["dz = np.where(a > 0, da, 0.0)"],
        "dW = np.einsum('npk,npf->kf', patches, dz)": [
            "dW = patches.reshape(-1, 3).T @ dz.reshape(-1, 3)",
            "dW = np.stack([(x[:, k:k + 5, None] * dz).sum((0, 1)) for k in range(3)])",
        ],
        "np.add.at(dx, (slice(None), windows), dpatches)": [
            "[dx[:, k:k + 5].__iadd__(dpatches[:, :, k]) for k in range(3)]",
            "dx += np.einsum('npk,pkj->nj', dpatches, np.eye(7)[windows])",
        ],
    },
}


def run_forward(name: str, seed: int = 0, dtype: type = np.float64) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a network, and its tensors by name."""
    network = NETWORKS[name]
    rng = np.random.default_rng(seed)
    space: dict[str, object] = {"ag": ag}
    for key, value in network.constants.items():
        space[key] = value.astype(dtype) if value.dtype == float else value
    for key, shape in network.parameters.items():
        space[key] = Tensor(rng.normal(size=shape), requires_grad=True, dtype=dtype)
    exec("\n".join(lines(network.forward)), space)
    tensors = {key: value for key, value in space.items() if isinstance(value, Tensor) and value.requires_grad}
    for key, tensor in tensors.items():
        tensor.name = key
    return tensors["loss"], tensors


def run_backward(name: str, tensors: dict[str, Tensor], changes: dict[str, str]) -> dict[str, np.ndarray]:
    """The gradients that the derivation gives, with text put in place of other text."""
    text = NETWORKS[name].backward.replace('"', "'")
    for old, new in changes.items():
        assert text.count(old) == 1, f"{name}: {old!r} does not stand in the derivation once"
        text = text.replace(old, new)
    space = {"np": np, **NETWORKS[name].constants, **{key: tensor.numpy() for key, tensor in tensors.items()}}
    space = {
        key: value[()] if isinstance(value, np.ndarray) and not value.ndim else value for key, value in space.items()
    }
    for line in lines(text):
        try:
            exec(line if "; for " not in line else line.replace("; for ", "\nfor "), space)
        except ValueError:  # a gradient of the wrong shape fits nowhere: what came before it is what can be compared
            break
    return {key: space["d" + key] for key in tensors if "d" + key in space and isinstance(space["d" + key], np.ndarray)}


def correct_forms(count: int) -> Iterator[tuple[str, dict[str, str], int]]:
    """Derivations that are right, each written differently or for other weights: network, changes, seed."""
    rng = np.random.default_rng(3)
    for number in range(count):
        name = list(FORMS)[number % len(FORMS)]
        choices = {old: [old, *new] for old, new in FORMS[name].items()}
        yield name, {old: str(rng.choice(new)) for old, new in choices.items()}, number
