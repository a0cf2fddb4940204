"""Images that resemble no others: the distance to their nearest neighbours among the features."""

import numpy as np

from darkroom.base.types import Floats, Integers, Numbers

NEIGHBOURS = 5
COMPARED_WITH = 5000
"""Most images that each one is compared with; of more, a sample."""
PORTION = 1000


def distances(features: Floats, seed: int = 0) -> Numbers:
    """Return how far each image is from others: the cosine distance to its fifth nearest neighbour, 0 to 2.

    A picture that is there twice is not odd for being far from the rest, but a group of six such pictures is not found.

    Args:
        features: of shape (images, dimensions).
        seed: of the sample of images that all are compared with.

    Returns:
        Of shape (images,); zeros if there are too few images to tell.
    """
    count = len(features)
    if count <= NEIGHBOURS + 1:
        return np.zeros(count)
    mean = features.mean(axis=0)
    others: Integers = np.arange(count)
    if count > COMPARED_WITH:
        others = np.sort(np.random.default_rng(seed).choice(count, COMPARED_WITH, replace=False))
    found, compared = np.empty(count), _directions(features[others], mean)
    for start in range(0, count, PORTION):
        rows = np.arange(start, min(start + PORTION, count))
        similar = _directions(features[rows], mean) @ compared.T
        similar[rows[:, None] == others] = -np.inf
        found[rows] = 1 - np.partition(similar, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
    return found


def _directions(features: Floats, mean: Floats) -> Floats:
    """Return features as unit vectors from their mean; all share it, so that every pair would have nearly one angle."""
    centred = features - mean
    found: Floats = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.float32(1e-12))
    return found


def most_odd(features: Floats, count: int, seed: int = 0) -> Integers:
    """Return the rows of the images that are least like any other, the farthest first.

    Args:
        features: of shape (images, dimensions).
        count: most rows to return; none of images that are too few to tell.
        seed: see ``distances``.
    """
    found = distances(features, seed)
    order: Integers = np.argsort(-found, kind="stable")[:count]
    return order[found[order] > 0]
