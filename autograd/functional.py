"""Derivatives of functions as functions: grad, vjp, jvp, jacobian, hessian, hvp, and checkpoint.

Every transformation runs the function once on fresh leaf tensors and pulls cotangents back through what it recorded.
Afterwards the leaves are tied to the tensors they stood for, so that an outer transformation differentiates the whole;
nodes of one tape cannot be confused, so nesting needs no levels.  The pass itself is recorded only where something
outside may differentiate it: first order runs at the speed of `backward`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from . import tree
from .batching import Batched, Frame
from .blame import at, here
from .custom import unlisted
from .engine import pull, toposort
from .errors import ArgumentError, DTypeError, GraphError, ShapeError
from .forward import push, tie, variable
from .mode import DEPTH, MODE, clock, current, switch
from .ops.elementwise import astype
from .ops.shape import concatenate, expand_dims, reshape
from .primitive import Array, Box
from .tensor import Tensor, constant, record
from .vmap import leave

Function = Callable[..., Any]

AT_ONCE = 2**21  # elements of the largest array that the rows of a Jacobian worked out together may take


def _called(function: Function) -> str:
    return getattr(function, "__name__", type(function).__name__).replace("<lambda>", "the function")


class _Run:
    """One run of a function on fresh leaves in place of the arguments that are differentiated."""

    def __init__(
        self, what: str, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], chosen: Sequence[int]
    ):
        mode = current()
        self.what, self.function = what, function
        self.recording = mode.record
        self.nested = DEPTH.get() > 0
        self.given, self.structure = tree.flatten(tuple([args[i] for i in chosen]))
        if mode.batch is not None:  # inside vmap every row has derivatives of its own, also by what all rows share
            self.given = [mode.batch.shared(x) if isinstance(x, Tensor) else x for x in self.given]
        self.boxed = any(isinstance(x, Tensor) for x in self.given)
        self.leaves = [self._leaf(x) for x in self.given]
        self.variables: set[Any] = {leaf for leaf in self.leaves if leaf is not None}
        if not self.variables:
            raise DTypeError(f"{what} of {_called(function)}: no argument to differentiate holds any floats")
        call = list(args)
        passed = [x if leaf is None else leaf for x, leaf in zip(self.given, self.leaves, strict=True)]
        for i, argument in zip(chosen, tree.unflatten(self.structure, passed), strict=True):
            call[i] = argument
        depth = DEPTH.set(DEPTH.get() + 1)
        running = MODE.set(mode.replace("record", True).replace("compiled", False))  # programs keep no tape
        try:
            self.result = function(*call, **kwargs)
        finally:
            MODE.reset(running)
            DEPTH.reset(depth)

    def _leaf(self, x: Any) -> Tensor | None:
        """A fresh leaf for a float; None for what is left out of a container (integers, strings, ...)."""
        if isinstance(x, float) and not isinstance(x, np.generic):
            return Tensor(x, requires_grad=True)
        dtype = getattr(x, "dtype", None)
        if isinstance(dtype, np.dtype) and dtype.kind == "f":
            if isinstance(x, Tensor):
                return variable(x.data, x.name)
            return Tensor(x, requires_grad=True)
        bare = len(self.given) == self.structure[2].count(tree.LEAF)  # no container: somebody meant this very argument
        if bare and (len(self.given) == 1 or self.what not in ("vjp", "jvp")):
            kind = f"an array of {dtype}" if dtype is not None else f"{x!r} ({type(x).__name__})"
            raise DTypeError(
                f"{self.what} at {at(here())} differentiates with respect to floats, got {kind}: write 3.0 for 3, "
                "x.astype(float) for arrays, or choose other arguments with argnums="
            )
        return None

    def scalar(self) -> Tensor | None:
        """The result, which must be a single number; None if it does not depend on the arguments."""
        return _scalar(self.what, self.function, self.result)

    def outer(self, roots: Sequence[Tensor]) -> bool:
        """Whether a derivative of the derivative may be asked for: something outside requires a gradient."""
        if not self.recording or not (self.boxed or self.nested):
            return False
        if any(isinstance(x, Tensor) and x.requires_grad for x in self.given):
            return True
        inputs = (tensor.inputs[i] for tensor in toposort(roots) for i in tensor.wrt)
        return any(x.creator is None and x not in self.variables for x in inputs)

    def pull(self, roots: Sequence[Tensor], seeds: Sequence[Array], graph: bool) -> list[Any]:
        """Cotangents of the leaves, None where nothing arrives."""
        found = _pull(roots, seeds, graph, self.variables)
        return [None if leaf is None else found.get(leaf) for leaf in self.leaves]

    def tie(self) -> None:
        """Let an outer derivative flow through the leaves to the arguments."""
        for leaf, x in zip(self.leaves, self.given, strict=True):
            if leaf is not None:
                tie(leaf, x)

    def hand_out(self, gs: Sequence[Any], seeds: Sequence[Array] = ()) -> Any:
        """Cotangents in the containers of the arguments: arrays for arrays, Tensors for Tensors, else None."""
        taken = {id(seed) for seed in seeds}
        parts = []
        for g, leaf, x in zip(gs, self.leaves, self.given, strict=True):
            parts.append(None if leaf is None else self.finish(g, leaf, isinstance(x, Tensor), taken))
        return tree.unflatten(self.structure, parts)

    def finish(self, g: Any, like: Any, boxed: bool, taken: set[int]) -> Any:
        """A result of the shape and dtype of `like` as the caller shall get it; arrays are never shared."""
        if g is None:
            g = np.zeros(like.shape, like.dtype)[()]
        if isinstance(g, Tensor):
            return g if boxed or g.requires_grad else g.data
        if isinstance(g, np.ndarray) and (g.base is not None or id(g) in taken):
            g = g.copy()
        taken.add(id(g))
        return constant(g) if boxed else g

    def value(self, y: Any, graph: bool) -> Any:
        """An output as the caller shall get it."""
        if not isinstance(y, Tensor) or (graph and y.requires_grad):
            return y
        value = y.data
        if isinstance(value, np.ndarray) and not value.flags.writeable:
            value = value.copy()  # the caller's own, to write into as well
        return constant(value) if self.boxed else value


def _pull(roots: Sequence[Tensor], seeds: Sequence[Array], graph: bool, targets: set[Any] | None) -> dict[Any, Array]:
    with np.errstate(all="ignore"):
        if graph and not current().record:
            with switch("record", True):
                return pull(roots, seeds, graph=True, targets=targets)
        return pull(roots, seeds, graph=graph, targets=targets)


def _scalar(what: str, function: Function, y: Any) -> Tensor | None:
    """The result of the function, which must be a single number; None if it does not depend on the arguments."""
    size = y.size if hasattr(y, "shape") else 1 if isinstance(y, int | float) else None
    if size == 1:
        return y if isinstance(y, Tensor) and y.requires_grad else None
    got = f"shape {y.shape}" if size is not None else f"a {type(y).__name__}"
    raise ShapeError(
        f"{what} at {at(here())} needs a function that returns a single number, "
        f"{_called(function)} returned {got}: return y.sum() or y.mean(), or use jacobian(f) for all "
        "derivatives, vjp(f, x) for those along a cotangent"
    )


def _one(y: Tensor) -> Array:
    """The cotangent 1 of a single number."""
    trace = current().trace
    one = y.dtype.type(1)
    seed = one if trace is None else trace.number(one)
    return reshape(seed, y.shape) if y.shape else seed


def _chosen(what: str, argnums: int | Sequence[int], args: tuple[Any, ...]) -> list[int]:
    wanted = list(argnums) if isinstance(argnums, Sequence) else [argnums]
    fits = all(isinstance(i, int) and -len(args) <= i < len(args) for i in wanted)
    if not wanted or not fits or len({i % len(args) for i in wanted}) < len(wanted):
        raise ArgumentError(f"{what}: argnums={argnums!r} does not fit a call with {len(args)} positional arguments")
    return [i % len(args) for i in wanted]


def value_and_grad(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that returns ``(f(x), ∂f/∂x)``, at the cost of one forward and one backward pass.

    Args:
        function: returns a single number.
        argnums: position of the argument to differentiate by, or several (then the gradient is a tuple).  An argument
            may be a container (dict, list, tuple, dataclass) of arrays; the gradient is a container like it, with None
            in place of integers and other things that have no gradient.

    Returns:
        A function of the same arguments.  Arrays give arrays, Tensors give Tensors, which can be differentiated further
        if something that they depend on requires a gradient.  What the result does not depend on has gradient zero.

    Raises:
        ShapeError: the function returned more than a number.
        DTypeError: the argument holds no floats.
        ArgumentError: `argnums` names no argument, or one of them twice.

    >>> import numpy as np, autograd as ag
    >>> value, gradient = ag.value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    """

    @functools.wraps(function)
    def derived(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if isinstance(argnums, int) and 0 <= argnums < len(args):
            x = args[argnums]
            if type(x) is np.ndarray and x.dtype.kind == "f" and current().plain and not DEPTH.get():
                return _by_array(function, args, kwargs, argnums)
        run = _Run("grad", function, args, kwargs, _chosen("grad", argnums, args))
        y = run.scalar()
        roots = [y] if y is not None else []
        seeds = [_one(y)] if y is not None else []
        graph = run.outer(roots)
        gs = run.pull(roots, seeds, graph)
        if graph:
            run.tie()
        gradients = run.hand_out(gs, seeds)
        return run.value(run.result, graph), gradients[0] if isinstance(argnums, int) else gradients

    return derived


def _by_array(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], place: int) -> tuple[Any, Any]:
    """Value and gradient by one plain array, with nothing around that may ask for more: `_Run` at a third of its cost."""
    leaf, call = Tensor(args[place], requires_grad=True), list(args)
    call[place] = leaf
    depth, running = DEPTH.set(1), MODE.set(current().replace("compiled", False))
    try:
        result = function(*call, **kwargs)
    finally:
        MODE.reset(running)
        DEPTH.reset(depth)
    y = _scalar("grad", function, result)
    g = None if y is None else _pull([y], [_one(y)], False, None).get(leaf)
    if g is None:
        g = np.zeros(leaf.shape, leaf.dtype)
    value = result.numpy()[()] if isinstance(result, Tensor) else result
    return value, g.copy() if g.base is not None else g


def grad(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The gradient ∂f/∂x of a function that returns a single number, as a function of the same arguments.

    Args, returns, raises: as for `value_and_grad`, without the value.

    >>> import math, autograd as ag
    >>> derivative = ag.grad(ag.sin)
    >>> float(derivative(0.0)), float(ag.grad(ag.grad(derivative))(0.0))
    (1.0, -1.0)
    """
    both = value_and_grad(function, argnums)

    @functools.wraps(function)
    def derived(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return derived


def _outputs(run: _Run) -> tuple[list[Any], Any, list[int]]:
    """Leaves of what the function returned, their structure, and which of them depend on the arguments."""
    leaves, structure = tree.flatten(run.result)
    return leaves, structure, [i for i, y in enumerate(leaves) if isinstance(y, Tensor) and y.requires_grad]


def _matching(what: str, given: Any, likes: Sequence[Any], structure: Any) -> list[Any]:
    """Leaves of a cotangent or tangent, checked against what they belong to."""
    leaves, found = tree.flatten(given)
    if found != structure or len(leaves) != len(likes):
        raise ArgumentError(
            f"{what} must be a container like the one it belongs to, of {len(likes)} arrays, got {given!r}"
        )
    fitted = []
    for leaf, like in zip(leaves, likes, strict=True):
        if np.shape(leaf) != np.shape(like):
            raise ShapeError(f"{what} has shape {np.shape(leaf)}, what it belongs to has shape {np.shape(like)}")
        value: Any = leaf if isinstance(leaf, Box) else np.asarray(leaf)[()]
        wanted = getattr(like, "dtype", np.dtype(float))
        fitted.append(value if value.dtype == wanted or wanted.kind != "f" else astype(value, wanted))
    return fitted


def vjp(function: Function, *args: Any) -> tuple[Any, Function]:
    """Value of f, and the function that maps a cotangent u of it to uᵀ ∂f/∂x for every argument.

    Args:
        function: returns an array or a container of arrays.
        args: its arguments, containers allowed.

    Returns:
        ``f(*args)`` and a function ``pullback(u) -> tuple`` with one entry per argument; it may be called repeatedly.

    Raises:
        ShapeError, ArgumentError: u is not shaped like the value.

    >>> import numpy as np, autograd as ag
    >>> y, pullback = ag.vjp(lambda x: x * x, np.array([1.0, 2.0, 3.0]))
    >>> pullback(np.array([1.0, 0.0, 10.0]))
    (array([ 2.,  0., 60.]),)
    """
    run = _Run("vjp", function, args, {}, range(len(args)))
    leaves, structure, live = _outputs(run)
    roots = [leaves[i] for i in live]
    outer = run.outer(roots)
    run.tie()

    def pullback(cotangent: Any) -> Any:
        seeds = _matching("the cotangent given to a pullback", cotangent, leaves, structure)
        graph = outer and current().record
        return run.hand_out(run.pull(roots, [seeds[i] for i in live], graph), seeds)

    return tree.unflatten(structure, [run.value(y, outer) for y in leaves]), pullback


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Value of f and its derivative ∂f/∂x · v along a direction v.

    Forward mode: the tangent of every recorded value is worked out from those of its operands, in the order of
    recording (R. Wengert, "A simple automatic derivative evaluation program", 1964).  Compiled, it costs about twice
    what f does.

    Args:
        function: returns an array or a container of arrays.
        primals: its arguments, as a tuple.
        tangents: the direction, a tuple like it (None in place of what is no float).

    Returns:
        ``(f(*primals), derivative)``, two containers of one form.

    Raises:
        ShapeError, ArgumentError: the direction is not shaped like the arguments.
        DTypeError: no argument holds any floats.

    >>> import numpy as np, autograd as ag
    >>> y, dy = ag.jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    >>> dy
    array([ 2., 40.])
    """
    run = _Run("jvp", function, tuple(primals), {}, range(len(primals)))
    leaves, structure, live = _outputs(run)
    roots = [leaves[i] for i in live]
    directions = _directions(run, tuple(tangents))
    outer = run.outer(roots)
    pairs = zip(run.leaves, directions, strict=True)
    found = push(roots, {leaf: d for leaf, d in pairs if leaf is not None}, outer)
    run.tie()
    parts, taken = [None] * len(leaves), {id(d) for d in directions}
    for i, y in enumerate(leaves):
        tangent = found.get(y) if i in live else None
        parts[i] = run.finish(tangent, y if hasattr(y, "dtype") else np.float64(0), run.boxed, taken)
    return tree.unflatten(structure, [run.value(y, outer) for y in leaves]), tree.unflatten(structure, parts)


def _directions(run: _Run, tangents: Any) -> list[Any]:
    """Leaves of a direction in the order of the run's leaves; None where there is nothing to differentiate by."""
    if all(leaf is not None for leaf in run.leaves):
        return _matching("the direction", tangents, run.given, run.structure)
    marked, structure = tree.flatten(
        tree.unflatten(run.structure, [None if leaf is None else x for x, leaf in zip(run.given, run.leaves)])
    )
    given = iter(_matching("the direction", tangents, marked, structure))
    return [None if leaf is None else next(given) for leaf in run.leaves]


def jacobian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that returns all derivatives ∂y_i/∂x_j, of shape ``y.shape + x.shape``.

    One pass works on many rows at once, as with `vmap`: backward for many y_i, or forward for many x_j where there are
    fewer of these.  They go one by one where the pass itself is differentiated, or an operation of the user's own takes
    part.

    Args:
        function: returns an array, or a container of arrays (then the result is a container of Jacobians).
        argnums: as for `grad`.

    Returns:
        A function of the same arguments; for each output a container like the argument, of arrays ``y.shape + x.shape``.

    Raises:
        DTypeError, ArgumentError: as for `value_and_grad`.

    >>> import numpy as np, autograd as ag
    >>> ag.jacobian(lambda x: ag.stack([x[0] * x[1], x[0] ** 2]))(np.array([3.0, 5.0]))
    array([[5., 3.],
           [6., 0.]])
    """

    @functools.wraps(function)
    def derived(*args: Any, **kwargs: Any) -> Any:
        run = _Run("jacobian", function, args, kwargs, _chosen("jacobian", argnums, args))
        leaves, structure, live = _outputs(run)
        graph = run.outer([leaves[i] for i in live])
        blocks = []
        for y in leaves:
            taken: set[int] = set()
            parts = [
                None if leaf is None else run.finish(part, leaf, isinstance(x, Tensor), taken)
                for leaf, x, part in zip(run.leaves, run.given, _blocks(run, y, graph), strict=True)
            ]
            row = tree.unflatten(run.structure, parts)
            blocks.append(row[0] if isinstance(argnums, int) else row)
        if graph:
            run.tie()
        return tree.unflatten(structure, blocks)

    return derived


def _blocks(run: _Run, y: Any, graph: bool) -> list[Any]:
    """The Jacobian of one output by every leaf, None for what is no leaf."""
    parts: list[Any] = [None] * len(run.leaves)
    if isinstance(y, Tensor) and y.requires_grad and y.size:
        order = toposort([y])
        most = max(1, AT_ONCE // max([1, *(tensor.size for tensor in order)]))
        # Rules of the user's own need not be made for batches; passes to be differentiated are recorded one by one.
        if graph or any(tensor.creator.kind == "user" for tensor in order):
            most = 1
        if most > 1 and sum(leaf.size for leaf in run.leaves if leaf is not None) < y.size:
            parts = [None if leaf is None else _columns(y, leaf, most) for leaf in run.leaves]
        else:
            parts = _rows(run, y, graph, most)
    return [None if leaf is None else _block(y, leaf, part) for leaf, part in zip(run.leaves, parts, strict=True)]


def _block(y: Any, leaf: Tensor, part: Array | None) -> Array:
    """The Jacobian of one output by one leaf in its shape; zeros where there is none."""
    shape = (*np.shape(y), *leaf.shape)
    return np.zeros(shape, leaf.dtype) if part is None else reshape(part, shape)


def _units(size: int, most: int, like: Tensor) -> Iterator[Any]:
    """The unit vectors in the place of `like`, some at a time, along axis 0."""
    for start in range(0, size, most):
        count = min(most, size - start)
        units = np.zeros((count, size), like.dtype)
        units[np.arange(count), start + np.arange(count)] = 1
        yield units.reshape(count, *like.shape)


def _rows(run: _Run, y: Tensor, graph: bool, most: int) -> list[Any]:
    """One cotangent of every leaf per element of an output, along axis 0; None where all are zero."""
    chunks = []
    for units in _units(y.size, most, y):
        if most == 1:
            gs = run.pull([y], [units[0]], graph)
            chunks.append([None if g is None else expand_dims(g, 0) for g in gs])
        else:
            frame = Frame(len(units), run.what)
            gs = run.pull([y], [Batched(frame, units)], graph)
            chunks.append([None if g is None else leave(g, frame=frame, axis=0) for g in gs])
    return [None if rows[0] is None else concatenate(rows) for rows in zip(*chunks, strict=True)]


def _columns(y: Tensor, leaf: Tensor, most: int) -> Array:
    """One tangent of an output per element of a leaf, along the last axis; None where all are zero."""
    chunks = []
    for units in _units(leaf.size, most, leaf):
        frame = Frame(len(units), "jacobian")
        tangent = push([y], {leaf: Batched(frame, units)}, False).get(y)
        if tangent is None:
            return None
        chunks.append(leave(tangent, frame=frame, axis=y.ndim))
    return concatenate(chunks, axis=y.ndim) if chunks else None


def hessian(function: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function that returns all second derivatives ∂²f/∂x_i∂x_j, of shape ``x.shape + x.shape``.

    Args:
        function: returns a single number.
        argnums: as for `grad`.

    Returns:
        A function of the same arguments.  For containers (and several argnums) its result is a container of containers,
        as `jacobian` of `grad` gives it.

    Raises:
        ShapeError, DTypeError, ArgumentError: as for `value_and_grad`.

    >>> import numpy as np, autograd as ag
    >>> ag.hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return jacobian(grad(function, argnums), argnums)


def hvp(function: Function, x: Any, v: Any) -> Any:
    """Hessian of f at x times v, ``Σ_j ∂²f/∂x_i∂x_j v_j``, without the Hessian, for a few times the cost of a gradient.

    Args:
        function: of one argument, returns a single number.
        x: the argument, an array or a container of arrays.
        v: the direction, like x.

    Returns:
        An array or container like x (B. Pearlmutter, "Fast exact multiplication by the Hessian", 1994).

    Raises:
        ShapeError: the function returned more than a number, or v is not shaped like x.
        DTypeError: x holds no floats.

    >>> import numpy as np, autograd as ag
    >>> ag.hvp(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([  6., 120.])
    """
    run = _Run("hvp", function, (x,), {}, (0,))
    directions = _directions(run, (v,))
    y = run.scalar()
    gs: list[Any] = [None] * len(run.leaves)
    graph = False
    if y is not None:
        graph = run.outer([y])
        first = run.pull([y], [_one(y)], True)
        live = [i for i, g in enumerate(first) if isinstance(g, Tensor) and g.requires_grad]
        gs = run.pull([first[i] for i in live], [directions[i] for i in live], graph)
    if graph:
        run.tie()
    return run.hand_out(gs, [d for d in directions if d is not None])[0]


# ----- checkpoint -----
class _Segment:
    """A call whose tape is not kept: recorded once to see what it depends on, and again when its gradient is needed."""

    def __init__(self, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.function = function
        self.given, self.structure = tree.flatten((args, kwargs))
        self.slots = [i for i, x in enumerate(self.given) if isinstance(x, Tensor) and x.requires_grad]
        self.sources = [self.given[i] for i in self.slots]
        self.batch = current().batch  # the rows of a vmap around the call
        self._last: tuple[Array, list[Any]] | None = None

    def run(self, values: Sequence[Array]) -> tuple[Any, list[Tensor]]:
        """The result, with fresh leaves around these values in place of the arguments that require a gradient."""
        leaves = [variable(value, source.name) for value, source in zip(values, self.sources)]
        passed = list(self.given)
        for i, leaf in zip(self.slots, leaves, strict=True):
            passed[i] = leaf
        args, kwargs = tree.unflatten(self.structure, passed)
        with switch("record", True), switch("batch", self.batch):
            return self.function(*args, **kwargs), leaves

    def captured(self, y: Tensor, start: int) -> list[Tensor]:
        """Tensors that the function used without being given them (parameters of a layer): older than the call."""
        walk: list[Tensor] = [y]
        found: dict[Tensor, None] = {}
        seen: set[Any] = set(walk)
        for tensor in walk:  # the list grows while it is walked
            for index in tensor.wrt:
                source = tensor.inputs[index]  # type: ignore[index]
                if source not in seen:
                    seen.add(source)
                    if source.serial < start:
                        found[source] = None
                    else:
                        walk.append(source)
        return list(found)

    def rule(self, index: int, g: Array, y: Array, inputs: Sequence[Array]) -> Array:
        """The cotangent of one input; all are worked out at the first one asked for."""
        if self._last is None or self._last[0] is not g:
            self._last = (g, self._pull(g, y, inputs))
        part = self._last[1][index]
        if index == len(inputs) - 1:
            self._last = None
        return part

    def _pull(self, g: Array, y: Array, inputs: Sequence[Array]) -> list[Array]:
        graph = any(isinstance(x, Tensor) for x in inputs)
        own = inputs[: len(self.slots)]
        again, leaves = self.run([x.data if isinstance(x, Tensor) else x for x in own])
        old = y.value if isinstance(y, Tensor) else y
        if not isinstance(old, Box) and not np.array_equal(old, again.value, equal_nan=True):
            raise GraphError(
                f"checkpoint: {_called(self.function)} gave another result when it ran again: it draws random "
                "numbers, or something it reads has changed. Pass them in as an argument, or leave checkpoint out"
            )
        targets = [*leaves, *self.sources[len(self.slots) :]]
        found = _pull([again], [g], graph, set(targets))
        if graph:
            for leaf, source in zip(leaves, own, strict=True):
                tie(leaf, source)
        return [np.zeros(t.shape, t.dtype)[()] if found.get(t) is None else found[t] for t in targets]


def _segment_rule(index: int) -> Any:
    return lambda g, y, *inputs, segment: segment.rule(index, g, y, inputs)


def _never(*inputs: Array, segment: _Segment) -> Array:
    return segment.function(*inputs)


_checkpoint_p = unlisted("checkpoint", _never, _segment_rule, shape=lambda *specs, segment: specs[0])


def checkpoint(function: Function) -> Function:
    """The same function with a smaller tape: nothing in it is kept for backward, which runs the function again.

    Memory of a chain of n layers in √n checkpointed segments falls from n to about 2√n, for one more forward pass
    (T. Chen et al., "Training deep nets with sublinear memory cost", 2016).  Gradients also reach tensors that the
    function uses without being given them, such as the parameters of a layer.

    Args:
        function: returns one array, the same one every time it runs (no random draws).

    Returns:
        A function of the same arguments.  Arrays alone give arrays: then there is nothing to record.

    Raises:
        ArgumentError: it returned something else than one array.
        GraphError: at backward, if the second run gave another result.

    >>> import autograd as ag
    >>> x = ag.Tensor(2.0, requires_grad=True)
    >>> y = ag.checkpoint(lambda x: (x * x).exp())(x)
    >>> [t.creator.name for t in ag.tape(y)]
    ['checkpoint']
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        mode = current()
        if not mode.record:
            return function(*args, **kwargs)
        start = clock.tick()
        segment = _Segment(function, args, kwargs)
        y, leaves = segment.run([source.data for source in segment.sources])
        if isinstance(y, np.ndarray | np.generic | float | int):
            return y
        if not isinstance(y, Tensor):
            raise ArgumentError(
                f"checkpoint needs a function that returns one Tensor, {_called(function)} returned {y!r}"
            )
        if not y.requires_grad:
            return y
        own = set(leaves)
        segment.sources += [source for source in segment.captured(y, start) if source not in own]
        inputs = tuple(segment.sources)
        return record(mode, _checkpoint_p, inputs, tuple(range(len(inputs))), {"segment": segment}, y.value)

    return wrapped
