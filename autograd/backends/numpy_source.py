"""A graph as a NumPy program that a person can read: one line per equation, names from the user's variables, shapes as
comments.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import numpy_helpers
from ..core.ops.shape import ARRAY
from ..ir.graph import Atom, Eqn, Graph, Var, type_text
from ..ir.literal import NAMES, dtype_text, index_text, literal
from ..ir.printer import place, preview, unique_names

Args = list[str]
UNWRITTEN = "..."  # stands for a setting that has no source, such as an object of the user's own
# An argument beside an operator, where a negative number stands in parentheses.
_BESIDE_OPERATOR = re.compile(r"[^(, ] ?\{\d\}|\{\d\} ")


def _axis_text(eqn: Eqn) -> str:
    axis, keepdims = eqn.params["axis"], eqn.params.get("keepdims")
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    return ("" if axis is None else f", axis={literal(axis)}") + (", keepdims=True" if keepdims else "")


def reduce_to(args: Args, eqn: Eqn) -> str:
    """The expression for a sum down to a shape."""
    axes, tidy = reduced_axes(eqn)
    dtype = eqn.out.dtype
    kept = "" if dtype.kind == "f" else f", dtype=np.{dtype.name}"  # (NumPy sums integers in its largest ones)
    summed = f"np.sum({args[0]}, axis={literal(axes[0] if len(axes) == 1 else axes)}{kept})" if axes else args[0]
    return f"{summed}.reshape({eqn.out.shape})" if tidy or not axes else summed


def reduced_axes(eqn: Eqn) -> tuple[tuple[int, ...], bool]:
    """Axes that reduce_to sums over, and whether the sum still needs a reshape (length-one axes to put back)."""
    before, after = eqn.inputs[0].shape, eqn.out.shape
    extra = len(before) - len(after)
    axes = tuple(i for i, n in enumerate(before) if i < extra or (after[i - extra] == 1 and n != 1))
    return axes, any(i >= extra for i in axes)


def _index(args: Args, eqn: Eqn) -> str:
    arrays = iter(args[1:])
    parts = [next(arrays) if part == ARRAY else index_text(part) for part in eqn.params["index"]]
    return ", ".join(parts) + ("," if len(parts) == 1 and parts[0] == "..." else "")


def _index_tuple(args: Args, eqn: Eqn) -> str:
    arrays = iter(args[1:])
    parts = [next(arrays) if part == ARRAY else literal(part) for part in eqn.params["index"]]
    return "(" + "".join(f"{part}, " for part in parts).rstrip() + ")"


def _users_call(args: Args, eqn: Eqn) -> str:
    params = [f"{k}={literal(v) or UNWRITTEN}" for k, v in eqn.params.items()]
    return f"{eqn.primitive.name}({', '.join([*args, *params])})"


def _reduction(function: str) -> Callable[[Args, Eqn], str]:
    return lambda args, eqn: f"{function}({args[0]}{_axis_text(eqn)})"


def _joined(function: str) -> Callable[[Args, Eqn], str]:
    return lambda args, eqn: f"{function}([{', '.join(args)}], axis={literal(eqn.params['axis'])})"


def _transpose(args: Args, eqn: Eqn) -> str:
    axes = eqn.params["axes"]
    return f"{args[0]}.T" if axes == tuple(range(len(axes)))[::-1] else f"np.transpose({args[0]}, {literal(axes)})"


def _draw(args: Args, eqn: Eqn) -> str:
    s = eqn.params
    extra = [literal(a) or UNWRITTEN for a in s["args"]] + [f"{k}={literal(v) or UNWRITTEN}" for k, v in s["kwargs"]]
    return f"generator.{s['method']}({', '.join(extra)})"


def _getitem(args: Args, eqn: Eqn) -> str:
    array = args[0] if isinstance(eqn.inputs[0], Var) else f"np.asarray({args[0]})"
    return f"{array}[{_index(args, eqn) or '()'}]"


# What depends on more than the names of arguments and params, and so cannot stand in the record.
EXPRESSIONS: dict[str, Callable[[Args, Eqn], str]] = {
    "astype": lambda args, eqn: f"np.asarray({args[0]}).astype({dtype_text(eqn.params['dtype'])})[()]",
    **{name: _reduction(f"np.{name}") for name in ("sum", "prod", "max", "min", "argmax", "argmin")},
    "transpose": _transpose,
    "reduce_to": reduce_to,
    "concatenate": _joined("np.concatenate"),
    "stack": _joined("np.stack"),
    "getitem": _getitem,
    "scatter_add": lambda args, eqn: (
        f"scatter_add({args[0]}, {_index_tuple(args, eqn)}, {literal(eqn.params['shape'])})"
    ),
    "einsum": lambda args, eqn: f"np.einsum({eqn.params['subscripts']!r}, {', '.join(args)}, optimize={len(args) > 2})",
    "draw": _draw,
}


def shows_memory_of(eqn: Eqn) -> Atom | None:
    """The argument whose memory NumPy's result may share, or None."""
    shown = eqn.primitive.shows_memory(*(a.shape for a in eqn.inputs), **eqn.params)
    return eqn.inputs[0] if shown else None


def expression(eqn: Eqn, show: Callable[[Atom], str]) -> str:
    """The right-hand side of an equation, its inputs written by `show`."""
    op, args = eqn.primitive, [show(atom) for atom in eqn.inputs]
    if op.kind == "user" or op.name in EXPRESSIONS:
        return EXPRESSIONS.get(op.name, _users_call)(args, eqn)
    if _BESIDE_OPERATOR.search(op.numpy):
        args = [f"({a})" if a.startswith("-") else a for a in args]
    return op.numpy.format(*args, **{name: literal(value) or UNWRITTEN for name, value in eqn.params.items()})


RESERVED = frozenset(keyword.kwlist) | NAMES | {"erf", "scatter_add", "make_diagonal", "generator"}


def source(graph: Graph) -> str:
    """The graph as a NumPy function that runs on its own: what a careful person would write as manual backprop."""
    names = unique_names(graph, RESERVED | {e.primitive.name for e in graph.eqns if e.primitive.kind == "user"})

    def show(atom: Atom) -> str:
        return names[atom] if isinstance(atom, Var) else literal(atom.value)

    rows: list[tuple[str, str]] = []
    phase = ""
    for eqn in graph.eqns:
        if eqn.phase != phase:
            rows += [("", "")] * bool(phase) + [(f"# {eqn.phase}", "")]
            phase = eqn.phase
        comment = ", ".join(part for part in (_shape_text(eqn.out), eqn.scope, place(eqn)) if part)
        rows.append((f"{names[eqn.out]} = {expression(eqn, show)}", comment))
    width = min(max((len(code) for code, comment in rows if comment), default=0), 72)
    lines = [f"{code:<{width}}  # {comment}" if comment else code for code, comment in rows]
    returned = [show(a) for a in graph.outputs]
    updates = [f"{label}" for label in graph.labels if label != "return"]
    lines += ["", f"return {', '.join(returned)}" + ("," if len(returned) == 1 else "")]
    head = f"def {graph.name if graph.name.isidentifier() else 'step'}({', '.join(names[v] for v in graph.inputs)}):"
    note = f'    """Returns the result{", then the new " + ", ".join(updates) if updates else ""}."""'
    constants = [f"{names[v]} = {_array_text(value)}" for v, value in graph.constants.items()]
    body = "\n".join(f"    {line}".rstrip() for line in lines)
    parts = ["import numpy as np", *_helpers(graph), *constants, "\n".join([head, note, body])]
    return "\n\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def _shape_text(var: Var) -> str:
    return type_text(var) if var.shape else var.dtype.name


def _array_text(value: Any) -> str:
    text = literal(np.asarray(value))
    return text or f"np.zeros({value.shape}, {dtype_text(value.dtype)})  # put your array here: {preview(value)}"


def _helpers(graph: Graph) -> list[str]:
    """Source of the functions that NumPy does not have and the graph uses."""
    used = {eqn.primitive.name for eqn in graph.eqns}
    own = [
        _without_annotations(inspect.getsource(f).strip()) for name, f in numpy_helpers.HELPERS.items() if name in used
    ]
    foreign = {eqn.primitive.name: eqn.primitive for eqn in graph.eqns if eqn.primitive.kind == "user"}
    return own + [_users_source(name, primitive.forward) for name, primitive in foreign.items()]


def _users_source(name: str, forward: Callable[..., Any]) -> str:
    """A function of the user's own without its decorators and hints, or a line that says where to put it."""
    if isinstance(forward, np.ufunc) and getattr(np, forward.__name__, None) is forward:
        return f"{name} = np.{forward.__name__}"
    try:
        definition = ast.parse(textwrap.dedent(inspect.getsource(forward))).body[0]
    except (OSError, TypeError, SyntaxError):
        definition = ast.Pass()
    if not isinstance(definition, ast.FunctionDef):
        return f"# {name}: define the forward function of this operation here"
    definition.decorator_list, definition.name = [], name
    return _without_annotations(ast.unparse(definition))


def _without_annotations(text: str) -> str:
    """Python source without its type hints, which would need imports."""
    lines = text.splitlines()
    cuts: list[tuple[int, int, int]] = []  # line, first column, column after the last
    for node in ast.walk(ast.parse(text)):
        hint = node.annotation if isinstance(node, ast.arg) else getattr(node, "returns", None)
        if isinstance(hint, ast.expr):
            start = node.col_offset + len(node.arg) if isinstance(node, ast.arg) else hint.col_offset - len(" -> ")
            cuts.append((hint.lineno - 1, start, hint.end_col_offset or start))
    for line, start, end in sorted(cuts, reverse=True):
        lines[line] = lines[line][:start] + lines[line][end:]
    return "\n".join(lines)
