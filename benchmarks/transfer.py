"""Transfer learning against training from scratch, at equal time, on CIFAR-10.

    python -m benchmarks.transfer [SEEDS]

A network learns five classes with all their training images. From its weights, and from chance, it then learns the
other five with a few images of each: the first until its epochs are over, the second for as many seconds. Accuracy is
on the official test images of those five classes, read once a training. Needs the data sets; see
benchmarks/published.py.
"""

import statistics
import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks import published
from benchmarks.recipes import machine
from darkroom import inference, training
from darkroom.backend import keras
from darkroom.datasets import Description, Split, channel_statistics
from darkroom.networks import PARAMS, EarlyStoppingParams, NetworkParams, ScheduleParams

NETWORK = "cifar_cnn"
SOURCE_EPOCHS = 12
IMAGES_PER_CLASS = 50
TRANSFER = {"initial_weights": "of the source", "trainable": "last 2", "augment": False}


def main(seeds: int) -> None:
    """Print a row for each way, with its accuracies and seconds."""
    description, train, validation, test = published.load("cifar10")
    # Every other class, so that animals and vehicles are on both sides.
    first, second = (tuple(range(start, len(description.labels), 2)) for start in (0, 1))
    begun = time.perf_counter()
    values = PARAMS[NETWORK](epochs=SOURCE_EPOCHS)
    source = fit(values, description, (of(train, first), of(validation, first)), 0).model
    print(f"source: {accuracy(source, of(validation, first)):.4f} of its validation images, ", end="")
    print(f"{time.perf_counter() - begun:.0f} s, {machine()['processor']}")
    few, few_validation = (of(split, second, IMAGES_PER_CLASS) for split in (train, validation))
    results: dict[str, list[tuple[float, float]]] = {"transfer": [], "from scratch": []}
    short = {
        "epochs": 40,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "schedule": ScheduleParams(),
        # Each way has the whole of its time.
        "early_stopping": EarlyStoppingParams(patience=10_000),
    }
    for seed in range(seeds):
        begun = time.perf_counter()
        model = fit(PARAMS[NETWORK](**short, **TRANSFER), description, (few, few_validation), seed, source).model
        seconds = time.perf_counter() - begun
        results["transfer"].append((accuracy(model, of(test, second)), seconds))
        begun = time.perf_counter()
        unlimited = PARAMS[NETWORK](**{**short, "epochs": 10_000})
        model = fit(unlimited, description, (few, few_validation), seed, seconds=seconds).model
        results["from scratch"].append((accuracy(model, of(test, second)), time.perf_counter() - begun))
    print("| way | test accuracy | lowest to highest | seconds |\n| --- | --- | --- | --- |")
    for way, found in results.items():
        accuracies, times = zip(*found, strict=True)
        print(
            f"| {way} | {statistics.mean(accuracies):.4f} | {min(accuracies):.4f} to {max(accuracies):.4f} "
            f"| {statistics.mean(times):.1f} |"
        )


def of(split: Split, classes: tuple[int, ...], each: int | None = None) -> Split:
    """Return the images of some classes, numbered anew; the first so many of each."""
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
    """Train, no longer than some seconds."""
    mean, deviation = channel_statistics(data[0].images)
    labels = tuple(map(str, range(int(data[0].classes.max()) + 1)))
    begun = time.perf_counter()

    def stop(_epoch: int, _values: training.Epoch) -> None:
        if seconds is not None and time.perf_counter() - begun > seconds:
            raise training.Enough

    return training.train(
        NETWORK,
        values,
        replace(description, labels=labels, mean=mean, deviation=deviation),
        data,
        seed=seed,
        augmentation=published.augmentation("cifar10", NETWORK),
        on_epoch=[stop],
        initial=initial,
    )


def accuracy(model: keras.Model, split: Split) -> float:
    """Return the share of images that a network gets right."""
    return float(np.mean(inference.probabilities(model, split.images).argmax(axis=1) == split.classes))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
