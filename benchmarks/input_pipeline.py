"""Cost of the input pipeline: augmentation compared with alternatives, and training with a bare ``model.fit``.

    python -m benchmarks.input_pipeline {augmentation,share,stage,precision} [IMAGES [EPOCHS]]

``augmentation``: images per second of our batches, of Keras' preprocessing layers in tf.data, and of albumentations
called per image by tf.numpy_function, with the same augmentation. ``share``: images per second of training cifar_cnn
with and without augmentation, and their ratio. ``stage``: seconds of our training of cifar_cnn, and of a bare
``model.fit`` of the same network on arrays in memory, both with validation. ``precision``: images per second of
training in float32 and in bfloat16.

Uses CIFAR-10 from DARKROOM_DATASETS, or noise if that is not set. Variants alternate for 11 rounds, or 31 if single
epochs are compared (see turns.py). Prints medians, and median and quartiles of the ratios per round, in Markdown.
Ratios of CPU time, summed over threads, are also valid on a busy machine.
"""

import argparse
import os
from functools import partial
from typing import Any

import albumentations
import cv2
import numpy as np
import pandas as pd

from benchmarks import published, turns
from benchmarks.recipes import machine
from benchmarks.turns import Cost, Way, median, now, ratios, since
from darkroom import training
from darkroom.augmentation.augmenter import Augmenter
from darkroom.base.backend import keras, make_reproducible, tf
from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.data.prepared.targets import one_hot
from darkroom.networks import PARAMS, Network
from darkroom.networks.inference import BATCH
from darkroom.params import AugmentationParams, read_params
from darkroom.training.batches import TrainingBatches

ROUNDS, EPOCHS = 11, 31
CLASSES, SIDE, STEP = 10, 32, 64
NETWORK = "cifar_cnn"
KINDS = {
    "flip and crop": published.augmentation("cifar10", NETWORK),
    "rotation, shift and scale": read_params("params.yaml").preprocess.augmentation,
}


def main() -> None:
    """Run the chosen measurement and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("augmentation", "share", "stage", "precision"))
    parser.add_argument("images", type=int, nargs="?", default=10_000)
    parser.add_argument("epochs", type=int, nargs="?", default=5)
    chosen = parser.parse_args()
    description, train, validation = data(chosen.images)
    print(f"{len(train.classes):,} images of {description.source}, {os.cpu_count()} cores, ", end="")
    print(f"{machine()['processor']}, TensorFlow {tf.__version__}\n")
    if chosen.what == "augmentation":
        for name, params in KINDS.items():
            augmentation(name, params, train)
    elif chosen.what == "share":
        share(chosen.images)
    elif chosen.what == "precision":
        precision(chosen.images)
    else:
        stage(description, (train, validation), chosen.epochs)


def data(images: int) -> tuple[Description, Split, Split]:
    """Return a description, ``images`` training images, and a tenth as many validation images."""
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


def augmentation(name: str, params: AugmentationParams, train: Split) -> None:
    """Compare three implementations of augmentation."""
    ways = {
        "ours": ours(params, train),
        "Keras layers in tf.data": with_layers(params, train),
        "albumentations by tf.numpy_function": with_albumentations(params, train),
    }
    costs = turns.runs(ways, ROUNDS)
    print(f"| {name} | images per second | time relative to ours | CPU time |\n| --- | --- | --- | --- |")
    for way, found in costs.items():
        print(f"| {way} | {len(train.classes) / median(found):,.0f} | {ratios(found, costs['ours'])} |")
    print(flush=True)


def epoch_of(dataset: tf.data.Dataset) -> Way:
    """Return a function that iterates over a data set."""

    def run() -> Cost:
        begun = now()
        for _ in dataset:
            pass
        return since(begun)

    return run


def ours(params: AugmentationParams, train: Split) -> Way:
    """Our batches, as used by Keras' ``fit``."""
    batches = TrainingBatches(train, CLASSES, STEP, 0, Augmenter(params))
    return epoch_of(batches.stream().take(len(batches)))


def with_layers(params: AugmentationParams, train: Split) -> Way:
    """Keras' preprocessing layers on batches."""
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


def with_albumentations(params: AugmentationParams, train: Split) -> Way:
    """albumentations, called per image as in its documentation for TensorFlow."""
    steps: list[Any] = []
    if params.rotation:
        steps.append(
            albumentations.Affine(
                rotate=(-params.rotation, params.rotation),
                translate_percent=(-params.shift, params.shift),
                scale=(1 - params.scale, 1 + params.scale),
                border_mode=cv2.BORDER_REPLICATE,
                p=1.0,
            )
        )
    if params.crop:
        steps += [albumentations.Pad(padding=params.crop, border_mode=cv2.BORDER_REFLECT_101, p=1.0)]
        steps += [albumentations.RandomCrop(SIDE, SIDE, p=1.0)]
    if params.horizontal_flip:
        steps.append(albumentations.HorizontalFlip(p=0.5))
    transform = albumentations.Compose(steps)
    rows = tf.data.Dataset.from_tensor_slices((train.images, one_hot(train.classes, CLASSES)))

    def vary(image: Any, target: Any) -> tuple[Any, Any]:
        varied = tf.numpy_function(lambda pixels: transform(image=pixels)["image"], [image], tf.uint8)
        return tf.ensure_shape(varied, (SIDE, SIDE, 3)), target

    varied = rows.shuffle(len(train.classes)).map(vary, num_parallel_calls=tf.data.AUTOTUNE).batch(STEP)
    return epoch_of(varied.prefetch(tf.data.AUTOTUNE))


def share(images: int) -> None:
    """Compare training with and without augmentation."""
    ways: dict[str, dict[str, Any]] = {"without": {"augment": False}}
    ways |= {name: {"augmentation": params} for name, params in KINDS.items()}
    costs = turns.epochs({name: cheap(NETWORK, values, images) for name, values in ways.items()}, EPOCHS)
    print("| augmentation | images per second | relative to without | CPU time |\n| --- | --- | --- | --- |")
    for name, found in costs.items():
        print(f"| {name} | {images / median(found):,.0f} | {ratios(costs['without'], found)} |")


def cheap(network: Network, values: dict[str, Any], images: int) -> turns.Training:
    """Return a training on ``images`` images with minimal validation."""
    return turns.Training(network, {"batch_size": STEP, **values}, partial(without_validation, images))


def without_validation(images: int) -> tuple[Description, Split, Split]:
    """Return a description, ``images`` training images, and a few of them for validation."""
    description, train, _ = data(images)
    return description, train, first(train, STEP)


def precision(images: int) -> None:
    """Compare float32 and bfloat16."""
    print("| network | images per second in float32 | in bfloat16 | float32 / bfloat16 time | CPU time |")
    print("| --- | --- | --- | --- | --- |")
    networks: tuple[Network, ...] = ("mlp", "lenet5", "mnist_cnn", "cifar_cnn", "cifar_bn_cnn")
    for network in networks:
        kinds = ("float32", "bfloat16")
        trainings = {kind: cheap(network, {"precision": kind, "augment": False}, images) for kind in kinds}
        costs = turns.epochs(trainings, EPOCHS)
        speeds = [f"{images / median(costs[kind]):,.0f}" for kind in kinds]
        print(f"| `{network}` | {' | '.join(speeds)} | {ratios(costs['float32'], costs['bfloat16'])} |", flush=True)


def stage(description: Description, splits: tuple[Split, Split], epochs: int) -> None:
    """Compare our training with a bare ``model.fit``."""
    values = PARAMS[NETWORK](epochs=epochs, batch_size=STEP, augment=False)
    arrays = [(split.images, one_hot(split.classes, CLASSES)) for split in splits]

    def bare() -> Cost:
        begun = now()
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
        return since(begun)

    def whole() -> Cost:
        begun = now()
        training.train(
            training.TrainingJob(NETWORK, values, description, *splits, seed=0, augmentation=AugmentationParams())
        )
        return since(begun)

    costs = turns.runs({"ours": whole, "bare": bare}, ROUNDS)
    print(f"| {epochs} epochs | seconds | ratio | CPU time |\n| --- | --- | --- | --- |")
    for name, found in costs.items():
        print(f"| {name} | {median(found):.1f} | {ratios(found, costs['bare'])} |")


if __name__ == "__main__":
    main()
