"""Which names code can have read: the attributes and globals that a walk through what is in reach has to look at."""

from __future__ import annotations

import dis
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from types import CodeType

from ..core.source_location import OWN_FILES

# Whoever calls one of these may read any attribute, under a name that stands nowhere in the code.
_ANY = frozenset({"vars", "__dict__", "dir", "attrgetter", "getmembers", "asdict", "astuple"})
# In the user's code also these, which our own calls with names that do not matter.
_RAW = frozenset({"__getattribute__", "getattr_static", "__getstate__", "__reduce__", "__reduce_ex__", "dumps"})
_OF_A_MODULE = frozenset({"globals", "__globals__", "f_globals"})
_NUMBERS = frozenset({"float", "int", "bool", "ndarray", "float64", "float32", "generic"})
_BY_NAME = frozenset({"getattr", "hasattr", "methodcaller"})
_SETS = frozenset({"setattr", "delattr"})  # what is set to what it is has to be watched as well


class Reads:
    """The names that some code objects can have read, together.

    Attributes:
        names: of attributes and globals.
        asked: attributes that need not exist (`getattr` with a default, `hasattr`, ``except AttributeError``).
        anything: whether attributes may also have been read under names that were put together.
        users: names in the user's own code.
        kinds: whether the user's code may have compared the type of a number or an array.
    """

    def __init__(self, codes: Iterable[CodeType], named: Iterable[str] = ()) -> None:
        self.kinds = False
        self.asked = set(named)
        self.names: set[str] = set()
        self.users: set[str] = set()
        self.anything = False
        for code in codes:
            asked, anything = _asked_for(code)
            self.names.update(code.co_names)
            self.asked |= asked
            self.anything |= anything
            if code.co_filename not in OWN_FILES:
                self.users.update(code.co_names)
            self.kinds = self.kinds or (code.co_filename not in OWN_FILES and _asks_for_types(code))
        self.names |= self.asked


@functools.lru_cache(4096)
def _asked_for(code: CodeType) -> tuple[frozenset[str], bool]:
    """Attributes that the code may look for although they need not exist; whether it may look for any at all."""
    names = set(code.co_names)
    texts = [text for text in _texts(code.co_consts) if text.isidentifier()]
    asked: set[str] = set()
    ours = code.co_filename in OWN_FILES
    anything = bool((_ANY if ours else _ANY | _RAW) & names)
    by_name = _BY_NAME if ours else _BY_NAME | _SETS
    if by_name & names:
        asked.update(texts)
        anything |= _puts_names_together(code, by_name)
    if names & {"format", "format_map"}:
        asked.update(name for text in _texts(code.co_consts) for name in re.findall(r"\.([A-Za-z_]\w*)", text))
    if code.co_exceptiontable and any(i.opname == "CHECK_EXC_MATCH" for i in dis.get_instructions(code)):
        asked.update(names)
    if "suppress" in names:
        asked.update(names)
    if any(isinstance(constant, tuple) for constant in code.co_consts) and any(
        i.opname == "MATCH_CLASS" for i in dis.get_instructions(code)
    ):
        asked.update(texts)
    return frozenset(asked), anything


@functools.lru_cache(4096)
def _asks_for_types(code: CodeType) -> bool:
    """Whether the code compares `type(x)` with a class of numbers or arrays (`isinstance` is answered as without a trace)."""
    if "type" not in code.co_names:
        return False
    found = list(dis.get_instructions(code))
    for start, instruction in enumerate(found):
        if instruction.argval == "type" and instruction.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME")):
            after = found[start + 1 : start + 16]
            end = next((i for i, each in enumerate(after) if each.opname in ("IS_OP", "COMPARE_OP", "CONTAINS_OP")), 0)
            if any(isinstance(each.argval, str) and each.argval in _NUMBERS for each in after[:end]):
                return True
    return False


def _texts(constants: Iterable[object]) -> list[str]:
    """Strings among constants, and in tuples among them."""
    found = []
    for constant in constants:
        parts = constant if isinstance(constant, tuple) else (constant,)
        found += [part for part in parts if isinstance(part, str)]
    return found


def _puts_names_together(code: CodeType, by_name: frozenset[str]) -> bool:
    """Whether `getattr` and its like are ever given anything but an object that is simply loaded and a constant name."""
    found = list(dis.get_instructions(code))
    for start, instruction in enumerate(found):
        if instruction.argval in by_name and instruction.opname.startswith("LOAD_"):
            at, depth = start + 1, 0
            while depth != 1 or found[at].opname != "LOAD_CONST":
                depth += dis.stack_effect(found[at].opcode, found[at].arg, jump=False)
                if depth > 1 or not found[at].opname.startswith(("LOAD_", "PUSH_NULL")):
                    return True
                at += 1
            default = found[at + 1].opname.startswith("LOAD_")
            if "CALL" not in found[at + 1 + default].opname or not isinstance(found[at].argval, str):
                return True
    return False


def compares(codes: Iterable[CodeType]) -> bool:
    """Whether code of the user's asks if two objects are one (``a is b``)."""
    return any(code.co_filename not in OWN_FILES and _compares(code) for code in codes)


@functools.lru_cache(4096)
def _compares(code: CodeType) -> bool:
    found = list(dis.get_instructions(code))
    with_constant = ("LOAD_CONST", "LOAD_GLOBAL")
    return any(i.opname == "IS_OP" and not b.opname.startswith(with_constant) for b, i in itertools.pairwise(found))


@functools.lru_cache(4096)
def globals_of(code: CodeType) -> tuple[str, ...]:
    """Global names that the code, or code nested in it, can read or bind."""
    return tuple(dict.fromkeys(_globals(code)))


@functools.lru_cache(4096)
def imports_of(code: CodeType) -> tuple[str, ...]:
    """Modules that the code itself imports: those named so in full, and what it may pass to `import_module`."""
    found = [i.argval for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME" and i.argval]
    if "import_module" in code.co_names or "__import__" in code.co_names:
        found += _texts(code.co_consts)
    return tuple(found)


def _globals(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"):
            yield instruction.argval
    if _OF_A_MODULE & set(code.co_names):
        inner = [constant.co_consts for constant in code.co_consts if isinstance(constant, CodeType)]
        yield from (text for text in _texts(itertools.chain(code.co_consts, *inner)) if text.isidentifier())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals(constant)
