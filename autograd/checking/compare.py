"""Gradients derived by hand beside those of the engine: a verdict for each, and a name for what is wrong."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, GraphError, InplaceError
from ..core.source_location import users_frame
from ..core.tensor import Tensor
from .diagnose import Case, Diagnosis, completed, diagnose
from .names import Names, in_frame, spellings, tensors_of
from .replay import Replay, same, value_of
from .report import VERDICTS, Report, Row, heat_map


def compare(
    manual: Mapping[str, Any], against: Any = None, *, rtol: float | None = None, atol: float | None = None
) -> Report:
    """Compare gradients that somebody derived by hand with those of the engine, and say what is wrong.

    Gradients are matched with tensors by name: a Tensor's own ``name=``, the variable that holds it in the calling
    function, its path in a module.  ``dW1``, ``d_W1``, ``grad_W1``, ``W1_grad`` and ``W1`` all mean the gradient of W1.

    The verdicts are *identical* (bit for bit), *equal within rounding* (as far apart as rounding alone takes this
    gradient: measured, by running the tape again with every result disturbed in its last place), *close* (every element
    a is within ``atol + rtol * max(|a|, |b|)`` of b), and *wrong*.  The mistake behind a wrong gradient is found by
    making it on the tape and looking whether it gives the same numbers.

    Args:
        manual: gradients by name: arrays, numbers or Tensors.
        against: what they are compared with.  The loss: every tensor it was computed from can be meant.  A module: its
            parameters' ``.grad``.  A dict of arrays (or of Tensors, whose ``.grad`` is meant) with the same names.
            Left out: the ``.grad`` of the tensors found in the calling function (run backward inside `keep_grads` for
            those of results); before any backward, the gradients of the scalar among the caller's variables that
            depends on most of the named tensors.
        rtol, atol: what counts as close: by default 1e-7 (1e-4 in float32), and what rounding explains.

    Returns:
        A `Report`.

    Raises:
        ArgumentError: a name belongs to no tensor, or to one that has no ``.grad`` and on which no scalar of the
            caller depends.
        GraphError: the graph of the loss has been freed.

    >>> import autograd as ag
    >>> x = ag.Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> loss = (x * x).mean()
    >>> report = ag.compare({"dx": 2 * x.data}, loss)
    >>> print(report["dx"].verdict, "-", report["dx"].diagnosis.text)
    wrong - 3 times too large: mean or sum? Divide by 3 near 'sum' at <doctest ...>:1
    """
    given = {name: _real(name, value) for name, value in manual.items()}
    frame = users_frame(sys._getframe(1))
    excluded = {id(value) for value in manual.values()}
    pairs = [(name, tensor) for name, tensor in in_frame(frame) if id(tensor) not in excluded and tensor.requires_grad]
    names, replay, expected = _resolve(list(given), pairs, against)
    noise = replay.noise() if replay is not None else {}
    scale = max([float(np.max(np.abs(value), initial=0.0)) for _, value in expected.values()], default=0.0)
    rows: list[Row] = []
    cases: list[Case] = []
    for name, value in given.items():
        tensor, right = expected[name]
        eps = max(float(np.finfo(x.dtype).eps) for x in (value, right) if x.dtype.kind == "f" or x is right)
        rounding = 64 * eps * scale
        if tensor is not None and tensor in noise:
            rounding = noise[tensor] * eps / float(np.finfo(tensor.dtype).eps)
        tolerance = rtol if rtol is not None else 1e-7 if eps < 1e-9 else 1e-4
        row = _row(name, value, right, rounding, tolerance, rounding if atol is None else atol)
        rows.append(row)
        if tensor is not None and replay is not None and (tensor in replay.incoming):
            cases.append(Case(name, tensor, value, rounding, row.verdict == "wrong"))
    found = _explain(replay, rows, cases, given, expected, names)
    rows = [_with(row, found.get(row.name)) for row in rows]
    wrong = [row.name for row in rows if row.verdict == "wrong"]
    places = {case.name: completed(replay, case.tensor) for case in cases} if replay is not None else {}
    first = max(wrong, key=lambda name: places.get(name, 0.0)) if wrong else None
    text = "tolerance: " + ("rtol 1e-7 (1e-4 in float32)" if rtol is None else f"rtol {rtol:g}")
    text += ", atol what rounding explains" if atol is None else f", atol {atol:g}"
    return Report(rows, first, text, _notes(replay, names) if replay is not None else ())


def _real(name: str, value: Any) -> np.ndarray:
    """A gradient as an array of real numbers, which it must be."""
    try:
        array = np.asarray(value_of(value))
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"the gradient {name!r} is no array of real numbers: {value!r}")
    return array


def _notes(replay: Replay, names: Names) -> list[str]:
    """What lets mistakes pass: parameters of zeros that the gradient is multiplied by, and random masks."""
    notes = []
    for leaf in replay.leaves:
        users = {edge[0].creator for edge in replay.incoming.get(leaf, ())}
        if leaf.size and not np.any(leaf.value) and any(op.kind == "contraction" or op.name == "mul" for op in users):
            name = names.by_tensor.get(leaf) or leaf.name or f"a parameter of shape {leaf.shape}"
            notes.append(
                f"{name} is all zero, and so is every gradient that comes back through it, whatever the derivation: "
                "compare at small random numbers instead"
            )
    if any("dropout" in node.scope.lower() for node in replay.order):
        notes.append("dropout is on: these are the gradients for the mask of this one pass; compare in eval() mode")
    return notes


Expected = dict[str, tuple[Tensor | None, np.ndarray]]


def _resolve(keys: list[str], pairs: list[tuple[str, Tensor]], against: Any) -> tuple[Names, Replay | None, Expected]:
    """The tensor that each key means, the tape they are on, and the gradients that are right."""
    if isinstance(against, Tensor):
        replay = Replay(against)
        names = _names_on(replay, pairs)
        return names, replay, _looked_up(keys, names, lambda tensor: replay.base[tensor])
    if hasattr(type(against), "named_parameters"):
        pairs = [*tensors_of("model", against), *pairs]
    wanted: dict[str, Any] = {}
    if isinstance(against, Mapping):
        both = Names([])
        for name, value in against.items():
            both.by_name[name] = wanted[name] = value
        partner = {key: next((n for n in wanted if n == key or both_mean(n, key)), None) for key in keys}
        if missing := [key for key in keys if partner[key] is None]:
            raise both.missing(missing)
    elif against is not None and not hasattr(type(against), "named_parameters"):
        raise ArgumentError(f"against= is a loss, a module or a dict of gradients, not {type(against).__name__}")
    own = [(tensor.name, tensor) for _, tensor in pairs if tensor.name]
    names = Names([*own, *pairs])
    if wanted:
        expected: Expected = {}
        for key in keys:
            value = wanted[partner[key]]  # type: ignore[index]
            if isinstance(value, Tensor) and value.requires_grad:
                expected[key] = value, _grad_of(key, value)
            else:
                expected[key] = names.find(key), np.asarray(value_of(value))
        replay_ = _tape(pairs, [t for t, _ in expected.values() if t is not None])
        return names, replay_, expected
    tensors = [names.find(key) for key in keys]
    replay_ = _tape(pairs, [tensor for tensor in tensors if tensor is not None])
    if replay_ is not None:
        names = _names_on(replay_, pairs)

    def right_one(tensor: Tensor) -> Any:
        if tensor.stored_grad is None and replay_ is not None and tensor in replay_.base:
            return replay_.base[tensor]
        return _grad_of(names.by_tensor.get(tensor, "a tensor"), tensor)

    return names, replay_, _looked_up(keys, names, right_one)


def both_mean(a: str, b: str) -> bool:
    """Whether two names of gradients mean the same tensor."""
    return bool(set(spellings(a)) & set(spellings(b)))


def _names_on(replay: Replay, pairs: list[tuple[str, Tensor]]) -> Names:
    """Names of the tensors of one tape: own names come first, then variables."""
    own = [(tensor.name, tensor) for tensor in replay.base if tensor.name]
    return Names([*own, *((name, tensor) for name, tensor in pairs if tensor in replay.base)])


def _looked_up(keys: list[str], names: Names, gradient: Any) -> Expected:
    tensors = {key: names.find(key) for key in keys}
    if missing := [key for key, tensor in tensors.items() if tensor is None]:
        raise names.missing(missing)
    return {key: (tensor, np.asarray(gradient(tensor))) for key, tensor in tensors.items()}


def _grad_of(name: str, tensor: Tensor) -> np.ndarray:
    if tensor.stored_grad is None:
        raise ArgumentError(
            f"{name} has no gradient yet: call loss.backward() first"
            + (", inside `with keep_grads():`, since it is a result" if tensor.creator is not None else "")
        )
    return np.asarray(tensor.stored_grad)


def _tape(pairs: list[tuple[str, Tensor]], tensors: list[Tensor]) -> Replay | None:
    """The tape of the loss among the caller's variables: of the scalar that depends on most of the tensors."""
    roots = {t for _, t in pairs if t.creator is not None and t.inputs is not None and t.size == 1}
    best: tuple[int, bool, int] | None = None
    found: Replay | None = None
    for root in roots:
        try:
            replay = Replay(root, root.stored_grad)
        except (GraphError, InplaceError):  # freed, or parameters have been updated since: .grad is all there is
            continue
        rank = (sum(tensor in replay.base for tensor in tensors), root.stored_grad is not None, root.serial)
        if rank[0] and (best is None or rank > best):
            best, found = rank, replay
    return found


def _row(name: str, given: np.ndarray, right: np.ndarray, rounding: float, rtol: float, atol: float) -> Row:
    """Shapes first, then values."""
    if given.shape != right.shape:
        nan = float("nan")
        return Row(name, given.shape, right.shape, "wrong", nan, (), nan, nan, nan, nan, 1.0)
    a, b = given.astype(float), right.astype(float)
    with np.errstate(all="ignore"):
        error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        size = np.maximum(np.abs(a), np.abs(b))
        bad = ~(error <= np.where(np.isfinite(size), atol + rtol * size, 0.0))
    where = int(np.argmax(np.where(np.isnan(error), np.inf, error))) if error.size else 0
    index = tuple(int(i) for i in np.unravel_index(where, error.shape)) if error.size else ()
    worst = float(error.flat[where]) if error.size else 0.0
    top = float(np.max(np.abs(b), initial=0.0))
    both = float(np.max(np.abs(a) + np.abs(b), initial=0.0))
    spacing = float(np.spacing(np.asarray(top, right.dtype))) if right.dtype.kind == "f" and np.isfinite(top) else 1.0
    level = 0 if worst == 0 else 1 if worst <= rounding else 3 if bad.any() else 2
    verdict = VERDICTS[level]
    at_worst = (float(a.flat[where]), float(b.flat[where])) if error.size else (0.0, 0.0)
    relative = worst / both if worst else 0.0
    share = float(bad.mean()) if bad.size and verdict == "wrong" else 0.0
    heat = heat_map(error, bad) if verdict == "wrong" and error.size > 1 else ()
    figures = (worst / spacing, index, *at_worst, worst, relative, share)
    return Row(name, given.shape, right.shape, verdict, *figures, heat=heat)


def _with(row: Row, diagnosis: Diagnosis | None) -> Row:
    if diagnosis is not None and diagnosis.kind == "float32":
        return dataclasses.replace(row, verdict="close", bad=0.0, heat=(), diagnosis=diagnosis)
    return dataclasses.replace(row, diagnosis=diagnosis)


def _explain(
    replay: Replay | None,
    rows: list[Row],
    cases: list[Case],
    given: dict[str, np.ndarray],
    expected: Expected,
    names: Names,
) -> dict[str, Diagnosis]:
    """A diagnosis for every row that is not right."""
    found: dict[str, Diagnosis] = {}
    wrong = {row.name for row in rows if row.verdict == "wrong"}
    if replay is not None:
        for case in cases:
            stored = case.tensor.stored_grad
            once = replay.base[case.tensor]
            if case.name in wrong and stored is not None and same(once, case.manual, case.tolerance):
                text = ".grad holds more than one backward pass, yours is right for one: zero_grad() before backward()"
                found[case.name] = Diagnosis("stale", text)
        left = [case._replace(wrong=case.wrong and case.name not in found) for case in cases]
        if any(case.wrong for case in left):
            found.update(diagnose(replay, left, names.by_tensor))
        _single_precision(replay, rows, cases, found)
    for name in wrong - set(found):
        found[name] = _by_value(name, given[name], expected[name][1])
    return found


def _single_precision(replay: Replay, rows: list[Row], cases: list[Case], found: dict[str, Diagnosis]) -> None:
    """Name float32 as the reason where no mistake has been found, and rounding to float32 takes the tape as far off."""
    at = {row.name: row for row in rows}
    near = [case for case in cases if case.tensor.dtype == np.float64 and 0 < at[case.name].relative < 1e-5]
    near = [case for case in near if at[case.name].verdict in ("close", "wrong")]
    if not near or {diagnosis.kind for diagnosis in found.values()} - {"unknown", "follows"}:
        return
    single = replay.noise(np.dtype(np.float32))
    for case in near:
        if at[case.name].absolute <= single[case.tensor]:
            text = "float32 precision only: right to single precision; compute in float64 to compare further"
            found[case.name] = Diagnosis("float32", text)


def _by_value(name: str, given: np.ndarray, right: np.ndarray) -> Diagnosis:
    """What two arrays alone show, where there is no tape to make the mistake on."""
    size = 1e-9 * float(np.max(np.abs(right), initial=0.0))
    fits = given.shape != right.shape and given.size == right.size
    if fits and np.allclose(given.reshape(right.shape), right, 1e-7, size):
        return Diagnosis("shape", f"the values agree after a reshape: {name}.reshape{right.shape}")
    if given.shape == right.T.shape and np.allclose(given, right.T, 1e-7, size) and right.ndim > 1:
        return Diagnosis("transposed", f"{name} is transposed: write .T")
    if given.shape != right.shape:
        return Diagnosis("shape", f"the gradient has shape {given.shape}, its tensor {right.shape}")
    norm = float(np.sum(right * right))
    factor = float(np.sum(given * right)) / norm if norm else 0.0
    if np.count_nonzero(right) > 1 and factor and np.allclose(given, factor * right, 1e-7, size):
        if abs(factor + 1) < 1e-7:
            return Diagnosis("sign", "the sign is flipped")
        return Diagnosis("factor", f"{factor:.6g} times what it should be: mean or sum, or a forgotten constant?")
    return Diagnosis("unknown", "give the loss (against=loss), so that the mistake can be looked for on its tape")
