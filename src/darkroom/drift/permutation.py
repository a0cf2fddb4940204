"""Permutation tests for drift in labels, image statistics and a network's features.

Under the null hypothesis both samples come from one distribution, so their blocks of images are exchangeable: families
of near-duplicates and groups, which are not independent within, and single images. Sample labels of blocks are permuted
(P. Good, Permutation, Parametric, and Bootstrap Tests of Hypotheses, 2005, on blocks); the p-value is the share of
permutations at least as extreme as the data (B. Phipson and G. Smyth, Permutation p-values should never be zero, 2010).
It is valid for any statistic and sample size if blocks are independent. Each block weighs as much as one image, so a
burst in one of the samples alone does not count as a change.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from darkroom.base import wording
from darkroom.base.types import Integers, Numbers
from darkroom.drift.blocks import Blocks, singles
from darkroom.drift.distances import (
    Distance,
    Labels,
    Permutations,
    chi_square,
    energy,
    kolmogorov_smirnov,
    standardised,
)

MEASURED_AT_MOST = 1000
"""Maximum images per sample; more are slower and would detect differences too small to matter."""
MEASURED_AT_LEAST = 20
MARGIN = 10  # the smallest possible corrected p-value is level / MARGIN
BATCH = 256  # permutations evaluated together
ROUNDING = 1e-9


@dataclass(frozen=True)
class Embeddings:
    """Features and predictions of a network for some images."""

    features: Numbers
    """float64 of shape (images, features)."""
    predictions: Labels
    """Predicted labels, of shape (images,)."""
    families: Integers | None = None
    """Family or group number of each image; None if all are independent."""

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def blocks(self) -> Integers:
        """Block of each image."""
        return singles(len(self)) if self.families is None else self.families


@dataclass(frozen=True)
class Sample:
    """Statistics, labels and embeddings of a sample of images."""

    measures: Mapping[str, Numbers]
    """For each statistic, float64 of shape (images,)."""
    labels: Labels | None = None
    """Labels of the same images."""
    embeddings: Embeddings | None = None
    """May be of other images: validation images, because a network may have memorised its training images."""
    families: Integers | None = None
    """Family or group number of each image; None if all are independent."""

    def __len__(self) -> int:
        return len(next(iter(self.measures.values())))

    @property
    def blocks(self) -> Integers:
        """Block of each image."""
        return singles(len(self)) if self.families is None else self.families


@dataclass(frozen=True)
class _Test:
    name: str
    statistic: str
    distance: Distance
    moved: str


@dataclass(frozen=True)
class Outcome:
    """Result of one test."""

    test: str
    """What was compared."""
    statistic: str
    """Name of the test statistic."""
    value: float
    """Value of the statistic."""
    moved: str
    """The largest change, as text."""
    p: float
    corrected_p: float
    """p-value corrected for multiple tests by Holm's method."""
    drift: bool

    def cells(self) -> dict[str, str]:
        """Return the result as a table row of text."""
        return {name: _text(name, value) for name, value in self.row().items()}

    def row(self) -> dict[str, Any]:
        """Return the result as a table row."""
        return {
            "test": self.test,
            "statistic": self.statistic,
            "value": self.value,
            "moved": self.moved,
            "p": self.p,
            "corrected p": self.corrected_p,
            "drift": self.drift,
        }


def _text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, float):
        return str(value) or "–"
    return wording.probability(value) if name in {"p", "corrected p"} else wording.number(value)


def compare(training: Sample, new: Sample, level: float, seed: int) -> list[Outcome]:
    """Test whether new images differ from training images in every property known for both.

    Args:
        training: sample of the training data.
        new: sample of new images.
        level: family-wise error rate: probability of any false alarm over all tests.
        seed: of the permutations.
    """
    blocks = Blocks.of(training.blocks, new.blocks)
    groups = [(_image_tests(training, new, blocks.weights), blocks)]
    if training.embeddings is not None and new.embeddings is not None:
        blocks = Blocks.of(training.embeddings.blocks, new.embeddings.blocks)
        groups.append((_network_tests(training.embeddings, new.embeddings, blocks.weights), blocks))
    tests = [test for group, _ in groups for test in group]
    generator, permutations = np.random.default_rng(seed), required_permutations(len(tests), level)
    found: dict[str, tuple[float, float]] = {}
    for group, blocks in groups:
        found |= permutation_tests({test.name: test.distance for test in group}, blocks, permutations, generator)
    corrected = holm([p for _, p in found.values()])
    return [
        Outcome(test.name, test.statistic, value, test.moved, p, of_all, of_all <= level)
        for test, (value, p), of_all in zip(tests, found.values(), corrected, strict=True)
    ]


def _image_tests(training: Sample, new: Sample, weights: Numbers) -> list[_Test]:
    tests = []
    if training.labels is not None and new.labels is not None:
        tests.append(_mix_test("labels", training.labels, new.labels, weights))
    for name in training.measures:
        of_training, of_new = training.measures[name], new.measures[name]
        distance = kolmogorov_smirnov(np.concatenate([of_training, of_new]), weights)
        moved = f"median {np.median(of_training):.4g} → {np.median(of_new):.4g}"
        tests.append(_Test(name, "Kolmogorov-Smirnov", distance, moved))
    return tests


def _network_tests(training: Embeddings, new: Embeddings, weights: Numbers) -> list[_Test]:
    points = standardised(np.concatenate([training.features, new.features]), weights)
    features = _Test("features", "energy distance", energy(points, weights), "")
    return [_mix_test("predictions", training.predictions, new.predictions, weights), features]


def _mix_test(name: str, training: Labels, new: Labels, weights: Numbers) -> _Test:
    shares = label_shares(training, new)
    label = max(shares, key=lambda label: abs(shares[label][1] - shares[label][0]))
    moved = f"{label}: {shares[label][0]:.1%} → {shares[label][1]:.1%}"
    return _Test(name, "chi-square", chi_square(np.concatenate([training, new]), weights), moved)


def label_shares(training: Labels, new: Labels) -> dict[str, tuple[float, float]]:
    """Return the share of each class in both samples."""
    labels = np.unique(np.concatenate([training, new])).tolist()
    return {label: (float(np.mean(training == label)), float(np.mean(new == label))) for label in labels}


def required_permutations(tests: int, level: float) -> int:
    """Return the number of permutations with which corrected p-values can be as small as level / MARGIN."""
    return math.ceil(MARGIN * tests / level) - 1


def permutation_tests(
    distances: Mapping[str, Distance], blocks: Blocks, permutations: int, generator: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Compute statistics and permutation p-values of two samples.

    Args:
        distances: statistics by name; they expect the training images first.
        blocks: what is permuted.
        permutations: number of permutations.
        generator: source of randomness.

    Returns:
        For each statistic its value and the p-value, (1 + permutations at least as extreme) / (1 + permutations).
    """
    actual = blocks.actual[blocks.numbers][None]
    # Rounded, because sums of weights leave 1e-16 where nothing differs.
    values = {name: round(float(distance(actual)[0]), 12) for name, distance in distances.items()}
    as_far = dict.fromkeys(distances, 0)
    for permuted in _permute(blocks, permutations, generator):
        for name, distance in distances.items():
            as_far[name] += int((distance(permuted) >= values[name] - ROUNDING).sum())
    return {name: (values[name], (1 + as_far[name]) / (1 + permutations)) for name in distances}


def _permute(blocks: Blocks, permutations: int, generator: np.random.Generator) -> Iterator[Permutations]:
    for start in range(0, permutations, BATCH):
        of_blocks = np.tile(blocks.actual, (min(BATCH, permutations - start), 1))
        yield generator.permuted(of_blocks, axis=1)[:, blocks.numbers]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for multiple tests (S. Holm, A simple sequentially rejective multiple test procedure, 1979)."""
    order = np.argsort(p_values)
    multiplied = np.sort(p_values) * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(multiplied), 1)
    return [float(p) for p in corrected]
