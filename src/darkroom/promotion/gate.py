"""The promotion gate: decide from predictions and metrics alone which model goes into production.

``pipeline/promote.py`` runs it. Candidate and champion predict the same images, so the comparison is paired. The rules
are in ``rules``, their tests in ``statistics``.
"""

from collections.abc import Iterator, Sequence

from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Contender, Decision, Evidence, Finding, Life, Outcome
from darkroom.promotion.rules.better import better
from darkroom.promotion.rules.classes import groups, recall
from darkroom.promotion.rules.first import first_model
from darkroom.promotion.rules.limits import floor, limits
from darkroom.promotion.rules.not_worse import not_worse
from darkroom.promotion.statistics import power, spending

FIRST_DECISION = Life()
BEST = 0.2
"""Share of the significance at which a model is better than all champions before, so that a new life begins."""


def best_candidate(contenders: Sequence[Contender], rules: PromoteParams) -> Contender:
    """Select the candidate by its validation metrics; test images are not used."""

    def rank(contender: Contender) -> tuple[float, float]:
        accuracy, loss = contender.validation_accuracy, contender.validation_loss
        if accuracy is None or loss is None:
            raise ValueError(f"{contender.network} has no validation metrics")
        return (accuracy, -loss) if rules.candidate == "validation_accuracy" else (-loss, accuracy)

    return max(contenders, key=rank)


def decide(
    candidate: Contender,
    champion: Contender | None,
    compared: Comparison | None,
    rules: PromoteParams,
    life: Life = FIRST_DECISION,
) -> Decision:
    """Decide whether the candidate replaces the champion.

    Args:
        candidate: the best network of this run.
        champion: the model in production; None if there is none.
        compared: the correct predictions of both on the same test images; for a first model, those of always predicting
            the largest class are in the champion's place. None if there is no comparison.
        rules: the ``promote`` section of params.yaml.
        life: the decisions and champions before.
    """
    if champion is not None and champion.run_id == candidate.run_id:
        return Decision("keep", f"{candidate.network} is already the champion", candidate, champion)
    of_all = [*floor(candidate, rules), *limits(candidate, rules)]
    if champion is None or compared is None:
        of_first = [] if compared is None else [first_model(compared, rules)]
        of_comparison = () if compared is None else compared.notes
        evidence = Evidence("first", level=rules.significance, left_out=compared.left_out if compared else 0)
        reason = f"{candidate.network} is the first model"
        return _decision(reason, [*of_first, *of_all], (candidate, champion), evidence, of_comparison)
    if champion.test_images != candidate.test_images:
        raise ValueError("candidate and champion must have predictions on the same test images")
    shared = compared.on_shared_classes()
    if not len(shared.candidate):
        return Decision("keep", f"{candidate.network} has no class in common with the champion", candidate, champion)
    accuracy = _accuracy(shared, rules, life)
    evidence = _evidence(compared, accuracy, rules, life)
    reason = (
        f"{candidate.network} {shared.candidate.mean():.4f} against the champion's {shared.champion.mean():.4f} "
        f"on the same {len(shared.candidate)} test images: {shared.won - shared.lost:+d} correct"
    )
    notes = [*_new_classes(evidence), *compared.notes, *_power(shared, evidence, rules)]
    findings = [*accuracy, *recall(shared, rules), *groups(shared, rules), *of_all]
    return _decision(reason, findings, (candidate, champion), evidence, notes)


def applicable_rule(compared: Comparison, rules: PromoteParams) -> str:
    """Return the rule that applies: with changed data, ``auto`` only requires the candidate to be not worse."""
    if rules.rule == "auto":
        return "not_worse" if compared.data_changed else "better"
    return rules.rule


def level(compared: Comparison, rules: PromoteParams, life: Life) -> float:
    """Return the significance level of the comparison with the champion."""
    number = life.look if applicable_rule(compared, rules) == "better" else life.attempt
    return spending.level(rules.significance, number)


def is_best(shared: Comparison, rules: PromoteParams, life: Life) -> bool:
    """Return whether the candidate is better than the champion and all before it that count.

    Then a new life begins, in which these do not count any more. Over all decisions this happens to a model that is not
    better with a probability of at most twice ``BEST`` times the significance.
    """
    others = [anchor.compared.on_shared_classes() if anchor.compared else None for anchor in life.anchors]
    strict = spending.level(BEST * rules.significance, life.decision)
    return all(one is not None and better(one, rules, strict).passed for one in [shared, *others])


def _accuracy(shared: Comparison, rules: PromoteParams, life: Life) -> list[Finding]:
    """Compare the candidate with the champion and, where it need not be better, with the champions before."""
    at = level(shared, rules, life)
    if applicable_rule(shared, rules) == "better":
        return [better(shared, rules, at)]
    if lost := [anchor for anchor in life.anchors if anchor.compared is None]:
        # One that is better than the champion is as far from those before as the champion at most.
        by_gain = better(shared, rules, at)
        texts = [f"version {one.version}, an earlier champion, cannot be compared ({one.why})" for one in lost]
        text = f"{'; '.join(texts)}; the candidate must be better than the champion"
        return [by_gain, Finding("earlier champion", passed=by_gain.passed, text=text)]
    known = [(anchor.compared.on_shared_classes(), anchor.version) for anchor in life.anchors if anchor.compared]
    return [not_worse(shared, rules, at), *(not_worse(one, rules, at, version) for one, version in known)]


def _evidence(compared: Comparison, accuracy: Sequence[Finding], rules: PromoteParams, life: Life) -> Evidence:
    shared = compared.on_shared_classes()
    at_look = spending.level(rules.significance, life.look)
    return Evidence(
        rule="best" if is_best(shared, rules, life) else accuracy[0].rule,
        level=level(shared, rules, life),
        look=life.look,
        attempt=life.attempt,
        left_out=compared.left_out,
        groups=shared.groups,
        disagreement=shared.disagreement,
        detectable_gain=power.detectable_gain(shared.effective_images, shared.disagreement, at_look),
        new_classes={
            compared.labels[number]: float(compared.of_class(number).candidate.mean())
            for number in sorted(compared.new_classes)
            if (compared.classes == number).any()
        },
        anchors=tuple(anchor.version for anchor in life.anchors),
    )


def _new_classes(evidence: Evidence) -> Iterator[str]:
    for label, reached in evidence.new_classes.items():
        yield f"{label} is new, the champion does not know it: recall {reached:.4f}, not part of the comparison"


def _power(shared: Comparison, evidence: Evidence, rules: PromoteParams) -> Iterator[str]:
    """Say which gain would have been found, where none was."""
    if evidence.rule in {"better", "not_worse"}:
        at = spending.level(rules.significance, evidence.look)
        yield power.words(shared.effective_images, shared.disagreement, at)


def _decision(
    reason: str,
    findings: Sequence[Finding],
    contenders: tuple[Contender, Contender | None],
    evidence: Evidence,
    notes: Sequence[str],
) -> Decision:
    failed = [finding for finding in findings if not finding.passed]
    outcome: Outcome = "keep" if failed else "promote"
    # The failed rules; if none failed, all of them.
    parts = [reason, *(finding.text for finding in failed or findings), *notes]
    decision = Decision(outcome, "; ".join(parts), *contenders, tuple(findings), evidence)
    if not decision.waits_for:
        return decision
    accepted = " ".join(f'--accept "{label}"' for label in decision.waits_for)
    command = f'to promote it nevertheless: darkroom promote challenger {accepted} --reason "…"'
    return Decision(outcome, "; ".join([*parts, command]), *contenders, tuple(findings), evidence)
