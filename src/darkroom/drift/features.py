"""Embeddings of images: the input of a network's last layer."""

import numpy as np

from darkroom.base.backend import keras
from darkroom.base.types import Floats, Integers, Pixels
from darkroom.networks.inference import batch_for


def extract_features(model: keras.Model, images: Pixels) -> tuple[Floats, Integers]:
    """Compute penultimate features and predictions of packed images; see ``features_and_probabilities``.

    Returns:
        Features, float32 of shape (images, features); predicted class numbers, int64 of shape (images,).
    """
    found, probabilities = features_and_probabilities(model, images)
    return found, probabilities.argmax(axis=1)


def features_and_probabilities(model: keras.Model, images: Pixels) -> tuple[Floats, Floats]:
    """Compute penultimate features and class probabilities of packed images.

    Args:
        model: network from ``training.train`` or ``inference.load``.
        images: uint8 of shape (images, height, width, channels).

    Returns:
        Features, float32 of shape (images, features); probabilities, float32 of shape (images, classes).
    """
    last_layer = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    inside = keras.Model(model.input, [last_layer.input, model.output])
    found, probabilities = inside.predict(np.asarray(images), batch_size=batch_for(images), verbose=0)
    return found, probabilities
