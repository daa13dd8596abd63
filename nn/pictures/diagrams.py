"""Diagrams of networks that have not run."""

from __future__ import annotations

import os
from typing import Any, Literal, overload

import autograd
from autograd import Picture
from autograd.core.errors import ArgumentError

from .. import checks
from ..module import Model
from .neurons import NetworkPicture, draw_neurons


@overload
def draw(
    model: Model, path: str | os.PathLike[str] | None = None, *, detail: Literal["layers"] = "layers", **options: Any
) -> Picture: ...


@overload
def draw(
    model: Model, path: str | os.PathLike[str] | None = None, *, detail: Literal["neurons"], **options: Any
) -> NetworkPicture: ...


def draw(
    model: Model, path: str | os.PathLike[str] | None = None, *, detail: str = "layers", **options: Any
) -> Picture | NetworkPicture:
    """Draw a model: its layers with their parameters, or its neurons with the weights between them.

    Neither runs the model; `autograd.draw(model(x))` draws what it computes.

    Args:
        model: A `Module` or a `NeuralNetwork`.
        path: Where to write the picture, too; its ending names the format.
        detail: "layers", drawn by Graphviz, for any model; or "neurons", for models whose Dense layers follow each
            other in the order in which they are held.
        options: For layers those of `autograd.draw`. For neurons: `max_units` of a layer that are drawn (12 by
            default), `theme` ("auto", "light", "dark"), names of the `inputs` and `outputs`, and whether to write the
            `numbers` of the weights beside the lines (by default where there are few).

    Returns:
        The picture, which notebooks show and which has `.save(path)` and `.svg`.

    Raises:
        DTypeError: What is given is no model.
        ArgumentError: An option that does not exist, or no row of Dense layers where neurons are asked for.

    >>> import nn
    >>> nn.draw(nn.MLP([2, 3, 1]))
    <Picture: Structure of MLP, 7 nodes, 6 edges>
    >>> nn.draw(nn.MLP([2, 3, 1]), detail="neurons")
    <NetworkPicture: MLP 2-3-1, 13 parameters>
    """
    module = checks.module(model)
    if detail == "layers":
        return autograd.draw(module, path, **options)
    if detail == "neurons":
        return draw_neurons(module, path, **options)
    raise ArgumentError(f"detail={detail!r} is not known; write detail='layers' or detail='neurons'")
