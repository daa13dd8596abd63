"""Repeated blocks: of scopes that stand in a row and do the same, one is drawn and the others are counted.

Two scopes do the same where their nodes are alike one by one: kind, operation, params, shape, dtype, and which of
each other's results they take. A row may also repeat in turns (`Dense_1`, `Tanh_1`, `Dense_2`, `Tanh_2`, ...).
"""

from __future__ import annotations

import re
from collections.abc import Hashable

from ..core.primitive import Box
from .model import Diagram, Node

LEAST = 3  # times that a block occurs before it is folded
LONGEST = 16  # scopes that take turns
Block = tuple[str, list[Node]]  # a scope's path and what stands in it, in the order of the walk


def fold_repeats(diagram: Diagram) -> Diagram:
    """Draw each repeated block once, outermost scopes first, with "×12" beside its name."""
    depth = 1
    while any(node.scope.count("/") + 1 >= depth for node in diagram.nodes if node.scope):
        for row in _rows(diagram, depth):
            diagram = _fold_row(diagram, row)
        depth += 1
    return diagram


def _rows(diagram: Diagram, depth: int) -> list[list[Block]]:
    """The scopes of one depth, each with its siblings in the order in which they are first met."""
    rows: dict[str, dict[str, list[Node]]] = {}
    for node in diagram.nodes:
        parts = node.scope.split("/") if node.scope else []
        if len(parts) >= depth:
            path = "/".join(parts[:depth])
            rows.setdefault("/".join(parts[: depth - 1]), {}).setdefault(path, []).append(node)
    return [list(row.items()) for row in rows.values() if len(row) >= LEAST]


def _fold_row(diagram: Diagram, row: list[Block]) -> Diagram:
    likeness = [_likeness(path, nodes) for path, nodes in row]
    start = 0
    while start < len(row):
        turns, times = max(
            ((turns, _times(likeness, start, turns)) for turns in range(1, LONGEST + 1)),
            key=lambda found: (found[0] * found[1] if found[1] >= LEAST else 0, -found[0]),
        )
        if times < LEAST:
            start += 1
            continue
        diagram = _fold_run(diagram, row[start : start + turns * times], turns, times)
        start += turns * times
    return diagram


def _times(likeness: list[Hashable], start: int, turns: int) -> int:
    """How often the next so many blocks come again and again from here on."""
    first, times = likeness[start : start + turns], 1
    while likeness[start + turns * times : start + turns * (times + 1)] == first:
        times += 1
    return times if len(first) == turns else 0


def _likeness(path: str, nodes: list[Node]) -> Hashable:
    """Equal for scopes that do the same; their names may differ in their numbers."""
    place = {node: index for index, node in enumerate(nodes)}
    facts = tuple(
        (
            node.kind,
            node.symbol,
            node.params,
            node.shape,
            node.dtype,
            node.phase,
            node.scope[len(path) :],
            node.mark,
            tuple(_told(operand) if isinstance(operand, str) else place.get(operand, -1) for operand in node.operands),
        )
        for node in nodes
    )
    return re.sub(r"\d+", "#", path), facts


def _told(operand: str) -> str:
    """What an operand that is written inside says: a number says itself, the name of a parameter differs by block."""
    return operand if re.match(r"[-+.\d]", operand) else re.sub(r"\d+", "#", operand)


def _stem(path: str) -> str:
    """The path without the number at its end."""
    return re.sub(r"(?<=[^/])[_.]?\d+$", "", path)


def _fold_run(diagram: Diagram, run: list[Block], turns: int, times: int) -> Diagram:
    """Keep the first turn, and let it stand for the others too."""
    became: dict[Node, Node] = {}
    for index, (_, nodes) in enumerate(run[turns:]):
        became.update(zip(nodes, run[index % turns][1], strict=True))
    gone = set(became)
    only = _fed_only(diagram, gone)
    kept = [node for node in diagram.nodes if node not in gone and node not in only]
    for node in kept:
        node.operands = tuple(
            became.get(operand, operand) if isinstance(operand, Node) else operand for operand in node.operands
        )
    for node, stand_in in became.items():
        stand_in.output |= node.output
        stand_in.labels = (*stand_in.labels, *node.labels)
    taken = {node.scope for node in kept}
    for path, nodes in run[:turns]:
        marked = f"{_stem(path)} ×{times}"
        if any(scope == marked or scope.startswith(f"{marked}/") for scope in taken):
            marked = f"{path} ×{times}"  # two rows of blocks of the same name
        for node in nodes:
            node.scope = marked + node.scope[len(path) :]
    diagram.nodes = kept
    first, last = run[0][0], run[-1][0].rpartition("/")[2]
    numbers = "; the numbers are those of the first" if any(isinstance(node.thing, Box) for node in gone) else ""
    diagram.notes.append(f"Drawn once: {first} to {last}, {times} alike{numbers}")
    return diagram


def _fed_only(diagram: Diagram, gone: set[Node]) -> set[Node]:
    """Leaves outside that nothing else uses."""
    used = {operand for node in diagram.nodes if node not in gone for operand in node.inputs}
    taken = {operand for node in gone for operand in node.inputs} - gone
    return {node for node in taken if node not in used and not node.inputs and not node.output}
