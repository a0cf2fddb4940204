"""Metrics of predictions, computed with NumPy and pandas only."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom.base.types import Floats, Integers
from darkroom.evaluation import scores
from darkroom.evaluation.scored import Scored


@dataclass(frozen=True)
class ClassMetrics:
    """Metrics of one class. A quotient with denominator 0 is 0."""

    precision: float
    """Share of the images predicted as this class that have its label: TP / (TP + FP)."""
    recall: float
    """Share of the images with this label that are predicted as such: TP / (TP + FN)."""
    f1: float
    """Their harmonic mean: 2pr / (p + r)."""
    images: int


@dataclass(frozen=True)
class Metrics:
    """Metrics of one network on the test split.

    Micro averages of precision, recall and F-score all equal the accuracy, since each image has one label and one
    prediction.
    """

    accuracy: float
    balanced_accuracy: float
    """Mean recall of the classes that have images."""
    macro_precision: float
    macro_f1: float
    """Mean F-score of the classes; small classes count as much as large ones."""
    top_k_accuracy: float
    """Share of the images whose label is among the ``k`` most probable classes."""
    k: int
    log_loss: float
    """Mean negative log-probability of the labels, in nats."""
    brier: float
    """Mean squared distance between the probabilities and the one-hot label; 0 to 2."""
    calibration_error: float
    """Root mean squared gap between confidence and accuracy over bins, without the bias of a finite sample (A. Kumar et
    al., 2019); 0 to 1."""
    roc_auc: float | None
    """For two classes: probability that an image of the second ranks above one of the first."""
    average_precision: float | None
    """For two classes: mean precision over the recall of the second."""
    baseline_accuracy: float
    """Accuracy of always predicting the class that is largest in training."""
    human_accuracy: float | None
    """``evaluate.human_accuracy`` of params.yaml."""
    images: int
    clusters: int
    """Number of independent groups: copies and images of one group count once."""
    leaked_images: int
    """Test images with a near-duplicate or group member among the training or validation images."""
    leak_free_accuracy: float
    """Accuracy without them; equals ``accuracy`` if there are none, and is 0 if all images leaked."""
    unverified_images: int
    """Test images that may be among the leaked ones, see ``near_duplicates.Found``."""
    classes: dict[str, ClassMetrics]

    def as_json(self) -> dict[str, Any]:
        """Return the metrics for a report, without those that do not apply."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def confusion_matrix(labels: Integers, predicted: Integers, classes: int) -> Integers:
    """Count images by label (rows) and predicted class (columns).

    Returns:
        int64 of shape (classes, classes).
    """
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def informative_images(labels: Integers, probabilities: Floats, count: int) -> Integers:
    """Choose informative images: mistakes first, then correct predictions.

    Mistakes are ordered by confidence, and fill half of the places, or more if there are too few correct predictions.
    Correct predictions alternate between classes, the most confident ones first.

    Args:
        labels: class numbers of shape (images,).
        probabilities: of shape (images, classes).
        count: number of images to choose.

    Returns:
        Image indices, int64 of shape (``count`` or fewer,).
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    by_confidence = np.argsort(-confidence, kind="stable")
    mistakes = by_confidence[predicted[by_confidence] != labels[by_confidence]]
    right = by_confidence[predicted[by_confidence] == labels[by_confidence]]
    of_class = right[np.argsort(labels[right], kind="stable")]
    turn = np.arange(len(of_class)) - np.searchsorted(labels[of_class], labels[of_class])
    right = of_class[np.argsort(turn, kind="stable")]
    mistakes = mistakes[: max(count // 2, count - len(right))]
    return np.concatenate([mistakes, right[: count - len(mistakes)]])


def f_score(precision: float, recall: float) -> float:
    """Return the harmonic mean of precision and recall; 0 if both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def class_metrics(matrix: Integers, number: int) -> ClassMetrics:
    """Return the metrics of one class of a confusion matrix."""
    hits, predicted, present = int(matrix[number, number]), int(matrix[:, number].sum()), int(matrix[number].sum())
    precision = hits / predicted if predicted else 0.0
    recall = hits / present if present else 0.0
    return ClassMetrics(precision, recall, f_score(precision, recall), present)


def evaluate(
    predictions: scores.Predictions,
    labels: tuple[str, ...],
    largest: int,
    leaked: npt.NDArray[np.bool_] | None = None,
    *,
    unverified: npt.NDArray[np.bool_] | None = None,
    groups: Integers | None = None,
    human_accuracy: float | None = None,
) -> Metrics:
    """Compute the metrics of predictions.

    Args:
        predictions: predictions with the labels.
        labels: class names by number.
        largest: number of the class with the most training images.
        leaked: whether each image has a near-duplicate among the training or validation images; None if none has.
        unverified: whether this is not known for sure; None if it is for all.
        groups: each image's group number; None if all images are independent.
        human_accuracy: human accuracy, if known.
    """
    numbers = predictions.labels
    of = scores.estimate(predictions, groups)
    clean = np.ones(len(numbers), dtype=bool) if leaked is None else ~leaked
    matrix = confusion_matrix(numbers, predictions.predicted, len(labels))
    return Metrics(
        **{name: of[name] for name in scores.OVERALL},
        roc_auc=_known(of.get("roc_auc")),
        average_precision=_known(of.get("average_precision")),
        k=predictions.k,
        baseline_accuracy=float(np.mean(numbers == largest)),
        human_accuracy=human_accuracy,
        images=len(numbers),
        clusters=len(numbers) if groups is None else len(np.unique(groups)),
        leaked_images=int((~clean).sum()),
        leak_free_accuracy=float(predictions.right[clean].mean()) if clean.any() else 0.0,
        unverified_images=0 if unverified is None else int((unverified & clean).sum()),
        classes={label: class_metrics(matrix, number) for number, label in enumerate(labels)},
    )


def _known(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def scores_table(scored: Scored, labels: Sequence[str]) -> pd.DataFrame:
    """Return a table of all scores with their confidence intervals; bounds that are not known are NaN."""
    rows = []
    for name, value in scored.estimates.items():
        score, _, number = name.partition("/")
        rows.append((score, labels[int(number)] if number else "", value, *scored.intervals[name]))
    return pd.DataFrame(rows, columns=["score", "label", "value", "low", "high"])
