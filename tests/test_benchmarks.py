"""The benchmarks are honest: what is compared computes the same, and who does not is not timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.contestants import CONTESTANTS, Contestant, numpy_by_hand, ours
from tests.benchmarks.figures import FIGURES, outcomes
from tests.benchmarks.report import document, write
from tests.benchmarks.runner import Row, measure
from tests.benchmarks.workloads import FUNCTIONS, MOONS, NETWORKS, WORKLOADS, Function, Network

CHAIN = Function("chain-100", "", "chain", size=100)
FAKES = [
    Contestant(label, "fake", peer=label != "quick", own_environment=False)
    for label in ("quick", "slow", "wrong", "missing")
]


@pytest.mark.parametrize("workload", [*NETWORKS, MOONS], ids=lambda w: w.name)
def test_gradients_by_hand_agree_with_ours_on_networks(workload: Network) -> None:
    x, y = workload.data()
    _, by_hand = numpy_by_hand.loss_and_gradients(workload, workload.parameters(), x, y)
    eps = np.finfo(workload.dtype).eps
    for hand, engine in zip(by_hand, ours.gradients(workload), strict=True):
        assert hand.dtype == engine.dtype == workload.dtype
        np.testing.assert_allclose(engine, hand, rtol=0, atol=64 * eps * max(1.0, float(np.abs(hand).max())))


@pytest.mark.parametrize("workload", [CHAIN, *(replace(w, size=1000) for w in FUNCTIONS)], ids=lambda w: w.name)
def test_gradients_by_hand_agree_with_ours_on_functions(workload: Function) -> None:
    _, by_hand = numpy_by_hand.FUNCTIONS[workload.kind](workload.data(), workload.size)
    (engine,) = ours.gradients(workload)
    np.testing.assert_allclose(engine, by_hand, rtol=1e-13, atol=1e-14)


def test_scalar_network_and_matrix_network_have_the_same_losses() -> None:
    workload = replace(MOONS, rows=5)
    scalars = ours.build("ours eager", workload)(3)()
    np.testing.assert_allclose(scalars, numpy_by_hand.build("NumPy by hand", workload)(3)(), rtol=1e-12)


@pytest.mark.parametrize("workload", NETWORKS, ids=lambda w: w.name)
def test_the_step_of_layers_has_the_same_losses_as_the_step_on_tensors(workload: Network) -> None:
    layers = ours.build("ours eager, nn", workload)(2)()
    tensors = ours.build("ours eager", workload)(2)()
    np.testing.assert_allclose(layers, tensors, rtol=100 * np.finfo(workload.dtype).eps)


@pytest.fixture(scope="module")
def fake_rows() -> dict[str, Row]:
    """A run of the fakes, each in its own process."""
    rows = measure(WORKLOADS["xor"], FAKES, rounds=3, seconds=0.01)
    return {row.label: row for row in rows}


def test_the_runner_times_those_that_agree(fake_rows: dict[str, Row]) -> None:
    quick, slow = fake_rows["quick"], fake_rows["slow"]
    assert quick.status == slow.status == "ok"
    assert len(quick.times) == len(slow.times) == 3
    assert quick.results == slow.results == [float(i) for i in range(10)]
    assert quick.median is not None and quick.median >= 0.0005
    assert slow.median is not None and slow.median >= 0.002
    assert quick.first_seconds is not None and "numpy" in quick.versions


def test_the_runner_does_not_time_who_disagrees_or_is_missing(fake_rows: dict[str, Row]) -> None:
    assert (fake_rows["wrong"].status, fake_rows["wrong"].times) == ("disagrees", [])
    assert (fake_rows["missing"].status, fake_rows["missing"].why) == ("not built", "a feature of the future")


def test_peers_without_an_interpreter_are_named_as_not_installed() -> None:
    (row,) = measure(WORKLOADS["xor"], [Contestant("peer", "fake")], peers_python=None)
    assert row.status == "not installed" and "make bench" in row.why


def test_the_report_shows_ratios_and_reasons_and_writes_three_files(fake_rows: dict[str, Row], tmp_path: Path) -> None:
    tables = {"xor": list(fake_rows.values())}
    text = document(tables)
    assert "not built: a feature of the future" in text
    assert "| slow |" in text and "disagrees" in text
    names = [path.name for path in write(tables, tmp_path / "bench")]
    assert names == ["bench.md", "bench.json", "bench.png"]
    assert all((tmp_path / "bench" / name).stat().st_size > 0 for name in names)


def test_a_figure_is_reached_at_its_bound_and_missed_above() -> None:
    def verdict(seconds: float) -> str:
        rows = [Row("ours eager", False, times=[seconds]), Row("PyTorch eager", True, times=[10.0])]
        return next(o.verdict for o in outcomes({"xor": rows}, {"xor": 1}) if o.figure.peer == "PyTorch eager")

    assert [verdict(4.0), verdict(4.1)] == ["reached", "missed"]


def test_every_figure_names_a_workload_and_contestants_that_exist() -> None:
    labels = {contestant.label for contestant in CONTESTANTS} | {"best peer", ""}
    for figure in FIGURES:
        assert figure.workload in WORKLOADS and (figure.other_workload or figure.workload) in WORKLOADS
        assert {figure.ours, figure.peer} <= labels
