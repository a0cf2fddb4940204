"""The prepared data: the images of a split, and the description that all splits share."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from darkroom.base.failures import first_line
from darkroom.base.files import other_form, read_mapping, write_json
from darkroom.base.types import Integers, Pixels


@dataclass(frozen=True)
class Description:
    """Properties that all splits share, and that the packaged model needs."""

    labels: tuple[str, ...]
    """Class names; a label's index is its class number everywhere."""
    size: tuple[int, int, int]
    """Height, width, channels."""
    interpolation: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
    aspect: Literal["stretch", "pad", "crop"]
    mean: tuple[float, ...]
    """Mean of the training images per channel, 0 to 255."""
    deviation: tuple[float, ...]
    """Standard deviation of the training images per channel."""
    source: str
    """``data.source`` of params.yaml."""
    counts: dict[str, int]
    """Number of images per split."""
    training_counts: dict[str, int]
    """Number of training images per class."""
    digest: str
    """Digest of images, labels and splits."""
    background: Literal["white", "black", "grey"] = "white"
    """Background colour of transparent areas."""
    quarantined: int = 0
    """Number of quarantined images."""
    price_charts: dict[str, Any] | None = None
    """``data.price_charts`` of params.yaml; None if the images are not charts."""
    images: str = ""
    """Digest of the training and validation images, in their order; other labels or test images do not change it."""

    @property
    def preparation(self) -> str:
        """Digest of what turns a picture into prepared pixels."""
        known = [self.size, self.interpolation, self.aspect, self.background, self.price_charts]
        return hashlib.sha256(repr(known).encode()).hexdigest()

    def write(self, path: str | Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: str | Path) -> "Description":
        """Read from JSON.

        Raises:
            InputError: the file is damaged, or lacks a key.
        """
        values = read_mapping(path)
        try:
            return cls(**{**values, **{key: tuple(values[key]) for key in ("labels", "size", "mean", "deviation")}})
        except (KeyError, TypeError) as error:
            raise other_form(str(path), f"{type(error).__name__}: {first_line(error)}") from None


@dataclass(frozen=True)
class Split:
    """The images of one split."""

    images: Pixels
    """uint8 of shape (images, height, width, channels), mapped from disk."""
    classes: Integers
    """Class numbers."""
    manifest: pd.DataFrame
    """Manifest rows of the images, in the same order."""
