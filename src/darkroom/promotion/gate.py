"""The promotion gate: decide from metrics alone which model goes into production. ``pipeline/promote.py`` runs it.

Candidate and champion predict the same images, so the comparison is paired. Significance is tested with the exact
McNemar test (Q. McNemar, Note on the sampling error of the difference between correlated proportions, 1947); if images
are grouped, with a bootstrap over groups.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from darkroom.base.types import Numbers
from darkroom.evaluation import bootstrap
from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Contender, Decision, Finding, Outcome

MINIMUM_DISCORDANT = 6
"""With fewer images that only one model classifies correctly, the test cannot reach significance: 0.5^6 is 1.6 %."""


def best_candidate(contenders: Sequence[Contender], rules: PromoteParams) -> Contender:
    """Select the candidate by its validation metrics; test images are not used."""

    def rank(contender: Contender) -> tuple[float, float]:
        accuracy, loss = contender.validation_accuracy, contender.validation_loss
        if accuracy is None or loss is None:
            raise ValueError(f"{contender.network} has no validation metrics")
        return (accuracy, -loss) if rules.candidate == "validation_accuracy" else (-loss, accuracy)

    return max(contenders, key=rank)


def decide(
    candidate: Contender, champion: Contender | None, compared: Comparison | None, rules: PromoteParams
) -> Decision:
    """Decide whether the candidate replaces the champion.

    Args:
        candidate: the best network of this run.
        champion: the model in production; None if there is none.
        compared: the correct predictions of both on the same test images; None if there is no comparison.
        rules: the ``promote`` section of params.yaml.
    """
    if champion is not None and champion.run_id == candidate.run_id:
        return Decision("keep", f"{candidate.network} is already the champion", candidate, champion)
    limits = list(_limits(candidate, rules))
    if champion is None or compared is None:
        return _decision(f"{candidate.network} is the first model", limits, candidate, champion)
    if champion.test_images != candidate.test_images:
        raise ValueError("candidate and champion must have predictions on the same test images")
    findings = [_compare(compared, rules), *_classes(compared, rules), *limits]
    gained = int(compared.candidate.sum()) - int(compared.champion.sum())
    reason = (
        f"{candidate.network} {compared.candidate.mean():.4f} against the champion's {compared.champion.mean():.4f} "
        f"on the same {candidate.test_images} test images: {gained:+d} correct"
    )
    return _decision(reason, findings, candidate, champion, compared.notes)


def _decision(
    reason: str,
    findings: Sequence[Finding],
    candidate: Contender,
    champion: Contender | None,
    notes: Sequence[str] = (),
) -> Decision:
    failed = [finding for finding in findings if not finding.passed]
    outcome: Outcome = "keep" if failed else "promote"
    # The failed rules; if none failed, all of them.
    text = "; ".join([reason, *(finding.text for finding in failed or findings), *notes])
    return Decision(outcome, text, candidate, champion, tuple(findings))


def _compare(compared: Comparison, rules: PromoteParams) -> Finding:
    """Compare the candidate's correct predictions with the champion's."""
    if applicable_rule(compared, rules) == "not_worse":
        return _not_worse(compared, rules)
    images = len(compared.candidate)
    gained = int(compared.candidate.sum()) - int(compared.champion.sum())
    # Compare counts of images, to avoid rounding errors.
    needed = max(1, rules.minimum_gain * images)
    if gained < needed:
        return Finding("better", passed=False, text=f"better: at least {needed:+g} needed")
    p, test = p_value(compared, rules)
    text = f"better: p {p:.4f} ({test}), at most {rules.significance:g} needed"
    differing = int((compared.candidate != compared.champion).sum())
    if p > rules.significance and differing < MINIMUM_DISCORDANT:
        text += f"; they differ on {differing} images, too few for a significant difference"
    return Finding("better", passed=p <= rules.significance, text=text)


def applicable_rule(compared: Comparison, rules: PromoteParams) -> str:
    """Return the rule that applies: with changed data, ``auto`` only requires the candidate to be not worse."""
    if rules.rule == "auto":
        return "not_worse" if compared.data_changed else "better"
    return rules.rule


def p_value(compared: Comparison, rules: PromoteParams) -> tuple[float, str]:
    """Return the one-sided p-value of the candidate's gain, and the name of the test."""
    if compared.independent:
        won = int((compared.candidate & ~compared.champion).sum())
        lost = int((compared.champion & ~compared.candidate).sum())
        return mcnemar(won, lost), "exact McNemar test"
    # Add one to both counts: with a finite number of resamples, p cannot be 0.
    gains = _resampled_gains(compared, rules)
    return float((1 + (gains <= 0).sum()) / (1 + len(gains))), "bootstrap over groups"


def mcnemar(won: int, lost: int) -> float:
    """Return the one-sided p-value of the exact McNemar test.

    Args:
        won: images that only the first model classifies correctly.
        lost: images that only the second model classifies correctly.
    """
    # Not scipy.stats, because its import is slow.
    return float(special.bdtrc(won - 1, won + lost, 0.5)) if won else 1.0


def _resampled_gains(compared: Comparison, rules: PromoteParams) -> Numbers:
    """Return the gain in accuracy in each bootstrap resample."""
    difference = compared.candidate.astype(np.float64) - compared.champion
    draws = bootstrap.resample(compared.clusters, rules.draws, rules.seed)
    return np.array([weights @ difference / weights.sum() for weights in draws])


def _not_worse(compared: Comparison, rules: PromoteParams) -> Finding:
    """Test whether the loss of accuracy is below the margin with 95 % confidence."""
    low = float(np.quantile(_resampled_gains(compared, rules), 1 - bootstrap.CONFIDENCE))
    text = f"not worse: with 95 % confidence it gains at least {low:+.4f}, {-rules.margin:+.4f} needed"
    if low < -rules.margin <= float(np.mean(compared.candidate) - np.mean(compared.champion)):
        text += "; more test images may decide it"
    return Finding("not_worse", passed=low >= -rules.margin, text=text)


def _classes(compared: Comparison, rules: PromoteParams) -> Iterator[Finding]:
    """Yield a finding for each class whose recall falls by more than ``maximum_recall_loss``.

    It fails if the loss is significant.
    """
    if rules.maximum_recall_loss is None:
        return
    for number, label in enumerate(compared.labels):
        inside = compared.classes == number
        if not inside.any():
            continue
        candidate, champion = compared.candidate[inside], compared.champion[inside]
        lost = float(champion.mean() - candidate.mean())
        worse, better = int((champion & ~candidate).sum()), int((candidate & ~champion).sum())
        if lost <= rules.maximum_recall_loss:
            continue
        p = mcnemar(worse, better)
        text = (
            f"recall of {label}: {candidate.mean():.4f} against {champion.mean():.4f} (p {p:.4f}), a loss of at most "
            f"{rules.maximum_recall_loss:g} allowed"
        )
        yield Finding(f"recall of {label}", passed=p > rules.significance, text=text)


def _limits(candidate: Contender, rules: PromoteParams) -> Iterator[Finding]:
    """Check the candidate's calibration error, latency, size and memory against their limits."""
    for name, value, most, unit in (
        ("calibration error", candidate.calibration_error, rules.maximum_calibration_error, ""),
        ("latency", candidate.latency_ms, rules.maximum_latency_ms, " ms for one image (95th percentile)"),
        ("size", candidate.size_mb, rules.maximum_size_mb, " MB"),
        ("memory", candidate.memory_mb, rules.maximum_memory_mb, " MB"),
    ):
        if most is None:
            continue
        if value is None:
            yield Finding(name, passed=False, text=f"{name}: not measured; run dvc repro --force evaluate")
        else:
            text = f"{name}: {value:.4g}{unit}, at most {most:g} allowed"
            yield Finding(name, passed=value <= most, text=text)
