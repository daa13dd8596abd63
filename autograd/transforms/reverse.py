"""Derivatives of functions as functions: grad, vjp, jvp, jacobian, hessian, hvp.

Every transformation runs the function once on fresh leaf tensors and pulls cotangents back through what it recorded.
Afterwards the leaves are tied to the tensors they stood for, so that an outer transformation differentiates the whole;
nodes of one tape cannot be confused, so nesting needs no levels.  A pass visits nothing but what lies between the leaves
and the result.  It is recorded itself only where something outside may differentiate it, the arguments or what the
function closes over: else first order runs at the speed of `backward`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core import tree
from ..core.engine import Span, between, pull
from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.mode import DEPTH, MODE, RUN, clock, current, switch
from ..core.ops.elementwise import cast
from ..core.ops.shape import concatenate_p, reshape_p, with_axis
from ..core.primitive import Array, Box
from ..core.source_location import at, here
from ..core.subclasses import numbers
from ..core.tensor import Tensor, constant
from .argument import Argument, locked, tie, variable
from .batching import Batched, Frame
from .forward_mode import push
from .run import Run
from .vmap import leave

Function = Callable[..., Any]

AT_ONCE = 2**21  # elements of the largest array that the rows of a Jacobian worked out together may take


def name_of(function: Function) -> str:
    """What messages call a function."""
    return getattr(function, "__name__", type(function).__name__).replace("<lambda>", "the function")


class _Run:
    """One run of a function on fresh leaves in place of the arguments that are differentiated."""

    def __init__(
        self, what: str, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], chosen: Sequence[int]
    ):
        mode = current()
        self.what, self.function = what, function
        self.recording = mode.record
        self.given, self.structure = tree.flatten(tuple([args[i] for i in chosen]))
        if mode.batch is not None:  # inside vmap every row has derivatives of its own, also by what all rows share
            self.given = [mode.batch.shared(x) if isinstance(x, Tensor) else x for x in self.given]
        self.boxed = any(isinstance(x, Tensor) for x in self.given)
        self.leaves = [self._leaf(x) for x in self.given]
        self.variables = [leaf for leaf in self.leaves if leaf is not None]
        if not self.variables:
            raise DTypeError(f"{what} of {name_of(function)}: no argument to differentiate holds any floats")
        call = list(args)
        passed = [x if leaf is None else leaf for x, leaf in zip(self.given, self.leaves, strict=True)]
        for i, argument in zip(chosen, tree.unflatten(self.structure, passed), strict=True):
            call[i] = argument
        self.start = clock.tick()
        self.result = _called(function, call, kwargs)

    def _leaf(self, x: Any) -> Tensor | None:
        """A fresh leaf for a float; None for what is left out of a container (integers, strings, ...)."""
        if isinstance(x, float) and not isinstance(x, np.generic):
            return Argument(x, requires_grad=True)
        dtype = getattr(x, "dtype", None)
        if isinstance(dtype, np.dtype) and dtype.kind == "f":
            if isinstance(x, Tensor):
                return variable(x.data, x.name)
            return locked(Argument(x, requires_grad=True))
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

    def between(self, roots: Sequence[Tensor]) -> Span:
        """The part of the tape from the leaves to these results."""
        return between(roots, self.variables, self.start)

    def outer(self, span: Span) -> bool:
        """Whether a derivative of the derivative may be asked for: something outside requires a gradient."""
        return self.recording and (span.outside or any(isinstance(x, Tensor) and x.requires_grad for x in self.given))

    def pull(self, roots: Sequence[Tensor], seeds: Sequence[Array], graph: bool, span: Span) -> list[Any]:
        """Cotangents of the leaves, None where nothing arrives."""
        found = silently_pulled(roots, seeds, graph, span)
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
            part = None if leaf is None else self.finish(g, leaf, isinstance(x, Tensor), taken)
            if isinstance(part, np.ndarray) and isinstance(x, np.ndarray) and not x.dtype.isnative:
                part = part.astype(x.dtype)
            parts.append(part)
        return tree.unflatten(self.structure, parts)

    def finish(self, g: Any, like: Any, boxed: bool, taken: set[int]) -> Any:
        """A result of the shape and dtype of `like` as the caller shall get it; arrays are never shared."""
        if g is None:
            g = np.zeros(like.shape, like.dtype)[()]
        if isinstance(g, Tensor):
            return g if boxed or g.requires_grad else g.data
        if isinstance(g, np.ndarray) and (g.base is not None or id(g) in taken or not g.flags.writeable):
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


def _called(function: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What the function returns for stand-ins of its arguments; what was refused to it is raised, even if it caught that."""
    run = Run()
    depth, outer = DEPTH.set(DEPTH.get() + 1), RUN.set(run)
    running = MODE.set(current().replace("record", True).replace("compiled", False))  # programs keep no tape
    try:
        with run:
            return function(*args, **kwargs)
    finally:
        MODE.reset(running)
        RUN.reset(outer)
        DEPTH.reset(depth)


def silently_pulled(roots: Sequence[Any], seeds: Sequence[Array], graph: bool, span: Span) -> dict[Any, Array]:
    """Cotangents of the sources of a span; NumPy warns of nothing, and a pass to be differentiated is recorded."""
    with np.errstate(all="ignore"):
        if graph and not current().record:
            with switch("record", True):
                return pull(roots, seeds, graph=True, span=span)
        return pull(roots, seeds, graph=graph, span=span)


def _scalar(what: str, function: Function, y: Any) -> Tensor | None:
    """The result of the function, which must be a single number; None if it does not depend on the arguments."""
    size = y.size if hasattr(y, "shape") else 1 if isinstance(y, int | float) else None
    if size == 1:
        if isinstance(y, Tensor) and y.requires_grad:
            return y
        floats_only(what, function, [y])
        return None
    got = f"shape {y.shape}" if size is not None else f"a {type(y).__name__}"
    raise ShapeError(
        f"{what} at {at(here())} needs a function that returns a single number, "
        f"{name_of(function)} returned {got}: return y.sum() or y.mean(), or use jacobian(f) for all "
        "derivatives, vjp(f, x) for those along a cotangent"
    )


def floats_only(what: str, function: Function, results: Sequence[Any]) -> None:
    """Refuse a function none of whose results can change smoothly: a derivative of zero would tell nothing.

    Raises:
        DTypeError: all of them are integers or bools.
    """
    if results and all(isinstance(y, int) or getattr(getattr(y, "dtype", None), "kind", "f") in "biu" for y in results):
        y = results[0]
        raise DTypeError(
            f"{what} at {at(here())}: {name_of(function)} returned {getattr(y, 'dtype', type(y).__name__)} ({y!r}), which "
            "has no derivative: return a float (comparisons, argmax, rounding to int and allclose give none)"
        )


def _one(y: Tensor) -> Array:
    """The cotangent 1 of a single number."""
    trace = current().trace
    one = y.dtype.type(1)
    seed = one if trace is None else trace.number(one)
    return reshape_p(seed, shape=y.shape) if y.shape else seed


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
        A function of the same arguments.  Arrays give arrays, Tensors give Tensors.  Where something that the function
        uses requires a gradient (an argument, or the parameters of a network that it closes over) and recording is on,
        value and gradient are Tensors that can be differentiated further, whatever the arguments are: a penalty on the
        gradient reaches the parameters.  Such results hold the graph they were made by as long as they live; for plain
        arrays, as an optimizer of scipy wants them, call the function inside `no_grad`.  What the result does not depend
        on has gradient zero.

    Raises:
        ShapeError: the function returned more than a number.
        DTypeError: the argument holds no floats, or the function returned an integer or a bool.
        ArgumentError: `argnums` names no argument, or one of them twice.

    >>> import numpy as np, autograd as ag
    >>> value, gradient = ag.value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    >>> w = ag.Tensor(3.0, requires_grad=True)
    >>> slope = ag.grad(lambda x: w * x**2)(1.0)  # 2 w x
    >>> (slope**2).backward()
    >>> float(w.grad)
    24.0
    """

    @functools.wraps(function)
    def derived(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        if isinstance(argnums, int) and 0 <= argnums < len(args):
            x = args[argnums]
            if (
                type(x) is np.ndarray
                and x.dtype.kind == "f"
                and x.dtype.isnative
                and current().plain
                and not DEPTH.get()
            ):
                return _by_array(function, args, kwargs, argnums)
        run = _Run("grad", function, args, kwargs, _chosen("grad", argnums, args))
        y = run.scalar()
        roots = [y] if y is not None else []
        seeds = [_one(y)] if y is not None else []
        span = run.between(roots)
        graph = run.outer(span)
        gs = run.pull(roots, seeds, graph, span)
        if graph:
            run.tie()
        gradients = run.hand_out(gs, seeds)
        return run.value(run.result, graph), gradients[0] if isinstance(argnums, int) else gradients

    return derived


def _by_array(function: Function, args: tuple[Any, ...], kwargs: dict[str, Any], place: int) -> tuple[Any, Any]:
    """Value and gradient by one plain array, outside of all else: `_Run` at a third of its cost."""
    leaf, call, start = locked(Argument(args[place], requires_grad=True)), list(args), clock.tick()
    call[place] = leaf
    result = _called(function, call, kwargs)
    y = _scalar("grad", function, result)
    g, outside = None, False
    if y is not None:
        span = between([y], [leaf], start)
        outside = span.outside
        g = silently_pulled([y], [_one(y)], outside, span).get(leaf)
    if g is None:
        g = np.zeros(leaf.shape, leaf.dtype)
    elif outside and not g.requires_grad:
        g = g.data
    if type(g) is np.ndarray and (g.base is not None or not g.flags.writeable):
        g = g.copy()
    return y if outside else result.numpy()[()] if isinstance(result, Tensor) else result, g


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
    floats_only(run.what, run.function, leaves)
    return leaves, structure, [i for i, y in enumerate(leaves) if isinstance(y, Tensor) and y.requires_grad]


def _matching(what: str, given: Any, likes: Sequence[Any], structure: Any) -> list[Any]:
    """Leaves of a cotangent or tangent, checked against what they belong to."""
    leaves, found = tree.flatten(given, like=structure)  # by key, in whatever order they come
    if found != structure or len(leaves) != len(likes):
        raise ArgumentError(
            f"{what} must be a container like the one it belongs to, of {len(likes)} arrays, got {given!r}"
        )
    fitted = []
    for leaf, like in zip(leaves, likes, strict=True):
        if np.shape(leaf) != np.shape(like):
            raise ShapeError(f"{what} has shape {np.shape(leaf)}, what it belongs to has shape {np.shape(like)}")
        value: Any = leaf if isinstance(leaf, Box) else numbers(leaf, what)[()]
        wanted = getattr(like, "dtype", np.dtype(float))
        fitted.append(value if value.dtype == wanted or wanted.kind != "f" else cast(value, wanted))
    return fitted


def vjp(function: Function, *args: Any) -> tuple[Any, Function]:
    """Value of f, and the function that maps a cotangent u of it to uᵀ ∂f/∂x for every argument.

    Args:
        function: returns an array or a container of arrays.
        args: its arguments, containers allowed.

    Returns:
        ``f(*args)`` and a function ``pullback(u) -> tuple`` with one entry per argument; it may be called repeatedly.
        Arrays or Tensors, as for `value_and_grad`.

    Raises:
        DTypeError: no argument holds any floats, or all results are integers or bools.
        ShapeError, ArgumentError: u is not shaped like the value.

    >>> import numpy as np, autograd as ag
    >>> y, pullback = ag.vjp(lambda x: x * x, np.array([1.0, 2.0, 3.0]))
    >>> pullback(np.array([1.0, 0.0, 10.0]))
    (array([ 2.,  0., 60.]),)
    """
    run = _Run("vjp", function, args, {}, range(len(args)))
    leaves, structure, live = _outputs(run)
    roots = [leaves[i] for i in live]
    outer = run.outer(run.between(roots))
    run.tie()

    def pullback(cotangent: Any) -> Any:
        seeds = _matching("the cotangent given to a pullback", cotangent, leaves, structure)
        graph = outer and current().record
        return run.hand_out(run.pull(roots, [seeds[i] for i in live], graph, run.between(roots)), seeds)

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
        ``(f(*primals), derivative)``, two containers of one form; arrays or Tensors, as for `value_and_grad`.

    Raises:
        ShapeError, ArgumentError: the direction is not shaped like the arguments.
        DTypeError: no argument holds any floats, or all results are integers or bools.

    >>> import numpy as np, autograd as ag
    >>> y, dy = ag.jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    >>> dy
    array([ 2., 40.])
    """
    run = _Run("jvp", function, tuple(primals), {}, range(len(primals)))
    leaves, structure, live = _outputs(run)
    roots = [leaves[i] for i in live]
    directions = _directions(run, tuple(tangents))
    outer = run.outer(run.between(roots))
    pairs = zip(run.leaves, directions, strict=True)
    found = push(roots, {leaf: d for leaf, d in pairs if leaf is not None}, outer, run.start)
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
        A function of the same arguments; for each output a container like the argument, of arrays ``y.shape + x.shape``
        (or Tensors, as for `value_and_grad`).

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
        graph = run.outer(run.between([leaves[i] for i in live]))
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
        span = run.between([y])
        most = max(1, AT_ONCE // max([1, *(tensor.size for tensor in span.order)]))
        # Rules of the user's own need not be made for batches; passes to be differentiated are recorded one by one.
        if graph or any(tensor.creator.kind == "user" for tensor in span.order):
            most = 1
        if most > 1 and sum(leaf.size for leaf in run.variables) < y.size:
            parts = [None if leaf is None else _columns(y, leaf, most, run.start) for leaf in run.leaves]
        else:
            parts = _rows(run, y, graph, most, span)
    return [None if leaf is None else _block(y, leaf, part) for leaf, part in zip(run.leaves, parts, strict=True)]


def _block(y: Any, leaf: Tensor, part: Array | None) -> Array:
    """The Jacobian of one output by one leaf in its shape; zeros where there is none."""
    shape = (*np.shape(y), *leaf.shape)
    return np.zeros(shape, leaf.dtype) if part is None else reshape_p(part, shape=shape)


def _units(size: int, most: int, like: Tensor) -> Iterator[Any]:
    """The unit vectors in the place of `like`, some at a time, along axis 0."""
    for start in range(0, size, most):
        count = min(most, size - start)
        units = np.zeros((count, size), like.dtype)
        units[np.arange(count), start + np.arange(count)] = 1
        yield units.reshape(count, *like.shape)


def _rows(run: _Run, y: Tensor, graph: bool, most: int, span: Span) -> list[Any]:
    """One cotangent of every leaf per element of an output, along axis 0; None where all are zero."""
    chunks = []
    for units in _units(y.size, most, y):
        if most == 1:
            gs = run.pull([y], [units[0]], graph, span)
            chunks.append([None if g is None else with_axis(g, 0) for g in gs])
        else:
            frame = Frame(len(units), run.what)
            gs = run.pull([y], [Batched(frame, units)], graph, span)
            chunks.append([None if g is None else leave(g, frame=frame, axis=0) for g in gs])
    return [None if rows[0] is None else concatenate_p(*rows, axis=0) for rows in zip(*chunks, strict=True)]


def _columns(y: Tensor, leaf: Tensor, most: int, since: int) -> Array:
    """One tangent of an output per element of a leaf, along the last axis; None where all are zero."""
    chunks = []
    for units in _units(leaf.size, most, leaf):
        frame = Frame(len(units), "jacobian")
        tangent = push([y], {leaf: Batched(frame, units)}, False, since).get(y)
        if tangent is None:
            return None
        chunks.append(leave(tangent, frame=frame, axis=y.ndim))
    return concatenate_p(*chunks, axis=y.ndim) if chunks else None


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
        span = run.between([y])
        graph = run.outer(span)
        first = run.pull([y], [_one(y)], True, span)
        live = [i for i, g in enumerate(first) if isinstance(g, Tensor) and g.requires_grad]
        roots = [first[i] for i in live]
        gs = run.pull(roots, [directions[i] for i in live], graph, run.between(roots))
    if graph:
        run.tie()
    return run.hand_out(gs, [d for d in directions if d is not None])[0]
