"""Nested containers (dict, list, tuple, dataclass) of arrays, taken apart and put together again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

Structure = Any  # a hashable description of a container with its leaves left out
LEAF = "*"


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Leaves in order, and the structure that `unflatten` needs; dict keys are taken in sorted order where they sort.

    >>> flatten({"b": [1, 2], "a": 3})[0]
    [3, 1, 2]
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves)


def _flatten(tree: Any, leaves: list[Any]) -> Structure:
    if isinstance(tree, dict):
        try:
            keys = sorted(tree)
        except TypeError:
            keys = list(tree)
        return (dict, tuple(keys), tuple(_flatten(tree[key], leaves) for key in keys))
    if isinstance(tree, (list, tuple)):
        return (type(tree), None, tuple(_flatten(part, leaves) for part in tree))
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        names = tuple(field.name for field in dataclasses.fields(tree))
        return (type(tree), names, tuple(_flatten(getattr(tree, name), leaves) for name in names))
    if tree is None:
        return None
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: list[Any]) -> Any:
    """The container of that structure, filled with the leaves.

    >>> leaves, structure = flatten({"b": [1, 2], "a": 3})
    >>> unflatten(structure, [x * 10 for x in leaves])
    {'a': 30, 'b': [10, 20]}
    """
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure is None:
        return None
    if structure == LEAF:
        return next(leaves)
    kind, names, children = structure  # names: keys of a dict, fields of a dataclass, None for a sequence
    parts = [_unflatten(child, leaves) for child in children]
    if names is not None:
        fields = dict(zip(names, parts, strict=True))
        return fields if kind is dict else kind(**fields)
    return kind(*parts) if hasattr(kind, "_fields") else kind(parts)


def map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same container with `function` applied to every leaf.

    >>> map(lambda x: x + 1, (1, [2]))
    (2, [3])
    """
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])
