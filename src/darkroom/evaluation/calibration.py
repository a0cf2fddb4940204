"""The calibration error, without the bias of finite samples, and its confidence interval."""

from typing import NamedTuple

import numpy as np

from darkroom.base.types import Flags, Integers, Numbers
from darkroom.evaluation.cells import Cells, ratio
from darkroom.evaluation.intervals import Interval, group_sums, quantile

BINS = 15  # of confidence, of equal width (C. Guo et al., On calibration of modern neural networks, 2017)


class Squared(NamedTuple):
    """The squared calibration error."""

    value: float
    """Its estimate, which is unbiased and may be negative."""
    error: float
    """Standard error of the estimate."""

    @property
    def root(self) -> float:
        """The calibration error, 0 to 1."""
        return float(np.sqrt(max(self.value, 0)))


def bin_numbers(confidence: Numbers) -> Integers:
    """Return the number of each prediction's bin of confidence."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def squared_error(confidence: Numbers, right: Flags, groups: Integers) -> Squared:
    """Estimate the mean over images of the squared gap between confidence and accuracy in their bin.

    The square of an observed gap is too large by its variance, which is taken off (A. Kumar, P. Liang, T. Ma, Verified
    uncertainty calibration, 2019, section 4). Here, the square is the mean product of the gaps of two images of
    different groups, so that it holds for dependent images too; a bin with one group adds nothing.

    Args:
        confidence: probability of each predicted class, of shape (images,).
        right: whether each prediction is correct.
        groups: each image's group number.
    """
    number = bin_numbers(confidence)
    cells = Cells.count(confidence - right, groups, number, BINS)
    images, gap = cells.total(cells.images), cells.shares
    pairs = images**2 - cells.total(cells.images**2)
    squares = ratio((images * gap) ** 2 - cells.total(cells.hits**2), pairs, 0)
    value = float(images @ squares) / len(right)
    spread = cells.total(cells.deviations**2)
    # As if one more mistake had been observed in each bin: bins without mistakes would have no variance.
    more = spread + ratio(np.bincount(number, confidence, BINS), images, 0) ** 2
    inflation = ratio(cells.groups, cells.groups - 1, 1)
    noise = 2 * (ratio(images, pairs, 0) * more * inflation) ** 2
    slope = 2 * np.sign(gap) * np.sqrt(np.maximum(squares, 0) * ratio(more, spread, 1))
    influence = slope[cells.column] * cells.deviations + (squares[cells.column] - value) * cells.images
    sums = group_sums(influence, cells.group)
    variance = float(noise.sum()) + float((sums**2).sum()) * len(sums) / max(len(sums) - 1, 1)
    return Squared(value, float(np.sqrt(variance)) / len(right))


def interval(found: Squared, confidence: float, accuracy: Interval, groups: float) -> Interval:
    """Return the confidence interval of the calibration error.

    Args:
        found: the squared calibration error.
        confidence: mean confidence of all predictions.
        accuracy: the confidence interval of the accuracy.
        groups: effective number of groups.
    """
    half = float(quantile(groups)) * found.error
    # The calibration error is at least the gap between mean confidence and accuracy.
    gap = max(abs(confidence - accuracy.low), abs(accuracy.high - confidence))
    low, high = (float(np.sqrt(max(bound, 0))) for bound in (found.value - half, found.value + half))
    return Interval(low, min(1.0, max(high, gap)))
