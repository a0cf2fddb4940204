"""The section ``preprocess``."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.params.augmentation import AugmentationParams
from darkroom.params.section import Section, Seed

Side = Annotated[int, Field(ge=1, le=10_000)]
"""Pixels; all images are packed at this size."""


class SplitParams(Section):
    """Share of the images in each split; they sum to 1."""

    train: Annotated[float, Field(gt=0, lt=1)] = 0.6
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    given_validation: Literal["validation", "test"] = "validation"
    """``test``: the validation images of a source without test images are the test; validation images are then taken
    from its training images."""


Interpolation = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
Aspect = Literal["stretch", "pad", "crop"]
Background = Literal["white", "black", "grey"]


class PreprocessParams(Section):
    """Image size and resizing, splits, and augmentation."""

    seed: Seed = 0
    size: tuple[Side, Side, Literal[1, 3]] = (28, 28, 1)
    """Height and width in pixels, at most 10,000, and channels: 1 for grey, 3 for colour."""
    interpolation: Interpolation = "bicubic"
    aspect: Aspect = "stretch"
    background: Background = "white"
    """Colour behind transparent pixels."""
    split: SplitParams = SplitParams()
    augmentation: AugmentationParams = AugmentationParams()
