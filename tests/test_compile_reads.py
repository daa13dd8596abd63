"""Whatever a compiled step reads is seen to change, or refused by name, also where no code of the user's shows the reading."""

import argparse
import configparser
import ctypes
import functools
import io
import logging
import mmap
import queue
import threading
import warnings

import numpy as np
import pytest

import autograd as ag
from autograd.backends import native
from autograd.core.errors import TraceError

BACKENDS = ["numpy", *(["native"] if native.BACKEND.available() else [])]
X = np.array([1.0, 2.0])


def agrees(read, change, backend="numpy"):
    """Whether a step that multiplies by what `read()` gives sees every change, or is refused by name at its first call."""
    step = ag.compile(lambda x: x * read(), backend=backend)
    for i in range(6):
        if i in (3, 5):
            change(i)
        right = X * read()
        try:
            found = step(X)
        except TraceError as error:
            assert i == 0, error
            assert __file__ in str(error) or "argument" in str(error)
            return False
        assert found.tolist() == np.asarray(right).tolist(), f"call {i}"
    return True


def attributes_of(held):
    return (lambda: held.rate), (lambda i: setattr(held, "rate", float(i)))


def local_of_a_thread():
    held = threading.local()
    held.rate = 1.0
    return attributes_of(held)


def locals_of_a_class():
    class Local(threading.local):
        rate = 1.0

    return attributes_of(Local())


def event():
    held = threading.Event()
    return (lambda: 2.0 if held.is_set() else 3.0), (lambda i: held.set() if i == 3 else held.clear())


def queue_size():
    held = queue.Queue()
    held.put(1)
    return (lambda: float(held.qsize())), held.put


def level_of_a_logger():
    held = logging.getLogger("tests.reads.level")
    held.setLevel(10)
    return (lambda: float(held.level)), (lambda i: held.setLevel(10 * i))


def logger_that_asks():
    held = logging.getLogger("tests.reads.asks")
    held.setLevel(10)
    return (lambda: 2.0 if held.isEnabledFor(20) else 3.0), (lambda i: held.setLevel(10 * i if i == 3 else 10))


def text_in_memory():
    held = io.StringIO("1.0")

    def change(i):
        held.seek(0)
        held.write(f"{i}.0")

    return (lambda: float(held.getvalue())), change


def bytes_in_memory():
    held = io.BytesIO(b"\x01\x02")
    return (lambda: float(held.getvalue()[0])), (lambda i: held.getbuffer().__setitem__(0, i))


def value_of_ctypes():
    held = ctypes.c_double(1.0)
    return (lambda: held.value), (lambda i: setattr(held, "value", float(i)))


def structure_of_ctypes():
    class Pair(ctypes.Structure):
        _fields_ = [("rate", ctypes.c_double), ("count", ctypes.c_int)]

    return attributes_of(Pair(1.0, 2))


def array_of_ctypes():
    held = (ctypes.c_double * 2)(1.0, 2.0)
    return (lambda: held[1]), (lambda i: held.__setitem__(1, float(i)))


def target_of_a_pointer():
    held = ctypes.c_double(1.0)
    pointer = ctypes.pointer(held)
    return (lambda: pointer.contents.value), (lambda i: setattr(held, "value", float(i)))


def memory_map():
    held = mmap.mmap(-1, 10)
    held[0] = 1
    return (lambda: float(held[0])), (lambda i: held.__setitem__(0, i))


def single_dispatch():
    @functools.singledispatch
    def rate(of):
        return 1.0

    return (lambda: rate(1)), (lambda i: rate.register(int, lambda of: float(i)))


def cell():
    rate = 1.0
    held = (lambda: rate).__closure__[0]
    return (lambda: held.cell_contents), (lambda i: setattr(held, "cell_contents", float(i)))


def sections_of_a_file():
    held = configparser.ConfigParser()
    held.read_dict({"a": {"rate": "1.0"}})
    return (lambda: float(held["a"]["rate"])), (lambda i: held["a"].__setitem__("rate", str(i)))


OF_LIBRARIES = {
    "namespace": lambda: attributes_of(argparse.Namespace(rate=1.0)),
    "namespace, by vars": lambda: (
        (held := argparse.Namespace(rate=1.0)) and (lambda: vars(held)["rate"]),
        lambda i: setattr(held, "rate", float(i)),
    ),
    "namespace, absent": lambda: (
        (held := argparse.Namespace(other=1)) and (lambda: getattr(held, "rate", 1.0)),
        lambda i: setattr(held, "rate", float(i)),
    ),
    **{
        maker.__name__.replace("_", " "): maker
        for maker in (
            local_of_a_thread, locals_of_a_class, event, queue_size, level_of_a_logger, logger_that_asks, text_in_memory,
            bytes_in_memory, value_of_ctypes, structure_of_ctypes, array_of_ctypes, memory_map, single_dispatch, cell,
            sections_of_a_file,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", OF_LIBRARIES)
def test_objects_of_libraries_are_watched(kind, backend):
    assert agrees(*OF_LIBRARIES[kind](), backend)


def test_what_is_another_object_at_every_access_is_refused_by_name():
    assert not agrees(*target_of_a_pointer())


@pytest.mark.parametrize("held, read, put", [
    (queue.Queue(), lambda q: q.qsize(), lambda q: q.put(1)),
    (io.StringIO(), lambda s: len(s.getvalue()), lambda s: s.write("a")),
])  # fmt: skip
def test_a_step_that_changes_what_it_reads_of_a_library_does_so_once_per_call(held, read, put):
    @ag.compile
    def step(x):
        put(held)
        return x * (2.0 if read(held) else 3.0)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for i in range(5):
            assert step(X).tolist() == [2.0, 4.0]
            assert read(held) == i + 1


def test_objects_of_libraries_that_only_note_things_for_themselves_do_not_trace_anew():
    logger = logging.getLogger("tests.reads.notes")
    logger.addHandler(logging.NullHandler())
    settings = argparse.Namespace(rate=2.0, other=0)

    @ag.compile
    def step(x):
        logger.debug("called")
        return x * settings.rate

    for i in range(5):
        settings.other = i
        assert step(X).tolist() == [2.0, 4.0]
    assert step.trace_count == 1
