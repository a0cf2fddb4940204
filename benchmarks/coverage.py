"""Coverage of the 95 % confidence intervals, by simulation.

    python -m benchmarks.coverage [DRAWS]

First table: accuracy. The accuracy of each group of images is drawn from a beta distribution with this mean and
intraclass correlation; ten times DRAWS test sets for each cell. A cell holds the share of intervals that contain the
true accuracy, and their median width.

Second table: all scores of simulated classifiers. An image's features are its class's corner of a simplex plus normal
noise, of which a part is shared by the images of a group; the classifier knows the distribution of independent images,
so it is calibrated, or its logits are multiplied by 3. DRAWS test sets for each row; the truth is the score of 400,000
independent images. A cell holds the share of intervals that contain it, and their median width; test sets without an
interval are left out. All in Markdown, with seed 0. With 1,000 draws, the standard error is 0.7 points.
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
SIZES, GROUPS, CORRELATIONS = (40, 100, 362, 2000), (5, 10, 20, 50), (0.0, 0.05, 0.1, 0.3)
TRUTH = 400_000
SHOWN = (
    *("accuracy", "balanced_accuracy", "macro_precision", "macro_f1", "recall/0", "f1/0"),
    *("log_loss", "brier", "calibration_error", "roc_auc", "average_precision"),
)


@dataclass(frozen=True)
class Design:
    """How the images of a test set depend on each other."""

    images: int
    groups: int
    correlation: float
    """Intraclass correlation of correct predictions, or correlation of the noise inside a group."""

    def __str__(self) -> str:
        """Return the first columns of a row."""
        groups = "independent" if self.groups == self.images else f"{self.groups}"
        return f"{self.images} | {groups} | {self.correlation:g}"


def designs(sizes: tuple[int, ...], groups: tuple[int, ...], correlations: tuple[float, ...]) -> list[Design]:
    """Return all designs, those of independent images included."""
    dependent = [
        Design(images, count, correlation)
        for images in sizes
        for count in groups
        if count < images
        for correlation in correlations
    ]
    return sorted([*dependent, *(Design(images, images, 0) for images in sizes)], key=lambda design: design.images)


def draw_accuracy(design: Design, accuracy: float, draws: int, seed: int) -> tuple[float, float]:
    """Return coverage and median width of the interval of the accuracy."""
    generator = np.random.default_rng(seed)
    images = np.diff(np.linspace(0, design.images, design.groups + 1).round()).astype(np.int64)
    shares = np.full((design.groups, draws), accuracy)
    if design.correlation:
        concentration = 1 / design.correlation - 1
        shares = generator.beta(accuracy * concentration, (1 - accuracy) * concentration, shares.shape)
    hits = generator.binomial(images[:, None], shares)
    group, draw = np.indices(hits.shape)
    counts = np.broadcast_to(images[:, None], hits.shape)
    cells = Cells(*(each.ravel() for each in (group, draw, counts.astype(np.float64), hits.astype(np.float64))), draws)
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
            kinds += f" ({min(self.shares):g} to {max(self.shares):g} of the images)"
        calibrated = "calibrated" if self.sharpness == 1 else "overconfident"
        return f"{kinds}, {calibrated}" + (", groups of mixed classes" if self.spanning else "")

    def predict(self, design: Design, generator: np.random.Generator) -> tuple[Predictions, Integers]:
        """Draw a test set; return the predictions and the group numbers."""
        classes = len(self.shares)
        groups = np.arange(design.images) * design.groups // design.images
        labels = generator.choice(classes, design.images, p=self.shares)
        if not self.spanning:
            labels = labels[np.unique(groups, return_index=True)[1]][groups]
        own, common = (generator.normal(size=(count, classes)) for count in (design.images, design.groups))
        features = np.sqrt(1 - design.correlation) * own + np.sqrt(design.correlation) * common[groups]
        features[np.arange(design.images), labels] += self.distance
        logits = self.sharpness * (self.distance * features + np.log(self.shares))
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = raised / raised.sum(axis=1, keepdims=True)
        return Predictions(labels, probabilities.astype(np.float32)), groups


EVEN, UNEVEN = (0.5, 0.5), (0.9, 0.1)
TEN = (0.1,) * 10
TEN_UNEVEN = tuple(np.round(np.arange(1, 11) / 55, 3) / np.round(np.arange(1, 11) / 55, 3).sum())
CLASSIFIERS = (
    Classifier(EVEN, 1.0),
    Classifier(EVEN, 2.0),
    Classifier(EVEN, 3.0),
    Classifier(EVEN, 2.0, sharpness=3),
    Classifier(EVEN, 2.0, spanning=True),
    Classifier(UNEVEN, 2.0),
    Classifier(TEN, 2.5),
    Classifier(TEN, 4.0),
    Classifier(TEN, 3.0, sharpness=3),
    Classifier(TEN_UNEVEN, 3.0),
    Classifier(TEN_UNEVEN, 3.0, spanning=True),
)


def truth(classifier: Classifier) -> dict[str, float]:
    """Return the scores of a very large test set."""
    predictions, _ = classifier.predict(Design(TRUTH, TRUTH, 0), np.random.default_rng(1))
    found = estimate(predictions)
    if classifier.sharpness == 1:
        found["calibration_error"] = 0.0
    return found


def draw_scores(classifier: Classifier, known: dict[str, float], design: Design, draws: int) -> list[str]:
    """Return a cell for each score: coverage and median width of its interval."""
    generator = np.random.default_rng(0)
    held: dict[str, list[bool]] = {name: [] for name in SHOWN}
    widths: dict[str, list[float]] = {name: [] for name in SHOWN}
    for _ in range(draws):
        intervals = score(*classifier.predict(design, generator)).intervals
        for name in SHOWN:
            if name in intervals and np.isfinite(intervals[name].high):
                low, high = intervals[name]
                held[name].append(low <= known[name] <= high)
                widths[name].append(high - low)
    return [
        f"{np.mean(held[name]):.3f} ({np.median(widths[name]):.2f})" if len(held[name]) * 10 >= draws else "–"
        for name in SHOWN
    ]


def main(draws: int) -> None:
    """Simulate and print both tables."""
    print(f"{machine()}; {10 * draws:,} test sets for each cell\n")
    print(f"| images | groups | correlation | {' | '.join(f'accuracy {each:g}' for each in ACCURACIES)} |")
    print(f"| {' | '.join(['---'] * (3 + len(ACCURACIES)))} |")
    for design in designs(SIZES, GROUPS, CORRELATIONS):
        cells = [draw_accuracy(design, accuracy, 10 * draws, 0) for accuracy in ACCURACIES]
        print(f"| {design} | {' | '.join(f'{held:.3f} ({width:.2f})' for held, width in cells)} |", flush=True)
    print(f"\n{draws:,} test sets for each row\n")
    print(f"| classifier | accuracy | images | groups | correlation | {' | '.join(SHOWN)} |")
    print(f"| {' | '.join(['---'] * (5 + len(SHOWN)))} |")
    for classifier in CLASSIFIERS:
        known = truth(classifier)
        for design in designs((100, 362, 2000), (10, 50), (0.3,)):
            row = draw_scores(classifier, known, design, draws)
            print(f"| {classifier} | {known['accuracy']:.3f} | {design} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
