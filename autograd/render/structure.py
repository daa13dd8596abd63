"""The walk over a module that has not run: its layers in the order in which it holds them, with their parameters.

Nothing of `nn` is imported: whatever has `named_parameters()` can be drawn, and `named_modules()` adds the layers that
have none.
"""

from __future__ import annotations

from typing import Any

from .model import OPERATION, PARAMETER, Diagram, Node, scope_path

NOTE = "Structure only: layers in the order in which they are held; draw(model(x)) shows the computation"


def is_module(thing: Any) -> bool:
    """Whether it says what its parameters are."""
    return callable(getattr(thing, "named_parameters", None)) and not isinstance(thing, type)


def from_module(module: Any) -> Diagram:
    """The diagram of a module's structure: each layer one operation in a scope with its parameters, in a row."""
    held: dict[str, list[tuple[str, Any]]] = {}
    layers = dict(module.named_modules()) if callable(getattr(module, "named_modules", None)) else {}
    containers = {path.rpartition(".")[0] for path in layers if path}
    containers |= {path[:end] for path in layers for end in range(len(path)) if path[end] == "."}
    for path in layers:
        if path and path not in containers:
            held[path] = []
    for path, parameter in module.named_parameters():
        owner, _, name = path.rpartition(".")
        held.setdefault(owner, []).append((name, parameter))
    order = {path: place for place, path in enumerate(layers)}
    nodes: list[Node] = []
    before: list[Node] = []
    for path in sorted(held, key=lambda path: order.get(path, len(order))):
        scope = _scope(path) if held[path] else _scope(path).rpartition("/")[0]
        own = [
            Node(
                f"n{len(nodes) + place}",
                PARAMETER,
                "",
                name,
                tuple(parameter.shape),
                parameter.dtype.name,
                scope=scope,
                thing=parameter,
            )
            for place, (name, parameter) in enumerate(held[path])
        ]
        nodes += own
        if path and path not in containers:  # where a container uses its own parameters cannot be told
            before = [
                Node(
                    f"n{len(nodes)}",
                    OPERATION,
                    _kind(layers.get(path), path),
                    "",
                    scope=scope,
                    operands=(*before, *own),
                )
            ]
            nodes += before
    total = sum(parameter.size for _, parameter in module.named_parameters())
    return Diagram(
        f"Structure of {type(module).__name__}", nodes, notes=[f"{type(module).__name__}: {total:,} parameters", NOTE]
    )


def _scope(path: str) -> str:
    """The path of attributes as a path of scopes; an index stays with the list it belongs to."""
    parts: list[str] = []
    for part in path.replace("/", "|").split("."):
        if part.isdigit() and parts:
            parts[-1] += f".{part}"
        else:
            parts.append(part)
    return scope_path("/".join(parts))


def _kind(layer: Any, path: str) -> str:
    """What a layer is called: its own description on one line if it has a short one, else its class, else its path."""
    if layer is None:
        return path
    words = repr(layer)
    return words if "\n" not in words and len(words) <= 40 and " object at " not in words else type(layer).__name__
