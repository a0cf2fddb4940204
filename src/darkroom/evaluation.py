"""From predictions to metrics, with NumPy alone."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.datasets import Floats, Integers


@dataclass(frozen=True)
class ClassMetrics:
    """How one class was recognised. A quotient with nothing below the line is 0."""

    precision: float
    """Of the images given this label, the share that has it: TP / (TP + FP)."""
    recall: float
    """Of the images that have this label, the share that was given it: TP / (TP + FN)."""
    f1: float
    """Their harmonic mean: 2pr / (p + r)."""
    images: int


@dataclass(frozen=True)
class Metrics:
    """What the test split says about one network."""

    accuracy: float
    macro_f1: float
    """Mean of the classes' F-scores, so that a small class counts as much as a large one."""
    baseline_accuracy: float
    """Of always answering the class that is largest in training."""
    images: int
    leaked_images: int
    """Of them, those that have a near-duplicate among the training images."""
    leak_free_accuracy: float
    """Without them; the same as ``accuracy`` where nothing leaked, and 0 where nothing else is left."""
    classes: dict[str, ClassMetrics]

    def as_json(self) -> dict[str, Any]:
        """Return the metrics for a report."""
        return asdict(self)


def confusion_matrix(truth: Integers, predicted: Integers, classes: int) -> Integers:
    """Count images by true class (rows) and predicted class (columns).

    Returns:
        int64 of shape (classes, classes).
    """
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def telling_images(truth: Integers, probabilities: Floats, count: int) -> Integers:
    """Choose images that are worth a look.

    The mistakes come first, the most certain ones before others, then right answers, in turn for each class the most
    certain one. Mistakes take half of the places, and more only where there are too few right answers.

    Args:
        truth: class numbers of shape (images,).
        probabilities: of shape (images, classes).
        count: how many to choose.

    Returns:
        int64 of shape (``count`` or fewer,): the images' numbers.
    """
    predicted, certainty = probabilities.argmax(axis=1), probabilities.max(axis=1)
    by_certainty = np.argsort(-certainty, kind="stable")
    mistakes = by_certainty[predicted[by_certainty] != truth[by_certainty]]
    right = by_certainty[predicted[by_certainty] == truth[by_certainty]]
    of_class = right[np.argsort(truth[right], kind="stable")]
    turn = np.arange(len(of_class)) - np.searchsorted(truth[of_class], truth[of_class])
    right = of_class[np.argsort(turn, kind="stable")]
    mistakes = mistakes[: max(count // 2, count - len(right))]
    return np.concatenate([mistakes, right[: count - len(mistakes)]])


def f_score(precision: float, recall: float) -> float:
    """Harmonic mean of precision and recall; 0 where both are."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def class_metrics(matrix: Integers, number: int) -> ClassMetrics:
    """Precision, recall and F-score of one class of a confusion matrix."""
    hits, answered, present = int(matrix[number, number]), int(matrix[:, number].sum()), int(matrix[number].sum())
    precision = hits / answered if answered else 0.0
    recall = hits / present if present else 0.0
    return ClassMetrics(precision, recall, f_score(precision, recall), present)


def evaluate(
    truth: Integers,
    probabilities: Floats,
    labels: tuple[str, ...],
    largest: int,
    leaked: npt.NDArray[np.bool_] | None = None,
) -> Metrics:
    """Compare predictions with the truth.

    Args:
        truth: class numbers of shape (images,).
        probabilities: of shape (images, classes).
        labels: class names by number.
        largest: number of the class with most training images.
        leaked: whether an image has a near-duplicate among the training images; None where none has.
    """
    right = probabilities.argmax(axis=1) == truth
    clean = np.ones(len(truth), dtype=bool) if leaked is None else ~leaked
    matrix = confusion_matrix(truth, probabilities.argmax(axis=1), len(labels))
    classes = {label: class_metrics(matrix, number) for number, label in enumerate(labels)}
    return Metrics(
        accuracy=float(np.trace(matrix) / len(truth)),
        macro_f1=float(np.mean([of_class.f1 for of_class in classes.values()])),
        baseline_accuracy=float(np.mean(truth == largest)),
        images=len(truth),
        leaked_images=int((~clean).sum()),
        leak_free_accuracy=float(right[clean].mean()) if clean.any() else 0.0,
        classes=classes,
    )
