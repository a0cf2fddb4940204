"""Reliability, ROC and precision-recall curves."""

from typing import NamedTuple

import numpy as np

from darkroom.base.types import Numbers
from darkroom.evaluation.calibration import BINS, bin_numbers
from darkroom.evaluation.cells import ratio
from darkroom.evaluation.scores import Predictions


class Reliability(NamedTuple):
    """Accuracy of the predictions in one bin of confidence."""

    confidence: float
    accuracy: float
    images: int


def reliability(predictions: Predictions) -> list[Reliability]:
    """Return a row for each non-empty bin of confidence, with the bins of the calibration error."""
    confidence, right = predictions.confidence, predictions.right
    number = bin_numbers(confidence)
    return [
        Reliability(float(confidence[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for inside in (number == each for each in range(BINS))
        if inside.any()
    ]


class BinaryCurves(NamedTuple):
    """Points of the ROC and precision-recall curves, one per threshold of the second class's probability."""

    false_positive_rate: Numbers
    """False-positive rate: share of the first class's images predicted as the second."""
    recall: Numbers
    """Share of the second class's images predicted as such."""
    precision: Numbers
    """Share of the images predicted as the second class that are."""


def binary_curves(predictions: Predictions) -> BinaryCurves:
    """Compute the ROC and precision-recall curves of the second of two classes."""
    probability = predictions.probabilities[:, 1]
    order = np.argsort(-probability, kind="stable")
    last = np.append(np.diff(probability[order]) != 0, True)
    hits = np.cumsum(predictions.labels[order] == 1)[last].astype(np.float64)
    passed = np.cumsum(np.ones(len(order)))[last]
    misses = passed - hits
    return BinaryCurves(ratio(misses, misses[-1], 0), ratio(hits, hits[-1], 0), ratio(hits, passed, 0))
