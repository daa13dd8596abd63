"""The NumPy backend: the lines of the readable program, with every array that can be given a place put into one arena."""

from __future__ import annotations

import contextvars
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import numpy_helpers
from ..core.tensor import constant
from ..ir.graph import Atom, Eqn, Graph, Literal, Var
from ..ir.literal import literal
from ..ir.printer import unique_names
from ..passes.memory import Plan, plan_memory
from .base import Backend, Executable, Given
from .numpy_source import (
    EXPRESSIONS,
    REDUCTIONS,
    RESERVED,
    UFUNCS,
    expression,
    reduce_to,
    reduced_axes,
    shows_memory_of,
)


class NumpyProgram(Executable):
    """The program, which also takes, after its inputs, the arrays that it may overwrite (or None).

    `reuse` maps the number of an output to the number of the input whose array that is.
    """

    def __init__(
        self,
        graph: Graph,
        run: Callable[..., Any],
        text: str,
        plan: Plan,
        buffers: Mapping[int, Any],
        reuse: Mapping[int, int],
    ) -> None:
        super().__init__(graph)
        self.program, self.text, self.plan, self.buffers, self.reuse = run, text, plan, buffers, reuse

    def run(self, *inputs: Any) -> tuple[Any, ...]:
        """The outputs for these inputs, of which none is overwritten."""
        results: tuple[Any, ...]
        with np.errstate(all="ignore"):
            results = self.program(*inputs, *[None] * len(self.reuse))
        return tuple([np.copy(x) if i in self.buffers else x for i, x in enumerate(results)])

    def statements(self, given: Sequence[Given], owned: Sequence[str], names: dict[str, Any]) -> list[str]:
        """Run the program without NumPy's warnings; arrays that nobody else can see are overwritten."""
        names |= {"program": self.program, "refs": sys.getrefcount, "sole": _one_reference()}
        lines = [f"i{i} = {each.expression}" for i, each in enumerate(given) if each.local is None]
        inputs = [each.local or f"i{i}" for i, each in enumerate(given)]
        for output, number in self.reuse.items():
            # An array that only its tensor and this frame refer to may be written into: nobody can see the old value go.
            value = inputs[number]
            lines.append(f"o{output} = {value} if refs({value}) == sole and {value}.base is None else None")
        inputs += [f"o{output}" for output in self.reuse]
        if any(eqn.primitive.kind == "user" for eqn in self.graph.eqns):  # which may use context variables
            names["errstate"] = np.errstate
            call = f"program({', '.join(inputs)})"
            lines.append("with errstate(all='ignore'): ")
        else:
            names["quiet"] = _quiet_context().copy
            call = f"quiet().run({', '.join(['program', *inputs])})"
            lines.append("")
        results = " ".join(f"r{i}," for i in range(len(self.graph.outputs)))
        lines[-1] += f"{results} = {call}" if results else call
        return lines


def _one_reference() -> int:
    """What getrefcount says of an array that only one tensor and one local variable refer to; it varies with Python."""
    holder = constant(np.empty(1))
    value = holder.value
    return sys.getrefcount(value)


def _quiet_context() -> contextvars.Context:
    """A context in which NumPy does not warn of overflow and the like; running in a copy costs less than np.errstate."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context


class _Numpy(Backend):
    name = "numpy"

    def compile(
        self, graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
    ) -> NumpyProgram:
        return compile_graph(graph, keep, overwrite)


BACKEND = _Numpy()


def compile_graph(
    graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
) -> NumpyProgram:
    """Write and load the program that runs.

    Args:
        graph: the optimised graph.
        keep: outputs (by number) that may stay in the arena; the others are fresh arrays.
        overwrite: output number -> input number whose array it replaces, and may be computed into where that is safe.
    """
    names = unique_names(graph, RESERVED)
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
            and out_eqn.primitive.name in UFUNCS and var.shape
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
    for name in (*UFUNCS.values(), "logaddexp", "matmul"):
        environment[f"_{name}"] = getattr(np, name)
    for ufunc in REDUCTIONS.values():
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
        elif eqn.primitive.name in REDUCTIONS:
            axis, keepdims = eqn.params["axis"], eqn.params["keepdims"]
            function = f"_{REDUCTIONS[eqn.primitive.name]}_reduce"
            lines.append(f"{name} = {function}({show(eqn.inputs[0])}, {axis}, None, None, {keepdims})")
        else:
            lines.append(f"{name} = {expression(eqn, show)}")
    inputs = [names[v] for v in graph.inputs] + [target[graph.outputs[i]] for i in reuse]
    claimed: set[Atom] = {*graph.inputs, *graph.constants}
    returned = []
    for a, r in zip(graph.outputs, roots, strict=True):  # every array that leaves the program has memory of its own
        shared = a.shape and a not in buffers and (a is not r or r in claimed)
        # Movements and choices give arrays of shape (), perhaps views; only a ufunc's results are NumPy's numbers already.
        view = not a.shape and a in produced and produced[a].primitive.name not in (*UFUNCS, *REDUCTIONS)
        returned.append(f"{show(a)}.copy()" if shared else f"{show(a)}[()]" if view else show(a))
        claimed.add(r)
    body = "\n    ".join([*lines, f"return ({''.join(r + ', ' for r in returned)})"])
    text = f"def program({', '.join(inputs)}):\n    {body}\n"
    exec(compile(text, f"<autograd {graph.name}>", "exec"), environment)
    run = environment["program"]
    kept = {i: buffers[a] for i, a in enumerate(graph.outputs) if isinstance(a, Var) and a in buffers}
    return NumpyProgram(graph, run, text, plan, kept, reuse)


def _may_raise(eqn: Eqn) -> bool:
    """Whether the values can make it fail: no input may be overwritten before that, so that a failed step changes nothing."""
    by_arrays = eqn.primitive.kind == "indexing" and len(eqn.inputs) > 1
    return by_arrays or eqn.primitive.kind in ("linalg", "random") or eqn.primitive.name not in EXPRESSIONS


def has_place(eqn: Eqn) -> bool:
    """Whether NumPy can be told where to put the result."""
    name = eqn.primitive.name
    if name in UFUNCS or name in ("sigmoid", "relu", "softplus") or name in REDUCTIONS:
        return True
    if name == "reduce_to":
        return bool(reduced_axes(eqn)[0])
    return (
        name == "matmul" and eqn.inputs[0].dtype == eqn.inputs[1].dtype and min(len(a.shape) for a in eqn.inputs) == 2
    )


def _may_overwrite(eqn: Eqn, atom: Atom) -> bool:
    """Ufuncs may write over an argument of the same shape and dtype, since they read each element before they write it."""
    name = eqn.primitive.name
    safe = name in UFUNCS or name in ("sigmoid", "relu", "softplus")
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
    if op in UFUNCS:
        # NumPy 2.4 asks for the keyword here, where a third array might be meant to be compared too.
        out = "out=" if op in ("maximum", "minimum") else ""
        return [f"{name} = _{UFUNCS[op]}({', '.join(args)}, {out}{place})"]
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
    if op in REDUCTIONS:
        axis, keepdims = eqn.params["axis"], eqn.params["keepdims"]
        return [f"{name} = _{REDUCTIONS[op]}_reduce({args[0]}, {axis}, None, {place}, {keepdims})"]
    if op == "reduce_to":
        axes, tidy = reduced_axes(eqn)
        if tidy and len(eqn.inputs[0].shape) == len(eqn.out.shape):
            return [f"{name} = _add_reduce({args[0]}, {axes}, None, {place}, True)"]
        if tidy:
            return [f"{name} = {place}", f"{name}[...] = {reduce_to(args, eqn)}"]
        return [f"{name} = _add_reduce({args[0]}, {axes[0] if len(axes) == 1 else axes}, None, {place})"]
    # np.dot is the quicker one, but skips products with a (1, 1) matrix of 0, so that 0 * inf gives 0.
    plain = all(len(a.shape) == 2 and math.prod(a.shape) != 1 for a in eqn.inputs)
    return [f"{name} = {'_dot' if plain else '_matmul'}({', '.join(args)}, {place})"]
