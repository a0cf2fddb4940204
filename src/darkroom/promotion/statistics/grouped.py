"""Tests of the difference between two models' accuracies on groups of dependent images; groups are independent.

The gain of a group is the number of its images on which the candidate alone is right, less those on which the champion
alone is.
"""

import numpy as np
from scipy import special

from darkroom.base.types import Flags, Integers
from darkroom.evaluation.groups import group_numbers
from darkroom.promotion.statistics import paired

LEAST_GROUPS = 6
"""With fewer groups, no test reaches a level of .025: 0.5^5 is 3.1 %."""
LARGEST_EFFECT = 2.5
"""Design effect up to which groups are counted as if their images were copies of one another."""
BETS = 16  # sizes of the bet that are averaged
PRECISION = 1e-5  # of a bound


def gains(candidate: Flags, champion: Flags, groups: Integers) -> tuple[Integers, Integers]:
    """Return the gain and the number of images of each group.

    Args:
        candidate: whether it is right on each image.
        champion: the same.
        groups: each image's group number.
    """
    number = group_numbers(groups)
    difference = candidate.astype(np.int64) - champion.astype(np.int64)
    gained = np.bincount(number, difference).astype(np.int64)
    return gained, np.bincount(number).astype(np.int64)


def sign_flip(gained: Integers) -> float:
    """Return the one-sided p-value that the candidate is not better, by the signs of the groups' gains.

    If neither model is better, each group's gain is as likely as its opposite. The distribution over all signs is
    exact: R. Fisher, The design of experiments, 1935, section 21. With groups of one image it is McNemar's test.
    """
    sizes, plus = np.abs(gained[gained != 0]), int(np.maximum(gained, 0).sum())
    chances = np.zeros(int(sizes.sum()) + 1)
    chances[0], reached = 1.0, 0
    for size in sorted(sizes.tolist()):
        chances[size : reached + size + 1] += chances[: reached + 1].copy()
        chances[: reached + size + 1] /= 2
        reached += size
    return min(1.0, float(chances[plus:].sum())) if plus else 1.0


def design_effect(sizes: Integers) -> float:
    """Return by how many times fewer independent images would tell as much, if images of one group were copies.

    L. Kish, Survey sampling, 1965, section 5.4, with an intraclass correlation of 1.
    """
    return float((sizes.astype(np.float64) ** 2).sum() / sizes.sum())


def p_value(gained: Integers, sizes: Integers, gain: float) -> float:
    """Return a one-sided p-value of the hypothesis that the true gain per image is at most ``gain``.

    Groups of about one image, as of a few near-duplicates, are counted as if their images were copies. Larger groups
    are bet on, which assumes nothing about them but that they are independent.
    """
    effect = design_effect(sizes)
    if effect > LARGEST_EFFECT:
        return betting(gained, sizes, gain)
    won, lost = int(np.maximum(gained, 0).sum()), int(np.maximum(-gained, 0).sum())
    images = int(sizes.sum() / effect)
    fewer = int(won / effect), min(images, int(np.ceil(lost / effect)))
    return paired.p_value(min(fewer[0], images - fewer[1]), fewer[1], images, gain)


def betting(gained: Integers, sizes: Integers, gain: float) -> float:
    """Return a p-value that holds for any distribution of the groups' gains.

    The hypothesis makes each bet on the groups unfavourable; p is the inverse of the mean capital of several fixed
    bets: I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by betting, 2024.
    """
    surplus = (gained - gain * sizes) / sizes.max()
    largest = 1 / (1 + gain)  # a group that is lost altogether takes all of it
    bets = largest * np.geomspace(1e-3, 1, BETS)
    with np.errstate(divide="ignore"):
        capital = np.log1p(np.maximum(bets[:, None] * surplus, -1)).sum(axis=1)
    return float(min(1.0, np.exp(np.log(BETS) - special.logsumexp(capital))))


def lower_bound(gained: Integers, sizes: Integers, level: float) -> float:
    """Return the lower confidence bound of the true gain per image: the largest gain that ``p_value`` excludes."""
    low, high = -1.0, float(gained.sum() / sizes.sum())
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(gained, sizes, middle) <= level else (low, middle)
    return low
