"""Module: a tree of parameters and layers that knows the names of its parts.

A module is an ordinary Python object: whatever Tensors, modules, or lists and dicts of them it holds as attributes
belong to the tree.  Nothing has to be registered, so there is no base constructor that could be forgotten.
"""

from __future__ import annotations

import contextlib
import os
import re
import reprlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from autograd import Tensor, disable_compile, no_grad, scope
from autograd.core.errors import ArgumentError

if TYPE_CHECKING:
    from .history import History


class Parameter(Tensor):
    """A Tensor that training changes.

    Args:
        data: Its values.
        requires_grad: False keeps training from changing it.
        dtype: Of the values, by default theirs.
        name: In pictures and messages, by default its path in the module.

    >>> Parameter([1.0, 2.0]).requires_grad
    True
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: Any = None, name: str | None = None) -> None:
        super().__init__(data, requires_grad, dtype=dtype, name=name)


class Buffer(Tensor):
    """A Tensor that belongs to a module's state and is saved with it, but has no gradient (running statistics).

    >>> Buffer([0.0]).requires_grad
    False
    """

    __slots__ = ()


class ParameterList(list[Tensor]):
    """Parameters, and the module they come from, so that an optimizer that gets none can say what it saw."""

    def __init__(self, parameters: Iterator[Tensor], origin: Module) -> None:
        super().__init__(parameters)
        self.origin = origin


class Module:
    """Base class of layers and networks: assign parameters and layers as attributes, define `forward`, call the object.

    >>> import nn
    >>> class Line(nn.Module):
    ...     def __init__(self):
    ...         self.slope = nn.Parameter(2.0)
    ...         self.offset = nn.Parameter(1.0)
    ...     def forward(self, x):
    ...         return self.slope * x + self.offset
    >>> model = Line()
    >>> float(model(3.0).item())
    7.0
    >>> [name for name, _ in model.named_parameters()]
    ['slope', 'offset']
    """

    training: bool = True
    _scope: str = ""  # this module's name inside its parent
    _prefix: str = ""  # start of its parameters' names: the names of all modules above it, then its own
    _named: bool = False  # whether the names below are up to date

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """The computation; subclasses define it, callers call the module itself."""
        raise ArgumentError(f"{type(self).__name__} has no forward method: define forward(self, x)")

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Run `forward` inside the scope that names this module in pictures and compiled source."""
        if not self._named:
            self._name_tree()
        if not self._scope:
            return self.forward(*inputs, **settings)
        with scope(self._scope):
            return self.forward(*inputs, **settings)

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, (Module, Tensor, list, tuple, dict)):
            try:
                old = object.__getattribute__(self, name)
            except AttributeError:
                old = None
            if isinstance(value, Tensor) and isinstance(old, Tensor):
                value.name = old.name if value.name is None else value.name  # (a running mean, at every step)
            else:
                object.__setattr__(
                    self, "_named", False
                )  # the tree has changed: it is named again when it is next used
        object.__setattr__(self, name, value)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Only reached for attributes that do not exist."""
            own = type(self).__name__
            seen = ", ".join(key for key in vars(self) if not key.startswith("_")) or "none"
            raise AttributeError(
                f"{own} has no attribute {name!r} (its attributes: {seen}). "
                f"If a parent class sets it, call super().__init__() in {own}.__init__",
                name=name,
                obj=self,
            )

    def adopt(self, rng: np.random.Generator) -> None:
        """Called by a network with a seed of its own when this module joins it: draw anew what was drawn by default."""

    # -- the tree ------------------------------------------------------------------------------------------------------

    def members(self) -> list[tuple[str, Module | Tensor]]:
        """The modules and Tensors this module holds itself, also inside lists, tuples and dicts, with their paths.

        >>> import nn
        >>> [path for path, _ in nn.Sequential(nn.Tanh(), nn.Tanh()).members()]
        ['layers.0', 'layers.1']
        """
        found: list[tuple[str, Module | Tensor]] = []
        above: dict[int, str] = {}  # the containers that the walk is in, and where it met them
        stack: list[tuple[str, object]] = list(reversed(vars(self).items()))
        while stack:
            path, value = stack.pop()
            if isinstance(value, _Left):
                del above[value.key]
            elif isinstance(value, (Module, Tensor)):
                found.append((path, value))
            elif isinstance(value, (dict, list, tuple)):
                if id(value) in above:
                    raise ArgumentError(
                        f"the {type(value).__name__} {above[id(value)]} of {type(self).__name__} holds itself, as {path}: "
                        "take it out, since its parts have no end of paths"
                    )
                above[id(value)] = path
                stack.append((path, _Left(id(value))))
                items = value.items() if isinstance(value, dict) else enumerate(value)
                stack.extend(reversed([(f"{path}.{key}", item) for key, item in items]))
        return found

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module (path "") and every module below it, once each, parents first.

        A module below may hold one above it, such as its parent.

        Returns:
            Paths and modules.

        Raises:
            ArgumentError: A list, tuple or dict holds itself, or two modules have one path.

        >>> import nn
        >>> [path for path, _ in nn.Sequential(nn.Tanh(), nn.Tanh()).named_modules()]
        ['', 'layers.0', 'layers.1']
        """
        found: dict[str, Module] = {}
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                _put(found, path, module)
                below = [(_join(path, key), item) for key, item in module.members() if isinstance(item, Module)]
                stack.extend(reversed(below))
        return iter(found.items())

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        found: dict[str, Tensor] = {}
        seen: set[int] = set()
        for path, module in self.named_modules():
            for key, item in module.members():
                if isinstance(item, Tensor) and id(item) not in seen:
                    seen.add(id(item))
                    _put(found, _join(path, key), item)
        return iter(found.items())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Paths and parameters: every `Parameter`, and every leaf Tensor that requires a gradient, once each.

        A path is what one would type after the module: ``layers.0.weight`` is ``model.layers[0].weight``.

        Returns:
            Paths and parameters.

        Raises:
            ArgumentError: Two of them have one path, or a list, tuple or dict holds itself.

        >>> import nn
        >>> [(path, p.shape) for path, p in nn.MLP([2, 3, 1]).named_parameters()][:2]
        [('layers.0.weight', (2, 3)), ('layers.0.bias', (3,))]
        """
        if not self._named:
            self._name_tree()
        return ((path, tensor) for path, tensor in self._named_tensors() if _is_parameter(tensor))

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Paths and Tensors of the state that is saved but not trained: every `Buffer`."""
        return ((path, tensor) for path, tensor in self._named_tensors() if isinstance(tensor, Buffer))

    def parameters(self) -> ParameterList:
        """The parameters as a list, in the order of `named_parameters`."""
        return ParameterList((parameter for _, parameter in self.named_parameters()), self)

    def buffers(self) -> list[Tensor]:
        """The buffers as a list."""
        return [buffer for _, buffer in self.named_buffers()]

    def state(self) -> dict[str, Tensor]:
        """Parameters and buffers by path: what `save` writes and `load` restores."""
        return {**dict(self.named_parameters()), **dict(self.named_buffers())}

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def train(self, mode: bool = True) -> Module:
        """Switch this module and all below it to training mode.

        Args:
            mode: False for evaluation mode.

        Returns:
            The module.
        """
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Switch to evaluation mode; returns the module."""
        return self.train(False)

    # -- names for pictures and for compiled source --------------------------------------------------------------------

    def _label(self, path: str, child: Module, siblings: list[Module]) -> str:
        """The scope name of a child: the attribute that holds it."""
        return path.replace(".", "_")

    def _name_tree(self) -> None:
        """Give every module below its scope, and every tensor without a name of the user's choice its own."""
        if not self._scope and not any(isinstance(item, Module) for _, item in self.members()):
            self.__dict__["_scope"] = type(self).__name__  # a layer used on its own
        named = {id(self)}  # by whoever comes first, as paths are
        for _, module in self.named_modules():
            children = [(key, item) for key, item in module.members() if isinstance(item, Module)]
            siblings: list[Module] = []
            for key, child in children:
                label = module._label(key, child, siblings)
                siblings.append(child)
                if id(child) in named:
                    continue
                named.add(id(child))
                child.__dict__["_scope"] = label
                child.__dict__["_prefix"] = f"{module._prefix}{_snake(label)}_"
            given = module.__dict__.setdefault("_given_names", {})
            for key, item in module.members():
                if isinstance(item, Tensor) and (item.name is None or item.name == given.get(key)):
                    item.name = given[key] = module._prefix + _snake(key)
            module.__dict__["_named"] = True

    # -- looking at it -------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """The settings shown between the brackets of the repr."""
        return ""

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        lines = [
            f"  {path}: " + repr(item).replace("\n", "\n  ")
            for path, item in self.members()
            if isinstance(item, Module)
        ]
        head = f"{type(self).__name__}({self.describe()}"
        return head + ")" if not lines else "\n".join([head, *lines, ")"])

    def summary(self, inputs: Any = None) -> str:
        """A table of the modules: path, kind, output shape, number of parameters.

        Args:
            inputs: Example inputs, without which no output shapes are known.

        Returns:
            The table as text.

        >>> import nn, numpy as np
        >>> print(nn.MLP([2, 3, 1]).summary(np.zeros((4, 2))))
        module    kind               output  parameters
        layers.0  Dense(2 -> 3, he)  (4, 3)           9
        layers.1  Tanh()             (4, 3)           0
        layers.2  Dense(3 -> 1, he)  (4, 1)           4
        total                        (4, 1)          13
        """
        outputs: dict[str, Any] = {}
        if inputs is not None:
            with no_grad(), observe(self) as outputs:
                self(inputs)
        rows = [("module", "kind", "output", "parameters")]
        for path, module in self.named_modules():
            own = sum(item.size for _, item in module.members() if isinstance(item, Tensor) and _is_parameter(item))
            if path:
                kind = f"{type(module).__name__}({module.describe()})"
                rows.append((path, kind, _shape_text(outputs.get(path)), f"{own:,}"))
        total = sum(parameter.size for parameter in self.parameters())
        rows.append(("total", "", _shape_text(outputs.get("")), f"{total:,}"))
        if inputs is None:
            rows = [(path, kind, "", count) for path, kind, _, count in rows]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2].ljust(widths[2]), row[3].rjust(widths[3])]
            lines.append("  ".join(cell for cell, width in zip(cells, widths) if width))
        return "\n".join(lines)

    # -- using it ------------------------------------------------------------------------------------------------------

    def predict(self, X: Any, *, batch_size: int | None = None) -> Any:
        """The output for the rows of X as an array, in evaluation mode; see `nn.predict`."""
        from .train import predict

        return predict(self, X, batch_size=batch_size)

    def fit(self, X: Any, y: Any, **options: Any) -> History:
        """Train on rows X (n, ...) and targets y; see `nn.fit` for the options and errors.

        Returns:
            A `History`.
        """
        from .train import fit

        return fit(self, X, y, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write parameters and buffers to a ``.npy`` or ``.safetensors`` file; see `nn.save`."""
        from .persist import save

        save(self, path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Restore parameters and buffers from a file that `save` wrote; see `nn.load`."""
        from .persist import load

        load(self, path)


class HasModel(Protocol):
    """What is no Module but holds one, as a `NeuralNetwork` does."""

    @property
    def model(self) -> Module: ...


Model: TypeAlias = Module | HasModel


def held_module(model: object) -> object:
    """The Module that something holds as its `.model`; what holds none, as it is."""
    held = None if isinstance(model, Module) else getattr(model, "model", None)
    return held if isinstance(held, Module) else model


@contextlib.contextmanager
def observe(model: Module) -> Iterator[dict[str, Any]]:
    """Collect what every module of a model returns during the forward passes inside (the last one counts).

    Compiled steps run as plain Python inside, so that there is something to see.

    Args:
        model: A module.

    Yields:
        The outputs by path; "" is the model itself.

    >>> import nn, numpy as np
    >>> model = nn.MLP([2, 3, 1])
    >>> with observe(model) as outputs:
    ...     _ = model(np.zeros((4, 2)))
    >>> outputs["layers.1"].shape
    (4, 3)
    """
    outputs: dict[str, Any] = {}
    watched = list(model.named_modules())

    def watch(path: str, module: Module) -> None:
        forward = module.forward

        def observed(*inputs: Any, **settings: Any) -> Any:
            outputs[path] = forward(*inputs, **settings)
            return outputs[path]

        module.__dict__["forward"] = observed  # shadows the method, so that calls pay nothing when nobody watches

    for path, module in watched:
        watch(path, module)
    try:
        with disable_compile():
            yield outputs
    finally:
        for _, module in watched:
            module.__dict__.pop("forward", None)


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Within, a model and all below it are in evaluation mode; afterwards each of them is in the mode it was in.

    >>> import nn
    >>> model = nn.Sequential(nn.Tanh(), nn.Tanh())
    >>> model[0].training = False
    >>> with evaluating(model):
    ...     assert not model.training
    >>> model[0].training, model[1].training
    (False, True)
    """
    before = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def class_label(child: Module, siblings: Sequence[Module]) -> str:
    """Scope name of a module in a sequence: its class and how many of that class came before, as in ``Dense_1``."""
    kind = type(child)
    return f"{kind.__name__}_{sum(type(other) is kind for other in siblings)}"


def _is_parameter(tensor: Tensor) -> bool:
    return isinstance(tensor, Parameter) or (tensor.requires_grad and tensor.creator is None)


class _Left(NamedTuple):
    """Mark on the stack of a walk: all that the container of this identity holds has been seen."""

    key: int


def _put(found: dict[str, Any], path: str, item: object) -> None:
    if path in found:
        kinds = " and ".join(type(thing).__name__ for thing in (found[path], item))
        raise ArgumentError(
            f"two parts of the model have the path {path} (a {kinds}), and only one of them could be saved under it: "
            "give them keys or attributes that differ as text"
        )
    found[path] = item


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _snake(text: str) -> str:
    return re.sub(r"\W", "_", text).lower()


def _shape_text(output: Any) -> str:
    if isinstance(output, (list, tuple)):
        return "(" + ", ".join(_shape_text(item) for item in output) + ")"
    return str(np.shape(output) if not hasattr(output, "shape") else output.shape) if output is not None else ""
