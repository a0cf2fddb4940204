"""False alarms and power of `darkroom drift`, with predictions and features of a trained network.

    python -m benchmarks.drift [SAMPLES]

Requires Fashion-MNIST (see benchmarks/published.py). LeNet-5 is trained for 6 epochs on 10,000 training images. Samples
(default 100, with seeds 0, 1, …; a fifth of that for changed images) of 20,000 unseen images are compared with random
1,000 training and 1,000 validation images, resampled each time. Prints the number of samples that raise an alarm at
level 0.01, and the mean seconds of the tests (without reading images), in Markdown.
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
from darkroom import training
from darkroom.base.types import Integers, Numbers
from darkroom.data.prepared.datasets import Split
from darkroom.drift import distances, permutation
from darkroom.drift.features import extract_features
from darkroom.drift.measures import image_statistics
from darkroom.drift.samples import Embeddings, Sample
from darkroom.inference.images import Pixels
from darkroom.networks import PARAMS

LEARNED, FRESH, LEVEL, EPOCHS = 10_000, 20_000, 0.01, 6


@dataclass(frozen=True)
class Pool:
    """Images to sample from, with their statistics, labels and embeddings."""

    measures: dict[str, Numbers]
    labels: distances.Labels
    embeddings: Embeddings

    def sample(self, rows: Integers, *, labels: bool = True) -> Sample:
        """Return the images with these row numbers."""
        measures = {name: values[rows] for name, values in self.measures.items()}
        embeddings = Embeddings(self.embeddings.features[rows], self.embeddings.predictions[rows])
        return Sample(measures, self.labels[rows] if labels else None, embeddings)


def darker(pixels: Pixels) -> Pixels:
    """Reduce the brightness by 30 %."""
    return np.round(pixels * 0.7).astype(np.uint8)


def blurred(pixels: Pixels) -> Pixels:
    """Apply a Gaussian blur of 1 pixel."""
    soft = [np.asarray(Image.fromarray(image[..., 0]).filter(ImageFilter.GaussianBlur(1))) for image in pixels]
    return np.stack(soft)[..., None]


def pools() -> tuple[float, dict[str, Pool]]:
    """Train; return the validation accuracy and the pools of original and changed images."""
    description, train, validation, _ = published.load("fashion_mnist")
    learned = Split(train.images[:LEARNED], train.classes[:LEARNED], pd.DataFrame())
    values = PARAMS["lenet5"].model_validate({"epochs": EPOCHS, "batch_size": 64, "learning_rate": 0.002})
    augmentation = published.augmentation("fashion_mnist", "lenet5")
    trained = training.train(
        training.TrainingJob("lenet5", values, description, learned, validation, seed=0, augmentation=augmentation)
    )
    names = np.array(description.labels)

    def pool(pixels: Pixels, numbers: Integers) -> Pool:
        found, predictions = extract_features(trained.model, pixels)
        embeddings = Embeddings(found.astype(np.float64), names[predictions])
        return Pool(image_statistics(pixels), names[numbers], embeddings)

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
    """A kind of new images, and what they are compared with."""

    name: str
    pool: str = "fresh"
    missing: str = ""
    labels: bool = True
    reference: str = "validation"
    sizes: tuple[int, ...] = (100, 500)

    @property
    def changed(self) -> bool:
        """Whether an alarm is correct."""
        return bool(self.missing) or self.pool != "fresh"


CASES = (
    Case("fresh"),
    Case("fresh, no labels", labels=False, sizes=(500,)),
    Case("fresh; predictions and features compared with training images", reference="training", sizes=(500,)),
    Case("brightness −30 %", "darker"),
    Case("blur of 1 pixel", "blurred"),
    Case("one class of ten missing", missing="sneaker"),
    Case("one class of ten missing, no labels", missing="sneaker", labels=False),
)


def compare(case: Case, found: dict[str, Pool], size: int, seed: int) -> list[permutation.Outcome]:
    """Sample new and known images, and compare them."""
    generator = np.random.default_rng(seed)
    rows = np.flatnonzero(found[case.pool].labels != case.missing)
    new = found[case.pool].sample(generator.choice(rows, size, replace=False), labels=case.labels)
    known = found["training"].sample(generator.choice(LEARNED, permutation.MEASURED_AT_MOST, replace=False))
    reference = found[case.reference]
    rows = generator.choice(len(reference.labels), permutation.MEASURED_AT_MOST, replace=False)
    return permutation.compare(replace(known, embeddings=reference.sample(rows).embeddings), new, LEVEL, seed)


def main(samples: int) -> None:
    """Train, compare the samples of all cases, and print the table."""
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
