"""Features of small grey images: their pixels, compressed by principal components."""

from collections.abc import Iterable

import cv2
import numpy as np
from threadpoolctl import threadpool_limits

from darkroom.base.types import Floats, Pixels

SIDE = 16
"""Pixels; larger images are scaled down to it."""
DIMENSIONS = 64
FITTED_ON = 5000
"""Most images that the components are computed from."""


def extract(images: Iterable[Pixels], training: int) -> Floats:
    """Compute the features of images.

    Args:
        images: uint8 of shape (height, width, channels) each.
        training: number of images at the beginning that are training images; the components come from them.

    Returns:
        float32 of shape (images, at most 64), centred.
    """
    from sklearn.decomposition import PCA

    flat = np.stack([_scaled(np.asarray(image)).ravel() for image in images]).astype(np.float32) / 255
    fitted = flat[np.unique(np.linspace(0, training - 1, FITTED_ON).astype(np.int64))]
    # One thread: the same numbers on every machine with the same libraries.
    with threadpool_limits(1):
        components = PCA(min(DIMENSIONS, *fitted.shape), svd_solver="full").fit(fitted)
        found: Floats = components.transform(flat).astype(np.float32)
    return found


def _scaled(image: Pixels) -> Pixels:
    height, width = (min(length, SIDE) for length in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
