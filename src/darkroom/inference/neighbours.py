"""How unlike the training images an image is: how far from its nearest neighbours among a sample of them.

The distance to the k-th nearest training image (Y. Sun and others, Out-of-distribution detection with deep nearest
neighbors, ICML 2022) is divided by that distance of the neighbours themselves, since some classes are more alike than
others (M. Breunig and others, LOF: identifying density-based local outliers, SIGMOD 2000; E. Schubert and others, Local
outlier detection reconsidered, 2014). Distances are one minus the cosine of features whose roots are taken first (F.
Perronnin and others, Improving the Fisher kernel, ECCV 2010).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
NEIGHBOUR = 5
"""The k of the k-th nearest, and the number of neighbours that are compared with."""
LEAST = 0.1
"""Of the median distance within the sample: what copies in it count as at least."""
ROUNDING = 1e-6
BLOCK = 1024
"""Images whose distances are in memory at a time."""


def directions(features: npt.NDArray[Any]) -> Numbers:
    """Return the features' signed roots, divided by their length; zeros stay zeros.

    Args:
        features: of shape (images, features).

    Returns:
        float64 of the same shape.
    """
    numbers = np.asarray(features, np.float64)
    roots = np.sign(numbers) * np.sqrt(np.abs(numbers))
    length = np.linalg.norm(roots, axis=1, keepdims=True)
    found: Numbers = np.divide(roots, length, out=np.zeros_like(roots), where=length > 0)
    return found


class Neighbours:
    """A sample of training images.

    Args:
        features: of the sample, of shape (rows, features), with at least one row.
    """

    def __init__(self, features: npt.NDArray[Any]) -> None:
        self._sample = directions(features)
        self._nearest = min(NEIGHBOUR, max(1, len(self._sample) - 1))
        between = 1 - self._sample @ self._sample.T
        np.fill_diagonal(between, np.inf if len(between) > 1 else 1.0)
        own = np.partition(between, self._nearest - 1, axis=1)[:, self._nearest - 1]
        self._own = np.maximum(own, max(LEAST * float(np.median(own)), ROUNDING))

    @classmethod
    def read(cls, path: str | Path) -> "Neighbours":
        """Read the file that a model was packaged with."""
        with np.load(path, allow_pickle=False) as found:
            return cls(found["features"])

    def scores(self, features: npt.NDArray[Any]) -> Numbers:
        """Return how unlike the sample images are.

        Args:
            features: of shape (images, features).

        Returns:
            float64 of shape (images,), from 0 to 1: 0.5 for an image as far from its neighbours as these are from
            theirs, 0.67 for one that is twice as far, 0 for a copy of k of the sample.
        """
        blocks = [features[start : start + BLOCK] for start in range(0, len(features), BLOCK)]
        return np.concatenate([self._of_block(block) for block in blocks]) if blocks else np.zeros(0)

    def _of_block(self, features: npt.NDArray[Any]) -> Numbers:
        distances = 1 - directions(features) @ self._sample.T
        nearest = np.argpartition(distances, self._nearest - 1, axis=1)[:, : self._nearest]
        furthest = np.maximum(np.take_along_axis(distances, nearest, axis=1).max(axis=1), 0)
        found: Numbers = furthest / (furthest + self._own[nearest].mean(axis=1))
        return found
