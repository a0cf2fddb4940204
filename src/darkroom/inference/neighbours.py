"""How unlike the training images an image is: its distance to the k-th nearest of a sample of them.

Y. Sun and others, Out-of-distribution detection with deep nearest neighbors, ICML 2022, with features whose roots are
taken before they are brought to length 1 (F. Perronnin and others, Improving the Fisher kernel, ECCV 2010).
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
NEIGHBOUR = 5
"""The k of the k-th nearest."""


def directions(features: npt.NDArray[Any]) -> Floats:
    """Return the features' signed roots, divided by their length; zeros stay zeros.

    Args:
        features: of shape (images, features).

    Returns:
        float32 of the same shape.
    """
    numbers = np.asarray(features, np.float32)
    roots = np.sign(numbers) * np.sqrt(np.abs(numbers))
    length = np.linalg.norm(roots, axis=1, keepdims=True)
    found: Floats = np.divide(roots, length, out=np.zeros_like(roots), where=length > 0)
    return found


class Neighbours:
    """A sample of training images.

    Args:
        features: of the sample, of shape (rows, features), with at least one row.
    """

    def __init__(self, features: npt.NDArray[Any]) -> None:
        self._sample = directions(features)
        self._nearest = min(NEIGHBOUR, len(self._sample))

    @classmethod
    def read(cls, path: str | Path) -> "Neighbours":
        """Read the file that a model was packaged with."""
        with np.load(path, allow_pickle=False) as found:
            return cls(found["features"])

    def distances(self, features: npt.NDArray[Any]) -> Floats:
        """Return one minus the cosine of the angle to the k-th nearest row of the sample.

        Args:
            features: of shape (images, features).

        Returns:
            float32 of shape (images,): 0 for an image that equals k of the sample, 1 for one that has nothing in common
            with more than k - 1 of them, 2 at most.
        """
        likeness = directions(features) @ self._sample.T
        rows = likeness.shape[1]
        found: Floats = 1 - np.partition(likeness, rows - self._nearest, axis=1)[:, rows - self._nearest]
        return found
