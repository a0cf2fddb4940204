"""Find near-duplicates: the same picture recompressed, rescaled, recoloured, shifted, cropped or mirrored.

Three steps, each more exact than the last and applied to fewer pairs:

1. Each image is described by its low frequencies relative to the centroid of its edges, so that shifts change little.
   All pairs of descriptions are compared by blocked matrix products.
2. Similar pairs are compared by phase correlation (C. Kuglin, D. Hines, The phase correlation image alignment method,
   1975), which also finds mirroring and the shift.
3. The remaining pairs are aligned by an affine transform (B. Lucas, T. Kanade, An iterative image registration
   technique, 1981), and their fine detail is correlated. It distinguishes copies from pictures that only look alike,
   such as two skies or two white backgrounds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from darkroom.base.types import Flags, Integers, Pixels
from darkroom.data.splitting.candidates import (
    MAXIMUM_CANDIDATES,
    MINIMUM_PHASE_CORRELATION,
    correlated_pairs,
    phase_correlated_pairs,
)
from darkroom.data.splitting.descriptions import Descriptions, describe, thumbnails
from darkroom.data.splitting.pairs import Pairs
from darkroom.data.splitting.similarity import similarities

SIMILARITY = 0.8
"""Minimum similarity of a pair; see docs/data.md for results."""
UNIFORM_SIMILARITY = 0.99
"""Minimum similarity for uniform images, such as digits or clothes on black, where different images look alike."""
SAMPLE = 500  # random pairs that decide whether images are uniform
UNIFORM = 0.03  # minimum share of pairs with similar detail for uniform images


__all__ = ["Found", "search", "thumbnails"]


class Found(NamedTuple):
    """Result of a search."""

    pairs: Pairs
    unverified: Flags
    """Whether candidates of an image were dropped because a limit was reached, bool of shape (images,)."""


def search(thumbnails: Pixels, sha256: Sequence[str], least: float | None = None) -> Found:
    """Find the pairs of near-duplicates; the result does not depend on the order of the images.

    Args:
        thumbnails: see ``thumbnails``.
        sha256: names of the pictures. Equal names are pairs, each with the first of them.
        least: minimum similarity, 0 to 1; by default ``SIMILARITY``, or ``UNIFORM_SIMILARITY`` for uniform images.

    Returns:
        Pairs, ``first`` < ``second``, sorted, the similarity of equal names is 1; and which images have candidates that
        were not verified.
    """
    _, originals, copy_of = np.unique(np.asarray(sha256), return_index=True, return_inverse=True)
    copies = np.flatnonzero(originals[copy_of] != np.arange(len(thumbnails)))
    described = describe(thumbnails)
    rows = originals[described.textured[originals]]
    if least is None:
        least = UNIFORM_SIMILARITY if is_uniform(thumbnails, described, rows) else SIMILARITY
    correlated = correlated_pairs(described, rows)
    candidates = phase_correlated_pairs(
        described, correlated, MINIMUM_PHASE_CORRELATION, max(MAXIMUM_CANDIDATES, len(rows) // 2)
    )
    found = similarities(thumbnails, candidates)
    kept = found >= least
    pairs = np.concatenate([candidates[kept, :2], np.stack([originals[copy_of[copies]], copies], axis=1)])
    values = np.concatenate([found[kept], np.ones(len(copies), dtype=np.float32)])
    pairs.sort(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    first, second = pairs[order].astype(np.int64).T
    return Found(Pairs(first, second, values[order]), np.zeros(len(thumbnails), dtype=bool))


def is_uniform(thumbnails: Pixels, described: Descriptions, rows: Integers) -> bool:
    """Return whether images are uniform: whether random pairs have similar detail.

    Args:
        thumbnails: those of all images.
        described: their descriptions.
        rows: images to sample from.
    """
    if len(rows) < 2:  # noqa: PLR2004 - a pair
        return False
    drawn = np.random.default_rng(0).integers(0, len(rows), (SAMPLE, 2))
    pairs = rows[drawn[drawn[:, 0] != drawn[:, 1]]].astype(np.int32)
    return bool(
        (similarities(thumbnails, phase_correlated_pairs(described, pairs, -1.0, len(pairs))) > 0).mean() > UNIFORM
    )
