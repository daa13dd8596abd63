"""The NumPy backend: a graph as a NumPy program that a person can read, and the same program with buffers that runs.

`source` writes the plain program: one line per equation, names from the user's variables, shapes as comments.
`compile_graph` writes the same lines with every array that can be given a place put into one arena.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import math
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core import numpy_helpers
from ..core.ops.shape import ARRAY
from ..ir.graph import Atom, Eqn, Graph, Literal, Var, type_text
from ..ir.literal import NAMES, dtype_text, index_text, literal
from ..ir.printer import place, preview, unique_names
from ..passes.memory import Plan, plan_memory

Args = list[str]
UNWRITTEN = "..."  # stands for a setting that has no source, such as an object of the user's own
_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floor_divide": "//", "mod": "%", "matmul": "@", "power": "**",
    "equal": "==", "not_equal": "!=", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
    "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "left_shift": "<<", "right_shift": ">>",
}  # fmt: skip
# Primitives that are one ufunc: its name in NumPy, which also takes the place of the result.
_UFUNCS = {
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
_REDUCTIONS = {"sum": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}


def _axis_text(eqn: Eqn) -> str:
    axis, keepdims = eqn.params["axis"], eqn.params.get("keepdims")
    if isinstance(axis, tuple) and len(axis) == 1:
        axis = axis[0]
    return ("" if axis is None else f", axis={literal(axis)}") + (", keepdims=True" if keepdims else "")


def _reduce_to(args: Args, eqn: Eqn) -> str:
    axes, tidy = reduced_axes(eqn)
    summed = f"np.sum({args[0]}, axis={literal(axes[0] if len(axes) == 1 else axes)})" if axes else args[0]
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
    **{name: _call(f"np.{ufunc}") for name, ufunc in _UFUNCS.items()},
    **{name: _infix(symbol) for name, symbol in _INFIX.items()},
    "neg": lambda args, eqn: f"-{args[0]}",
    "where": _call("np.where"),
    "clip": lambda args, eqn: f"np.minimum(np.maximum({args[0]}, {args[1]}), {args[2]})",
    "relu": lambda args, eqn: f"np.maximum({args[0]}, 0)",
    "sigmoid": lambda args, eqn: f"1 / (1 + np.exp(-{args[0]}))",
    "softplus": lambda args, eqn: f"np.logaddexp({args[0]}, 0)",
    "erf": _call("erf"),
    "astype": lambda args, eqn: f"np.asarray({args[0]}).astype({dtype_text(eqn.params['dtype'])})[()]",
    **{name: _reduction(f"np.{name}") for name in _REDUCTIONS},
    "cumsum": _with_settings("np.cumsum"),
    "argmax": _reduction("np.argmax"),
    "argmin": _reduction("np.argmin"),
    "reshape": lambda args, eqn: f"np.reshape({args[0]}, {literal(eqn.params['shape'])})",
    "transpose": _transpose,
    "broadcast_to": lambda args, eqn: f"np.broadcast_to({args[0]}, {literal(eqn.params['shape'])})",
    "reduce_to": _reduce_to,
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


def _expression(eqn: Eqn, show: Callable[[Atom], str]) -> str:
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


_RESERVED = frozenset(keyword.kwlist) | NAMES | {"erf", "scatter_add", "make_diagonal", "generator"}


def source(graph: Graph) -> str:
    """The graph as a NumPy function that runs on its own: what a careful person would write as manual backprop."""
    names = unique_names(
        graph, _RESERVED | {e.primitive.name for e in graph.eqns if e.primitive.name not in EXPRESSIONS}
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
        rows.append((f"{names[eqn.out]} = {_expression(eqn, show)}", comment))
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


# ----- the program that runs -----
@dataclass(frozen=True, slots=True)
class Compiled:
    """`run(inputs, out)` computes the outputs; `buffers` holds those that stay in the arena; `text` is its source.

    `reuse` maps the number of an output to the number of the input whose array it may overwrite.
    """

    run: Callable[..., tuple[Any, ...]]
    text: str
    plan: Plan
    buffers: Mapping[int, Any]
    reuse: Mapping[int, int]


def compile_graph(
    graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
) -> Compiled:
    """Write and load the program that runs.

    Args:
        graph: the optimised graph.
        keep: outputs (by number) that may stay in the arena; the others are fresh arrays.
        overwrite: output number -> input number whose array it replaces, and may be computed into where that is safe.
    """
    names = unique_names(graph, _RESERVED)
    produced: dict[Atom, Eqn] = {eqn.out: eqn for eqn in graph.eqns}
    last_read: dict[Atom, int] = {}
    root: dict[Atom, Atom] = {}
    for time, eqn in enumerate(graph.eqns):
        for atom in eqn.inputs:
            last_read[root.get(atom, atom)] = time
        shown = shows_memory_of(eqn)
        if shown is not None:
            root[eqn.out] = root.get(shown, shown)
    reuse: dict[int, int] = {}
    target: dict[Atom, str] = {}
    at: dict[Atom, int] = {eqn.out: time for time, eqn in enumerate(graph.eqns)}
    roots = [root.get(a, a) for a in graph.outputs]
    held = set(roots)
    settled = max((time for time, eqn in enumerate(graph.eqns) if _may_raise(eqn)), default=-1)
    if settled >= 0:  # what stays in the arena is somebody's gradient until the next step has come through
        keep = frozenset()
    fresh = {a for i, a in enumerate(graph.outputs) if i not in keep}
    for output, source_number in (overwrite or {}).items():
        var, given = graph.outputs[output], graph.inputs[source_number]
        out_eqn = produced.get(var)
        if (
            out_eqn is not None and at[var] > settled and graph.outputs.count(var) == 1
            and out_eqn.primitive.name in _UFUNCS and var.shape
            and given in out_eqn.inputs and last_read.get(given) == at[var] and given not in held
            and (given.shape, given.dtype) == (var.shape, var.dtype)
            and all(a is given or a not in root for a in out_eqn.inputs)
        ):  # fmt: skip
            reuse[output] = source_number
            target[var] = f"_out_{names[given]}"

    def wanted(eqn: Eqn) -> bool:
        return bool(eqn.out.shape) and 0 not in eqn.out.shape and eqn.out not in fresh and has_place(eqn)

    plan = plan_memory(graph.eqns, wanted, shows_memory_of, roots, in_place=_may_overwrite)
    arena = np.empty(plan.size, np.uint8)
    buffers: dict[Var, Any] = {
        var: np.ndarray(var.shape, var.dtype, arena, offset) for var, offset in plan.offsets.items()
    }

    def show(atom: Atom) -> str:
        return names[atom] if isinstance(atom, Var) else literal(atom.value)

    lines: list[str] = []
    # What the program refers to begins or ends with an underscore, as no name from the user does; `h_` is the place of h.
    environment: dict[str, Any] = {"np": np, "_dot": np.dot, **numpy_helpers.HELPERS}
    for name in (*_UFUNCS.values(), "logaddexp", "matmul"):
        environment[f"_{name}"] = getattr(np, name)
    for ufunc in _REDUCTIONS.values():
        environment[f"_{ufunc}_reduce"] = getattr(np, ufunc).reduce
    for var, value in graph.constants.items():
        environment[names[var]] = value

    def bound(eqn: Eqn) -> Callable[[Atom], str]:
        """Numbers as ready-made arrays of the dtype that NumPy would convert them to: converting takes half a ufunc call."""

        def show_bound(atom: Atom) -> str:
            if isinstance(atom, Var):
                return names[atom]
            dtype = np.result_type(*map(_promoting, eqn.inputs))
            if atom.weak and dtype.kind in "iu" and not np.iinfo(dtype).min <= atom.value <= np.iinfo(dtype).max:
                return literal(atom.value)  # NumPy compares with it, or says that it does not fit
            if dtype.kind == "c":
                return literal(atom.value)
            return number(np.asarray(atom.value, dtype))

        return show_bound

    def number(value: Any) -> str:
        name = f"_{value[()]!s}_{value.dtype.name}".replace(".", "p").replace("-", "m").replace("+", "")
        environment[name] = value
        return name

    for index, eqn in enumerate(graph.eqns):
        name = names[eqn.out]
        if eqn.out in buffers:
            environment[f"{name}_"] = buffers[eqn.out]
            lines += _into(eqn, name, f"{name}_", bound(eqn), number)
        elif eqn.out in target:
            lines += _into(eqn, name, target[eqn.out], bound(eqn), number)
        elif eqn.primitive.kind == "random":
            environment[f"_g{index}_"] = getattr(eqn.params["generator"], eqn.params["method"])
            environment[f"_s{index}_"] = eqn.params["args"], dict(eqn.params["kwargs"])
            lines.append(f"{name} = _g{index}_(*_s{index}_[0], **_s{index}_[1])")
        elif eqn.primitive.name not in EXPRESSIONS:
            environment[f"_f{index}_"] = eqn.primitive.forward
            environment[f"_s{index}_"] = dict(eqn.params)
            lines.append(f"{name} = _f{index}_({', '.join(show(a) for a in eqn.inputs)}, **_s{index}_)")
        elif eqn.primitive.name in _REDUCTIONS:
            axis, keepdims = eqn.params["axis"], eqn.params["keepdims"]
            function = f"_{_REDUCTIONS[eqn.primitive.name]}_reduce"
            lines.append(f"{name} = {function}({show(eqn.inputs[0])}, {axis}, None, None, {keepdims})")
        else:
            lines.append(f"{name} = {_expression(eqn, show)}")
    inputs = [names[v] for v in graph.inputs] + [target[graph.outputs[i]] for i in reuse]
    claimed: set[Atom] = {*graph.inputs, *graph.constants}
    returned = []
    for a, r in zip(graph.outputs, roots, strict=True):  # every array that leaves the program has memory of its own
        shared = a.shape and a not in buffers and (a is not r or r in claimed)
        # Movements and choices give arrays of shape (), perhaps views; only a ufunc's results are NumPy's numbers already.
        view = not a.shape and a in produced and produced[a].primitive.name not in (*_UFUNCS, *_REDUCTIONS)
        returned.append(f"{show(a)}.copy()" if shared else f"{show(a)}[()]" if view else show(a))
        claimed.add(r)
    body = "\n    ".join([*lines, f"return ({''.join(r + ', ' for r in returned)})"])
    text = f"def program({', '.join(inputs)}):\n    {body}\n"
    exec(compile(text, f"<autograd {graph.name}>", "exec"), environment)
    run = environment["program"]
    kept = {i: buffers[a] for i, a in enumerate(graph.outputs) if isinstance(a, Var) and a in buffers}
    return Compiled(run, text, plan, kept, reuse)


def _may_raise(eqn: Eqn) -> bool:
    """Whether the values can make it fail: no input may be overwritten before that, so that a failed step changes nothing."""
    by_arrays = eqn.primitive.kind == "indexing" and len(eqn.inputs) > 1
    return by_arrays or eqn.primitive.kind in ("linalg", "random") or eqn.primitive.name not in EXPRESSIONS


def has_place(eqn: Eqn) -> bool:
    """Whether NumPy can be told where to put the result."""
    name = eqn.primitive.name
    if name in _UFUNCS or name in ("sigmoid", "relu", "softplus") or name in _REDUCTIONS:
        return True
    if name == "reduce_to":
        return bool(reduced_axes(eqn)[0])
    return (
        name == "matmul" and eqn.inputs[0].dtype == eqn.inputs[1].dtype and min(len(a.shape) for a in eqn.inputs) == 2
    )


def _may_overwrite(eqn: Eqn, atom: Atom) -> bool:
    """Ufuncs may write over an argument of the same shape and dtype, since they read each element before they write it."""
    name = eqn.primitive.name
    safe = name in _UFUNCS or name in ("sigmoid", "relu", "softplus")
    return safe and (atom.shape, atom.dtype) == (eqn.out.shape, eqn.out.dtype)


def _promoting(atom: Atom) -> Any:
    """What NumPy's type promotion looks at: the dtype, or a Python number where it is weak."""
    return {"f": 0.5, "i": 1, "b": True}[atom.dtype.kind] if isinstance(atom, Literal) and atom.weak else atom.dtype


def _into(eqn: Eqn, name: str, place: str, show: Callable[[Atom], str], number: Callable[[Any], str]) -> list[str]:
    """Statements that compute the equation into `place`; `number` names a ready-made array."""
    args = [show(a) for a in eqn.inputs]
    op = eqn.primitive.name
    exponent = eqn.inputs[1] if op == "power" else None
    if isinstance(exponent, Literal) and exponent.weak:
        if exponent.value == 2:
            return [f"{name} = _multiply({args[0]}, {args[0]}, {place})"]
        if exponent.value == 0.5 and eqn.inputs[0].shape and eqn.inputs[0].dtype == eqn.out.dtype:
            return [f"{name} = _sqrt({args[0]}, {place})"]  # what ** does: of -inf NumPy 2.0 has another power
    if op in _UFUNCS:
        # NumPy 2.4 asks for the keyword here, where a third array might be meant to be compared too.
        out = "out=" if op in ("maximum", "minimum") else ""
        return [f"{name} = _{_UFUNCS[op]}({', '.join(args)}, {out}{place})"]
    if op == "sigmoid":
        one = number(np.ones((), eqn.out.dtype))
        return [
            f"{name} = _negative({args[0]}, {place})",
            f"_exp({name}, {name})",
            f"_add({one}, {name}, {name})",
            f"_true_divide({one}, {name}, {name})",
        ]
    if op in ("relu", "softplus"):
        zero = number(np.zeros((), eqn.out.dtype))
        return [f"{name} = _{'maximum' if op == 'relu' else 'logaddexp'}({args[0]}, {zero}, out={place})"]
    if op in _REDUCTIONS:
        axis, keepdims = eqn.params["axis"], eqn.params["keepdims"]
        return [f"{name} = _{_REDUCTIONS[op]}_reduce({args[0]}, {axis}, None, {place}, {keepdims})"]
    if op == "reduce_to":
        axes, tidy = reduced_axes(eqn)
        if tidy and len(eqn.inputs[0].shape) == len(eqn.out.shape):
            return [f"{name} = _add_reduce({args[0]}, {axes}, None, {place}, True)"]
        if tidy:
            return [f"{name} = {place}", f"{name}[...] = {_reduce_to(args, eqn)}"]
        return [f"{name} = _add_reduce({args[0]}, {axes[0] if len(axes) == 1 else axes}, None, {place})"]
    # np.dot is the quicker one, but skips products with a (1, 1) matrix of 0, so that 0 * inf gives 0.
    plain = all(len(a.shape) == 2 and math.prod(a.shape) != 1 for a in eqn.inputs)
    return [f"{name} = {'_dot' if plain else '_matmul'}({', '.join(args)}, {place})"]
