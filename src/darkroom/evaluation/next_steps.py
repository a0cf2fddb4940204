"""What to do next about a result, from the scores on the test images and from what the network began with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from darkroom.base.types import Integers
from darkroom.evaluation.diagnosis import Verdict
from darkroom.evaluation.intervals import Interval
from darkroom.networks import pretrained

GOOD = 0.95
"""Accuracy from which on another network is not suggested."""
WIDE = 0.05
"""Half-width of the accuracy's interval from which on the number of test images is a subject."""
PAIRS = 3
"""Most pairs of confused classes that are named."""
BY_CHANCE = 2
"""Confusions of a pair of classes that may be single odd images."""
REGRESSION = (
    "add images (darkroom learning-curve shows whether they help), or let more layers learn: a network with "
    f"fine_tuning.epochs, such as {pretrained.NETWORK} (docs/photographs.md)"
)
FAULTS: frozenset[Verdict] = frozenset({"diverged", "collapsed", "rate too high"})
"""Verdicts whose own advice comes first: the training went wrong, whatever the network."""


class Confusion(NamedTuple):
    """Test images of one class that are taken for another."""

    label: str
    predicted: str
    taken: int
    images: int
    """Test images with this label."""

    def __str__(self) -> str:
        return f"{self.label} taken for {self.predicted} ({self.taken} of {self.images})"


@dataclass(frozen=True)
class Result:
    """What the next steps depend on."""

    accuracy: float
    interval: Interval
    """Of the accuracy."""
    baseline: float
    """Accuracy of always predicting the largest class."""
    test_images: int
    all_images: int
    """Of all splits."""
    shorter: float
    """Median of the shorter sides of the test images' files, in pixels."""
    is_pretrained: bool
    """Whether the network began with weights of another training."""
    confusions: Sequence[Confusion]
    trained_head_only: bool = False
    """Whether all layers but the last were frozen."""
    is_regression: bool = False
    """Whether it is a logistic regression: it has one penalty, which is the best one already."""


def confusions(matrix: Integers, labels: Sequence[str]) -> list[Confusion]:
    """Return the pairs of classes that are confused most, by the share of their label's images.

    Args:
        matrix: images by label (rows) and predicted class (columns).
        labels: class names.
    """
    of_label = matrix.sum(axis=1)
    found = [
        Confusion(labels[row], labels[column], int(matrix[row, column]), int(of_label[row]))
        for row, column in zip(*np.nonzero(matrix), strict=True)
        if row != column and matrix[row, column] > BY_CHANCE
    ]
    return sorted(found, key=lambda pair: (-pair.taken / pair.images, pair.label, pair.predicted))[:PAIRS]


def tells_apart(result: Result) -> bool | None:
    """Return whether the accuracy is known to exceed the baseline; None if the interval is not known."""
    return bool(result.interval.low > result.baseline) if np.isfinite(result.interval.low) else None


def next_steps(result: Result, verdict: Verdict, advice: str) -> tuple[str, ...]:
    """Return what to do next, the most useful first.

    Args:
        result: the result on the test images.
        verdict: of the training.
        advice: what it suggests.
    """
    return tuple(_steps(result, verdict, advice))


def _steps(result: Result, verdict: Verdict, advice: str) -> Iterator[str]:
    if tells_apart(result) is False:
        yield (
            f"the network may be no better than guessing: always naming the largest class reaches "
            f"{result.baseline:.4f}, within the interval of the network's accuracy, {result.interval}; do not use it"
        )
    if result.is_regression:
        yield REGRESSION
    elif _should_be_pretrained(result):
        if verdict in FAULTS:
            yield advice
        yield _pretrained(result.all_images)
    else:
        yield advice
        if result.trained_head_only and result.accuracy < GOOD and verdict not in FAULTS:
            yield "only the last layer was trained: let more layers learn, fine_tuning.epochs (docs/photographs.md)"
    if result.confusions:
        pairs = ", ".join(map(str, result.confusions))
        yield f"confused most: {pairs}; see mistakes.png, check their labels, add such images"
    half = (result.interval.high - result.interval.low) / 2
    if half > WIDE:
        yield (
            f"with {result.test_images} test images the accuracy is known to ± {100 * half:.0f} points; "
            "differences below that mean nothing: add images; reports/label_audit.html has the accuracy of a simple "
            "model on all others, by cross-validation"
        )


def _should_be_pretrained(result: Result) -> bool:
    return (
        not result.is_pretrained and result.accuracy < GOOD and pretrained.is_better(result.shorter, result.all_images)
    )


def _pretrained(images: int) -> str:
    return (
        f"use a pretrained network: this one learnt from {images} images alone, too few for photographs; "
        f"{pretrained.NETWORK} begins with what it learnt from a million. darkroom configure writes the settings, the "
        f"pipeline takes about {pretrained.minutes(images)} min on {pretrained.CORES} processor cores"
    )
