"""Checks of arguments: each returns the value in the form that is used, or raises an error that names the argument."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np

from autograd import Tensor
from autograd.core.errors import ArgumentError, DTypeError, ShapeError, SignatureError

from .loss import LossFunction
from .module import Module, held_module

FIT = "model.fit(X, y, loss=nn.MSE(), epochs=100, learning_rate=0.001)"
_HERE = os.path.dirname(__file__) + os.sep
_Function = TypeVar("_Function", bound=Callable[..., Any])


def call(example: str) -> Callable[[_Function], _Function]:
    """Decorator: a call that does not fit the signature raises a SignatureError that shows one that does."""

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise SignatureError(f"{error}: write {example}") from None
            return function(*args, **kwargs)

        return checked  # type: ignore[return-value]  # of the same signature

    return decorate


def warn(text: str) -> None:
    """Warn at the line of the first caller outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, stacklevel=level)


def module(model: object) -> Module:
    """The module that a model is, or holds; what is no model is refused."""
    if isinstance(model, type):
        raise ArgumentError(f"the model {model.__name__} is a class: give {model.__name__}(...), an object of it")
    found = held_module(model)
    if not isinstance(found, Module):
        raise DTypeError(f"the model must be a Module, not {model!r}; a function becomes one as nn.Apply(function)")
    return found


def loss(model: object, value: LossFunction | None) -> LossFunction:
    """The loss that is given, or else that of a network which has its own."""
    if value is None and not isinstance(model, Module):
        value = getattr(model, "loss_function", None)
    if value is None:
        raise SignatureError(f"no loss is given: write {FIT}")
    function("loss", value, "nn.MSE() or any function of (prediction, target)")
    return value


def function(name: str, value: object, example: str) -> None:
    """Refuse what cannot be called, and a class in place of an object of it."""
    if isinstance(value, type):
        raise ArgumentError(f"{name} is the class {value.__name__}: write {value.__name__}(), an object of it")
    if not callable(value):
        raise ArgumentError(f"{name} must be a function, such as {example}, not {value!r}")


def count(name: str, value: object) -> int:
    """A positive integer."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ArgumentError(f"{name} must be a positive integer, not {value!r}")
    return int(value)


def listed(name: str, values: Any, fits: Callable[[Any], bool], example: str) -> list[Any]:
    """A list, all of whose items fit."""
    found = list(values) if isinstance(values, Iterable) and not isinstance(values, (str, dict)) else None
    if found is None or not all(map(fits, found)):
        raise ArgumentError(f"{name} must be a list, such as {example}, not {values!r}")
    return found


def functions(name: str, values: Any, example: str) -> dict[str, Any]:
    """Functions by name."""
    if not isinstance(values, dict):
        raise ArgumentError(f"{name} must be a dict of functions by name, such as {example}, not {values!r}")
    for key, value in values.items():
        function(f"{name}[{key!r}]", value, example)
    return values


def generator(seed: Any) -> np.random.Generator:
    """The generator of a seed."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"seed must be an integer of zero or more, not {seed!r}: {error}") from None


def pair(name: str, value: Any) -> tuple[Any, Any]:
    """Inputs and targets."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ArgumentError(f"{name} must be a pair of inputs and targets, as (X, y), not {kind(value)}")
    return value[0], value[1]


def number(name: str, value: Any) -> float:
    """What a metric or a loss returns, as a float."""
    plain = array(value)
    if plain.shape != () or plain.dtype.kind not in "fiub":
        raise DTypeError(f"{name} must return one real number, not {kind(value)}")
    return float(plain)


def kind(value: Any) -> str:
    """What a value is, in few words."""
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}" + (f" of shape {shape}" if isinstance(shape, tuple) else "")


def dtype(model: Module) -> np.dtype[Any]:
    """The dtype that data are cast to: that of the first parameter."""
    return next((np.dtype(parameter.dtype) for _, parameter in model.named_parameters()), np.dtype(np.float64))


def array(value: Any) -> np.ndarray:
    """The values of a Tensor, or of what becomes an array."""
    return np.asarray(value.data if isinstance(value, Tensor) else value)


def output(value: Any) -> np.ndarray:
    """The values of one part of what a model returned."""
    plain = array(value)
    if plain.dtype.kind not in "fiubc":
        raise DTypeError(
            f"the model returned {kind(value)}: a forward method returns a Tensor, or a tuple, list, dict or dataclass of them"
        )
    return plain


def rows(values: Any, name: str, dtype: np.dtype[Any] | None) -> np.ndarray:
    """Data as an array of finite numbers with a row axis, floats cast to `dtype` where one is given."""
    if isinstance(values, np.ma.MaskedArray):
        raise DTypeError(
            f"{name} is a masked array, whose mask would be lost: use {name}.filled(...) or leave rows out"
        )
    if isinstance(values, np.ndarray) and type(values) not in (np.ndarray, np.memmap):
        raise DTypeError(
            f"{name} is a {type(values).__name__}, of which only the numbers would be kept: use np.asarray({name})"
        )
    try:
        data = array(values)
    except ValueError:
        raise ShapeError(
            f"{name} is a {kind(values)} whose parts have different shapes: it must be one array"
        ) from None
    if data.dtype.kind not in "fiub":
        raise DTypeError(f"{name} has dtype {data.dtype}, but must hold real numbers")
    if data.ndim == 0:
        raise ShapeError(f"{name} is a scalar; it must have one row per sample: use an array of shape (1, ...)")
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        index = np.argwhere(~np.isfinite(data))[0].tolist()
        raise ArgumentError(f"{name}{index} is {data[tuple(index)]}; remove or replace such values first")
    return data if dtype is None or data.dtype.kind != "f" else cast(data, name, dtype)


def cast(data: np.ndarray, name: str, dtype: np.dtype[Any]) -> np.ndarray:
    """Finite data in the model's dtype, where they stay finite."""
    with np.errstate(over="ignore"):
        found = data.astype(dtype, copy=False)
    if not np.isfinite(found).all():
        index = np.argwhere(~np.isfinite(found))[0].tolist()
        raise ArgumentError(f"{name}{index} is {data[tuple(index)]}, which the model's {dtype} cannot hold")
    return found
