"""What predictions say about a network, and how sure that is, with NumPy alone.

Each score is a function of how much each image counts. Where all count once, it is the score itself; the bootstrap
(B. Efron, R. Tibshirani, An introduction to the bootstrap, 1993) counts them as often as they are drawn, with
replacement, and takes the range of 95 % of what comes out. Images that belong together (copies of one picture, images
of one patient, charts of the same days) are drawn together, since they are not so many independent findings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from darkroom.datasets import Floats, Integers

Numbers = npt.NDArray[np.float64]

CONFIDENCE = 0.95
BINS = 15  # of the calibration error, of equal width (C. Guo et al., On calibration of modern neural networks, 2017)
LEAST_PROBABILITY = 1e-7  # what the log loss takes for 0, as Keras does
OVERALL = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "top_k_accuracy",
    "log_loss",
    "brier",
    "calibration_error",
)
OF_TWO = ("roc_auc", "average_precision")
OF_CLASS = ("precision", "recall", "f1")


class Interval(NamedTuple):
    """Where a score lies, with 95 % confidence."""

    low: float
    high: float


def clusters_of(names: npt.ArrayLike) -> Integers:
    """Number what belongs together: equal names are one cluster."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)


def drawn(clusters: Integers, draws: int, seed: int) -> Iterator[Integers]:
    """Draw clusters with replacement, as many as there are.

    Args:
        clusters: the number of each image's cluster, of shape (images,).
        draws: how often.
        seed: the same draws for the same seed.

    Yields:
        How often each image was drawn, int64 of shape (images,).
    """
    generator = np.random.default_rng(seed)
    count = int(clusters.max()) + 1
    for _ in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        yield np.asarray(times[clusters], dtype=np.int64)


def interval(values: Numbers) -> Interval:
    """Return the range of the middle 95 % of draws; values that are not defined are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


@dataclass(frozen=True)
class Answers:
    """Predictions of images whose classes are known."""

    truth: Integers
    """Class numbers, of shape (images,)."""
    probabilities: Floats
    """Of shape (images, classes)."""
    top: int = 5
    """Of the top-k accuracy; never more than leaves a class out."""

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.probabilities.shape[1])

    @property
    def predicted(self) -> Integers:
        """The class numbers that were answered."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether the answer is right."""
        return np.asarray(self.predicted == self.truth)

    @property
    def k(self) -> int:
        """The number of answers that the top-k accuracy looks at."""
        return max(1, min(self.top, self.classes - 1))


def names(classes: int) -> list[str]:
    """Name the scores that ``Scorer`` gives: overall ones first, then for each class ``recall/3`` and the like."""
    overall = [*OVERALL, *(OF_TWO if classes == 2 else ())]  # noqa: PLR2004
    return [*overall, *(f"{score}/{number}" for score in OF_CLASS for number in range(classes))]


class Scorer:
    """Computes all scores for any weights of the images; what does not depend on them is computed once."""

    def __init__(self, answers: Answers) -> None:
        truth, probabilities = answers.truth, answers.probabilities.astype(np.float64)
        images = np.arange(len(truth))
        of_truth = probabilities[images, truth]
        better = (probabilities > of_truth[:, None]).sum(axis=1)
        # Of equal probabilities the first is the answer.
        before = (probabilities == of_truth[:, None]) & (np.arange(answers.classes) < truth[:, None])
        one_hot = np.eye(answers.classes)[truth]
        self._classes = answers.classes
        self._truth, self._predicted, self._right = truth, answers.predicted, answers.right.astype(np.float64)
        self._means = np.stack(
            [
                self._right,
                better + before.sum(axis=1) < answers.k,
                -np.log(np.clip(of_truth, LEAST_PROBABILITY, 1)),
                ((probabilities - one_hot) ** 2).sum(axis=1),
            ],
            axis=1,
        ).astype(np.float64)
        self._certainty = probabilities.max(axis=1)
        self._bin = np.minimum((self._certainty * BINS).astype(np.int64), BINS - 1)
        if self._classes == 2:  # noqa: PLR2004
            self._order = np.argsort(-probabilities[:, 1], kind="stable")
            ranked = probabilities[self._order, 1]
            # Images of one probability cannot be told apart: they are passed together.
            self._last_of_tie = np.append(ranked[1:] != ranked[:-1], True)
            self._is_second = truth[self._order] == 1

    def __call__(self, weights: Integers | Numbers) -> Numbers:
        """Return the scores, in the order of ``names``; one that is not defined is not a number.

        Args:
            weights: how often each image counts, of shape (images,).
        """
        weights = np.asarray(weights, dtype=np.float64)
        total = float(weights.sum())
        accuracy, top, log_loss, brier = weights @ self._means / total
        present, answered, hits = (
            np.bincount(of, counted, self._classes).astype(np.float64)
            for of, counted in (
                (self._truth, weights),
                (self._predicted, weights),
                (self._truth, weights * self._right),
            )
        )
        precision, recall = _share(hits, answered), _share(hits, present)
        f1 = _share(2 * hits, answered + present)
        overall = [accuracy, recall[present > 0].mean(), precision.mean(), f1.mean(), top, log_loss, brier]
        overall.append(self._calibration_error(weights, total))
        if self._classes == 2:  # noqa: PLR2004
            overall += self._of_two(weights)
        return np.concatenate([overall, precision, recall, f1])

    def _calibration_error(self, weights: Numbers, total: float) -> float:
        certain = np.bincount(self._bin, weights * self._certainty, BINS)
        right = np.bincount(self._bin, weights * self._right, BINS)
        return float(np.abs(certain - right).sum() / total)

    def _of_two(self, weights: Numbers) -> tuple[float, float]:
        """Return the area under the ROC curve of the second class, and its average precision."""
        of_image = weights[self._order]
        hits = np.cumsum(of_image * self._is_second)[self._last_of_tie]
        passed = np.cumsum(of_image)[self._last_of_tie]
        misses = passed - hits
        if not hits[-1] or not misses[-1]:
            return float("nan"), float("nan")
        recall, false_alarms = np.append(0, hits / hits[-1]), np.append(0, misses / misses[-1])
        area = np.trapezoid(recall, false_alarms)
        return float(area), float((np.diff(recall) * _share(hits, passed)).sum())


def _share(part: Numbers, whole: Numbers) -> Numbers:
    """Divide; a quotient with nothing below the line is 0."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


class Scored(NamedTuple):
    """All scores with their intervals."""

    estimates: dict[str, float]
    """By ``names``."""
    intervals: dict[str, Interval]


def score(answers: Answers, clusters: Integers, draws: int, seed: int) -> Scored:
    """Compute all scores and their intervals.

    Args:
        answers: of the test images.
        clusters: number of each image's cluster; see ``drawn``.
        draws: of the bootstrap.
        seed: of the same.
    """
    scorer, known = Scorer(answers), names(answers.classes)
    values = scorer(np.ones(len(answers.truth)))
    drawn_values = np.stack([scorer(weights) for weights in drawn(clusters, draws, seed)])
    intervals = {name: interval(column) for name, column in zip(known, drawn_values.T, strict=True)}
    for name, of in _shares_of(answers, clusters).items():
        intervals[name] = exact_where_all_or_none(intervals[name], of)
    for number in range(answers.classes):
        either = len(np.unique(clusters[(answers.predicted == number) | (answers.truth == number)]))
        intervals[f"f1/{number}"] = _exact_f1(intervals[f"f1/{number}"], either)
    return Scored(dict(zip(known, values.tolist(), strict=True)), intervals)


def _shares_of(answers: Answers, clusters: Integers) -> dict[str, int]:
    """Say of how many independent findings each score that is a share is one."""
    found = dict.fromkeys(("accuracy", "top_k_accuracy"), len(np.unique(clusters)))
    for number in range(answers.classes):
        found[f"precision/{number}"] = len(np.unique(clusters[answers.predicted == number]))
        found[f"recall/{number}"] = len(np.unique(clusters[answers.truth == number]))
    return found


def exact_where_all_or_none(found: Interval, count: int) -> Interval:
    """Widen the interval of a share of all or none, of which every draw is all or none again.

    Args:
        found: by the bootstrap.
        count: of independent findings. The interval is the exact one of the binomial distribution (C. Clopper,
            E. Pearson, The use of confidence or fiducial limits, 1934).
    """
    if count and found == (1.0, 1.0):
        return Interval(((1 - CONFIDENCE) / 2) ** (1 / count), 1.0)
    if count and found == (0.0, 0.0):
        return Interval(0.0, 1 - ((1 - CONFIDENCE) / 2) ** (1 / count))
    return found


def _exact_f1(found: Interval, count: int) -> Interval:
    """Do the same for an F1 of all or none: it is 2 J / (1 + J) of a share.

    J is the share of images that are of a class and called so, among those that are the one or the other.
    """
    exact = exact_where_all_or_none(found, count)
    return found if exact == found else Interval(*(2 * share / (1 + share) for share in exact))


def accuracy_in(
    right: npt.NDArray[np.bool_], members: npt.NDArray[np.bool_], clusters: Integers, draws: int, seed: int
) -> list[Interval]:
    """Return the intervals of the accuracy in parts of the images.

    Args:
        right: whether each answer is right, of shape (images,).
        members: whether each image is in a part, of shape (images, parts).
        clusters: see ``drawn``.
        draws: of the bootstrap.
        seed: of the same.
    """
    both = members.astype(np.float64), (members & right[:, None]).astype(np.float64)
    values = []
    for weights in drawn(clusters, draws, seed):
        there, hits = (weights @ part for part in both)
        values.append(np.divide(hits, there, out=np.full(len(hits), np.nan), where=there > 0))
    found = zip(np.array(values).T, members.T, strict=True)
    return [exact_where_all_or_none(interval(column), len(np.unique(clusters[inside]))) for column, inside in found]


class Reliability(NamedTuple):
    """How often answers of about one certainty are right."""

    certainty: float
    accuracy: float
    images: int


def reliability(answers: Answers) -> list[Reliability]:
    """Return a row for each bin of certainty that holds an image, as the calibration error has them."""
    certainty, right = answers.probabilities.max(axis=1).astype(np.float64), answers.right
    number = np.minimum((certainty * BINS).astype(np.int64), BINS - 1)
    return [
        Reliability(float(certainty[inside].mean()), float(right[inside].mean()), int(inside.sum()))
        for inside in (number == each for each in range(BINS))
        if inside.any()
    ]


def likely_label_errors(answers: Answers) -> npt.NDArray[np.bool_]:
    """Say which labels are likely to be wrong, by confident learning (C. Northcutt et al., Confident learning, 2021).

    An image counts where another class is at least as probable as it is, on average, of the images that carry that
    class as their label. It is for people to look at them.

    Returns:
        Of shape (images,).
    """
    labelled = np.bincount(answers.truth, minlength=answers.classes)
    sums = np.zeros(answers.classes)
    np.add.at(sums, answers.truth, answers.probabilities[np.arange(len(answers.truth)), answers.truth])
    usual = np.divide(sums, labelled, out=np.full(answers.classes, np.inf), where=labelled > 0)
    confident = answers.probabilities >= usual
    answer = np.where(confident, answers.probabilities, -1).argmax(axis=1)
    return np.asarray(confident.any(axis=1) & (answer != answers.truth))


class Ranked(NamedTuple):
    """What two classes are told apart by, at each threshold of the second one's probability."""

    false_alarms: Numbers
    """Share of the first class's images that is taken for the second."""
    recall: Numbers
    """Share of the second class's images that is."""
    precision: Numbers
    """Share of what is taken for the second that is."""


def of_two(answers: Answers) -> Ranked:
    """Return the points of the ROC curve and of the precision-recall curve of the second of two classes."""
    probability = answers.probabilities[:, 1]
    order = np.argsort(-probability, kind="stable")
    last = np.append(np.diff(probability[order]) != 0, True)
    hits = np.cumsum(answers.truth[order] == 1)[last].astype(np.float64)
    passed = np.cumsum(np.ones(len(order)))[last]
    misses = passed - hits
    ones, zeros = np.full_like(hits, max(hits[-1], 1)), np.full_like(hits, max(misses[-1], 1))
    return Ranked(_share(misses, zeros), _share(hits, ones), _share(hits, passed))
