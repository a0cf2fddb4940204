"""Permutation tests for drift in labels, image statistics and a network's features.

Under the null hypothesis both samples come from one distribution, so their blocks of images are exchangeable: families
of near-duplicates and groups, which are not independent within, and single images. Sample labels of blocks are permuted
(P. Good, Permutation, Parametric, and Bootstrap Tests of Hypotheses, 2005, on blocks); the p-value is the share of
permutations at least as extreme as the data (B. Phipson and G. Smyth, Permutation p-values should never be zero, 2010).
It is valid for any statistic and sample size if blocks are independent. Each block weighs as much as one image, so a
burst in one of the samples alone does not count as a change.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from darkroom.base import wording
from darkroom.base.types import Numbers
from darkroom.drift.blocks import Blocks
from darkroom.drift.distances import (
    Distance,
    Labels,
    Permutations,
    chi_square,
    energy,
    kolmogorov_smirnov,
    standardised,
)
from darkroom.drift.samples import Embeddings, Sample

MEASURED_AT_MOST = 1000
"""Maximum images per sample; more are slower and would detect differences too small to matter."""
MEASURED_AT_LEAST = 20
MARGIN = 10  # the smallest possible corrected p-value is level / MARGIN
MARGIN_OF_SEVERAL = 2
"""The same where several pairs of samples are tested: their tests are many, and each permutation costs time."""
BATCH = 256  # permutations evaluated together
ROUNDING = 1e-9
OF_COLUMN = "values of "
"""Begins the name of the test of a column's shares."""


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
    (outcomes,) = compare_several([(training, new)], level, seed)
    return outcomes


def compare_several(pairs: Sequence[tuple[Sample, Sample]], level: float, seed: int) -> list[list[Outcome]]:
    """Test pairs of training and new images, each as ``compare`` does; level and correction are of all tests together.

    Args:
        pairs: samples of the training data and of new images; one pair has as many permutations as in ``compare``.
        level: family-wise error rate: probability of any false alarm over all tests of all pairs.
        seed: of the permutations of each pair.
    """
    counts = [_count(*pair) for pair in pairs]
    permutations = required_permutations(max(counts), level)
    if len(pairs) > 1:
        permutations = max(permutations, required_permutations(sum(counts), level, MARGIN_OF_SEVERAL))
    # One pair after the other: the tests of a pair hold the distances between all of its images.
    measured = [one for pair in pairs for one in _measure(_tests(*pair), permutations, seed)]
    corrected = holm([p for _, _, p in measured])
    outcomes = iter(
        Outcome(test.name, test.statistic, value, test.moved, p, of_all, of_all <= level)
        for (test, value, p), of_all in zip(measured, corrected, strict=True)
    )
    return [list(islice(outcomes, count)) for count in counts]


def _count(training: Sample, new: Sample) -> int:
    """Return the number of tests of two samples."""
    of_labels = training.labels is not None and new.labels is not None
    of_network = training.embeddings is not None and new.embeddings is not None
    return of_labels + len(_shared(training, new)) + len(training.measures) + 2 * of_network


def _shared(training: Sample, new: Sample) -> list[str]:
    """Return the columns of both samples."""
    return [name for name in training.columns if name in new.columns]


def _tests(training: Sample, new: Sample) -> Iterator[tuple[list[_Test], Blocks]]:
    """Yield the tests of two samples with the blocks that they permute."""
    blocks = Blocks.of(training.blocks, new.blocks)
    yield _image_tests(training, new, blocks.weights), blocks
    if training.embeddings is not None and new.embeddings is not None:
        blocks = Blocks.of(training.embeddings.blocks, new.embeddings.blocks)
        yield _network_tests(training.embeddings, new.embeddings, blocks.weights), blocks


def _measure(
    tests: Iterable[tuple[list[_Test], Blocks]], permutations: int, seed: int
) -> Iterator[tuple[_Test, float, float]]:
    """Yield each test of a pair with its value and p-value."""
    generator = np.random.default_rng(seed)
    for of_blocks, blocks in tests:
        distances = {test.name: test.distance for test in of_blocks}
        found = permutation_tests(distances, blocks, permutations, generator)
        yield from ((test, *found[test.name]) for test in of_blocks)


def _image_tests(training: Sample, new: Sample, weights: Numbers) -> list[_Test]:
    tests = []
    if training.labels is not None and new.labels is not None:
        tests.append(_mix_test("labels", training.labels, new.labels, weights))
    for name in _shared(training, new):
        tests += [_mix_test(f"{OF_COLUMN}{name}", training.columns[name], new.columns[name], weights)]
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


def required_permutations(tests: int, level: float, margin: int | None = None) -> int:
    """Return the number of permutations with which corrected p-values can be as small as level / margin.

    Args:
        tests: number of tests.
        level: family-wise error rate.
        margin: ``MARGIN`` by default.
    """
    return math.ceil((MARGIN if margin is None else margin) * tests / level) - 1


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
    # Rounded, because sums of weights leave 1e-16, also below 0, where nothing differs.
    values = {name: round(float(distance(actual)[0]), 12) + 0.0 for name, distance in distances.items()}
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
