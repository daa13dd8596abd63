"""The entry of a compiled trace: one generated Python function that checks, runs, assigns and returns.

At a few microseconds per step every attribute look-up counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends.base import Executable, Given
from ..core import tree
from ..core.mode import clock, current
from ..core.tensor import Tensor, constant
from ..ir import guards
from ..ir.graph import Graph
from ..ir.host import LARGEST
from ..ir.objects import IMMUTABLE
from ..ir.outcome import Leaf, Outcome
from ..ir.trace import Trace
from ..ir.transaction import Traced
from ..ir.walk import Walk

Enter = Callable[[tuple[Any, ...], dict[str, Any]], Any]
MISS = object()  # what `enter` returns when the program was made for other circumstances
PLAIN = object()  # ... and for a call that only the Python it was made from can answer


def generate(traced: Traced, graph: Graph, executable: Executable, walk: Walk, lock: Any) -> tuple[Enter, Enter]:
    """Generate `enter(args, kwargs)`: check, run, assign, return.

    All that another call may change is read with the lock held.  Beside it `gather`, which checks and returns the values
    of the graph's inputs; whoever calls it holds the lock.
    """
    return _Writer(traced, graph, executable, walk, lock).functions()


class _Writer:
    """Writes the two functions; `names` is what they refer to, `reach` how they get at the inputs of the graph."""

    def __init__(self, traced: Traced, graph: Graph, executable: Executable, walk: Walk, lock: Any) -> None:
        self.traced, self.graph, self.executable, self.walk = traced, graph, executable, walk
        mode = current()
        self.names: dict[str, Any] = {
            "MISS": MISS, "PLAIN": PLAIN, "flatten": tree.flatten, "unflatten": tree.unflatten,
            "structure": traced.structure, "current": current, "run": executable.run, "clock": clock, "lock": lock,
            "constant": constant, "wanted": mode.record, "keep": mode.keep, "traced_mode": mode,
            **traced.host.constants,
        }  # fmt: skip
        self.reach: dict[Any, Given] = {}
        self.tensors: dict[Tensor, str] = {}  # with the variable that each has
        self.fails: list[str] = []  # conditions, each true where the program does not fit

    def functions(self) -> tuple[Enter, Enter]:
        """The two functions."""
        self._leaves()
        self._captured()
        self.reach.update({var: Given(name, None) for var, name in self.traced.host.names.items()})
        given = [self.reach[var] for var in self.graph.inputs]
        outcome, executable = self.traced.outcome, self.executable
        before, checking = self._before(), self._checking()
        owned = [self.tensors[tensor] for tensor in outcome.updates]
        inside = [
            *checking,
            *executable.statements(given, owned, self.names),
            *_assigned(outcome, executable, self.tensors, self.names),
            *_Results(self.traced, self.tensors, self.names).lines(),
        ]
        enter = [*before, "with lock:", *(f"    {line}" for line in inside)]
        gather = [*before, *checking, f"return [{', '.join(each.expression for each in given)}]"]
        lines = [f"def make({', '.join(self.names)}):"]
        for name, body in (("enter", enter), ("gather", gather)):
            lines += [f"    def {name}(args, kwargs):", *(f"        {line}" for line in body)]
        text = "\n".join([*lines, "    return enter, gather", ""])
        space: dict[str, Any] = {}
        exec(compile(text, f"<autograd entry of {self.traced.recorder.name}>", "exec"), space)
        made: tuple[Enter, Enter] = space["make"](*self.names.values())
        return made

    def _before(self) -> list[str]:
        """Statements that ask for the mode, and put the leaves of the arguments into a0, a1, ..."""
        lines = [
            "mode = current()",
            "if mode is not traced_mode and (mode.record is not wanted or mode.keep is not keep or mode.trace is not None"
            " or mode.anomaly is not None or not mode.compiled): return MISS",
        ]
        structure, count = self.traced.structure, self.traced.count
        simple = (
            isinstance(structure[2][0], tuple)
            and not structure[2][1][1]
            and all(p == tree.LEAF for p in structure[2][0][2])
        )
        targets = ", ".join(f"a{i}" for i in range(count))
        if simple:
            lines.append(f"if kwargs or len(args) != {count}: return MISS")
            return [*lines, f"{targets}, = args"] if count else lines
        lines += ["leaves, found = flatten((args, kwargs))", "if found != structure: return MISS"]
        if self.traced.differs is not None:
            self.names["differs"] = self.traced.differs
            lines.append("if differs(args, kwargs): return MISS")
        return [*lines, f"{targets}, = leaves"] if count else lines

    def _checking(self) -> list[str]:
        """Statements that read the slots, check everything, and work out numbers."""
        traced = self.traced
        conditions, roots = guards.checks(self.walk)
        self.names.update(roots)
        slots = enumerate(traced.slots, start=traced.count)
        used = [self.reach[var].expression for var in self.graph.inputs if var.weak]
        return [
            "try:",
            *(f"    a{i} = {place.source(f'p{i}', self.names)}" for i, place in slots),
            *(f"    if {condition}: return MISS" for condition in [*self.fails, *conditions]),
            "except (LookupError, AttributeError, ValueError, TypeError, ReferenceError): return MISS",
            *traced.host.statements(used if self.executable.machine_integers else []),
        ]

    def _captured(self) -> None:
        """Tensors that were read without being given, and gradients."""
        recorder, outcome = self.traced.recorder, self.traced.outcome
        for tensor, var in recorder.captured.items():
            t = self.tensors[tensor] = f"t{len(self.tensors)}"
            self.names[t], self.names[f"{t}_grad"] = tensor, tensor.requires_grad
            self.fails.append(f"{t}.requires_grad is not {t}_grad")
            self.reach[var] = Given(None, t)
        for tensor in (*recorder.captured_gradients, *outcome.gradients):
            if tensor not in self.tensors:  # only its gradient is read or set
                t = self.tensors[tensor] = f"t{len(self.tensors)}"
                self.names[t] = tensor
        self.names["captured"] = frozenset(t for t, name in self.tensors.items() if name.startswith("t"))
        for tensor, start in recorder.captured_gradients.items():
            t = self.tensors[tensor]
            self.fails.append(f"{t}.stored_grad is {'not ' if start is None else ''}None")
            if start is not None:
                self.reach[start] = Given(f"{t}.stored_grad", None)

    def _leaves(self) -> None:
        """Arguments, then slots."""
        traced = self.traced
        first: dict[int, int] = {}  # id of a tensor -> its first position
        for i, (value, (kind, what)) in enumerate(zip(traced.values, traced.kinds, strict=True)):
            if kind == "static":  # (the walk looks at these)
                continue
            if kind in ("float", "int"):
                large = f" or not {-LARGEST} < a{i} < {LARGEST}" if kind == "int" else ""
                self.fails.append(f"type(a{i}) is not {kind}{large}")
                self.reach[traced.given[i].atom] = Given(f"a{i}", None)
                continue
            self.names[f"c{i}"], self.names[f"s{i}"], self.names[f"d{i}"] = type(value), what[0], what[1]
            given = Given(f"a{i}", None)
            if kind == "tensor":
                given = Given(f"v{i}", f"a{i}")
                self._tensor(i, value, what[2], first)
            else:
                self.fails.append(f"type(a{i}) is not c{i} or a{i}.shape != s{i} or a{i}.dtype != d{i}")
            self.reach.setdefault(traced.recorder.arguments[traced.given[i]], given)
        if any(effect.place.holder is not None for effect in traced.outcome.effects):
            for i, (kind, what) in enumerate(traced.kinds):
                if kind == "static" and not isinstance(
                    what, IMMUTABLE
                ):  # what is bound anew belongs to this very object
                    self.names[f"s{i}"] = what
                    self.fails.append(f"a{i} is not s{i}")
        self.tensors.update({traced.values[i]: f"a{i}" for i in first.values()})

    def _tensor(self, i: int, tensor: Tensor, requires_grad: bool, first: dict[int, int]) -> None:
        """Conditions on a leaf that is a tensor."""
        recorder, fails = self.traced.recorder, self.fails
        self.names[f"q{i}"] = requires_grad
        alone = f" or a{i} in captured" if i < self.traced.count or _matters(recorder, tensor) else ""
        fails.append(f"type(a{i}) is not c{i} or a{i}.requires_grad is not q{i}{alone}")
        fails.append(f"(v{i} := a{i}.value).shape != s{i} or v{i}.dtype != d{i}")
        if id(tensor) in first:
            fails.append(f"a{i} is not a{first[id(tensor)]}")
            return
        if tensor in self.walk.tensors:  # the function may have read it without taking it from its arguments
            self.names[f"x{i}"] = tensor
            fails.append(f"a{i} is not x{i}")
        fails += [f"a{i} is a{j}" for j in first.values() if _matters(recorder, self.traced.values[j], tensor)]
        first[id(tensor)] = i


def _assigned(
    outcome: Outcome,
    executable: Executable,
    tensors: dict[Tensor, str],
    names: dict[str, Any],
) -> list[str]:
    """Statements that give tensors their new values and gradients."""
    lines = []
    for tensor, number in outcome.updates.items():
        if not executable.overwrites(number):
            lines.append(f"{tensors[tensor]}.value = r{number}")
    if outcome.updates:
        lines.append(f"{' = '.join(f'{tensors[t]}.changed' for t in outcome.updates)} = clock.changed = clock.tick()")
    for tensor, output in outcome.gradients.items():
        if output is None:
            lines.append(f"{tensors[tensor]}._grad = None")
        elif output in executable.buffers:
            names[f"copy{output}"] = executable.buffers[output].copy  # left in the arena until somebody looks
            lines.append(f"{tensors[tensor]}._grad = copy{output}")
        else:
            lines.append(f"{tensors[tensor]}._grad = r{output}")
    return lines


class _Results:
    """Writes the statements that bind places anew and return the result; what was one object is made once."""

    def __init__(self, traced: Traced, tensors: dict[Tensor, str], names: dict[str, Any]) -> None:
        self.outcome, self.tensors, self.names = traced.outcome, tensors, names
        self.made: list[str] = []
        self.known: dict[Any, str] = {}

    def lines(self) -> list[str]:
        """The statements."""
        bound = []
        for i, effect in enumerate(self.outcome.effects):
            value = self._container(effect.structure, effect.leaves, f"form{i}")
            bound.append(f"{effect.place.source(f'e{i}', self.names)} = {value}")
        result = self._container(self.outcome.structure, self.outcome.leaves, "returned")
        return [*self.made, *bound, f"return {result}"]

    def _container(self, structure: Any, leaves: list[Leaf], name: str) -> str:
        parts = [self._leaf(leaf) for leaf in leaves]
        if structure == tree.LEAF:
            return parts[0]
        self.names[name] = structure
        return f"unflatten({name}, [{', '.join(parts)}])"

    def _leaf(self, leaf: Leaf) -> str:
        kind, what = leaf
        key = kind, id(what) if kind in ("same", "static", "copy") else what  # (True equals 1 and is another object)
        if key not in self.known:
            self.known[key] = self._made(kind, what)
        return self.known[key]

    def _made(self, kind: str, what: Any) -> str:
        if kind == "array":
            return f"r{what}"
        if kind in ("host", "given"):
            return str(what)
        if kind == "same" and what in self.tensors:
            return self.tensors[what]
        name = f"o{len(self.known)}_"
        if kind in ("same", "static"):
            self.names[name] = what
        elif kind == "copy":
            self.names[f"{name}k"] = what.copy()
            self.made.append(f"{name} = {name}k.copy()")
        elif kind == "tensor":
            self.made.append(f"{name} = constant(r{what})")
        elif kind == "parameter":
            value, gradient = what
            self.made += [f"{name} = constant(r{value})", f"{name}.requires_grad = True"]
            self.made += [f"{name}._grad = r{gradient}"] if gradient is not None else []
        else:
            return f"{kind}(r{what})"
        return name


def _matters(recorder: Trace, *tensors: Tensor) -> bool:
    """Whether it would matter if a tensor had two names: it is written to, or carries a gradient."""
    return any(t in recorder.written or t.requires_grad for t in tensors)
