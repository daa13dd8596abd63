"""One walk over a recorded computation, giving the nodes, edges and groups that every picture is drawn from.

`from_tape` reads the tape behind eager Tensors. Whatever else can be drawn brings a walk of its own that returns the
same `Diagram`; folding, colours, DOT text and pages never look behind it.
"""

from __future__ import annotations

import linecache
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.errors import GraphError, RenderError
from ..core.primitive import Box, Primitive
from ..core.source_location import at, called
from ..ir.graph import Eqn, Literal
from .derivative import Recorded, Symbol, contribution, kept_gradient, local_derivative
from .summary import Summary, number, summarise

INPUT, PARAMETER, CONSTANT, STATE = "input", "parameter", "constant", "state"
OPERATION, OUTPUT, FOLDED = "operation", "output", "folded"
_DISPLAY = {"*": "×", "-": "−", "/": "÷"}  # how a Primitive's symbol looks in print


@dataclass(slots=True, eq=False)
class Node:
    """A value: `kind` one of the constants above, `symbol` the operation as written, `operands` what it was given
    (a Node, or the text of a number that is shown inside), `thing` what it stands for, `notes` lines below.

    In a graph program also: `phase` of the step, `alias` its name in the listing and `listing` its line there, `labels`
    what becomes of an output, `mark` what a pass did to it. `room`: widths and heights to keep free below the words."""

    id: str
    kind: str
    symbol: str = ""
    name: str = ""
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    params: str = ""
    scope: str = ""
    operands: tuple[Node | str, ...] = ()
    thing: Any = None
    output: bool = False
    notes: list[str] = field(default_factory=list)
    count: int = 1
    value: Summary | None = None
    grad: Summary | None = None
    phase: str = ""
    alias: str = ""
    listing: str = ""
    labels: tuple[str, ...] = ()
    mark: str = ""
    room: tuple[tuple[int, int], ...] = ()

    @property
    def inputs(self) -> list[Node]:
        """The operands that are nodes of their own."""
        return [operand for operand in self.operands if isinstance(operand, Node)]

    @property
    def formula(self) -> str:
        """The operation with the numbers it was given, and a dot for every operand that an edge leads to."""
        symbol, operands = _DISPLAY.get(self.symbol, self.symbol), self.operands
        if all(isinstance(operand, Node) for operand in operands):
            return symbol
        words = [operand if isinstance(operand, str) else "·" for operand in operands]
        if len(words) == 2 and not self.symbol.isidentifier():
            return f"{words[0]} {symbol} {words[1]}"
        return f"{symbol}({', '.join(words)})"

    @property
    def source(self) -> str:
        """The user's line that made this value: file, line number and text as far as the file can be read."""
        site = getattr(self.thing, "site", None)
        if site is None:
            return ""
        name, line = site
        return f"{os.path.basename(name)}:{line}  {linecache.getline(name, line).strip()}".rstrip()


@dataclass(slots=True, eq=False)
class Edge:
    """Data flowing from `tail` into `head` as its argument number `position` (-1: several at once).

    `derivative` is the text of the vjp rule and `flow` the size of the gradient coming back, 0 to 1 of the largest."""

    id: str
    tail: Node
    head: Node
    position: int
    derivative: str = ""
    flow: float | None = None


@dataclass(slots=True, eq=False)
class Group:
    """The nodes of one scope, in walk order, and the groups inside it."""

    id: str
    path: str
    nodes: list[Node] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The last part of the path: what the scope was called."""
        return self.path.rpartition("/")[2]


@dataclass(slots=True, eq=False)
class Diagram:
    """Everything a picture shows; nodes stand after the nodes they were computed from, `notes` say what was folded,
    `legend` names the phases that have colours of their own."""

    title: str
    nodes: list[Node]
    edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    legend: tuple[str, ...] = ()

    def group(self) -> Group:
        """The nodes as a tree of their scopes."""
        root = Group("", "")
        known: dict[str, Group] = {"": root}
        for node in self.nodes:
            parts, parent = node.scope.split("/") if node.scope else [], root
            for depth in range(1, len(parts) + 1):
                path = "/".join(parts[:depth])
                if path not in known:
                    known[path] = Group(f"g{len(known)}", path)
                    parent.groups.append(known[path])
                parent = known[path]
            parent.nodes.append(node)
        return root


def scope_path(scope: object) -> str:
    """A scope as pictures nest it: as with the paths of files, empty parts say nothing.

    >>> scope_path("a//b/"), scope_path("/")
    ('a/b', '')
    """
    return "/".join(part for part in str(scope).split("/") if part)


def from_tape(outputs: Sequence[Any]) -> Diagram:
    """The diagram of everything that eager Tensors were computed from: nodes only, in a reproducible order.

    Numbers become part of the operation that uses them. Leaves that want a gradient are parameters, and belong to the
    scope that uses them. Iterative, because a tape can be a million operations deep.

    Raises:
        GraphError: an output is a result of which nothing was recorded.
        RenderError: its graph was freed by a backward pass.
    """
    for output in outputs:
        _refuse_unrecorded(output)
    nodes: dict[int, Node] = {}
    stack: list[tuple[Any, bool]] = [(output, False) for output in reversed(outputs)]
    while stack:
        thing, ready = stack.pop()
        if id(thing) in nodes:
            continue
        creator = getattr(thing, "creator", None)
        if creator is None:
            nodes[id(thing)] = _leaf(thing, f"n{len(nodes)}")
        elif ready:
            nodes[id(thing)] = _operation(thing, f"n{len(nodes)}", nodes)
        else:
            stack.append((thing, True))
            stack.extend((operand, False) for operand in reversed(thing.inputs or ()) if not _is_number(operand))
    for output in outputs:
        nodes[id(output)].output = True
        if getattr(output, "inputs", ()) is None:
            raise RenderError(
                f"the graph of {output.name or 'this tensor'} was freed by the backward pass at "
                f"{at(output.freed_at)}; run backward inside `with autograd.keep_grads():`, which "
                "keeps the graph and all gradients, or draw before it"
            )
    found = list(nodes.values())
    adopt_leaves(found)
    names = ", ".join(output.name for output in outputs if getattr(output, "name", None))
    return Diagram(f"Computation graph of {names}" if names else "Computation graph", found)


def _refuse_unrecorded(output: Any) -> None:
    """A result that no gradient flows back from is a lone number on the tape; its picture would be a single node."""
    if output.creator is not None or output.requires_grad or not getattr(output, "computed", False):
        return
    if output.site is not None:
        raise GraphError(
            f"nothing was recorded of {called(output)}, computed at {at(output.site)}: it was made under no_grad(), by "
            "an operation without a gradient, or of inputs none of which requires one. Make an input with "
            "Tensor(..., requires_grad=True) and draw what is computed from it outside of no_grad(), or draw the program: "
            "draw(autograd.trace(function, x))"
        )
    raise GraphError(
        f"{called(output)} is what a compiled function or a transformation returned: numbers, without the operations "
        "that led to them. Draw the compiled function, draw(step), or the program of any function, "
        "draw(autograd.trace(function, x)); inside `with autograd.disable_compile():` a compiled function returns "
        "results that can be drawn with their numbers"
    )


def count(outputs: Sequence[Any]) -> int:
    """How many nodes `from_tape` would return, found much sooner."""
    seen: set[int] = set()
    stack = list(outputs)
    while stack:
        thing = stack.pop()
        if id(thing) not in seen:
            seen.add(id(thing))
            stack.extend(operand for operand in getattr(thing, "inputs", None) or () if not _is_number(operand))
    return len(seen)


def _is_number(operand: Any) -> bool:
    return type(operand) in (float, int) or (not isinstance(operand, Box) and np.ndim(operand) == 0)


def _leaf(thing: Any, id: str) -> Node:
    boxed = isinstance(thing, Box)
    kind = PARAMETER if boxed and thing.requires_grad else INPUT if boxed else CONSTANT
    array = thing if boxed else np.asarray(thing)
    return Node(id, kind, "", getattr(thing, "name", None) or "", tuple(array.shape), array.dtype.name, thing=thing)


def _operation(thing: Any, id: str, nodes: dict[int, Node]) -> Node:
    freed = thing.inputs is None
    operands = tuple(number(operand) if _is_number(operand) else nodes[id_(operand)] for operand in thing.inputs or ())
    return Node(
        id,
        OPERATION,
        thing.creator.symbol,
        thing.name or "",
        tuple(thing.shape),
        thing.dtype.name,
        "" if freed else params_text(thing.params),
        scope_path(thing.scope),
        operands,
        thing,
        notes=["inputs freed by backward"] if freed else [],
    )


id_ = id  # the built-in, where a parameter is called id


def params_text(params: dict[str, Any]) -> str:
    """The params of an operation as they would be written, leaving out those that say None or False.

    >>> params_text({"axis": 0, "keepdims": False})
    'axis=0'
    """
    words = []
    for name, setting in params.items():
        if setting is None or setting is False:
            continue
        words.append(f"{name}={_setting(setting)}")
    text = ", ".join(words)
    return text if len(text) <= 40 else text[:39] + "…"


def _setting(setting: Any) -> str:
    if isinstance(setting, np.ndarray):
        return f"array{setting.shape}" if setting.size > 4 else str(setting.tolist())
    if isinstance(setting, (tuple, list)):
        inside = ", ".join(_setting(part) for part in setting[:8]) + (", …" if len(setting) > 8 else "")
        return f"({inside}{',' if len(setting) == 1 else ''})"
    if isinstance(setting, slice):
        start, stop, step = ("" if part is None else str(part) for part in (setting.start, setting.stop, setting.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if setting is Ellipsis:
        return "..."
    if isinstance(setting, type):
        return setting.__name__
    return str(setting)


def adopt_leaves(nodes: Iterable[Node], outer: str = "") -> None:
    """Parameters, states and constants belong where they are used: to the scope that all their users share, inside
    the outer one."""
    shared: dict[Node, list[str]] = {}
    for node in nodes:
        for operand in node.inputs:
            if operand.kind in (PARAMETER, CONSTANT, STATE):
                parts = node.scope.split("/") if node.scope else []
                before = shared.setdefault(operand, parts)
                same = 0
                while same < min(len(before), len(parts)) and before[same] == parts[same]:
                    same += 1
                shared[operand] = before[:same]
    for leaf, parts in shared.items():
        leaf.scope = "/".join(parts) or outer


def connect(diagram: Diagram) -> None:
    """Add the edges that the operands of the nodes mean."""
    for head in diagram.nodes:
        for position, tail in enumerate(head.operands):
            if isinstance(tail, Node):
                place = -1 if head.kind == FOLDED else position
                diagram.edges.append(Edge(f"e{len(diagram.edges)}", tail, head, place))


def describe(diagram: Diagram, *, values: bool = True, grads: bool = True, derivatives: bool = False) -> None:
    """Fill in what is asked for: summaries of values and gradients, and the local derivatives and flow on the edges.

    A value that is only being traced and an equation have no numbers, and a tensor that kept no gradient shows none.
    """
    for node in diagram.nodes:
        if not isinstance(node.thing, (Box, np.ndarray)) or getattr(node.thing, "traced", False):
            continue
        if values:
            node.value = summarise(getattr(node.thing, "value", node.thing))
        gradient = kept_gradient(node.thing)
        if grads and gradient is not None:
            node.grad = summarise(gradient)
    names = {node.name or node.alias for node in diagram.nodes}
    for edge in diagram.edges:
        if derivatives and _carries_gradient(edge):
            edge.derivative = local_derivative(edge.head.thing, edge.position, names)
        elif derivatives and isinstance(edge.head.thing, Eqn) and edge.position >= 0 and _is_forward(edge.head):
            edge.derivative = local_derivative(_recorded(edge.head), edge.position, names)
    if grads:
        _flows(diagram)


def _carries_gradient(edge: Edge) -> bool:
    """Whether the edge is one argument of one operation, and a gradient is wanted there."""
    one = edge.position >= 0 and isinstance(getattr(edge.head.thing, "creator", None), Primitive)
    return one and getattr(edge.tail.thing, "requires_grad", False)


def _is_forward(node: Node) -> bool:
    return node.phase in ("", "forward") and node.dtype.startswith("float")


def _recorded(node: Node) -> Recorded:
    """An equation as what a derivative is taken of, under the names that the picture shows."""
    eqn: Eqn = node.thing
    inputs = tuple(
        Symbol(operand.name or operand.alias, (atom.shape, atom.dtype))
        if isinstance(operand, Node)
        else atom.value
        if isinstance(atom, Literal)
        else Symbol(operand, (atom.shape, atom.dtype))
        for operand, atom in zip(node.operands, eqn.inputs, strict=True)
    )
    return Recorded(eqn.primitive, inputs, eqn.params, eqn.out.shape, eqn.out.dtype, node.name or node.alias)


def _flows(diagram: Diagram) -> None:
    """Measure what comes back along each edge whose head kept its gradient, on a logarithmic scale of three decades."""
    sizes: dict[Edge, float] = {}
    for edge in diagram.edges:
        if _carries_gradient(edge) and not edge.head.thing.traced:
            size = contribution(edge.head.thing, edge.position)
            if size is not None and np.isfinite(size):
                sizes[edge] = size
    largest = max(sizes.values(), default=0.0)
    for edge, size in sizes.items():
        edge.flow = max(0.0, 1 + np.log10(size / largest) / 3) if size > 0 else 0.0
