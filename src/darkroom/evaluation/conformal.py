"""Thresholds with a promise, from images that the model has not seen: split conformal prediction.

A threshold holds for at least the asked share of new images if these are like the ones that it comes from (V. Vovk and
others, 2005; A. Angelopoulos, S. Bates, A gentle introduction to conformal prediction, 2021). Images of one group are
not independent; each group counts once, and the promise is for images of new groups (Y. Lee, R. Barber, R. Willett,
Distribution-free inference with hierarchical data, 2023). Without groups, this is the usual quantile.
"""

import numpy as np

from darkroom.base.types import Flags, Integers, Numbers
from darkroom.evaluation.groups import group_numbers

FOLDS = 10
ROUNDING = 1e-9


def group_weights(groups: Integers) -> Numbers:
    """Return the weight of each image, so that each group weighs 1.

    Args:
        groups: each image's group number.
    """
    numbers = group_numbers(groups)
    return np.asarray(1 / np.bincount(numbers)[numbers], dtype=np.float64)


def threshold(values: Numbers, groups: Integers, share: float) -> float:
    """Return the number that the value of a new image is at most, in at least the asked share of cases.

    Args:
        values: of each image, of shape (images,).
        groups: each image's group number.
        share: what is asked for, 0 to 1.

    Returns:
        The smallest sufficient value; infinity if there are too few groups: at least share / (1 - share) are needed.
    """
    order = np.argsort(values, kind="stable")
    weights = group_weights(groups)[order]
    # A new group weighs as much as each known one, and may have any value.
    reached = np.cumsum(weights) >= share * (weights.sum() + 1) - ROUNDING
    return float(values[order][reached.argmax()]) if reached.any() else float("inf")


def least_groups(share: float) -> int:
    """Return how many groups a threshold needs."""
    return int(np.ceil(share / (1 - share) - ROUNDING)) if share < 1 else np.iinfo(np.int64).max


def kept_thresholds(values: Numbers, groups: Integers, share: float, seed: int = 0) -> Numbers:
    """Return for each image the threshold of images of other groups, for measuring what a threshold keeps.

    The groups are divided into ``FOLDS`` parts at random, and the threshold of a part comes from all others.

    Args:
        values: of each image, of shape (images,).
        groups: each image's group number.
        share: what is asked for, 0 to 1.
        seed: of the division.
    """
    numbers = group_numbers(groups)
    count = int(numbers.max()) + 1 if len(numbers) else 0
    fold = (np.random.default_rng(seed).permutation(count) % FOLDS)[numbers]
    found = np.full(len(numbers), np.inf)
    for one in range(FOLDS):
        rest = fold != one
        if rest.any():
            found[~rest] = threshold(values[rest], groups[rest], share)
    return found


def weighted_share(flags: Flags, groups: Integers) -> float:
    """Return the share of images with a property, each group counting once; NaN without images."""
    return float(np.average(flags, weights=group_weights(groups))) if len(flags) else float("nan")
