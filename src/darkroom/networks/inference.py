"""Load a saved network and compute its predictions for prepared images."""

from pathlib import Path

import numpy as np

from darkroom.base.backend import keras
from darkroom.base.types import Floats, Pixels
from darkroom.data.prepared.datasets import Split

BATCH = 256


def probabilities(model: keras.Model, images: Pixels) -> Floats:
    """Predict class probabilities.

    Args:
        model: a network from ``training.train`` or ``load``.
        images: uint8 of shape (images, height, width, channels).

    Returns:
        float32 of shape (images, classes).
    """
    predicted: Floats = model.predict(np.asarray(images), batch_size=BATCH, verbose=0)
    return predicted


def load(path: str | Path) -> keras.Model:
    """Load a saved model in Keras's safe mode, which rejects embedded code."""
    return keras.saving.load_model(path, compile=False, safe_mode=True)


def accuracy_on(model: keras.Model, split: Split, most: int) -> float:
    """Return a network's accuracy on a split, without augmentation.

    Args:
        model: the network.
        split: the images and labels.
        most: largest number of images to use, evenly spaced over the split.
    """
    rows = np.unique(np.linspace(0, len(split.classes) - 1, most).astype(np.int64))
    predicted = probabilities(model, split.images[rows]).argmax(axis=1)
    return float(np.mean(predicted == split.classes[rows]))
