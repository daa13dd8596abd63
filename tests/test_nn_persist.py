"""Saved parameters: what is written, what fits, and what hostile files can do (nothing)."""

import ast
import errno
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd.errors import ArgumentError, AutogradError, CorruptFileError, UnsafeFileError
from nn import persist


@pytest.fixture
def model():
    return nn.MLP([2, 3, 1], seed=0)


def values(model):
    return {path: tensor.numpy() for path, tensor in model.state().items()}


def assert_same(first, second):
    assert list(first) == list(second)
    for path, array in first.items():
        np.testing.assert_array_equal(array, second[path])


def npy(descr, data=b"", *, shape=(), version=1, length=None):
    """The bytes of a .npy file with a header of one's choice."""
    header = descr if isinstance(descr, bytes) else repr(
        {"descr": descr, "fortran_order": False, "shape": shape}
    ).encode("latin1") + b"\n"  # fmt: skip
    size = len(header) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + size.to_bytes(2 if version == 1 else 4, "little") + header + data


# -- what is written ---------------------------------------------------------------------------------------------------


def test_round_trip(model, tmp_path):
    model.steps = nn.Buffer(7.0)
    model.save(tmp_path / "p.npy")
    other = nn.MLP([2, 3, 1], seed=1)
    other.steps = nn.Buffer(0.0)
    other.load(tmp_path / "p.npy")
    assert_same(values(model), values(other))
    assert [path.name for path in tmp_path.iterdir()] == ["p.npy"]


def test_the_file_is_plain_numpy(model, tmp_path):
    nn.save(model, tmp_path / "p.npy")
    record = np.load(tmp_path / "p.npy", allow_pickle=False)
    assert record.shape == ()
    assert record.dtype.names == tuple(model.state())
    np.testing.assert_array_equal(record["layers.0.weight"], model[0].weight.data)
    assert_same(values(model), nn.read(tmp_path / "p.npy"))


def test_same_parameters_same_bytes(model, tmp_path):
    model.save(tmp_path / "a.npy")
    model.save(str(tmp_path / "b.npy"))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.parametrize(
    "array",
    [np.float32([[1.5, -2.0]]), np.array(3.0), np.zeros((0, 4)), np.array([True]), np.arange(3), np.ones(2, ">f8")],
)
def test_arrays_of_every_kind(array, tmp_path):
    persist.save_arrays({"größe ω": array, "x": np.ones(1)}, tmp_path / "a.npy")
    back = persist.read(tmp_path / "a.npy")
    np.testing.assert_array_equal(back["größe ω"], array)
    assert back["größe ω"].shape == array.shape


def test_many_parameters(tmp_path):
    arrays = {f"blocks.{i}.attention.weight": np.full(2, float(i)) for i in range(3000)}
    persist.save_arrays(arrays, tmp_path / "a.npy")
    assert_same(arrays, persist.read(tmp_path / "a.npy"))


def test_nothing_to_save(tmp_path):
    with pytest.raises(ArgumentError, match="there are no parameters"):
        nn.save(nn.Tanh(), tmp_path / "p.npy")
    with pytest.raises(UnsafeFileError, match="only numbers can be saved without pickle"):
        persist.save_arrays({"x": np.array([object()])}, tmp_path / "p.npy")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_save_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "p.npy"
    model.save(path)
    before = path.read_bytes()
    model[0].weight.data = model[0].weight.data + 1.0

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.npy"]


# -- what fits ---------------------------------------------------------------------------------------------------------


def test_all_differences_in_one_error_and_nothing_changed(model, tmp_path):
    arrays = values(model)
    arrays["layers.0.weigth"] = arrays.pop("layers.0.weight")
    arrays["layers.2.weight"] = np.zeros((3, 2))
    arrays["layers.2.bias"] = np.zeros(1, complex)
    arrays["extra"] = np.zeros(4)
    persist.save_arrays(arrays, tmp_path / "p.npy")
    before = values(model)
    with pytest.raises(ArgumentError) as caught:
        model.load(tmp_path / "p.npy")
    assert str(caught.value).splitlines()[0].endswith("p.npy does not fit this MLP:")
    assert str(caught.value).splitlines()[1:] == [
        "  missing: layers.0.weight (2, 3) (the file has layers.0.weigth)",
        "  unexpected: layers.0.weigth (2, 3) (the model has layers.0.weight)",
        "  unexpected: extra (4,)",
        "  wrong shape: layers.2.weight is (3, 1) in the model and (3, 2) in the file",
        "  wrong dtype: layers.2.bias is float64 in the model and complex128 in the file",
    ]
    assert_same(values(model), before)


def test_the_model_keeps_its_dtype(model, tmp_path):
    model.save(tmp_path / "p.npy")
    small = nn.MLP([2, 3, 1], seed=1, dtype=np.float32)
    small.load(tmp_path / "p.npy")
    assert small[0].weight.dtype == np.float32
    np.testing.assert_array_equal(small[0].weight.data, model[0].weight.data.astype(np.float32))


def test_a_missing_file(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "nowhere.npy")


# -- hostile files -----------------------------------------------------------------------------------------------------

HOSTILE = {
    "empty": (b"", CorruptFileError, "is no .npy file"),
    "text": (b"hello world", CorruptFileError, "is no .npy file"),
    "only magic": (b"\x93NUMPY", CorruptFileError, "is no .npy file"),
    "archive": (b"PK\x03\x04" + bytes(40), CorruptFileError, "is a .npz archive"),
    "version": (npy([("a", "<f8")], bytes(8), version=9), CorruptFileError, "unknown .npy version 9"),
    "header beyond the file": (npy([("a", "<f8")], version=2, length=2**32 - 1), CorruptFileError, "4294967295 bytes"),
    "truncated header": (npy([("a", "<f8")])[:20], CorruptFileError, "the header announces"),
    "header is no literal": (npy(b"__import__('os').system('true')"), CorruptFileError, "cannot be read"),
    "header is deep": (npy(b"(" * 60000), CorruptFileError, "cannot be read"),
    "header is deeper": (npy(b"-" * 60000 + b"1"), CorruptFileError, "cannot be read"),
    "header is a number": (npy(b"1"), CorruptFileError, "no description of an array"),
    "objects": (npy("|O", b"\x80\x04.", shape=(1,)), UnsafeFileError, "reading them would run code"),
    "objects in a field": (npy([("a", "|O")], bytes(8)), UnsafeFileError, "'a' holds Python objects"),
    "plain array": (npy("<f8", bytes(8)), CorruptFileError, "plain array"),
    "many records": (npy([("a", "<f8")], bytes(16), shape=(2,)), CorruptFileError, r"has shape \(2,\)"),
    "same name twice": (npy([("a", "<f8"), ("a", "<f8")], bytes(16)), CorruptFileError, "'a' occurs twice"),
    "text dtype": (npy([("a", "<U8")], bytes(32)), CorruptFileError, "which is no number"),
    "void dtype": (npy([("a", "|V8")], bytes(8)), CorruptFileError, "which is no number"),
    "nested": (npy([("a", [("b", "<f8")])], bytes(8)), CorruptFileError, "a field is described by"),
    "no pair": (npy(["a"], bytes(8)), CorruptFileError, "a field is described by"),
    "negative shape": (npy([("a", "<f8", (-1,))], bytes(8)), CorruptFileError, "has the shape"),
    "shape of booleans": (npy([("a", "<f8", (True,))], bytes(8)), CorruptFileError, "has the shape"),
    "huge shape": (npy([("a", "<f8", (2**60, 2**60))], bytes(8)), CorruptFileError, "the file holds 8"),
    "too many axes": (npy([("a", "<f8", (1,) * 70)], bytes(8)), CorruptFileError, "has the shape"),
    "values missing": (npy([("a", "<f8", (3,))], bytes(23)), CorruptFileError, "24 bytes of values, the file holds 23"),
    "values left over": (npy([("a", "<f8", (3,))], bytes(25)), CorruptFileError, "the file holds 25"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name, model, tmp_path):
    content, error, text = HOSTILE[name]
    path = tmp_path / "p.npy"
    path.write_bytes(content)
    before = values(model)
    tracemalloc.start()
    try:
        with pytest.raises(error, match=text):
            model.load(path)
        assert tracemalloc.get_traced_memory()[1] < 32e6
    finally:
        tracemalloc.stop()
    assert_same(values(model), before)


def test_files_of_numpy_itself(model, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError) as caught:
        model.load(tmp_path / "objects.npy")
    assert "allow_pickle" not in str(caught.value)
    np.savez(tmp_path / "p.npz", a=np.ones(2))
    with pytest.raises(CorruptFileError, match="npz archive"):
        model.load(tmp_path / "p.npz")


@given(st.data())
def test_a_damaged_file_raises_only_our_errors(tmp_path_factory, data):
    """Bytes of a good file are flipped, cut out or repeated; what still loads must be a whole set of numbers."""
    folder = tmp_path_factory.mktemp("fuzz")
    original = nn.MLP([2, 3, 1], seed=0)
    original.save(folder / "p.npy")
    content = bytearray((folder / "p.npy").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["flip", "cut", "repeat"]))
        if kind == "flip":
            content[start] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[start : start + data.draw(st.integers(1, 20))]
        else:
            content[start:start] = content[start : start + data.draw(st.integers(1, 20))]
        if not content:
            break
    (folder / "p.npy").write_bytes(content)
    model = nn.MLP([2, 3, 1], seed=1)
    before = values(model)
    try:
        model.load(folder / "p.npy")
    except AutogradError:
        assert_same(values(model), before)
    else:
        assert list(values(model)) == list(before)


@pytest.mark.slow
def test_ten_thousand_damaged_files(tmp_path):
    """As above, in bulk and of the reader alone: our errors, or arrays of the announced size."""
    path = tmp_path / "p.npy"
    nn.MLP([2, 3, 1], seed=0).save(path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(10_000):
        damaged = bytearray(content)
        for position in rng.integers(0, 200, size=rng.integers(1, 5)):  # the header
            damaged[position] = rng.integers(0, 256)
        del damaged[len(damaged) - rng.integers(0, 3) :]
        path.write_bytes(damaged)
        try:
            arrays = persist.read(path)
        except (CorruptFileError, UnsafeFileError):
            refused += 1
        else:
            assert sum(array.nbytes for array in arrays.values()) <= len(content)
    assert refused > 8000


@given(st.binary(max_size=300))
def test_random_headers_raise_only_our_errors(tmp_path_factory, header):
    path = tmp_path_factory.mktemp("fuzz") / "p.npy"
    path.write_bytes(npy(header))
    with pytest.raises((CorruptFileError, UnsafeFileError)):
        persist.read(path)


def test_nothing_in_the_package_can_pickle():
    """Neither the module pickle nor a permission to use it occurs in the code of the package."""
    folder = os.path.dirname(nn.__file__)
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                tree = ast.parse(file.read())
            for node in ast.walk(tree):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    module = getattr(node, "module", None) or ""
                    assert "pickle" not in [module, *(alias.name for alias in node.names)]
                if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                    assert isinstance(node.value, ast.Constant)
                    assert node.value.value is False
