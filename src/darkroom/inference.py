"""Predictions of a saved network for packed images."""

from pathlib import Path

import numpy as np

from darkroom.backend import keras
from darkroom.datasets import Floats, Split
from darkroom.images import Pixels

BATCH = 256


def probabilities(model: keras.Model, images: Pixels) -> Floats:
    """Predict packed images.

    Args:
        model: a network as ``training.train`` makes it, or ``load`` brings it back.
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float32 of shape (images, classes).
    """
    predicted: Floats = model.predict(np.asarray(images), batch_size=BATCH, verbose=0)
    return predicted


def load(path: str | Path) -> keras.Model:
    """Load a saved model; code inside it is refused."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def accuracy_on(model: keras.Model, split: Split, most: int) -> float:
    """Return the share of images, as they are, that a network gets right.

    Args:
        model: the network.
        split: the images.
        most: how many are counted, evenly spread, where there are more.
    """
    rows = np.unique(np.linspace(0, len(split.classes) - 1, most).astype(np.int64))
    predicted = probabilities(model, split.images[rows]).argmax(axis=1)
    return float(np.mean(predicted == split.classes[rows]))
