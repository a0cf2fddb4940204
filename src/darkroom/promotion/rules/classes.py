"""No class is lost: the recall of each class that both models know. No group is lost: its accuracy."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from darkroom.base import wording
from darkroom.params import PromoteParams
from darkroom.promotion.contenders import Comparison, Finding
from darkroom.promotion.statistics import grouped

LEAST_LOST = 2
"""Net number of lost images from which a class that no test can judge needs a person."""


class Judged(NamedTuple):
    """One class's recall, or one group's accuracy."""

    label: str
    lost: float
    """Loss of recall or accuracy."""
    p: float
    """Of no loss, one-sided."""
    least_p: float
    """The p-value if the candidate lost all that the champion has right."""
    net: int
    """Images lost, less those won."""
    text: str


def recall(compared: Comparison, rules: PromoteParams) -> list[Finding]:
    """Return a finding for each class whose recall falls by more than ``maximum_recall_loss``.

    It fails if the loss is significant after correction for the number of classes: S. Holm, A simple sequentially
    rejective multiple test procedure, 1979. A class with too few images for that waits for a person, if it may be lost.
    """
    if rules.maximum_recall_loss is None:
        return []
    present = [number for number in range(len(compared.labels)) if (compared.classes == number).any()]
    judged = [_judge(compared.of_class(number), compared.labels[number], "recall") for number in present]
    return list(_findings(judged, "recall", rules.maximum_recall_loss, rules.significance))


def groups(compared: Comparison, rules: PromoteParams) -> list[Finding]:
    """Return a finding for each group whose accuracy falls by more than ``maximum_group_loss``.

    Groups are the values of each column in ``promote.groups``; they are judged as classes are in ``recall``, with the
    correction for all groups of all columns.
    """
    judged = [
        _judge(compared.of_value(column, value), f"{column} {value}", "accuracy")
        for column, values in compared.columns.items()
        for value in sorted(set(values))
    ]
    return list(_findings(judged, "accuracy", rules.maximum_group_loss, rules.significance))


def _findings(judged: Sequence[Judged], score: str, most: float, significance: float) -> Iterator[Finding]:
    """Yield a finding for each class or group that loses more than is allowed."""
    lost = holm([each.p for each in judged], significance)
    for each, significant in zip(judged, lost, strict=True):
        if each.lost <= most:
            continue
        rule, text = f"{score} of {each.label}", f"{each.text}, a loss of at most {most:g} allowed"
        if significant:
            yield Finding(rule, passed=False, text=text)
        elif needs_person(each, significance, len(judged)):
            text = f"{text}; too few test images of {each.label} to judge, a person must accept it"
            yield Finding(rule, passed=False, text=text, accept=each.label)
        else:
            yield Finding(rule, passed=True, text=text)


def holm(p_values: list[float], significance: float) -> list[bool]:
    """Return which hypotheses Holm's procedure rejects."""
    rejected = [False] * len(p_values)
    ranked = sorted(range(len(p_values)), key=p_values.__getitem__)
    for rank, number in enumerate(ranked):
        if p_values[number] > significance / (len(p_values) - rank):
            break
        rejected[number] = True
    return rejected


def needs_person(judged: Judged, significance: float, classes: int) -> bool:
    """Return whether a class lost recall that no test of this many classes can call significant.

    - With too few images for any test (less than six that the champion has right), from two images on.
    - With too few for the correction alone, from what would be significant without it.
    """
    if judged.least_p <= significance / classes:
        return False
    return judged.net >= LEAST_LOST if judged.least_p > significance else judged.p <= significance


def _judge(compared: Comparison, label: str, score: str) -> Judged:
    candidate, champion = float(compared.candidate.mean()), float(compared.champion.mean())
    gained, _ = grouped.gains(compared.champion, compared.candidate, compared.clusters)
    p, groups = grouped.sign_flip(gained), compared.on_champions_right().groups
    scores = f"{score} of {label}: {candidate:.4f} against {champion:.4f}"
    text = f"{scores} on {len(compared.classes)} images ({wording.p_value(p)})"
    return Judged(label, champion - candidate, p, 0.5**groups, compared.lost - compared.won, text)
