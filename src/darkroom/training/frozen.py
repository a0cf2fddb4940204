"""Frozen layers, and the tensor at which training begins."""

import math
from dataclasses import replace
from typing import Any

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.data.prepared.datasets import Split
from darkroom.training.features import Features
from darkroom.training.job import TrainingJob

FEATURE_MEMORY = 2 * 2**30
"""Maximum bytes of cached features of all images (float32)."""


def freeze(model: keras.Model, trainable: str, *, keep_statistics: bool = False) -> None:
    """Freeze all but the last layers of a network.

    Frozen layers work as in inference: batch norm keeps its statistics, dropout is off.

    Args:
        model: a network without auxiliary classifiers.
        trainable: ``all``, ``head`` or ``last N``, counting layers that have weights.
        keep_statistics: whether batch norm is frozen everywhere; see ``FineTuningParams``.

    Raises:
        InputError: the network has fewer layers with weights.
    """
    if keep_statistics:
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    if trainable == "all":
        return
    weighted = [layer for layer in model.layers if layer.weights]
    count = 1 if trainable == "head" else int(trainable.removeprefix("last "))
    if count > len(weighted):
        raise InputError(
            f"train.{model.name}.trainable: {trainable} given, but {model.name} has only "
            f"{len(weighted)} layers with weights"
        )
    kept = weighted[:-count]
    for layer in kept:
        layer.trainable = False
    for layer in model.layers[: model.layers.index(kept[-1])] if kept else []:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0


def cut(model: keras.Model) -> Any:
    """Return the tensor at which training begins: before all trained or random layers, bypassed by no connection.

    Nothing before it changes during training, so that an image's features there are computed only once. Of the tensors
    after the last layer with weights, it is the smallest one and, among equals, the first: the features then serve
    networks whose layers without weights differ.

    Returns:
        A Keras tensor; the model's input if no layer with weights is frozen.
    """
    made_by = {
        id(tensor): number for number, layer in enumerate(model.layers) for tensor in keras.tree.flatten(layer.output)
    }
    sources = [
        [made_by[id(tensor)] for tensor in keras.tree.flatten(layer.input) if id(tensor) in made_by]
        for layer in model.layers
    ]
    first_weighted = next(number for number, layer in enumerate(model.layers) if layer.weights)
    first_changing = next(number for number, layer in enumerate(model.layers) if _changes(layer))
    possible = [
        number
        for number in range(first_weighted, first_changing)
        if all(source >= number for later in sources[number + 1 :] for source in later)
    ]
    if not possible:
        return model.input
    last_weighted = max(number for number in range(first_changing) if model.layers[number].weights)
    cheap = [number for number in possible if number >= last_weighted] or possible[-1:]
    return model.layers[min(cheap, key=lambda number: math.prod(model.layers[number].output.shape[1:]))].output


def _changes(layer: keras.layers.Layer) -> bool:
    """Return whether a layer's output for the same image changes during training."""
    return bool(layer.trainable_weights) or (isinstance(layer, keras.layers.Dropout) and layer.rate > 0)


def before_training(built: keras.Model, job: TrainingJob, features: Features | None) -> tuple[Any, Split, Split]:
    """Compute the features of frozen layers once, unless images are augmented.

    Args:
        built: the network.
        job: what to train.
        features: cache between trainings on the same images, or features from the stage of that name.

    Returns:
        The tensor at which training begins, and the training and validation data there.
    """
    data = job.training, job.validation
    start = built.input if job.values.augment else worth_keeping(built, sum(len(split.classes) for split in data))
    if start is built.input:
        return start, *data
    # float32 features in place of pixels; TrainingBatches accepts both.
    part = keras.Model(built.input, start, name="part")
    images = [split.images for split in data]
    found: tuple[Any, ...] = (features or Features()).of(part, job.description, images)
    training, validation = (replace(split, images=of) for split, of in zip(data, found, strict=True))
    return start, training, validation


def after_frozen(model: keras.Model, job: TrainingJob, features: Features) -> tuple[Any, Split]:
    """Return the tensor after a trained network's frozen layers, and their features of the training images.

    Args:
        model: the network, from ``training.train``.
        job: the training.
        features: those that the training had.

    Returns:
        The network's input and the images themselves if no features are there.
    """
    at = cut(model)
    if at is not model.input:
        images = [job.training.images, job.validation.images]
        known: Any = features.known(keras.Model(model.input, at, name="part"), job.description, images)
        if known is not None:
            return at, replace(job.training, images=known[0])
    return model.input, job.training


def worth_keeping(model: keras.Model, images: int) -> Any:
    """Return the tensor after the frozen layers; the input if the features would need too much memory."""
    at = cut(model)
    return at if images * math.prod(at.shape[1:]) * 4 <= FEATURE_MEMORY else model.input
