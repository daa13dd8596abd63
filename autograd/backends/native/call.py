"""Machine code as Python functions: arguments are read straight from array objects, so that a call costs next to nothing.

The function that Python calls gets the argument objects, checks that each is an aligned array in rows (or a NumPy scalar
or float, whose number lies in the object), writes the addresses of the elements into a table, and runs the step.  An
array that the step overwrites must be referred to by nobody but its tensor: this too is read from the object.  Whatever
does not fit makes the function return True before anything is changed, and Python prepares the arguments.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import sysconfig
from dataclasses import dataclass
from typing import Any

import numpy as np

# Where the fields of NumPy's array object lie, in bytes (its C struct is part of NumPy's stable interface).
_REFERENCES, _TYPE, _DATA, _BASE, _FLAGS = 0, 8, 16, 48, 64
_IN_ROWS, _ALIGNED, _WRITEABLE = 0x1, 0x100, 0x400
_FASTCALL = 0x80
_HELPERS = ("PyEval_SaveThread", "PyEval_RestoreThread", "Py_IncRef")


class _Method(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("code", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_new_function = ctypes.pythonapi.PyCFunction_NewEx
_new_function.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
_new_function.restype = ctypes.py_object


@functools.cache
def readable() -> bool:
    """Whether objects of this Python look as expected: checked on examples, once."""
    if (
        sys.implementation.name != "cpython"
        or sysconfig.get_config_var("Py_GIL_DISABLED")
        or ctypes.sizeof(ctypes.c_void_p) != 8
    ):
        return False

    def at(thing: Any, offset: int, kind: Any) -> Any:
        return kind.from_address(id(thing) + offset).value

    array = np.arange(6.0).reshape(2, 3)
    view = array[:, ::2]
    numbers = [np.float64(1.5), 1.5]
    return (
        at(array, _DATA, ctypes.c_void_p) == array.ctypes.data
        and at(array, _TYPE, ctypes.c_void_p) == id(np.ndarray)
        and at(view, _BASE, ctypes.c_void_p) in (id(array), id(array.base))
        and at(np.empty(3), _BASE, ctypes.c_void_p) is None
        and at(np.empty(3), _FLAGS, ctypes.c_int) & 0x501 == 0x501
        and not at(view, _FLAGS, ctypes.c_int) & _IN_ROWS
        and all(at(x, _DATA, ctypes.c_double) == 1.5 for x in numbers)
        and at(np.float32(1.5), _DATA, ctypes.c_float) == 1.5
        and at(np.int64(7), _DATA, ctypes.c_int64) == 7
        and at(np.True_, _DATA, ctypes.c_bool) is True
    )


def address(array: Any) -> int:
    """Where the elements of an array begin: what `array.ctypes.data` says, at a fifth of the time."""
    found: int = ctypes.c_void_p.from_address(id(array) + _DATA).value or 0
    return found


def helper_addresses() -> list[int]:
    """Addresses that the glue needs from Python, in the order of `glue`: three functions, three objects."""
    functions = [ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0 for name in _HELPERS]
    return [*functions, id(None), id(True), id(np.ndarray)]


class Table(np.ndarray[Any, Any]):
    """The table of pointers; as the `self` of functions made of machine code it also keeps alive what they need."""

    needs: list[Any]


def python_function(name: str, address: int, table: Table) -> Any:
    """A built-in function object of machine code, which gets the table as its first argument."""
    method = _Method(name.encode(), address, _FASTCALL, None)
    table.needs.append(method)
    return _new_function(ctypes.addressof(method), table, None)


def references() -> int:
    """How many references an array has that only a tensor's slot and the call itself hold."""
    holder = _Holder()
    holder.value = np.empty(1)
    return sys.getrefcount(holder.value)


class _Holder:
    __slots__ = ("value",)
    value: Any


@dataclass(frozen=True, slots=True)
class Argument:
    """A positional argument: its index in the table of pointers, and whether its array is overwritten.

    A `cell` is a number that the step overwrites: it is copied to where the table points, because NumPy's scalars are
    constants; `cell` is its size in bytes, or 0.
    """

    index: int
    overwritten: bool = False
    cell: int = 0


def glue(arguments: list[Argument], helpers: int, release: bool) -> str:
    """The text of `call` (check, bind, run one step) and `bind` (check and bind only).

    Args:
        arguments: what is passed, in order.
        helpers: index in the table of the first helper address.
        release: whether other Python threads may run during the step.
    """
    lines: list[str] = []
    bad: list[str] = []
    alone = references()
    for i, argument in enumerate(arguments):
        overwritten = argument.overwritten
        a = f"%a{i}"
        lines += [
            f"  {a}.at = getelementptr ptr, ptr %args, i64 {i}",
            f"  {a} = load ptr, ptr {a}.at",
            f"  {a}.typeat = getelementptr i8, ptr {a}, i64 {_TYPE}",
            f"  {a}.type = load ptr, ptr {a}.typeat",
            f"  {a}.isarray = icmp eq ptr {a}.type, %ndarray",
            f"  {a}.held = getelementptr i8, ptr {a}, i64 {_DATA}",
            f"  br i1 {a}.isarray, label %array{i}, label %number{i}",
            f"array{i}:",
            f"  {a}.data = load ptr, ptr {a}.held",
            f"  {a}.flagsat = getelementptr i8, ptr {a}, i64 {_FLAGS}",
            f"  {a}.flags = load i32, ptr {a}.flagsat",
        ]
        wanted = _IN_ROWS | _ALIGNED | (_WRITEABLE if overwritten else 0)
        lines += [f"  {a}.masked = and i32 {a}.flags, {wanted}", f"  {a}.badflags = icmp ne i32 {a}.masked, {wanted}"]
        wrong = f"{a}.badflags"
        if overwritten:
            lines += [
                f"  {a}.refs = load i32, ptr {a}",
                f"  {a}.shared = icmp ne i32 {a}.refs, {alone}",
                f"  {a}.baseat = getelementptr i8, ptr {a}, i64 {_BASE}",
                f"  {a}.base = load ptr, ptr {a}.baseat",
                f"  {a}.view = icmp ne ptr {a}.base, null",
                f"  {a}.b1 = or i1 {a}.shared, {a}.view",
                f"  {a}.b2 = or i1 {a}.b1, {wrong}",
            ]
            wrong = f"{a}.b2"
        lines += [
            f"  br label %next{i}",
            f"number{i}:",
            f"  br label %next{i}",
            f"next{i}:",
            f"  {a}.where = phi ptr [ {a}.data, %array{i} ], [ {a}.held, %number{i} ]",
            f"  {a}.bad = phi i1 [ {wrong}, %array{i} ], [ {'true' if overwritten else 'false'}, %number{i} ]",
            f"  {a}.entry = getelementptr ptr, ptr %table, i64 {argument.index}",
        ]
        if argument.cell:
            word = f"i{8 * argument.cell}"
            lines += [
                f"  {a}.cell = load ptr, ptr {a}.entry",
                f"  {a}.word = load {word}, ptr {a}.where, align 1",
                f"  store {word} {a}.word, ptr {a}.cell, align 1",
            ]
        else:
            lines.append(f"  store ptr {a}.where, ptr {a}.entry")
        bad.append(f"{a}.bad")
    total = "false"
    for i, name in enumerate(bad):
        lines.append(f"  %bad{i} = or i1 {total}, {name}")
        total = f"%bad{i}"

    def helper(name: str, number: int) -> list[str]:
        return [
            f"  {name}.at = getelementptr ptr, ptr %table, i64 {helpers + number}",
            f"  {name} = load ptr, ptr {name}.at",
        ]

    head = [
        f"  %tableat = getelementptr i8, ptr %self, i64 {_DATA}", "  %table = load ptr, ptr %tableat",
        *helper("%save", 0), *helper("%restore", 1), *helper("%incref", 2),
        *helper("%none", 3), *helper("%true", 4), *helper("%ndarray", 5), *helper("%still", 6),
    ]  # fmt: skip
    run = "  %failed = call i64 @segment0(ptr %table, ptr %still, i64 1)"
    if release:
        run = "\n".join(["  %thread = call ptr %save()", run, "  call void %restore(ptr %thread)"])
    run += "\n  %wrong = icmp ne i64 %failed, 0\n  br i1 %wrong, label %refuse, label %well\nwell:"
    texts = []
    for name, inner in (("call", run), ("bind", "")):
        texts.append("\n".join([
            f"define ptr @{name}(ptr %self, ptr %args, i64 %given) nounwind {{", "start:", *head, *lines,
            f"  br i1 {total}, label %refuse, label %accept",
            "accept:", *([inner] if inner else []), "  call void %incref(ptr %none)", "  ret ptr %none",
            "refuse:", "  call void %incref(ptr %true)", "  ret ptr %true", "}",
        ]))  # fmt: skip
    return "\n".join(texts)
