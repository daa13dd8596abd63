"""Vectorisation: equations on single numbers that have one form become one equation on an array.

A network written in scalars computes the same formula for every row of the data.  Two equations have the same form if
they apply the same operation to arguments of the same form; numbers written into the program all have one form, and so
have the elements of an array that gets no gradient; every other input has a form of its own.  So the weights stay apart,
and the rows come together: what was computed for each of a hundred rows is computed once, on arrays of a hundred.  Long
sums, over rows for instance, become sums of such arrays.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.ops.elementwise import add
from ..core.ops.reduce import sum_p
from ..core.ops.shape import ARRAY, getitem_p, reshape_p, scatter_add_p
from ..ir.graph import Atom, Eqn, Graph, Literal, Var, spec
from ..ir.literal import setting_key
from .dce import drop_unused

LEAST = 500  # equations on single numbers, from which on it pays to look for forms
_FEW = 4  # fewer equations of one form stay as they are


def vectorise(graph: Graph) -> Graph:
    """Replace equations on numbers by equations on arrays, where that makes the program at most half as long.

    Results are those of the same operations in the same order, but for sums, which may be re-associated.
    """
    if sum(map(_is_scalar, graph.eqns)) < LEAST:
        return graph
    graph = drop_unused(graph)
    shorter = _Forms(graph).program()
    return shorter if 2 * len(shorter.eqns) <= len(graph.eqns) else graph


@dataclass(slots=True, eq=False)
class _Form:
    """Equations of one form, each with its arguments: the terms of the whole sum, where additions follow each other."""

    members: list[Eqn] = field(default_factory=list)
    arguments: list[tuple[Atom, ...]] = field(default_factory=list)
    each: int = 1  # how many of the members belong to each row
    var: Var | None = None  # what holds all results

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.members) // self.each


def _is_scalar(eqn: Eqn) -> bool:
    return eqn.primitive.kind == "elementwise" and eqn.out.shape == () and not eqn.out.weak


class _Forms:
    """The equations of a graph by form, and the program that they make."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.constants = dict(graph.constants)
        self.numbers: dict[Any, int] = {}  # what makes a form -> its number
        self.number: dict[Atom, int] = {}  # variable -> number of its form
        self.forms: dict[int, _Form] = {}
        self.parts: dict[tuple[Any, ...], Var] = {}  # what has been taken out of an array, and constants
        self.phase = "forward"
        self.eqns: list[Eqn] = []
        self._inner = _inner_sums(graph)
        self.elements = _elements(graph)
        self._classify()
        self.several = [form for form in self.forms.values() if len(form.members) >= _FEW]
        self._put_in_order()
        self.position: dict[Atom, int] = {eqn.out: i for form in self.several for i, eqn in enumerate(form.members)}

    def _classify(self) -> None:
        """Find the form of every equation, in one walk."""
        numbers, number, inner = self.numbers, self.number, self._inner
        with_gradient = {eqn.out.shape for eqn in self.graph.eqns if eqn.primitive is scatter_add_p}
        for eqn in self.graph.eqns:
            if eqn.out in inner:
                continue
            if not _is_scalar(eqn):
                whole: Any = eqn.out
                if eqn.out in self.elements:
                    array, place = self.elements[eqn.out]
                    whole = array, place if array.shape in with_gradient else "any"
                number[eqn.out] = numbers.setdefault(whole, len(numbers))
                continue
            name, arguments = eqn.primitive.name, eqn.inputs
            if eqn.primitive is add and any(a in inner for a in arguments):
                name, arguments = "total", _terms(eqn, inner)
            key: list[Any] = [name, eqn.out.dtype]
            for atom in arguments:
                if isinstance(atom, Literal):
                    key.append(atom.key() if eqn.primitive.by_value else (atom.weak, atom.dtype))
                else:
                    known = number.get(atom)
                    key.append(numbers.setdefault(atom, len(numbers)) if known is None else known)
            if eqn.params:
                key.append(tuple((k, setting_key(v)) for k, v in sorted(eqn.params.items())))
            own = number[eqn.out] = numbers.setdefault(tuple(key), len(numbers))
            form = self.forms.get(own)
            if form is None:
                form = self.forms[own] = _Form()
            form.members.append(eqn)
            form.arguments.append(arguments)

    def _put_in_order(self) -> None:
        """Members of a form in the order of the rows they belong to: what depends on each other is one row."""
        row: dict[Atom, Atom] = {}

        def find(a: Atom) -> Atom:
            while (up := row[a]) is not a:
                row[a] = a = row[up]
            return a

        for form in self.several:
            row.update((eqn.out, eqn.out) for eqn in form.members)
        for form in self.several:
            for column in zip(*form.arguments, strict=True):
                if column[0] in row and any(atom is not column[0] for atom in column):  # (what all share joins none)
                    for eqn, atom in zip(form.members, column, strict=True):
                        row[find(atom)] = find(eqn.out)
        first: dict[Atom, int] = {}
        for eqn in self.graph.eqns:
            if eqn.out in row:
                first.setdefault(find(eqn.out), len(first))
        for form in self.several:
            ranks = [first[find(eqn.out)] for eqn in form.members]
            order = sorted(range(len(ranks)), key=ranks.__getitem__)
            form.members = [form.members[i] for i in order]
            form.arguments = [form.arguments[i] for i in order]
            counts = Counter(ranks)
            if len(set(counts.values())) == 1:
                form.each = counts[ranks[0]]
        self._split()

    def _split(self) -> None:
        """Where a form comes several times in every row, the first of each row, the second ... are forms of their own."""
        split = {self.number[form.members[0].out]: form for form in self.several if 1 < form.each <= form.rows}
        while True:
            turn = {eqn.out: i % form.each for form in split.values() for i, eqn in enumerate(form.members)}
            mixed = set()
            for form in self.several:
                parts = form.each if self.number[form.members[0].out] in split else 1
                for i in range(parts):
                    for column in zip(*form.arguments[i::parts], strict=True):
                        if column[0] in turn and len({turn[atom] for atom in column}) > 1:
                            mixed.add(self.number[column[0]])  # its members are read in another order
            if not mixed:
                break
            for own in mixed:
                del split[own]
        for own, form in split.items():
            self.several.remove(form)
            for i in range(form.each):
                part = _Form(form.members[i :: form.each], form.arguments[i :: form.each])
                self.several.append(part)
                number = len(self.numbers)
                self.numbers[own, i] = number
                self.forms[number] = part
                self.number.update((eqn.out, number) for eqn in part.members)

    def program(self) -> Graph:
        """The equations on arrays, each where the first of its members stood."""
        for eqn in self.graph.eqns:
            self.phase = eqn.phase
            if eqn.out in self._inner or eqn.out in self.elements:
                continue
            if not _is_scalar(eqn):
                self.eqns.append(replace(eqn, inputs=tuple(map(self._one, eqn.inputs))))
                continue
            form = self.forms[self.number[eqn.out]]
            if eqn.out not in self.position:
                self._alone(eqn, form.arguments[form.members.index(eqn)])
            elif form.var is None:
                self._together(form)
        outputs = tuple(map(self._one, self.graph.outputs))
        return replace(self.graph, constants=self.constants, eqns=tuple(self.eqns), outputs=outputs)

    def _alone(self, eqn: Eqn, arguments: tuple[Atom, ...]) -> None:
        """An equation that no other is like: sums may be of many terms of one form."""
        if arguments is eqn.inputs:
            self.eqns.append(replace(eqn, inputs=tuple(map(self._one, arguments))))
            return
        alike: dict[Any, list[Atom]] = {}
        for atom in arguments:
            alike.setdefault(self.number[atom] if atom in self.position else atom, []).append(atom)
        terms: list[Atom] = []
        for atoms in alike.values():
            if len(atoms) < _FEW or atoms[0] not in self.position or not self._array(atoms[0]).shape:
                terms += map(self._one, atoms)
                continue
            many = self._slice(sorted(atoms, key=self.position.__getitem__))
            out = eqn.out if len(alike) == 1 else Var((), eqn.out.dtype)
            terms.append(self._append(eqn, out, sum_p, (many,), {"axis": None, "keepdims": False}))
        self._sum(eqn, terms, eqn.out)

    def _together(self, form: _Form) -> None:
        """One equation for all members; for one number, where they are all the same."""
        eqn = form.members[0]
        columns = [self._column(form, i) for i in range(len(form.arguments[0]))]
        form.var = Var(np.broadcast_shapes(*(a.shape for a in columns)), eqn.out.dtype, eqn.out.name)
        if form.arguments[0] is eqn.inputs:
            self._append(eqn, form.var, eqn.primitive, tuple(columns), eqn.params)
        else:
            self._sum(eqn, columns, form.var)

    def _sum(self, eqn: Eqn, terms: Sequence[Atom], out: Var) -> None:
        """Terms added up, those that are written into the program at the end, the last addition giving `out`."""
        total, *rest = sorted(terms, key=lambda atom: isinstance(atom, Literal))
        for i, term in enumerate(rest, start=1):
            into = out if i == len(rest) else Var(np.broadcast_shapes(total.shape, term.shape), out.dtype)
            total = self._append(eqn, into, add, (total, term), {})

    def _append(self, eqn: Eqn, out: Var, primitive: Any, inputs: tuple[Atom, ...], params: Any) -> Var:
        self.eqns.append(replace(eqn, out=out, primitive=primitive, inputs=inputs, params=params))
        return out

    # ----- what is read -----
    def _one(self, atom: Atom) -> Atom:
        """One number, taken out of its array where it is in one."""
        if atom not in self.position and atom not in self.elements:
            return atom
        array = self._array(atom)
        return self._part(array, (self._place(atom),), atom) if array.shape else array

    def _place(self, atom: Atom) -> int:
        """Where the number is in its array."""
        return self.elements[atom][1] if atom in self.elements else self.position[atom]

    def _array(self, atom: Atom) -> Var:
        """The array that the number is in, flat."""
        if atom in self.elements:
            array, _ = self.elements[atom]
            if len(array.shape) == 1:
                return array
            key = array, "flat"
            if key not in self.parts:
                flat = self.parts[key] = Var((math.prod(array.shape),), array.dtype, array.name)
                params = {"shape": flat.shape}
                self.eqns.append(Eqn(flat, reshape_p, (array,), params, phase=self.phase))
            return self.parts[key]
        var = self.forms[self.number[atom]].var
        assert var is not None
        return var

    def _part(self, array: Var, index: tuple[Any, ...], like: Atom, *arrays: Var) -> Var:
        key = array, setting_key(index), *arrays
        if key not in self.parts:
            shape, dtype = getitem_p.shape(*map(spec, (array, *arrays)), index=index)
            out = Var(tuple(shape), dtype, like.name if not shape else "")
            self.eqns.append(Eqn(out, getitem_p, (array, *arrays), {"index": index}, phase=self.phase))
            self.parts[key] = out
        return self.parts[key]

    def _column(self, form: _Form, slot: int) -> Atom:
        """What the members have as an argument, as one atom."""
        atoms = [arguments[slot] for arguments in form.arguments]
        first = atoms[0]
        if isinstance(first, Literal):
            return self._numbers(form, atoms)
        shared = all(a is first for a in atoms) or (first in self.elements and len(set(map(self._place, atoms))) == 1)
        return self._one(first) if shared else self._slice(atoms)

    def _numbers(self, form: _Form, literals: Sequence[Any]) -> Atom:
        first = literals[0]
        if all(a.key() == first.key() for a in literals):
            return first  # type: ignore[no-any-return]
        dtype = first.dtype
        if first.weak:  # a Python number takes the dtype of what it meets
            others = [a for a in form.members[0].inputs if not a.weak]
            dtype = np.result_type(*(a.dtype for a in others), first.value)
        return self._constant(np.array([a.value for a in literals], dtype), "numbers")

    def _constant(self, values: Any, name: str) -> Var:
        """An array written into the program, once."""
        key = name, values.dtype, values.tobytes()
        if key not in self.parts:
            var = self.parts[key] = Var(values.shape, values.dtype, name)
            self.constants[var] = values
        return self.parts[key]

    def _slice(self, atoms: Sequence[Atom]) -> Var:
        """Results of one form as one array: all of them, every so-maniest, or those that an index says."""
        array, places = self._array(atoms[0]), list(map(self._place, atoms))
        if not array.shape:
            return array
        count, start, step = len(places), places[0], places[1] - places[0]
        if not step or any(b - a != step for a, b in pairwise(places)):
            return self._part(array, (ARRAY,), atoms[0], self._constant(np.array(places), "places"))
        if (start, step, count) == (0, 1, array.shape[0]):
            return array
        stop = start + step * count
        return self._part(array, (slice(start, None if stop < 0 else stop, step),), atoms[0])


def _elements(graph: Graph) -> dict[Atom, tuple[Var, int]]:
    """Numbers that are elements of arrays, taken out one by one or from slices: the array, and where in it they are."""
    seen: dict[Atom, tuple[Var, Any]] = {}  # views of arrays: the array, and which elements they show
    elements: dict[Atom, tuple[Var, int]] = {}
    for eqn in graph.eqns:
        if eqn.primitive is getitem_p and len(eqn.inputs) == 1 and isinstance(eqn.inputs[0], Var):
            source = eqn.inputs[0]
            if source not in seen:
                seen[source] = source, np.arange(math.prod(source.shape)).reshape(source.shape)
            array, places = seen[source]
            shown = np.asarray(places[eqn.params["index"]])
            if shown.ndim:
                seen[eqn.out] = array, shown
            else:
                elements[eqn.out] = array, int(shown)
    return elements


def _inner_sums(graph: Graph) -> dict[Atom, Eqn]:
    """Sums of numbers that are nothing but terms of one other sum."""
    uses: dict[Atom, int] = dict.fromkeys(graph.outputs, 2)
    sums: list[Eqn] = []
    added: set[Atom] = set()
    for eqn in graph.eqns:
        for atom in eqn.inputs:
            uses[atom] = uses.get(atom, 0) + 1
        if eqn.primitive is add and _is_scalar(eqn):
            dtype = eqn.out.dtype
            if all(a.dtype == dtype or isinstance(a, Literal) for a in eqn.inputs):
                sums.append(eqn)
                added.update(eqn.inputs)
    return {eqn.out: eqn for eqn in sums if eqn.out in added and uses[eqn.out] == 1}


def _terms(eqn: Eqn, inner: dict[Atom, Eqn]) -> tuple[Atom, ...]:
    """What the sum adds up, from left to right."""
    terms: list[Atom] = []
    rest: list[Atom] = list(reversed(eqn.inputs))
    while rest:
        atom = rest.pop()
        if atom in inner:
            rest += reversed(inner[atom].inputs)
        else:
            terms.append(atom)
    return tuple(terms)
