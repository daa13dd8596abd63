"""The names of what a traced function is called with, leaf by leaf."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..core import tree
from ..core.errors import ArgumentError


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
