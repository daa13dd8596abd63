"""Saved parameters: what is written, what fits, and what hostile files can do (nothing)."""

import ast
import errno
import json
import os
import sys
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn
from autograd.core.errors import (
    ArgumentError,
    AutogradError,
    CorruptFileError,
    DTypeError,
    MissingDependencyError,
    UnsafeFileError,
    WriteError,
)
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


def test_a_full_disk_is_our_error_with_the_path(model, tmp_path):
    (tmp_path / "p.npy").symlink_to("/dev/full")
    with pytest.raises(WriteError) as caught:
        model.save(tmp_path / "p.npy")
    assert "No space left on device" in str(caught.value) and str(tmp_path / "p.npy") in str(caught.value)


def test_saving_writes_through_a_link_and_keeps_permissions(model, tmp_path):
    model.save(tmp_path / "real.npy")
    (tmp_path / "real.npy").chmod(0o640)
    (tmp_path / "link.npy").symlink_to("real.npy")
    model[0].weight.data = model[0].weight.data + 1.0
    model.save(tmp_path / "link.npy")
    assert (tmp_path / "link.npy").is_symlink() and (tmp_path / "real.npy").stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(nn.read(tmp_path / "real.npy")["layers.0.weight"], model[0].weight.data)


@pytest.mark.parametrize("name", ["p", "p.", "p.bin", "p.npz", "p.npy.gz", "p.pt", "p.safetensor", ".npy", ""])
def test_other_endings_are_refused(model, tmp_path, name):
    with pytest.raises((ArgumentError, WriteError), match="saved as p?.*.npy or .*.safetensors"):
        model.save(f"{tmp_path}/{name}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [3, None, ["p.npy"], b"p.npy", "a\0b.npy"])
def test_what_is_no_path(model, path):
    for use in (model.save, model.load, nn.read):
        with pytest.raises(ArgumentError, match="path"):
            use(path)


LONG = [np.longdouble, np.clongdouble] if np.dtype(np.longdouble) != np.float64 else []


@pytest.mark.parametrize("dtype", ["U3", "O", "M8[s]", [("a", "f8")], *LONG])
def test_what_could_not_be_read_again_is_not_written(tmp_path, dtype):
    with pytest.raises(UnsafeFileError, match="only numbers can be saved"):
        persist.save_arrays({"x": np.zeros(2, dtype)}, tmp_path / "p.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", " ", "a/../b", "a\0b", "a\nb", "\ud800", "'", "\\", "🦊", "n" * 100_000])
def test_names_of_every_kind(tmp_path, name):
    persist.save_arrays({name: np.arange(3.0), "x": np.ones(1)}, tmp_path / "p.npy")
    assert_same(persist.read(tmp_path / "p.npy"), {name: np.arange(3.0), "x": np.ones(1)})


def test_more_names_than_a_header_holds_are_refused_when_saving(tmp_path):
    with pytest.raises(ArgumentError, match="save them as p.safetensors"):
        persist.save_arrays({f"{i:0100}": np.zeros(1) for i in range(11_000)}, tmp_path / "p.npy")
    with pytest.raises(ArgumentError, match="by name, a str, not by 1"):
        persist.save_arrays({1: np.zeros(1)}, tmp_path / "p.npy")
    assert list(tmp_path.iterdir()) == []


def test_orders_of_bytes_and_axes(tmp_path):
    square = np.arange(6.0).reshape(2, 3)
    arrays = {"fortran": np.asfortranarray(square), "strided": square[:, ::2], "swapped": square.astype(">f4"),
              "back": square[::-1, ::-1], "still": np.broadcast_to(square[0], (4, 3))}  # fmt: skip
    persist.save_arrays(arrays, tmp_path / "p.npy")
    assert_same(arrays, persist.read(tmp_path / "p.npy"))
    record = np.load(tmp_path / "p.npy")
    for name, array in arrays.items():
        np.testing.assert_array_equal(record[name], array)


def test_only_modules_are_saved(tmp_path):
    for use in (nn.save, nn.load):
        with pytest.raises(DTypeError, match=r"the model must be a Module, not \{\}"):
            use({}, tmp_path / "p.npy")


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


def test_hundreds_of_other_names_give_a_short_message_at_once(tmp_path):
    model = nn.Module()
    model.parts = {f"block_{i}_attention_weight": nn.Parameter(float(i)) for i in range(800)}
    persist.save_arrays({f"layers.{i}.self_attn.weight": np.zeros(()) for i in range(800)}, tmp_path / "p.npy")
    start = time.monotonic()
    with pytest.raises(ArgumentError) as caught:
        model.load(tmp_path / "p.npy")
    assert time.monotonic() - start < 1
    lines = str(caught.value).splitlines()
    assert len(lines) == 23 and "  missing: and 790 more" in lines and "  unexpected: and 790 more" in lines


def test_names_of_any_length_are_compared_and_told_in_bounded_time(tmp_path):
    model = nn.Module()
    model.parts = {f"{i}" + "ab" * 20_000: nn.Parameter(float(i)) for i in range(9)}
    persist.save_arrays({f"parts.{i}" + "ba" * 20_000: np.zeros(()) for i in range(9)}, tmp_path / "p.npy")
    start = time.monotonic()
    with pytest.raises(ArgumentError) as caught:
        model.load(tmp_path / "p.npy")
    assert time.monotonic() - start < 1 and len(str(caught.value)) < 5000


LOST = [  # dtype of the model, values of the file, the value that is named or None where all fit
    (np.float32, np.array([1.0, 1e300]), "1e+300"),
    (np.float32, np.array([-1e39, 1.0]), "-1e+39"),
    (np.float32, np.array([3.4e38, 1e-300, np.nan, np.inf, -np.inf]), None),
    (np.float16, np.array([65504.0, 1.0]), None),
    (np.float16, np.array([1.0, 65520.0]), "65520.0"),
    (np.float64, np.array([2**53, -(2**53)]), None),
    (np.float64, np.array([2**53 + 1]), "9007199254740993"),
    (np.float32, np.array([2**24 + 1]), "16777217"),
    (np.float32, np.array([255], np.uint8), None),
    (np.float64, np.array([2**64 - 1], np.uint64), "18446744073709551615"),
    (np.float16, np.array([True, False]), None),
    (np.int8, np.array([127, -128]), None),
    (np.int8, np.array([1, 128]), "128"),
    (np.int64, np.array([2**63], np.uint64), "9223372036854775808"),
    (np.int32, np.array([-(2**31) - 1]), "-2147483649"),
    (np.int64, np.array([True, False]), None),
    (np.complex64, np.array([1.5, 1e200]), "1e+200"),
    (np.complex64, np.array([1 + 1e200j]), "(1+1e+200j)"),
    (np.complex128, np.array([2.5, -1.0]), None),
]


@pytest.mark.parametrize(("dtype", "stored", "lost"), LOST)
def test_values_that_the_models_dtype_cannot_hold_are_refused(tmp_path, dtype, stored, lost):
    model = nn.Module()
    model.first = nn.Parameter(np.zeros(2))
    model.second = nn.Buffer(np.zeros(stored.shape, dtype))
    persist.save_arrays({"first": np.ones(2), "second": stored}, tmp_path / "p.npy")
    if lost is None:
        model.load(tmp_path / "p.npy")
        assert model.second.dtype == dtype
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(model.second.data, stored.astype(dtype))
        return
    with pytest.raises(ArgumentError) as caught:
        model.load(tmp_path / "p.npy")
    assert f"  wrong value: second holds {lost}, which {np.dtype(dtype)} cannot hold" in str(caught.value).splitlines()
    np.testing.assert_array_equal(model.first.data, 0.0)
    np.testing.assert_array_equal(model.second.data, 0.0)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_numbers_do_not_fit_real_ones(tmp_path, dtype):
    model = nn.Dense(2, 1, seed=0)
    before = values(model)
    persist.save_arrays({name: array.astype(dtype) for name, array in before.items()}, tmp_path / "p.npy")
    with pytest.raises(ArgumentError, match="wrong dtype: weight is float64 in the model and complex"):
        model.load(tmp_path / "p.npy")
    assert_same(values(model), before)


def test_nan_is_loaded_as_it_was_saved(tmp_path):
    model = nn.Dense(2, 1, seed=0)
    model.weight.data = np.array([[np.nan], [np.inf]])
    model.save(tmp_path / "p.npy")
    other = nn.Dense(2, 1, seed=1)
    other.load(tmp_path / "p.npy")
    np.testing.assert_array_equal(other.weight.data, model.weight.data)


def test_a_file_that_does_not_fit_is_not_read(tmp_path):
    """A hole of a terabyte is a small file on the disk, and must not become a large array."""
    content = npy([("weight", "<f8", (2**37,))])
    path = tmp_path / "p.npy"
    path.write_bytes(content)
    try:
        os.truncate(path, len(content) + (1 << 40))
    except OSError:
        os.truncate(path, len(content))
    with pytest.raises((ArgumentError, CorruptFileError), match=r"weight is \(2, 1\) in the model|file holds 0"):
        nn.Dense(2, 1, seed=0, bias=False).load(path)


@pytest.mark.parametrize("ending", ["npy", "safetensors"])
def test_what_is_no_file_is_refused_without_a_wait(model, tmp_path, ending):
    os.mkfifo(tmp_path / f"fifo.{ending}")
    (tmp_path / f"folder.{ending}").mkdir()
    (tmp_path / f"device.{ending}").symlink_to("/dev/zero")
    for path in tmp_path.iterdir():
        with pytest.raises(CorruptFileError, match="is no regular file"):
            model.load(path)


def test_a_missing_file(model, tmp_path):
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "nowhere.npy")


# -- hostile files -----------------------------------------------------------------------------------------------------

MEGABYTE = (1 << 20) - 100
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
    "huge shape of no values": (npy([("a", "<f8", (2**62, 4, 0))]), CorruptFileError, "which no array can have"),
    "longdouble": (npy([("a", "<f16")], bytes(16)), CorruptFileError, "which is no number"),
    "a megabyte of brackets": (npy(b"[" * MEGABYTE, version=2), CorruptFileError, "cannot be read"),
    "a megabyte of signs": (npy(b"-" * MEGABYTE + b"1", version=2), CorruptFileError, "cannot be read"),
    "a megabyte of sums": (
        npy(b"1" + b"+1j" * (MEGABYTE // 3), version=2),
        CorruptFileError,
        "cannot be read|no descr",
    ),
    "a megabyte of digits": (npy(b"9" * MEGABYTE, version=2), CorruptFileError, "cannot be read"),
    "a name of a megabyte": (
        npy([("n" * MEGABYTE, "<f8")], version=2),
        CorruptFileError,
        "the header announces 8 bytes",
    ),
    "a code of a megabyte": (npy([("a", "f" * MEGABYTE)], bytes(8), version=2), CorruptFileError, "which is no number"),
    "values missing": (npy([("a", "<f8", (3,))], bytes(23)), CorruptFileError, "24 bytes of values, the file holds 23"),
    "values left over": (npy([("a", "<f8", (3,))], bytes(25)), CorruptFileError, "the file holds 25"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name, model, tmp_path):
    content, error, text = HOSTILE[name]
    path = tmp_path / "p.npy"
    path.write_bytes(content)
    before = values(model)
    start = time.monotonic()
    with pytest.raises(error, match=text) as caught:
        model.load(path)
    assert time.monotonic() - start < 5 and len(str(caught.value)) < 1000 + len(str(path))
    if len(content) < 100_000:  # (a megabyte of text is taken apart into many times that)
        tracemalloc.start()
        try:
            with pytest.raises(error):
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


# -- safetensors -------------------------------------------------------------------------------------------------------


@pytest.fixture
def library():
    """Without the library its tests fail where CI is set, and are skipped with the reason elsewhere."""
    try:
        import safetensors.numpy
    except ImportError:
        (pytest.fail if os.environ.get("CI") else pytest.skip)('no safetensors: pip install -e ".[files]"')
    return safetensors


def test_safetensors_are_what_the_library_reads(model, tmp_path, library):
    model.steps = nn.Buffer(7)
    model.save(tmp_path / "p.safetensors")
    assert_same(values(model), {n: library.numpy.load_file(tmp_path / "p.safetensors")[n] for n in values(model)})
    stored = nn.read(tmp_path / "p.safetensors")
    assert_same(values(model), {name: stored[name] for name in values(model)})
    other = nn.MLP([2, 3, 1], seed=1)
    other.steps = nn.Buffer(0)
    other.load(tmp_path / "p.safetensors")
    assert_same(values(model), values(other))
    assert all(array.flags.writeable for array in stored.values())
    assert [path.name for path in tmp_path.iterdir()] == ["p.safetensors"]


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f8", ">i4"])
def test_safetensors_of_every_dtype_and_layout(tmp_path, library, dtype):
    square = np.arange(6).reshape(2, 3).astype(dtype)
    arrays = {"c": square, "fortran": np.asfortranarray(square), "strided": square[:, ::2], "back": square[::-1],
              "scalar": square[1, 1].reshape(()), "empty": square[:0], "": square, "a/../b": square, "ü": square}  # fmt: skip
    persist.save_arrays(arrays, tmp_path / "p.safetensors")
    for stored in (persist.read(tmp_path / "p.safetensors"), library.numpy.load_file(tmp_path / "p.safetensors")):
        assert set(stored) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(stored[name], array)
            assert stored[name].shape == array.shape and stored[name].dtype == array.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    ("name", "array", "error"),
    [
        ("x", np.ones(2, complex), UnsafeFileError),
        ("x", np.ones(2, object), UnsafeFileError),
        ("x", np.array(["a"]), UnsafeFileError),
        ("__metadata__", np.ones(2), ArgumentError),
        ("\ud800", np.ones(2), ArgumentError),
    ],
)
def test_what_safetensors_cannot_hold(tmp_path, library, name, array, error):
    with pytest.raises(error, match="a .safetensors file"):
        persist.save_arrays({name: array}, tmp_path / "p.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", [nn.save, nn.load])
def test_without_the_library_safetensors_name_what_is_missing(model, tmp_path, monkeypatch, use):
    (tmp_path / "p.safetensors").write_bytes(b"old")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "tracegrad\[files\]"'):
        use(model, tmp_path / "p.safetensors")
    assert (tmp_path / "p.safetensors").read_bytes() == b"old"


def tensors(header, data=b"", length=None):
    """The bytes of a .safetensors file with a header of one's choice."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(dtype="F64", shape=(1,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HOSTILE_TENSORS = {
    "empty": (b"", "no .safetensors file"),
    "text": (b"hello world, hello", "no .safetensors file"),
    "npy": (npy([("a", "<f8")], bytes(8)), "rename it to p.npy"),
    "header beyond the file": (tensors({"a": entry()}, bytes(8), length=1 << 40), "no .safetensors file"),
    "largest header": (tensors({}, length=(1 << 64) - 1), "no .safetensors file"),
    "no JSON": (tensors(b"{'a': 1}"), "no .safetensors file"),
    "a list": (tensors(b"[]"), "no .safetensors file"),
    "deep lists": (tensors(b"[" * 1_000_000), "no .safetensors file"),
    "deep objects": (tensors(b'{"a":' * 200_000), "no .safetensors file"),
    "overlapping": (tensors({"a": entry(), "b": entry()}, bytes(8)), "no .safetensors file"),
    "gap": (tensors({"a": entry(offsets=(8, 16))}, bytes(16)), "no .safetensors file"),
    "backwards": (tensors({"a": entry(offsets=(8, 0))}, bytes(8)), "no .safetensors file"),
    "values missing": (tensors({"a": entry()}, bytes(7)), "no .safetensors file"),
    "values left over": (tensors({"a": entry()}, bytes(9)), "no .safetensors file"),
    "shape and bytes": (tensors({"a": entry(shape=(2,))}, bytes(8)), "no .safetensors file"),
    "negative": (tensors({"a": entry(shape=(-1,))}, bytes(8)), "no .safetensors file"),
    "huge": (tensors({"a": entry(shape=(1 << 62, 1 << 62))}, bytes(8)), "no .safetensors file"),
    "huge of no values": (
        tensors({"a": entry(shape=(1 << 62, 0), offsets=(0, 0))}),
        "no .safetensors file|does not fit",
    ),
    "70 axes": (tensors({"a": entry(shape=(1,) * 70)}, bytes(8)), "no .safetensors file|does not fit"),
    "bfloat16": (tensors({"a": entry("BF16", (4,))}, bytes(8)), "dtype BF16, which NumPy lacks"),
    "float8": (tensors({"a": entry("F8_E4M3", (8,))}, bytes(8)), "dtype F8_E4M3, which NumPy lacks"),
    "unknown dtype": (tensors({"a": entry("O")}, bytes(8)), "no .safetensors file"),
    "a name of a megabyte": (tensors({"n" * 1_000_000: entry()}, bytes(8)), "does not fit"),
}


@pytest.mark.parametrize("name", HOSTILE_TENSORS)
def test_hostile_safetensors(name, model, tmp_path, library):
    content, text = HOSTILE_TENSORS[name]
    path = tmp_path / "p.safetensors"
    path.write_bytes(content)
    before, start = values(model), time.monotonic()
    with pytest.raises((CorruptFileError, ArgumentError), match=text) as caught:
        model.load(path)
    assert len(str(caught.value)) < 1500 + 3 * len(str(path))
    try:
        arrays = nn.read(path)
    except CorruptFileError:
        arrays = {}
    assert sum(array.nbytes for array in arrays.values()) <= len(content)
    assert time.monotonic() - start < 2
    assert_same(values(model), before)
