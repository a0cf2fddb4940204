"""Have images drifted from others? Permutation tests of label mix, image statistics and a network's features.

If both samples came from the same place, which image is in which of them would be chance. So the images are dealt out
anew, many times, and the p-value is the share of deals that lie as far apart as the samples do (B. Phipson and
G. Smyth, Permutation p-values should never be zero, 2010). It holds for every distance and size of sample, as long as
the images are independent of each other: a burst of a hundred frames is not a hundred images.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from darkroom.images import Pixels

Numbers = npt.NDArray[np.float64]
Labels = npt.NDArray[np.str_]
Deals = npt.NDArray[np.bool_]
"""Of shape (deals, images): which images are called new."""
Distance = Callable[[Deals], Numbers]
"""How far apart the two samples of each deal are."""

MEASURED_AT_MOST = 1000
"""Images of each sample: more of them take time and would find differences too small to matter."""
MEASURED_AT_LEAST = 20
MARGIN = 10  # the smallest corrected p-value that can be found is this many times below the level
AT_ONCE = 256  # deals
ROUNDING = 1e-9
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow converts


@dataclass(frozen=True)
class Seen:
    """What a network sees in some images."""

    features: Numbers
    """Of shape (images, features)."""
    answers: Labels
    """The classes that it takes the images for."""

    def __len__(self) -> int:
        return len(self.answers)


@dataclass(frozen=True)
class Sample:
    """What is known of some images."""

    measures: Mapping[str, Numbers]
    """For each image statistic, one number for each image."""
    labels: Labels | None = None
    """The classes of the same images."""
    seen: Seen | None = None
    """Need not be of the same images: of those that it was trained on, a network may remember more than it sees."""

    def __len__(self) -> int:
        return len(next(iter(self.measures.values())))


@dataclass(frozen=True)
class _Test:
    name: str
    statistic: str
    distance: Distance
    moved: str


@dataclass(frozen=True)
class Outcome:
    """What one test has found."""

    test: str
    """What was compared."""
    statistic: str
    """How far apart the samples are was measured by this."""
    value: float
    """The statistic's."""
    moved: str
    """What has moved, for a person."""
    p: float
    corrected_p: float
    """For the number of tests, by Holm's method."""
    drift: bool

    def row(self) -> dict[str, Any]:
        """Return a row of the table."""
        return {
            "test": self.test,
            "statistic": self.statistic,
            "value": self.value,
            "moved": self.moved,
            "p": self.p,
            "corrected p": self.corrected_p,
            "drift": self.drift,
        }


def compare(training: Sample, new: Sample, level: float, seed: int) -> list[Outcome]:
    """Test whether new images differ from training images in anything that is known of both.

    Args:
        training: images of the training data.
        new: images to hold against them.
        level: the chance of any false alarm at all, over all tests together.
        seed: of the deals.
    """
    groups = [(_image_tests(training, new), (len(training), len(new)))]
    if training.seen is not None and new.seen is not None:
        groups.append((_network_tests(training.seen, new.seen), (len(training.seen), len(new.seen))))
    tests = [test for group, _ in groups for test in group]
    generator, deals = np.random.default_rng(seed), deals_for(len(tests), level)
    found: dict[str, tuple[float, float]] = {}
    for group, sizes in groups:
        found |= permutation_tests({test.name: test.distance for test in group}, sizes, deals, generator)
    corrected = holm([p for _, p in found.values()])
    return [
        Outcome(test.name, test.statistic, value, test.moved, p, of_all, of_all <= level)
        for test, (value, p), of_all in zip(tests, found.values(), corrected, strict=True)
    ]


def _image_tests(training: Sample, new: Sample) -> list[_Test]:
    tests = []
    if training.labels is not None and new.labels is not None:
        tests.append(_mix_test("labels", training.labels, new.labels))
    for name in training.measures:
        of_training, of_new = training.measures[name], new.measures[name]
        distance = kolmogorov_smirnov(np.concatenate([of_training, of_new]))
        moved = f"median {np.median(of_training):.4g} → {np.median(of_new):.4g}"
        tests.append(_Test(name, "Kolmogorov-Smirnov", distance, moved))
    return tests


def _network_tests(training: Seen, new: Seen) -> list[_Test]:
    points = standardised(np.concatenate([training.features, new.features]))
    features = _Test("features", "energy distance", energy(points), "")
    return [_mix_test("answers", training.answers, new.answers), features]


def _mix_test(name: str, training: Labels, new: Labels) -> _Test:
    shares = label_shares(training, new)
    label = max(shares, key=lambda label: abs(shares[label][1] - shares[label][0]))
    moved = f"{label}: {shares[label][0]:.1%} → {shares[label][1]:.1%}"
    return _Test(name, "chi-square", chi_square(np.concatenate([training, new])), moved)


def label_shares(training: Labels, new: Labels) -> dict[str, tuple[float, float]]:
    """Return the share of each class in both samples."""
    labels = np.unique(np.concatenate([training, new])).tolist()
    return {label: (float(np.mean(training == label)), float(np.mean(new == label))) for label in labels}


def deals_for(tests: int, level: float) -> int:
    """Return how often to deal, so that a corrected p-value can fall well below the level."""
    return math.ceil(MARGIN * tests / level) - 1


def permutation_tests(
    distances: Mapping[str, Distance], sizes: tuple[int, int], deals: int, generator: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Deal images out to two samples, and see how often they come to lie as far apart as they do.

    Args:
        distances: of the samples of each deal, the training images counted first.
        sizes: of both samples.
        deals: how many.
        generator: deals them.

    Returns:
        For each distance its value and the p-value (1 + deals at least as far apart) / (1 + deals).
    """
    actual = np.repeat([False, True], sizes)[None]
    values = {name: float(distance(actual)[0]) for name, distance in distances.items()}
    as_far = dict.fromkeys(distances, 0)
    for dealt in _dealt(actual[0], deals, generator):
        for name, distance in distances.items():
            as_far[name] += int((distance(dealt) >= values[name] - ROUNDING).sum())
    return {name: (values[name], (1 + as_far[name]) / (1 + deals)) for name in distances}


def _dealt(actual: npt.NDArray[np.bool_], deals: int, generator: np.random.Generator) -> Iterator[Deals]:
    for start in range(0, deals, AT_ONCE):
        yield generator.permuted(np.tile(actual, (min(AT_ONCE, deals - start), 1)), axis=1)


def kolmogorov_smirnov(values: Numbers) -> Distance:
    """Return the largest distance of two samples' distribution functions, as a function of who is in which.

    Args:
        values: of shape (images,).
    """
    order = np.argsort(values, kind="stable")
    # Of equal values, the distribution functions have taken all.
    ends = np.flatnonzero(np.append(np.diff(values[order]) > 0, True))

    def distance(dealt: Deals) -> Numbers:
        images, new = len(values), int(dealt[0].sum())
        counted = np.cumsum(dealt[:, order].view(np.int8), axis=1, dtype=np.int32)
        # In whole numbers, so that equal distances are equal.
        apart = images * (counted if len(ends) == images else counted[:, ends])
        apart -= new * (ends + 1)
        largest: Numbers = np.maximum(apart.max(axis=1), -apart.min(axis=1)) / (new * (images - new))
        return largest

    return distance


def chi_square(labels: Labels) -> Distance:
    """Return Pearson's chi-square of the table of two samples' classes, as a function of who is in which.

    Args:
        labels: of shape (images,).
    """
    classes, numbers = np.unique(labels, return_inverse=True)
    belongs = np.eye(len(classes), dtype=np.float32)[numbers]
    counts = belongs.sum(axis=0)

    def distance(dealt: Deals) -> Numbers:
        share = dealt[0].mean()
        expected = counts * share
        squares = (dealt.astype(np.float32) @ belongs - expected) ** 2
        # What the one sample has too many of a class, the other has too few.
        value: Numbers = (squares / expected + squares / (counts - expected)).sum(axis=1)
        return value

    return distance


def energy(points: Numbers) -> Distance:
    """Return the energy distance of two samples, as a function of who is in which.

    2 E|X - Y| - E|X - X'| - E|Y - Y'| (G. Székely and M. Rizzo, Testing for equal distributions in high dimension,
    InterStat 2004): 0 where the distributions are equal, and greater than 0 everywhere else.

    Args:
        points: of shape (images, features).
    """
    between = distances_between(points, points)

    def distance(dealt: Deals) -> Numbers:
        new = dealt[0].sum()
        weights = np.where(dealt, 1 / new, -1 / (len(points) - new))
        value: Numbers = -np.einsum("di,di->d", weights @ between, weights)
        return value

    return distance


def distances_between(some: Numbers, others: Numbers) -> Numbers:
    """Return the Euclidean distances of points, of shape (some, others)."""
    squares = (some**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * some @ others.T
    distances: Numbers = np.sqrt(np.maximum(squares, 0))
    return distances


def standardised(points: Numbers) -> Numbers:
    """Bring each feature to mean 0 and deviation 1 over both samples together; one that never varies to 0.

    By the training images alone, the two would not be treated alike, which the deals take for granted.
    """
    deviation = points.std(axis=0)
    scaled: Numbers = (points - points.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return scaled


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for their number (S. Holm, A simple sequentially rejective multiple test procedure, 1979)."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable").tolist()):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def image_statistics(images: Pixels) -> dict[str, Numbers]:
    """Measure each image.

    Args:
        images: uint8 of shape (images, height, width, channels).

    Returns:
        For each statistic, float64 of shape (images,): ``brightness`` and ``contrast`` are mean and deviation of the
        grey values from 0 to 255, ``sharpness`` is the variance of their Laplacian (J. Pech-Pacheco and others, Diatom
        autofocusing in brightfield microscopy, ICPR 2000), and of colour images ``saturation`` the mean of HSV's S.
    """
    # One by one, so that no more than one image is in memory as floating point.
    rows = [_statistics(image) for image in images]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _statistics(image: Pixels) -> dict[str, float]:
    grey = image[..., 0].astype(np.float64) if image.shape[2] == 1 else image @ np.array(GREY)
    padded = np.pad(grey, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    found = {"brightness": grey.mean(), "contrast": grey.std(), "sharpness": (around - 4 * grey).var()}
    if image.shape[2] > 1:
        most = image.max(axis=2).astype(np.float64)
        found["saturation"] = np.mean((most - image.min(axis=2)) / np.maximum(most, 1))
    return {name: float(value) for name, value in found.items()}


def shape_statistics(widths: Sequence[int], heights: Sequence[int]) -> dict[str, Numbers]:
    """Return width, height (pixels) and their ratio, of images as their source holds them."""
    width, height = np.asarray(widths, dtype=np.float64), np.asarray(heights, dtype=np.float64)
    return {"width": width, "height": height, "aspect": width / height}
