"""Every exception class the package raises; each is also the built-in class that callers would expect.

Messages say what was given (shapes, dtypes, names), where in the caller's code, and what to write instead.
"""

import numpy as np


class AutogradError(Exception):
    """Base of all errors of this package: ``except AutogradError`` catches them and nothing else."""


class ShapeError(AutogradError, ValueError):
    """Shapes that do not fit together, or that would broadcast into something nobody meant."""


class DTypeError(AutogradError, TypeError):
    """A dtype that cannot carry a gradient, or an object that is no array."""


class ArgumentError(AutogradError, ValueError):
    """An option, label, name or value outside what the function accepts."""


class AxisError(ArgumentError, np.exceptions.AxisError):
    """An axis that the array does not have, or one named twice; also NumPy's error of that name."""


class OutOfBoundsError(ArgumentError, IndexError):
    """An index beyond the end of an axis, or more indices than there are axes."""


class SignatureError(AutogradError, TypeError):
    """A call with too many or too few arrays, or with a keyword that the function does not have."""


class GraphError(AutogradError, RuntimeError):
    """What the recorded graph does not allow: a backward pass, or a picture of what was not recorded."""


class InplaceError(AutogradError, RuntimeError):
    """A write into an array that a recorded operation still needs."""


class NonFiniteError(AutogradError, ArithmeticError):
    """``detect_anomaly`` met the first nan or inf."""


class GradientError(AutogradError, AssertionError):
    """A gradient that does not pass its check; the text is the report."""


class TraceError(AutogradError, RuntimeError):
    """Code that needs a number while only a trace of the computation exists."""


class BatchError(AutogradError, RuntimeError):
    """Code inside ``vmap`` that needs the number of one row, or writes to a tensor that all rows share."""


class RenderError(AutogradError, RuntimeError):
    """A picture that cannot be drawn: too large, no engine, unknown format."""


class DivergenceError(AutogradError, RuntimeError):
    """Training left the finite numbers; the last good weights have been restored."""


class CorruptFileError(AutogradError, ValueError):
    """A file that is truncated or contradicts itself; nothing was loaded."""


class UnsafeFileError(AutogradError, ValueError):
    """A file whose loading would run code; nothing was loaded."""


class WriteError(AutogradError, OSError):
    """A file that cannot be written (no space, no permission); what was there before is unchanged."""


class MissingDependencyError(AutogradError, ImportError):
    """An optional dependency is not installed; the message names the command that installs it."""
