"""`python -m demos doctor`: it sees what draws and who else owns our import name, and its exit code says so."""

import importlib.metadata

import pytest

from demos import doctor


@pytest.fixture
def owners(monkeypatch):
    """The distributions of each import name, as the doctor is to find them."""
    found = {"autograd": ["tracegrad"], "nn": ["tracegrad"]}
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: found)
    return found


def test_a_clean_environment_is_healthy(owners, capsys):
    assert doctor.main() == 0
    report = capsys.readouterr().out
    assert f"NumPy            {importlib.metadata.version('numpy')}" in report
    assert "graphviz" in report.lower() and "Conflict" not in report


def test_another_owner_of_the_name_is_reported_with_the_cure(owners, capsys):
    owners["autograd"] = ["autograd", "tracegrad"]
    assert doctor.main() == 1
    assert "pip uninstall autograd" in capsys.readouterr().out


def test_an_engine_that_does_not_exist_is_named(owners, capsys, monkeypatch):
    monkeypatch.setenv("TRACEGRAD_DOT", "no-such-engine")
    assert doctor.main() == 0
    assert "TRACEGRAD_DOT=no-such-engine" in capsys.readouterr().out


def test_no_engine_at_all_says_what_to_install(owners, capsys, monkeypatch):
    monkeypatch.setattr("autograd.render.find_engine", lambda: None)
    assert doctor.main() == 0
    assert 'none: `pip install "tracegrad[dot]"`' in capsys.readouterr().out
