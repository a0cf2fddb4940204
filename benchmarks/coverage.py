"""Coverage of the 95 % confidence intervals, by simulation.

    python -m benchmarks.coverage [TEST_SETS]

Prints two tables in Markdown; a cell is the share of intervals that hold the true score. TEST_SETS is the number per
cell of the second table (600 by default, for a standard error of 0.9 points); the first table takes five times as many
(0.4 points). Seed 0.

First table: accuracy. The accuracy of each group of images is drawn from a beta distribution with this mean and an
intraclass correlation of 0, .05, .1 and .3, once for groups of equal size and once for groups whose sizes beyond one
image are as 1 : 2 : 3 and so on. A cell is the lowest share of these eight, and the median width of the intervals for
groups of equal size at a correlation of .1.

Second table: all scores of simulated classifiers. An image's features are its class's corner of a simplex plus normal
noise, .3 of whose variance is shared by the images of a group. The classifier knows the distribution of independent
images, so it is calibrated, or its logits are multiplied by 3, which makes it overconfident. The truth is the score of
400,000 independent images. A cell is the lowest share of all classifiers with an interval in at least half of the test
sets, and the number of that classifier.
"""

import sys
from dataclasses import dataclass

import numpy as np

from benchmarks.recipes import machine
from darkroom.base.types import Integers
from darkroom.evaluation.cells import Cells
from darkroom.evaluation.intervals import share_bounds
from darkroom.evaluation.scored import score
from darkroom.evaluation.scores import Predictions, estimate

ACCURACIES = (0.5, 0.8, 0.9, 0.95, 0.985, 0.99)
CORRELATIONS = (0.0, 0.05, 0.1, 0.3)
SHARED, SHOWN_CORRELATION = 0.3, 0.1
TRUTH = 400_000
SHOWN = (
    *("accuracy", "balanced_accuracy", "macro_precision", "macro_f1", "precision/0", "recall/0", "f1/0"),
    *("log_loss", "brier", "calibration_error", "roc_auc", "average_precision"),
)


@dataclass(frozen=True)
class Design:
    """Numbers of images and of groups of a test set; as many groups as images are independent images."""

    images: int
    groups: int

    @property
    def independent(self) -> bool:
        """Whether the images are independent."""
        return self.groups == self.images

    def sizes(self, *, equal: bool) -> Integers:
        """Return the number of images of each group."""
        shares = np.cumsum(np.ones(self.groups) if equal else np.arange(1, self.groups + 1))
        ends = np.round((self.images - self.groups) * shares / shares[-1]).astype(np.int64)
        sizes: Integers = 1 + np.diff(ends, prepend=0)
        return sizes

    def __str__(self) -> str:
        """Return the first columns of a row."""
        return f"{self.images:,} | {'independent' if self.independent else self.groups}"


def designs(sizes: tuple[int, ...], groups: tuple[int, ...]) -> list[Design]:
    """Return all designs, those of independent images included."""
    return [Design(images, count) for images in sizes for count in (*groups, images) if count <= images]


def draw_accuracy(sizes: Integers, accuracy: float, correlation: float, draws: int) -> tuple[float, float]:
    """Return coverage and median width of the interval of the accuracy.

    Args:
        sizes: number of images of each group.
        accuracy: the true accuracy.
        correlation: intraclass correlation of right predictions.
        draws: number of test sets.
    """
    generator = np.random.default_rng(0)
    shares = np.full((len(sizes), draws), accuracy)
    if correlation:
        concentration = 1 / correlation - 1
        shares = generator.beta(accuracy * concentration, (1 - accuracy) * concentration, shares.shape)
    hits = generator.binomial(sizes[:, None], shares)
    group, draw = np.indices(hits.shape)
    counts = np.broadcast_to(sizes[:, None], hits.shape)
    of_cells = (counts.astype(np.float64).ravel(), hits.astype(np.float64).ravel())
    cells = Cells(group.ravel(), draw.ravel(), *of_cells, draws)
    low, high = share_bounds(cells)
    return float(((low <= accuracy) & (accuracy <= high)).mean()), float(np.median(high - low))


@dataclass(frozen=True)
class Classifier:
    """A simulated classifier."""

    shares: tuple[float, ...]
    """Share of the images in each class."""
    distance: float
    """Distance of a class's corner from the origin, in standard deviations of the noise."""
    sharpness: float = 1.0
    """Factor of the logits; 1 is calibrated."""
    spanning: bool = False
    """Whether the images of a group are of any class, not of one."""

    def __str__(self) -> str:
        """Return the name of the classifier."""
        kinds = f"{len(self.shares)} classes"
        if min(self.shares) < max(self.shares):
            kinds += f" ({min(self.shares):.2g} to {max(self.shares):.2g} of the images)"
        calibrated = "calibrated" if self.sharpness == 1 else "overconfident"
        return f"{kinds}, {calibrated}" + (", groups of mixed classes" if self.spanning else "")

    def predict(self, design: Design, generator: np.random.Generator) -> tuple[Predictions, Integers]:
        """Draw a test set; return the predictions and the group numbers."""
        classes = len(self.shares)
        groups = np.arange(design.images) * design.groups // design.images
        labels = generator.choice(classes, design.images, p=self.shares)
        if not self.spanning:
            labels = labels[np.unique(groups, return_index=True)[1]][groups]
        shared = 0 if design.independent else SHARED
        own, common = (generator.normal(size=(count, classes)) for count in (design.images, design.groups))
        features = np.sqrt(1 - shared) * own + np.sqrt(shared) * common[groups]
        features[np.arange(design.images), labels] += self.distance
        logits = self.sharpness * (self.distance * features + np.log(self.shares))
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = raised / raised.sum(axis=1, keepdims=True)
        return Predictions(labels, probabilities.astype(np.float32)), groups


TWO, TEN = (0.5, 0.5), (0.1,) * 10
TEN_UNEVEN = tuple((np.arange(1, 11) / 55).tolist())
CLASSIFIERS = (
    Classifier(TWO, 1.0),
    Classifier(TWO, 2.0),
    Classifier(TWO, 2.0, spanning=True),
    Classifier(TWO, 3.0),
    Classifier(TWO, 2.0, sharpness=3),
    Classifier((0.9, 0.1), 2.0),
    Classifier(TEN, 2.5),
    Classifier(TEN, 4.0),
    Classifier(TEN, 3.0, sharpness=3),
    Classifier(TEN_UNEVEN, 3.0, spanning=True),
)


def truth(classifier: Classifier) -> dict[str, float]:
    """Return the scores of a very large test set."""
    predictions, _ = classifier.predict(Design(TRUTH, TRUTH), np.random.default_rng(1))
    found = estimate(predictions)
    if classifier.sharpness == 1:
        found["calibration_error"] = 0.0
    return found


def draw_scores(classifier: Classifier, known: dict[str, float], design: Design, draws: int) -> dict[str, float]:
    """Return the coverage of each score's intervals; NaN if fewer than half of the test sets have one."""
    generator = np.random.default_rng(0)
    held: dict[str, list[bool]] = {name: [] for name in SHOWN}
    for _ in range(draws):
        intervals = score(*classifier.predict(design, generator)).intervals
        for name in SHOWN:
            if name in intervals and np.isfinite(intervals[name].high):
                held[name].append(intervals[name].low <= known[name] <= intervals[name].high)
    return {name: float(np.mean(found)) if 2 * len(found) >= draws else np.nan for name, found in held.items()}


def show_accuracy(draws: int) -> None:
    """Print the first table."""
    print(f"| images | groups | {' | '.join(f'accuracy {each:g}' for each in ACCURACIES)} |")
    print(f"| {' | '.join(['---'] * (2 + len(ACCURACIES)))} |")
    for design in designs((40, 100, 362, 2000), (5, 10, 20, 50)):
        cells = []
        for accuracy in ACCURACIES:
            found = {
                (equal, correlation): draw_accuracy(design.sizes(equal=equal), accuracy, correlation, draws)
                for equal in ((True,) if design.independent else (True, False))
                for correlation in ((SHOWN_CORRELATION,) if design.independent else CORRELATIONS)
            }
            cells.append(f"{min(held for held, _ in found.values()):.3f} ({found[True, SHOWN_CORRELATION][1]:.3f})")
        print(f"| {design} | {' | '.join(cells)} |", flush=True)


def show_scores(draws: int) -> None:
    """Print the second table."""
    known = [truth(classifier) for classifier in CLASSIFIERS]
    for number, (classifier, of_truth) in enumerate(zip(CLASSIFIERS, known, strict=True), 1):
        print(f"{number}. {classifier}: accuracy {of_truth['accuracy']:.3f}")
    columns, heads = [], []
    for design in designs((100, 362), (20, 50)):
        heads.append(f"{design.images}, {'independent' if design.independent else f'{design.groups} groups'}")
        found = [draw_scores(*each, design, draws) for each in zip(CLASSIFIERS, known, strict=True)]
        columns.append([_lowest([each[name] for each in found]) for name in SHOWN])
    print(f"\n| score | {' | '.join(heads)} |\n| {' | '.join(['---'] * (1 + len(heads)))} |")
    for name, *row in zip(SHOWN, *columns, strict=True):
        print(f"| {name.replace('_', ' ').replace('/0', ' of the first class')} | {' | '.join(row)} |")


def _lowest(shares: list[float]) -> str:
    """Return the lowest share and the number of its classifier; NaN is ignored."""
    if np.isnan(shares).all():
        return "–"
    lowest = int(np.nanargmin(shares))
    return f"{shares[lowest]:.3f} ({lowest + 1})"


def main(draws: int) -> None:
    """Simulate and print both tables."""
    print(f"{machine()}\n\n{5 * draws:,} test sets:\n")
    show_accuracy(5 * draws)
    print(f"\n{draws:,} test sets:\n")
    show_scores(draws)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600)
