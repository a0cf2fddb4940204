"""Groups of dependent images, and their resampling."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Integers
from darkroom.evaluation import intervals

CONFIDENCE = intervals.CONFIDENCE


def group_numbers(names: npt.ArrayLike) -> Integers:
    """Return a group number for each image; equal names form one group."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)


def resample(groups: Integers, draws: int, seed: int) -> Iterator[Integers]:
    """Resample groups with replacement.

    Args:
        groups: each image's group number, of shape (images,).
        draws: number of resamples.
        seed: of the random generator.

    Yields:
        The multiplicity of each image in the resample, int64 of shape (images,).
    """
    generator = np.random.default_rng(seed)
    count = int(groups.max()) + 1
    for _ in range(draws):
        times = np.bincount(generator.integers(0, count, count), minlength=count)
        yield np.asarray(times[groups], dtype=np.int64)
