"""Blocks of images that belong together: what a permutation moves as a whole."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Integers, Numbers


@dataclass(frozen=True)
class Blocks:
    """The blocks of two samples, the known images first."""

    numbers: Integers
    """Block of each image, from 0; those of the new sample come last."""
    known: int
    """Number of blocks of known images."""
    new: int
    """Number of blocks of new images."""

    @classmethod
    def of(cls, known: Integers, new: Integers) -> "Blocks":
        """Number the blocks of two samples.

        Args:
            known: family or group number of each known image.
            new: the same of the new images; equal numbers in both samples mean nothing.
        """
        blocks, of_known = np.unique(known, return_inverse=True)
        more, of_new = np.unique(new, return_inverse=True)
        return cls(np.concatenate([of_known, of_new + len(blocks)]), len(blocks), len(more))

    @cached_property
    def weights(self) -> Numbers:
        """Weight of each image, so that each block weighs 1."""
        weights: Numbers = (1 / np.bincount(self.numbers))[self.numbers]
        return weights

    @property
    def actual(self) -> npt.NDArray[np.bool_]:
        """Which blocks are new, of shape (blocks,)."""
        return np.repeat([False, True], [self.known, self.new])


def sample_rows(blocks: Integers, most: int, seed: int) -> list[int]:
    """Return sorted row numbers of at most ``most`` random images: one of each block, then a second, and so on.

    Args:
        blocks: block of each image.
        most: maximum number of images.
        seed: seed of the choice.
    """
    order = np.random.default_rng(seed).permutation(len(blocks))
    by_block = np.argsort(blocks[order], kind="stable")
    _, first, sizes = np.unique(blocks[order][by_block], return_index=True, return_counts=True)
    turns = np.empty(len(blocks), dtype=np.int64)
    turns[by_block] = np.arange(len(blocks)) - np.repeat(first, sizes)
    chosen: list[int] = np.sort(order[np.argsort(turns, kind="stable")[:most]]).tolist()
    return chosen


def singles(count: int) -> Integers:
    """Return the blocks of independent images: each image is its own."""
    return np.arange(count)
