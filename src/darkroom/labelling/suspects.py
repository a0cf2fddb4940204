"""Likely label errors, from predictions of images that the model has not learnt.

Images are ranked by the probability of their given label, the lowest first ("self-confidence" of C. Northcutt et al.,
Confident learning, 2021). As many are listed as there are errors by an estimate: the share of wrong labels among the
images that the model is most certain of, where it is hardly ever wrong itself. The thresholds of confident learning
take a model's own mistakes for label errors: they listed two to four times as many on CIFAR-10, where the model is
right for 7 of 10 images.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Flags, Integers

Probabilities = npt.NDArray[np.floating]
CERTAIN_SHARE = 0.2
"""Share of the images, those with the highest probabilities, on which the rate of wrong labels is estimated."""
FEW_CERTAIN = 150
CERTAIN_SHARE_OF_FEW = 0.35
LEAST_AGREEMENT_OF_FEW = 0.7
"""Where that share is fewer images than ``FEW_CERTAIN``, their rate is a matter of luck. A model that agrees with so
many labels is hardly ever wrong on this larger share either. Of the wrong labels of 320 flowers (8 %, 20 draws), .65 to
.96 were found instead of .42 to 1, at the same precision of .66. Weaker models, as on CIFAR-10, often err on it."""
LEAST_RATE = 0.01
"""Rate that is assumed at least: hard pictures have wrong labels too, and data sets rarely fewer than this."""
UNLIKELY = 0.1
"""Probability of the given label below which an image is listed at that assumed rate."""
LISTED = 1.25
"""Images listed for each estimated error: more, because the ranking is not perfect."""
LEAST_AGREEMENT = 0.55
"""Share of all labels that the predictions must agree with; below, nothing is said."""
LEAST_OF_CLASS = 0.4
"""The same for the labels of a class; below, nothing is said about it. With 10 % wrong labels, a model that is right
for 6 of 10 cats agrees with 54 % of them."""
LEAST_IMAGES = 40
"""Images from which on anything is said."""


@dataclass(frozen=True)
class Suspects:
    """Likely label errors."""

    rows: Integers
    """Images, the surest first."""
    agreement: float
    """Share of images whose prediction is their label."""
    rate: float
    """Estimated share of wrong labels."""
    silent: str = ""
    """Why nothing is said; empty if something can be."""
    weak: tuple[int, ...] = ()
    """Classes about which nothing is said, because the model often misses them."""


def likely_errors(probabilities: Probabilities, classes: Integers) -> Suspects:
    """Find likely label errors.

    Args:
        probabilities: of images that the model has not learnt, of shape (images, classes).
        classes: their labels, as class numbers.
    """
    count = len(classes)
    predicted = probabilities.argmax(axis=1)
    right = predicted == classes
    agreement = float(right.mean()) if count else 0.0
    if count < LEAST_IMAGES:
        return Suspects(_none(), agreement, 0.0, f"{count} images are too few, {LEAST_IMAGES} are needed")
    confidence = probabilities.max(axis=1)
    share = CERTAIN_SHARE
    if share * count < FEW_CERTAIN and agreement >= LEAST_AGREEMENT_OF_FEW:
        share = CERTAIN_SHARE_OF_FEW
    # Equal ones all count, so that the order of the images does not matter.
    certain = confidence >= np.sort(confidence)[-max(1, int(share * count))]
    rate = float(1 - right[certain].mean())
    if agreement < LEAST_AGREEMENT:
        reason = f"the model agrees with {agreement:.0%} of the labels only, {LEAST_AGREEMENT:.0%} are needed"
        return Suspects(_none(), agreement, rate, reason)
    weak = _weak_classes(right, classes, probabilities.shape[1])
    about = ~right & ~np.isin(classes, weak) & ~np.isin(predicted, weak)
    given = probabilities[np.arange(count), classes]
    candidates = np.flatnonzero(about)
    ranked = candidates[np.argsort(given[candidates], kind="stable")]
    listed = round(LISTED * rate * count)
    unlikely = int((given[ranked] < UNLIKELY).sum())
    listed = max(listed, min(round(LEAST_RATE * count), unlikely))
    return Suspects(ranked[:listed], agreement, rate, weak=tuple(weak.tolist()))


def _weak_classes(right: Flags, classes: Integers, count: int) -> Integers:
    """Return the classes with images of which the predictions agree with too few."""
    images = np.bincount(classes, minlength=count)
    agreed = np.bincount(classes[right], minlength=count)
    return np.flatnonzero((images > 0) & (agreed < LEAST_OF_CLASS * images))


def _none() -> Integers:
    return np.zeros(0, np.int64)
