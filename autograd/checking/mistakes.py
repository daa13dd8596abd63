"""The mistakes that people are known to make in backpropagation by hand, each as a change to the backward pass."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.ops.shape import _index
from ..core.source_location import at
from ..core.tensor import Tensor
from .replay import FAILURES, Edge, Edit, Replay, same, value_of

DIGITS = {8: 1e-9, 4: 1e-4}  # how well a hypothesis must match, by the item size of the tensor


@dataclass(frozen=True)
class Diagnosis:
    """A mistake with a name: its kind, where it is, and what to write instead."""

    kind: str
    text: str


class Case(NamedTuple):
    """One row of a comparison: a tensor and the gradient that somebody derived for it."""

    name: str
    tensor: Tensor
    manual: Any
    tolerance: float  # what rounding explains
    wrong: bool


class Hypothesis(NamedTuple):
    """A mistake that might have been made: the edges it changes, or the gradient it gives the tensor at once."""

    kind: str
    text: str
    edits: dict[Edge, Edit]
    value: Any = None


def _acts_on(result: Any, node: Any) -> bool:
    """Whether a result is a function of one variable of the node, perhaps after a bias has been added to it."""
    if result.creator is None or result.creator.kind != "elementwise" or len(result.inputs) != 1:
        return False
    source = result.inputs[0]
    biased = source.creator is not None and source.creator.name == "add" and any(a is node for a in source.inputs)
    return source is node or biased


def _times(slope: Any) -> Edit:
    return lambda g: g * slope


class Mistakes:
    """Every mistake that could have been made between the loss and a tensor."""

    def __init__(self, replay: Replay, cases: Sequence[Case], names: dict[Tensor, str]) -> None:
        self.replay, self.cases, self.names = replay, cases, names
        self.values: dict[Tensor, Any] = {}
        for node in replay.order:
            for tensor in (node, *(a for a in node.inputs or () if isinstance(a, Tensor))):
                self.values[tensor] = tensor.value
        self.lengths = sorted({n for value in self.values.values() for n in (*value.shape, value.size) if n > 1})

    def slack(self, case: Case) -> float:
        """How far a value may be from a hypothesis that explains it."""
        size = float(np.max(np.abs(case.manual), initial=0.0))
        return case.tolerance + DIGITS.get(case.tensor.dtype.itemsize, 1e-4) * (size if np.isfinite(size) else 0.0)

    def place(self, node: Any) -> str:
        """How the caller would refer to an operation."""
        name = self.names.get(node) or node.name
        operation = node.creator.name if node.creator else "a leaf"
        return f"{name!r} ({operation}, {at(node.site)})" if name else f"{operation!r} at {at(node.site)}"

    def call(self, tensor: Any, fallback: str) -> str:
        """The caller's name of an operand."""
        if isinstance(tensor, Tensor):
            made = f"the result of {self.place(tensor)}" if tensor.creator else fallback
            return self.names.get(tensor) or tensor.name or made
        return fallback

    def hypotheses(self, case: Case) -> Iterator[Hypothesis]:
        """The mistakes to try for a case, the likelier ones first."""
        yield from self._of_the_value(case)
        for edge in self.replay.upstream(case.tensor):
            yield from self._scaled(case, edge)
            rewrites: tuple[Callable[[Edge], Iterator[Hypothesis]], ...] = (
                self._local, self._operands, self._cotangents, self._unsummed, self._axes, self._index_overwritten,
            )  # fmt: skip
            for rewrite in rewrites:
                try:
                    yield from rewrite(edge)
                except FAILURES:  # a mistake that these shapes do not allow
                    continue
        yield from self._one_path(case)

    # ----- the gradient as a whole -----
    def _of_the_value(self, case: Case) -> Iterator[Hypothesis]:
        right, tensor, manual = self.replay.base[case.tensor], case.tensor, case.manual
        if np.ndim(right) > 1:
            for axes in itertools.permutations(range(np.ndim(right))):
                if axes != tuple(range(np.ndim(right))):
                    text = f"{case.name} is transposed: write .T"
                    if np.ndim(right) > 2:
                        text = f"{case.name} has its axes in the order {axes}: transpose them back"
                    yield Hypothesis("transposed", text, {}, np.transpose(right, axes))
        if np.shape(manual) != np.shape(right):
            if np.size(manual) == np.size(right):
                text = f"the values agree after a reshape: {case.name}.reshape{tensor.shape}, or sum with keepdims=True"
                yield Hypothesis("shape", text, {}, np.reshape(right, np.shape(manual)))
            edges = self.replay.incoming[tensor]
            if len(edges) == 1:
                raw = np.asarray(self.replay.raw(edges[0], self.replay.base[edges[0][0]]))
                fix = f"{self.place(edges[0][0])} broadcasts it, so its gradient is summed to shape {tensor.shape}"
                yield Hypothesis("not summed", f"not summed over the batch: {fix}", {}, raw)
                for count in range(1, raw.ndim + 1):
                    for axes in itertools.combinations(range(raw.ndim), count):
                        for kept in (False, True):
                            text = f"summed over the wrong axis {axes[0] if count == 1 else axes}: {fix}"
                            yield Hypothesis("wrong axis", text, {}, raw.sum(axis=axes, keepdims=kept))
            return
        yield Hypothesis("offset", f"1 too much everywhere: {case.name} starts from ones, not zeros", {}, right + 1)
        for other, g in self.replay.base.items():
            if other is not tensor and np.shape(g) == np.shape(right):
                whose = self.call(other, "another tensor")
                text = f"these are the numbers of the gradient of {whose}: a step too many, or too few?"
                early = _acts_on(tensor, other)
                if early:
                    text = f"the derivative of {self.place(tensor)} is in it already: that belongs to the next step"
                yield Hypothesis("derivative twice" if early else "another gradient", text, {}, g)
        if tensor.creator is None and len(self.cases) > 1:
            text = "twice as large, and only here: accumulated twice (+= on a stale gradient)? Start from zero"
            yield Hypothesis("accumulated twice", text, {}, 2 * right)

    # ----- constants, signs, missing paths: the backward pass is linear in what an edge sends back -----
    def _scaled(self, case: Case, edge: Edge) -> Iterator[Hypothesis]:
        if np.shape(case.manual) != case.tensor.shape:
            return
        replay, tensor = self.replay, case.tensor
        right = np.asarray(replay.base[tensor], dtype=float)
        try:
            without = replay.run({edge: self._nothing(edge)})
        except FAILURES:
            return
        share = right - np.asarray(without[tensor], dtype=float)
        excess = np.asarray(case.manual, dtype=float) - right
        size = float(np.sum(share * share))
        slack = self.slack(case)
        if not size or np.max(np.abs(share)) <= slack:
            return
        factor = 1 + float(np.sum(excess * share)) / size
        if not same(excess, (factor - 1) * share, slack):
            return
        whole = not np.any(np.abs(right - share) > slack)
        where = "" if whole else f" in the part that comes through {self.place(edge[0])}"
        inputs: tuple[Any, ...] = edge[0].inputs or ()
        if abs(factor) < 1e-6 and any(a is inputs[edge[1]] for i, a in enumerate(inputs) if i != edge[1]):
            text = f"half of what it should be: d(x²) = 2x dx at {self.place(edge[0])}"
            yield Hypothesis("factor", text, {edge: self._nothing(edge)})
            return
        named = self._factor(factor, where, self.place(edge[0]), whole)
        if edge[0].creator.name == "power" and np.ndim(value_of(inputs[1])) == 0:
            exponent = float(value_of(inputs[1]))
            if exponent not in (-1, 2) and abs(factor * exponent - 1) < 1e-6:
                named = "factor", f"the exponent is missing as a factor at {self.place(edge[0])}: d(xⁿ) = n xⁿ⁻¹ dx"
        if named is None:
            if np.count_nonzero(np.abs(share) > slack) < 2:
                return
            text = f"{factor:.6g} times what it should be{where}: a constant is wrong near {self.place(edge[0])}"
            named = "constant", text
        yield Hypothesis(*named, {edge: lambda g: factor * replay.part(edge, g)})

    def _factor(self, factor: float, where: str, place: str, whole: bool) -> tuple[str, str] | None:
        """Kind and text of a factor that has a meaning."""

        def close(number: float) -> bool:
            return abs(factor - number) <= 1e-6 * max(abs(number), 1e-3)

        if close(0.0):
            text = (
                "it is zero: nothing of the gradient arrives" if whole else "only one of several paths is accumulated"
            )
            return "path missing", f"{text}; add (+=) what comes back through {place}"
        if close(-1.0):
            return "sign", f"the sign is flipped{where}: put a minus before the term from {place}"
        if close(2.0):
            return "factor", f"2 times too large{where}: a factor of 2 too many, or added twice, near {place}"
        if close(0.5):
            return "factor", f"half of what it should be{where}: d(x²) = 2x dx; is the 2 missing near {place}?"
        for n in self.lengths:
            if close(n):
                return "factor", f"{n} times too large{where}: mean or sum? Divide by {n} near {place}"
            if close(1 / n):
                return "factor", f"{n} times too small{where}: mean or sum? Divided by {n} once too often near {place}"
            if n > 2 and (close(n / (n - 1)) or close((n - 1) / n)):
                return "factor", f"off by {n}/{n - 1}{where}: variance over n or over n - 1? See {place}"
        return None

    def _one_path(self, case: Case) -> Iterator[Hypothesis]:
        """A tensor used in several places, of which one overwrote the others."""
        replay = self.replay
        nodes = [case.tensor, *dict.fromkeys(edge[0] for edge in replay.upstream(case.tensor))]
        for node in nodes:
            edges = replay.incoming.get(node, [])
            if len(edges) > 2:
                for kept in edges:
                    others = {edge: self._nothing(edge) for edge in edges if edge != kept}
                    name = self.call(node, "it")
                    text = (
                        f"only one of {len(edges)} paths is accumulated: {name} is used that often, write += each time"
                    )
                    yield Hypothesis("path missing", text, others)

    def _nothing(self, edge: Edge) -> Edit:
        return lambda g: np.zeros_like(self.replay.parts[edge])

    def _at(self, edge: Edge, point: Any) -> Edit:
        return lambda g: self.replay.part(edge, g, point, [point])

    def _with(self, edge: Edge, values: list[Any], y: Any = None) -> Edit:
        return lambda g: self.replay.part(edge, g, y, values)

    def _given(self, edge: Edge, cotangent: Any) -> Edit:
        return lambda g: self.replay.part(edge, cotangent)

    # ----- what an operation sends back -----
    def _local(self, edge: Edge) -> Iterator[Hypothesis]:
        replay, (node, index) = self.replay, edge
        creator, values = node.creator, replay.inputs(node)
        assert creator is not None
        place = self.place(node)
        if creator.kind in ("elementwise", "contraction"):
            text = (
                f"the gradient that arrives at {place} is forgotten: multiply the local derivative by it (chain rule)"
            )
            yield Hypothesis(
                "upstream forgotten",
                text,
                {edge: lambda g: replay.part(edge, np.ones_like(np.asarray(node.value))[()])},
            )
        if creator.kind != "elementwise":
            return
        text = f"the derivative of {place} is missing: multiply by it on the way back"
        yield Hypothesis("derivative missing", text, {edge: lambda g: replay.fitted(edge, g)})
        with np.errstate(all="ignore"):
            slope = replay.raw(edge, np.ones_like(np.asarray(node.value))[()])
        text = f"the derivative of {place} is upside down: multiplied where it divides, or the other way round"
        yield Hypothesis("derivative inverted", text, {edge: lambda g: replay.fitted(edge, g / slope)})
        if creator.name == "power" and index == 0:
            text = f"the exponent is not lowered at {place}: d(xⁿ) = n xⁿ⁻¹ dx"
            yield Hypothesis("other derivative", text, {edge: _times(node.value * values[1])})
        if len(values) > 1:
            return
        x = values[0]
        f = creator.forward
        given, result = self.call(node.inputs[0], "its input"), self.call(node, "its result")
        taken = f"the derivative of {place} is taken at {{}} where {{}} belongs"
        with np.errstate(all="ignore"):
            again = f(node.value, **node.params)
        pre = taken.format(f"its input ({given})", f"its result ({result})") + ": the formula is in terms of the result"
        post = taken.format(f"its result ({result})", f"its input ({given})") + ": it wants the pre-activation"
        yield Hypothesis("derivative point", pre, {edge: lambda g: replay.part(edge, g, x)})
        yield Hypothesis("derivative point", post, {edge: lambda g: replay.part(edge, g, again, [node.value])})
        y = node.value
        for other, slope in (("tanh", 1 - y * y), ("sigmoid", y * (1 - y)), ("relu", (x > 0) * 1.0)):
            if other != creator.name:
                text = f"the derivative of {other} is taken at {place}, which is no {other}"
                yield Hypothesis("other derivative", text, {edge: _times(slope)})
        halves = {
            "tanh": [(1 - y, "1 - y² wants the square")],
            "sigmoid": [(y, "y(1 - y) has two factors"), (1 - y, "y(1 - y) has two factors")],
        }
        for slope, text in halves.get(creator.name, []):
            yield Hypothesis(
                "other derivative", f"the derivative of {place} is incomplete: {text}", {edge: _times(slope)}
            )
        for tensor, other in self.values.items():
            if other.shape == node.shape and tensor is not node and tensor is not node.inputs[0]:
                elsewhere = taken.format(
                    self.call(tensor, "another array"), f"its input ({given}) or result ({result})"
                )
                yield Hypothesis("derivative point", elsewhere, {edge: self._at(edge, other)})
        text = f"the derivative of {place} is applied twice"
        yield Hypothesis("derivative twice", text, {edge: lambda g: replay.part(edge, replay.part(edge, g))})

    def _operands(self, edge: Edge) -> Iterator[Hypothesis]:
        """Another array in the place of the other operand: its transpose, the own one, the result, whatever fits."""
        replay, (node, index) = self.replay, edge
        inputs, values = node.inputs or (), replay.inputs(node)
        if len(values) < 2 or node.creator is None or node.creator.kind not in ("elementwise", "contraction"):
            return
        place = self.place(node)
        for j, operand in enumerate(values):
            if j == index:
                continue

            def using(other: Any, j: int = j) -> dict[Edge, Edit]:
                return {edge: self._with(edge, [*values[:j], other, *values[j + 1 :]])}

            right = self.call(inputs[j], "the other operand")
            if np.ndim(operand) > 1:
                turned = np.swapaxes(operand, -1, -2)
                if turned.shape == operand.shape:
                    yield Hypothesis(
                        "transposed", f"{right} is to be transposed going back through {place}", using(turned)
                    )
            if node.creator.kind == "elementwise":
                text = f"{right} is forgotten: it belongs into the derivative of {place}"
                ones = [*values[:j], np.ones_like(operand), *values[j + 1 :]]
                y = node.creator.forward(*ones, **node.params)
                yield Hypothesis("operand forgotten", text, {edge: self._with(edge, ones, y)})
            if np.ndim(operand) and 1 in operand.shape:
                lost = np.squeeze(operand).shape
                text = f"keepdims lost: {right} has shape {operand.shape}, as {lost} it broadcasts otherwise"
                yield Hypothesis("keepdims", text, using(np.squeeze(operand)))
            for tensor, other in self.values.items():
                fits = np.shape(other) == np.shape(operand)
                fits |= node.creator.kind == "elementwise" and np.shape(other) == node.shape
                if tensor is not inputs[j] and fits:
                    text = f"{self.call(tensor, 'another array')} stands where {right} belongs, at {place}"
                    yield Hypothesis("wrong operand", text, using(other))
        if node.creator.kind == "elementwise":
            own = self.call(inputs[index], "the operand")
            for tensor, other in self.values.items():
                if tensor is not inputs[index] and np.shape(other) == np.shape(values[index]):
                    text = f"the derivative of {place} is taken at {self.call(tensor, 'another array')} where {own} belongs"
                    others = [*values[:index], other, *values[index + 1 :]]
                    yield Hypothesis("derivative point", text, {edge: self._with(edge, others)})
            if node.creator.name == "div" and index == 1:
                text = f"the derivative of {place} by what it divides by is -g * a / b²: is the square missing?"
                yield Hypothesis("derivative missing", text, {edge: lambda g: replay.fitted(edge, -g * node.value)})

    def _cotangents(self, edge: Edge) -> Iterator[Hypothesis]:
        """The gradient of another tensor used in the place of the result's."""
        replay, (node, _) = self.replay, edge
        for other, g in replay.base.items():
            if other is not node and np.shape(g) == node.shape:
                skipped = _acts_on(other, node)
                mine, theirs = self.call(node, self.place(node)), self.call(other, "another tensor")
                text = f"uses the gradient of {theirs} where that of {mine} belongs"
                if skipped:
                    text = f"the derivative of {self.place(other)} is missing: {text}"
                kind = "derivative missing" if skipped else "wrong operand"
                yield Hypothesis(kind, text, {edge: self._given(edge, g)})

    def _unsummed(self, edge: Edge) -> Iterator[Hypothesis]:
        """A sum over the batch, or over what shares a value, that is missing."""
        replay, (node, index) = self.replay, edge
        source = node.inputs[index]
        raw = np.asarray(replay.raw(edge, replay.base[node]))
        if raw.shape != source.shape:
            below = source
            while below.creator is not None and len(below.wrt) == 1 and below.creator.name != "sum":
                below = below.inputs[below.wrt[0]]
            is_sum = below.creator is not None and below.creator.name == "sum"
            name, place = self.call(source, "it"), self.place(node)
            shared = f"{name} is shared by many elements at {place}, so its gradient is summed"
            if is_sum:
                softmax = getattr(below.inputs[0].creator, "name", "") == "exp"
                whose = "the softmax Jacobian" if softmax else "a Jacobian"
                kind, text = "diagonal Jacobian", f"{whose} is treated as diagonal: {shared} before it goes on"
            else:
                kind, text = "not summed", f"not summed over the batch: {shared}"
            yield Hypothesis(kind, text, {edge: lambda g: replay.raw(edge, g)})

    def _axes(self, edge: Edge) -> Iterator[Hypothesis]:
        """Sums over another axis than the right one, or broadcast back along another axis."""
        replay, (node, index) = self.replay, edge
        source = node.inputs[index]
        raw = np.asarray(replay.raw(edge, replay.base[node]))
        place, name = self.place(node), self.call(source, "its operand")

        def edit(axis: int) -> Edit:
            return lambda g: np.sum(replay.raw(edge, g), axis=axis).reshape(source.shape)

        if raw.shape != source.shape:
            for axis in range(raw.ndim):
                text = f"summed over the wrong axis {axis}: at {place}, {name} of shape {source.shape} is broadcast"
                if raw.size // raw.shape[axis] == source.size:
                    yield Hypothesis(
                        "wrong axis",
                        text,
                        {edge: edit(axis)},
                    )
        axes = node.params.get("axis") if node.creator is not None and node.creator.name == "sum" else None
        if axes is not None:
            flat = tuple(n for i, n in enumerate(source.shape) if i not in axes)
            text = f"keepdims lost: the gradient of {place} has to keep axis {axes} as length 1 to broadcast over it"
            yield Hypothesis("keepdims", text, {edge: lambda g: np.broadcast_to(np.reshape(g, flat), source.shape)})

    def _index_overwritten(self, edge: Edge) -> Iterator[Hypothesis]:
        """``dC[index] = g``, or ``+=``, where an index occurs more than once."""
        node, number = edge
        if node.creator is None or node.creator.name != "getitem" or number:
            return
        arrays = [np.asarray(value_of(a)) for a in node.inputs[1:]]
        template, shape = node.params["index"], value_of(node.inputs[0]).shape
        text = f"indices that occur twice at {self.place(node)} were overwritten instead of added: use np.add.at"

        def overwritten(g: Any) -> Any:
            out = np.zeros(shape, np.asarray(g).dtype)
            out[_index(template, arrays)] = g
            return out

        yield Hypothesis("repeated indices", text, {edge: overwritten})
        if len(arrays) != 1 or len(template) > 1:
            return
        whole: Any = arrays[0]

        def by_slices(axis: int) -> Edit:
            def looped(g: Any) -> Any:
                out = np.zeros(shape, g.dtype)
                for i in range(whole.shape[axis]):
                    out[np.take(whole, i, axis)] += np.take(g, i, axis)
                return out

            return looped

        for axis in range(whole.ndim):
            if whole.ndim > 1:
                yield Hypothesis("repeated indices", text, {edge: by_slices(axis)})
