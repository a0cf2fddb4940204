"""What a network makes of images before it decides: the values that its last layer sees."""

import numpy as np

from darkroom.backend import keras
from darkroom.datasets import Floats, Integers
from darkroom.images import Pixels
from darkroom.inference import BATCH


def features(model: keras.Model, images: Pixels) -> tuple[Floats, Integers]:
    """Compute the penultimate features of packed images, and the answers.

    Args:
        model: a network as ``training.train`` makes it, or ``inference.load`` brings it back.
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float32 of shape (images, features), and the class numbers that the network takes the images for.
    """
    last_layer = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1]
    inside = keras.Model(model.input, [last_layer.input, model.output])
    found, probabilities = inside.predict(np.asarray(images), batch_size=BATCH, verbose=0)
    return found, probabilities.argmax(axis=1)
