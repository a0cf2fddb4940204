"""All scores of predictions with their 95 % confidence intervals."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Flags, Integers
from darkroom.evaluation import calibration, losses, ranking
from darkroom.evaluation.cells import Cells
from darkroom.evaluation.class_scores import ClassIntervals
from darkroom.evaluation.intervals import (
    MINIMUM_GROUPS,
    UNKNOWN,
    Interval,
    effective_groups,
    share_interval,
    share_intervals,
)
from darkroom.evaluation.scores import Predictions, estimate, names


class Scored(NamedTuple):
    """All scores with their confidence intervals."""

    estimates: dict[str, float]
    """By score name, see ``scores.names``."""
    intervals: dict[str, Interval]


def score(predictions: Predictions, groups: Integers) -> Scored:
    """Compute all scores and their confidence intervals.

    Args:
        predictions: of the test images.
        groups: each image's group number.
    """
    of_classes = ClassIntervals(predictions.labels, predictions.predicted, groups, predictions.classes)
    found = {**_of_images(predictions, groups), **of_classes.of_means(), **of_classes.of_classes()}
    if len(np.unique(groups)) < MINIMUM_GROUPS:
        found = dict.fromkeys(found, UNKNOWN)
    return Scored(estimate(predictions, groups), {name: found[name] for name in names(predictions.classes)})


def accuracy_intervals(right: Flags, members: npt.NDArray[np.bool_], groups: Integers) -> list[Interval]:
    """Return the confidence intervals of the accuracy on slices of the images.

    Args:
        right: whether each prediction is correct, of shape (images,).
        members: whether each image is in each slice, of shape (images, slices).
        groups: each image's group number.
    """
    image, part = np.nonzero(members)
    return share_intervals(Cells.count(right[image], groups[image], part, members.shape[1]))


def _of_images(predictions: Predictions, groups: Integers) -> dict[str, Interval]:
    """Return the intervals of the scores that are means over images."""
    labels, right = predictions.labels, predictions.right
    everything = np.ones((len(right), 1), dtype=bool)
    (accuracy,), (top,) = (accuracy_intervals(counted, everything, groups) for counted in (right, predictions.in_top))
    squared = calibration.squared_error(predictions.confidence, right, groups)
    mean_confidence = float(predictions.confidence.mean())
    found = {
        "accuracy": accuracy,
        "top_k_accuracy": top,
        "log_loss": losses.mean_interval(losses.log_losses(predictions.exact, labels), right, groups, accuracy),
        "brier": losses.mean_interval(losses.brier_scores(predictions.exact, labels), right, groups, accuracy),
        "calibration_error": calibration.interval(squared, mean_confidence, accuracy, effective_groups(groups)),
    }
    if predictions.classes == 2:  # noqa: PLR2004
        found |= _of_ranking(predictions, groups)
    return found


def _of_ranking(predictions: Predictions, groups: Integers) -> dict[str, Interval]:
    """Return the intervals of the scores of two classes; unknown if one of them has too few groups."""
    labels, second = predictions.labels, predictions.exact[:, 1]
    of_class = [groups[labels == number] for number in (0, 1)]
    if min(len(np.unique(each)) for each in of_class) < MINIMUM_GROUPS:
        return {"roc_auc": UNKNOWN, "average_precision": UNKNOWN}
    # The class with fewer groups limits what is known.
    least = min(effective_groups(each) for each in of_class)
    return {
        "roc_auc": share_interval(*ranking.roc_auc(labels, second), groups, least),
        "average_precision": share_interval(*ranking.average_precision(labels, second), groups, least),
    }
