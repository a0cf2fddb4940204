"""Find near-duplicates: the same picture recompressed, rescaled, recoloured, mirrored, turned, cropped or with a logo.

Three steps, each more exact than the last and applied to fewer pairs:

1. ``candidates``: each image, its quarter turns and its crops are described by their low frequencies, and compared with
   the descriptions of all images.
2. ``phase``: similar pairs are correlated at all small shifts.
3. ``similarity``: the remaining pairs are aligned by an affine transform, and their fine detail is correlated. It
   distinguishes copies from pictures that only look alike, such as two skies or two white backgrounds.

The third step works in rounds, the most similar pairs of each image first. Pairs inside a family, images that the pairs
found so far connect, are not compared.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from darkroom.base.types import Flags, Integers, Pixels
from darkroom.data.splitting.candidates import MOST, Search
from darkroom.data.splitting.descriptions import textured, thumbnails
from darkroom.data.splitting.pairs import Pairs
from darkroom.data.splitting.phase import Phases
from darkroom.data.splitting.rounds import Rounds

__all__ = ["Found", "search", "thumbnails"]

PASSES = 4  # searches for candidates outside the families found so far, if an image had more than ``MOST``


class Found(NamedTuple):
    """Result of a search."""

    pairs: Pairs
    """They connect each family; not all pairs inside it are listed."""
    unverified: Flags
    """Whether candidates of an image were dropped because a limit was reached, or have too little detail to tell
    whether they show the same picture; bool of shape (images,)."""


def search(thumbnails: Pixels, sha256: Sequence[str]) -> Found:
    """Find the pairs of near-duplicates; the result does not depend on the order of the images.

    Args:
        thumbnails: see ``thumbnails``.
        sha256: names of the pictures. Equal names are pairs, each with the first of them.

    Returns:
        Pairs, ``first`` < ``second``, sorted, the similarity of equal names is 1; and which images have candidates that
        could not be verified.
    """
    _, originals, copy_of = np.unique(np.asarray(sha256), return_index=True, return_inverse=True)
    copies = np.flatnonzero(originals[copy_of] != np.arange(len(thumbnails)))
    rows = originals[textured(thumbnails)[originals]]
    with threadpool_limits(1):  # matrix products are small, and in_threads runs them in parallel
        first, second, similarity, unsettled = _families(thumbnails[rows])
    pairs = np.concatenate(
        [np.stack([rows[first], rows[second]], axis=1), np.stack([originals[copy_of[copies]], copies], axis=1)]
    )
    values = np.concatenate([similarity, np.ones(len(copies), dtype=np.float32)])
    pairs.sort(axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    unverified = np.zeros(len(thumbnails), bool)
    unverified[rows[unsettled]] = True
    sides = pairs[order].astype(np.int64).T
    return Found(Pairs(sides[0], sides[1], values[order]), unverified[originals[copy_of]])


def _families(thumbnails: Pixels) -> tuple[Integers, Integers, npt.NDArray[np.float32], Integers]:
    """Return the pairs that connect families, their similarity, and the images with unverified candidates."""
    rounds = Rounds(thumbnails)
    if not len(thumbnails):
        return *rounds.links(), np.arange(0)
    whole, phases = Search(thumbnails), Phases(thumbnails)
    queries = np.arange(len(thumbnails))
    for _ in range(PASSES):
        found, more = whole.candidates(queries, rounds.family)
        rounds.verify(found, *phases.correlations(found))
        queries = np.flatnonzero(more & ~rounds.settled(MOST // 2))
        if not len(queries):
            break
    undecided = rounds.undecided()
    undecided[queries] = True
    return *rounds.links(), np.flatnonzero(undecided)
