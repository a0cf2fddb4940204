"""Bootstrap confidence intervals by resampling groups."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Integers, Numbers
from darkroom.evaluation.scores import Predictions, Scorer, names

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


def group_numbers(names: npt.ArrayLike) -> Integers:
    """Return a group number for each image; equal names form one group."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)


def resample(groups: Integers, draws: int, seed: int) -> Iterator[Integers]:
    """Resample groups with replacement.

    Args:
        groups: each image's group number, of shape (images,).
        draws: number of resamples.
        seed: of the random generator.

    Yields:
        The multiplicity of each image in the resample, int64 of shape (images,).
    """
    generator = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    for _ in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        yield np.asarray(times[groups], dtype=np.int64)


def interval(values: Numbers) -> Interval:
    """Return the central 95 % of a score's resampled values; NaN is ignored."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


class Scored(NamedTuple):
    """All scores with their confidence intervals."""

    estimates: dict[str, float]
    """By score name, see ``scores.names``."""
    intervals: dict[str, Interval]


def score(predictions: Predictions, groups: Integers, draws: int, seed: int) -> Scored:
    """Compute all scores and their confidence intervals.

    Args:
        predictions: of the test images.
        groups: each image's group number.
        draws: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    scorer, known = Scorer(predictions), names(predictions.classes)
    values = scorer(np.ones(len(predictions.labels)))
    resampled = np.stack([scorer(weights) for weights in resample(groups, draws, seed)])
    intervals = {name: interval(column) for name, column in zip(known, resampled.T, strict=True)}
    for name, count in _group_counts(predictions, groups).items():
        intervals[name] = widen_degenerate(intervals[name], count)
    for number in range(predictions.classes):
        either = len(np.unique(groups[(predictions.predicted == number) | (predictions.labels == number)]))
        intervals[f"f1/{number}"] = _exact_f1(intervals[f"f1/{number}"], either)
    return Scored(dict(zip(known, values.tolist(), strict=True)), intervals)


def _group_counts(predictions: Predictions, groups: Integers) -> dict[str, int]:
    """Return the number of independent groups behind each score that is a proportion."""
    found = dict.fromkeys(("accuracy", "top_k_accuracy"), len(np.unique(groups)))
    for number in range(predictions.classes):
        found[f"precision/{number}"] = len(np.unique(groups[predictions.predicted == number]))
        found[f"recall/{number}"] = len(np.unique(groups[predictions.labels == number]))
    return found


def widen_degenerate(found: Interval, count: int) -> Interval:
    """Replace a bootstrap interval that collapsed at 0 or 1, where every resample has the same value.

    Args:
        found: the bootstrap interval.
        count: number of independent groups, for the exact binomial interval (C. Clopper, E. Pearson, The use of
            confidence or fiducial limits, 1934).
    """
    if count and found == (1.0, 1.0):
        return Interval(((1 - CONFIDENCE) / 2) ** (1 / count), 1.0)
    if count and found == (0.0, 0.0):
        return Interval(0.0, 1 - ((1 - CONFIDENCE) / 2) ** (1 / count))
    return found


def _exact_f1(found: Interval, count: int) -> Interval:
    """Do the same for an F1 score of 0 or 1, which is 2 J / (1 + J).

    J is the proportion (Jaccard index) of images both labelled and predicted as a class, among those that are either.
    """
    exact = widen_degenerate(found, count)
    return found if exact == found else Interval(*(2 * share / (1 + share) for share in exact))


def accuracy_intervals(
    right: npt.NDArray[np.bool_], members: npt.NDArray[np.bool_], groups: Integers, draws: int, seed: int
) -> list[Interval]:
    """Return the confidence intervals of the accuracy on slices of the images.

    Args:
        right: whether each prediction is correct, of shape (images,).
        members: whether each image is in each slice, of shape (images, slices).
        groups: each image's group number.
        draws: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    both = members.astype(np.float64), (members & right[:, None]).astype(np.float64)
    values = []
    for weights in resample(groups, draws, seed):
        present, hits = (weights @ counted for counted in both)
        values.append(np.divide(hits, present, out=np.full(len(hits), np.nan), where=present > 0))
    found = zip(np.array(values).T, members.T, strict=True)
    return [widen_degenerate(interval(column), len(np.unique(groups[inside]))) for column, inside in found]
