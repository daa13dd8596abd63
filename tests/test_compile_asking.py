"""Steps that ask what nobody can watch (clocks, files, other threads) run without compilation from the third call on."""

import logging
import os
import queue
import signal
import threading
import time
import warnings

import numpy as np
import pytest

import autograd as ag
from autograd.core.mode import current
from nn.train import _interruptible

X = np.array([1.0, 2.0])


@pytest.mark.parametrize("backend", ["numpy", "native"])
def test_answers_are_asked_for_at_every_call(tmp_path, backend):
    simple, limits = queue.SimpleQueue(), {"end": time.monotonic() + 1e9}
    path = tmp_path / "flag"

    def changed():
        path.write_text("there")
        simple.put(1)

    steps = [
        lambda x: x * 2 if os.path.exists(path) else x,
        lambda x: x * 2 if path.exists() else x,
        lambda x: x * 2 if not simple.empty() else x,
    ]
    compiled = [ag.compile(step, backend=backend) for step in steps]
    clock = ag.compile(lambda x: x * 2 if time.monotonic() > limits["end"] else x, backend=backend)
    for step in (*compiled, clock):
        assert np.array_equal(step(X), X)
        with pytest.warns(UserWarning, match="whose answer nobody can watch"):
            assert np.array_equal(step(X), X)
    changed()
    assert [step(X).tolist() for step in compiled] == [[2.0, 4.0]] * len(steps)


def test_what_is_told_to_other_threads_is_told_at_every_call():
    told, woken = queue.SimpleQueue(), threading.Event()

    def step(x):
        told.put(1)
        woken.set()
        return x * 2

    compiled = ag.compile(step)
    compiled(X)
    with pytest.warns(UserWarning, match=r"test_compile_asking.py:\d+ calls put"):
        compiled(X)
    for _ in range(4):
        compiled(X)
    assert told.qsize() == 6


def test_logging_and_warnings_stay_allowed():
    def step(x):
        logging.getLogger("autograd.test").warning("a step")
        return x * 2

    compiled = ag.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            assert np.array_equal(compiled(X), X * 2)
    assert compiled.trace_count == 1


def test_a_signal_handler_of_ours_asks_nothing_for_the_step():
    """Ctrl-C while `fit` traces its step sets an Event; that is no reason to give the step up."""

    def function(x):
        if current().trace is not None:
            signal.raise_signal(signal.SIGINT)
        return x * 2.0

    step = ag.compile(function)
    with warnings.catch_warnings(), _interruptible() as asked:
        warnings.simplefilter("error")
        for traced in (True, True, False):
            step(X)
            assert asked.is_set() == traced
            asked.clear()
