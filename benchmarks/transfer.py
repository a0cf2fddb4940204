"""Transfer learning compared with training from scratch, at equal time, on CIFAR-10.

    python -m benchmarks.transfer [SEEDS]

A network is trained on all images of five classes. With its weights, and with random weights, training continues on a
few images of the other five classes: the first for a number of epochs, the second for the same time. Accuracy is
measured on the official test images of those classes, once per training. Requires the data sets; see
benchmarks/published.py.
"""

import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import published
from benchmarks.recipes import machine
from darkroom import training
from darkroom.base.backend import keras
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.networks import PARAMS, EarlyStoppingParams, NetworkParams, ScheduleParams, inference

NETWORK = "cifar_cnn"
SOURCE_EPOCHS = 12
IMAGES_PER_CLASS = 50
TRANSFER: dict[str, Any] = {"initial_weights": "of the source", "trainable": "last 2", "augment": False}


def main(seeds: int) -> None:
    """Print a row per variant with its accuracies and seconds."""
    description, train, validation, test = published.load("cifar10")
    # Every other class, so that both halves contain animals and vehicles.
    first, second = (tuple(range(start, len(description.labels), 2)) for start in (0, 1))
    begun = time.perf_counter()
    values = PARAMS[NETWORK](epochs=SOURCE_EPOCHS)
    source = fit(values, description, (subset(train, first), subset(validation, first)), 0).model
    print(f"source: {accuracy(source, subset(validation, first)):.4f} of its validation images, ", end="")
    print(f"{time.perf_counter() - begun:.0f} s, {machine()['processor']}")
    few, few_validation = (subset(split, second, IMAGES_PER_CLASS) for split in (train, validation))
    results: dict[str, list[tuple[float, float]]] = {"transfer": [], "from scratch": []}
    short: dict[str, Any] = {
        "epochs": 40,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": ScheduleParams(),
        # No early stopping: each variant uses its full time.
        "early_stopping": EarlyStoppingParams(patience=10_000),
    }
    for seed in range(seeds):
        begun = time.perf_counter()
        model = fit(PARAMS[NETWORK](**short, **TRANSFER), description, (few, few_validation), seed, source).model
        seconds = time.perf_counter() - begun
        results["transfer"].append((accuracy(model, subset(test, second)), seconds))
        begun = time.perf_counter()
        unlimited = PARAMS[NETWORK](**{**short, "epochs": 10_000})
        model = fit(unlimited, description, (few, few_validation), seed, seconds=seconds).model
        results["from scratch"].append((accuracy(model, subset(test, second)), time.perf_counter() - begun))
    print("| variant | test accuracy | lowest to highest | seconds |\n| --- | --- | --- | --- |")
    for way, found in results.items():
        accuracies, times = zip(*found, strict=True)
        print(
            f"| {way} | {statistics.mean(accuracies):.4f} | {min(accuracies):.4f} to {max(accuracies):.4f} "
            f"| {statistics.mean(times):.1f} |"
        )


def subset(split: Split, classes: tuple[int, ...], each: int | None = None) -> Split:
    """Return the images of some classes, renumbered; at most ``each`` per class."""
    rows = np.concatenate([np.flatnonzero(split.classes == number)[:each] for number in classes])
    return Split(split.images[rows], np.searchsorted(classes, split.classes[rows]), split.manifest)


def fit(
    values: NetworkParams,
    description: Description,
    data: tuple[Split, Split],
    seed: int,
    initial: keras.Model | None = None,
    seconds: float | None = None,
) -> training.Trained:
    """Train, limited to a number of seconds if given."""
    mean, deviation = channel_statistics(data[0].images)
    labels = tuple(map(str, range(int(data[0].classes.max()) + 1)))
    begun = time.perf_counter()

    def stop(_epoch: int, _values: training.Epoch) -> None:
        if seconds is not None and time.perf_counter() - begun > seconds:
            raise training.StopTraining

    job = training.TrainingJob(
        NETWORK,
        values,
        replace(description, labels=labels, mean=mean, deviation=deviation),
        *data,
        seed=seed,
        augmentation=published.augmentation("cifar10", NETWORK),
        initial=initial,
    )
    return training.train(job, on_epoch=[stop])


def accuracy(model: keras.Model, split: Split) -> float:
    """Return a network's accuracy on a split."""
    return float(np.mean(inference.probabilities(model, split.images).argmax(axis=1) == split.classes))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
