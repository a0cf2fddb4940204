"""Scores of predictions as functions of image weights, with NumPy only.

With all weights 1, they are the scores; the bootstrap (B. Efron, R. Tibshirani, An introduction to the bootstrap, 1993)
uses the multiplicities of a resample and takes the central 95 % of the results. Images of one group (copies of one
picture, images of one patient, charts of the same days) are resampled together, since they are not independent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Floats, Integers, Numbers

BINS = 15  # of the calibration error, of equal width (C. Guo et al., On calibration of modern neural networks, 2017)
LEAST_PROBABILITY = 1e-7  # lower bound of probabilities in the log loss, as in Keras

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

    @property
    def predicted(self) -> Integers:
        """The predicted class numbers."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each prediction is correct."""
        return np.asarray(self.predicted == self.labels)

    @property
    def k(self) -> int:
        """The effective k of the top-k accuracy."""
        return max(1, min(self.top, self.classes - 1))


def names(classes: int) -> list[str]:
    """Return the names of ``Scorer``'s scores: overall ones first, then those per class, such as ``recall/3``."""
    overall = [*OVERALL, *(OF_TWO if classes == 2 else ())]  # noqa: PLR2004
    return [*overall, *(f"{score}/{number}" for score in OF_CLASS for number in range(classes))]


class Scorer:
    """Computes all scores for any image weights; everything independent of the weights is computed once."""

    def __init__(self, predictions: Predictions) -> None:
        labels, probabilities = predictions.labels, predictions.probabilities.astype(np.float64)
        images = np.arange(len(labels))
        of_label = probabilities[images, labels]
        better = (probabilities > of_label[:, None]).sum(axis=1)
        # Ties are predicted as the first class.
        before = (probabilities == of_label[:, None]) & (np.arange(predictions.classes) < labels[:, None])
        one_hot = np.eye(predictions.classes)[labels]
        self._classes = predictions.classes
        self._labels, self._predicted, self._right = labels, predictions.predicted, predictions.right.astype(np.float64)
        self._means = np.stack(
            [
                self._right,
                better + before.sum(axis=1) < predictions.k,
                -np.log(np.clip(of_label, LEAST_PROBABILITY, 1)),
                ((probabilities - one_hot) ** 2).sum(axis=1),
            ],
            axis=1,
        ).astype(np.float64)
        self._confidence = probabilities.max(axis=1)
        self._bin = np.minimum((self._confidence * BINS).astype(np.int64), BINS - 1)
        if self._classes == 2:  # noqa: PLR2004
            self._order = np.argsort(-probabilities[:, 1], kind="stable")
            ranked = probabilities[self._order, 1]
            # Images of equal probability share a threshold.
            self._last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
            self._is_second = labels[self._order] == 1

    def __call__(self, weights: Integers | Numbers) -> Numbers:
        """Return the scores in the order of ``names``; undefined ones are NaN.

        Args:
            weights: weight of each image, of shape (images,).
        """
        weights = np.asarray(weights, dtype=np.float64)
        total = float(weights.sum())
        accuracy, top, log_loss, brier = weights @ self._means / total
        present, predicted, hits = (
            np.bincount(of, counted, self._classes).astype(np.float64)
            for of, counted in (
                (self._labels, weights),
                (self._predicted, weights),
                (self._labels, weights * self._right),
            )
        )
        precision, recall = share(hits, predicted), share(hits, present)
        f1 = share(2 * hits, predicted + present)
        overall = [accuracy, recall[present > 0].mean(), precision.mean(), f1.mean(), top, log_loss, brier]
        overall.append(self._calibration_error(weights, total))
        if self._classes == 2:  # noqa: PLR2004
            overall += self._binary_scores(weights)
        return np.concatenate([overall, precision, recall, f1])

    def _calibration_error(self, weights: Numbers, total: float) -> float:
        confident = np.bincount(self._bin, weights * self._confidence, BINS)
        right = np.bincount(self._bin, weights * self._right, BINS)
        return float(np.abs(confident - right).sum() / total)

    def _binary_scores(self, weights: Numbers) -> tuple[float, float]:
        """Return the area under the ROC curve and the average precision of the second class."""
        of_image = weights[self._order]
        hits = np.cumsum(of_image * self._is_second)[self._last_of_tie]
        passed = np.cumsum(of_image)[self._last_of_tie]
        misses = passed - hits
        if not hits[-1] or not misses[-1]:
            return float("nan"), float("nan")
        recall, false_positive_rate = np.append(0, hits / hits[-1]), np.append(0, misses / misses[-1])
        area = np.trapezoid(recall, false_positive_rate)
        return float(area), float((np.diff(recall) * share(hits, passed)).sum())


def share(part: Numbers, whole: Numbers) -> Numbers:
    """Divide element-wise; x / 0 is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
