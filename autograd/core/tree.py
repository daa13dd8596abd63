"""Nested containers (dict, list, tuple, dataclass) of arrays, taken apart and put together again."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Container, Iterator
from typing import Any

from .errors import ArgumentError

Structure = Any  # a hashable description of a container with its leaves left out
LEAF = "*"


def flatten(tree: Any, like: Structure = None, whole: Container[int] = ()) -> tuple[list[Any], Structure]:
    """Leaves in order, and the structure that `unflatten` needs.

    Keys of a dict keep their order, which is part of the structure; where `like` is the structure of a container with the
    same keys, they are taken in its order instead, so that leaves of the two can be matched.
    Containers whose id is in `whole` are leaves.

    Raises:
        ArgumentError: a container holds itself.

    >>> flatten({"b": [1, 2], "a": 3})[0]
    [1, 2, 3]
    >>> flatten({"b": [1, 2], "a": 3}, like=flatten({"a": 0, "b": [0, 0]})[1])[0]
    [3, 1, 2]
    """
    leaves: list[Any] = []
    try:
        return leaves, _flatten(tree, leaves, like, whole)
    except RecursionError:
        raise ArgumentError("a container holds itself, or others nested too deep: pass a tree of them") from None


def _flatten(tree: Any, leaves: list[Any], like: Structure, whole: Container[int]) -> Structure:
    if tree is None:
        return None
    taken = _apart(tree) if id(tree) not in whole else None
    if taken is None:
        leaves.append(tree)
        return LEAF
    kind, names, parts = taken
    if like is None or like == LEAF or len(like[2]) != len(parts):
        return kind, names, tuple([_flatten(part, leaves, None, whole) for part in parts])
    if isinstance(tree, dict) and names != like[1] and set(names) == set(like[1] or ()):
        names = like[1]
        parts = [tree[key] for key in names]
    pairs = zip(parts, like[2], strict=True)
    return kind, names, tuple([_flatten(part, leaves, other, whole) for part, other in pairs])


def _apart(tree: Any) -> tuple[Any, Any, Any] | None:
    """What makes the container again, keys or names of its parts (None in a sequence), and these; None for a leaf."""
    if isinstance(tree, dict):
        kind = (type(tree), tree.default_factory) if isinstance(tree, collections.defaultdict) else type(tree)
        return kind, tuple(tree), list(tree.values())
    if isinstance(tree, (list, tuple)):
        return type(tree), None, tree
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = [field.name for field in dataclasses.fields(tree) if hasattr(tree, field.name)]
        names = tuple(dict.fromkeys([*fields, *getattr(tree, "__dict__", ())]))
        return type(tree), names, [getattr(tree, name) for name in names]
    return None


def children(tree: Any) -> dict[Any, Any] | None:
    """What a container holds, by key, index or attribute, in the order of `flatten`; None for a leaf.

    >>> children([5, 6])
    {0: 5, 1: 6}
    """
    taken = _apart(tree)
    return None if taken is None else dict(zip(range(len(taken[2])) if taken[1] is None else taken[1], taken[2]))


def unflatten(structure: Structure, leaves: list[Any]) -> Any:
    """The container of that structure, filled with the leaves; no constructor of the user's runs again.

    >>> leaves, structure = flatten({"b": [1, 2], "a": 3})
    >>> unflatten(structure, [x * 10 for x in leaves])
    {'b': [10, 20], 'a': 30}
    """
    return _unflatten(structure, iter(leaves))


def _unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    if structure is None:
        return None
    if structure == LEAF:
        return next(leaves)
    kind, names, children = structure  # names: keys of a dict, attributes of a dataclass, None for a sequence
    parts = [_unflatten(child, leaves) for child in children]
    if names is None:
        return parts if kind is list else _sequence(kind, parts)
    fields = dict(zip(names, parts, strict=True))
    return fields if kind is dict else _mapping(kind, fields)


def _sequence(kind: Any, parts: list[Any]) -> Any:
    if issubclass(kind, tuple):
        return tuple.__new__(kind, parts)
    filled = kind.__new__(kind)
    list.extend(filled, parts)
    return filled


def _mapping(kind: Any, fields: dict[Any, Any]) -> Any:
    """A dict of another class, or a dataclass."""
    kind, *factory = kind if isinstance(kind, tuple) else (kind,)
    filled = kind.__new__(kind)
    if factory:
        filled.default_factory = factory[0]
    store = next((c.__setitem__ for c in (collections.OrderedDict, dict) if issubclass(kind, c)), object.__setattr__)
    for name, part in fields.items():
        store(filled, name, part)
    return filled


def map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The same container with `function` applied to every leaf.

    >>> map(lambda x: x + 1, (1, [2]))
    (2, [3])
    """
    leaves, structure = flatten(tree)
    return unflatten(structure, [function(leaf) for leaf in leaves])
