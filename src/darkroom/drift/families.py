"""Find families of near-duplicates among new images, such as bursts and the frames of a video."""

import numpy as np

from darkroom.base.types import Integers, Pixels
from darkroom.data.splitting.near_duplicates import search, thumbnails
from darkroom.data.splitting.pairs import Pairs
from darkroom.data.splitting.relations import connected
from darkroom.data.splitting.rounds import LEAST

CHANCE = 0.01  # share of different known images that would be taken for near-duplicates, by each measure
SIMILARITY, HIGHEST_SIMILARITY = LEAST, 0.99  # limits of the minimum similarity of aligned detail
CORRELATION, HIGHEST_CORRELATION = 0.95, 0.999  # limits of the minimum correlation of thumbnails


def find(new: Pixels, known: Pixels, known_families: Integers, seed: int) -> Integers:
    """Return the family of each new image.

    Near-duplicates are similar in aligned detail, see ``near_duplicates``, or by the plain correlation of thumbnails,
    which needs no detail. How similar different images are depends on the data, and how many look alike on their
    number. Therefore the minimum of each measure is taken from as many known images: 1 - ``CHANCE`` of them have no
    image of another family that is more similar.

    Args:
        new: uint8 of shape (images, height, width, channels).
        known: images of the same kind whose families are known.
        known_families: family or group number of each known image.
        seed: seed of the choice of known images.
    """
    chosen = np.random.default_rng(seed).choice(len(known), min(len(known), len(new)), replace=False)
    links = []
    for measure, limits in (
        (_similar, (SIMILARITY, HIGHEST_SIMILARITY)),
        (correlated, (CORRELATION, HIGHEST_CORRELATION)),
    ):
        least = minimum_similarity(measure(known[chosen]), known_families[chosen], limits)
        pairs = measure(new)
        links.append(np.stack([pairs.first, pairs.second])[:, pairs.similarity > least])
    return connected(len(new), *np.concatenate(links, axis=1))


def minimum_similarity(pairs: Pairs, families: Integers, limits: tuple[float, float]) -> float:
    """Return the similarity that 1 - ``CHANCE`` of the images do not exceed with an image of another family.

    Args:
        pairs: pairs of the images that are more similar than the lower limit.
        families: family of each image.
        limits: lowest and highest result.
    """
    best = np.zeros(len(families))
    apart = families[pairs.first] != families[pairs.second]
    for side in (pairs.first, pairs.second):
        np.maximum.at(best, side[apart], pairs.similarity[apart])
    return float(np.clip(np.quantile(best, 1 - CHANCE, method="higher"), *limits))


def correlated(images: Pixels) -> Pairs:
    """Return the pairs whose thumbnails have a correlation above ``CORRELATION``."""
    small = thumbnails(images).reshape(len(images), -1).astype(np.float32)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + np.float32(1e-6)
    correlations = np.triu(small @ small.T, 1)
    first, second = np.nonzero(correlations > CORRELATION)
    return Pairs(first, second, correlations[first, second])


def _similar(images: Pixels) -> Pairs:
    """Return the near-duplicate pairs that connect families."""
    return search(thumbnails(images), [str(row) for row in range(len(images))]).pairs
