"""Confidence intervals of precision, recall and F-score of each class, and of their means over the classes."""

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Integers, Numbers
from darkroom.evaluation.cells import Cells
from darkroom.evaluation.intervals import (
    MINIMUM_GROUPS,
    UNKNOWN,
    Bounds,
    Interval,
    effective_groups,
    mean_interval,
    share_bounds,
    share_interval,
    share_intervals,
)

MINIMUM_GROUPS_OF_CLASS = 2
"""If any class has fewer groups of images, there is no interval of the means over the classes."""


class ClassIntervals:
    """The intervals of one test set's class scores.

    Precision and recall are shares of hits. So is the F-score after a change of scale: it is 2 J / (1 + J), where J is
    the share of hits among the images that are labelled or predicted as the class.
    """

    def __init__(self, labels: Integers, predicted: Integers, groups: Integers, classes: int) -> None:
        self._labels, self._predicted, self._groups, self._classes = labels, predicted, groups, classes
        self._right = right = predicted == labels
        self._wrong = np.flatnonzero(~right)
        self._of_prediction = Cells.count(right, groups, predicted, classes)
        self._of_label = Cells.count(right, groups, labels, classes)
        self._of_either = Cells.count(
            np.append(right, right[self._wrong]),
            np.append(groups, groups[self._wrong]),
            np.append(labels, predicted[self._wrong]),
            classes,
        )

    def of_classes(self) -> dict[str, Interval]:
        """Return the intervals of each class, such as ``recall/3``; unknown if too few groups have images of it.

        That images of other groups were predicted as the class does not make it known.
        """
        found = {}
        enough = self._of_label.groups >= MINIMUM_GROUPS
        for number, (precision, recall, either) in enumerate(
            zip(*map(share_intervals, (self._of_prediction, self._of_label, self._of_either)), strict=True)
        ):
            found[f"precision/{number}"] = precision if enough[number] else UNKNOWN
            found[f"recall/{number}"] = recall
            f1 = Interval(*(float(f_score(bound)) for bound in either))
            found[f"f1/{number}"] = f1 if enough[number] else UNKNOWN
        return found

    def of_means(self) -> dict[str, Interval]:
        """Return the intervals of the means; unknown if a class has too few groups.

        The mean of the classes' intervals knows of classes without mistakes; the exact interval at the sample size of a
        share with the mean's variance knows how mistakes in several classes are distributed. Of the two, the bounds
        that are farther away hold.
        """
        if self._of_label.groups.min() < MINIMUM_GROUPS_OF_CLASS:
            return dict.fromkeys(("balanced_accuracy", "macro_precision", "macro_f1"), UNKNOWN)
        return {
            "balanced_accuracy": self._mean_of_shares(self._of_label, self._labels),
            "macro_precision": self._mean_of_shares(self._of_prediction, self._predicted),
            "macro_f1": self._mean_of_f1(),
        }

    def _mean_of_shares(self, cells: Cells, column: Integers) -> Interval:
        shares = cells.shares
        influence = (self._right - shares[column]) / cells.total(cells.images)[column]
        of_columns = mean_interval(shares, share_bounds(cells), cells, cells.most_columns)
        return self._wider(of_columns, shares, influence)

    def _mean_of_f1(self) -> Interval:
        cells = self._of_either
        index, images = cells.shares, cells.total(cells.images)
        slope, taken_for = 2 / (1 + index) ** 2, self._predicted[self._wrong]
        influence = (slope[self._labels] * (self._right - index[self._labels])) / images[self._labels]
        influence[self._wrong] -= (slope * index)[taken_for] / images[taken_for]
        # A mistake lowers the F-scores of two classes.
        together = min(2 * self._of_label.most_columns, self._classes)
        bounds = Bounds(*map(f_score, share_bounds(cells)))
        return self._wider(mean_interval(f_score(index), bounds, cells, together), f_score(index), influence)

    def _wider(self, of_columns: Interval, values: Numbers, influence: Numbers) -> Interval:
        """Return the bounds that are farther away, of the mean over columns and of a share with its variance."""
        influence = influence / self._classes
        of_images = share_interval(float(values.mean()), influence, self._groups, effective_groups(self._groups))
        return Interval(min(of_columns.low, of_images.low), max(of_columns.high, of_images.high))


def f_score(index: npt.ArrayLike) -> Numbers:
    """Return the F-score from the share of hits among the images that are labelled or predicted as a class."""
    numbers = np.asarray(index, dtype=np.float64)
    return 2 * numbers / (1 + numbers)
