"""Confidence intervals of shares and means from images that may depend on each other.

Shares get the exact binomial interval (C. Clopper, E. Pearson, The use of confidence or fiducial limits, 1934) at an
effective sample size: the number of images divided by the design effect, and corrected for the degrees of freedom
(E. Korn, B. Graubard, Confidence intervals for proportions with small expected number of positive counts estimated
from survey data, 1998). For independent images it is the exact interval itself. Groups of unequal size count as their
effective number (L. Kish, Survey sampling, 1965).

Few errors say little about the correlation inside groups, and the estimate of the design effect is then too small too
often. Darkroom therefore shrinks the intraclass correlation towards 1, as if one more error had been observed in a
group of nothing but errors. Without any error it is 1, and the effective sample size is the number of groups: no
distribution of a share within groups has a larger variance (W. Hoeffding, Probability inequalities for sums of bounded
random variables, 1963).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from darkroom.base.types import Integers, Numbers
from darkroom.evaluation.cells import Cells, ratio
from darkroom.evaluation.groups import group_numbers

CONFIDENCE = 0.95
TAIL = (1 - CONFIDENCE) / 2
MINIMUM_GROUPS = 5
"""With fewer independent groups of images there is no interval."""
ROUNDING = 1e-12


class Interval(NamedTuple):
    """A 95 % confidence interval; both bounds are NaN if there are too few groups for one."""

    low: float
    high: float

    def __str__(self) -> str:
        """Return the bounds as text."""
        return f"{self.low:.4f} to {self.high:.4f}" if np.isfinite(self.high) else "not known"


UNKNOWN = Interval(float("nan"), float("nan"))


class Bounds(NamedTuple):
    """Lower and upper bounds of several intervals."""

    low: Numbers
    high: Numbers


def share_bounds(cells: Cells) -> Bounds:
    """Return the confidence interval of the share of hits in each column; (0, 1) for an empty one."""
    images, groups, share = cells.total(cells.images), cells.groups, cells.shares
    per_group = ratio(cells.total(cells.images**2), images, 1)
    of_groups = cells.total(cells.deviations**2) * ratio(groups, groups - 1, 1)
    of_images = images * share * (1 - share) * ratio(images, images - 1, 1)
    size = _effective_size(images, share, ratio(of_groups, of_images, 1), per_group, ratio(images, per_group, 0))
    return exact_bounds(share, size)


def share_intervals(cells: Cells) -> list[Interval]:
    """Return the confidence interval of the share of hits in each column; unknown where there are too few groups."""
    bounds = zip(*share_bounds(cells), strict=True)
    return [
        Interval(float(low), float(high)) if count >= MINIMUM_GROUPS else UNKNOWN
        for (low, high), count in zip(bounds, cells.groups, strict=True)
    ]


def share_interval(value: float, influence: Numbers, groups: Integers, least: float) -> Interval:
    """Return the interval of a score between 0 and 1 that is not a share of images, such as an area under a curve.

    The sample size of independent images is the one at which a share has the variance of the score.

    Args:
        value: the score.
        influence: of each image on the score.
        groups: each image's group number.
        least: effective number of groups that the score depends on; lower bound of the effective sample size.
    """
    images, variance = len(influence), float((influence**2).sum())
    size = least
    if variance:
        design_effect = group_variance(influence, groups) / group_variance(influence, np.arange(images))
        found = _effective_size(
            min(images, value * (1 - value) / variance),
            value,
            design_effect,
            images / effective_groups(groups),
            least,
        )
        size = float(found)
    low, high = exact_bounds(np.array([value]), np.array([size]))
    return Interval(float(low[0]), float(high[0]))


def _effective_size(
    independent: npt.ArrayLike,
    share: npt.ArrayLike,
    design_effect: npt.ArrayLike,
    per_group: npt.ArrayLike,
    groups: npt.ArrayLike,
) -> Numbers:
    """Return the effective sample size of a share; see the module's description.

    Args:
        independent: the sample size if all images were independent.
        share: the estimated share, 0 to 1.
        design_effect: estimated ratio of the variance with groups to that of independent images.
        per_group: images per effective group, at least 1.
        groups: effective number of groups.
    """
    size, share, effect, per_group, groups = (
        np.asarray(each, dtype=np.float64) for each in (independent, share, design_effect, per_group, groups)
    )
    more = per_group - 1
    correlation = np.clip(ratio(effect - 1, more, 0), 0, 1)
    errors = size * np.minimum(share, 1 - share) / (1 + more * correlation)
    correlation = (errors * correlation + 1) / (errors + 1)
    freedom = (quantile(groups * per_group) / quantile(groups)) ** 2
    return np.maximum(size / (1 + more * correlation) * freedom, groups)


def quantile(groups: npt.ArrayLike) -> Numbers:
    """Return the upper quantile of Student's t distribution for a mean of groups."""
    # A single group has no degrees of freedom; the bound only has to be very far away then.
    freedom = np.maximum(np.asarray(groups, dtype=np.float64) - 1, 0.1)
    return np.asarray(special.stdtrit(freedom, 1 - TAIL), dtype=np.float64)


def exact_bounds(share: Numbers, size: Numbers) -> Bounds:
    """Return the exact binomial intervals of shares at sample sizes that need not be whole; (0, 1) at size 0."""
    hits, misses = share * size, (1 - share) * size
    some_hits, some_misses = hits > ROUNDING * size, misses > ROUNDING * size
    low = special.betaincinv(hits, misses + 1, TAIL)
    high = special.betaincinv(hits + 1, misses, 1 - TAIL)
    return Bounds(np.where(some_hits, low, 0.0), np.where(some_misses, high, 1.0))


def mean_interval(values: Numbers, bounds: Bounds, cells: Cells, together: int) -> Interval:
    """Return the interval of the mean of a score over columns from the intervals of the columns.

    The distances of the bounds from the values are added like standard errors (G. Zou, A. Donner, Construction of
    confidence limits about effect measures: a general approach, 2008), with the correlations of the columns over the
    groups.

    Args:
        values: score of each column.
        bounds: interval of each column's score.
        cells: what the scores are computed from.
        together: for columns without deviations, the largest number of them that one group may lower at once.
    """
    norm = np.sqrt(cells.total(cells.deviations**2))
    scaled = ratio(cells.deviations, norm[cells.column], 0)
    distances = []
    for distance in (values - bounds.low, bounds.high - values):
        of_group = np.bincount(cells.group, scaled * distance[cells.column])
        squared = (of_group**2).sum() + together * (distance[norm == 0] ** 2).sum()
        distances.append(float(np.sqrt(squared)) / len(values))
    mean = float(values.mean())
    return Interval(max(0.0, mean - distances[0]), min(1.0, mean + distances[1]))


def effective_groups(groups: Integers) -> float:
    """Return the effective number of groups, which is that of all groups if they are of equal size."""
    images = np.unique(groups, return_counts=True)[1]
    return float(images.sum() ** 2 / (images**2).sum())


def group_sums(values: Numbers, groups: Integers) -> Numbers:
    """Return the sum of a value over the images of each group."""
    return np.bincount(group_numbers(groups), values).astype(np.float64)


def group_variance(influence: Numbers, groups: Integers) -> float:
    """Return the variance of a score from each image's influence on it (K.-Y. Liang, S. Zeger, 1986)."""
    sums = group_sums(influence, groups)
    return float((sums**2).sum()) * len(sums) / max(len(sums) - 1, 1)


def margin(influence: Numbers, groups: Integers) -> float:
    """Return half the width of the t interval of a score from each image's influence on it."""
    return float(quantile(effective_groups(groups))) * float(np.sqrt(group_variance(influence, groups)))


def cluster_interval(values: npt.ArrayLike, groups: Integers) -> Interval:
    """Return the cluster-robust t interval of a mean; unknown with fewer than ``MINIMUM_GROUPS`` groups.

    The variance is that of the sums of groups (K.-Y. Liang, S. Zeger, Longitudinal data analysis using generalized
    linear models, 1986), the degrees of freedom one less than the effective number of groups.

    Args:
        values: of each image, of shape (images,).
        groups: each image's group number.
    """
    if len(np.unique(groups)) < MINIMUM_GROUPS:
        return UNKNOWN
    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    half = margin((numbers - mean) / len(numbers), groups)
    return Interval(mean - half, mean + half)
