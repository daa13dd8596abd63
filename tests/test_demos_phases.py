"""Every demo, with few epochs: the files it promises are there, are pictures, and say what was computed."""

import csv
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import nn
from autograd.render.gif import LIMIT
from demos import custom_model, experiment, graph_report, loss_surface, two_moons_scalars, xor
from demos.options import Options
from demos.page import page
from demos.phases import (
    phase_0_setup,
    phase_1_forward,
    phase_2_backprop,
    phase_3_training,
    phase_4_convergence,
    phase_5_boundary,
    phase_6_experiments,
)

PHASE_4 = "plots/phase_4_training_dynamics/"
PHASE_5 = "plots/phase_5_decision_boundary/main/"
PHASE_6 = "plots/phase_6_enhancements/"


def quick(tmp_path, **settings) -> Options:
    return replace(Options(hidden=(4,), epochs=6, out=tmp_path), **settings)


def check(report, folder, expected):
    """The files of a report are those expected, and every picture among them shows something."""
    assert sorted(path.relative_to(folder).as_posix() for path in report.files) == sorted(expected)
    assert report.question.endswith((".", "?")) and report.did and report.proves
    for path in report.files:
        if path.suffix in (".png", ".gif"):
            with Image.open(path) as image:
                assert np.asarray(image.convert("RGB")).std() > 10, path
            assert path.stat().st_size < LIMIT, path
    left = {path for path in folder.rglob("*") if path.is_file()} - set(report.files)
    assert left == set(), "files that the report does not name"


def test_phase_0_stores_the_first_weights(tmp_path):
    options = quick(tmp_path)
    report = phase_0_setup.run(options)
    check(report, tmp_path, ["data/parameters.npy"])
    stored = np.load(tmp_path / "data" / "parameters.npy")
    for name, parameter in experiment.network(options).named_parameters():
        assert (stored[name] == parameter.data).all()
    assert "the same bit for bit" in report.text().replace("\n", " ")


def test_phase_1_prints_the_initial_loss(tmp_path):
    options = quick(tmp_path, dataset="xor")
    report = phase_1_forward.run(options)
    check(report, tmp_path, [])
    X, y = nn.data.xor()
    loss = nn.binary_cross_entropy(experiment.network(options).predict(X), y)
    assert f"{float(loss):.10f}" in report.text()


@pytest.mark.parametrize("loss", ["bce", "mse"])
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_phase_2_finds_engine_and_hand_in_agreement(tmp_path, activation, loss):
    options = quick(tmp_path, activation=activation, loss=loss, hidden=(5, 4), learning_rate=0.1)
    report = phase_2_backprop.run(options)
    check(report, tmp_path, ["data/parameters.npy"])
    rows = [line.split("|")[1:-1] for line in report.did if line.startswith("| layers.")]
    assert len(rows) == 6
    assert all(float(row[column]) < 1e-14 for row in rows for column in (-4, -2))
    assert {row[column].strip() for row in rows for column in (-3, -1)} <= {"identical", "equal within rounding"}
    assert all(row[2] == row[3] == row[4] and float(row[2]) > 0 for row in rows)
    before, after = (float(line.split()[-1]) for line in report.did if line.startswith("Loss "))
    assert after < before


def test_phase_2_would_notice_a_wrong_gradient(tmp_path, monkeypatch):
    right = phase_2_backprop.by_hand.backward

    def wrong(*arguments):
        weights, biases = right(*arguments)
        return [1.001 * weights[0], *weights[1:]], biases

    monkeypatch.setattr(phase_2_backprop.by_hand, "backward", wrong)
    report = phase_2_backprop.run(quick(tmp_path))
    assert "DISAGREE" in report.proves
    assert any(line.startswith("layers.0.weight: 1.001 times what it should be") for line in report.did)


def test_phase_3_writes_losses_and_weights(tmp_path):
    options = quick(tmp_path, epochs=10)
    report = phase_3_training.run(options)
    weights = [f"data/weights/epoch_{epoch:03d}.npy" for epoch in (0, 2, 4, 6, 8, 10)]
    check(report, tmp_path, ["data/losses.csv", "data/parameters.npy", *weights])
    with open(tmp_path / "data" / "losses.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(10))
    X, y = experiment.dataset(options)
    model = experiment.network(options)
    for epoch, row in ((0, rows[0]), (4, rows[4])):
        model.load(tmp_path / "data" / "weights" / f"epoch_{epoch:03d}.npy")
        assert float(nn.binary_cross_entropy(model.predict(X), y)) == pytest.approx(float(row["loss"]), rel=1e-12)
    final, last = (np.load(tmp_path / "data" / name) for name in ("parameters.npy", "weights/epoch_010.npy"))
    assert final == last


def test_phase_4_writes_the_named_pictures(tmp_path):
    report = phase_4_convergence.run(quick(tmp_path, epochs=500, hidden=(2,)))
    names = ["epoch_000_loss.png", "epoch_240_loss.png", "epoch_499_loss.png", "loss_evolution.gif"]
    check(report, tmp_path, [PHASE_4 + "main/loss_curve.png", *(PHASE_4 + "all_epochs/" + name for name in names)])


def test_phase_5_writes_the_named_pictures(tmp_path):
    report = phase_5_boundary.run(quick(tmp_path, epochs=500, hidden=(2,)))
    names = [f"decision_boundary_epoch_{epoch}.png" for epoch in (0, 240, 340, 499)]
    check(report, tmp_path, [PHASE_5 + name for name in [*names, "final_predictions.png", "decision_boundary.gif"]])
    with Image.open(tmp_path / PHASE_5 / "decision_boundary.gif") as image:
        assert 30 <= image.n_frames <= 60


def test_phases_4_and_5_stop_in_proportion_when_there_are_few_epochs(tmp_path):
    files = [*phase_4_convergence.run(quick(tmp_path)).files, *phase_5_boundary.run(quick(tmp_path)).files]
    names = {path.name for path in files}
    assert {"epoch_000_loss.png", "epoch_002_loss.png", "epoch_005_loss.png"} < names
    assert {"decision_boundary_epoch_0.png", "decision_boundary_epoch_3.png"} < names


def test_phase_6_compares(tmp_path):
    report = phase_6_experiments.run(quick(tmp_path))
    names = ["training_dynamics.gif", "activations.png", "activations.gif", "learning_rates.png"]
    check(report, tmp_path, [PHASE_6 + name for name in [*names, "spirals.png", "digits.png"]])


def test_xor_writes_the_analysis_and_its_table(tmp_path):
    options = Options("xor", (3,), "sigmoid", "mse", 0.1, epochs=20, out=tmp_path)
    report = xor.run(options)
    names = ["training_loss", "decision_boundary", "hidden_activations", "weight_dynamics", "loss_surface", "overview"]
    names.append("graph_beside_training")
    ways = [f"architecture_data_flow{ending}" for ending in (".dot", ".svg", ".png")]
    expected = [*(f"{name}.png" for name in names), *ways, "predictions.md"]
    check(report, tmp_path, [f"plots/xor/{name}" for name in expected])
    table = (tmp_path / "plots/xor/predictions.md").read_text()
    assert len(table.splitlines()) == 6
    for line in table.splitlines()[2:]:
        _, target, prediction, error = (cell.strip() for cell in line.split("|")[1:-1])
        assert abs(float(target) - float(prediction)) == pytest.approx(float(error), abs=0.0011)
    words = "".join(ElementTree.parse(tmp_path / "plots/xor/architecture_data_flow.svg").getroot().itertext())
    assert "W (2, 3), b (3,)" in words and "backward()" in words
    assert "still wrong" in report.proves  # twenty epochs are not enough, and the report says so


def test_xor_draws_more_neurons_and_layers(tmp_path):
    report = xor.run(Options("xor", (10, 3), "relu", "bce", 0.1, epochs=3, out=tmp_path))
    assert len(report.files) == 11


def test_the_custom_model_finds_the_oscillation(tmp_path):
    report = custom_model.run(Options(learning_rate=0.05, epochs=600, out=tmp_path))
    check(
        report,
        tmp_path,
        [
            f"plots/custom_model/{name}"
            for name in ("loss.png", "fit.png", "graph_beside_training.png", "loss_graph.svg")
        ],
    )
    for line in report.did[4:]:
        _, _, fitted, true = (cell.strip() for cell in line.split("|")[1:-1])
        assert float(fitted) == pytest.approx(float(true), abs=0.05)


def test_the_scalar_network_learns(tmp_path):
    report = two_moons_scalars.run(Options(hidden=(4,), learning_rate=1.0, epochs=8, out=tmp_path))
    check(
        report,
        tmp_path,
        [
            f"plots/two_moons_scalars/{name}"
            for name in ("loss.png", "decision_boundary.png", "graph_beside_training.png")
        ],
    )
    losses = report.did[2].split()
    assert float(losses[3].rstrip(",")) < float(losses[1])
    assert float(report.did[3].split()[-1].rstrip(".")) < 1e-14


def test_the_scalar_network_computes_what_arrays_compute():
    network = two_moons_scalars.Network((3, 2), seed=4)
    x = np.array([0.3, -1.2])
    for i, layer in enumerate(network.layers, start=1):
        W = np.array([[float(w) for w in neuron.weights] for neuron in layer]).T
        x_next = x @ W + np.array([float(neuron.bias) for neuron in layer])
        x = x_next if i == len(network.layers) else np.maximum(x_next, 0)
    assert float(network([0.3, -1.2])) == pytest.approx(float(x[0]), rel=1e-14)


def test_all_points_at_once_are_the_points_one_by_one():
    X, y = nn.data.two_moons(20, seed=0)
    signs = 2.0 * y[:, 0] - 1.0
    gradients = []
    for loss_of in (two_moons_scalars.loss_of, two_moons_scalars.loss_of_all):
        network = two_moons_scalars.Network((4, 3), seed=1)
        loss, right = loss_of(network, X, signs)
        loss.backward()
        gradients.append([loss.item(), right, *(float(parameter.grad) for parameter in network.parameters())])
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-13, atol=1e-16)


def test_the_graph_stands_beside_the_training_still_and_moving(tmp_path):
    options = Options(hidden=(3,), loss="mse", epochs=6, out=tmp_path)
    report = graph_report.run(options)
    names = ["loss_graph.dot", "loss_graph.svg", "graph_beside_training.png", "loss.png", "decision_boundary.png"]
    names += ["loss_surface.png", "forward_and_backward.gif"]
    check(report, tmp_path, [f"plots/graph/{name}" for name in names])
    assert all(node.grad is not None for node in report.graph.diagram.nodes if node.kind in ("parameter", "operation"))
    assert "def step(" in report.source and "# backward" in report.source and "# update" in report.source


def test_the_loss_surface_is_the_loss_at_the_weights_it_says(tmp_path):
    run = experiment.train(quick(tmp_path, epochs=20, hidden=(3,)))
    plane = loss_surface.weight_plane(run.weights, size=5)
    before = [parameter.numpy() for parameter in run.model.parameters()]
    losses = loss_surface.losses_in(plane, run.model, nn.binary_cross_entropy, run.X, run.y)
    assert all((a == b.data).all() for a, b in zip(before, run.model.parameters(), strict=True))
    path = np.concatenate([w.reshape(len(w), -1) for w in run.weights.values()], axis=1)
    assert plane.way[-1] == pytest.approx([0.0, 0.0], abs=1e-12) and 0.9 < plane.share <= 1
    np.testing.assert_allclose(plane.directions @ plane.directions.T, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(plane.way, (path - path[-1]) @ plane.directions.T, atol=1e-12)
    chosen = plane.centre + plane.across[1] * plane.directions[0] + plane.up[3] * plane.directions[1]
    model, start = experiment.network(run.options), 0
    for parameter in model.parameters():
        parameter.assign(chosen[start : start + parameter.size].reshape(parameter.shape))
        start += parameter.size
    assert losses[3, 1] == pytest.approx(float(nn.binary_cross_entropy(model.predict(run.X), run.y)), rel=1e-12)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_way_of_hardly_any_steps_has_a_surface_too(tmp_path, epochs):
    run = experiment.train(quick(tmp_path, epochs=epochs, hidden=(2,)))
    plane = loss_surface.weight_plane(run.weights, size=3)
    assert plane.directions.shape == (2, sum(w[0].size for w in run.weights.values()))
    assert (np.diff(plane.across) > 0).all() and (np.diff(plane.up) > 0).all()
    assert np.isfinite(loss_surface.losses_in(plane, run.model, nn.binary_cross_entropy, run.X, run.y)).all()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    contents = []
    for name in ("a", "b"):
        experiment._train.cache_clear()
        options = quick(tmp_path / name, seed=3, epochs=3)
        reports = [phase.run(options) for phase in (phase_3_training, phase_5_boundary)]
        files = {path.relative_to(tmp_path / name): path.read_bytes() for report in reports for path in report.files}
        contents.append((files, page(reports)))
    assert contents[0] == contents[1]


def test_another_seed_gives_other_weights(tmp_path):
    first, second = (experiment.train(quick(tmp_path, seed=seed)) for seed in (1, 2))
    assert (first.weights["layers.0.weight"] != second.weights["layers.0.weight"]).all()


@pytest.mark.parametrize("dataset", ["xor", "two_moons", "circles", "spirals", "blobs"])
def test_every_data_set_trains(tmp_path, dataset):
    run = experiment.train(quick(tmp_path, dataset=dataset, learning_rate=0.3))
    assert run.losses[-1] < run.losses[0]
    assert set(np.unique(run.y)) == {0.0, 1.0}


def test_without_a_graphviz_program_everything_else_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("autograd.render.picture.find_engine", lambda *_: None)
    report = graph_report.run(Options(hidden=(3,), loss="mse", epochs=6, out=tmp_path))
    names = ["loss_graph.dot", "graph_beside_training.png", "loss.png", "decision_boundary.png", "loss_surface.png"]
    check(report, tmp_path, [f"plots/graph/{name}" for name in names])
    assert "tracegrad[dot]" in report.text()
    assert "<pre>digraph" in page([report])
    names = [path.name for path in xor.run(Options("xor", (3,), "sigmoid", "mse", 0.1, 3, out=tmp_path)).files]
    assert "architecture_data_flow.dot" in names and "architecture_data_flow.svg" not in names
    names = [path.name for path in custom_model.run(Options(learning_rate=0.05, epochs=3, out=tmp_path)).files]
    assert names == ["loss.png", "fit.png", "graph_beside_training.png", "loss_graph.dot"]
