"""A diagram as text in the DOT language.

Only what both known engines draw alike is used: HTML-like labels on boxes, one font name, six-digit colours, generated
ids. Everything a user wrote (names, scopes, source lines) goes through `text` or `tooltip` on its way in.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection

from .drawing import MOST_APART, TABLE, Drawing, drawing, numbers_table
from .model import CONSTANT, FOLDED, INPUT, OPERATION, OUTPUT, PARAMETER, STATE, Diagram, Edge, Group, Node
from .program import DROPPED
from .summary import Summary
from .theme import FLOW_STEPS, Colour, colours, mix

FONT = "Arial"
CLASS = "tracegrad"
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_STYLES = {
    OPERATION: ("rounded,filled", 1.0),
    INPUT: ("filled", 1.2),
    PARAMETER: ("filled", 2.2),
    STATE: ("filled", 1.0),
    CONSTANT: ("filled,dashed", 1.0),
    FOLDED: ("rounded,filled,dashed", 1.5),
    OUTPUT: ("rounded,filled", 2.2),
}
ASSIGNED = " ←"  # at the end of what an output is labelled with: it becomes the new value of that
MOST_LABELS = 4  # shown in one node


def to_dot(
    diagram: Diagram,
    *,
    theme: str = "light",
    direction: str = "TB",
    apart: list[Drawing] | None = None,
    veil: Collection[str] = (),
) -> str:
    """The DOT text of a diagram, the same for the same diagram.

    Where the list `apart` is given, heat maps and sparklines go there, and only their places are kept in the text.
    `veil` names what is there but cannot be seen ("value", "grad") or only just ("node"): the layout stays the same.
    """
    colour = _pale(colours(theme)) if "node" in veil else colours(theme)
    lines = [
        "digraph computation {",
        f'  graph [rankdir={direction}, bgcolor="{colour("paper")}", fontname="{FONT}", fontsize=11, '
        f'fontcolor="{colour("quiet")}", class="{CLASS}", nodesep=0.25, '
        f"ranksep={_between(diagram):g}, pad=0.15{_heading(diagram, colour)}];",
        f'  node [shape=box, fontname="{FONT}", fontsize=11, fontcolor="{colour("ink")}", margin="0.09,0.05", '
        "height=0.3, width=0.4];",
        f'  edge [fontname="{FONT}", fontsize=9, fontcolor="{colour("quiet")}", color="{colour("edge")}", '
        "arrowsize=0.6];",
    ]
    _group_lines(diagram.group(), colour, lines, apart, veil)
    sideways = direction in ("LR", "RL")
    lines += [_edge_line(edge, colour, sideways, veil) for edge in diagram.edges]
    return "\n".join([*lines, "}", ""])


def printable(words: str) -> str:
    """The text on one line, with a mark in place of what no file may hold (control characters, halves of pairs)."""
    return _CONTROL.sub("\ufffd", words.replace("\n", " "))


def text(words: str, limit: int = 40) -> str:
    """Any text as it must stand inside an HTML-like label: one line, no longer than the limit, nothing special in it.

    >>> text('a<b> & "c"')
    'a&lt;b&gt; &amp; &quot;c&quot;'
    """
    words = printable(words)
    words = words if len(words) <= limit else words[: limit - 1] + "…"
    return html.escape(words).replace("\\", "\\\\")


def tooltip(words: str, limit: int = 1000) -> str:
    """Any text as a quoted tooltip. Backslashes go through two rounds of escapes in Graphviz, entities through one."""
    words = words if len(words) <= limit else words[: limit - 1] + "…"
    words = "\n".join(printable(line) for line in words.split("\n"))
    words = html.escape(words, quote=False).replace("\\", "\\" * 4).replace("\n", "\\n").replace('"', '\\"')
    return f'"{words}"'


def _heading(diagram: Diagram, colour: Colour) -> str:
    """The notes and the legend above the picture."""
    rows = [f'<TR><TD ALIGN="LEFT">{text(note, 160)}</TD></TR>' for note in diagram.notes]
    if diagram.legend:
        words = "&#160; &#160;".join(
            f'<FONT COLOR="{colour(_phase_colours(phase)[1])}">■</FONT> {text(phase)}' for phase in diagram.legend
        )
        rows.append(f'<TR><TD ALIGN="LEFT">{words}</TD></TR>')
    if not rows:
        return ""
    return f", labelloc=t, labeljust=l, label=<{_table(0)}{''.join(rows)}</TABLE>>"


def _phase_colours(phase: str) -> tuple[str, str]:
    """The roles of fill and line: the forward pass looks like any other computation."""
    role = phase if phase in ("backward", "update") else OPERATION
    return role, f"{role} line"


def _beside(label: str) -> str:
    """Room to the right of a heading, half as wide as itself, so that an edge into the middle misses it."""
    return "&#160;" * min(len(label) + 5, 24)


def _between(diagram: Diagram) -> float:
    """Inches between the ranks: more where there are so many edges that they would lie on each other."""
    crowded = len(diagram.edges) / (2 * max(len(diagram.nodes), 1))
    return round(min(1.2, 0.35 * max(1.0, crowded)), 2)


def _pale(colour: Colour) -> Colour:
    """The colours nearly as light, or as dark, as the paper."""
    return lambda role: mix(colour(role), colour("paper"), 0.0 if role.startswith("group") else 0.7)


def _group_lines(
    root: Group, colour: Colour, lines: list[str], apart: list[Drawing] | None, veil: Collection[str]
) -> None:
    stack: list[tuple[Group | None, str]] = [(root, "  ")]  # None closes a cluster
    while stack:
        group, space = stack.pop()
        if group is None:
            lines.append(f"{space}}}")
            continue
        if group.path:
            lines += [
                f"{space}subgraph cluster_{group.id} {{",
                f'{space}  graph [id="{group.id}", label=<<B>{text(group.label)}</B>{_beside(group.label)}>, '
                f'labeljust=l, style="rounded,filled", fillcolor="{colour("group")}", color="{colour("group line")}", '
                f"tooltip={tooltip(group.path)}, margin=10];",
            ]
            stack.append((None, space))
            space += "  "
        lines += [f"{space}{_node_line(node, colour, apart, veil)}" for node in group.nodes]
        stack += [(inner, space) for inner in reversed(group.groups)]


def _node_line(node: Node, colour: Colour, apart: list[Drawing] | None, veil: Collection[str]) -> str:
    role = OUTPUT if node.output else node.kind
    style, width = _STYLES[role]
    fill, line = {CONSTANT: ("paper", "operation line"), STATE: ("parameter", "parameter line")}.get(
        role, (role, f"{role} line")
    )
    if node.phase:
        fill = _phase_colours(node.phase)[0]
        line = line if node.output else f"{fill} line"
    if node.mark == DROPPED:
        style += ",dashed"
    veiled = dict.fromkeys(veil, colour(fill))
    return (
        f'{node.id} [id="{node.id}", style="{style}", penwidth={width:g}, fillcolor="{colour(fill)}", '
        f'color="{colour(line)}", tooltip={tooltip(_hint(node))}, label=<{_label(node, colour, apart, veiled)}>];'
    )


def _hint(node: Node) -> str:
    shape = f"{node.shape} {node.dtype}" if node.shape is not None else ""
    lines = [
        node.name[:400],
        *((node.listing,) if node.listing else (node.symbol, f"{shape} {node.params}".strip())),
        node.scope[:200],
        node.source,
    ]
    return "\n".join(line for line in lines if line)


def _label(node: Node, colour: Colour, apart: list[Drawing] | None, veiled: dict[str, str]) -> str:
    def seen(what: str) -> Colour:
        return (lambda role: veiled[what]) if what in veiled else colour

    rows = [_title(node, colour)]
    facts = "" if node.shape in (None, ()) else f"{node.shape} {node.dtype}"
    facts = "  ".join(part for part in ("" if node.name else node.alias, facts, node.params) if part)
    if facts:
        rows.append(_font(text(facts, 60), colour("quiet"), 9))
    rows += [_font(text(note, 60), colour("quiet"), 9) for note in node.notes[:6]]
    assigned = _assigned(node)
    if len(assigned) > 1:
        more = [f"… and {len(assigned) - MOST_LABELS} more"] * (len(assigned) > MOST_LABELS)
        rows += [f"<B>{text(label)}</B>" for label in [*assigned[:MOST_LABELS], *more]]
    for what, summary, role in (("value", node.value, "ink"), ("grad", node.grad, "grad")):
        if summary is not None and not summary.numbers:
            words = (
                f"{what} norm {summary.norm}"
                if what == "grad" and not summary.scalar
                else (f"{what} {summary.text}" if what == "grad" or not summary.scalar else summary.text)
            )
            words = words.removeprefix("value ")
            rows.append(_font(text(words, 60), seen(what)(role), 11 if summary.scalar else 9))
    drawings = [
        (what, drawn, role)
        for what, summary, role in (("value", node.value, "ink"), ("grad", node.grad, "grad"))
        if summary is not None and (drawn := _drawn(summary, seen(what), apart))
    ]
    if drawings:
        both = len(drawings) == 2
        cells = "".join(
            f"<TD>{_column(drawn, what if both or what == 'grad' else '', seen(what)(role))}</TD>"
            for what, drawn, role in drawings
        )
        rows.append(f"{_table(4)}<TR>{cells}</TR></TABLE>")
    if node.room and apart is not None:
        cells = "".join(f"<TD>{_place(Drawing(*size, Summary('')), apart)}</TD>" for size in node.room)
        rows.append(f"{_table(4)}<TR>{cells}</TR></TABLE>")
    return _table(0) + "".join(f"<TR><TD>{row}</TD></TR>" for row in rows) + "</TABLE>"


def _table(space: int) -> str:
    return TABLE.format(space=space, pad=1, more="")


def _title(node: Node, colour: Colour) -> str:
    words = []
    if node.symbol:
        words.append(f"<B>{_font(text(node.formula, 60), colour('ink'), 13)}</B>")
    assigned = _assigned(node)
    if node.name and node.name.removeprefix("new_") + ASSIGNED not in assigned and node.name + ASSIGNED not in assigned:
        words.append(f"<B>{text(node.name)}</B>")
    words += [f"<B>{text(label)}</B>" for label in assigned if len(assigned) == 1]
    tags = [label for label in node.labels if label not in assigned] or ["output"] * (node.output and not assigned)
    if not tags and node.kind not in (OPERATION, FOLDED):
        tags = [node.kind]
    words += [_font(text(tag), colour("grad" if tag == node.mark else "quiet"), 9) for tag in (*tags, node.mark) if tag]
    return "  ".join(words)


def _assigned(node: Node) -> list[str]:
    return [label for label in node.labels if label.endswith(ASSIGNED)]


def _font(words: str, colour: str, size: int) -> str:
    return f'<FONT COLOR="{colour}" POINT-SIZE="{size}">{words}</FONT>'


def _column(drawn: str, caption: str, colour: str) -> str:
    if not caption:
        return drawn
    return f"{_table(0)}<TR><TD>{drawn}</TD></TR><TR><TD>{_font(caption, colour, 8)}</TD></TR></TABLE>"


def _drawn(summary: Summary, colour: Colour, apart: list[Drawing] | None) -> str:
    """The heat map or sparkline as a table of coloured cells, or a place for it; "" where there is none."""
    if summary.numbers:
        return numbers_table(summary, colour)
    small = drawing(summary)
    if small is None:
        return ""
    if apart is None or len(apart) >= MOST_APART:
        return small.table(colour)
    return _place(small, apart)


def _place(small: Drawing, apart: list[Drawing]) -> str:
    """Room for a drawing that will be put there after layout."""
    apart.append(small)
    return small.placeholder(len(apart) - 1)


def _edge_line(edge: Edge, colour: Colour, sideways: bool, veil: Collection[str]) -> str:
    attributes = [f'id="{edge.id}"']
    if edge.flow is not None and "grad" not in veil:
        stroke = colour(f"flow {round(edge.flow * FLOW_STEPS)}")
        attributes.append(f'color="{stroke}", penwidth={1 + 2 * edge.flow:.2f}')
    if edge.derivative:
        below = "<BR/>&#160;" if sideways else ""  # an empty line keeps the words above a line that runs sideways
        attributes.append(f"label=<&#160;{text(edge.derivative, 60)}&#160;{below}>")
    hint = f"{edge.tail.name or edge.tail.symbol or edge.tail.kind} to {edge.head.name or edge.head.symbol}"
    attributes.append(f"tooltip={tooltip(hint, 200)}")
    return f"  {edge.tail.id} -> {edge.head.id} [{', '.join(attributes)}];"
