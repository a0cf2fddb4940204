"""Mean losses and their confidence intervals."""

from typing import NamedTuple

import numpy as np

from darkroom.base.types import Flags, Integers, Numbers
from darkroom.evaluation.intervals import Interval, group_sums, margin

LEAST_PROBABILITY = 1e-7  # lower bound of probabilities in the log loss, as in Keras


class Losses(NamedTuple):
    """A loss of each image."""

    observed: Numbers
    if_right: Numbers
    """What the loss would be if the predicted class were the label."""
    if_wrong: Numbers
    """What the loss would be if the second most probable class were the label."""


def log_losses(probabilities: Numbers, labels: Integers) -> Losses:
    """Return the negative log-probability of each label, in nats."""
    first, second = _two_most_probable(probabilities)
    of_label = probabilities[np.arange(len(labels)), labels]
    return Losses(*(-np.log(np.clip(each, LEAST_PROBABILITY, 1)) for each in (of_label, first, second)))


def brier_scores(probabilities: Numbers, labels: Integers) -> Losses:
    """Return the squared distance of each image's probabilities from the one-hot label."""
    first, second = _two_most_probable(probabilities)
    of_label = probabilities[np.arange(len(labels)), labels]
    squares = (probabilities**2).sum(axis=1) + 1
    return Losses(*(squares - 2 * each for each in (of_label, first, second)))


def _two_most_probable(probabilities: Numbers) -> tuple[Numbers, Numbers]:
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    return two[:, 1], two[:, 0]


def mean_interval(losses: Losses, right: Flags, groups: Integers, accuracy: Interval) -> Interval:
    """Return the confidence interval of a mean loss.

    A few mistakes make up most of a loss, so its distribution is skewed. The mean is therefore split into the mean of
    correct predictions, the mean of mistakes and the share of mistakes, whose own interval is exact. The distances of
    the bounds are added like standard errors (G. Zou, A. Donner, Construction of confidence limits about effect
    measures: a general approach, 2008). Each of the two means counts one more image, an average one with that outcome,
    so that a loss without a single mistake has an interval too.

    Args:
        losses: of each image.
        right: whether each prediction is correct.
        groups: each image's group number.
        accuracy: the confidence interval of the accuracy.
    """
    count, found = len(right), losses.observed
    if_right, if_wrong = (
        (float(found[these].sum()) + float(imagined.mean())) / (int(these.sum()) + 1)
        for these, imagined in ((right, losses.if_right), (~right, losses.if_wrong))
    )
    centre = np.zeros(count)
    for these in (right, ~right):
        centre[these] = found[these].mean() if these.any() else 0
    within = (found - centre) / count
    of_share, of_means = group_sums(right.mean() - right, groups), group_sums(within, groups)
    norm = float(np.linalg.norm(of_share) * np.linalg.norm(of_means))
    correlation = max(0.0, float(of_share @ of_means) / norm) if norm else 0.0
    half, share, mean = margin(within, groups), float(right.mean()), float(found.mean())

    def distance(mistakes: float) -> float:
        of_mistakes = abs(mistakes * (if_wrong - if_right))
        return float(np.sqrt(of_mistakes**2 + half**2 + 2 * correlation * of_mistakes * half))

    return Interval(max(0.0, mean - distance(accuracy.high - share)), mean + distance(share - accuracy.low))
