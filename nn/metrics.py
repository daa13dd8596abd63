"""Figures for people: how often a classifier is right, and what it takes for what."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd import Tensor
from autograd.core.errors import ArgumentError, ShapeError


def accuracy(prediction: Any, target: Any, *, threshold: float = 0.5) -> float:
    """Share of the rows that are classified correctly.

    Args:
        prediction: Scores (n, classes) with classes > 1, of which the largest counts; or values (n, 1) or (n,), class 1
            where they exceed `threshold`.
        target: Labels (n,) or (n, 1), or one-hot rows (n, classes).
        threshold: 0.5 for probabilities; give 0 for logits.

    Returns:
        A number between 0 and 1.

    Raises:
        ShapeError: The numbers of rows differ.
        ArgumentError: There are none, or labels that are no class numbers.

    >>> accuracy([[0.9], [0.2], [0.6]], [[1], [0], [0]])
    0.6666666666666666
    """
    predicted, true = _classes(prediction, target, threshold)
    return float((predicted == true).mean())


def confusion_matrix(prediction: Any, target: Any, *, threshold: float = 0.5, classes: int | None = None) -> np.ndarray:
    """How many rows of each class were taken for each class: rows are the true classes, columns the predicted ones.

    Args:
        prediction, target, threshold: As for `accuracy`.
        classes: How many there are, by default as many as are seen.

    Returns:
        An integer array (classes, classes).

    Raises:
        ShapeError: The numbers of rows differ.
        ArgumentError: There are none, labels that are no class numbers, or more classes than `classes`.

    >>> confusion_matrix([[0.9], [0.2], [0.6]], [[1], [0], [0]])
    array([[1, 1],
           [0, 1]])
    """
    predicted, true = _classes(prediction, target, threshold)
    seen = int(max(predicted.max(), true.max())) + 1
    columns = np.shape(prediction)[-1] if np.ndim(prediction) > 1 else 2
    size = max(seen, columns, 2) if classes is None else classes
    if seen > size:
        raise ArgumentError(f"class {seen - 1} occurs, but classes={size}")
    matrix = np.zeros((size, size), dtype=int)
    np.add.at(matrix, (true, predicted), 1)
    return matrix


def _classes(prediction: Any, target: Any, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    given = (Tensor(v) if isinstance(v, np.ndarray) else v for v in (prediction, target))
    scores, labels = (np.asarray(v.data if isinstance(v, Tensor) else v) for v in given)
    if scores.ndim > 1 and scores.shape[-1] > 1:
        predicted = scores.argmax(axis=-1)
        if labels.shape == scores.shape:
            labels = labels.argmax(axis=-1)
    else:
        predicted = (scores > threshold).astype(int)
    predicted, labels = predicted.reshape(-1), labels.reshape(-1)
    if predicted.shape != labels.shape:
        raise ShapeError(f"prediction {scores.shape} gives {predicted.size} classes, but target has {labels.size}")
    if not labels.size:
        raise ArgumentError("empty batch: the accuracy of 0 rows is undefined")
    whole = labels.astype(int)
    if (whole != labels).any() or whole.min() < 0:
        bad = labels[(whole != labels) | (whole < 0)][0]
        raise ArgumentError(f"target holds {bad}, which is no class number (0, 1, ...)")
    return predicted, whole
