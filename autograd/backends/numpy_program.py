"""The NumPy backend: the lines of the readable program, with every array that can be given a place put into one arena."""

from __future__ import annotations

import contextvars
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..core import numpy_helpers
from ..core.errors import OutOfBoundsError
from ..core.ops.elementwise import power
from ..core.ops.linalg import matmul
from ..core.ops.shape import reduce_to_p
from ..core.primitive import REGISTRY, Primitive
from ..core.tensor import constant
from ..ir.graph import Atom, Eqn, Graph, Literal, Var
from ..ir.literal import literal
from ..ir.printer import unique_names
from ..passes.memory import Plan, plan_memory
from .base import Backend, Executable, Given
from .numpy_source import RESERVED, expression, reduce_to, reduced_axes, shows_memory_of


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


# ----- ufuncs -----
# In terms of ufuncs that take the place of the result: of the argument {0}, that place, and ones or zeros of its dtype.
_STEPS = {
    "sigmoid": ("negative({0}, {place})", "exp({y}, {y})", "add({one}, {y}, {y})", "divide({one}, {y}, {y})"),
    "relu": ("maximum({0}, {zero}, out={place})",),
    "softplus": ("logaddexp({0}, {zero}, out={place})",),
}


def _ufunc(op: Primitive) -> str:
    """The name of the one ufunc that the operation is, which also takes the place of the result; "" where it is none."""
    if op.kind != "elementwise":
        return ""
    if op.ufunc is not None:
        return str(op.ufunc.__name__)
    call = re.fullmatch(r"np\.(\w+)\(\{0\}\)", op.numpy)
    return call[1] if call and isinstance(getattr(np, call[1]), np.ufunc) else ""


def _reduction(op: Primitive) -> str:
    """The name of the ufunc that a reduction over axes combines elements by, or ""."""
    return op.reduces.__name__ if op.kind == "reduction" and op.reduces is not None else ""


def _functions() -> dict[str, Any]:
    """What programs refer to: begins or ends with an underscore, as no name from the user does."""
    found: dict[str, Any] = {"np": np, "_dot": np.dot, **numpy_helpers.HELPERS}
    for op in REGISTRY.values():
        if name := _ufunc(op):
            found[f"_{name}"] = getattr(np, name)
        if name := _reduction(op):
            found[f"_{name}_reduce"] = getattr(np, name).reduce
    return found | {"_logaddexp": np.logaddexp, "_matmul": np.matmul}


# ----- the program -----
def compile_graph(
    graph: Graph, keep: frozenset[int] = frozenset(), overwrite: Mapping[int, int] | None = None
) -> NumpyProgram:
    """Write and load the program that runs.

    Args:
        graph: the optimised graph.
        keep: outputs (by number) that may stay in the arena; the others are fresh arrays.
        overwrite: output number -> input number whose array it replaces, and may be computed into where that is safe.
    """
    root: dict[Atom, Atom] = {}  # what shows the memory of something else
    for eqn in graph.eqns:
        shown = shows_memory_of(eqn)
        if shown is not None:
            root[eqn.out] = root.get(shown, shown)
    roots = [root.get(a, a) for a in graph.outputs]
    settled = max((time for time, eqn in enumerate(graph.eqns) if _may_raise(eqn)), default=-1)
    if settled >= 0:  # what stays in the arena is somebody's gradient until the next step has come through
        keep = frozenset()
    fresh = {a for i, a in enumerate(graph.outputs) if i not in keep}
    reuse = _reused(graph, root, overwrite or {}, settled)

    def wanted(eqn: Eqn) -> bool:
        return bool(eqn.out.shape) and 0 not in eqn.out.shape and eqn.out not in fresh and has_place(eqn)

    plan = plan_memory(graph.eqns, wanted, shows_memory_of, roots, in_place=_may_overwrite)
    arena = np.empty(plan.size, np.uint8)
    buffers: dict[Var, Any] = {
        var: np.ndarray(var.shape, var.dtype, arena, offset) for var, offset in plan.offsets.items()
    }
    writer = _Writer(graph, buffers)
    writer.target = {graph.outputs[i]: f"_out_{writer.names[graph.inputs[number]]}" for i, number in reuse.items()}
    lines = [line for index, eqn in enumerate(graph.eqns) for line in writer.statements(index, eqn)]
    inputs = [writer.names[v] for v in graph.inputs] + [writer.target[graph.outputs[i]] for i in reuse]
    body = "\n    ".join([*lines, f"return ({''.join(r + ', ' for r in writer.returned(roots))})"])
    text = f"def program({', '.join(inputs)}):\n    {body}\n"
    exec(compile(text, f"<autograd {graph.name}>", "exec"), writer.environment)
    run = writer.environment["program"]
    if any(eqn.primitive.kind == "indexing" for eqn in graph.eqns):
        run = _bounded(run)
    kept = {i: buffers[a] for i, a in enumerate(graph.outputs) if isinstance(a, Var) and a in buffers}
    return NumpyProgram(graph, run, text, plan, kept, reuse)


def _bounded(program: Callable[..., Any]) -> Callable[..., Any]:
    """The program, with NumPy's complaint about an index as our error."""

    def run(*inputs: Any) -> Any:
        try:
            return program(*inputs)
        except IndexError as error:
            raise OutOfBoundsError(str(error)) from error

    return run


def _reused(graph: Graph, root: Mapping[Atom, Atom], overwrite: Mapping[int, int], settled: int) -> dict[int, int]:
    """The outputs that may be computed into the array of an input: nobody reads that afterwards, and nothing can fail."""
    last_read: dict[Atom, int] = {}
    for time, eqn in enumerate(graph.eqns):
        last_read.update((root.get(atom, atom), time) for atom in eqn.inputs)
    made: dict[Atom, tuple[int, Eqn]] = {eqn.out: (time, eqn) for time, eqn in enumerate(graph.eqns)}
    held = {root.get(a, a) for a in graph.outputs}
    reuse: dict[int, int] = {}
    for output, number in overwrite.items():
        var, given = graph.outputs[output], graph.inputs[number]
        if var not in made or graph.outputs.count(var) > 1:
            continue
        time, eqn = made[var]
        if (
            time > settled and _ufunc(eqn.primitive) and var.shape
            and given in eqn.inputs and last_read.get(given) == time and given not in held
            and (given.shape, given.dtype) == (var.shape, var.dtype)
            and all(a is given or a not in root for a in eqn.inputs)
        ):  # fmt: skip
            reuse[output] = number
    return reuse


class _Writer:
    """Writes the statements of a graph, and collects what they refer to; `h_` is the place of h."""

    def __init__(self, graph: Graph, buffers: Mapping[Var, Any]) -> None:
        self.graph, self.buffers = graph, buffers
        self.names = unique_names(graph, RESERVED)
        self.target: dict[Atom, str] = {}  # what is computed into an array of the caller
        self.environment = _functions() | {self.names[var]: value for var, value in graph.constants.items()}

    def statements(self, index: int, eqn: Eqn) -> list[str]:
        """The lines of an equation."""
        op, name, environment = eqn.primitive, self.names[eqn.out], self.environment
        if eqn.out in self.buffers:
            environment[f"{name}_"] = self.buffers[eqn.out]
            return self._into(eqn, name, f"{name}_")
        if eqn.out in self.target:
            return self._into(eqn, name, self.target[eqn.out])
        if op.kind == "random":
            environment[f"_g{index}_"] = getattr(eqn.params["generator"], eqn.params["method"])
            environment[f"_s{index}_"] = eqn.params["args"], dict(eqn.params["kwargs"])
            return [f"{name} = _g{index}_(*_s{index}_[0], **_s{index}_[1])"]
        if op.kind == "user":
            environment[f"_f{index}_"] = op.forward
            environment[f"_s{index}_"] = dict(eqn.params)
            return [f"{name} = _f{index}_({', '.join(map(self._show, eqn.inputs))}, **_s{index}_)"]
        if ufunc := _reduction(op):
            axis, keepdims = eqn.params["axis"], eqn.params["keepdims"]
            return [f"{name} = _{ufunc}_reduce({self._show(eqn.inputs[0])}, {axis}, None, None, {keepdims})"]
        return [f"{name} = {expression(eqn, self._show)}"]

    def returned(self, roots: Sequence[Atom]) -> list[str]:
        """The outputs: every array that leaves the program has memory of its own."""
        made: dict[Atom, Primitive] = {eqn.out: eqn.primitive for eqn in self.graph.eqns}
        claimed: set[Atom] = {*self.graph.inputs, *self.graph.constants}
        texts = []
        for a, r in zip(self.graph.outputs, roots, strict=True):
            shared = a.shape and a not in self.buffers and (a is not r or r in claimed)
            # Movements and choices give arrays of shape (), perhaps views; a ufunc's results are NumPy's numbers already.
            view = not a.shape and not a.weak and a in made and not (_ufunc(made[a]) or _reduction(made[a]))
            texts.append(f"{self._show(a)}.copy()" if shared else f"{self._show(a)}[()]" if view else self._show(a))
            claimed.add(r)
        return texts

    def _show(self, atom: Atom) -> str:
        return self.names[atom] if isinstance(atom, Var) else literal(atom.value)

    def _number(self, value: Any) -> str:
        name = f"_{value[()]!s}_{value.dtype.name}".replace(".", "p").replace("-", "m").replace("+", "")
        self.environment[name] = value
        return name

    def _bound(self, eqn: Eqn, atom: Atom) -> str:
        """Numbers as ready-made arrays of the dtype that NumPy would convert them to: converting takes half a ufunc call."""
        if isinstance(atom, Var):
            return self.names[atom]
        dtype = np.result_type(*map(_promoting, eqn.inputs))
        if atom.weak and dtype.kind in "iu" and not np.iinfo(dtype).min <= atom.value <= np.iinfo(dtype).max:
            return literal(atom.value)  # NumPy compares with it, or says that it does not fit
        return literal(atom.value) if dtype.kind == "c" else self._number(np.asarray(atom.value, dtype))

    def _into(self, eqn: Eqn, name: str, place: str) -> list[str]:
        """Statements that compute the equation into `place`."""
        op, args = eqn.primitive, [self._bound(eqn, a) for a in eqn.inputs]
        exponent = eqn.inputs[1] if op is power else None
        if isinstance(exponent, Literal) and exponent.weak:
            if exponent.value == 2:
                return [f"{name} = _multiply({args[0]}, {args[0]}, {place})"]
            if exponent.value == 0.5 and eqn.inputs[0].shape and eqn.inputs[0].dtype == eqn.out.dtype:
                return [f"{name} = _sqrt({args[0]}, {place})"]  # what ** does: of -inf NumPy 2.0 has another power
        if ufunc := _ufunc(op):
            # NumPy 2.4 asks for the keyword here, where a third array might be meant to be compared too.
            out = "out=" if ufunc in ("maximum", "minimum") else ""
            return [f"{name} = _{ufunc}({', '.join(args)}, {out}{place})"]
        if op.name in _STEPS:
            numbers = {}
            for word, value in (("one", 1), ("zero", 0)):
                if any(f"{{{word}}}" in step for step in _STEPS[op.name]):
                    numbers[word] = self._number(np.full((), value, eqn.out.dtype))
            first, *rest = (f"_{step.format(*args, y=name, place=place, **numbers)}" for step in _STEPS[op.name])
            return [f"{name} = {first}", *rest]
        if ufunc := _reduction(op):
            axis, keepdims = eqn.params["axis"], eqn.params["keepdims"]
            return [f"{name} = _{ufunc}_reduce({args[0]}, {axis}, None, {place}, {keepdims})"]
        if op is reduce_to_p:
            axes, tidy = reduced_axes(eqn)
            if tidy and len(eqn.inputs[0].shape) == len(eqn.out.shape):
                return [f"{name} = _add_reduce({args[0]}, {axes}, None, {place}, True)"]
            if tidy:
                return [f"{name} = {place}", f"{name}[...] = {reduce_to(args, eqn)}"]
            return [f"{name} = _add_reduce({args[0]}, {axes[0] if len(axes) == 1 else axes}, None, {place})"]
        # np.dot is the quicker one, but skips products with a (1, 1) matrix of 0, so that 0 * inf gives 0.
        plain = all(len(a.shape) == 2 and math.prod(a.shape) != 1 for a in eqn.inputs)
        return [f"{name} = {'_dot' if plain else '_matmul'}({', '.join(args)}, {place})"]


def _may_raise(eqn: Eqn) -> bool:
    """Whether the values can make it fail: no input may be overwritten before that, so that a failed step changes nothing."""
    by_arrays = eqn.primitive.kind == "indexing" and len(eqn.inputs) > 1
    return by_arrays or eqn.primitive.kind in ("linalg", "random", "user")


def has_place(eqn: Eqn) -> bool:
    """Whether NumPy can be told where to put the result."""
    op = eqn.primitive
    if op is matmul:
        return eqn.inputs[0].dtype == eqn.inputs[1].dtype and min(len(a.shape) for a in eqn.inputs) == 2
    if op is reduce_to_p:
        return bool(reduced_axes(eqn)[0])
    return bool(_ufunc(op) or _reduction(op)) or op.name in _STEPS


def _may_overwrite(eqn: Eqn, atom: Atom) -> bool:
    """Ufuncs may write over an argument of the same shape and dtype, since they read each element before they write it."""
    safe = _ufunc(eqn.primitive) or eqn.primitive.name in _STEPS
    return bool(safe) and (atom.shape, atom.dtype) == (eqn.out.shape, eqn.out.dtype)


def _promoting(atom: Atom) -> Any:
    """What NumPy's type promotion looks at: the dtype, or a Python number where it is weak."""
    return {"f": 0.5, "i": 1, "b": True}[atom.dtype.kind] if isinstance(atom, Literal) and atom.weak else atom.dtype
