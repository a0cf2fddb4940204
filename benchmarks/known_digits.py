"""Prediction sets and unknown images of a small network that is trained from scratch on handwritten digits.

    python -m benchmarks.known_digits [SEEDS] >> benchmarks/results/known.md

scikit-learn's digits at 28×28, 60 % for training, 20 % for validation, 20 % for testing, divided again for each seed.
Shown to the network are clothes (Fashion-MNIST), noise, and, to one trained without them, the digits 8 and 9. Requires
the data sets; see benchmarks/published.py.
"""

import sys

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from benchmarks import published
from benchmarks.recipes import machine
from darkroom import training
from darkroom.base.types import Integers, Numbers, Pixels
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.evaluation import conformal, known
from darkroom.inference.images import from_array, to_pixels
from darkroom.inference.neighbours import Neighbours
from darkroom.networks import PARAMS, reference
from darkroom.params import AugmentationParams

NETWORK, EPOCHS, SIZE = "mnist_cnn", 10, (28, 28, 1)
COVERAGE, FALSE_ALARMS, STRANGERS = 0.95, 0.05, 500
LEFT_OUT = (8, 9)


def main(seeds: int) -> None:
    """Print the table as Markdown."""
    print(f"\n## Handwritten digits, `{NETWORK}`, {seeds} seeds\n\n{machine()['processor']}\n")
    rows = [_measure(seed) for seed in range(seeds)]
    print("| measured | mean | lowest to highest |\n| --- | --- | --- |")
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"| {name} | {np.mean(values):.3f} | {min(values):.3f} to {max(values):.3f} |")


def _measure(seed: int) -> dict[str, float]:
    digits = load_digits()
    images = np.stack([_enlarged((image * (255 / 16)).astype(np.uint8)) for image in digits.images])
    found = _calibrated(images, digits.target, seed)
    clothes = published.load("fashion_mnist")[3].images[:STRANGERS]
    noise = np.random.default_rng(seed).integers(0, 256, (STRANGERS, *SIZE), dtype=np.uint8)
    others = np.isin(digits.target, LEFT_OUT)
    fewer = _calibrated(images[~others], digits.target[~others], seed)
    return {
        "accuracy": found.accuracy,
        f"coverage, {COVERAGE} asked": found.metrics["coverage"],
        "classes in a set": found.metrics["set_size"],
        f"false alarms, {FALSE_ALARMS} asked": found.metrics["unknown_false_alarms"],
        "clothes told": found.told(clothes),
        "noise told": found.told(noise),
        f"digits {LEFT_OUT[0]} and {LEFT_OUT[1]} told by a network trained without": fewer.told(images[others]),
    }


class _Calibrated:
    """A network with its thresholds."""

    def __init__(self, show: known.Shown, sample: reference.Reference, test: Split) -> None:
        self._show, self._neighbours = show, Neighbours(sample.features)
        found, groups = show(test.images), np.arange(len(test.classes))
        calibration = known.Calibration(test.classes, groups)
        sets = known.prediction_sets(found, calibration, COVERAGE)
        self.metrics = sets.metrics | known.Strangers(sample, FALSE_ALARMS).calibrate(found, calibration, show).metrics
        self.accuracy = float(np.mean(found.probabilities.argmax(axis=1) == test.classes))
        self._above = conformal.threshold(self._scores(test.images), groups, 1 - FALSE_ALARMS)

    def _scores(self, images: Pixels) -> Numbers:
        features = self._show(images).features
        return self._neighbours.scores(np.zeros((len(images), 0)) if features is None else features)

    def told(self, images: Pixels) -> float:
        """Return the share of images that are called unknown."""
        return float(np.mean(self._scores(images) > self._above))


def _calibrated(images: Pixels, classes: Integers, seed: int) -> _Calibrated:
    order = np.random.default_rng(seed).permutation(len(classes))
    parts = np.split(order, [int(0.6 * len(order)), int(0.8 * len(order))])
    train, validation, test = (Split(images[rows], classes[rows], pd.DataFrame()) for rows in parts)
    mean, deviation = channel_statistics(train.images)
    labels = tuple(map(str, range(int(classes.max()) + 1)))
    described = Description(labels, SIZE, "bicubic", "stretch", mean, deviation, "digits", {}, {}, str(seed))
    values = PARAMS[NETWORK](epochs=EPOCHS)
    job = training.TrainingJob(
        NETWORK, values, described, train, validation, seed=seed, augmentation=AugmentationParams()
    )
    model = training.train(job).model
    _, sample = reference.of_training(model, train, seed, len(train.classes))
    return _Calibrated(known.Shown(model, sample.layer, []), sample, test)


def _enlarged(image: Pixels) -> Pixels:
    return to_pixels(from_array(image), SIZE, "bicubic", "stretch")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
