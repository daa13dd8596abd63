"""Stand-ins for arguments: the leaves on which a transformation runs its function, tied to what they stood for after it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import InplaceError
from ..core.mode import refused
from ..core.ops.elementwise import astype_p
from ..core.primitive import Array
from ..core.source_location import at, called, here
from ..core.tensor import Tensor, constant


class Argument(Tensor):
    """A leaf in place of an argument.  It is never written to: the derivative would be taken at another point."""

    __slots__ = ()
    stands_in = True

    def _refuse(self, new: Any) -> None:
        raise refused(
            InplaceError(
                f"{at(here())} writes into {called(self)}, the argument of a transformation (grad, vjp, jvp, checkpoint, "
                "...), so the derivative would not be that of what was given. Use x = x.at[index].set(value), or another "
                "new value"
            )
        )

    data = property(Tensor.data.fget, _refuse, doc=Tensor.data.__doc__)  # type: ignore[attr-defined]

    def __setitem__(self, key: Any, new: Any) -> None:
        self._refuse(new)


def variable(value: Array, name: str | None = None) -> Tensor:
    """A leaf that requires a gradient, around a value that may belong to somebody else."""
    if isinstance(value, np.ndarray):
        value = value.view()
    leaf = constant(value, Argument)
    leaf.requires_grad, leaf.name = True, name
    return locked(leaf)


def locked(leaf: Tensor) -> Tensor:
    """The same leaf; a write into its array (``x.data[i] = v``) is refused by NumPy from now on."""
    if isinstance(leaf.value, np.ndarray):
        leaf.value.flags.writeable = False
    return leaf


def tie(leaf: Tensor, source: Any) -> None:
    """Make a leaf the (identical) result of what it stood for, so that derivatives flow on to it."""
    if isinstance(source, Tensor) and source.requires_grad:
        leaf.creator, leaf.inputs, leaf.wrt = astype_p, (source,), (0,)
        leaf.params = {"dtype": source.dtype}
