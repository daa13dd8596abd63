"""Machine code as Python functions: arguments are read straight from array objects, so that a call costs next to nothing.

The function that Python calls gets the argument objects, checks that each is an aligned array in rows of the dtype that is
expected (or the scalar of that dtype, whose number lies in the object), writes the addresses of the elements into a table,
and runs the step.  An array that the step overwrites must be referred to by nobody but its tensor: this too is read from
the object.  Whatever does not fit, a subclass of ndarray for one, makes the function return True before anything is
changed, and Python prepares the arguments.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....core.errors import GraphError
from ....ir.graph import Atom, type_text

# Where the fields of NumPy's array object lie, in bytes (its C struct is part of NumPy's stable interface).
_REFERENCES, _TYPE, _DATA, _BASE, _DTYPE, _FLAGS = 0, 8, 16, 48, 56, 64
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
        and at(array, _DTYPE, ctypes.c_void_p) == id(array.dtype)
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
    """A positional argument: its index in the table of pointers, what it is, and whether its array is overwritten.

    A `cell` is a number that the step overwrites: it is copied to where the table points, because NumPy's scalars are
    constants.
    """

    index: int
    var: Atom
    overwritten: bool = False
    cell: Any = None


def described(arguments: Sequence[Argument]) -> Any:
    """What machine code must know of the arguments, a row for each.

    Index in the table, flags wanted, size of the cell or 0, address of the dtype, and of the type of scalars or 0.
    """
    rows = []
    for a in arguments:
        flags = _IN_ROWS | _ALIGNED | (_WRITEABLE if a.overwritten else 0)
        scalar = 0 if a.var.shape else id(float if a.var.weak and a.var.dtype.kind == "f" else a.var.dtype.type)
        rows.append((a.index, flags, 0 if a.cell is None else a.cell.itemsize, id(a.var.dtype), scalar))
    return np.array(rows, np.int64).reshape(len(rows), 5)


def fitting(value: Any, argument: Argument) -> Any:
    """A value as machine code reads it: an aligned array with its elements in order.

    Raises:
        GraphError: it has another shape or dtype than the program was made for, or is to be overwritten and cannot be.
    """
    var = argument.var
    array = np.asarray(value, var.dtype if type(value) in (bool, int, float) else None)
    if (array.shape, array.dtype) != (var.shape, var.dtype):
        raise GraphError(
            f"{var.name or 'a value'} came as {array.dtype} of shape {array.shape} to machine code for {type_text(var)}: "
            "let tensors and gradients keep their shape and dtype"
        )
    if array.flags.c_contiguous and array.flags.aligned and (array.flags.writeable or not argument.overwritten):
        return array
    if argument.overwritten:
        raise GraphError(
            f"{var.name or 'a value'} is to be overwritten, but is no writeable array with its elements in order"
        )
    return np.array(array, order="C")


def glue(count: int, helpers: int, release: bool) -> str:
    """The text of `bind`, which checks the arguments and enters them into the table, and of `call`, which then runs a step.

    Args:
        count: how many arguments there are; the table says where they are described.
        helpers: index in the table of the first helper address.
        release: whether other Python threads may run during the step.
    """

    def helper(name: str, number: int) -> list[str]:
        return [
            f"  {name}.at = getelementptr ptr, ptr %table, i64 {helpers + number}",
            f"  {name} = load ptr, ptr {name}.at",
        ]

    table = [f"  %tableat = getelementptr i8, ptr %self, i64 {_DATA}", "  %table = load ptr, ptr %tableat"]
    cells = [line for size in (1, 2, 4, 8) for line in (
        f"cell{size}:", f"  %word{size} = load i{8 * size}, ptr %where, align 1",
        f"  store i{8 * size} %word{size}, ptr %place, align 1", "  br label %next",
    )]  # fmt: skip
    each = [
        "each:", "  %i = phi i64 [ 0, %start ], [ %i.next, %next ]", "  %bad = phi i1 [ false, %start ], [ %worse, %next ]",
        "  %a.at = getelementptr ptr, ptr %args, i64 %i", "  %a = load ptr, ptr %a.at",
        "  %row = getelementptr [5 x i64], ptr %described, i64 %i", "  %index = load i64, ptr %row",
        "  %wanted.at = getelementptr i64, ptr %row, i64 1", "  %wanted = load i64, ptr %wanted.at",
        "  %size.at = getelementptr i64, ptr %row, i64 2", "  %size = load i64, ptr %size.at",
        "  %dtype.at = getelementptr i64, ptr %row, i64 3", "  %dtype = load ptr, ptr %dtype.at",
        "  %scalar.at = getelementptr i64, ptr %row, i64 4", "  %scalar = load ptr, ptr %scalar.at",
        f"  %writes = icmp uge i64 %wanted, {_WRITEABLE}",
        f"  %type.at = getelementptr i8, ptr %a, i64 {_TYPE}", "  %type = load ptr, ptr %type.at",
        "  %isarray = icmp eq ptr %type, %ndarray", f"  %held = getelementptr i8, ptr %a, i64 {_DATA}",
        "  %isother = icmp ne ptr %type, %scalar", "  %unfit = or i1 %isother, %writes",
        "  br i1 %isarray, label %array, label %found",
        "array:", "  %data = load ptr, ptr %held",
        f"  %flags.at = getelementptr i8, ptr %a, i64 {_FLAGS}", "  %flags.short = load i32, ptr %flags.at",
        "  %flags = zext i32 %flags.short to i64", "  %masked = and i64 %flags, %wanted",
        "  %misplaced = icmp ne i64 %masked, %wanted",
        f"  %own.at = getelementptr i8, ptr %a, i64 {_DTYPE}", "  %own = load ptr, ptr %own.at",
        "  %mistyped = icmp ne ptr %own, %dtype", "  %misfit = or i1 %misplaced, %mistyped",
        f"  %refs.at = getelementptr i8, ptr %a, i64 {_REFERENCES}", "  %refs = load i32, ptr %refs.at",
        f"  %several = icmp ne i32 %refs, {references()}",
        f"  %base.at = getelementptr i8, ptr %a, i64 {_BASE}", "  %base = load ptr, ptr %base.at",
        "  %view = icmp ne ptr %base, null", "  %others = or i1 %several, %view", "  %seen = and i1 %others, %writes",
        "  %wrong = or i1 %misfit, %seen", "  br label %found",
        "found:", "  %where = phi ptr [ %data, %array ], [ %held, %each ]",
        "  %refused = phi i1 [ %wrong, %array ], [ %unfit, %each ]", "  %worse = or i1 %bad, %refused",
        "  %entry = getelementptr ptr, ptr %table, i64 %index", "  %place = load ptr, ptr %entry",
        "  switch i64 %size, label %cell8 [ i64 0, label %plain i64 1, label %cell1 i64 2, label %cell2 i64 4, label %cell4 ]",
        "plain:", "  store ptr %where, ptr %entry", "  br label %next", *cells,
        "next:", "  %i.next = add nuw nsw i64 %i, 1", f"  %more = icmp ult i64 %i.next, {count}",
        "  br i1 %more, label %each, label %done",
        "done:", "  br i1 %worse, label %refuse, label %accept",
    ]  # fmt: skip
    bind = [
        "define ptr @bind(ptr %self, ptr %args, i64 %given) nounwind {", "start:", *table, *helper("%incref", 2),
        *helper("%none", 3), *helper("%true", 4), *helper("%ndarray", 5), *helper("%described", 7),
        *(["  br label %each", *each] if count else ["  br i1 false, label %refuse, label %accept"]),
        "accept:", "  call void %incref(ptr %none)", "  ret ptr %none",
        "refuse:", "  call void %incref(ptr %true)", "  ret ptr %true", "}",
    ]  # fmt: skip
    run = ["  %failed = call i64 @segment0(ptr %table, ptr %still, i64 1)"]
    if release:
        run = ["  %thread = call ptr %save()", *run, "  call void %restore(ptr %thread)"]
    call = [
        "define ptr @call(ptr %self, ptr %args, i64 %given) nounwind {", "start:", *table, *helper("%save", 0),
        *helper("%restore", 1), *helper("%incref", 2), *helper("%true", 4), *helper("%still", 6),
        "  %bound = call ptr @bind(ptr %self, ptr %args, i64 %given)", "  %bad = icmp eq ptr %bound, %true",
        "  br i1 %bad, label %leave, label %run", "run:", *run, "  %wrong = icmp ne i64 %failed, 0",
        "  br i1 %wrong, label %refuse, label %leave", "refuse:", "  call void %incref(ptr %true)", "  ret ptr %true",
        "leave:", "  ret ptr %bound", "}",
    ]  # fmt: skip
    return "\n".join([*bind, *call])
