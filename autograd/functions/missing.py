"""What the rest of NumPy's functions do with a Tensor: answer from its values, or refuse with the reason."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.array_methods import ArrayMethods
from ..core.errors import DTypeError
from .protocols import answers_plainly, refuses


def _masked(array: Any) -> NoReturn:
    """Where masked arrays look for the numbers of what they are combined with, as if it were one of them."""
    raise DTypeError("masked arrays are not combined with tensors, whose gradients would be lost: use m.filled(...)")


ArrayMethods._data = property(_masked)  # type: ignore[attr-defined]

# Integers, truths and text have no gradient to lose.
answers_plainly(
    "allclose array_equal array_equiv argwhere flatnonzero nonzero lexsort searchsorted digitize "
    "histogram_bin_edges isin iscomplex isreal iscomplexobj isrealobj isnat unravel_index ravel_multi_index "
    "diag_indices_from tril_indices_from triu_indices_from einsum_path result_type can_cast min_scalar_type "
    "common_type may_share_memory shares_memory array2string array_repr array_str save savez savez_compressed "
    "savetxt in1d packbits unpackbits bitwise_count gcd lcm"
)

refuses(
    "writes into its argument, and what is recorded must stay as it is: use x.at[index].set(value) or .add(value)",
    "copyto put place putmask put_along_axis fill_diagonal",
)
refuses(
    "its result is complex, and gradients here are those of real numbers: use einsum with tables of cos and sin",
    "fft ifft rfft irfft hfft ihfft rfftn irfftn rfft2 irfft2 fft2 ifft2 fftn ifftn",
    "fft.",
)
refuses(
    "its result is complex, and gradients here are those of real numbers: use numpy.linalg.eigh for symmetric matrices",
    "eig eigvals",
    "linalg.",
)
refuses("its result is complex, and gradients here are those of real numbers: use numpy.sort", "sort_complex")
refuses("its result is complex, and gradients here are those of real numbers: use autograd.numpy.polyval", "roots")
refuses(
    "it is about single bits of a number, which have no derivative: use autograd.stop_gradient",
    "frexp nextafter spacing",
)
refuses("its derivative is a Bessel function that NumPy does not have: use autograd.primitive with scipy.special", "i0")
refuses(
    "which elements stay depends on the values: use numpy.unique, and numpy.concatenate before it",
    "union1d intersect1d setdiff1d setxor1d unique_values",
)
refuses(
    "dates have no derivative: use numbers",
    "busday_count busday_offset is_busday datetime_as_string",
)
