"""Loss functions: the mean over all elements (or rows) of how wrong a prediction is.

They refuse what would give a number that means something else: shapes that would broadcast, labels out of range,
empty batches.  A compiled step, in which contents are not known while it is traced, gives nan where plain Python refuses
contents, as the loss and as its gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd
from autograd import Tensor
from autograd.core.errors import ArgumentError, DTypeError, ShapeError

LossFunction = Callable[[Any, Any], Any]


def mean_squared_error(prediction: Any, target: Any, *, broadcast: bool = False) -> Any:
    """Mean of the squared differences, (1/N) sum_i (prediction_i - target_i)^2.

    Args:
        prediction: Tensor or array.
        target: Tensor or array of the same shape.
        broadcast: Whether shapes that NumPy would broadcast are allowed.

    Returns:
        A scalar.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: The batch is empty.

    >>> float(mean_squared_error([[1.0], [3.0]], [[1.0], [1.0]]))
    2.0
    """
    prediction, target = _pair(prediction, target, broadcast)
    difference = prediction - target
    return autograd.mean(difference * difference)


def binary_cross_entropy(prediction: Any, target: Any, *, broadcast: bool = False) -> Any:
    """Mean of -(t log p + (1 - t) log(1 - p)) for probabilities p and targets t in [0, 1].

    Probabilities are held at least one machine epsilon away from 0 and 1, so that a saturated sigmoid gives a large
    loss and not an infinite one; `binary_cross_entropy_with_logits` needs no such limit: prefer it in training.

    Args:
        prediction: Tensor or array of probabilities.
        target: Tensor or array of the same shape, in [0, 1].
        broadcast: Whether shapes that NumPy would broadcast are allowed.

    Returns:
        A scalar.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: Values that are no probabilities, or an empty batch.

    >>> round(float(binary_cross_entropy([[0.5], [0.5]], [[0.0], [1.0]])), 6)
    0.693147
    """
    prediction, target = _pair(prediction, target, broadcast)
    hint = "for the raw output of a network use binary_cross_entropy_with_logits"
    prediction = _nan_unless(_within(prediction, "prediction", 0.0, 1.0, hint), prediction)
    accepted = _within(target, "target", 0.0, 1.0, "targets are probabilities: 0, 1 or between")
    epsilon = float(np.finfo(prediction.dtype).eps)
    p = autograd.clip(prediction, epsilon, 1.0 - epsilon)
    return -autograd.mean(_nan_unless(accepted, target * autograd.log(p) + (1.0 - target) * autograd.log1p(-p)))


def binary_cross_entropy_with_logits(logits: Any, target: Any, *, broadcast: bool = False) -> Any:
    """Binary cross-entropy of sigmoid(z), mean of log(1 + exp(z)) - t z: finite for every finite logit z.

    The gradient is (sigmoid(z) - t) / N.

    Args:
        logits: Tensor or array, the raw outputs z.
        target: Tensor or array of the same shape, in [0, 1].
        broadcast: Whether shapes that NumPy would broadcast are allowed.

    Returns:
        A scalar.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: Targets outside [0, 1], or an empty batch.

    >>> float(binary_cross_entropy_with_logits([[1e4], [-1e4]], [[1.0], [1.0]]))
    5000.0
    """
    logits, target = _pair(logits, target, broadcast, name="logits")
    accepted = _within(target, "target", 0.0, 1.0, "targets are probabilities: 0, 1 or between")
    return autograd.mean(_nan_unless(accepted, autograd.softplus(logits) - target * logits))


def cross_entropy(logits: Any, target: Any) -> Any:
    """Softmax cross-entropy, the mean over rows of log(sum_j exp(z_j)) - z_t.

    Args:
        logits: Tensor or array (..., classes), the raw outputs z.
        target: Integer labels (...) between 0 and classes - 1, or one probability per class (..., classes), such as
            one-hot rows; then the loss is the mean over rows of -sum_j t_j log softmax(z)_j.

    Returns:
        A scalar.

    Raises:
        ShapeError: Targets of another shape.
        DTypeError: Labels that are no integers.
        ArgumentError: A label out of range, rows that are no probabilities, or an empty batch.

    >>> round(float(cross_entropy([[0.0, 0.0], [0.0, 0.0]], [0, 1])), 6)
    0.693147
    """
    logits = _array(logits)
    target = target if isinstance(target, (Tensor, np.ndarray)) else np.asarray(target)
    if not logits.ndim:
        raise ShapeError("cross_entropy needs logits of shape (rows, classes), not a scalar")
    classes = logits.shape[-1]
    rows = logits.size // classes if classes else 0
    if not rows:
        raise ArgumentError(f"empty batch: the mean loss of 0 rows is undefined (logits have shape {logits.shape})")
    log_probabilities = autograd.log_softmax(logits, axis=-1)
    if target.ndim == logits.ndim - 1 and target.shape == logits.shape[:-1]:
        accepted = _labels(target, classes)
        # A comparison with 0..classes-1 instead of an index keeps labels an ordinary input of a traced step.
        target = target[..., None] == np.arange(classes)
        others = _nan_unless(accepted, log_probabilities.dtype.type(0))
        return -autograd.sum(autograd.where(target, _nan_unless(accepted, log_probabilities), others)) / rows
    if target.shape != logits.shape:
        raise ShapeError(_label_shape_text(logits.shape, target))
    accepted = _rows(target)
    return -autograd.sum(_nan_unless(accepted, _cast(target, logits.dtype) * log_probabilities)) / rows


def hinge(score: Any, target: Any, *, broadcast: bool = False) -> Any:
    """Mean of max(0, 1 - t s) for scores s and targets t of -1 or +1.

    Args:
        score: Tensor or array.
        target: Tensor or array of the same shape.
        broadcast: Whether shapes that NumPy would broadcast are allowed.

    Returns:
        A scalar.

    Raises:
        ShapeError: The shapes differ.
        ArgumentError: Targets other than -1 and +1, or an empty batch.

    >>> float(hinge([[2.0], [0.5]], [[1.0], [-1.0]]))
    0.75
    """
    score, target = _pair(score, target, broadcast, name="score")
    return autograd.mean(_nan_unless(_signs(target), autograd.relu(1.0 - target * score)))


class Loss:
    """A loss function as an object: call it with prediction and target.

    Args:
        broadcast: Whether shapes that NumPy would broadcast are allowed.

    >>> MSE()
    MSE()
    >>> float(MSE()([[1.0]], [[3.0]]))
    4.0
    """

    function: Any

    def __init__(self, *, broadcast: bool = False) -> None:
        self.settings = {"broadcast": True} if broadcast else {}

    def __call__(self, prediction: Any, target: Any) -> Any:
        """The loss, a scalar."""
        return type(self).function(prediction, target, **self.settings)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value}' for key, value in self.settings.items())})"


class MSE(Loss):
    """`mean_squared_error` as an object.

    >>> MSE(broadcast=True)
    MSE(broadcast=True)
    """

    function = staticmethod(mean_squared_error)


class BinaryCrossEntropy(Loss):
    """`binary_cross_entropy` as an object.

    >>> round(float(BinaryCrossEntropy()([[0.5]], [[1.0]])), 6)
    0.693147
    """

    function = staticmethod(binary_cross_entropy)


class BCEWithLogits(Loss):
    """`binary_cross_entropy_with_logits` as an object.

    >>> round(float(BCEWithLogits()([[0.0]], [[1.0]])), 6)
    0.693147
    """

    function = staticmethod(binary_cross_entropy_with_logits)


class CrossEntropy(Loss):
    """`cross_entropy` as an object.

    >>> round(float(CrossEntropy()([[0.0, 0.0]], [1])), 6)
    0.693147
    """

    function = staticmethod(cross_entropy)

    def __init__(self) -> None:
        super().__init__()


class Hinge(Loss):
    """`hinge` as an object.

    >>> round(float(Hinge()([[0.5]], [[1.0]])), 6)
    0.5
    """

    function = staticmethod(hinge)


# -- checks of arguments ---------------------------------------------------------------------------------------------


def _array(value: Any) -> Any:
    """A Tensor or float array unchanged, anything else as a float array."""
    if isinstance(value, Tensor):
        return value
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    return array if array.dtype.kind in "fc" else array.astype(np.float64)


def _cast(target: Any, dtype: Any) -> Any:
    """A raw target in the dtype of the prediction, so that labels never promote a float32 network."""
    if isinstance(target, Tensor) or target.dtype == dtype:
        return target
    return target.astype(dtype)


def _pair(prediction: Any, target: Any, broadcast: bool, name: str = "prediction") -> tuple[Any, Any]:
    """Prediction and target, ready to be subtracted, once their shapes are known to agree."""
    if not isinstance(prediction, Tensor):
        prediction = _array(prediction)
    if not isinstance(target, Tensor):
        target = _cast(target if isinstance(target, np.ndarray) else np.asarray(target), prediction.dtype)
    shape = prediction.shape
    if shape != target.shape and not broadcast:
        raise ShapeError(_unequal_text(name, shape, target.shape))
    if 0 in shape:
        raise ArgumentError(f"empty batch: the mean loss of 0 rows is undefined ({name} has shape {shape})")
    return prediction, target


def _unequal_text(name: str, shape: tuple[int, ...], target: tuple[int, ...]) -> str:
    text = f"{name} {shape} and target {target} differ"
    try:
        text += f"; they would broadcast to {np.broadcast_shapes(shape, target)}"
    except ValueError:
        return text + " and cannot be broadcast"
    if np.prod(shape) == np.prod(target):
        return text + f". Use target.reshape{shape}, or broadcast=True if that is meant"
    return text + ". Give one target per element, or broadcast=True if that is meant"


def _traced(array: Any) -> bool:
    """Whether the values are not known yet: of a Tensor, or of what stands for an array while a step is traced."""
    return array.traced if isinstance(array, Tensor) else not issubclass(type(array), np.ndarray)


def _values(array: Any) -> Any:
    return np.asarray(array.data if isinstance(array, Tensor) else array)


def _first(values: Any, bad: Any) -> tuple[str, Any]:
    """Where the first bad element stands, as "[3, 0]" ("" for a scalar), and its value."""
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    return (str(list(index)) if index else ""), values[index].item()


# Each of these refuses contents that are known, and gives as a list what is to hold of those that are not.


def _nan_unless(accepted: list[Any], terms: Any) -> Any:
    """The terms of a loss; nan, with nan as gradient, where a compiled step meets contents that would have been refused."""
    for condition in accepted:
        terms = terms * autograd.where(condition, terms.dtype.type(1), terms.dtype.type(np.nan))
    return terms


def _within(array: Any, name: str, low: float, high: float, hint: str) -> list[Any]:
    if _traced(array):
        return [(array >= low) & (array <= high)]
    values = _values(array)
    if values.min() < low or values.max() > high:
        where, value = _first(values, (values < low) | (values > high))
        raise ArgumentError(f"{name}{where} = {value:g} is outside {low:g}..{high:g}; {hint}")
    return []


def _labels(target: Any, classes: int) -> list[Any]:
    if target.dtype.kind not in "iu":
        hint = "use target.astype(int)" if target.dtype.kind in "fb" else "map the names to 0, 1, ..."
        raise DTypeError(f"labels must be integers, got {target.dtype}; {hint}")
    if _traced(target):
        return [((target >= 0) & (target < classes))[..., None]]
    values = _values(target)
    if values.min() < 0 or values.max() >= classes:
        where, value = _first(values, (values < 0) | (values >= classes))
        raise ArgumentError(f"target{where} = {value} is outside 0..{classes - 1} (logits have {classes} classes)")
    return []


def _rows(target: Any) -> list[Any]:
    tolerance = 1e-3 if target.dtype.itemsize < 8 else 1e-6
    if _traced(target):
        return [(target >= 0) & (abs(autograd.sum(target, axis=-1, keepdims=True) - 1) <= tolerance)]
    values = _values(target)
    if values.min() < 0:
        where, value = _first(values, values < 0)
        raise ArgumentError(f"target{where} = {value} is negative; rows of target must be probabilities")
    sums = values.sum(axis=-1)
    if (abs(sums - 1) > tolerance).any():
        where, value = _first(sums, abs(sums - 1) > tolerance)
        raise ArgumentError(
            f"target{where} sums to {value:g}; a row of target has one probability per class and sums to 1 "
            "(for class numbers give labels without the class axis)"
        )
    return []


def _signs(target: Any) -> list[Any]:
    if _traced(target):
        return [abs(target) == 1]
    values = _values(target)
    if abs(values).min() != 1 or abs(values).max() != 1:
        where, value = _first(values, abs(values) != 1)
        raise ArgumentError(f"target{where} = {value}, but hinge needs targets -1 and +1; from 0 and 1: 2 * y - 1")
    return []


def _label_shape_text(logits: tuple[int, ...], target: Any) -> str:
    rows = logits[:-1]
    text = f"logits {logits} need labels of shape {rows} or one probability per class {logits}, got {target.shape}"
    if target.size == np.prod(rows):
        return text + f"; use target.reshape{rows}" if len(rows) != 1 else text + f"; use target.reshape({rows[0]})"
    return text
