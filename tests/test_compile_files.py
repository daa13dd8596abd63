"""Files that a step opens or reads while it is traced are refused by name; Python's own reading is left alone."""

import io
import os
import pathlib
import warnings

import numpy as np
import pytest

import autograd as ag
from autograd.core import errors

READS = {
    "open": lambda path: float(open(path).read()),  # noqa: SIM115
    "with": lambda path: _with(path),
    "pathlib": lambda path: float(pathlib.Path(path).read_text()),
    "numpy load": lambda path: float(np.load(str(path) + ".npy")),
    "numpy text": lambda path: float(np.loadtxt(path)),
    "numpy binary": lambda path: float(np.fromfile(path, np.uint8)[0]),
    "numpy memory map": lambda path: float(np.memmap(path, np.uint8)[0]),
    "os": lambda path: float(os.read(os.open(path, os.O_RDONLY), 10)),
}


def _with(path):
    with open(path) as file:
        return float(file.readline())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("read", READS)
def test_files_are_refused(read, tmp_path):
    path = tmp_path / "rate.txt"
    path.write_text("2.0")
    np.save(str(path) + ".npy", 2.0)
    step = ag.compile(lambda x: x * READS[read](path))
    with pytest.raises(errors.TraceError, match="file") as caught:
        step(1.0)
    assert "test_compile_files.py:" in str(caught.value)


def test_an_open_file_that_is_read_is_refused(tmp_path):
    file = io.StringIO("2.0\n3.0\n")
    step = ag.compile(lambda x: x * float(file.readline()))
    with pytest.raises(errors.TraceError, match="reads a file"):
        step(1.0)


def test_imports_and_warnings_are_no_files_of_the_users(tmp_path, monkeypatch):
    (tmp_path / "rate_of_a_test.py").write_text("rate = 2.0\n")
    monkeypatch.syspath_prepend(tmp_path)

    def step(x):
        import rate_of_a_test

        warnings.warn("as ever", UserWarning, stacklevel=1)
        return x * rate_of_a_test.rate

    with pytest.warns(UserWarning, match="as ever"):
        assert float(ag.compile(step)(1.0)) == 2.0
