"""What all parts of params.yaml have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: unknown keys are refused, no type is converted, nothing can be changed afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class AugmentationParams(Section):
    """How training images are varied. Ranges lie symmetrically around the unchanged image."""

    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Largest angle in degrees, either way."""
    shift: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Largest shift as a share of height and width, either way."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Largest change of size as a share, either way."""
    shear: Annotated[float, Field(ge=0, le=45)] = 0.0
    """Largest shear in degrees, either way."""
    crop: Annotated[int, Field(ge=0, le=64)] = 0
    """Largest shift in whole pixels, either way: padded by so many mirrored pixels, then cropped. Blurs nothing."""
    erase: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Side of a square that is painted over in mid-grey, as a share of height and width (*cutout*)."""
    horizontal_flip: bool = False
    vertical_flip: bool = False
