"""An immutable program in A-normal form: every equation names its result, every name is defined once and before use."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.errors import GraphError
from ..core.primitive import Primitive, Spec

Site = tuple[str, int]


class Var:
    """A named value of known shape and dtype; two Vars are equal only if they are the same object.

    `weak` marks a Python number: NumPy lets it take the dtype of what it meets.
    """

    __slots__ = ("dtype", "name", "shape", "weak")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "", weak: bool = False) -> None:
        self.shape, self.dtype, self.name, self.weak = shape, dtype, name, weak

    def like(self, name: str = "") -> Var:
        """A new Var of the same shape, dtype and weakness."""
        return Var(self.shape, self.dtype, name or self.name, self.weak)

    def __repr__(self) -> str:
        return f"{self.name or 'v'}: {type_text(self)}"


class Literal:
    """A number written into the program: a Python number (weak) or a NumPy scalar."""

    __slots__ = ("dtype", "value", "weak")
    shape: tuple[int, ...] = ()
    name = ""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.weak = not isinstance(value, np.generic)
        whole = isinstance(value, int) and not isinstance(value, bool)  # (Python's are of any size)
        self.dtype = np.dtype(int) if whole else np.asarray(value).dtype

    def key(self) -> tuple[Any, ...]:
        """Equal for literals that mean the same; distinguishes 0.0 from -0.0 and 1 from 1.0 and True."""
        return "literal", type(self.value), repr(self.value)

    def __repr__(self) -> str:
        return repr(self.value) if self.weak else f"{self.dtype}({self.value.item()!r})"


Atom = Var | Literal


@dataclass(frozen=True, slots=True, eq=False)
class Eqn:
    """out = primitive(*inputs, **params), with where it came from: user's line, nn scope, phase of the step."""

    out: Var
    primitive: Primitive
    inputs: tuple[Atom, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    site: Site | None = None
    scope: str = ""
    phase: str = "forward"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A program: inputs, arrays it refers to, equations, outputs.

    `labels` says what each output is: "return", or the name of the tensor that it becomes the new value or gradient of.
    """

    name: str
    inputs: tuple[Var, ...]
    constants: Mapping[Var, Any]
    eqns: tuple[Eqn, ...]
    outputs: tuple[Atom, ...]
    labels: tuple[str, ...]

    def __repr__(self) -> str:
        from .printer import text

        return text(self)

    def draw(self, path: str | None = None, **options: Any) -> Any:
        """A picture of the program; the options are those of `autograd.draw`."""
        from ..render import draw

        return draw(self, path, **options)

    def map_eqns(self, function: Callable[[Eqn], Iterable[Eqn]]) -> Graph:
        """The graph with every equation replaced by those that `function` returns."""
        return replace(self, eqns=tuple(new for eqn in self.eqns for new in function(eqn)))


def spec(atom: Atom) -> Spec | type:
    """What shape rules take: (shape, dtype), or the Python type of a weak number."""
    if atom.weak:
        return {"f": float, "b": bool}.get(atom.dtype.kind, int)  # (objects are integers that no dtype holds)
    return atom.shape, atom.dtype


def substitute(eqn: Eqn, known: Mapping[Atom, Atom]) -> Eqn:
    """The equation with its inputs renamed; itself if none is."""
    if not any(atom in known for atom in eqn.inputs):
        return eqn
    return replace(eqn, inputs=tuple(known.get(atom, atom) for atom in eqn.inputs))


def type_text(atom: Atom) -> str:
    """ "f64[4,3]": dtype letter and bits, then the shape."""
    kind = atom.dtype
    short = "bool" if kind.kind == "b" else f"{kind.kind}{kind.itemsize * 8}"
    return f"{short}[{','.join(map(str, atom.shape))}]" + ("~" if atom.weak else "")


def verify(graph: Graph, known: Container[Eqn] = ()) -> Graph:
    """Check that every name is defined once, before its use, with the shape and dtype its equation gives.

    Args:
        known: equations whose shape and dtype were checked before (they never change).

    Raises:
        GraphError: names the equation that is wrong.
    """
    defined: set[Atom] = set()
    for var in (*graph.inputs, *graph.constants):
        if var in defined:
            raise GraphError(f"{graph.name}: the input {var} is listed twice")
        defined.add(var)
    for number, eqn in enumerate(graph.eqns):

        def where(number: int = number, eqn: Eqn = eqn) -> str:
            return f"{graph.name}, equation {number} ({eqn.primitive.name} -> {eqn.out})"

        for atom in eqn.inputs:
            if isinstance(atom, Var) and atom not in defined:
                raise GraphError(f"{where()}: {atom} is used before it is defined")
        if eqn.out in defined:
            raise GraphError(f"{where()}: {eqn.out} is defined twice")
        if eqn not in known:
            shape, dtype = eqn.primitive.shape(*map(spec, eqn.inputs), **eqn.params)
            if tuple(shape) != eqn.out.shape or dtype != eqn.out.dtype:
                raise GraphError(f"{where()}: the equation gives shape {shape} {dtype}")
        defined.add(eqn.out)
    for atom in graph.outputs:
        if isinstance(atom, Var) and atom not in defined:
            raise GraphError(f"{graph.name}: the output {atom} is never defined")
    if len(graph.labels) != len(graph.outputs):
        raise GraphError(f"{graph.name}: {len(graph.outputs)} outputs but {len(graph.labels)} labels")
    return graph
