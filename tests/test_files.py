"""Files are written whole or not at all, whatever stands in the way, and opening one never waits."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from autograd.core.errors import AutogradError, CorruptFileError, WriteError
from autograd.files import reading, replacing, write


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "b" / "ü.txt"
    assert write(path, "größe") == path
    assert path.read_bytes() == "größe".encode()
    assert write(str(path), b"\x00new").read_bytes() == b"\x00new"
    assert names(path.parent) == ["ü.txt"]


def test_names_as_long_as_the_file_system_takes(tmp_path):
    path = write(tmp_path / ("n" * 255), b"x")
    assert path.read_bytes() == b"x"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000, 0o002])
def test_a_new_file_has_the_permissions_the_user_asks_for(tmp_path, umask):
    before = os.umask(umask)
    try:
        path = write(tmp_path / "new", b"")
        with replacing(tmp_path / "private", mode=0o600) as file:
            file.write(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o666, 0o755])
def test_an_existing_file_keeps_its_permissions(tmp_path, mode):
    path = write(tmp_path / "old", b"old")
    path.chmod(mode)
    write(path, b"new")
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == mode


def test_a_link_stays_and_what_it_points_to_is_written(tmp_path):
    target = write(tmp_path / "there" / "target", b"old")
    (tmp_path / "here").mkdir()
    link, second = tmp_path / "here" / "link", tmp_path / "second"
    link.symlink_to("../there/target")
    second.symlink_to(link)
    for path in (link, second):
        write(path, path.name)
        assert link.is_symlink() and second.is_symlink() and target.read_text() == path.name
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "there" / "made")
    write(dangling, b"x")
    assert dangling.is_symlink() and (tmp_path / "there" / "made").read_bytes() == b"x"


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(WriteError):
        write(tmp_path / "a", b"x")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "b").is_symlink()


def refused(path, data=b"x" * 100_000):
    """The error, which is ours, an OSError, and names the path."""
    with pytest.raises(WriteError) as caught:
        write(path, data)
    assert isinstance(caught.value, AutogradError) and isinstance(caught.value, OSError)
    assert str(path) in str(caught.value) and caught.value.filename == str(path)
    return caught.value


def test_a_full_disk(tmp_path, monkeypatch):
    path = write(tmp_path / "p", b"old")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        assert refused(path).errno == errno.EFBIG
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device; the file has been left as it was" in str(refused(path))
    assert path.read_bytes() == b"old" and names(tmp_path) == ["p"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_devices_are_written_to_and_not_replaced():
    assert refused("/dev/full").errno == errno.ENOSPC
    write("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode) and stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_what_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder")
    file = write(tmp_path / "file", b"old")
    refused(file / "below")
    refused(tmp_path / ("n" * 256))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # (root may write everywhere)
    assert "write-protected" in str(refused(file))
    assert file.read_bytes() == b"old" and names(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, MemoryError])
def test_whatever_ends_the_writing_leaves_the_old_file(tmp_path, error):
    path = write(tmp_path / "p", b"old")
    with pytest.raises(error), replacing(path) as file:
        file.write(b"half")
        raise error
    assert path.read_bytes() == b"old" and names(tmp_path) == ["p"]


WRITER = """
import sys
from autograd.files import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


def writer(path):
    """A process that is in the middle of writing."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    return process


def ended(process):
    process.communicate()
    return process.returncode


def test_what_a_killed_process_left_goes_and_what_a_live_one_writes_stays(tmp_path):
    path = write(tmp_path / "p", b"old")
    killed, live = writer(path), writer(path)
    killed.kill()
    assert ended(killed) == -signal.SIGKILL and path.read_bytes() == b"old"
    assert len(names(tmp_path)) == 3
    write(tmp_path / "q", b"another file of the folder")
    assert len(names(tmp_path)) == 3  # p, q, and what the live one writes
    assert ended(live) == 0
    assert path.read_bytes() == b"half" and names(tmp_path) == ["p", "q"]


KILLED = """
import os, signal, sys
from autograd.files import replacing
for _ in range(100):
    child = os.fork()
    if child == 0:
        with replacing(sys.argv[1]) as file:
            file.write(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
"""


def test_a_hundred_killed_in_the_middle_leave_nothing_after_the_next(tmp_path):
    path = write(tmp_path / "p", b"old")
    subprocess.run([sys.executable, "-c", KILLED, path], check=True)
    assert path.read_bytes() == b"old" and len(names(tmp_path)) > 1
    write(path, b"new")
    assert path.read_bytes() == b"new" and names(tmp_path) == ["p"]


def test_others_files_and_traps_are_left_alone(tmp_path):
    (tmp_path / ".tracegrad-notes").write_text("mine")
    os.mkfifo(tmp_path / ".tracegrad-0.part")  # opening it for reading would wait for a writer
    (tmp_path / ".tracegrad-1.part").symlink_to(tmp_path / "target")
    (tmp_path / "target").write_text("mine")
    write(tmp_path / "p", b"x")
    assert (tmp_path / "target").read_text() == "mine" and (tmp_path / ".tracegrad-notes").read_text() == "mine"


def test_threads_that_write_one_file_leave_one_of_theirs(tmp_path):
    path, contents = tmp_path / "p", [bytes([i]) * 50_000 for i in range(8)]
    threads = [threading.Thread(target=lambda c=c: [write(path, c) for _ in range(5)]) for c in contents]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert not path.exists() or path.read_bytes() in contents
    assert path.read_bytes() in contents and names(tmp_path) == ["p"]


def test_only_regular_files_are_read_and_no_other_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    start = time.monotonic()
    for path in (tmp_path / "fifo", tmp_path, "/dev/null"):
        with pytest.raises(CorruptFileError, match="no regular file"), reading(path):
            pytest.fail("it was opened")
    assert time.monotonic() - start < 1
    file = write(tmp_path / "file", b"content")
    (tmp_path / "link").symlink_to(file)
    with reading(tmp_path / "link") as opened:
        assert opened.read() == b"content"
    with pytest.raises(OSError), reading(tmp_path / "link", links=False):
        pytest.fail("it was opened")


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(WriteError):
        write(tmp_path / "fifo", b"data")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(tmp_path / "fifo", b"data")
        assert os.read(reader, 10) == b"data"
    finally:
        os.close(reader)


def test_errors_of_other_files_in_the_block_come_out_as_they_are(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, replacing(tmp_path / "new"):
        os.stat(tmp_path / "missing")
    assert not isinstance(caught.value, WriteError) and os.listdir(tmp_path) == []
