"""A NeuralNetwork is no Module but holds one, and whatever takes a model takes either."""

import json
import re

import numpy as np
import pytest

import autograd as ag
import nn
from autograd import errors

X, Y = nn.data.xor()


def network():
    found = nn.NeuralNetwork(loss_function=nn.MSE(), seed=0)
    for layer in (nn.Dense(input_size=2, output_size=3), nn.Sigmoid(), nn.Dense(input_size=3, output_size=1)):
        found.add(layer)
    return found


def test_a_network_holds_a_module_and_keeps_the_five_verbs(tmp_path):
    held = network()
    assert not isinstance(held, nn.Module) and isinstance(held.model, nn.Sequential)
    assert held.train(X, Y, epochs=3, learning_rate=0.1).epochs == 3
    np.testing.assert_array_equal(held.predict(X, batch_size=3), held.model.predict(X, batch_size=3))
    assert held.summary(X) == held.model.summary(X)
    held.save(tmp_path / "held.npy")
    nn.save(held.model, tmp_path / "module.npy")
    assert (tmp_path / "held.npy").read_bytes() == (tmp_path / "module.npy").read_bytes()
    assert repr(held).startswith("NeuralNetwork(loss_function=MSE(), seed=0, model=Sequential(")
    public = {name for name in dir(held) if not name.startswith("_")}
    assert public == {"add", "train", "predict", "summary", "save", "load", "model", "loss_function", "seed"}


def page(explored):
    return json.loads(
        re.findall(r'<script type="application/json" id="data">(.*?)</script>', explored.html, re.DOTALL)[0]
    )


USES = {
    "draw": lambda model: nn.draw(model).dot,
    "draw neurons": lambda model: nn.draw(model, detail="neurons").svg,
    "explore": lambda model: page(nn.explore(model, X, Y, loss=nn.MSE())),
    "fit": lambda model: nn.fit(model, X, Y, loss=nn.MSE(), epochs=2).loss,
    "predict": lambda model: nn.predict(model, X).tolist(),
    "Trainer": lambda model: nn.Trainer(model, nn.MSE(), nn.SGD(model)).run(X, Y, epochs=2).loss,
    "optimizer": lambda model: [p.shape for p in nn.Adam(model).params],
}


@pytest.mark.parametrize("use", USES)
def test_whatever_takes_a_model_takes_either(use):
    assert USES[use](network()) == USES[use](network().model)


@pytest.mark.parametrize("use", [use for use in USES if use != "optimizer"])
def test_what_is_no_model_is_refused_by_name(use):
    for thing in (3, ag.Tensor(1.0), lambda x: x, None, [nn.Tanh()]):
        with pytest.raises(
            (errors.DTypeError, errors.ArgumentError), match=r"the model must be a Module|params\[0\]|params"
        ):
            USES[use](thing)


def test_save_and_load_take_either(tmp_path):
    first, second = network(), nn.MLP([2, 3, 1], activation=nn.Sigmoid, seed=9)
    nn.save(first, tmp_path / "p.npy")
    nn.load(second, tmp_path / "p.npy")
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    nn.save(nn.MLP([2, 3, 1], activation=nn.Sigmoid, seed=8), tmp_path / "p.npy")
    nn.load(first, tmp_path / "p.npy")
    assert not np.array_equal(first.predict(X), second.predict(X))


def test_a_module_that_holds_a_module_as_model_is_itself_the_model():
    class Scaled(nn.Module):
        def __init__(self):
            self.model = nn.Dense(2, 1, seed=0)
            self.scale = nn.Parameter(3.0)

        def forward(self, x):
            return self.scale * self.model(x)

    scaled = Scaled()
    np.testing.assert_array_equal(nn.predict(scaled, X), 3.0 * scaled.model.predict(X))
    assert len(nn.SGD(scaled).params) == 3


def test_a_network_brings_its_own_loss():
    assert nn.fit(network(), X, Y, epochs=3).loss == nn.fit(network().model, X, Y, loss=nn.MSE(), epochs=3).loss
    assert nn.fit(network(), X, Y, loss=lambda p, t: 0 * (p - t).sum(), epochs=3).loss == [0, 0, 0]
    assert page(nn.explore(network(), X, Y)) == page(nn.explore(network().model, X, Y, loss=nn.MSE()))


def test_pages_of_models_show_the_rows_that_are_asked_for(tmp_path):
    model = network()
    explored = nn.explore(model, X, rows=2, path=tmp_path / "page.html", title="Two rows")
    assert (tmp_path / "page.html").read_text() == explored.html and explored.title == "Two rows"
    assert nn.explore(model, X, rows=2).title == "Sequential: the output for 2 of 4 rows"
    assert nn.explore(model, X, Y, rows=9).title == "Sequential: the loss of 4 of 4 rows"
    names = {node["name"] for node in page(nn.explore(model, X, Y))["views"][0]["nodes"]}
    assert {"x", "y", "prediction", "loss"} <= names
    with pytest.raises(errors.ArgumentError, match="rows must be a positive integer, not 0"):
        nn.explore(model, X, rows=0)
    with pytest.raises(errors.SignatureError, match="no loss is given"):
        nn.explore(model.model, X, Y)
    with pytest.raises(errors.SignatureError, match=r"'X': write nn\.explore\(model, X, y, loss=nn\.MSE\(\)\)"):
        nn.explore(model)
