"""Compare the training data of a model with those of the previous champion.

MLflow keeps the hashes of each run's training images and the statistics of a sample (``tracking/records.py``), so only
two small files are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from darkroom.drift import permutation, samples
from darkroom.drift.measures import colour_balance

LEVEL = 0.01
"""Probability of any false alarm over all tests."""
UNKNOWN = "unknown"
"""Replaces a digest that was not recorded."""
COLOURS = ["red", "green", "blue"]


@dataclass(frozen=True)
class TrainingData:
    """Recorded properties of the training data of a run."""

    name: str
    """The model that was trained on them, as text."""
    digest: str
    images: frozenset[str]
    """First digits of the SHA-256 of each image; empty if not recorded."""
    sample: pd.DataFrame | None
    """Statistics of a sample of images, see ``records.sample_statistics``; None if not recorded."""


@dataclass(frozen=True)
class Compared:
    """Result of a comparison of training data."""

    facts: dict[str, Any]
    verdict: str
    skipped: bool = False
    """Whether no comparison was possible."""
    outcomes: Sequence[permutation.Outcome] = ()

    @property
    def drifted(self) -> list[str]:
        """Names of the tests that found drift."""
        return [outcome.test for outcome in self.outcomes if outcome.drift]


def no_comparison(why: str) -> Compared:
    """Return the result for a model without earlier training data to compare."""
    return Compared({}, f"No comparison with earlier training data: {why}.", skipped=True)


def compare(before: TrainingData, now: TrainingData, seed: int) -> Compared:
    """Compare labels and image statistics of the training data of two models.

    Args:
        before: training data of the earlier model.
        now: training data of the later model.
        seed: seed of the permutations.
    """
    facts = {"compared with": before.name, "its data digest": before.digest}
    if before.images and now.images:
        facts |= {
            "training images then and now": f"{len(before.images):,} and {len(now.images):,}",
            "the same, new, gone": " / ".join(
                f"{len(images):,}"
                for images in (now.images & before.images, now.images - before.images, before.images - now.images)
            ),
        }
    if before.digest == now.digest != UNKNOWN:
        return Compared(facts, "No drift: these are the same images, labels and splits.")
    for known in (before, now):
        if known.sample is None:
            why = "it was trained by an earlier version of Darkroom, or its run is missing from the tracking store"
            return Compared(
                facts, f"Statistics of the training images of {known.name} were not recorded: {why}.", skipped=True
            )
    smaller = min(before, now, key=_count)
    if _count(smaller) < permutation.MEASURED_AT_LEAST:
        words = f"{_count(smaller)} different training images of {smaller.name} are too few to detect drift."
        return Compared(facts, words, skipped=True)
    then, later = map(_sample, _colour_balances(before, now))
    outcomes = permutation.compare(then, later, LEVEL, seed)
    moved = [outcome.test for outcome in outcomes if outcome.drift]
    verdict = f"Drift: {', '.join(moved)}." if moved else f"No drift in {len(outcomes)} tests."
    return Compared(facts, verdict, outcomes=outcomes)


def _count(known: TrainingData) -> int:
    return 0 if known.sample is None else len(known.sample)


def _colour_balances(*known: TrainingData) -> list[pd.DataFrame]:
    """Replace the channel means by warmth and tint, or drop them if all images are grey.

    The third dimension of the channel means is close to the brightness.
    """
    samples = [one.sample for one in known if one.sample is not None]
    grey = all((sample["red"] == sample[colour]).all() for sample in samples for colour in COLOURS)
    return [
        sample.drop(columns=COLOURS).assign(
            **({} if grey else colour_balance(*(sample[colour].to_numpy(dtype=np.float64) for colour in COLOURS)))
        )
        for sample in samples
    ]


def _sample(described: pd.DataFrame) -> samples.Sample:
    measures = {str(name): described[name].to_numpy(dtype=np.float64) for name in described if name != "label"}
    return samples.Sample(measures, np.array(described["label"].tolist()))
