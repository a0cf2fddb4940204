"""Types that several packages share."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Texts = npt.NDArray[np.object_]
SplitName = Literal["train", "validation", "test"]
HASH_DIGITS = 16  # hex digits kept of a SHA-256's 64; enough for any number of images
