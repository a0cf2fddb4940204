"""Scores of predictions, with NumPy only."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Floats, Integers, Numbers
from darkroom.evaluation import calibration, losses, ranking
from darkroom.evaluation.cells import ratio

OVERALL = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "top_k_accuracy",
    "log_loss",
    "brier",
    "calibration_error",
)
OF_TWO = ("roc_auc", "average_precision")
OF_CLASS = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Predictions:
    """Predicted probabilities of labelled images."""

    labels: Integers
    """Class numbers, of shape (images,)."""
    probabilities: Floats
    """Of shape (images, classes)."""
    top: int = 5
    """k of the top-k accuracy, limited to fewer than all classes."""

    @property
    def classes(self) -> int:
        """The number of classes."""
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> Integers:
        """The predicted class numbers."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each prediction is correct."""
        return np.asarray(self.predicted == self.labels)

    @cached_property
    def exact(self) -> Numbers:
        """The probabilities as float64."""
        return self.probabilities.astype(np.float64)

    @property
    def confidence(self) -> Numbers:
        """The probabilities of the predicted classes."""
        return np.asarray(self.exact.max(axis=1))

    @property
    def k(self) -> int:
        """The effective k of the top-k accuracy."""
        return max(1, min(self.top, self.classes - 1))

    @cached_property
    def in_top(self) -> npt.NDArray[np.bool_]:
        """Whether each label is among the ``k`` most probable classes; of equal ones, the first ranks higher."""
        of_label = self.exact[np.arange(len(self.labels)), self.labels][:, None]
        before = (self.exact == of_label) & (np.arange(self.classes) < self.labels[:, None])
        return np.asarray(((self.exact > of_label) | before).sum(axis=1) < self.k)


def names(classes: int) -> list[str]:
    """Return the names of all scores: overall ones first, then those per class, such as ``recall/3``."""
    overall = [*OVERALL, *(OF_TWO if classes == 2 else ())]  # noqa: PLR2004
    return [*overall, *(f"{score}/{number}" for score in OF_CLASS for number in range(classes))]


def estimate(predictions: Predictions, groups: Integers | None = None) -> dict[str, float]:
    """Compute all scores, in the order of ``names``; undefined ones are NaN.

    Args:
        predictions: of the test images.
        groups: each image's group number, for the calibration error; None if all images are independent.
    """
    labels, classes = predictions.labels, predictions.classes
    present, predicted, hits = (
        np.bincount(of, minlength=classes).astype(np.float64)
        for of in (labels, predictions.predicted, labels[predictions.right])
    )
    precision, recall, f1 = ratio(hits, predicted, 0), ratio(hits, present, 0), ratio(2 * hits, predicted + present, 0)
    groups = np.arange(len(labels)) if groups is None else groups
    overall = [
        float(predictions.right.mean()),
        float(recall[present > 0].mean()),
        float(precision.mean()),
        float(f1.mean()),
        float(predictions.in_top.mean()),
        float(losses.log_losses(predictions.exact, labels).observed.mean()),
        float(losses.brier_scores(predictions.exact, labels).observed.mean()),
        calibration.squared_error(predictions.confidence, predictions.right, groups).root,
    ]
    if classes == 2:  # noqa: PLR2004
        second = predictions.exact[:, 1]
        overall += [ranking.roc_auc(labels, second).value, ranking.average_precision(labels, second).value]
    return dict(zip(names(classes), [*overall, *precision, *recall, *f1], strict=True))
