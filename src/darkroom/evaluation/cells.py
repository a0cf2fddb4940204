"""Counts of images and hits by group and class."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Integers, Numbers


@dataclass(frozen=True)
class Cells:
    """Images and hits by group and column; a column is a class or a slice. Empty cells are left out."""

    group: Integers
    column: Integers
    images: Numbers
    hits: Numbers
    columns: int

    @classmethod
    def count(cls, hits: npt.ArrayLike, groups: Integers, column: Integers, columns: int) -> Self:
        """Count images and hits.

        Args:
            hits: 1 for each image that counts as a success, else 0.
            groups: each image's group number.
            column: each image's column number.
            columns: number of columns.
        """
        key, cell = np.unique(groups * columns + column, return_inverse=True)
        images, found = np.bincount(cell), np.bincount(cell, np.asarray(hits, dtype=np.float64))
        return cls(key // columns, key % columns, images.astype(np.float64), found.astype(np.float64), columns)

    def total(self, values: Numbers) -> Numbers:
        """Add up a value of each cell by column."""
        return np.bincount(self.column, values, self.columns).astype(np.float64)

    @property
    def groups(self) -> Integers:
        """The number of groups in each column."""
        return np.bincount(self.column, minlength=self.columns).astype(np.int64)

    @property
    def shares(self) -> Numbers:
        """The share of hits in each column; 0 in an empty one."""
        return ratio(self.total(self.hits), self.total(self.images), 0)

    @property
    def deviations(self) -> Numbers:
        """The hits of each cell beyond those expected of its images."""
        return self.hits - self.shares[self.column] * self.images

    @property
    def most_columns(self) -> int:
        """The largest number of columns that images of one group are in."""
        return int(np.bincount(self.group).max())


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike, otherwise: float) -> Numbers:
    """Divide element-wise; x / 0 is ``otherwise``."""
    above, below = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    result: Numbers = np.divide(above, below, out=np.full(above.shape, float(otherwise)), where=below > 0)
    return result
