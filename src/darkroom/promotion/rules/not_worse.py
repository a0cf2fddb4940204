"""The candidate is at most a margin below a champion: non-inferiority."""

from darkroom.base import wording
from darkroom.base.types import Integers
from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Finding
from darkroom.promotion.rules.better import too_few_groups
from darkroom.promotion.statistics import grouped, power


def not_worse(compared: Comparison, rules: PromoteParams, level: float, version: str | None = None) -> Finding:
    """Test whether a loss of accuracy of ``margin`` is excluded.

    Args:
        compared: candidate and champion.
        rules: the ``promote`` section of params.yaml.
        level: significance level of this decision.
        version: of an earlier champion; None for the current one.
    """
    name = "not worse" if version is None else f"not worse than version {version}"
    rule = name.replace("not worse", "not_worse")
    if compared.groups < grouped.LEAST_GROUPS:
        return Finding(rule, passed=False, text=f"{name}: not known, {too_few_groups(compared)}")
    passed = p_value(compared, -rules.margin) <= level
    text = (
        f"{name}: with {100 * (1 - level):.4g} % confidence it gains at least {lower_bound(compared, level):+.4f}, "
        f"{-rules.margin:+.4f} needed"
    )
    if not passed:
        text += _remark(compared, rules, level)
    return Finding(rule, passed=passed, text=text)


def p_value(compared: Comparison, gain: float) -> float:
    """Return the exact p-value of the hypothesis that the true gain is at most ``gain``."""
    return grouped.p_value(*_gains(compared), gain)


def lower_bound(compared: Comparison, level: float) -> float:
    """Return the lower confidence bound of the gain."""
    return grouped.lower_bound(*_gains(compared), level)


def _gains(compared: Comparison) -> tuple[Integers, Integers]:
    return grouped.gains(compared.candidate, compared.champion, compared.clusters)


def _remark(compared: Comparison, rules: PromoteParams, level: float) -> str:
    """Return whether the candidate is worse, or else how many test images would tell."""
    p = grouped.sign_flip(-_gains(compared)[0])
    if p <= rules.significance:
        return f"; it is worse beyond chance ({wording.p_value(p)})"
    needed = power.images_for_margin(rules.margin, compared.disagreement, level)
    if needed <= compared.effective_images:
        return ""
    alike = "" if compared.independent else "independent "
    return f"; {compared.effective_images} {alike}test images cannot tell, about {needed} would for equal models"
