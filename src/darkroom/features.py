"""What a network makes of images before it decides: the values that its last layer sees."""

import numpy as np

from darkroom.backend import keras
from darkroom.datasets import Floats
from darkroom.images import Pixels
from darkroom.inference import BATCH


def features(model: keras.Model, images: Pixels) -> Floats:
    """Compute the penultimate features of packed images.

    Args:
        model: a network as ``training.train`` makes it, or ``inference.load`` brings it back.
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float32 of shape (images, features).
    """
    last_layer = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    inside = keras.Model(model.input, last_layer.input)
    found: Floats = inside.predict(np.asarray(images), batch_size=BATCH, verbose=0)
    return found
