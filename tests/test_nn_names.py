"""How arguments are spelt: one table of what nn takes, in PyTorch's, scikit-learn's, Keras's and the seed's words.

`learning_rate`, `input_size`, `output_size` and `loss_function` are the seed's; `params, betas, eps, alpha, momentum,
weight_decay, nesterov, negative_slope` are PyTorch's, with its defaults; `n_samples, noise, factor, centers, cluster_std,
test_size` are scikit-learn's; `epochs, batch_size, shuffle, validation_data, metrics, callbacks, verbose` are Keras's.
"""

import inspect

import numpy as np
import pytest

import autograd as ag
import nn
from nn.train import RunOptions

LAYERS = {
    nn.Apply: "function",
    nn.Dense: "input_size, output_size, *, init='he', bias=True, rng=None, seed=None, dtype=float64",
    nn.GELU: "",
    nn.Identity: "",
    nn.LeakyReLU: "negative_slope=0.01",
    nn.MLP: "sizes, *, activation=Tanh, output_activation=None, init='he', seed=None, rng=None, dtype=float64",
    nn.NeuralNetwork: "loss_function=None, *, seed=0",
    nn.ReLU: "",
    nn.Sequential: "*layers",
    nn.Sigmoid: "",
    nn.Softmax: "axis=-1",
    nn.Softplus: "",
    nn.Tanh: "",
}
LOSSES = {
    nn.MSE: "*, broadcast=False",
    nn.BCEWithLogits: "*, broadcast=False",
    nn.BinaryCrossEntropy: "*, broadcast=False",
    nn.CrossEntropy: "",
    nn.Hinge: "*, broadcast=False",
    nn.mean_squared_error: "prediction, target, *, broadcast=False",
    nn.binary_cross_entropy: "prediction, target, *, broadcast=False",
    nn.binary_cross_entropy_with_logits: "logits, target, *, broadcast=False",
    nn.cross_entropy: "logits, target",
    nn.hinge: "score, target, *, broadcast=False",
}
OPTIMIZERS = {
    nn.SGD: "params, learning_rate=0.1, *, momentum=0.0, nesterov=False, weight_decay=0.0, accumulate=False",
    nn.RMSProp: "params, learning_rate=0.01, *, alpha=0.99, eps=1e-08, accumulate=False",
    nn.Adam: "params, learning_rate=0.001, *, betas=(0.9, 0.999), eps=1e-08, accumulate=False",
}
DATA = {
    nn.data.xor: "",
    nn.data.two_moons: "n_samples=200, *, noise=0.1, seed=0",
    nn.data.circles: "n_samples=200, *, noise=0.1, factor=0.5, seed=0",
    nn.data.spirals: "n_samples=200, *, turns=1.5, noise=0.02, seed=0",
    nn.data.blobs: "n_samples=300, *, centers=3, cluster_std=0.2, seed=0",
    nn.data.digits: "",
    nn.train_test_split: "X, y, *, test_size=0.25, seed=0",
}
TRAINING = {
    nn.fit: "model, X, y, *, loss=None, epochs=100, batch_size=32, optimizer=None, learning_rate=None, seed=0, **options",
    nn.Trainer: "model, loss, optimizer",
    nn.Trainer.run: "self, X, y, *, epochs, batch_size=None, shuffle=True, seed=0, validation_data=None, metrics=None, "
    "recorders=(), callbacks=(), verbose=1",
    nn.NeuralNetwork.train: "self, X, y, epochs=1000, learning_rate=None, *, batch_size=1, optimizer=None, seed=None, "
    "**options",
    nn.predict: "model, X, *, batch_size=None",
    nn.save: "model, path",
    nn.load: "model, path",
    nn.draw: "model, path=None, *, detail='layers', **options",
    nn.explore: "model, X, y=None, path=None, *, loss=None, rows=4, title='', **options",
    nn.accuracy: "prediction, target, *, threshold=0.5",
    nn.confusion_matrix: "prediction, target, *, threshold=0.5, classes=None",
}
TABLE = LAYERS | LOSSES | OPTIMIZERS | DATA | TRAINING


class Word(str):
    __slots__ = ()

    def __repr__(self):
        return str(self)


def spelt(thing) -> str:
    """The arguments of a call as one would write them, without types; a class by its name."""
    signature = inspect.signature(thing)
    parameters = []
    for p in signature.parameters.values():
        named = isinstance(p.default, type) and p.default is not p.empty
        parameters.append(p.replace(annotation=p.empty, default=Word(p.default.__name__) if named else p.default))
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))[1:-1]


@pytest.mark.parametrize("thing", TABLE, ids=lambda thing: thing.__qualname__)
def test_arguments_are_spelt_as_in_the_table(thing):
    assert spelt(thing) == TABLE[thing]


def public(kind):
    return {value for value in vars(nn).values() if isinstance(value, type) and issubclass(value, kind)} - {kind}


def test_nothing_is_missing_from_the_table():
    assert public(nn.Module) | {nn.NeuralNetwork} == set(LAYERS)
    assert public(nn.Loss) == {thing for thing in LOSSES if isinstance(thing, type)}
    functions = {value for value in vars(nn.loss).values() if getattr(value, "__module__", "") == "nn.loss"}
    assert {f for f in functions if inspect.isfunction(f) and not f.__name__.startswith("_")} <= set(LOSSES)
    assert public(nn.Optimizer) == set(OPTIMIZERS)
    data = {value for value in vars(nn.data).values() if getattr(value, "__module__", "") == "nn.data"}
    assert {f for f in data if inspect.isfunction(f) and not f.__name__.startswith("_")} == set(DATA)


def test_what_fit_passes_on_are_the_options_of_a_run():
    parameters = inspect.signature(nn.Trainer.run).parameters
    assert set(RunOptions.__annotations__) == set(parameters) - {"self", "X", "y", "epochs", "batch_size", "seed"}


@pytest.mark.parametrize("name", ["var", "std"])
def test_variances_take_what_numpys_take(name):
    x = np.arange(6.0).reshape(2, 3) ** 2
    for settings in ({}, {"axis": 0}, {"axis": (0, 1), "ddof": 1}, {"axis": -1, "ddof": 1, "keepdims": True}):
        expected = getattr(np, name)(x, **settings)
        np.testing.assert_allclose(getattr(ag, name)(ag.Tensor(x), **settings).data, expected, rtol=1e-14)
        np.testing.assert_allclose(getattr(ag.Tensor(x), name)(**settings).data, expected, rtol=1e-14)
