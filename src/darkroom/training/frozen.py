"""Frozen layers, and their features of the images, computed once."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from darkroom.base.backend import keras
from darkroom.base.errors import InputError
from darkroom.base.types import Floats, Pixels
from darkroom.data.prepared.datasets import Split
from darkroom.networks import inference
from darkroom.training.job import TrainingJob

FEATURE_MEMORY = 2 * 2**30
"""Maximum bytes of cached features of all images (float32)."""


def freeze(model: keras.Model, trainable: str) -> None:
    """Freeze all but the last layers of a network.

    Frozen layers work as in inference: batch norm keeps its statistics, dropout is off.

    Args:
        model: a network without auxiliary classifiers.
        trainable: ``all``, ``head`` or ``last N``, counting layers that have weights.

    Raises:
        InputError: the network has fewer layers with weights.
    """
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
    """Return the last tensor that precedes all trained or random layers and that no connection bypasses.

    Nothing before it changes during training, so that an image's features there are computed only once.

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
    for number in reversed(range(first_weighted, first_changing)):
        if all(source >= number for later in sources[number + 1 :] for source in later):
            return model.layers[number].output
    return model.input


def _changes(layer: keras.layers.Layer) -> bool:
    """Return whether a layer's output for the same image changes during training."""
    return bool(layer.trainable_weights) or (isinstance(layer, keras.layers.Dropout) and layer.rate > 0)


class Features:
    """Cache of the features that frozen layers compute from images."""

    def __init__(self) -> None:
        self._of = ""
        self._kept: tuple[Floats, ...] = ()

    def before(self, model: keras.Model, at: Any, images: Sequence[Pixels]) -> tuple[Floats, ...]:
        """Compute the features of images at a tensor of a network, in inference mode, or return the cached ones.

        Args:
            model: the network.
            at: one of its tensors.
            images: uint8 arrays of shape (images, height, width, channels), the same at each call.

        Returns:
            float32 arrays of shape (images, …).
        """
        part = keras.Model(model.input, at, name="part")
        digest = hashlib.sha256(part.to_json().encode())
        for weight in part.get_weights():
            digest.update(weight.tobytes())
        if self._of != digest.hexdigest():
            # Free the old ones first, so that memory never holds both.
            self._kept = ()
            self._kept = tuple(inference.probabilities(part, each) for each in images)
            self._of = digest.hexdigest()
        return self._kept


def before_training(built: keras.Model, job: TrainingJob, features: Features | None) -> tuple[Any, Split, Split]:
    """Compute the features of frozen layers once, unless images are augmented.

    Args:
        built: the network.
        job: what to train.
        features: cache between trainings on the same images.

    Returns:
        The tensor at which training begins, and the training and validation data there.
    """
    data = job.training, job.validation
    start = built.input if job.values.augment else _worth_keeping(built, sum(len(split.classes) for split in data))
    if start is built.input:
        return start, *data
    # float32 features in place of pixels; TrainingBatches accepts both.
    found: tuple[Any, ...] = (features or Features()).before(built, start, [split.images for split in data])
    training, validation = (replace(split, images=of) for split, of in zip(data, found, strict=True))
    return start, training, validation


def _worth_keeping(model: keras.Model, images: int) -> Any:
    """Return the tensor after the frozen layers; the input if the features would need too much memory."""
    at = cut(model)
    return at if images * math.prod(at.shape[1:]) * 4 <= FEATURE_MEMORY else model.input
