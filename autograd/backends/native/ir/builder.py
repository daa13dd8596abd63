"""LLVM assembly, written as text: values that know their type, and the instructions that combine them.

A `Value` is a scalar or a short vector in registers.  Python operators on it append instructions, so that code
generators read like the formulas they emit.  Products and sums may be contracted to fused operations; nothing else of
"fast math" is used, except that sums over many elements may be re-associated.

A vector in the text is a power of two long, the only lengths that LLVM translates well (and always rightly): of 24 lanes
it has 32, of which the last 8 hold anything, and memory is read and written 16 and then 8 at a time.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

KINDS = {
    np.dtype(name): kind
    for name, kind in (
        ("float64", "double"), ("float32", "float"), ("bool", "i1"), ("int64", "i64"), ("int32", "i32"), ("int16", "i16"),
        ("int8", "i8"),
    )
}  # fmt: skip
BYTES = {"double": 8, "float": 4, "i1": 1, "i64": 8, "i32": 4, "i16": 2, "i8": 1}
_SUFFIX = {"double": "f64", "float": "f32"}
_ORDERED = {"==": "oeq", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "!=": "une", "nan": "uno"}
_SIGNED = {"==": "eq", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "!=": "ne"}


def width_of(lanes: int) -> int:
    """How long the vector is that holds so many lanes."""
    return 1 << (lanes - 1).bit_length()


def type_text(kind: str, lanes: int) -> str:
    """The LLVM type of `lanes` elements; one element is a scalar."""
    return kind if lanes == 1 else f"<{width_of(lanes)} x {kind}>"


def mask_text(order: Sequence[int]) -> str:
    """The last operand of a shufflevector that puts these lanes in order."""
    width = width_of(len(order))
    picked = [*(f"i32 {lane}" for lane in order), *["i32 poison"] * (width - len(order))]
    return f"<{width} x i32> <{', '.join(picked)}>"


def powers(lanes: int) -> Iterator[tuple[int, int]]:
    """A number of lanes as powers of two: the first lane of each part, and how many they are."""
    start = 0
    for bit in range(lanes.bit_length() - 1, -1, -1):
        if lanes >> bit & 1:
            yield start, 1 << bit
            start += 1 << bit


def number_text(kind: str, number: Any) -> str:
    """A constant as LLVM writes it: floats as the bits of a double."""
    if kind in ("double", "float"):
        with np.errstate(over="ignore"):
            value = float(np.float32(number)) if kind == "float" else float(number)
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if kind == "i1":
        return "true" if number else "false"
    return str(int(number))


class Value:
    """A result of an instruction, or a constant: `name` as it stands in the text, element kind, number of lanes."""

    __slots__ = ("code", "kind", "lanes", "name")

    def __init__(self, code: Code, name: str, kind: str, lanes: int) -> None:
        self.code, self.name, self.kind, self.lanes = code, name, kind, lanes

    @property
    def type(self) -> str:
        """The LLVM type."""
        return type_text(self.kind, self.lanes)

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating-point numbers."""
        return self.kind in _SUFFIX

    def like(self, number: float) -> Value:
        """A constant of the same type."""
        return self.code.constant(number, self.kind, self.lanes)

    def _binary(self, float_op: str, int_op: str, other: Any, swap: bool = False) -> Value:
        right = other if isinstance(other, Value) else self.like(other)
        a, b = (right, self) if swap else (self, right)
        op = float_op if self.is_float else int_op
        return self.code.add(f"{op} {a.type} {a.name}, {b.name}", self.kind, self.lanes)

    def __add__(self, other: Any) -> Value:
        return self._binary("fadd contract", "add", other)

    def __sub__(self, other: Any) -> Value:
        return self._binary("fsub contract", "sub", other)

    def __mul__(self, other: Any) -> Value:
        return self._binary("fmul contract", "mul", other)

    def __truediv__(self, other: Any) -> Value:
        return self._binary("fdiv contract", "sdiv", other)

    def __radd__(self, other: Any) -> Value:
        return self._binary("fadd contract", "add", other, swap=True)

    def __rsub__(self, other: Any) -> Value:
        return self._binary("fsub contract", "sub", other, swap=True)

    def __rmul__(self, other: Any) -> Value:
        return self._binary("fmul contract", "mul", other, swap=True)

    def __rtruediv__(self, other: Any) -> Value:
        return self._binary("fdiv contract", "sdiv", other, swap=True)

    def __neg__(self) -> Value:
        if self.is_float:
            return self.code.add(f"fneg {self.type} {self.name}", self.kind, self.lanes)
        return self._binary("", "sub", 0, swap=True)

    def __and__(self, other: Any) -> Value:
        return self._binary("", "and", other)

    def __or__(self, other: Any) -> Value:
        return self._binary("", "or", other)

    def __xor__(self, other: Any) -> Value:
        return self._binary("", "xor", other)

    def __lshift__(self, other: Any) -> Value:
        return self._binary("", "shl", other)

    def __rshift__(self, other: Any) -> Value:
        return self._binary("", "ashr", other)

    def unsigned_shift(self, other: Any) -> Value:
        """Shift to the right, zeros moving in."""
        return self._binary("", "lshr", other)

    def compare(self, relation: str, other: Any) -> Value:
        """Bools: whether the relation ("<", "==", ... or "nan": either is nan) holds; false for nan, but for "!="."""
        right = other if isinstance(other, Value) else self.like(other)
        if self.is_float:
            op = f"fcmp {_ORDERED[relation]}"
        else:
            op = f"icmp {_SIGNED[relation]}"
            if self.kind == "i1":  # one bit is a sign bit to LLVM: true would be -1
                op = op.replace(" s", " u")
        return self.code.add(f"{op} {self.type} {self.name}, {right.name}", "i1", self.lanes)

    def __lt__(self, other: Any) -> Value:
        return self.compare("<", other)

    def __le__(self, other: Any) -> Value:
        return self.compare("<=", other)

    def __gt__(self, other: Any) -> Value:
        return self.compare(">", other)

    def __ge__(self, other: Any) -> Value:
        return self.compare(">=", other)

    def is_nan(self) -> Value:
        """Bools: whether it is nan."""
        return self.compare("nan", self)

    def bits(self) -> Value:
        """The bits of a float as an integer, or of an integer as a float."""
        kind = {"double": "i64", "float": "i32", "i64": "double", "i32": "float"}[self.kind]
        return self.code.add(f"bitcast {self.type} {self.name} to {type_text(kind, self.lanes)}", kind, self.lanes)

    def cast(self, kind: str) -> Value:
        """Converted as NumPy's astype does."""
        if kind == self.kind:
            return self
        code, into = self.code, type_text(kind, self.lanes)
        if kind == "i1":
            return self.compare("!=", 0)
        if self.kind == "i1" and kind in _SUFFIX:
            return code.select(self, code.constant(1, kind, self.lanes), code.constant(0, kind, self.lanes))
        if self.is_float and kind in _SUFFIX:
            op = "fpext" if kind == "double" else "fptrunc"
        elif self.is_float:
            op = "fptosi"
        elif kind in _SUFFIX:
            op = "sitofp"
        elif self.kind == "i1":
            op = "zext"
        else:
            op = "sext" if BYTES[kind] > BYTES[self.kind] else "trunc"
        return code.add(f"{op} {self.type} {self.name} to {into}", kind, self.lanes)

    def shuffle(self, lanes: Iterable[Any]) -> Value:
        """The lanes in another order, some perhaps several times."""
        order = [int(i) for i in lanes]
        if order == list(range(self.lanes)):
            return self
        code = self.code
        if self.lanes == 1:
            one = code.add(
                f"insertelement {type_text(self.kind, 2)} poison, {self.type} {self.name}, i32 0", self.kind, 2
            )
            return one.shuffle(order)
        if len(order) == 1:
            return code.add(f"extractelement {self.type} {self.name}, i32 {order[0]}", self.kind, 1)
        text = f"shufflevector {self.type} {self.name}, {self.type} poison, {mask_text(order)}"
        return code.add(text, self.kind, len(order))

    def splat(self, lanes: int) -> Value:
        """A scalar in every lane."""
        return self if lanes == self.lanes else self.shuffle([0] * lanes)


class Code:
    """The text of one function as it grows, and the declarations it needs."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.entry: list[str] = []  # instructions that belong at the top of the function: room on the stack
        self.declarations: dict[str, str] = {}
        self.block = "first"
        self._count = 0

    def fresh(self, prefix: str = "v") -> str:
        """A name not used before."""
        self._count += 1
        return f"{prefix}{self._count}"

    def line(self, text: str) -> None:
        """Append a line as it is."""
        self.lines.append(text)

    def add(self, text: str, kind: str, lanes: int = 1) -> Value:
        """Append an instruction that has a result."""
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return Value(self, name, kind, lanes)

    def constant(self, number: Any, kind: str, lanes: int = 1) -> Value:
        """A number in every lane."""
        text = number_text(kind, number)
        return Value(self, text if lanes == 1 else f"splat ({kind} {text})", kind, lanes)

    def constants(self, numbers: Sequence[Any], kind: str) -> Value:
        """One number per lane."""
        if len(numbers) == 1:
            return self.constant(numbers[0], kind)
        lanes = [number_text(kind, x) for x in numbers]
        lanes += ["poison"] * (width_of(len(lanes)) - len(lanes))
        return Value(self, f"<{', '.join(f'{kind} {lane}' for lane in lanes)}>", kind, len(numbers))

    def select(self, condition: Value, yes: Value, no: Any) -> Value:
        """`yes` where the condition holds, else `no`."""
        other = no if isinstance(no, Value) else yes.like(no)
        text = f"select {condition.type} {condition.name}, {yes.type} {yes.name}, {yes.type} {other.name}"
        return self.add(text, yes.kind, yes.lanes)

    def call(self, name: str, *args: Value) -> Value:
        """An intrinsic of LLVM on the type of the first argument."""
        first = args[0]
        suffix = _SUFFIX.get(first.kind, first.kind)
        mangled = f"@{name}.{suffix}" if first.lanes == 1 else f"@{name}.v{width_of(first.lanes)}{suffix}"
        self.declarations[mangled] = f"declare {first.type} {mangled}({', '.join(a.type for a in args)})"
        shown = ", ".join(f"{a.type} {a.name}" for a in args)
        return self.add(f"call {first.type} {mangled}({shown})", first.kind, first.lanes)

    def library(self, name: str, *args: Value) -> Value:
        """A function of the C library, called lane by lane."""
        kind, lanes = args[0].kind, args[0].lanes
        self.declarations[f"@{name}"] = (
            f"declare {kind} @{name}({', '.join([kind] * len(args))}) nounwind willreturn memory(none)"
        )
        parts = []
        for lane in range(lanes):
            one = [a.shuffle([lane]) if lanes > 1 else a for a in args]
            parts.append(self.add(f"call {kind} @{name}({', '.join(f'{kind} {a.name}' for a in one)})", kind, 1))
        return self.gathered(parts)

    def gathered(self, scalars: Sequence[Value]) -> Value:
        """Scalars as the lanes of one vector."""
        if len(scalars) == 1:
            return scalars[0]
        kind, lanes = scalars[0].kind, len(scalars)
        whole = Value(self, "poison", kind, lanes)
        for i, one in enumerate(scalars):
            whole = self.add(f"insertelement {whole.type} {whole.name}, {kind} {one.name}, i32 {i}", kind, lanes)
        return whole

    def picked(self, a: Value, b: Value, order: Sequence[int]) -> Value:
        """Lanes of two vectors of one length; those of the second are counted on from those of the first."""
        text = f"shufflevector {a.type} {a.name}, {b.type} {b.name}, {mask_text(order)}"
        return self.add(text, a.kind, len(order))

    def joined(self, a: Value, b: Value) -> Value:
        """The lanes of a, then those of b."""
        if a.lanes == b.lanes == 1:
            return self.gathered([a, b])
        width = width_of(max(a.lanes, b.lanes))
        first, second = (x.shuffle([min(i, x.lanes - 1) for i in range(width)]) for x in (a, b))
        return self.picked(first, second, [*range(a.lanes), *range(width, width + b.lanes)])

    # ----- memory -----
    def offset(self, pointer: str, elements: int | str, kind: str) -> str:
        """A pointer moved by a number of elements (known, or in a register)."""
        if elements == 0:
            return pointer
        name = f"%{self.fresh('p')}"
        storage = "i8" if kind == "i1" else kind
        self.lines.append(f"  {name} = getelementptr inbounds {storage}, ptr {pointer}, i64 {elements}")
        return name

    def load(self, pointer: str, kind: str, lanes: int = 1) -> Value:
        """Neighbouring elements from memory; bools take a byte there."""
        storage = "i8" if kind == "i1" else kind
        parts = []
        for start, count in powers(lanes):
            where = self.offset(pointer, start, kind)
            text = f"load {type_text(storage, count)}, ptr {where}, align {BYTES[kind]}"
            parts.append(self.add(text, storage, count))
        loaded = functools.reduce(self.joined, parts)
        return loaded.compare("!=", 0) if kind == "i1" else loaded

    def store(self, value: Value, pointer: str) -> None:
        """Elements into neighbouring places of memory."""
        if value.kind == "i1":
            text = type_text("i8", value.lanes)
            value = self.add(f"zext {value.type} {value.name} to {text}", "i8", value.lanes)
        for start, count in powers(value.lanes):
            part, where = value.shuffle(range(start, start + count)), self.offset(pointer, start, value.kind)
            self.lines.append(f"  store {part.type} {part.name}, ptr {where}, align {BYTES[value.kind]}")

    def alloca(self, kind: str, lanes: int = 1) -> str:
        """A slot on the stack for a value that changes; LLVM turns it into a register."""
        name = f"%{self.fresh('slot')}"
        self.entry.append(f"  {name} = alloca {type_text(kind, lanes)}, align 64")
        return name

    def load_slot(self, slot: str, kind: str, lanes: int) -> Value:
        """What is in a slot of the stack."""
        return self.add(f"load {type_text(kind, lanes)}, ptr {slot}, align 64", kind, lanes)

    def store_slot(self, value: Value, slot: str) -> None:
        """Store into a slot of the stack."""
        self.lines.append(f"  store {value.type} {value.name}, ptr {slot}, align 64")

    # ----- control -----
    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name}:")
        self.block = name

    def jump(self, name: str) -> None:
        """End the block and begin the next."""
        self.lines.append(f"  br label %{name}")
        self.label(name)

    def begin_loop(self, count: int | str) -> tuple[str, str, str, int | str]:
        """Open a loop that runs `count` >= 1 times; the counter's name comes first in what is returned."""
        head, counter = self.fresh("loop"), f"%{self.fresh('i')}"
        before = self.block
        self.lines.append(f"  br label %{head}")
        self.label(head)
        self.lines.append(f"  {counter} = phi i64 [ 0, %{before} ], [ {counter}.next, %{head}.end ]")
        return counter, head, before, count

    def end_loop(self, loop: tuple[str, str, str, int | str]) -> None:
        """Close it."""
        counter, head, _, count = loop
        self.lines.append(f"  br label %{head}.end")
        self.label(f"{head}.end")
        self.lines += [
            f"  {counter}.next = add nuw nsw i64 {counter}, 1",
            f"  {counter}.more = icmp slt i64 {counter}.next, {count}",
            f"  br i1 {counter}.more, label %{head}, label %{head}.done",
        ]
        self.label(f"{head}.done")
