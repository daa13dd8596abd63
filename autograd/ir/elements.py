"""Whether code can have looked at single elements of arrays: then what the arrays hold is part of what a trace depends on.

Arrays that a traced function finds in its surroundings are real ones.  What autograd and NumPy do with them becomes part of
the program, which reads them anew at every run; but an element that Python takes out (`m[0]`, a loop, a condition) is a
number that the program never sees.  No hook tells of that, so the instructions do, together with what the variables of the
functions held.
"""

from __future__ import annotations

import collections
import dis
import functools
from collections.abc import Iterator, Mapping, Set
from types import CodeType
from typing import Any

import numpy as np

from ..core.source_location import OWN_FILES

# Calls that make Python numbers of arrays, and those by which losses check their targets.
_CHECKS = frozenset({"min", "max", "item", "tolist"})
_TO_PYTHON = _CHECKS | {
    "any", "all", "float", "int", "bool", "complex", "str", "repr", "list", "tuple", "set", "sorted", "iter", "next",
    "enumerate", "map", "zip", "reversed", "filter", "format", "print", "hash", "divmod", "pow", "math", "operator",
    "argmax", "argmin", "argsort", "nonzero", "argwhere", "count_nonzero", "bincount", "unique", "array_equal", "allclose",
    "searchsorted", "tobytes", "tofile", "dump", "dumps", "round", "range", "where", "flatnonzero", "compress", "extract",
}  # fmt: skip
# Writes, which change nothing where the array holds the same already.
_WRITES = frozenset(
    {"fill", "sort", "put", "partition", "byteswap", "setfield", "copyto", "putmask", "place", "shuffle"}
)
_ITERATES = frozenset(
    {"GET_ITER", "GET_YIELD_FROM_ITER", "UNPACK_SEQUENCE", "UNPACK_EX", "LIST_EXTEND", "SET_UPDATE", "CALL_FUNCTION_EX"}
)
_SHOWS = frozenset({"FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE"})
_OF_DICTS = frozenset({"items", "values", "keys"})
_ANYTHING = ("anything", "")
Operand = tuple[str, str]  # "variable", "global" or "attribute" and its name, or _ANYTHING


class Looks:
    """Where code looked at elements of something that may have been an array.

    Args:
        codes: the code that ran, with its globals.
        holding: names of the variables of functions that held arrays or NumPy numbers.

    Attributes:
        anywhere: whether it may have been any array.
        checked: whether a loss may have checked its targets, which it cannot where they are inputs.
        attributes: names of the attributes under which the arrays were found otherwise.
    """

    def __init__(self, codes: Mapping[CodeType, Mapping[str, Any]], holding: Mapping[CodeType, Set[str]]) -> None:
        self.anywhere = self.checked = False
        self.attributes: set[str] = set()
        for code, space in codes.items():
            if code.co_filename in OWN_FILES:
                self.checked |= not _CHECKS.isdisjoint(code.co_names)
                continue
            for kind, name in _operands(code):
                if kind == "attribute":
                    self.attributes.add(name)
                elif kind == "global":
                    self.anywhere |= isinstance(space.get(name), (np.ndarray, np.generic))
                else:
                    self.anywhere |= kind == "anything" or name in holding.get(code, ())

    def at(self, label: str) -> bool:
        """Whether that may have been the array which a person would call so."""
        return self.anywhere or self.checked or label.rpartition(".")[2] in self.attributes


@functools.lru_cache(4096)
def _operands(code: CodeType) -> frozenset[Operand]:
    """What the code looks into, by the name under which it was loaded."""
    if not (_TO_PYTHON | _WRITES).isdisjoint(code.co_names):
        return frozenset({_ANYTHING})
    found = list(dis.get_instructions(code))
    rebound = _rebound(code, found)
    return frozenset(
        _ANYTHING if kind == "variable" and name in rebound else (kind, name)
        for i in range(len(found))
        for kind, name in _looked_into(found, i)
    )


def _looked_into(found: list[dis.Instruction], i: int) -> Iterator[Operand]:
    """The operands that an instruction looks into."""
    name = found[i].opname
    if name in ("COMPARE_OP", "CONTAINS_OP"):
        yield _ANYTHING
    elif name == "BINARY_SUBSCR" or (name == "BINARY_OP" and found[i].argrepr == "[]"):
        if found[i - 1].opname != "BUILD_SLICE" and not isinstance(found[i - 1].argval, (str, slice)):
            yield from _producer(found, i, 1)
    elif name in ("STORE_SUBSCR", "STORE_SLICE"):
        yield from _producer(found, i, 1 if name == "STORE_SUBSCR" else 2)
    elif name == "BINARY_OP" and found[i].argrepr.endswith("="):  # in place
        yield from _producer(found, i, 1)
    elif (
        name in _ITERATES
        or name in _SHOWS
        or name in ("TO_BOOL", "UNARY_NOT")
        or "_IF_TRUE" in name
        or "_IF_FALSE" in name
    ):
        yield from _producer(found, i, 0)


def _producer(found: list[dis.Instruction], i: int, depth: int) -> Iterator[Operand]:
    """What put the operand at some depth of the stack there."""
    height, at = 0, i - 1
    while height != -depth:
        if at < 0 or found[at].is_jump_target:
            yield _ANYTHING
            return
        height -= dis.stack_effect(found[at].opcode, found[at].arg, jump=False)
        at -= 1
    maker = found[at]
    names = maker.argval if isinstance(maker.argval, tuple) else (maker.argval,)
    if found[i].is_jump_target or at < 0:
        yield _ANYTHING
    elif maker.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")):
        yield from (("variable", name) for name in names)
    elif maker.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
        yield "global", names[0]
    elif maker.opname == "LOAD_ATTR":
        yield "attribute", names[0]
    elif maker.opname == "FOR_ITER":  # a part of what is iterated over: the variables tell what it held
        yield from (("variable", each.argval) for each in found[i + 1 : i + 9] if each.opname == "STORE_FAST")
    elif not maker.opname.startswith(("LOAD_CONST", "IS_OP", "BUILD_", "TO_BOOL", "UNARY_NOT")) and not _of_a_dict(
        found, at
    ):
        yield _ANYTHING


def _of_a_dict(found: list[dis.Instruction], at: int) -> bool:
    """Whether an instruction is the call of a dict's `items()` and the like."""
    before = [each for each in found[max(at - 2, 0) : at] if each.opname in ("LOAD_METHOD", "LOAD_ATTR")]
    return "CALL" in found[at].opname and bool(before) and before[-1].argval in _OF_DICTS


def _rebound(code: CodeType, found: list[dis.Instruction]) -> set[str]:
    """Variables that can have held other things than what they hold in the end."""
    stores: collections.Counter[str] = collections.Counter(
        code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    )
    for before, each in zip([None, *found], found, strict=False):
        if each.opname.startswith(("STORE_FAST", "STORE_DEREF", "DELETE_FAST", "DELETE_DEREF")):
            names = each.argval if isinstance(each.argval, tuple) else (each.argval,)
            stores.update(names)
            if before is not None and before.opname == "FOR_ITER":
                stores.update(names)
    return {name for name, count in stores.items() if count > 1}
