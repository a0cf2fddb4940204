"""Predict classes by the labels of the most similar images."""

import numpy as np

from darkroom.base.types import Floats, Integers, Numbers

NEIGHBOURS = 30
SHARPNESS = 8.0
"""How fast the weight of a neighbour falls with its similarity, a cosine."""
PRIOR = 0.05
"""Weight that each class has beforehand."""
COMPARED_WITH = 10_000
"""Most images that others are compared with, to bound the time."""
PORTION = 2048


def predict(features: Floats, classes: Integers, others: Floats, count: int) -> Numbers:
    """Return class probabilities.

    Args:
        features: of images with known classes, centred, of shape (images, dimensions).
        classes: their class numbers.
        others: features of the images to predict.
        count: number of classes.

    Returns:
        Probabilities of shape (others, classes).
    """
    rows = np.unique(np.linspace(0, len(features) - 1, COMPARED_WITH).astype(np.int64))
    known, labels = _units(features[rows]), np.eye(count)[classes[rows]]
    most = min(NEIGHBOURS, len(rows))
    found = np.empty((len(others), count))
    for start in range(0, len(others), PORTION):
        similarity = _units(others[start : start + PORTION]) @ known.T
        nearest = np.argpartition(-similarity, most - 1, axis=1)[:, :most]
        weights = np.exp(SHARPNESS * np.take_along_axis(similarity, nearest, axis=1)).astype(np.float64)
        found[start : start + len(weights)] = np.einsum("nk,nkc->nc", weights, labels[nearest])
    found += PRIOR
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _units(features: Floats) -> Floats:
    return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12), dtype=np.float32)
