"""A graph as a NumPy program that a person can read: one line per equation, names from the user's variables, shapes as
comments.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import numpy_helpers
from ..core.ops.shape import ARRAY
from ..ir.graph import Atom, Eqn, Graph, Literal, Var, type_text
from ..ir.literal import NAMES, dtype_text, index_text, literal
from ..ir.printer import place, preview, unique_names

Args = list[str]
UNWRITTEN = "..."  # stands for a setting that has no source, such as an object of the user's own
_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floor_divide": "//", "mod": "%", "matmul": "@", "power": "**",
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "left_shift": "<<", "right_shift": ">>",
}  # fmt: skip
# Primitives that are one ufunc: its name in NumPy, which also takes the place of the result.
UFUNCS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide", "neg": "negative", "power": "power",
    "floor_divide": "floor_divide", "mod": "mod", "abs": "absolute", "sign": "sign", "sqrt": "sqrt", "exp": "exp",
    "expm1": "expm1", "log": "log", "log1p": "log1p", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "arcsin",
    "arccos": "arccos", "arctan": "arctan", "arctan2": "arctan2", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "maximum": "maximum", "minimum": "minimum", "equal": "equal", "not_equal": "not_equal", "less": "less",
    "less_equal": "less_equal", "greater": "greater", "greater_equal": "greater_equal", "logical_and": "logical_and",
    "logical_or": "logical_or", "logical_not": "logical_not", "isfinite": "isfinite", "isnan": "isnan", "floor": "floor",
    "ceil": "ceil", "round": "rint", "stop_gradient": "positive", "bitwise_and": "bitwise_and", "bitwise_or": "bitwise_or",
    "bitwise_xor": "bitwise_xor", "invert": "invert", "left_shift": "left_shift", "right_shift": "right_shift",
}  # fmt: skip
REDUCTIONS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}


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


def _call(function: str) -> Callable[[Args, Eqn], str]:
    return lambda args, eqn: f"{function}({', '.join(args)})"


def _with_settings(function: str, **rename: str) -> Callable[[Args, Eqn], str]:
    """A call that passes the params by keyword, under NumPy's names for them."""

    def write(args: Args, eqn: Eqn) -> str:
        params = [f"{rename.get(k, k)}={literal(v) or UNWRITTEN}" for k, v in eqn.params.items()]
        return f"{function}({', '.join([*args, *params])})"

    return write


def _reduction(function: str) -> Callable[[Args, Eqn], str]:
    return lambda args, eqn: f"{function}({args[0]}{_axis_text(eqn)})"


def _joined(function: str) -> Callable[[Args, Eqn], str]:
    return lambda args, eqn: f"{function}([{', '.join(args)}], axis={literal(eqn.params['axis'])})"


def _infix(symbol: str) -> Callable[[Args, Eqn], str]:
    return lambda args, eqn: f"{args[0]} {symbol} {args[1]}"


def _transpose(args: Args, eqn: Eqn) -> str:
    axes = eqn.params["axes"]
    return f"{args[0]}.T" if axes == tuple(range(len(axes)))[::-1] else f"np.transpose({args[0]}, {literal(axes)})"


def _draw(args: Args, eqn: Eqn) -> str:
    s = eqn.params
    extra = [literal(a) or UNWRITTEN for a in s["args"]] + [f"{k}={literal(v) or UNWRITTEN}" for k, v in s["kwargs"]]
    return f"generator.{s['method']}({', '.join(extra)})"


EXPRESSIONS: dict[str, Callable[[Args, Eqn], str]] = {
    **{name: _call(f"np.{ufunc}") for name, ufunc in UFUNCS.items()},
    **{name: _infix(symbol) for name, symbol in _INFIX.items()},
    "neg": lambda args, eqn: f"-{args[0]}",
    "where": _call("np.where"),
    "clip": lambda args, eqn: f"np.minimum(np.maximum({args[0]}, {args[1]}), {args[2]})",
    "relu": lambda args, eqn: f"np.maximum({args[0]}, 0)",
    "sigmoid": lambda args, eqn: f"1 / (1 + np.exp(-{args[0]}))",
    "softplus": lambda args, eqn: f"np.logaddexp({args[0]}, 0)",
    "erf": _call("erf"),
    "astype": lambda args, eqn: f"np.asarray({args[0]}).astype({dtype_text(eqn.params['dtype'])})[()]",
    **{name: _reduction(f"np.{name}") for name in REDUCTIONS},
    "cumsum": _with_settings("np.cumsum"),
    "argmax": _reduction("np.argmax"),
    "argmin": _reduction("np.argmin"),
    "reshape": lambda args, eqn: f"np.reshape({args[0]}, {literal(eqn.params['shape'])})",
    "transpose": _transpose,
    "broadcast_to": lambda args, eqn: f"np.broadcast_to({args[0]}, {literal(eqn.params['shape'])})",
    "reduce_to": reduce_to,
    "flip": _with_settings("np.flip"),
    "roll": _with_settings("np.roll"),
    "tril": _with_settings("np.tril"),
    "triu": _with_settings("np.triu"),
    "pad": _with_settings("np.pad", width="pad_width", value="constant_values"),
    "concatenate": _joined("np.concatenate"),
    "stack": _joined("np.stack"),
    "getitem": lambda args, eqn: f"{args[0]}[{_index(args, eqn) or '()'}]",
    "scatter_add": lambda args, eqn: (
        f"scatter_add({args[0]}, {_index_tuple(args, eqn)}, {literal(eqn.params['shape'])})"
    ),
    "take_along_axis": _with_settings("np.take_along_axis"),
    "diagonal": lambda args, eqn: (
        f"np.diagonal({args[0]}, {literal(eqn.params['offset'])}, *{literal(eqn.params['axes'])})"
    ),
    "make_diagonal": _with_settings("make_diagonal"),
    "einsum": lambda args, eqn: f"np.einsum({eqn.params['subscripts']!r}, {', '.join(args)}, optimize={len(args) > 2})",
    "solve": _call("np.linalg.solve"),
    "inv": _call("np.linalg.inv"),
    "det": _call("np.linalg.det"),
    "logabsdet": lambda args, eqn: f"np.linalg.slogdet({args[0]})[1]",
    "detsign": lambda args, eqn: f"np.linalg.slogdet({args[0]})[0]",
    "cholesky": _call("np.linalg.cholesky"),
    "draw": _draw,
}
UNSUPPORTED: dict[str, str] = {}
# Results that show the memory of their first argument.
_VIEWS = frozenset({"reshape", "transpose", "broadcast_to", "diagonal", "flip"})


def shows_memory_of(eqn: Eqn) -> Atom | None:
    """The argument whose memory NumPy's result may share, or None."""
    name = eqn.primitive.name
    whole = (name == "getitem" and not any(a.shape for a in eqn.inputs[1:])) or (
        name == "einsum" and len(eqn.inputs) == 1
    )
    if name in _VIEWS or whole or (name == "reduce_to" and not reduced_axes(eqn)[0]):
        return eqn.inputs[0]
    return None


def expression(eqn: Eqn, show: Callable[[Atom], str]) -> str:
    """The right-hand side of an equation, its inputs written by `show`."""
    args = [show(atom) for atom in eqn.inputs]
    if eqn.primitive.name in _INFIX or eqn.primitive.name in ("neg", "sigmoid"):
        args = [f"({a})" if a.startswith("-") else a for a in args]
    if eqn.primitive.name == "power" and isinstance(eqn.inputs[1], Var | Literal) and eqn.inputs[0].shape == ():
        return f"{args[0]} ** {args[1]}"
    if eqn.primitive.name == "getitem" and not isinstance(eqn.inputs[0], Var):
        args[0] = f"np.asarray({args[0]})"
    if eqn.primitive.name not in EXPRESSIONS:
        return _with_settings(eqn.primitive.name)(args, eqn)  # an operation of the user's own
    return EXPRESSIONS[eqn.primitive.name](args, eqn)


RESERVED = frozenset(keyword.kwlist) | NAMES | {"erf", "scatter_add", "make_diagonal", "generator"}


def source(graph: Graph) -> str:
    """The graph as a NumPy function that runs on its own: what a careful person would write as manual backprop."""
    names = unique_names(
        graph, RESERVED | {e.primitive.name for e in graph.eqns if e.primitive.name not in EXPRESSIONS}
    )

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
    foreign = {eqn.primitive.name: eqn.primitive for eqn in graph.eqns if eqn.primitive.name not in EXPRESSIONS}
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
