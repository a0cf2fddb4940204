"""The gain in accuracy that a test set can find, and the test images that a margin needs."""

import math
from functools import lru_cache

import numpy as np
from scipy import special

from darkroom.base.types import Integers

POWER = 0.8
ASSUMED_DISAGREEMENT = 0.05
"""Share of test images that only one of two models classifies correctly, where nothing is known of them."""
LARGEST_TEST_SET = 10_000_000
PRECISION = 1e-4  # of a gain


def power(images: int, gain: float, disagreement: float, level: float) -> float:
    """Return the probability that the exact McNemar test finds a gain.

    Args:
        images: number of independent test images.
        gain: true difference of the accuracies.
        disagreement: share of images that only one of the models classifies correctly; at least the gain.
        level: of the one-sided test.
    """
    share = max(disagreement, gain)
    discordant, most_lost = np.arange(images + 1), _most_lost(images, level)
    lost = (1 - gain / share) / 2
    found = 1 - special.bdtrc(most_lost, discordant, lost)
    ways = special.gammaln(images + 1) - special.gammaln(discordant + 1) - special.gammaln(images - discordant + 1)
    chance = np.exp(ways + special.xlogy(discordant, share) + special.xlog1py(images - discordant, -share))
    return float((chance * found).sum())


@lru_cache(maxsize=8)
def _most_lost(images: int, level: float) -> Integers:
    """Return for each number of discordant images the most lost with which the test finds a gain; -1 for none."""
    discordant = np.arange(images + 1)
    low, high = np.zeros_like(discordant), discordant + 1
    while (low < high).any():
        middle = np.minimum((low + high) // 2, discordant)
        found = special.bdtr(middle, discordant, 0.5) <= level
        low, high = np.where(found, middle + 1, low), np.where(found, high, middle)
    return low - 1


def detectable_gain(images: int, disagreement: float, level: float) -> float | None:
    """Return the smallest gain that is found with a probability of ``POWER``; None if no gain is."""
    if power(images, 1.0, disagreement, level) < POWER:
        return None
    low, high = 0.0, 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if power(images, middle, disagreement, level) >= POWER else (middle, high)
    return high


def images_for_margin(margin: float, disagreement: float, level: float) -> int:
    """Return about how many independent test images exclude a loss of ``margin``, if the models are equally good.

    With a probability of ``POWER``, by the normal approximation (J. Nam, Establishing equivalence of two treatments and
    sample size requirements in matched-pairs design, 1997); at least as many as if the models never disagreed.
    """
    if margin <= 0:
        return LARGEST_TEST_SET
    never = math.log(level) / math.log1p(-margin)
    quantiles = float(special.ndtri(1 - level) + special.ndtri(POWER))
    return min(LARGEST_TEST_SET, math.ceil(max(never, quantiles**2 * max(disagreement, margin) / margin**2)))


def words(images: int, disagreement: float, level: float) -> str:
    """Return what a test set can find, for a decision and ``darkroom check``."""
    gain = detectable_gain(images, disagreement, level)
    if gain is None:
        return f"with {images} independent test images, no gain is found in {100 * POWER:.0f} % of cases"
    return (
        f"with {images} independent test images, a gain of {100 * gain:.1f} points is found in {100 * POWER:.0f} % of "
        f"cases (level {level:.2g}, the models disagree on {100 * max(disagreement, gain):.1f} % of the images)"
    )
