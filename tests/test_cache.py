"""Machine code kept on disk: the user's own and whole, or made anew; never somebody else's, never a wait."""

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import autograd as ag
from autograd.backends.native.runtime import cache, jit

KEY, OTHER = "a" * 64, "b" * 64
CODE = b"\x7fELF" + bytes(range(256)) * 8


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, and no warning given yet."""
    place = tmp_path / "kept"
    monkeypatch.setenv("AUTOGRAD_CACHE", str(place))
    monkeypatch.setattr(cache, "_warned", False)
    return place


@pytest.fixture
def kept(folder):
    """A cache with the code of one key: its file."""
    cache.save(KEY, CODE)
    assert cache.load(KEY) == CODE
    return folder / f"{KEY}.o"


@contextlib.contextmanager
def one_warning(text):
    """Within, one warning is given, however many files it holds for, and says which it was."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [text in str(warning.message) for warning in caught] == [True], [str(w.message) for w in caught]


# -- where it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["off", "OFF", "Off", "0", "no", "No", "false", "FALSE", " off ", "none", "disable"])
def test_it_is_switched_off(value, monkeypatch, tmp_path):
    monkeypatch.setenv("AUTOGRAD_CACHE", value)
    monkeypatch.chdir(tmp_path)
    assert cache.folder() is None
    cache.save(KEY, CODE)
    assert cache.load(KEY) is None and list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_where_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for value in ("", " ", "on", "1", "yes", "True"):
        monkeypatch.setenv("AUTOGRAD_CACHE", value)
        assert cache.folder() == tmp_path / ".cache" / "tracegrad"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder() == tmp_path / ".cache" / "tracegrad"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "tracegrad"
    monkeypatch.setenv("AUTOGRAD_CACHE", "~/x")
    assert cache.folder() == tmp_path / "x"


def test_a_relative_folder_is_one_folder(monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("AUTOGRAD_CACHE", f"cache-{tmp_path.name}")
    monkeypatch.chdir(tmp_path)
    first = cache.folder()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert first == cache.folder() == tmp_path / f"cache-{tmp_path.name}"


def test_no_home_is_no_error(monkeypatch):
    monkeypatch.setenv("AUTOGRAD_CACHE", "")
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError("no home"))))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    cache.save(KEY, CODE)
    assert cache.load(KEY) is None


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_what_it_makes_is_closed_to_others_whatever_the_umask(folder, monkeypatch, umask):
    monkeypatch.setenv("AUTOGRAD_CACHE", str(folder / "deep" / "deeper"))
    before = os.umask(umask)
    try:
        cache.save(KEY, CODE)
    finally:
        os.umask(before)
    assert cache.load(KEY) == CODE
    for path in (folder, folder / "deep", folder / "deep" / "deeper", folder / "deep" / "deeper" / f"{KEY}.o"):
        assert path.stat().st_mode & 0o077 == 0


# -- what is taken from it ---------------------------------------------------------------------------------------------


def damaged(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def replaced(make):
    def put(path):
        content = path.read_bytes()
        path.unlink()
        make(path, content)

    return put


def linked(path, content):
    real = path.with_name("real")
    real.write_bytes(content)
    real.chmod(0o600)
    path.symlink_to(real)


UNFIT = {
    "empty": (damaged(lambda content: b""), "damaged"),
    "cut": (damaged(lambda content: content[:-7]), "damaged"),
    "short": (damaged(lambda content: content[:31]), "damaged"),
    "longer": (damaged(lambda content: content + b"x"), "damaged"),
    "flipped": (damaged(lambda content: content[:-1] + bytes([content[-1] ^ 1])), "damaged"),
    "checksum of the code alone": (
        damaged(lambda content: hashlib.sha256(content[32:]).digest() + content[32:]), "damaged",
    ),
    "of another key": (damaged(lambda content: cache._digest(OTHER, content[32:]) + content[32:]), "another name"),
    "pipe": (replaced(lambda path, content: os.mkfifo(path, 0o600)), "no regular file"),
    "device": (replaced(lambda path, content: path.symlink_to("/dev/zero")), str(KEY)),
    "link": (replaced(linked), str(KEY)),
    "dangling link": (replaced(lambda path, content: path.symlink_to("nowhere")), str(KEY)),
    "folder": (replaced(lambda path, content: path.mkdir()), "no regular file"),
    "writable by the group": (lambda path: path.chmod(0o660), "others may write to it"),
    "writable by all": (lambda path: path.chmod(0o602), "others may write to it"),
    "huge": (lambda path: os.truncate(path, 1 << 40), f"{1 << 40} bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_not_whole_and_the_users_own_is_left_and_made_anew(kept, name):
    make, text = UNFIT[name]
    cache.save(OTHER, CODE)
    make(kept)
    start = time.monotonic()
    with one_warning(text):
        assert cache.load(KEY) is None
        assert cache.load(KEY) is None
        assert cache.load(OTHER) == CODE
    assert time.monotonic() - start < 1
    cache.save(KEY, CODE)
    assert cache.load(KEY) == (None if name == "folder" else CODE)


def test_of_another_owner(kept, monkeypatch):
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with one_warning(f"belongs to another user ({me})"):
        assert cache.load(KEY) is None
    monkeypatch.undo()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_owner_in_the_users_folder(kept):
    os.chown(kept, 12345, -1)
    with one_warning("belongs to another user (12345)"):
        assert cache.load(KEY) is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777])
def test_a_folder_where_others_may_write(kept, mode):
    kept.parent.chmod(mode)
    with one_warning("set AUTOGRAD_CACHE to a folder of your own, or to off"):
        assert cache.load(KEY) is None
        cache.save(OTHER, CODE)
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]  # neither read nor written, nor tidied up


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_may_exchange(tmp_path, folder, monkeypatch, mode):
    monkeypatch.setenv("AUTOGRAD_CACHE", str(folder / "between" / "cache"))
    cache.save(KEY, CODE)
    folder.chmod(mode)
    with one_warning(f"{folder}: others may write to it"):
        assert cache.load(KEY) is None
    folder.chmod(mode | 0o1000)  # sticky, as /tmp: what belongs to the user stays where it is
    assert cache.load(KEY) == CODE
    (tmp_path / "link").symlink_to(folder / "between")
    monkeypatch.setenv("AUTOGRAD_CACHE", str(tmp_path / "link" / "cache"))
    assert cache.load(KEY) == CODE
    folder.chmod(mode)
    monkeypatch.setattr(cache, "_warned", False)
    with one_warning(f"{folder}: others may write to it"):
        assert cache.load(KEY) is None


def test_a_warning_comes_once_in_a_process(folder):
    program = (
        "import os, warnings\n"
        "from autograd.backends.native.runtime import cache\n"
        "warnings.simplefilter('always')\n"
        "for key in ('a', 'b', 'c'):\n"
        "    cache.save(key, b'code')\n"
        "    (cache.folder() / f'{key}.o').write_bytes(b'garbage')\n"
        "    assert cache.load(key) is None\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.count("UserWarning") == 1 and "a.o" in done.stderr


# -- what is put there -------------------------------------------------------------------------------------------------


def test_no_place_to_write_is_no_error(folder, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        cache.save(KEY, CODE)
    assert cache.load(KEY) is None and list(folder.iterdir()) == []
    monkeypatch.setenv("AUTOGRAD_CACHE", "/proc/no-folder-can-be-made-here")
    cache.save(KEY, CODE)
    assert cache.load(KEY) is None
    (folder / "file").write_text("")
    monkeypatch.setenv("AUTOGRAD_CACHE", str(folder / "file"))
    cache.save(KEY, CODE)
    assert cache.load(KEY) is None


def test_the_older_half_goes(folder, monkeypatch):
    monkeypatch.setattr(cache, "_MOST", 10)
    for i in range(11):
        cache.save(f"{i}", CODE)
        os.utime(folder / f"{i}.o", (i, i))
    assert sorted(int(path.stem) for path in folder.iterdir()) == [5, 6, 7, 8, 9, 10]


def test_many_at_once_find_the_code_or_nothing(folder):
    wrong = []

    def use(i):
        for j in range(20):
            code = bytes([j]) * 10_000
            cache.save(f"{j}", code)
            wrong.extend({cache.load(f"{j}")} - {code, None})

    threads = [threading.Thread(target=use, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and not cache._warned
    assert all(cache.load(f"{j}") == bytes([j]) * 10_000 for j in range(20))


def test_a_step_gives_the_same_with_any_file_in_its_place(folder):
    """A step whose code was exchanged for that of another step, or for nothing of use, is made anew."""
    x = np.linspace(-1.0, 1.0, 7)
    steps = {"exp": lambda x: ag.exp(x) * 2.0, "sin": lambda x: ag.sin(x) * 3.0}
    right = {"exp": np.exp(x) * 2.0, "sin": np.sin(x) * 3.0}
    files = {}
    for name, step in steps.items():
        before = set(folder.iterdir()) if folder.exists() else set()
        np.testing.assert_allclose(ag.compile(step, backend="native")(x).data, right[name], rtol=1e-14)
        (files[name],) = set(folder.iterdir()) - before
    content = files["sin"].read_bytes()
    os.replace(files["exp"], files["sin"])
    files["exp"].write_bytes(content)
    with one_warning("belongs under another name"):
        for name, step in steps.items():
            np.testing.assert_allclose(ag.compile(step, backend="native")(x).data, right[name], rtol=1e-14)


# -- the key -----------------------------------------------------------------------------------------------------------

TEXT = "define i64 @f() {\n  ret i64 3\n}\n"


@pytest.mark.parametrize("index", range(3), ids=["triple", "processor", "features"])
def test_the_key_holds_the_processor(monkeypatch, index):
    before, here = jit._key(TEXT), list(jit.processor())
    here[index] += "x"
    monkeypatch.setattr(jit, "processor", lambda: tuple(here))
    assert jit._key(TEXT) != before


@pytest.mark.parametrize(
    ("name", "value"), [("_LONG", 0), ("_SPEED", 1), ("_TUNING", {"loop_vectorization": True}), ("_PASSES", ("sroa",))]
)
def test_the_key_holds_how_the_code_is_made(monkeypatch, name, value):
    before = jit._key(TEXT)
    monkeypatch.setattr(jit, name, value)
    assert jit._key(TEXT) != before


def test_the_key_holds_the_compiler_and_the_text(monkeypatch):
    keys = {jit._key(TEXT), jit._key(TEXT.replace("3", "4")), jit._key(TEXT + "\n")}
    monkeypatch.setattr("llvmlite.__version__", "0.0")
    keys.add(jit._key(TEXT))
    monkeypatch.setattr(jit.llvm(), "llvm_version_info", (0, 0, 0))
    keys.add(jit._key(TEXT))
    assert len(keys) == 5


def test_the_text_of_a_step_is_the_same_in_every_process():
    """No address of one process is in it: else code kept by one would be run with addresses of another."""
    program = (
        "import hashlib, numpy as np, autograd as ag\n"
        "from autograd.backends.native.runtime.jit import Machine\n"
        "texts, make = [], Machine.__init__\n"
        "Machine.__init__ = lambda self, text: (texts.append(text), make(self, text))[1]\n"
        "rng = np.random.default_rng(0)\n"
        "for step in (lambda x: ag.where(rng.random(x.shape) < 0.5, ag.exp(x @ x.T) @ x, ag.maximum(x, 0.5)),\n"
        "             lambda x: ag.cumsum(x, axis=0) + x.sum()):\n"
        "    ag.compile(step, backend='native')(np.ones((5, 3)))\n"
        "print(len(texts), hashlib.sha256(''.join(texts).encode()).hexdigest())\n"
    )
    environment = {**os.environ, "AUTOGRAD_CACHE": "off"}
    told = {
        subprocess.run([sys.executable, "-c", program], env={**environment, "PYTHONHASHSEED": seed}, check=True,
                       capture_output=True, text=True).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1 and int(told.pop().split()[0]) >= 2
