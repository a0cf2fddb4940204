"""Verify candidates in rounds, and connect those that show one picture to families."""

import numpy as np

from darkroom.base.types import Flags, Floats, Integers, Pixels
from darkroom.data.splitting.candidates import NO_CANDIDATES, VIEWS, Candidates, concatenated
from darkroom.data.splitting.descriptions import WHOLE
from darkroom.data.splitting.relations import connected
from darkroom.data.splitting.similarity import similarities

LEAST = 0.8
"""Minimum similarity of a pair; see docs/data.md for results."""
CLOSE = 0.83
"""Minimum similarity, allowing for smooth detail, of a pair of which one image is in a crowd, such as digits or clothes
on black. Pairs above it form families of copies."""
ALIKE, CROWD = 0.5, 6
"""An image is in a crowd if at least ``CROWD`` pictures resemble it with a similarity from ``ALIKE`` to ``LEAST``."""
SAME_PHASE = 0.99
"""Minimum phase correlation of two whole images that may show one picture even if their detail is not similar: plain
sky or blur has too little of it to tell."""
LEAST_PHASE = 0.67  # minimum phase correlation of candidates
EACH = 2  # candidates of each image per round, the most similar first


class Rounds:
    """Verified pairs of images, and the families that they connect."""

    def __init__(self, thumbnails: Pixels) -> None:
        self._thumbnails = thumbnails
        self._pairs = NO_CANDIDATES
        self._values = np.empty((0, 2), np.float32)
        self._same = np.empty(0, bool)
        self._rejected = np.zeros(len(thumbnails), np.int64)
        self.copies: Integers = np.arange(len(thumbnails))
        """Number of the family that close pairs connect to each image. Pairs inside it need no comparison."""
        self.family: Integers = np.arange(len(thumbnails))
        """Number of the family that all pairs found so far connect to each image."""
        self._crowded = np.zeros(len(thumbnails), bool)

    def verify(self, found: Candidates, heights: Floats, maps: Floats) -> None:
        """Verify candidates, the highest phase correlations first.

        Args:
            found: candidates.
            heights: their phase correlations.
            maps: the maps that align them.
        """
        low = heights < LEAST_PHASE
        self._reject(found.at(low))
        found, heights, maps = found.at(~low), heights[~low], maps[~low]
        order = np.argsort(-heights, kind="stable")
        low_row, high_row = np.minimum(found.first, found.second), np.maximum(found.first, found.second)
        key = low_row * len(self._thumbnails) + high_row
        # The best view of each pair.
        order = order[np.sort(np.unique(key[order], return_index=True)[1])]
        found, maps, heights = found.at(order), maps[order], heights[order]
        same = (heights >= SAME_PHASE) & (found.view == VIEWS.index(WHOLE))
        while len(found.first):
            now = (_rank(found.first) < EACH) | (_rank(found.second) < EACH)
            pairs = found.at(now)
            values = similarities(self._thumbnails, pairs, maps[now])
            self._pairs = concatenated([self._pairs, pairs])
            self._values = np.concatenate([self._values, values])
            self._same = np.concatenate([self._same, same[now]])
            self._connect()
            self._reject(pairs.at(values[:, 0] < LEAST))
            left = ~now & (self.copies[found.first] != self.copies[found.second])
            # The closest of a crowd have been compared; a copy would have been among them.
            left &= ~(self._crowded[found.first] & self._crowded[found.second])
            found, maps, same = found.at(left), maps[left], same[left]

    def settled(self, rejected: int) -> Flags:
        """Return which images have had many candidates rejected: candidates even less similar need no comparison."""
        return self._rejected >= rejected

    def undecided(self) -> Flags:
        """Return which images are the same as one of another family, but for detail that is too faint to compare."""
        first, second = self._pairs.first[self._same], self._pairs.second[self._same]
        apart = self.family[first] != self.family[second]
        found = np.zeros(len(self._thumbnails), bool)
        found[first[apart]] = found[second[apart]] = True
        return found

    def links(self) -> tuple[Integers, Integers, Floats]:
        """Return the pairs that show one picture, and their similarity."""
        linked = self._linked()
        return self._pairs.first[linked], self._pairs.second[linked], self._values[linked].max(axis=1)

    def _reject(self, pairs: Candidates) -> None:
        for side in (pairs.first, pairs.second):
            self._rejected += np.bincount(side, minlength=len(self._rejected))

    def _linked(self) -> Flags:
        crowded = self._crowded[self._pairs.first] | self._crowded[self._pairs.second]
        return np.asarray((self._values[:, 1] >= CLOSE) | (self._values[:, 0] >= LEAST) & ~crowded)

    def _connect(self) -> None:
        count = len(self._thumbnails)
        first, second = self._pairs.first, self._pairs.second
        close = self._values[:, 1] >= CLOSE
        self.copies = connected(count, first[close], second[close])
        alike = (self._values[:, 0] >= ALIKE) & (self._values[:, 0] < LEAST)
        alike &= self.copies[first] != self.copies[second]
        first, second = first[alike], second[alike]
        # Each image, and a family of copies that it resembles.
        both = np.concatenate([first, second]) * count + self.copies[np.concatenate([second, first])]
        self._crowded = np.bincount(np.unique(both) // count, minlength=count) >= CROWD
        linked = self._linked()
        self.family = connected(count, self._pairs.first[linked], self._pairs.second[linked])


def _rank(images: Integers) -> Integers:
    """Return how many earlier elements are equal to each."""
    order = np.argsort(images, kind="stable")
    _, begin, sizes = np.unique(images[order], return_index=True, return_counts=True)
    rank = np.empty(len(images), np.int64)
    rank[order] = np.arange(len(images)) - np.repeat(begin, sizes)
    return rank
