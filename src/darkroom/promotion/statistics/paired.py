"""Exact tests of the difference between two models' accuracies on the same independent images.

Of n images, the candidate alone is right on ``won`` and the champion alone on ``lost``; gain = (won - lost) / n.
"""

import numpy as np
from scipy import special

from darkroom.base.types import Integers, Numbers

NUISANCE_ERROR = 1e-6
"""Probability that the share of discordant images lies outside the interval that is searched; added to p."""
SHARES = 100  # shares of discordant images at which the tail probability is computed
DEVIATIONS = 9.0  # standard deviations of the number of discordant images that are summed
ROUNDING = 1e-9  # of a score


def mcnemar(won: int, lost: int) -> float:
    """Return the one-sided p-value of the exact McNemar test: that the candidate is not better.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, 1947.
    """
    # Not scipy.stats, because its import is slow.
    return float(special.bdtrc(won - 1, won + lost, 0.5))


def score(won: Integers, lost: Integers, images: int, gain: float) -> Numbers:
    """Return the score statistic of the hypothesis that the true gain is ``gain``; large if it is larger.

    T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample design,
    1998, equations 8 and 10.
    """
    linear = (2 * images - won + lost) * gain - won - lost
    root = np.sqrt(np.maximum(linear**2 + 8 * images * lost * gain * (1 - gain), 0))
    variance = images * ((root - linear) / (2 * images) + gain * (1 - gain))
    surplus = won - lost - images * gain
    found = np.divide(surplus, np.sqrt(variance), out=np.zeros(np.shape(surplus)), where=variance > 1e-12)  # noqa: PLR2004
    return np.asarray(found, dtype=np.float64)


def p_value(won: int, lost: int, images: int, gain: float) -> float:
    """Return the exact one-sided p-value of the hypothesis that the true gain is at most ``gain``.

    It is the largest probability of a score at least as large, over all shares of discordant images that are compatible
    with the data: H. Hsueh, J. Liu, J. Chen, Unconditional exact tests for equivalence or noninferiority for paired
    binary endpoints, 2001, with the interval of R. Berger, D. Boos, P values maximized over a confidence set for the
    nuisance parameter, 1994.
    """
    discordant = won + lost
    reached = float(score(np.array(won), np.array(lost), images, gain))
    if reached <= 0:
        return 1.0
    low = special.betaincinv(discordant, images - discordant + 1, NUISANCE_ERROR / 2) if discordant else 0.0
    high = special.betaincinv(discordant + 1, images - discordant, 1 - NUISANCE_ERROR / 2) if discordant < images else 1
    low, high = max(float(low), abs(gain)), float(high)
    if low > high:
        return NUISANCE_ERROR
    # Equally spaced after the transformation that makes the variance constant.
    shares = np.sin(np.linspace(np.arcsin(np.sqrt(low)), np.arcsin(np.sqrt(high)), SHARES)) ** 2
    shares = np.clip(shares, low, high)
    return min(1.0, float(_tail(shares, images, gain, reached).max()) + NUISANCE_ERROR)


def _tail(shares: Numbers, images: int, gain: float, reached: float) -> Numbers:
    """Return the probability of a score of at least ``reached`` (> 0) for each share of discordant images."""
    spread = DEVIATIONS * np.sqrt(images * shares + 1)
    first, last = int((images * shares - spread).min()), int((images * shares + spread).max())
    discordant = np.arange(max(0, first), min(images, last) + 1)
    needed = _least_won(discordant, images, gain, reached)
    chance = ((1 + gain / shares) / 2)[:, None]
    won_enough = special.bdtrc(needed - 1, discordant, chance)
    return np.asarray((_binomial(discordant, images, shares) * won_enough).sum(axis=1), dtype=np.float64)


def _least_won(discordant: Integers, images: int, gain: float, reached: float) -> Integers:
    """Return the least number won, of each number of discordant images, whose score is at least ``reached``.

    The score grows with the number won wherever it is positive. One more than all if none suffices.
    """
    low, high = np.zeros_like(discordant), discordant + 1
    while (low < high).any():
        middle = np.minimum((low + high) // 2, discordant)
        enough = score(middle, discordant - middle, images, gain) >= reached - ROUNDING
        low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
    return low


def _binomial(numbers: Integers, images: int, shares: Numbers) -> Numbers:
    """Return the binomial probabilities, of shape (shares, numbers)."""
    ways = special.gammaln(images + 1) - special.gammaln(numbers + 1) - special.gammaln(images - numbers + 1)
    of_share = special.xlogy(numbers, shares[:, None]) + special.xlog1py(images - numbers, -shares[:, None])
    return np.asarray(np.exp(ways + of_share), dtype=np.float64)
