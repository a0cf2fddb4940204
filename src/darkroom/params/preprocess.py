"""The section ``preprocess``."""

from typing import Annotated, Literal

from pydantic import Field

from darkroom.params.section import Count, Section, Seed


class AugmentationParams(Section):
    """Augmentation of training images. Ranges are symmetric: each value is the largest change in either direction."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Degrees."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of height and width; real amounts, with bilinear interpolation."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Relative change of size."""
    shear: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Degrees."""
    crop: Annotated[int, Field(ge=0, le=64)] = 0
    """Shift in whole pixels, without interpolation: reflection padding, then a random crop."""
    erase: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Side of a mid-grey square, as a share of height and width (*cutout*)."""
    horizontal_flip: bool = False
    vertical_flip: bool = False


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
    size: tuple[Count, Count, Literal[1, 3]] = (28, 28, 1)
    """Height and width in pixels, and channels: 1 for grey, 3 for colour."""
    interpolation: Interpolation = "bicubic"
    aspect: Aspect = "stretch"
    background: Background = "white"
    """Colour behind transparent pixels."""
    split: SplitParams = SplitParams()
    augmentation: AugmentationParams = AugmentationParams()
