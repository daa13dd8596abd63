"""The other cores: threads that take chunks of a step's large loops and products off the thread that runs the step.

A part of a step is a function of machine code that computes chunk number so-and-so of its result.  The thread that runs
the step offers the part and works through the chunks from the front; the others, while there are chunks left, take them
from the back.  So nobody waits for a thread that is not running, neighbouring parts find their data in the cache of the
same core, and since the chunks do not depend on who computes them, neither do the results.

One word says everything about the offer: its number, and how many chunks are left on either side.  It is changed by
compare-and-swap alone: a thread that comes late finds another number and takes nothing.  The threads are made when the
first part is offered.  Without an offer they spin for some microseconds, then sleep until they are called.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import time
from typing import Any

import numpy as np

from ....core.errors import ArgumentError
from .jit import Machine

MOST = 256  # threads
_SPINS = 4000  # pauses of the processor before a thread that has nothing to do sleeps
_WAITS = 500  # and before the one that waits for others lets them have its core

# Where things are in the pool, in bytes; what different threads write lies in different cache lines.
_WORD, _PART, _DONE, _BUSY, _SLEEPERS, _LIMIT, _STARTED, _ARRIVED = 0, 128, 256, 384, 512, 640, 648, 768
_FUNCTIONS, _HANDLE, _OLD_SIGNALS, _ALL_SIGNALS, _MUTEX, _CONDITION, _SIZE = 656, 896, 1024, 1152, 1280, 1408, 1536
_NAMES = ("pthread_mutex_lock", "pthread_mutex_unlock", "pthread_cond_wait", "pthread_cond_broadcast", "pthread_create",
          "pthread_sigmask", "sched_yield", "pthread_mutex_init", "pthread_cond_init")  # fmt: skip


def set_num_threads(number: int) -> None:
    """Choose how many threads compute a step that is machine code; the results do not depend on it.

    Large loops and products are split over the threads; small work always stays on the thread that calls the step.  The
    number is at first that of the cores that this process may use.

    Args:
        number: threads of a step, the calling one included: 1 to 256.

    Raises:
        ArgumentError: the number is none of these.

    Example:
        >>> before = get_num_threads()
        >>> set_num_threads(1)
        >>> get_num_threads()
        1
        >>> set_num_threads(before)
    """
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 1 <= number <= MOST:
        raise ArgumentError(
            f"set_num_threads takes a whole number of threads from 1 to {MOST}, got {number!r}; "
            "1 computes everything on the thread that calls"
        )
    _pool.threads = int(number)


def get_num_threads() -> int:
    """How many threads may compute a step that is machine code, the calling one included.

    Example:
        >>> get_num_threads() >= 1
        True
    """
    return int(_pool.threads)


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(MOST, len(os.sched_getaffinity(0)))
    return min(MOST, os.cpu_count() or 1)


def addresses() -> list[int]:
    """The function `share` and the pool that it is to be given."""
    return [_machine().address("share"), _pool.address]


class Choice:
    """Whether the others help with the steps of a program: what is faster now, found by trying.

    They do where cores share a cache and nobody else keeps them busy, but a virtual machine may move them apart at any time.
    """

    _AGAIN, _TRIAL = 1.0, 8  # seconds until what was slower is tried again, and the part of a stretch that does so

    def __init__(self) -> None:
        self._seconds: dict[bool, float] = {}  # per step: with help, alone
        self._since = 0.0

    def next(self, steps: int) -> tuple[int, bool]:
        """How many of these steps are to be run next, and whether with help."""
        if len(self._seconds) < 2:
            return max(1, steps // self._TRIAL), not self._seconds
        faster = self._seconds[True] <= self._seconds[False]
        if time.monotonic() - self._since < self._AGAIN:
            return steps, faster
        return max(1, steps // self._TRIAL), not faster

    def learn(self, helped: bool, seconds: float) -> None:
        """That a step took so long."""
        if len(self._seconds) == 2 and helped != (self._seconds[True] <= self._seconds[False]):
            self._since = time.monotonic()
        self._seconds[helped] = seconds

    @staticmethod
    def address(helped: bool) -> int:
        """The pool for it: one that nobody helps in, or that of all."""
        return int(_pool.address if helped else _alone.address)


class _Pool:
    """The memory that the threads have in common."""

    def __init__(self) -> None:
        self._memory = np.zeros(_SIZE + 128, np.uint8)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._memory))  # threads still look at it when the process ends
        self.address = self._memory.ctypes.data + -self._memory.ctypes.data % 128
        self._threads = cores()
        library = ctypes.CDLL(None) if sys.platform != "win32" else None
        self._ready = all(hasattr(library, name) for name in _NAMES)
        if self._ready:
            self._functions = [getattr(library, name) for name in _NAMES]
            for i, function in enumerate(self._functions[:-2]):
                self._put(_FUNCTIONS + 8 * i, ctypes.cast(function, ctypes.c_void_p).value or 0)
            for i in range(16):
                self._put(_ALL_SIGNALS + 8 * i, -1)
            self.reset()
            os.register_at_fork(after_in_child=self.reset)

    def _put(self, offset: int, number: int) -> None:
        ctypes.c_int64.from_address(self.address + offset).value = number

    def reset(self) -> None:
        """As it is without threads: they do not survive a fork."""
        for offset in (_WORD, _DONE, _BUSY, _SLEEPERS, _STARTED, _ARRIVED):
            self._put(offset, 0)
        for function, offset in zip(self._functions[-2:], (_MUTEX, _CONDITION), strict=True):
            ctypes.memset(self.address + offset, 0, 128)
            function(ctypes.c_void_p(self.address + offset), None)
        self.threads = self._threads

    @property
    def threads(self) -> int:
        return self._threads

    @threads.setter
    def threads(self, number: int) -> None:
        self._threads = number
        self._put(_LIMIT, number if self._ready else 1)


@functools.cache
def _machine() -> Machine:
    machine = Machine(_text())
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(machine._engine))  # threads may still be in it when the process ends
    return machine


def _pause() -> tuple[str, str]:
    """The instruction that lets a processor wait, and its declaration."""
    import platform

    machine = platform.machine().lower()
    if machine in ("x86_64", "amd64"):
        return "  call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    if machine in ("arm64", "aarch64"):
        return "  call void @llvm.aarch64.hint(i32 1)", "declare void @llvm.aarch64.hint(i32)"
    return "", ""


def _text() -> str:
    """All functions, each as written below."""
    pause, declaration = _pause()
    functions = [_share(pause), _work(), _make(), _wanted(), _worker(pause)]
    return "\n\n".join([declaration, *functions])


def _at(name: str, offset: int) -> str:
    """A pointer into the pool."""
    return f"  {name} = getelementptr i8, ptr %pool, i64 {offset}"


def _function(name: str) -> str:
    """The address of a function of the C library, kept in the pool."""
    return f"{_at(f'%{name}.at', _FUNCTIONS + 8 * _NAMES.index(name))}\n  %{name} = load ptr, ptr %{name}.at, align 8"


def _offer(line: str) -> str:
    """A line for each thing that an offer says: the part, and the arguments that it is called with."""
    things = (("part", "ptr"), ("table", "ptr"), ("steps", "ptr"), ("step", "i64"))
    return "\n".join(
        f"{_at(f'%{name}.at', _PART + 8 * i)}\n{line.format(name=name, kind=kind)}"
        for i, (name, kind) in enumerate(things)
    )


def _share(pause: str) -> str:
    """Offer a part, work on it, and return when every chunk is computed."""
    offer = _offer("  store atomic {kind} %{name}, ptr %{name}.at monotonic, align 8")
    return f"""; Offer a part, work on it, and return when every chunk is computed.
define void @share(ptr %pool, ptr %part, i64 %chunks, ptr %table, ptr %steps, i64 %step) nounwind {{
start:
{_at("%limit.at", _LIMIT)}
  %limit = load atomic i64, ptr %limit.at monotonic, align 8
  %several = icmp sgt i64 %limit, 1
  br i1 %several, label %ask, label %alone
ask:
{_at("%busy", _BUSY)}
  %held = atomicrmw xchg ptr %busy, i64 1 acquire
  %free = icmp eq i64 %held, 0
  br i1 %free, label %count, label %alone
alone:
  %chunk = phi i64 [ 0, %start ], [ 0, %ask ], [ %chunk.next, %alone ]
  call void %part(ptr %table, ptr %steps, i64 %step, i64 %chunk)
  %chunk.next = add i64 %chunk, 1
  %more = icmp slt i64 %chunk.next, %chunks
  br i1 %more, label %alone, label %left
left:
  ret void
count:
{_at("%started.at", _STARTED)}
  %started = load i64, ptr %started.at, align 8
  %others = sub i64 %limit, 1
  %few = icmp slt i64 %started, %others
  br i1 %few, label %make, label %offer
make:
  call void @make(ptr %pool, i64 %started, i64 %others)
  store i64 %others, ptr %started.at, align 8
  br label %offer
offer:
{offer}
{_at("%done", _DONE)}
  store atomic i64 0, ptr %done monotonic, align 8
  %old = load atomic i64, ptr %pool monotonic, align 8
  %number = lshr i64 %old, 32
  %number.next = add i64 %number, 1
  %high = shl i64 %number.next, 32
  %back = shl i64 %chunks, 16
  %word = or i64 %high, %back
  %before = atomicrmw xchg ptr %pool, i64 %word seq_cst
{_at("%sleepers.at", _SLEEPERS)}
  %sleepers = load atomic i64, ptr %sleepers.at seq_cst, align 8
  %asleep = icmp sgt i64 %sleepers, 0
  br i1 %asleep, label %wake, label %work
{_wake()}
work:
  %mine = call i64 @work(ptr %pool, i1 true)
  %theirs = sub i64 %chunks, %mine
  br label %wait
wait:
  %spins = phi i64 [ 0, %work ], [ %spins.next, %again ]
  %finished = load atomic i64, ptr %done acquire, align 8
  %all = icmp eq i64 %finished, %theirs
  br i1 %all, label %close, label %spin
spin:
{pause}
  %spins.next = add i64 %spins, 1
  %long = icmp sgt i64 %spins, {_WAITS}
  br i1 %long, label %yield, label %again
yield:
{_function("sched_yield")}
  %e4 = call i32 %sched_yield()
  br label %again
again:
  br label %wait
close:
  store atomic i64 0, ptr %busy release, align 8
  ret void
}}"""


def _wake() -> str:
    """The block of `share` that calls the threads that sleep."""
    return f"""wake:
{_at("%mutex", _MUTEX)}
{_at("%condition", _CONDITION)}
{_function("pthread_mutex_lock")}
{_function("pthread_mutex_unlock")}
{_function("pthread_cond_broadcast")}
  %e1 = call i32 %pthread_mutex_lock(ptr %mutex)
  %e2 = call i32 %pthread_cond_broadcast(ptr %condition)
  %e3 = call i32 %pthread_mutex_unlock(ptr %mutex)
  br label %work"""


def _work() -> str:
    """Compute chunks of the part on offer until none is left; returns how many."""
    offered = _offer("  %{name} = load atomic {kind}, ptr %{name}.at monotonic, align 8")
    return f"""; Compute chunks of the part on offer until none is left; returns how many.
define internal i64 @work(ptr %pool, i1 %front) nounwind {{
start:
  br label %look
look:
  %count = phi i64 [ 0, %start ], [ %count.next, %run ], [ %count, %take ]
  %word = load atomic i64, ptr %pool acquire, align 8
  %first = and i64 %word, 65535
  %shifted = lshr i64 %word, 16
  %end = and i64 %shifted, 65535
  %some = icmp ult i64 %first, %end
  br i1 %some, label %take, label %done
take:
{offered}
  %last = sub i64 %end, 1
  %chunk = select i1 %front, i64 %first, i64 %last
  %change = select i1 %front, i64 1, i64 -65536
  %next = add i64 %word, %change
  %pair = cmpxchg ptr %pool, i64 %word, i64 %next acq_rel monotonic
  %taken = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %taken, label %run, label %look
run:
  call void %part(ptr %table, ptr %steps, i64 %step, i64 %chunk)
  %count.next = add i64 %count, 1
  br label %look
done:
  ret i64 %count
}}"""


def _make() -> str:
    """Start threads, with every signal left to those that are there."""
    return f"""; Start threads, with every signal left to those that are there.
define internal void @make(ptr %pool, i64 %started, i64 %wanted) noinline nounwind {{
start:
{_function("pthread_create")}
{_function("pthread_sigmask")}
{_at("%handle", _HANDLE)}
{_at("%all", _ALL_SIGNALS)}
{_at("%old", _OLD_SIGNALS)}
  %e1 = call i32 %pthread_sigmask(i32 {int(getattr(signal, "SIG_SETMASK", 0))}, ptr %all, ptr %old)
  br label %each
each:
  %i = phi i64 [ %started, %start ], [ %i.next, %each ]
  %failed = call i32 %pthread_create(ptr %handle, ptr null, ptr @worker, ptr %pool)
  %i.next = add i64 %i, 1
  %good = icmp eq i32 %failed, 0
  %few = icmp slt i64 %i.next, %wanted
  %more = and i1 %good, %few
  br i1 %more, label %each, label %done
done:
  %e2 = call i32 %pthread_sigmask(i32 {int(getattr(signal, "SIG_SETMASK", 0))}, ptr %old, ptr null)
  ret void
}}"""


def _wanted() -> str:
    """Whether a part is on offer that the thread of this number may work on."""
    return f"""; Whether a part is on offer that the thread of this number may work on.
define internal i1 @wanted(ptr %pool, i64 %me) nounwind {{
  %word = load atomic i64, ptr %pool seq_cst, align 8
{_at("%limit.at", _LIMIT)}
  %limit = load atomic i64, ptr %limit.at monotonic, align 8
  %first = and i64 %word, 65535
  %shifted = lshr i64 %word, 16
  %end = and i64 %shifted, 65535
  %some = icmp ult i64 %first, %end
  %others = sub i64 %limit, 1
  %member = icmp slt i64 %me, %others
  %both = and i1 %some, %member
  ret i1 %both
}}"""


def _worker(pause: str) -> str:
    """The life of a thread."""
    return f"""; The life of a thread.
define internal ptr @worker(ptr %pool) nounwind {{
start:
{_at("%arrived", _ARRIVED)}
{_at("%done", _DONE)}
{_at("%sleepers", _SLEEPERS)}
{_at("%mutex", _MUTEX)}
{_at("%condition", _CONDITION)}
{_function("pthread_mutex_lock")}
{_function("pthread_mutex_unlock")}
{_function("pthread_cond_wait")}
  %me = atomicrmw add ptr %arrived, i64 1 monotonic
  br label %idle
idle:
  %spins = phi i64 [ 0, %start ], [ 0, %help ], [ 0, %awake ], [ %spins.next, %pause ]
  %called = call i1 @wanted(ptr %pool, i64 %me)
  br i1 %called, label %help, label %pause
pause:
{pause}
  %spins.next = add i64 %spins, 1
  %short = icmp slt i64 %spins, {_SPINS}
  br i1 %short, label %idle, label %sleep
help:
  %count = call i64 @work(ptr %pool, i1 false)
  %before = atomicrmw add ptr %done, i64 %count release
  br label %idle
sleep:
  %e1 = call i32 %pthread_mutex_lock(ptr %mutex)
  %s1 = atomicrmw add ptr %sleepers, i64 1 seq_cst
  br label %check
check:
  %now = call i1 @wanted(ptr %pool, i64 %me)
  br i1 %now, label %awake, label %doze
doze:
  %e2 = call i32 %pthread_cond_wait(ptr %condition, ptr %mutex)
  br label %check
awake:
  %s2 = atomicrmw sub ptr %sleepers, i64 1 seq_cst
  %e3 = call i32 %pthread_mutex_unlock(ptr %mutex)
  br label %idle
}}
"""


_pool: Any = _Pool()
_alone: Any = _Pool()
_alone.threads = 1
