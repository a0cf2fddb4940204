"""Find families of near-duplicates among new images, such as bursts and the frames of a video."""

import numpy as np

from darkroom.base.types import Integers, Pixels
from darkroom.data.splitting.assign import connected
from darkroom.data.splitting.near_duplicates import SIMILARITY, UNIFORM_SIMILARITY, search, thumbnails
from darkroom.data.splitting.pairs import Pairs

CHANCE = 0.01  # share of different known images that would be taken for near-duplicates


def find(new: Pixels, known: Pixels, known_families: Integers, seed: int) -> Integers:
    """Return the family of each new image.

    How similar different images are depends on the data, and how many look alike on their number. Therefore the minimum
    similarity is taken from as many known images: 1 - ``CHANCE`` of them have no image of another family that is more
    similar.

    Args:
        new: uint8 of shape (images, height, width, channels).
        known: images of the same kind whose families are known.
        known_families: family or group number of each known image.
        seed: seed of the choice of known images.
    """
    chosen = np.random.default_rng(seed).choice(len(known), min(len(known), len(new)), replace=False)
    least = minimum_similarity(_similar(known[chosen]), known_families[chosen])
    pairs = _similar(new)
    near = pairs.similarity > least
    return connected(len(new), pairs.first[near], pairs.second[near])


def minimum_similarity(pairs: Pairs, families: Integers) -> float:
    """Return the similarity that 1 - ``CHANCE`` of the images do not exceed with an image of another family.

    Args:
        pairs: pairs of the images with a similarity of at least ``SIMILARITY``.
        families: family of each image.

    Returns:
        ``SIMILARITY`` to ``UNIFORM_SIMILARITY``.
    """
    best = np.zeros(len(families))
    apart = families[pairs.first] != families[pairs.second]
    for side in (pairs.first, pairs.second):
        np.maximum.at(best, side[apart], pairs.similarity[apart])
    return float(np.clip(np.quantile(best, 1 - CHANCE, method="higher"), SIMILARITY, UNIFORM_SIMILARITY))


def _similar(images: Pixels) -> Pairs:
    """Return the pairs with a similarity of at least ``SIMILARITY``."""
    return search(thumbnails(images), [str(row) for row in range(len(images))], SIMILARITY).pairs
