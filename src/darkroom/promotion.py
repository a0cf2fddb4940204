"""Which model goes into production: a pure decision on numbers. ``stages/promote.py`` carries it out.

Candidate and champion answer the same images, so each image is compared with itself. Whether a difference is more than
chance says the exact McNemar test (Q. McNemar, Note on the sampling error of the difference between correlated
proportions, 1947); where images belong together, a bootstrap of what belongs together takes its place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from darkroom import scores
from darkroom.datasets import Integers
from darkroom.params import PromoteParams

Flags = npt.NDArray[np.bool_]
Outcome = Literal["promote", "keep"]
FEWEST = 6  # images that only one of two answers right, below which chance is never ruled out: 0.5 to the 6th is 1.6 %


@dataclass(frozen=True)
class Contender:
    """A model with the numbers that speak for it."""

    network: str
    run_id: str
    test_accuracy: float | None
    """On the images that are compared; None for a champion that could not be."""
    test_images: int | None
    """How many these are."""
    validation_accuracy: float | None = None
    """None for a champion: the validation images that chose it need not be the current ones."""
    validation_loss: float | None = None
    calibration_error: float | None = None
    latency_ms: float | None = None
    """95th percentile of the time that the network takes for one image."""
    size_mb: float | None = None
    """Of its file, in units of 10^6 bytes."""
    memory_mb: float | None = None
    """At most, of the process that evaluated it."""


@dataclass(frozen=True)
class Finding:
    """What came of one rule."""

    rule: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """What happens to the alias ``champion``, and why."""

    outcome: Outcome
    reason: str
    candidate: Contender
    champion: Contender | None
    findings: tuple[Finding, ...] = ()

    def champion_after(self, *, withheld: bool) -> str | None:
        """Return the run whose model is the champion once the decision is carried out, or withheld; None for none."""
        before = self.champion.run_id if self.champion else None
        return self.candidate.run_id if self.outcome == "promote" and not withheld else before

    def as_json(self, withheld: str | None = None) -> dict[str, Any]:
        """Return the decision for a report.

        Args:
            withheld: why it is not carried out; None if it is.
        """
        after = {"withheld": withheld, "champion_run_id": self.champion_after(withheld=withheld is not None)}
        return {"outcome": self.outcome, "reason": self.reason, **after, **asdict(self)}


@dataclass(frozen=True)
class Comparison:
    """Which of the same test images each of two models answers right."""

    classes: Integers
    """The images' class numbers."""
    labels: tuple[str, ...]
    """Class names by number."""
    candidate: Flags
    champion: Flags
    clusters: Integers
    """The number of what each image belongs to."""
    data_changed: bool = False
    """Whether the candidate was trained on other images than the champion."""
    notes: tuple[str, ...] = ()
    """What else there is to know, in sentences."""

    @property
    def independent(self) -> bool:
        """Whether each image is a finding of its own."""
        return len(np.unique(self.clusters)) == len(self.clusters)


def best_candidate(contenders: Sequence[Contender], rules: PromoteParams) -> Contender:
    """Pick the candidate on validation data; the test images have no say in it."""

    def rank(contender: Contender) -> tuple[float, float]:
        accuracy, loss = contender.validation_accuracy, contender.validation_loss
        if accuracy is None or loss is None:
            raise ValueError(f"{contender.network} has no validation metrics")
        return (accuracy, -loss) if rules.candidate == "validation_accuracy" else (-loss, accuracy)

    return max(contenders, key=rank)


def decide(
    candidate: Contender, champion: Contender | None, compared: Comparison | None, rules: PromoteParams
) -> Decision:
    """Decide whether the candidate takes the champion's place.

    Args:
        candidate: the best network of this run.
        champion: the model in production; None if there is none.
        compared: their answers to the same test images; None where there is nothing to compare.
        rules: the ``promote`` section of params.yaml.
    """
    if champion is not None and champion.run_id == candidate.run_id:
        return Decision("keep", f"{candidate.network} is the champion already", candidate, champion)
    limits = list(_limits(candidate, rules))
    if champion is None or compared is None:
        return _decision(f"{candidate.network} is the first model", limits, candidate, champion)
    if champion.test_images != candidate.test_images:
        raise ValueError("candidate and champion must answer the same test images")
    findings = [_against(compared, rules), *_classes(compared, rules), *limits]
    gained = int(compared.candidate.sum()) - int(compared.champion.sum())
    reason = (
        f"{candidate.network} {compared.candidate.mean():.4f} against the champion's {compared.champion.mean():.4f} "
        f"on the same {candidate.test_images} test images: {gained:+d} right answers"
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
    # What stands in the way; where nothing does, what spoke for it.
    said = "; ".join([reason, *(finding.text for finding in failed or findings), *notes])
    return Decision(outcome, said, candidate, champion, tuple(findings))


def _against(compared: Comparison, rules: PromoteParams) -> Finding:
    """Hold the candidate's answers against the champion's."""
    if rule_of(compared, rules) == "not_worse":
        return _not_worse(compared, rules)
    images = len(compared.candidate)
    gained = int(compared.candidate.sum()) - int(compared.champion.sum())
    # In images, so that no rounding decides.
    needed = max(1, rules.minimum_gain * images)
    if gained < needed:
        return Finding("better", passed=False, text=f"better: at least {needed:+g} needed")
    p, test = chance(compared, rules)
    text = f"better: p {p:.4f} ({test}), at most {rules.significance:g} needed"
    differing = int((compared.candidate != compared.champion).sum())
    if p > rules.significance and differing < FEWEST:
        text += f"; they differ in {differing} images, which is too few to tell"
    return Finding("better", passed=p <= rules.significance, text=text)


def rule_of(compared: Comparison, rules: PromoteParams) -> str:
    """Return the rule that applies: other data make another model, which need not be better to be more up to date."""
    if rules.rule == "auto":
        return "not_worse" if compared.data_changed else "better"
    return rules.rule


def chance(compared: Comparison, rules: PromoteParams) -> tuple[float, str]:
    """Return the probability of a difference as large as this one between equal models, and how it was computed."""
    if compared.independent:
        won = int((compared.candidate & ~compared.champion).sum())
        lost = int((compared.champion & ~compared.candidate).sum())
        return mcnemar(won, lost), "exact McNemar test"
    # A share of draws, which is 0 where none of them is as bad: that many draws say no more than this.
    gains = _drawn_gains(compared, rules)
    return float((1 + (gains <= 0).sum()) / (1 + len(gains))), "bootstrap of what belongs together"


def mcnemar(won: int, lost: int) -> float:
    """Return the probability that an equal model wins so many or more of the images that only one of two has right."""
    # Not by scipy.stats, whose import takes longer than all else that is decided.
    return float(special.bdtrc(won - 1, won + lost, 0.5)) if won else 1.0


def _drawn_gains(compared: Comparison, rules: PromoteParams) -> scores.Numbers:
    """Return the gain in accuracy in each draw of the bootstrap."""
    difference = compared.candidate.astype(np.float64) - compared.champion
    draws = scores.drawn(compared.clusters, rules.draws, rules.seed)
    return np.array([weights @ difference / weights.sum() for weights in draws])


def _not_worse(compared: Comparison, rules: PromoteParams) -> Finding:
    """Say whether the accuracy that is lost, if any, is with 95 % confidence below the margin."""
    low = float(np.quantile(_drawn_gains(compared, rules), 1 - scores.CONFIDENCE))
    text = f"not worse: with 95 % confidence it gains at least {low:+.4f}, {-rules.margin:+.4f} needed"
    if low < -rules.margin <= float(np.mean(compared.candidate) - np.mean(compared.champion)):
        text += "; more test images would tell"
    return Finding("not_worse", passed=low >= -rules.margin, text=text)


def _classes(compared: Comparison, rules: PromoteParams) -> Iterator[Finding]:
    """Look for classes of which the candidate finds fewer, by more than is allowed and by more than chance."""
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
    """Hold the candidate against what is asked of any model."""
    for name, value, most, unit in (
        ("calibration error", candidate.calibration_error, rules.maximum_calibration_error, ""),
        ("latency", candidate.latency_ms, rules.maximum_latency_ms, " ms for one image (95th percentile)"),
        ("size", candidate.size_mb, rules.maximum_size_mb, " MB"),
        ("memory", candidate.memory_mb, rules.maximum_memory_mb, " MB"),
    ):
        if most is None:
            continue
        if value is None:
            yield Finding(name, passed=False, text=f"{name}: not measured; dvc repro --force evaluate measures it")
        else:
            text = f"{name}: {value:.4g}{unit}, at most {most:g} allowed"
            yield Finding(name, passed=value <= most, text=text)
