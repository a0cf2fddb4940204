"""The candidate has significantly more correct predictions than the champion."""

from darkroom.base import wording
from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Finding
from darkroom.promotion.statistics import grouped, paired


def p_value(compared: Comparison) -> tuple[float, str]:
    """Return the one-sided p-value of the candidate's gain, and the name of the test."""
    if compared.independent:
        return paired.mcnemar(compared.won, compared.lost), "exact McNemar test"
    gained, _ = grouped.gains(compared.candidate, compared.champion, compared.clusters)
    return grouped.sign_flip(gained), "exact sign test over groups"


def better(compared: Comparison, rules: PromoteParams, level: float) -> Finding:
    """Test whether the candidate is better.

    Args:
        compared: candidate and champion.
        rules: the ``promote`` section of params.yaml.
        level: significance level of this decision.
    """
    gained = compared.won - compared.lost
    # Compare counts of images, to avoid rounding errors.
    needed = max(1, rules.minimum_gain * len(compared.candidate))
    if gained < needed:
        return Finding("better", passed=False, text=f"better: at least {needed:+g} needed")
    if compared.groups < grouped.LEAST_GROUPS:
        return Finding("better", passed=False, text=f"better: not known, {too_few_groups(compared)}")
    p, test = p_value(compared)
    text = f"better: {wording.p_value(p)} ({test}), at most {level:.3g} needed"
    if 0.5 ** (compared.won + compared.lost) > level:
        text += f"; they differ on {compared.won + compared.lost} images, too few for a significant difference"
    return Finding("better", passed=p <= level, text=text)


def too_few_groups(compared: Comparison) -> str:
    """Return why a comparison with few groups has no result."""
    return f"the test images form {compared.groups} groups, at least {grouped.LEAST_GROUPS} needed"
