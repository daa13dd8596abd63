"""`explore` on the Python side: the numbers it collects, what it refuses, and what it leaves alone."""

import configparser
import json
import re
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn
from autograd import Tensor, explore, panels
from autograd.core.errors import ArgumentError, RenderError, ShapeError
from autograd.render.model import connect, from_tape
from autograd.render.numbers import FACTOR, GRAD, PART, VALUE, numbers

ROOT = Path(__file__).parent.parent


def network_loss():
    """A loss with broadcasting, a reduction, a value used three times, and constants."""
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(4, 2)), name="x")
    w = Tensor(rng.normal(size=(2, 3)), requires_grad=True, name="w")
    b = Tensor(rng.normal(size=3), requires_grad=True, name="b")
    with autograd.scope("layer"):
        h = autograd.tanh(x @ w + b)
    loss = (h * h + h / 2 - 0.5).mean()
    loss.name = "loss"
    return loss


def embedded(page, kind):
    """The JSON inside a page."""
    return json.loads(
        re.search(rf'<script type="application/json" id="{kind}">(.*?)</script>', page.html, re.DOTALL)[1]
    )


def test_gradients_are_those_that_backward_leaves_and_no_grad_changes():
    loss = network_loss()
    diagram = from_tape([loss])
    connect(diagram)
    found = numbers(loss, diagram)
    assert all(node.thing._grad is None for node in diagram.nodes if isinstance(node.thing, Tensor))
    with autograd.keep_grads():
        loss.backward()
    for node in diagram.nodes:
        np.testing.assert_array_equal(found[VALUE, node.id], node.thing.data)
        if node.thing.requires_grad:
            np.testing.assert_array_equal(found[GRAD, node.id], node.thing.grad)
        else:
            assert (GRAD, node.id) not in found


def test_contributions_add_up_and_are_gradient_times_local_derivative():
    loss = network_loss()
    diagram = from_tape([loss])
    connect(diagram)
    found = numbers(loss, diagram)
    shared = next(node for node in diagram.nodes if node.symbol == "tanh")
    edges = [edge for edge in diagram.edges if edge.tail is shared]
    parts = [found[PART, f"{edge.head.id}:{edge.position}"] for edge in edges]
    assert len(parts) == 3  # both sides of h * h, and h / 2
    np.testing.assert_allclose(sum(parts), found[GRAD, shared.id], rtol=1e-14)
    for edge, part in zip(edges, parts):
        factor = found[FACTOR, f"{edge.head.id}:{edge.position}"]
        np.testing.assert_allclose(found[GRAD, edge.head.id] * factor, part, rtol=1e-14)
    tanh = shared.thing.data
    below = next(edge for edge in diagram.edges if edge.head is shared)
    np.testing.assert_allclose(found[FACTOR, f"{shared.id}:{below.position}"], 1 - tanh**2, rtol=1e-12)


def test_the_same_graph_gives_the_same_bytes_and_nothing_that_must_be_loaded():
    first, second = (explore(network_loss()).html for _ in range(2))
    assert first == second
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", first))
    assert addresses <= {"http://www.w3.org"}  # names of XML, which nobody fetches
    assert not re.search(r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"(?!data:)", first)


def test_scopes_are_laid_out_open_and_folded():
    whole, folded = embedded(explore(network_loss()), "data")["views"]
    inside = [node for node in whole["nodes"] if node["scope"] == "layer"]
    assert [node["symbol"] for node in inside if node["kind"] == "operation"] == ["@", "+", "tanh"]
    # The node of the scope has the id, and so the numbers, of the last operation in it.
    assert whole["folded"] == {} and folded["folded"] == {inside[-1]["id"]: "layer"}
    assert len(folded["nodes"]) == len(whole["nodes"]) - len(inside) + 1


def test_every_combination_of_few_scopes_and_every_depth_of_many():
    def loss_of(count):
        x = Tensor(np.ones(3), requires_grad=True)
        for number in range(count):
            with autograd.scope(f"block{number}"):
                x = autograd.sin(x) * 2.0
        return x.sum()

    folded = [set(view["folded"].values()) for view in embedded(explore(loss_of(3)), "data")["views"]]
    assert len(folded) == 8 and {frozenset(some) for some in folded} >= {frozenset(), frozenset({"block0", "block2"})}
    folded = [set(view["folded"].values()) for view in embedded(explore(loss_of(7)), "data")["views"]]
    assert folded == [set(), {f"block{number}" for number in range(7)}]


def test_large_tapes_are_folded_with_a_note_and_larger_ones_refused():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x
    for _ in range(700):
        y = autograd.sin(y) * 1.01
    data = embedded(explore(y.sum()), "data")
    assert len(data["views"][0]["nodes"]) <= 300
    assert any("1,402 nodes in all" in note for note in data["views"][0]["notes"])
    with pytest.raises(RenderError, match="max_nodes"):
        for _ in range(2000):
            y = autograd.sin(y) * 1.01
        explore(y.sum(), max_nodes=None)


def test_without_a_scalar_or_a_gradient_there_is_a_forward_pass_and_a_reason():
    x = Tensor([1.0, 2.0], requires_grad=True)
    data = embedded(explore(x * 2), "data")
    assert "explore(y.sum())" in data["backward"] and data["arrays"]["grad"] == {}
    assert "requires a gradient" in embedded(explore(Tensor([1.0])), "data")["backward"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [("text", "explore was given str"), ([], "explore was given list"), (np.ones(3), "explore was given ndarray")],
    ids=["str", "list", "array"],
)
def test_what_has_no_computation_is_refused(thing, words):
    with pytest.raises(ArgumentError, match=words):
        explore(thing)


def test_a_freed_graph_says_how_to_keep_it():
    w = Tensor(2.0, requires_grad=True)
    loss = w * w
    loss.backward()
    with pytest.raises(RenderError, match="keep_grads"):
        explore(loss)


def test_moments_must_be_as_many_as_tensors_and_of_one_computation(tmp_path):
    w = Tensor(2.0, requires_grad=True)
    with pytest.raises(ArgumentError, match="other operations"):
        explore([w * w, w + w])
    with pytest.raises(ArgumentError, match="3 moments but 2"):
        explore([w * w, w * w], moments=[0, 1, 2])
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        explore([w * w, w * w], panels=[panels.Curve("loss", [0, 1], {"loss": [1.0]})])
    with pytest.raises(ShapeError, match=r"\(3, 2, 2\)"):
        explore([w * w, w * w], panels=[panels.Maps("map", {"a": np.zeros((3, 2, 2))})])
    with pytest.raises(ArgumentError, match=r"ends in \.html"):
        explore(w * w, tmp_path / "page.svg")
    assert list(tmp_path.iterdir()) == []


def trained(epochs=6, sizes=(2, 3, 1), every=1, X=None, y=None, loss=nn.binary_cross_entropy_with_logits):
    """A model, its history with weights, and its data."""
    if X is None:
        X, y = nn.data.two_moons(40)
    model = nn.MLP(list(sizes))
    history = model.fit(X, y, loss=loss, epochs=epochs, learning_rate=0.05, verbose=0,
                        recorders=[nn.record_weights(every=every)])  # fmt: skip
    return model, history, X, y


def test_exploring_a_run_changes_neither_the_model_nor_the_history():
    model, history, _, _ = trained()
    model.train()
    before = {name: value.copy() for name, value in history.records["weights"].values[-1].items()}
    grads = [parameter.grad for parameter in model.parameters()]
    first = history.explore()
    assert model.training
    assert all(mine is yours for mine, yours in zip(grads, (p.grad for p in model.parameters())))
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.data, before[name])
        np.testing.assert_array_equal(history.records["weights"].values[-1][name], before[name])
    assert history.explore().html == first.html


def test_a_run_without_weights_says_what_to_record():
    X, y = nn.data.xor()
    history = nn.MLP([2, 3, 1]).fit(X, y, loss=nn.binary_cross_entropy_with_logits, epochs=1000, verbose=0)
    assert history.run is None
    with pytest.raises(ArgumentError, match=re.escape("recorders=[nn.record_weights(every=5)]")):
        history.explore()


def test_epochs_are_thinned_evenly_with_the_first_and_the_last():
    _, history, _, _ = trained(epochs=50)
    assert embedded(history.explore(max_epochs=6), "data")["moments"] == [0, 10, 20, 30, 40, 50]
    assert len(embedded(history.explore(), "data")["moments"]) == 51


def test_inputs_outside_the_plane_and_several_classes_have_a_page_too():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    _, history, _, _ = trained(sizes=(3, 4, 1), X=X, y=(X[:, :1] > 0) * 1.0)
    assert [panel["kind"] for panel in embedded(history.explore(), "data")["panels"]] == ["curve", "arrays"]
    X, labels = nn.data.blobs(60, centers=3, seed=0)
    _, history, _, _ = trained(sizes=(2, 4, 3), X=X, y=labels, loss=nn.cross_entropy)
    maps = [panel for panel in embedded(history.explore(), "data")["panels"] if panel["kind"] == "maps"]
    assert [len(panel["maps"]) for panel in maps] == [3, 4]  # outputs, hidden units


class _Table(nn.Module):
    """Rows of a table, looked up by two columns of indices: no points of a plane, although there are two."""

    def __init__(self):
        self.table = nn.Parameter(np.arange(24.0).reshape(8, 3))
        self.head = nn.Dense(6, 1)

    def forward(self, x):
        return self.head(self.table[x.numpy().astype(int)].reshape(len(x), -1))


@pytest.mark.filterwarnings("ignore:training runs without compilation")
def test_a_model_that_takes_only_what_it_was_trained_on_has_a_page_without_maps():
    X = np.array([[0, 7], [1, 6], [7, 3], [5, 0]])  # around them lie 8 and -1
    history = nn.fit(_Table(), X, np.ones((4, 1)), loss=nn.mean_squared_error, epochs=1, verbose=0,
                     recorders=[nn.record_weights()])  # fmt: skip
    page = history.explore()
    assert page.title == "_Table, 1 epoch: the loss of 4 of 4 rows"
    assert [panel["kind"] for panel in embedded(page, "data")["panels"]] == ["curve", "arrays"]


def test_every_file_of_the_page_goes_into_the_wheel():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = config["options.package_data"]["autograd.render"].split()
    files = [
        path.relative_to(ROOT / "autograd" / "render").as_posix() for path in (ROOT / "autograd/render/page").iterdir()
    ]
    assert len(files) >= 8
    assert [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)] == []


def test_notebooks_get_the_page_in_a_frame():
    shown = explore(network_loss())._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;') and "<script" not in shown


def test_the_letters_of_a_local_derivative_are_explained():
    x = Tensor(2.0, requires_grad=True)
    power = x * 3.0
    data = embedded(explore(autograd.tanh(power) ** 2), "data")
    explained = {edge["derivative"]: edge["letters"] for edge in data["views"][0]["edges"]}
    assert explained == {"3": [], "1 - y * y": [["y", -1]], "2 * a": [["a", 0]]}


@pytest.mark.parametrize("started", [True, False])
def test_show_opens_the_page_or_says_where_it_is(monkeypatch, capsys, tmp_path, started):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    asked = []
    monkeypatch.setattr("webbrowser.open", lambda address: asked.append(address) or started)
    page = explore(network_loss())
    page.show()
    written = next(tmp_path.rglob("explore.html"))
    assert asked == [written.as_uri()] and written.read_text() == page.html
    assert (str(written) in capsys.readouterr().out) == (not started)
