"""Features of images by EfficientNet-Lite0 with ImageNet weights, up to its average pool."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from darkroom.base.types import Floats, Integers, Pixels
from darkroom.networks.efficientnet_lite import LITE0

DIMENSIONS = 1280
IMAGENET_CLASSES = 1000
LARGEST_SIDE = 224
"""Pixels; the weights were trained at this size, and larger images are scaled down to it."""
SMALLEST_SIDE = 128
"""Pixels; smaller images are enlarged. With 6,000 images of CIFAR-10 (32×32), logistic regression was right for .77 at
160 pixels, .75 at 128, .73 at 96 and .62 at 64; the time grows with the square."""
METHOD = "constant weights"
"""Of computing: another one rounds in another way."""
CHUNK = 512
"""Images in memory at a time, scaled."""


def side_for(size: tuple[int, int, int]) -> int:
    """Return the side in pixels to which images of a size (height, width, channels) are scaled."""
    return int(np.clip(max(size[:2]), SMALLEST_SIDE, LARGEST_SIDE))


def extract(images: Pixels, rows: Integers, side: int, on_chunk: Callable[[int], None]) -> Floats:
    """Compute the features of images.

    Args:
        images: uint8 of shape (images, height, width, channels), grey or colour; may be mapped from disk.
        rows: which of them.
        side: see ``side_for``.
        on_chunk: called after each chunk with the number of images done.

    Returns:
        float32 of shape (rows, 1280).

    Raises:
        InputError: the package with the weights is not installed.
    """
    # TensorFlow is imported only where features are computed.
    from darkroom.networks import inference

    outputs = inference.with_constant_weights(model_for(side))
    found = np.empty((len(rows), DIMENSIONS), np.float32)
    for start in range(0, len(rows), CHUNK):
        chunk = np.stack([scaled(np.asarray(images[row]), side) for row in rows[start : start + CHUNK]])
        found[start : start + len(chunk)] = outputs(chunk)
        on_chunk(start + len(chunk))
    return found


def model_for(side: int) -> Any:
    """Return the network up to its average pool; it accepts uint8 images of shape (images, side, side, 3)."""
    from darkroom.base.backend import keras

    def build(inputs: Any) -> Any:
        return keras.layers.Dense(IMAGENET_CLASSES, name="output")(LITE0.features(inputs, 0.0))

    whole = LITE0.imagenet((side, side, 3), build)
    return keras.Model(whole.input, whole.get_layer("average").output, name="imagenet")


def scaled(image: Pixels, side: int) -> Pixels:
    """Return an image, uint8 of shape (height, width, channels), in colour and of shape (side, side, 3)."""
    method = cv2.INTER_AREA if max(image.shape[:2]) > side else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8).reshape(side, side, -1)
    return np.repeat(resized, 3, axis=2) if resized.shape[2] == 1 else resized
