"""What a traced function is called with, leaf by leaf: names, and how each enters the program."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import tree
from ..core.errors import ArgumentError
from ..core.subclasses import check_array
from ..core.tensor import Tensor


class Call:
    """A call of a function, taken apart once.

    Attributes:
        leaves: of the arguments, keywords last; `structure` puts them together again.
        names: what a person would call each.
        kinds: how each enters the program, see `leaf_kind`.
    """

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[str]
    ) -> None:
        self.function, self.args, self.kwargs = function, args, kwargs
        self.leaves, self.structure = tree.flatten((args, kwargs))
        parameters, self.names = argument_names(function, args, kwargs)
        self.kinds = [leaf_kind(leaf, name in static) for leaf, name in zip(self.leaves, parameters, strict=True)]

    @property
    def variables(self) -> dict[str, Any]:
        """The leaves under the names that they have in the entry."""
        return {f"a{i}": leaf for i, leaf in enumerate(self.leaves)}

    @property
    def watched(self) -> dict[str, tuple[str, Any]]:
        """The leaves that are no inputs, and so have to be watched: by variable of the entry, name and value."""
        rows = zip(self.names, self.leaves, self.kinds, strict=True)
        return {f"a{i}": (name, leaf) for i, (name, leaf, (kind, _)) in enumerate(rows) if kind == "static"}


def leaf_kind(leaf: Any, static: bool) -> tuple[str, Any]:
    """How a leaf of the arguments enters the key: as an array of some shape and dtype, a float, or a fixed value."""
    if not static:
        if isinstance(leaf, Tensor):
            return "tensor", (leaf.shape, leaf.dtype, leaf.requires_grad)
        if isinstance(leaf, np.ndarray):
            check_array(leaf, "an argument of a compiled step")
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "biuf":
            return "array", (leaf.shape, leaf.dtype)
        if type(leaf) is float:
            return "float", None
    return "static", leaf


def argument_names(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[str], list[str]]:
    """For every leaf of the arguments the parameter it belongs to, and its own name: indices and keys are appended."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"{getattr(function, '__name__', function)} cannot be called like this: {error}") from error
    given: list[tuple[str, str]] = []
    for name, parameter in bound.signature.parameters.items():
        if name in bound.arguments:
            if parameter.kind is parameter.VAR_POSITIONAL:
                given += [(name, f"{name}_{i}") for i in range(len(bound.arguments[name]))]
            elif len(given) < len(args):
                given.append((name, name))
    given += [(name, name) for name in kwargs]
    values = [*args, *kwargs.values()]
    found = [
        (parameter, leaf) for (parameter, name), v in zip(given, values, strict=True) for leaf in _leaf_names(v, name)
    ]
    return [parameter for parameter, _ in found], [leaf for _, leaf in found]


def _leaf_names(value: Any, name: str) -> list[str]:
    leaves, structure = tree.flatten(value)
    if structure == tree.LEAF:
        return [name]
    if isinstance(value, dict):
        return [label for key in structure[1] for label in _leaf_names(value[key], f"{name}_{key}")]
    if isinstance(value, (list, tuple)):
        return [label for i, part in enumerate(value) for label in _leaf_names(part, f"{name}_{i}")]
    return [f"{name}_{i}" for i in range(len(leaves))]
