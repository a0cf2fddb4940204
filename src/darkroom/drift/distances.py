"""Distances between two samples, for all permutations at once.

Images are weighted, and the weight of the new sample is the same in all permutations: see ``blocks``.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Numbers

Labels = npt.NDArray[np.str_]
Permutations = npt.NDArray[np.bool_]
"""Shape (permutations, images): True for images assigned to the new sample."""
Distance = Callable[[Permutations], Numbers]
"""Statistic of each permutation."""


def kolmogorov_smirnov(values: Numbers, weights: Numbers) -> Distance:
    """Return the Kolmogorov-Smirnov statistic of two samples, as a function of permutations.

    Args:
        values: float64 of shape (images,).
        weights: of the images, float64 of the same shape.
    """
    order = np.argsort(values, kind="stable")
    # Evaluate the distribution functions after the last of equal values.
    ends = np.flatnonzero(np.append(np.diff(values[order]) > 0, True))
    ordered = weights[order]
    passed, total = np.cumsum(ordered)[ends], weights.sum()

    def distance(permuted: Permutations) -> Numbers:
        new = permuted[0] @ weights
        apart = np.take(permuted, order, axis=1) * ordered
        np.cumsum(apart, axis=1, out=apart)
        if len(ends) < len(order):
            apart = apart[:, ends]
        # The difference of the distribution functions, times new * (total - new) / total.
        apart -= passed * (new / total)
        largest: Numbers = np.maximum(apart.max(axis=1), -apart.min(axis=1)) * (total / (new * (total - new)))
        return largest

    return distance


def chi_square(labels: Labels, weights: Numbers) -> Distance:
    """Return Pearson's chi-square statistic of the labels of two samples, as a function of permutations.

    Args:
        labels: shape (images,).
        weights: of the images, float64 of the same shape.
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    belongs = np.eye(len(classes))[numbers] * weights[:, None]
    counts = belongs.sum(axis=0)

    def distance(permuted: Permutations) -> Numbers:
        share = permuted[0] @ weights / weights.sum()
        expected = counts * share
        squares = (permuted.astype(np.float64) @ belongs - expected) ** 2
        # Deviations from the expected counts of the two samples are opposite.
        value: Numbers = (squares / expected + squares / (counts - expected)).sum(axis=1)
        return value

    return distance


def energy(points: Numbers, weights: Numbers) -> Distance:
    """Return the energy distance of two samples, as a function of permutations.

    2 E|X - Y| - E|X - X'| - E|Y - Y'| (G. Székely and M. Rizzo, Testing for equal distributions in high dimension,
    InterStat 2004): 0 for equal distributions, and greater than 0 otherwise.

    Args:
        points: float64 of shape (images, features).
        weights: of the images, float64 of shape (images,).
    """
    between = distances_between(points, points)

    def distance(permuted: Permutations) -> Numbers:
        new = permuted[0] @ weights
        signed = np.where(permuted, weights / new, -weights / (weights.sum() - new))
        value: Numbers = -np.einsum("di,di->d", signed @ between, signed)
        return value

    return distance


def distances_between(some: Numbers, others: Numbers) -> Numbers:
    """Return the Euclidean distances between points, float64 of shape (some, others)."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    distances: Numbers = np.sqrt(np.maximum(squares, 0))
    return distances


def standardised(points: Numbers, weights: Numbers) -> Numbers:
    """Scale each feature to mean 0 and standard deviation 1 over both samples; constant features become 0.

    Scaling by the training sample alone would violate exchangeability, which permutation tests assume.

    Args:
        points: float64 of shape (images, features).
        weights: of the images, float64 of shape (images,).
    """
    centred = points - np.average(points, axis=0, weights=weights)
    deviation = np.sqrt(np.average(centred**2, axis=0, weights=weights))
    scaled: Numbers = centred / np.where(np.ptp(points, axis=0) > 0, deviation, 1)
    return scaled
