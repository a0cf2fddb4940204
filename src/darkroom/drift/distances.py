"""Distances between two samples, for all permutations at once."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Numbers

Labels = npt.NDArray[np.str_]
Permutations = npt.NDArray[np.bool_]
"""Shape (permutations, images): True for images assigned to the new sample."""
Distance = Callable[[Permutations], Numbers]
"""Statistic of each permutation."""


def kolmogorov_smirnov(values: Numbers) -> Distance:
    """Return the Kolmogorov-Smirnov statistic of two samples, as a function of permutations.

    Args:
        values: float64 of shape (images,).
    """
    order = np.argsort(values, kind="stable")
    # Evaluate the distribution functions after the last of equal values.
    ends = np.flatnonzero(np.append(np.diff(values[order]) > 0, True))

    def distance(permuted: Permutations) -> Numbers:
        images, new = len(values), int(permuted[0].sum())
        counted = np.cumsum(permuted[:, order].view(np.int8), axis=1, dtype=np.int32)
        # Integer arithmetic, so that ties are exact.
        apart = images * (counted if len(ends) == images else counted[:, ends])
        apart -= new * (ends + 1)
        largest: Numbers = np.maximum(apart.max(axis=1), -apart.min(axis=1)) / (new * (images - new))
        return largest

    return distance


def chi_square(labels: Labels) -> Distance:
    """Return Pearson's chi-square statistic of the labels of two samples, as a function of permutations.

    Args:
        labels: shape (images,).
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    belongs = np.eye(len(classes), dtype=np.float32)[numbers]
    counts = belongs.sum(axis=0)

    def distance(permuted: Permutations) -> Numbers:
        share = permuted[0].mean()
        expected = counts * share
        squares = (permuted.astype(np.float32) @ belongs - expected) ** 2
        # Deviations from the expected counts of the two samples are opposite.
        value: Numbers = (squares / expected + squares / (counts - expected)).sum(axis=1)
        return value

    return distance


def energy(points: Numbers) -> Distance:
    """Return the energy distance of two samples, as a function of permutations.

    2 E|X - Y| - E|X - X'| - E|Y - Y'| (G. Székely and M. Rizzo, Testing for equal distributions in high dimension,
    InterStat 2004): 0 for equal distributions, and greater than 0 otherwise.

    Args:
        points: float64 of shape (images, features).
    """
    between = distances_between(points, points)

    def distance(permuted: Permutations) -> Numbers:
        new = permuted[0].sum()
        weights = np.where(permuted, 1 / new, -1 / (len(points) - new))
        value: Numbers = -np.einsum("di,di->d", weights @ between, weights)
        return value

    return distance


def distances_between(some: Numbers, others: Numbers) -> Numbers:
    """Return the Euclidean distances between points, float64 of shape (some, others)."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    distances: Numbers = np.sqrt(np.maximum(squares, 0))
    return distances


def standardised(points: Numbers) -> Numbers:
    """Scale each feature to mean 0 and standard deviation 1 over both samples; constant features become 0.

    Scaling by the training sample alone would violate exchangeability, which permutation tests assume.
    """
    deviation = points.std(axis=0)
    scaled: Numbers = (points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return scaled
