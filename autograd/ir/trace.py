"""Tracing: a function runs once with tracers in place of values, and what it did becomes a graph.

Nothing outside the trace is touched: writes to tensors and gradients go to an overlay that lives with the trace, so a
function that raises half way leaves everything as it was.
"""

from __future__ import annotations

import contextvars
import functools
import sys
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, FrameType
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import TraceError
from ..core.mode import clock, current, switch
from ..core.ops.elementwise import astype_p, stop_gradient
from ..core.primitive import Array, Primitive
from ..core.source_location import CORE_FILES, OWN_FILES, Site, at, here, is_library
from ..core.subclasses import check_array
from ..core.tensor import Tensor
from ..transforms.run import Run
from . import files
from .arguments import argument_names
from .graph import Atom, Eqn, Graph, Literal, Var, spec, verify
from .tracer import Tracer
from .undo import Undo

# Code that says what NumPy does about errors in arithmetic.
_ERROR_STATE = {id(f.__code__): f for f in (np.errstate.__enter__, np.seterr)}
# What to write instead where a value is needed, by what it is needed for.
_ADVICE = {
    "a condition (if, while, and, or, not)": " Use autograd.where(condition, a, b) instead of a branch, or name the argument "
    "in compile(static=...) if it is a Python number",
    "conversion to a NumPy array": " Put values together by numpy.stack or numpy.concatenate (np.stack([x[0], x[1]])), and "
    "into an array by a = a.at[i].set(x), of a Tensor a",
    "float()": " Keep the value a Tensor and return it, or name the argument in compile(static=...) if it is a Python number. "
    "Where it was to be put into an array (a[i] = x), make that of traced values: numpy.stack, or a = a.at[i].set(x)",
    "x[i] = v": " Use x = x.at[i].set(v), or autograd.where(mask, v, x)",
    "a boolean mask": " A mask selects a number of elements that is not known: use autograd.where(mask, x, 0), or pass the "
    "indices",
    "": " Keep the value a Tensor and return it, or name the argument in compile(static=...) if it is a Python number; what "
    "needs the numbers is done before or after the step",
}
# Context variables that Python and NumPy set when they are asked for their settings.
_OF_LIBRARIES = frozenset({"decimal_context", "numpy.ufunc.extobj"})


class _During:
    """A phase of a trace, within which the package's own code runs, and the user's only in rules of the user's."""

    __slots__ = ("before", "phase", "trace", "watched")

    def __init__(self, trace: Trace, phase: str) -> None:
        self.trace, self.phase, self.before = trace, phase, trace.phase

    def __enter__(self) -> None:
        if self.before != "backward":
            self.trace.phase = self.phase
        self.watched = not self.trace.foreign and self.trace.pause()

    def __exit__(self, *exception: object) -> None:
        self.trace.phase = "update" if self.phase == "backward" != self.before else self.before
        self.trace.resume(self.watched)


class Trace(Run):
    """A graph under construction, and the overlay of tensor values and gradients that the traced code has written."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.start = clock.tick()
        self.phase = "forward"
        self.pulled = ""  # scope of the tensor whose cotangent is being pulled back
        self.inputs: list[Var] = []
        self.eqns: list[Eqn] = []
        self.constants: dict[int, tuple[Var, Any]] = {}  # by id of the array
        self._kept: list[Any] = []  # so that no id is used twice
        self._in_own_order: dict[Var, Tracer] = {}
        self.values: dict[Tensor, Any] = {}  # current value of every tensor read or written
        self.gradients: dict[Tensor, Any] = {}
        self.arguments: dict[Tensor | Tracer, Var] = {}
        self.captured: dict[Tensor, Var] = {}  # tensors read that were not given, in the order of reading
        self.captured_gradients: dict[Tensor, Var | None] = {}  # None: it was None when it was read
        self.written: dict[Tensor, None] = {}
        self.codes: dict[CodeType, dict[str, Any]] = {}  # code that ran, with its globals
        self.inside: set[str] = set()  # names in the code of libraries that ran, of attributes and cells
        self.holding: dict[
            CodeType, set[str]
        ] = {}  # variables of the user's functions that held arrays, or numbers of NumPy
        self.cotangents: list[tuple[Tracer, Any]] = []  # of which values
        self._judged: dict[int, tuple[CodeType, bool]] = {}  # by id: code that ran, and whether it is the user's
        self.finished = False
        self.viewed: set[Any] = set()  # arrays that share their memory with others
        self.foreign = False  # whether a primitive of the user's is among the equations
        self._stamps: dict[Tensor, int] = {}
        self.context = contextvars.copy_context()
        self.roots: list[Atom] = []  # what backward passes started from
        self.asked: str | None = None  # what it asked first that answers otherwise at another time, and where
        self._error_state = False  # whether NumPy may have been told to do something about errors

    # ----- building -----
    def input(self, shape: tuple[int, ...], dtype: np.dtype[Any], name: str, weak: bool = False) -> Tracer:
        """A new input of the graph."""
        var = Var(tuple(shape), np.dtype(dtype), name, weak)
        self.inputs.append(var)
        return Tracer(self, var)

    def emit(self, primitive: Primitive, arrays: Sequence[Array], params: dict[str, Any]) -> Tracer:
        """Append an equation; the result's shape and dtype come from the primitive's shape rule."""
        if self.finished:
            raise TraceError(
                f"{at(here())} uses a value that belongs to the finished trace of {self.name!r}: it was kept (in a list, "
                "an attribute, a global) while the function was traced. Return it from the function instead"
            )
        watched = self.pause()
        try:
            atoms = tuple([self.atom(a) for a in arrays])
            shape, dtype = primitive.shape(*[spec(a) for a in atoms], **params)
            if dtype.kind == "c" and not any(isinstance(a, Tracer) and a.dtype.kind == "c" for a in arrays):
                raise self.refused(
                    TraceError(
                        f"{at(here())} makes complex numbers of real ones ({primitive.name}) while tracing {self.name!r}, "
                        "where arrays are real: compute with real and imaginary part apart, or do this outside of the "
                        "compiled function"
                    )
                )
            self.foreign = self.foreign or primitive.kind == "user"
            weak = primitive.weak and all(a.weak for a in atoms)
            out = Var(tuple(shape), dtype, "", weak)
            if self._error_state and set(np.geterr().values()) != {"ignore"}:
                raise self.refused(
                    TraceError(
                        f"{at(here())} computes under np.errstate or np.seterr, {np.geterr()}, while tracing {self.name!r}: "
                        "a program computes inf and nan without a word. Take that out of the step and use "
                        "autograd.detect_anomaly(), or look at the result with np.isfinite"
                    )
                )
            scope = self.pulled if self.phase == "backward" else current().scope
            self.eqns.append(Eqn(out, primitive, atoms, params, here(), scope, self.phase))
            return Tracer(self, out)
        finally:
            self.resume(watched)

    def atom(self, array: Array) -> Atom:
        """The Var of a tracer, a literal for a number, a constant for an array (by reference, never a copy)."""
        if isinstance(array, Tracer):
            if array.recorder is not self:
                array.recorder.emit(stop_gradient, (array,), {})  # raises where that trace is over
                raise self.refused(
                    TraceError("a value of an outer trace is used in an inner one: pass it as an argument")
                )
            var: Atom = array.atom
            return var
        if (isinstance(array, (bool, int, float)) and not isinstance(array, np.generic)) or isinstance(
            array, np.generic
        ):
            return Literal(array)
        if not isinstance(array, np.ndarray):
            array = np.asarray(array)
        check_array(array, "an array that is computed with")
        if array.ndim == 0:
            return Literal(array[()])
        known = self.constants.get(id(array))
        if known is None:
            self._kept.append(array)
            known = self.constants[id(array)] = (Var(array.shape, array.dtype, "constant"), np.asarray(array))
        own: Atom = self.in_own_order(known[0]).atom
        return own

    def in_own_order(self, var: Var) -> Tracer:
        """A tracer of an array of the caller, with its bytes in the machine's order as in all tensors."""
        own, tracer = self._in_own_order.get(var), Tracer(self, var)
        if own is None:
            native = var.dtype.newbyteorder("=")
            own = tracer if var.dtype.isnative else self.emit(astype_p, (tracer,), {"dtype": native})
            self._in_own_order[var] = own
        return own

    def number(self, value: Any) -> Tracer:
        """A tracer for a number written into the program."""
        return Tracer(self, Literal(value))

    def constant(self, array: np.ndarray[Any, Any]) -> Tracer:
        """A tracer for an array of the caller, read anew at every run of the program."""
        var = self.atom(array)
        assert isinstance(var, Var)
        return Tracer(self, var)

    def strong(self, value: Any) -> Any:
        """A traced Python number as a NumPy scalar, which is what it becomes in a tensor; other values as they are."""
        weak = isinstance(value, Tracer) and value.atom.weak
        return self.emit(astype_p, (value,), {"dtype": value.dtype}) if weak else value

    def during(self, phase: str) -> _During:
        """Label the equations made inside, unless a backward pass is under way (it may record forward operations).

        What comes after a backward pass and needs no gradient is the update.
        """
        return _During(self, phase)

    def forget(self) -> None:
        """Let go of the tensors that were read and written."""
        for kept in (self.values, self.gradients, self.written, self._stamps):
            kept.clear()

    def pause(self) -> bool:
        """Watch no longer which code runs, and say whether that was so: to be watched costs as much as the work."""
        watched = sys.getprofile() == self._watch
        if watched:
            sys.setprofile(None)
        return watched

    def resume(self, watched: bool) -> None:
        """Watch again, if it was so before."""
        if watched:
            sys.setprofile(self._watch)

    @property
    def outside(self) -> dict[Any, Var]:
        """The inputs: arguments, and tensors that were read without being given."""
        return {**self.arguments, **self.captured}

    # ----- the overlay -----
    def value_of(self, tensor: Tensor | Tracer) -> Array:
        """What the tensor holds at this point of the traced code; a tensor from outside becomes an input."""
        if not isinstance(tensor, Tensor):  # a constant as far as the tape knows: a random draw, some tensor's .data
            return tensor
        known = self.values.get(tensor)
        if known is not None:
            return known
        value = tensor.value
        if isinstance(value, Tracer) or tensor.serial >= self.start:
            return value
        if tensor.creator is not None and current().record:
            raise self.refused(
                TraceError(
                    f"{at(here())} uses {self.describe(tensor)}, which was computed outside the traced function and still "
                    "has its graph: compute it inside, or pass x.detach()"
                )
            )
        tracer = self.input(tensor.shape, tensor.dtype, tensor.name or "")
        self.captured[tensor] = tracer.atom
        self.values[tensor] = tracer
        return tracer

    def knows(self, tensor: Tensor) -> bool:
        """Whether the tensor's value is unknown in this trace: it is an input, or was computed from one."""
        value = self.values.get(tensor, tensor.value)
        return isinstance(value, Tracer) or tensor.serial < self.start

    def write(self, tensor: Tensor, value: Array) -> None:
        """Note that the traced code assigned the tensor."""
        self.value_of(tensor)
        self._stamps.setdefault(tensor, tensor.changed)
        tensor.changed = clock.changed = clock.tick()
        self.values[tensor] = self.strong(value)
        self.written[tensor] = None

    def grad_of(self, tensor: Tensor) -> Any:
        """The tensor's gradient at this point of the traced code."""
        if tensor in self.gradients:
            return self.gradients[tensor]
        if tensor.serial >= self.start:
            return None
        before = tensor.stored_grad
        tracer = None
        if before is not None:
            tracer = self.input(tensor.shape, tensor.dtype, f"grad_{tensor.name}" if tensor.name else "grad")
        self.captured_gradients[tensor] = tracer.atom if tracer is not None else None
        self.gradients[tensor] = tracer
        return tracer

    def write_grad(self, tensor: Tensor, value: Array | None) -> None:
        """Note that the traced code set the tensor's gradient."""
        self.gradients[tensor] = self.strong(value)

    def unchanged_gradients(self) -> set[Tensor]:
        """Tensors whose gradient was read but is what it was before."""
        return {
            tensor
            for tensor, var in self.captured_gradients.items()
            if (var is None and self.gradients[tensor] is None)
            or (var is not None and isinstance(self.gradients[tensor], Tracer) and self.gradients[tensor].atom is var)
        }

    def watch_cotangents(self, visit: Callable[[Tensor, Array], None] | None) -> Callable[[Tensor, Array], None]:
        """A visitor of the backward pass that also names cotangents after their tensors, and notes their scope."""

        def named(tensor: Tensor, g: Array) -> None:
            self.pulled = tensor.scope
            if isinstance(g, Tracer) and isinstance(tensor.value, Tracer):
                self.cotangents.append((g, tensor.value.atom))
            if visit is not None:
                visit(tensor, g)

        return named

    def begin_backward(self, root: Tensor) -> None:
        """Note what a backward pass starts from; name traced values after local variables of the functions that run."""
        value = self.value_of(root)
        if isinstance(value, Tracer):
            self.roots.append(value.atom)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code is not Trace.run.__code__:
            self._watch(frame, "return", None)
            frame = frame.f_back

    # ----- names and messages -----
    def name_value(self, array: Array, name: str) -> None:
        """Give a traced value a name for listings, unless it has one."""
        if isinstance(array, Tracer) and array.recorder is self and isinstance(array.atom, Var) and not array.atom.name:
            array.atom.name = name

    def describe(self, thing: Tensor | Tracer) -> str:
        """The argument or variable that the user would recognise."""
        value = self.values.get(thing, thing.value) if isinstance(thing, Tensor) else thing
        var = value.atom if isinstance(value, Tracer) else None
        name = (thing.name if isinstance(thing, Tensor) else None) or (var.name if var is not None else "")
        if var is not None and any(var is given for given in self.arguments.values()):
            return f"argument {name!r}"
        sources = [f"argument {given.name!r}" for given in self._sources(var)] if not name else []
        text = f"{name!r}" if name else f"a tensor of shape {tuple(thing.shape)}"
        return f"{text}, computed from {', '.join(sources)}," if sources else text

    def _sources(self, var: Any) -> list[Var]:
        """The arguments that a value was computed from."""
        needed = self.ancestors([var])
        return [given for given in self.arguments.values() if given in needed]

    def ancestors(self, atoms: Iterable[Atom]) -> set[Any]:
        """These, and all that they were computed from."""
        needed: set[Any] = set(atoms)
        for eqn in reversed(self.eqns):
            if eqn.out in needed:
                needed.update(eqn.inputs)
        return needed

    def needs_value(self, thing: Tensor | Tracer, what: str) -> TraceError:
        """The error for code that needs a number where there is none."""
        made = next((e.site for e in reversed(self.eqns) if isinstance(thing, Tracer) and e.out is thing.atom), None)
        return self.refused(
            TraceError(
                f"{at(here())} needs the value of {self.describe(thing)} for {what}, but while tracing {self.name!r} only "
                f"its shape {tuple(thing.shape)} and dtype {thing.dtype} are known."
                + (f" It was computed at {at(made)}." if made else "")
                + _ADVICE.get(what, _ADVICE[""])
            )
        )

    def may_change(self, value: Tracer) -> bool:
        """Whether a traced array may be written into: all who hold it see that, but nobody sees it through a view."""
        if value in self.arguments or value.atom in self.viewed:
            return False
        kept = (*self.values.values(), *self.gradients.values())
        return any(held is value for held in kept) or any(eqn.out is value.atom for eqn in self.eqns)

    # ----- running -----
    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function under this trace; code objects that run are noted for the guards.

        It runs in a context of its own, since the end of a context cannot be missed: a thread that Ctrl-C reaches here
        never goes on as if it were tracing.
        """
        undo = Undo(self._end, functools.partial(_set_profile, sys.getprofile()))
        with undo, undo:
            sys.setprofile(self._watch)
            return self.context.run(self._call, function, args, kwargs)

    def _call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with switch("trace", self), np.errstate(all="ignore"), self:
            return function(*args, **kwargs)

    def _end(self) -> None:
        self.finished = True
        for tensor, stamp in self._stamps.items():
            tensor.changed = stamp

    def asks(self, site: Site | None, what: str) -> None:
        """Note that the function asks something whose answer no guard can watch."""
        self.asked = self.asked or f"{at(site)} calls {what}(), whose answer nobody can watch"

    def variables_set(self) -> list[str]:
        """Names of the context variables that the function has set, which were dropped with its context."""
        before = contextvars.copy_context()
        return [
            var.name
            for var, value in self.context.items()
            if var.name not in _OF_LIBRARIES and (var not in before or before[var] is not value)
        ]

    def _watch(self, frame: FrameType, event: str, argument: Any) -> None:
        """Called at every call and return of the traced run, so it judges each code object only once."""
        if event == "call":
            code = frame.f_code
            if id(code) not in self._judged:  # hashing the code itself would take longer than all the rest
                filename = code.co_filename
                library = is_library(filename)
                if library:
                    self.inside.update(code.co_names, code.co_freevars)
                elif filename not in CORE_FILES:
                    self.codes[code] = frame.f_globals
                self._error_state = self._error_state or id(code) in _ERROR_STATE
                self._judged[id(code)] = code, not library and filename not in OWN_FILES
                if id(code) in files.THREADED:
                    files.note_thread(self, frame)
        elif event == "c_call":
            if argument.__name__ in files.NAMES:
                files.refuse(self, frame, argument)
        elif event == "return" and self._judged.get(id(frame.f_code), (None, False))[1]:
            for name, value in frame.f_locals.items():
                if isinstance(value, Tensor):
                    held = value.value
                    self.name_value(held, name)
                    if isinstance(held, Tracer) and value.name is None:
                        value.name = name
                elif isinstance(value, Tracer):
                    self.name_value(value, name)
                elif isinstance(value, (np.ndarray, np.generic)):
                    self.holding.setdefault(frame.f_code, set()).add(name)

    def graph(self, outputs: Sequence[Atom], labels: Sequence[str]) -> Graph:
        """The finished program, its unnamed values named after nn scopes and the values they are the cotangents of."""
        for eqn in self.eqns:
            if eqn.phase == "forward" and eqn.scope and not eqn.out.name:
                layer, name = eqn.scope.rpartition("/")[2].lower(), eqn.primitive.name
                eqn.out.name = layer if layer.startswith(name) else f"{layer}_{name}"
        outside = self.outside
        grads = [(g, outside[tensor]) for tensor, g in self.gradients.items() if tensor in outside]
        for g, var in (*self.cotangents, *grads):
            if var.name:
                self.name_value(g, f"grad_{var.name}")
        for tensor in self.written:
            if tensor in outside and outside[tensor].name:
                self.name_value(self.values[tensor], f"new_{outside[tensor].name}")
        return verify(
            Graph(
                self.name,
                tuple(self.inputs),
                dict(self.constants.values()),
                tuple(self.eqns),
                tuple(outputs),
                tuple(labels),
            )
        )


def _set_profile(profile: Any) -> None:
    if profile is None or callable(profile):
        sys.setprofile(profile)
    else:
        profile.enable()  # cProfile's, which only it can put back


def name_of(function: Callable[..., Any]) -> str:
    """A readable name, also for lambdas and partial functions."""
    name: str = getattr(function, "__name__", type(function).__name__)
    return "function" if name == "<lambda>" else name


def trace(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    """Run a function once on stand-ins for its array arguments and return what it computed as a graph program.

    Arguments may be tensors, arrays, numbers or containers of them; the function may call `backward`, assign
    parameters and use anything that records operations.  Tensors that it reads without being given them become
    further inputs of the graph.  Nothing is computed and nothing outside changes.

    Raises:
        TraceError: the function needs the value of a traced array (a branch, ``float()``, ``numpy()``).

    >>> import autograd as ag
    >>> graph = ag.trace(lambda x: (x * x).sum(), ag.Tensor([1.0, 2.0]))
    >>> [eqn.primitive.name for eqn in graph.eqns]
    ['mul', 'sum']
    """
    from .outcome import collect
    from .randomness import Watch
    from .state import Snapshot

    recorder = Trace(name_of(function))
    leaves, structure = tree.flatten((args, kwargs))
    _, names = argument_names(function, args, kwargs)
    state = Snapshot((recorder.name, function), *zip(names, leaves, strict=True))
    call_args, call_kwargs = tree.unflatten(
        structure, [stand_in(recorder, x, n) for x, n in zip(leaves, names, strict=True)]
    )
    undo = Undo(*state.undoing())
    with undo, undo:
        with Watch(recorder, state, undo):
            result = recorder.run(function, call_args, call_kwargs)
        outcome = collect(recorder, result)
    return recorder.graph(outcome.outputs, outcome.labels)


def stand_in(recorder: Trace, value: Any, name: str) -> Any:
    """What the traced function is given for one leaf of its arguments.

    A tensor stays itself (the overlay hides its value); an array or a float becomes a tracer; other values (integers,
    strings, functions) are part of the program.
    """
    if isinstance(value, Tensor):
        if value not in recorder.arguments:
            tracer = recorder.input(value.shape, value.dtype, name)
            recorder.arguments[value] = tracer.atom
            recorder.values[value] = tracer
        return value
    if isinstance(value, (np.ndarray, np.generic)) or type(value) is float:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            return value
        tracer = recorder.input(array.shape, array.dtype, name, weak=type(value) is float)
        own = tracer if array.dtype.isnative else recorder.in_own_order(tracer.atom)
        recorder.arguments[own] = tracer.atom
        return own
    return value
