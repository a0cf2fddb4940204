"""How the training data of a model differ from those of the champion before it.

Of each training, MLflow keeps which images it was and what a sample of them looks like (``records.py``), so that
nothing but two small files is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from darkroom import drift

LEVEL = 0.01
"""The chance of a false alarm, over all tests together."""
UNKNOWN = "unknown"
"""Stands for a digest that nothing tells."""
COLOURS = ["red", "green", "blue"]


@dataclass(frozen=True)
class TrainingData:
    """What is known of the data that a run was trained on."""

    of: str
    """Whose they are, for a person."""
    digest: str
    images: frozenset[str]
    """The beginnings of their SHA-256; empty where that was not recorded."""
    sample: pd.DataFrame | None
    """Of some of the images what ``records.described`` says; None where that was not recorded."""


@dataclass(frozen=True)
class Compared:
    """What has changed."""

    facts: dict[str, Any]
    verdict: str
    lack: bool = False
    """Whether the verdict is that nothing could be compared."""
    outcomes: Sequence[drift.Outcome] = ()

    @property
    def drifted(self) -> list[str]:
        """The tests that have found drift."""
        return [outcome.test for outcome in self.outcomes if outcome.drift]


def nothing(why: str) -> Compared:
    """Say why there is no comparison."""
    return Compared({}, f"No comparison with earlier training data: {why}.", lack=True)


def compare(before: TrainingData, now: TrainingData, seed: int) -> Compared:
    """Hold the data of a training against those of an earlier one: label mix and image statistics.

    Args:
        before: the data of the earlier one.
        now: those of the later one.
        seed: of the permutations.
    """
    facts = {"compared with": before.of, "its data digest": before.digest}
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
            why = "an earlier version of Darkroom trained it, or the tracking store lacks its run"
            return Compared(
                facts, f"What the training images of {known.of} look like was not recorded: {why}.", lack=True
            )
    smaller = min(before, now, key=_count)
    if _count(smaller) < drift.MEASURED_AT_LEAST:
        words = f"{_count(smaller)} different training images of {smaller.of} are too few to tell drift from chance."
        return Compared(facts, words, lack=True)
    then, later = map(_sample, _without_equal_colours(before, now))
    outcomes = drift.compare(then, later, LEVEL, seed)
    moved = [outcome.test for outcome in outcomes if outcome.drift]
    verdict = f"Drift: {', '.join(moved)}." if moved else f"No drift in {len(outcomes)} tests."
    return Compared(facts, verdict, outcomes=outcomes)


def _count(known: TrainingData) -> int:
    return 0 if known.sample is None else len(known.sample)


def _without_equal_colours(*known: TrainingData) -> list[pd.DataFrame]:
    """Leave the colours out where they say no more than the brightness: all images are grey."""
    samples = [one.sample for one in known if one.sample is not None]
    grey = all((sample["red"] == sample[colour]).all() for sample in samples for colour in COLOURS)
    return [sample.drop(columns=COLOURS) for sample in samples] if grey else samples


def _sample(described: pd.DataFrame) -> drift.Sample:
    measures = {str(name): described[name].to_numpy(dtype=np.float64) for name in described if name != "label"}
    return drift.Sample(measures, np.array(described["label"].tolist()))
