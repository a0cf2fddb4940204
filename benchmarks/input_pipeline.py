"""What feeding a network costs: augmentation against other ways, and a training against a bare ``model.fit``.

    python -m benchmarks.input_pipeline {augmentation,share,stage} [IMAGES [EPOCHS]]

``augmentation``: images a second that come out of our batches, of Keras' preprocessing layers in tf.data, and of
albumentations called for each image by tf.numpy_function, with the same variation. ``share``: images a second of a
training of cifar_cnn with varied images, without, and what the first is of the second. ``stage``: seconds of our
training of cifar_cnn, and of a bare ``model.fit`` of the same network on arrays in memory, both with validation.

Takes CIFAR-10 from DARKROOM_DATASETS, or noise where that is not set. The ways take turns; medians, and of their ratios
in each round the median, lowest and highest, in Markdown.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import albumentations
import cv2
import numpy as np
import pandas as pd

from benchmarks import published
from benchmarks.recipes import machine
from darkroom import training
from darkroom.augment import Augmenter
from darkroom.backend import keras, make_reproducible, tf
from darkroom.batches import TrainingBatches
from darkroom.datasets import Description, Split, channel_statistics, one_hot
from darkroom.inference import BATCH
from darkroom.networks import PARAMS
from darkroom.params import read_params
from darkroom.sections import AugmentationParams

ROUNDS = 5
CLASSES, SIDE, STEP = 10, 32, 64
NETWORK = "cifar_cnn"
KINDS = {
    "flip and crop": published.augmentation("cifar10", NETWORK),
    "rotation, shift and scale": read_params("params.yaml").preprocess.augmentation,
}
Seconds = Mapping[str, list[float]]


def main() -> None:
    """Measure what is asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("augmentation", "share", "stage"))
    parser.add_argument("images", type=int, nargs="?", default=10_000)
    parser.add_argument("epochs", type=int, nargs="?", default=5)
    chosen = parser.parse_args()
    description, train, validation = data(chosen.images)
    print(f"{len(train.classes):,} images of {description.source}, {ROUNDS} rounds, {os.cpu_count()} cores, ", end="")
    print(f"{machine()['processor']}, TensorFlow {tf.__version__}\n")
    if chosen.what == "augmentation":
        for name, params in KINDS.items():
            augmentation(name, params, train)
    elif chosen.what == "share":
        share(description, train)
    else:
        stage(description, (train, validation), chosen.epochs)


def data(images: int) -> tuple[Description, Split, Split]:
    """Return a description, so many images to train with, and a tenth as many to validate with."""
    if "DARKROOM_DATASETS" in os.environ:
        description, train, validation, _ = published.load("cifar10")
        return description, first(train, images), first(validation, images // 10)
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (images, SIDE, SIDE, 3), dtype=np.uint8)
    split = Split(noise, np.arange(images) % CLASSES, pd.DataFrame())
    mean, deviation = channel_statistics(noise)
    labels = tuple(map(str, range(CLASSES)))
    description = Description(
        labels,
        (SIDE, SIDE, 3),
        "bicubic",
        "stretch",
        mean,
        deviation,
        "noise",
        counts={},
        training_counts={},
        digest="",
    )
    return description, split, first(split, images // 10)


def first(split: Split, images: int) -> Split:
    """Return the first images of a split."""
    return Split(np.array(split.images[:images]), split.classes[:images], split.manifest)


def in_turns(ways: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Run each way once for nothing, then all of them in turns, each round beginning with another; return seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds[name].append(ways[name]())
    return seconds


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Return the median of the rounds' ratios, with the lowest and the highest."""
    found = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def augmentation(name: str, params: AugmentationParams, train: Split) -> None:
    """Compare three ways to vary images."""
    ways = {
        "ours": ours(params, train),
        "Keras layers in tf.data": with_layers(params, train),
        "albumentations by tf.numpy_function": with_albumentations(params, train),
    }
    seconds = in_turns(ways)
    print(f"| {name} | images a second | ours is so many times as fast |\n| --- | --- | --- |")
    for way, found in seconds.items():
        print(f"| {way} | {len(train.classes) / statistics.median(found):,.0f} | {ratio(found, seconds['ours'])} |")
    print(flush=True)


def epoch_of(dataset: tf.data.Dataset) -> Callable[[], float]:
    """Return a function that takes all batches of a data set, and returns the seconds."""

    def run() -> float:
        begun = time.perf_counter()
        for _ in dataset:
            pass
        return time.perf_counter() - begun

    return run


def ours(params: AugmentationParams, train: Split) -> Callable[[], float]:
    """Our batches, as Keras' ``fit`` takes them."""
    batches = TrainingBatches(train, CLASSES, STEP, 0, Augmenter(params))
    signature = tuple(tf.TensorSpec((None, *part.shape[1:]), part.dtype) for part in batches[0])
    drawn = tf.data.Dataset.from_generator(
        lambda: (batches[index] for index in range(len(batches))), output_signature=signature
    )
    return epoch_of(drawn.prefetch(tf.data.AUTOTUNE))


def with_layers(params: AugmentationParams, train: Split) -> Callable[[], float]:
    """Keras' preprocessing layers on whole batches."""
    layers = []
    if params.rotation:
        layers = [
            keras.layers.RandomRotation(params.rotation / 360, fill_mode="nearest"),
            keras.layers.RandomTranslation(params.shift, params.shift, fill_mode="nearest"),
            keras.layers.RandomZoom(params.scale, fill_mode="nearest"),
        ]
    if params.crop:
        by = params.crop / SIDE
        layers.append(keras.layers.RandomTranslation(by, by, fill_mode="reflect", interpolation="nearest"))
    if params.horizontal_flip:
        layers.append(keras.layers.RandomFlip("horizontal"))
    together = keras.Sequential(layers)
    rows = tf.data.Dataset.from_tensor_slices((train.images, one_hot(train.classes, CLASSES)))
    batches = rows.shuffle(len(train.classes)).batch(STEP)
    varied = batches.map(
        lambda images, targets: (together(images, training=True), targets), num_parallel_calls=tf.data.AUTOTUNE
    )
    return epoch_of(varied.prefetch(tf.data.AUTOTUNE))


def with_albumentations(params: AugmentationParams, train: Split) -> Callable[[], float]:
    """The same library that we call, as its documentation shows for TensorFlow: image by image."""
    parts: list[Any] = []
    if params.rotation:
        parts.append(
            albumentations.Affine(
                rotate=(-params.rotation, params.rotation),
                translate_percent=(-params.shift, params.shift),
                scale=(1 - params.scale, 1 + params.scale),
                border_mode=cv2.BORDER_REPLICATE,
                p=1.0,
            )
        )
    if params.crop:
        parts += [albumentations.Pad(padding=params.crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0)]
        parts += [albumentations.RandomCrop(SIDE, SIDE, p=1.0)]
    if params.horizontal_flip:
        parts.append(albumentations.HorizontalFlip(p=0.5))
    transform = albumentations.Compose(parts)
    rows = tf.data.Dataset.from_tensor_slices((train.images, one_hot(train.classes, CLASSES)))

    def vary(image: Any, target: Any) -> tuple[Any, Any]:
        varied = tf.numpy_function(lambda pixels: transform(image=pixels)["image"], [image], tf.uint8)
        return tf.ensure_shape(varied, (SIDE, SIDE, 3)), target

    varied = rows.shuffle(len(train.classes)).map(vary, num_parallel_calls=tf.data.AUTOTUNE).batch(STEP)
    return epoch_of(varied.prefetch(tf.data.AUTOTUNE))


def share(description: Description, train: Split) -> None:
    """Compare trainings with and without varied images."""
    few = first(train, STEP)

    def way(params: AugmentationParams | None) -> Callable[[], float]:
        def run() -> float:
            # The first epoch builds the graph.
            values = PARAMS[NETWORK](epochs=2, batch_size=STEP, augment=params is not None)
            trained = training.train(
                *(NETWORK, values, description, (train, few)), seed=0, augmentation=params or AugmentationParams()
            )
            return trained.history[1]["seconds"]

        return run

    seconds = in_turns({"without": way(None), **{name: way(params) for name, params in KINDS.items()}})
    print("| varied by | images a second in a training | share of without |\n| --- | --- | --- |")
    for name, found in seconds.items():
        print(f"| {name} | {len(train.classes) / statistics.median(found):,.0f} | {ratio(seconds['without'], found)} |")


def stage(description: Description, splits: tuple[Split, Split], epochs: int) -> None:
    """Compare our training with a bare ``model.fit``."""
    values = PARAMS[NETWORK](epochs=epochs, batch_size=STEP, augment=False)
    arrays = [(split.images, one_hot(split.classes, CLASSES)) for split in splits]

    def bare() -> float:
        begun = time.perf_counter()
        make_reproducible(0)
        model = training.build_model(NETWORK, values, description)
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=values.label_smoothing)
        model.compile(optimizer=training.optimizer(values), loss=loss, metrics=["accuracy"])
        model.fit(
            *arrays[0],
            batch_size=STEP,
            epochs=epochs,
            validation_data=arrays[1],
            validation_batch_size=BATCH,
            verbose=0,
        )
        return time.perf_counter() - begun

    def whole() -> float:
        begun = time.perf_counter()
        training.train(NETWORK, values, description, splits, seed=0, augmentation=AugmentationParams())
        return time.perf_counter() - begun

    seconds = in_turns({"ours": whole, "bare": bare})
    print(f"| {epochs} epochs | seconds | ratio |\n| --- | --- | --- |")
    for name, found in seconds.items():
        print(f"| {name} | {statistics.median(found):.1f} | {ratio(found, seconds['bare'])} |")


if __name__ == "__main__":
    main()
