"""Scores of a ranking by the probability of the second of two classes, and each image's influence on them."""

from typing import NamedTuple

import numpy as np

from darkroom.base.types import Integers, Numbers


class Ranked(NamedTuple):
    """A score of a ranking; NaN if a class has no images."""

    value: float
    influence: Numbers
    """Of each image on the score: the derivative by its weight, of shape (images,)."""


def roc_auc(labels: Integers, probabilities: Numbers) -> Ranked:
    """Compute the area under the ROC curve.

    An image's influence follows from its placement among the images of the other class (E. DeLong, D. DeLong,
    D. Clarke-Pearson, Comparing the areas under two or more correlated receiver operating characteristic curves, 1988;
    with groups, N. Obuchowski, Nonparametric analysis of clustered ROC curve data, 1997).

    Args:
        labels: 0 or 1, of shape (images,).
        probabilities: of the second class, of shape (images,).
    """
    second = labels == 1
    ones, zeros = np.sort(probabilities[second]), np.sort(probabilities[~second])
    if not len(ones) or not len(zeros):
        return Ranked(float("nan"), np.zeros(len(labels)))
    # Ties count half.
    below = (np.searchsorted(zeros, probabilities, "left") + np.searchsorted(zeros, probabilities, "right")) / 2
    above = (
        len(ones) - (np.searchsorted(ones, probabilities, "left") + np.searchsorted(ones, probabilities, "right")) / 2
    )
    placement = np.where(second, below / len(zeros), above / len(ones))
    value = float(placement[second].mean())
    return Ranked(value, (placement - value) / np.where(second, len(ones), len(zeros)))


def average_precision(labels: Integers, probabilities: Numbers) -> Ranked:
    """Compute the mean precision over the recall of the second class; arguments as of ``roc_auc``."""
    second = (labels == 1).astype(np.float64)
    if not second.any() or second.all():
        return Ranked(float("nan"), np.zeros(len(labels)))
    thresholds, tie = np.unique(-probabilities, return_inverse=True)
    found = np.bincount(tie, second, len(thresholds))
    hits, passed = np.cumsum(found), np.cumsum(np.bincount(tie, minlength=len(thresholds)))
    precision = hits / passed
    value = float((found * precision).sum() / hits[-1])
    # An image changes the precision at its own and at all lower thresholds.
    as_hit = np.cumsum((found / passed)[::-1])[::-1]
    as_any = np.cumsum((found * precision / passed)[::-1])[::-1]
    influence = second * (precision[tie] - value + as_hit[tie]) - as_any[tie]
    return Ranked(value, influence / hits[-1])
