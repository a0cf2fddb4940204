"""Groups of dependent images."""

import numpy as np
import numpy.typing as npt

from darkroom.base.types import Integers


def group_numbers(names: npt.ArrayLike) -> Integers:
    """Return a group number for each image; equal names form one group."""
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)
