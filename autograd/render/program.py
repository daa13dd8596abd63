"""The walk over a graph program: one node for each equation, input, constant and state, in the order of the listing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..core.errors import ArgumentError
from ..ir.graph import Atom, Eqn, Graph, Literal, Var
from ..ir.printer import eqn_text, identifier, unique_names
from .model import CONSTANT, INPUT, OPERATION, PARAMETER, STATE, Diagram, Node, adopt_leaves, params_text, scope_path
from .summary import number

LEAST, FEW = 4, 8  # equations that make the update of a parameter a scope, where there are so few parameters
PHASES = ("forward", "backward", "update")
DROPPED, CHANGED = "dropped", "changed"
Stages = Sequence[tuple[str, Graph]]


def from_graph(graph: Graph) -> Diagram:
    """The diagram of a graph program.

    Numbers stand inside the equation that uses them. An input that the program gives a new value is a parameter if the
    program also computes its gradient, else a state. Where there is more than one phase, each is a scope around the
    scopes of its equations. Outputs carry what becomes of them: "return", or the name of what they are assigned to.
    """
    nodes, notes = _walk(graph, "", 0, sum(label == "return" for label in graph.labels) > 1)
    return Diagram(f"Graph of {graph.name}", nodes, notes=notes, legend=_legend(nodes))


def from_stages(stages: Stages) -> Diagram:
    """The diagram of several versions of a program side by side, each a scope, with what each pass drops and changes.

    An equation is dropped if the next version does not have its result, and changed if the version before computes that
    result from other inputs.
    """
    several = any(sum(label == "return" for label in graph.labels) > 1 for _, graph in stages)
    nodes: list[Node] = []
    notes: list[str] = []
    taken: set[str] = set()
    made = [{eqn.out: eqn for eqn in graph.eqns} for _, graph in stages]
    for index, (name, graph) in enumerate(stages):
        heading = f"{name.replace('/', '|')}: {len(graph.eqns)} equations"
        while heading in taken:
            heading += "'"
        taken.add(heading)
        drawn, said = _walk(graph, heading, len(nodes), several)
        for node in drawn:
            if isinstance(node.thing, Eqn):
                node.mark = _mark(
                    node.thing, made[index - 1] if index else None, made[index + 1] if index + 1 < len(made) else None
                )
        nodes += drawn
        notes += [f"{name}: {note}" for note in said]
    names = dict.fromkeys(graph.name for _, graph in stages)
    return Diagram(
        f"{', '.join(names)}: {', '.join(name for name, _ in stages)}", nodes, notes=notes, legend=_legend(nodes)
    )


def count_eqns(stages: Stages) -> int:
    """At most how many nodes the stages become."""
    return sum(len(graph.eqns) + len(graph.inputs) + len(graph.constants) for _, graph in stages)


def stages_of(thing: object) -> Stages | None:
    """The named graphs in what `draw` was given, with one empty name for a single graph; None where there are none."""
    if isinstance(thing, Graph):
        return [("", thing)]
    if isinstance(thing, (list, tuple)) and thing and any(_is_stage(part) for part in thing):
        if not all(_is_stage(part) for part in thing):
            raise ArgumentError(
                "draw was given graphs among other things; to see them side by side write "
                'draw([("before", first_graph), ("after", second_graph)])'
            )
        return [part if isinstance(part, tuple) else (part.name, part) for part in thing]
    graph = None if isinstance(thing, (list, tuple)) else getattr(thing, "graph", None)  # a compiled function has one
    return [("", graph)] if isinstance(graph, Graph) else None


def _is_stage(part: object) -> bool:
    return isinstance(part, Graph) or (
        isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str) and isinstance(part[1], Graph)
    )


def _walk(graph: Graph, outer: str, start: int, several: bool) -> tuple[list[Node], list[str]]:
    names = unique_names(graph)
    used = {atom for eqn in graph.eqns for atom in eqn.inputs} | set(graph.outputs)
    nodes: dict[Atom, Node] = {}
    unused: list[str] = []
    computed = {eqn.out.name for eqn in graph.eqns} | set(graph.labels)
    for var in (*graph.inputs, *graph.constants):
        if var not in used:
            unused.append(var.name or names[var])
            continue
        kind = INPUT
        if var in graph.constants:
            kind = CONSTANT
        elif var.name and f"grad_{var.name}" in computed:
            kind = PARAMETER
        elif var.name in graph.labels:
            kind = STATE
        nodes[var] = Node(
            f"n{start + len(nodes)}",
            kind,
            "",
            _shown(var, names),
            var.shape,
            var.dtype.name,
            alias=names[var],
            scope=outer,
            thing=graph.constants.get(var),
        )
    phased = len({eqn.phase for eqn in graph.eqns}) > 1
    updates = _updates(graph, {node.name for node in nodes.values() if node.kind == PARAMETER}) if phased else {}
    for eqn in graph.eqns:
        scope = scope_path(f"{outer}/{eqn.phase * phased}/{scope_path(eqn.scope) or updates.get(eqn.out, '')}")
        operands = tuple(number(atom.value) if isinstance(atom, Literal) else nodes[atom] for atom in eqn.inputs)
        nodes[eqn.out] = Node(
            f"n{start + len(nodes)}",
            OPERATION,
            eqn.primitive.symbol,
            _shown(eqn.out, names),
            eqn.out.shape,
            eqn.out.dtype.name,
            params_text(dict(eqn.params)),
            scope,
            operands,
            eqn,
            alias=names[eqn.out],
            phase=eqn.phase if phased else "",
            listing=eqn_text(eqn, names),
        )
    adopt_leaves(nodes.values(), outer)
    returned = 0
    for atom, label in zip(graph.outputs, graph.labels, strict=True):
        if isinstance(atom, Literal) and atom not in nodes:
            nodes[atom] = Node(
                f"n{start + len(nodes)}", CONSTANT, "", number(atom.value), (), atom.dtype.name, scope=outer
            )
        returned += label == "return"
        words = (f"output {returned}" if several else "output") if label == "return" else f"{label} ←"
        node = nodes[atom]
        node.output, node.labels = True, (*node.labels, words)
    notes = [f"Not used: {', '.join(unused[:6])}{', …' if len(unused) > 6 else ''}"] if unused else []
    return list(nodes.values()), notes


def _updates(graph: Graph, parameters: set[str]) -> dict[Atom, str]:
    """The parameter that an equation of the update works for, where it is one; in small programs only where there
    are several such equations."""
    reached: dict[Atom, set[str]] = {}
    for atom, label in zip(graph.outputs, graph.labels, strict=True):
        if label in parameters:
            reached.setdefault(atom, set()).add(label)
    found: dict[Atom, str] = {}
    for eqn in reversed(graph.eqns):
        labels = reached.get(eqn.out, set())
        if eqn.phase == "update" and labels:
            if len(labels) == 1:
                found[eqn.out] = min(labels).replace("/", "|")
            for atom in eqn.inputs:
                reached.setdefault(atom, set()).update(labels)
    counts = Counter(found.values())
    return {atom: label for atom, label in found.items() if counts[label] >= LEAST or len(parameters) > FEW}


def _shown(var: Var, names: dict[Var, str]) -> str:
    """The user's name for it, with the number that the listing adds where several share it; "" if it has none."""
    return var.name if identifier(var.name) == names[var] else names[var] if identifier(var.name) else ""


def _mark(eqn: Eqn, before: dict[Var, Eqn] | None, after: dict[Var, Eqn] | None) -> str:
    if after is not None and eqn.out not in after:
        return DROPPED
    if before is not None and (eqn.out not in before or before[eqn.out].inputs != eqn.inputs):
        return CHANGED
    return ""


def _legend(nodes: Sequence[Node]) -> tuple[str, ...]:
    phases = {node.phase for node in nodes}
    return tuple(phase for phase in PHASES if phase in phases)
