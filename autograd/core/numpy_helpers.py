"""What NumPy has no function for, in plain NumPy: used by the primitives and written out into generated programs.

Each function stands on its own (nothing but `np`), since its source is copied where it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def scatter_add(values: Any, index: Any, shape: Any) -> Any:
    """Zeros of the shape with the values added at the index; repeated indices add up."""
    out = np.zeros(shape, values.dtype)
    if any(isinstance(part, np.ndarray) for part in index):
        np.add.at(out, index, values)
    else:
        out[index] = values  # slices and integers never name an element twice
    return out


def make_diagonal(values: Any, offset: int, axes: tuple[int, int], shape: Any) -> Any:
    """Zeros of the shape with the values on a diagonal over two axes."""
    out = np.zeros(shape, values.dtype)
    steps = np.arange(values.shape[-1])
    np.moveaxis(out, axes, (-2, -1))[..., steps - min(offset, 0), steps + max(offset, 0)] = values
    return out


def erf(x: Any) -> Any:
    """The error function, computed in float64: a rational function per interval of |x|, chosen by `where`.

    Intervals and coefficients are those of Sun Microsystems' fdlibm (s_erf.c), after W. J. Cody, "Rational Chebyshev
    approximations for the error function", Mathematics of Computation 23 (1969).
    """
    x = np.asarray(x)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    x = x.astype(np.float64)

    def ratio(t: Any, over: tuple[float, ...], under: tuple[float, ...]) -> Any:
        return np.polynomial.polynomial.polyval(t, over) / np.polynomial.polynomial.polyval(t, under)

    # fmt: off
    with np.errstate(all="ignore"):
        size = np.abs(x)
        small = ratio(
            x * x,
            (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02, -5.77027029648944159157e-03,
             -2.37630166566501626084e-05),
            (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
             1.32494738004321644526e-04, -3.96022827877536812320e-06),
        )
        middle = ratio(
            size - 1,
            (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01, 3.18346619901161753674e-01,
             -1.10894694282396677476e-01, 3.54783043256182359371e-02, -2.16637559486879084300e-03),
            (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
             1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
        )
        large = ratio(
            1 / (size * size),
            (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01, -6.23753324503260060396e01,
             -1.62396669462573470355e02, -1.84605092906711035994e02, -8.12874355063065934246e01, -9.81432934416914548592e00),
            (1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02, 6.45387271733267880336e02,
             4.29008140027567833386e02, 1.08635005541779435134e02, 6.57024977031928170135e00, -6.04244152148580987438e-02),
        )
        huge = ratio(
            1 / (size * size),
            (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01, -1.60636384855821916062e02,
             -6.37566443368389627722e02, -1.02509513161107724954e03, -4.83519191608651397019e02),
            (1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03, 3.19985821950859553908e03,
             2.55305040643316442583e03, 4.74528541206955367215e02, -2.24409524465858183362e01),
        )
        head = size.astype(np.float32).astype(np.float64)  # few enough bits that its square is exact
        tail = np.where(size < 1 / 0.35, large, huge)
        far = 1 - np.exp(-head * head - 0.5625) * np.exp((head - size) * (head + size) + tail) / size
        beyond = np.where(size < 1.25, 8.45062911510467529297e-01 + middle, np.where(size < 6, far, 1.0))
        result = np.where(size < 0.84375, x + x * small, np.copysign(beyond, x))
    # fmt: on
    return np.where(np.isnan(x), x, result).astype(dtype)[()]


HELPERS: dict[str, Callable[..., Any]] = {"scatter_add": scatter_add, "make_diagonal": make_diagonal, "erf": erf}
