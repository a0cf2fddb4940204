"""False alarms and power of `darkroom drift`, with the answers and features of a trained network.

    python -m benchmarks.drift [SAMPLES]

Needs Fashion-MNIST (see benchmarks/published.py). LeNet-5 is trained for 6 epochs on 10,000 of its training images. Of
20,000 that it has never seen, samples are drawn (100 unless told, with the seeds 0, 1, …; a fifth of that where they
are changed), and each is held against 1,000 training and 1,000 validation images, drawn anew each time. Prints how many
of them raise an alarm at level 0.01, and the mean seconds of the tests (without reading images), in Markdown.
"""

import sys
import time
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from benchmarks import published
from benchmarks.recipes import machine
from darkroom import drift, training
from darkroom.datasets import Integers, Split
from darkroom.features import features
from darkroom.images import Pixels
from darkroom.networks import PARAMS

LEARNED, FRESH, LEVEL, EPOCHS = 10_000, 20_000, 0.01, 6


@dataclass(frozen=True)
class Pool:
    """Images to draw from, with all that is known of each."""

    measures: dict[str, drift.Numbers]
    labels: drift.Labels
    seen: drift.Seen

    def draw(self, rows: Integers, *, labels: bool = True) -> drift.Sample:
        """Take some of them."""
        measures = {name: values[rows] for name, values in self.measures.items()}
        seen = drift.Seen(self.seen.features[rows], self.seen.answers[rows])
        return drift.Sample(measures, self.labels[rows] if labels else None, seen)


def darker(pixels: Pixels) -> Pixels:
    """Take 30 % of the brightness."""
    return np.round(pixels * 0.7).astype(np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    """Blur with a Gaussian of 1 pixel."""
    soft = [np.asarray(Image.fromarray(image[..., 0]).filter(ImageFilter.GaussianBlur(1))) for image in pixels]
    return np.stack(soft)[..., None]


def pools() -> tuple[float, dict[str, Pool]]:
    """Train; return the validation accuracy and the images, also as they are when they are changed."""
    description, train, validation, _ = published.load("fashion_mnist")
    learned = Split(train.images[:LEARNED], train.classes[:LEARNED], pd.DataFrame())
    values = PARAMS["lenet5"].model_validate({"epochs": EPOCHS, "batch_size": 64, "learning_rate": 0.002})
    augmentation = published.augmentation("fashion_mnist", "lenet5")
    trained = training.train("lenet5", values, description, (learned, validation), seed=0, augmentation=augmentation)
    names = np.array(description.labels)

    def pool(pixels: Pixels, numbers: Integers) -> Pool:
        found, answers = features(trained.model, pixels)
        seen = drift.Seen(found.astype(np.float64), names[answers])
        return Pool(drift.image_statistics(pixels), names[numbers], seen)

    fresh, of_fresh = train.images[LEARNED : LEARNED + FRESH], train.classes[LEARNED : LEARNED + FRESH]
    return trained.best["val_accuracy"], {
        "training": pool(learned.images, learned.classes),
        "validation": pool(validation.images, validation.classes),
        "fresh": pool(fresh, of_fresh),
        "darker": pool(darker(fresh), of_fresh),
        "blurred": pool(blurred(fresh), of_fresh),
    }


@dataclass(frozen=True)
class Case:
    """What is drawn, and what it is held against."""

    name: str
    pool: str = "fresh"
    missing: str = ""
    labels: bool = True
    seen_of: str = "validation"
    sizes: tuple[int, ...] = (100, 500)

    @property
    def changed(self) -> bool:
        """Whether an alarm is right."""
        return bool(self.missing) or self.pool != "fresh"


CASES = (
    Case("fresh"),
    Case("fresh, no labels", labels=False, sizes=(500,)),
    Case("fresh; answers and features against those of training images", seen_of="training", sizes=(500,)),
    Case("brightness −30 %", "darker"),
    Case("blur of 1 pixel", "blurred"),
    Case("one class of ten missing", missing="sneaker"),
    Case("one class of ten missing, no labels", missing="sneaker", labels=False),
)


def compare(case: Case, found: dict[str, Pool], size: int, seed: int) -> list[drift.Outcome]:
    """Draw new and known images, and compare."""
    generator = np.random.default_rng(seed)
    rows = np.flatnonzero(found[case.pool].labels != case.missing)
    new = found[case.pool].draw(generator.choice(rows, size, replace=False), labels=case.labels)
    known = found["training"].draw(generator.choice(LEARNED, drift.MEASURED_AT_MOST, replace=False))
    against = found[case.seen_of]
    rows = generator.choice(len(against.labels), drift.MEASURED_AT_MOST, replace=False)
    return drift.compare(replace(known, seen=against.draw(rows).seen), new, LEVEL, seed)


def main(samples: int) -> None:
    """Train, draw, compare, and print the table."""
    accuracy, found = pools()
    print(f"{machine()}; validation accuracy {accuracy:.4f}\n")
    print("| new images | in a sample | samples with an alarm | tests that raised it | seconds of the tests |")
    print("| --- | --- | --- | --- | --- |")
    for case in CASES:
        for size in case.sizes:
            seeds = range(max(1, samples // 5) if case.changed else samples)
            started = time.perf_counter()
            drifted = [[one.test for one in compare(case, found, size, seed) if one.drift] for seed in seeds]
            seconds = (time.perf_counter() - started) / len(seeds)
            by_test = Counter(test for tests in drifted for test in tests)
            raised = ", ".join(f"{test} {count}" for test, count in by_test.most_common())
            alarms = f"{sum(map(bool, drifted))} of {len(seeds)}"
            print(f"| {case.name} | {size} | {alarms} | {raised or '–'} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
