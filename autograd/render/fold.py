"""Folding: turning a graph that is too large to read into one that says what it left out.

Every step takes and returns a `Diagram` and adds a note to it; the picture shows the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Integral

from ..core.errors import ArgumentError, RenderError
from .model import CONSTANT, FOLDED, OPERATION, PARAMETER, Diagram, Node, scope_path
from .repeat import fold_repeats

Collapse = str | Iterable[str] | Callable[[str], bool] | None

REPEATS = "repeats"
_COLLAPSE = "write 'parameters', 'constants', 'repeats' or the path of a scope"
LARGEST = 4000  # nodes that Graphviz lays out in some seconds; beyond that time grows with the square
MOST_CROSSINGS = 1000  # of edges over ranks, each of which Graphviz places like a node
CHAIN_ENDS = 3  # operations left visible at each end of a folded chain
CHAIN = 4  # operations in the middle that are worth folding


def fold(
    diagram: Diagram, *, depth: int | None = None, collapse: Collapse = None, max_nodes: int | None = 300
) -> Diagram:
    """Fold what was asked for, then whatever it takes to stay within `max_nodes`.

    Args:
        diagram: as it comes from a walk, without edges.
        depth: how many levels of scopes to open; 0 draws every outermost scope as one node, None opens all.
        collapse: "parameters" or "constants" to write them into the operations that use them, "repeats" to draw
            repeated blocks once, the path of a scope to draw it as one node, several of these, or a function that is
            given a path and says whether to fold it.
        max_nodes: the most nodes to draw; None draws all.

    Raises:
        RenderError: more nodes than Graphviz can lay out, and folding was switched off.
        ArgumentError: `collapse` names what the graph does not have, or a number is negative.
    """
    for name, count in (("depth", depth), ("max_nodes", max_nodes)):
        if not (count is None or isinstance(count, Integral)):
            raise ArgumentError(f"{name}={count!r} is no whole number; write {name}=1 or more, or None for all")
    if depth is not None and depth < 0:
        raise ArgumentError(f"depth={depth} is negative; write depth=0 to draw every outermost scope as one node")
    if max_nodes is not None and max_nodes < 1:
        raise ArgumentError(f"max_nodes={max_nodes} leaves nothing to draw; write max_nodes=1 or more, or None for all")
    total = len(diagram.nodes)
    if collapse is not None:
        diagram = _collapse(diagram, collapse)
    if depth is not None:
        diagram = _to_depth(diagram, depth)
    refuse(len(diagram.nodes), max_nodes)
    limit = LARGEST if max_nodes is None else max_nodes
    if len(diagram.nodes) > limit:
        diagram = _fit(diagram, limit)
        diagram.notes.append(f"{total:,} nodes in all; max_nodes={limit}")
    return _shorten(diagram)


def refuse(count: int, max_nodes: int | None) -> None:
    """Raise `RenderError` where so many nodes are to be drawn that nobody would wait for the picture."""
    if count > LARGEST and (max_nodes is None or max_nodes > LARGEST):
        raise RenderError(
            f"the graph has {count:,} nodes; Graphviz lays out {LARGEST:,} in seconds and more in minutes or never. "
            "Leave max_nodes at its default to fold what does not fit, write depth=0 or depth=1 to fold scopes, "
            "or draw a tensor nearer to the inputs"
        )


def _fit(diagram: Diagram, limit: int) -> Diagram:
    diagram = fold_repeats(diagram)
    if len(diagram.nodes) <= limit:
        return diagram
    levels = max((node.scope.count("/") + 1 for node in diagram.nodes if node.scope), default=0)
    for depth in range(levels - 1, -1, -1):
        diagram = _to_depth(diagram, depth)
        if len(diagram.nodes) <= limit:
            return diagram
    diagram = _chains(diagram)
    return diagram if len(diagram.nodes) <= limit else _nearest(diagram, limit)


def _collapse(diagram: Diagram, collapse: Collapse) -> Diagram:
    if callable(collapse):
        return _scopes(diagram, collapse)
    if not isinstance(collapse, Iterable):
        raise ArgumentError(f"collapse={collapse!r} is no name and no function; {_COLLAPSE}")
    names = [scope_path(name) for name in ([collapse] if isinstance(collapse, str) else collapse)]
    paths = {path for node in diagram.nodes for path in _paths(node.scope)}
    kinds = {"parameters": PARAMETER, "constants": CONSTANT}
    for name in names:
        if name not in kinds and name not in paths and name != REPEATS:
            known = ", ".join(repr(path) for path in sorted(paths)[:10]) or "none"
            raise ArgumentError(f"collapse={name!r} is no scope of this graph (it has {known}); {_COLLAPSE}")
    wanted = {kinds[name] for name in names if name in kinds}
    if wanted:
        diagram = _inline(diagram, wanted)
    folded = {name for name in names if name not in kinds and name != REPEATS}
    diagram = _scopes(diagram, folded.__contains__) if folded else diagram
    return fold_repeats(diagram) if REPEATS in names else diagram


def _paths(scope: str) -> list[str]:
    """A scope's path and the paths of all around it, outermost first."""
    parts = scope.split("/") if scope else []
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _inline(diagram: Diagram, kinds: set[str]) -> Diagram:
    """Write leaves of these kinds into the operations that use them."""
    for node in diagram.nodes:
        operands: list[Node | str] = []
        for operand in node.operands:
            if isinstance(operand, Node) and operand.kind in kinds and not operand.output:
                name = operand.name or operand.kind
                line = f"{name} {operand.shape}"
                if line not in node.notes:
                    node.notes.append(line)
                operands.append(name)
            else:
                operands.append(operand)
        node.operands = tuple(operands)
    diagram.nodes = [node for node in diagram.nodes if node.kind not in kinds or node.output]
    return diagram


def _to_depth(diagram: Diagram, depth: int) -> Diagram:
    return _scopes(diagram, lambda path: path.count("/") >= depth)


def _scopes(diagram: Diagram, wanted: Callable[[str], bool]) -> Diagram:
    """Draw every outermost scope that is wanted as one node."""
    members: dict[str, list[Node]] = {}
    for node in diagram.nodes:
        path = next((path for path in _paths(node.scope) if wanted(path)), None)
        if path is not None:
            members.setdefault(path, []).append(node)
    groups = {path: nodes for path, nodes in members.items() if len(nodes) > 1}
    if not groups:
        return diagram
    diagram = _merge(
        diagram, [(path.rpartition("/")[2], path.rpartition("/")[0], nodes) for path, nodes in groups.items()]
    )
    names = ", ".join(list(groups)[:4]) + (", …" if len(groups) > 4 else "")
    diagram.notes.append(f"Folded: {names}")
    return diagram


def _chains(diagram: Diagram) -> Diagram:
    """Draw the middle of long runs of operations, each the only user of the one before, as one node."""
    users = _users(diagram)
    before: dict[Node, Node] = {}
    for node in diagram.nodes:
        operations = {operand for operand in node.inputs if operand.kind in (OPERATION, FOLDED)}
        if node.kind in (OPERATION, FOLDED) and len(operations) == 1:
            only = operations.pop()
            if users[only] == [node] and only.scope == node.scope and not only.output:
                before[node] = only
    after = {first: second for second, first in before.items()}
    groups: list[tuple[str, str, list[Node]]] = []
    for node in diagram.nodes:
        if node in after and node not in before:
            run = [node]
            while run[-1] in after:
                run.append(after[run[-1]])
            middle = run[CHAIN_ENDS : len(run) - CHAIN_ENDS]
            if len(middle) >= CHAIN:
                inside = set(middle)
                leaves = dict.fromkeys(
                    operand for link in middle for operand in link.inputs if operand.kind in (PARAMETER, CONSTANT)
                )
                words = _chain_words([link.formula for link in middle])
                groups.append((words, node.scope, [leaf for leaf in leaves if inside.issuperset(users[leaf])] + middle))
    if groups:
        diagram = _merge(diagram, groups)
        count = sum(len(members) for _, _, members in groups)
        diagram.notes.append(f"Folded: {count:,} nodes in {len(groups):,} long chain{'s' if len(groups) > 1 else ''}")
    return diagram


def _chain_words(formulas: list[str]) -> str:
    """What a chain consists of: its period and how often it comes, or how it begins."""
    for period in range(1, 4):
        if formulas == (formulas[:period] * len(formulas))[: len(formulas)]:
            times = len(formulas) / period
            return (
                f"{', '.join(formulas[:period])}  ×{times:,.0f}"
                if times.is_integer()
                else (f"{', '.join(formulas[:period])}, ...")
            )
    return ", ".join(formulas[:3]) + ", ..."


def _nearest(diagram: Diagram, limit: int) -> Diagram:
    """Keep the nodes nearest to the outputs."""
    distance = {node: 0 for node in diagram.nodes if node.output} or {diagram.nodes[-1]: 0}
    queue = list(distance)
    for node in queue:
        for operand in node.inputs:
            if operand not in distance:
                distance[operand] = distance[node] + 1
                queue.append(operand)
    kept = set(queue[:limit])  # what no output was computed from goes first
    cut = len(diagram.nodes) - len(kept)
    for node in kept:
        node.operands = tuple(
            operand if isinstance(operand, str) or operand in kept else "…" for operand in node.operands
        )
    diagram.nodes = [node for node in diagram.nodes if node in kept]
    diagram.notes.append(f"Not drawn: the {cut:,} nodes farthest from the output")
    return diagram


def _shorten(diagram: Diagram) -> Diagram:
    """Replace the longest edges by names, where together they cross so many ranks that layout would take minutes."""
    rank: dict[Node, int] = {}
    for node in diagram.nodes:
        rank[node] = 1 + max((rank.get(operand, 0) for operand in node.inputs), default=-1)
    for node, users in _users(diagram).items():
        if users and not node.inputs:  # Graphviz moves a leaf down to its first user
            rank[node] = min(rank[user] for user in users) - 1
    spans = sorted(rank[node] - rank[operand] for node in diagram.nodes for operand in node.inputs)
    total, longest = 0, None
    for span in spans:
        total += abs(span) - 1
        if total > MOST_CROSSINGS:
            longest = span
            break
    if longest is None:
        return diagram
    cut = 0
    for node in diagram.nodes:
        operands: list[Node | str] = []
        for operand in node.operands:
            if isinstance(operand, Node) and rank[node] - rank[operand] >= longest > 1:
                cut += 1
                name = operand.name or f"#{operand.id[1:]}"
                if not operand.name and name not in operand.notes:
                    operand.notes.append(name)
                operands.append(name)
            else:
                operands.append(operand)
        node.operands = tuple(operands)
    diagram.notes.append(f"Named instead of drawn: {cut:,} edges that would run past {longest:,} rows of nodes or more")
    return diagram


def _users(diagram: Diagram) -> dict[Node, list[Node]]:
    users: dict[Node, list[Node]] = {node: [] for node in diagram.nodes}
    for node in diagram.nodes:
        for operand in dict.fromkeys(node.inputs):
            users[operand].append(node)
    return users


def _merge(diagram: Diagram, groups: list[tuple[str, str, list[Node]]]) -> Diagram:
    """Replace each group (label, scope, members) by one node that has the value of its last member."""
    became: dict[Node, Node] = {}
    for label, scope, members in groups:
        last = members[-1]
        count = sum(member.count for member in members)
        parameters = sum(member.kind == PARAMETER for member in members)
        words = f"{count - parameters:,} operations" + (f", {parameters:,} parameters" if parameters else "")
        node = Node(
            last.id,
            FOLDED,
            label,
            last.name,
            last.shape,
            last.dtype,
            "",
            scope,
            (),
            last.thing,
            any(member.output for member in members),
            [words],
            count,
        )
        phases = {member.phase for member in members if member.kind in (OPERATION, FOLDED)}
        node.phase = phases.pop() if len(phases) == 1 else ""
        node.labels = tuple(label for member in members for label in member.labels)
        if len(node.labels) > 1:  # no one of them is the value of all
            node.name, node.shape = "", None
        became.update(dict.fromkeys(members, node))
    nodes: list[Node] = []
    gathered: dict[Node, dict[Node, None]] = {}
    for node in diagram.nodes:
        home = became.get(node, node)
        operands = tuple(
            became.get(operand, operand) if isinstance(operand, Node) else operand for operand in node.operands
        )
        if home is node:
            node.operands = operands
            nodes.append(node)
        else:
            inside = gathered.setdefault(home, {})
            inside.update((operand, None) for operand in operands if isinstance(operand, Node) and operand is not home)
            if node.id == home.id:
                nodes.append(home)
    for home, inputs in gathered.items():
        home.operands = tuple(inputs)
    diagram.nodes = nodes
    return diagram
