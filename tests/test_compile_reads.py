"""Whatever a compiled step reads is seen to change, or refused by name, also where no code of the user's shows the reading."""

import argparse
import configparser
import copy
import ctypes
import decimal
import functools
import importlib
import inspect
import io
import logging
import mmap
import pickle
import queue
import random
import sys
import threading
import types
import warnings

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
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


def matched(array):
    match array[0]:
        case 1:
            return 2.0
        case _:
            return 3.0


def asserted(array):
    value = array[0]
    try:
        assert value, "zero"
    except AssertionError:
        return 3.0
    return 2.0


def counted_down(array):
    count, rate = array[0] * 1, 2.0
    while count:
        rate, count = rate * 2, count - 1
    return rate


def later_in_a_condition(array):
    value = array[0]
    return 2.0 if value else 3.0


def told_by_an_error(array):
    try:
        return [5.0, 6.0][array[0]]
    except IndexError:
        return 7.0


def unpacked(array):
    first, second = array
    return 2.0 if first else 3.0


def unpacked_in_a_loop(array):
    rate = 1.0
    for first, second in [array]:
        rate = rate + (2.0 if first and second else 3.0)
    return rate


def called_with_all(array):
    return (lambda first, second: 2.0 if first else 3.0)(*array)


def of_a_part(array):
    return [2.0, 3.0, 4.0, 5.0][array[:1][0]]


# Each makes a Python number of what the array holds, without any call that says so.
LOOKS = {
    "index of a list": lambda a: [2.0, 3.0, 4.0, 5.0][a[0]],
    "key of a dict": lambda a: {0: 2.0, 1: 3.0, 2: 4.0}[a[0]],
    "key of text": lambda a: {"0": 2.0, "1": 3.0, "2": 4.0}[f"{a[0]}"],
    "or": lambda a: 1.0 * (bool is None or a[0] or 7),
    "and": lambda a: 1.0 if (a[0] and a[1]) else 3.0,
    "not": lambda a: 2.0 if not a[0] else 3.0,
    "lengths": lambda a: 1.0 * len("abc"[: a[0]]),
    "repeated": lambda a: 1.0 * len("abc" * a[0]),
    "a comprehension": lambda a: len([v for v in a if v]) * 1.0,
    **{
        function.__name__.replace("_", " "): function
        for function in (
            matched, asserted, counted_down, later_in_a_condition, told_by_an_error, unpacked, unpacked_in_a_loop,
            called_with_all, of_a_part,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("held", ["variable", "attribute", "item", "argument of a function"])
@pytest.mark.parametrize("look", LOOKS)
def test_elements_that_python_looks_at_are_watched_although_the_program_reads_the_array(look, held):
    array, function = np.array([0, 1]), LOOKS[look]
    thing = types.SimpleNamespace(array=array, arrays=[array])
    step = {
        "variable": lambda x: x * function(array) + x * array,
        "attribute": lambda x: x * function(thing.array) + x * thing.array,
        "item": lambda x: x * function(thing.arrays[0]) + x * thing.arrays[0],
        "argument of a function": lambda x: (lambda given: x * function(given) + x * given)(array),
    }[held]
    compiled = ag.compile(step, backend="numpy")
    for value in (0, 0, 0, 1, 1, 2, 0):
        array[0] = value
        assert compiled(X).tolist() == step(X).tolist()


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_that_vary_become_inputs(backend):
    buffer = np.zeros(2)
    thing = types.SimpleNamespace(data=np.zeros(2), weights=(0.5, 0.25), training=True)

    @ag.compile(backend=backend)
    def step(x):
        for weight in thing.weights:
            x = x * weight + buffer.mean()
        return x * thing.data if thing.training else x

    for i in range(8):
        buffer[:] = i
        thing.data = np.array([i, 1.0])
        assert step(X).tolist() == step.function(X).tolist()
    assert step.trace_count == 2


def test_steps_that_look_at_other_things_do_not_compare_arrays_at_every_call():
    data, settings = np.zeros((64, 2)), {"rate": 2.0}
    thing = types.SimpleNamespace(training=True, powers=[1.0, 2.0])

    @ag.compile
    def step(x):
        for power in thing.powers:
            x = x + power
        if thing.training and data.shape:
            x = x * settings["rate"] * thing.powers[0]
        first, second = thing.powers
        return (data * x).sum() * first * second

    for i in range(4):
        data[:] = i
        assert step(X) == step.function(X)
    assert step.trace_count == 1


def test_writes_that_change_nothing_at_first_are_seen():
    zeros = np.zeros(2)

    def filled(x):
        zeros.fill(0.0)
        return x + zeros

    def assigned(x):
        zeros[:] = 0.0
        return x + zeros

    def multiplied(x):
        held = zeros
        held *= 1.0
        return x + held

    for function in (filled, assigned, multiplied):
        zeros[:] = 0.0
        step = ag.compile(function, backend="numpy")
        for _ in range(3):
            step(X)
        for i in range(3):
            zeros[0] = 5.0 * i
            kept = zeros.copy()
            right = function(X)
            left, zeros[:] = zeros.copy(), kept
            assert step(X).tolist() == right.tolist()
            assert zeros.tolist() == left.tolist()


class Number(float):
    rate = 1.0


class Text(str):
    rate = 1.0


class Marked(np.ndarray):
    pass


class Marker(Tensor):
    __slots__ = ("rate",)


class Base:
    rate = 1.0


class Hooked:
    def __init__(self):
        self._rate = 1.0

    def __getattribute__(self, name):
        return object.__getattribute__(self, f"_{name}") if name == "rate" else object.__getattribute__(self, name)


def tensor_flag():
    held = Tensor(1.0)
    return (lambda: 2.0 if held.requires_grad else 3.0), (lambda i: setattr(held, "requires_grad", i == 3))


def tensor_name():
    held = Tensor(1.0, name="a")
    return (lambda: 2.0 if held.name == "a" else 3.0), (lambda i: setattr(held, "name", "b" if i == 3 else "a"))


def marked_array():
    held = np.ones(2).view(Marked)
    held.rate = 1.0
    return attributes_of(held)


def marked(kind, value):
    held = kind(value)
    held.rate = 2.0
    return attributes_of(held)


def replaced_number():
    held = [Number(1.0)]
    return (lambda: held[0] * 1), (lambda i: held.__setitem__(0, Number(i)))


def overridden_below():
    class One:
        rate = 1.0

    class Two(One):
        pass

    held = Two()
    return (lambda: held.rate), (lambda i: setattr(One if i == 3 else Two, "rate", float(i)))


def shape_of_an_array():
    held = np.arange(6.0).reshape(2, 3)
    return (lambda: (held * 1).sum(axis=0)[1]), (lambda i: held.resize((3, 2) if i == 3 else (2, 3)))


def flags_of_an_array():
    held = np.ones(2)
    return (lambda: 2.0 if held.flags.writeable else 3.0), (lambda i: held.setflags(write=i != 3))


def imported():
    module = types.ModuleType("tests_reads_imported")
    module.rate = 1.0
    sys.modules["tests_reads_imported"] = module

    def read():
        import tests_reads_imported

        return tests_reads_imported.rate

    return read, (lambda i: setattr(module, "rate", float(i)))


def imported_by_name():
    imported()

    def read():
        return importlib.import_module("tests_reads_imported").rate

    return read, (lambda i: setattr(sys.modules["tests_reads_imported"], "rate", float(i)))


def imported_from():
    imported()

    def read():
        from tests_reads_imported import rate

        return rate

    return read, (lambda i: setattr(sys.modules["tests_reads_imported"], "rate", float(i)))


RATE = 1.0
DRAWS = np.random.default_rng(0)


def of_globals(read):
    globals()["RATE"] = 1.0
    return read, (lambda i: globals().__setitem__("RATE", float(i)))


def decimals():
    decimal.getcontext().prec = 28
    return (
        lambda: float(decimal.Decimal(1) / decimal.Decimal(3)),
        lambda i: setattr(decimal.getcontext(), "prec", i if i == 3 else 28),
    )


def printing():
    return (lambda: np.get_printoptions()["precision"]), (lambda i: np.set_printoptions(precision=i if i == 3 else 8))


def state_of_random():
    held = random.Random(0)
    return (lambda: float(held.getstate()[1][0] % 7)), (lambda i: held.seed(i))


def by(read):
    held = Base()
    return (lambda: read(held)), (lambda i: setattr(held, "rate", float(i)))


def hook():
    held = Hooked()
    return (lambda: held.rate), (lambda i: setattr(held, "_rate", float(i)))


# What is read besides attributes that the code names, of objects that have attributes of their own.
OTHERWISE = {
    "by __getattribute__": lambda: by(lambda held: held.__getattribute__("rate")),
    "by that of object": lambda: by(lambda held: object.__getattribute__(held, "rate")),
    "by getattr_static": lambda: by(lambda held: inspect.getattr_static(held, "rate")),
    "by __getstate__": lambda: by(lambda held: (held.__getstate__() or {"rate": 1.0})["rate"]),
    "by __reduce_ex__": lambda: by(lambda held: (held.__reduce_ex__(2)[2] or {"rate": 1.0})["rate"]),
    "by a copy": lambda: by(lambda held: copy.copy(held).rate),
    "by bytes": lambda: by(lambda held: pickle.loads(pickle.dumps(held)).rate),
    "globals": lambda: of_globals(lambda: globals()["RATE"]),
    "globals of a frame": lambda: of_globals(lambda: sys._getframe().f_globals["RATE"]),
    "globals of a function": lambda: of_globals(lambda: of_globals.__globals__["RATE"]),
    "attribute of a number": lambda: marked(Number, 1.0),
    "attribute of a text": lambda: marked(Text, "a"),
    "attribute of a tensor": lambda: marked(Marker, 1.0),
    **{
        maker.__name__.replace("_", " "): maker
        for maker in (
            tensor_flag, tensor_name, marked_array, replaced_number, overridden_below, shape_of_an_array, flags_of_an_array,
            imported, imported_by_name, imported_from, decimals, printing, state_of_random, hook,
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERWISE)
def test_what_is_read_otherwise_is_watched(kind):
    try:
        assert agrees(*OTHERWISE[kind]())
    finally:
        decimal.getcontext().prec = 28
        np.set_printoptions(precision=8)


def test_a_tensor_that_is_an_argument_is_told_by_its_name_where_the_step_reads_it():
    step = ag.compile(lambda x: x * (2.0 if x.name == "a" else 3.0))
    for name in ("a", "b", "a", "b"):
        assert float(step(Tensor(1.0, name=name)).data) == (2.0 if name == "a" else 3.0)


@pytest.mark.parametrize("read", [
    lambda: 2.0 if np.geterr()["divide"] == "warn" else 3.0,
    lambda: float(DRAWS.bit_generator.state["state"]["state"] % 7),
])  # fmt: skip
def test_what_a_trace_cannot_know_is_refused(read):
    with pytest.raises(TraceError, match=r"geterr|its state"):
        ag.compile(lambda x: x * read())(X)


@pytest.mark.parametrize("write, shown", [
    (lambda held: setattr(held, "rate", 0.0), lambda held: held.rate),
    (lambda held: setattr(held, "on", True), lambda held: held.on),
    (lambda held: held.__dict__.update(on=True), lambda held: held.on),
    (lambda held: setattr(held.tensor, "requires_grad", True), lambda held: held.tensor.requires_grad),
])  # fmt: skip
def test_attributes_that_are_set_to_what_they_are_are_set_again(write, shown):
    held = types.SimpleNamespace(rate=0.0, on=True, tensor=Tensor(1.0, requires_grad=True))
    zero = held.rate

    @ag.compile
    def step(x):
        write(held)
        return x * 2

    for i in range(8):
        step(X)
        assert shown(held) in (0.0, True)
        assert shown(held) == (zero if shown(held) is held.rate else True)
        if i > 2:
            held.rate, held.on, held.tensor.requires_grad = 5.0, False, False


def test_globals_that_are_set_to_what_they_are_are_set_again():
    space = {"ON": True}
    exec("def step(x):\n    global ON\n    ON = True\n    return x * 2\n", space)
    step = ag.compile(space["step"])
    for _ in range(6):
        space["ON"] = True
        step(X)
    space["ON"] = False
    step(X)
    assert space["ON"] is True
