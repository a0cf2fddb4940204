"""The section ``preprocess.augmentation``, which ``train.<network>.augmentation`` replaces as a whole."""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from darkroom.params import transforms
from darkroom.params.section import Fraction, Name, Section

Share = Annotated[float, Field(gt=0, le=1)]
Ratio = Annotated[float, Field(ge=0.1, le=10)]
Change = Annotated[float, Field(ge=0, le=1)]
Alpha = Annotated[float, Field(ge=0, le=100)]
OPERATIONS = 14
"""Operations that both policies choose from."""


class ResizedCropParams(Section):
    """A random part of the image, resized to the whole size (C. Szegedy et al., *Going deeper with convolutions*)."""

    area: tuple[Share, Share] = (0.35, 1.0)
    """Share of the image's area, uniform between the two."""
    aspect: tuple[Ratio, Ratio] = (0.75, 1.3333)
    """Width divided by height, relative to the image's own, log-uniform between the two."""

    @model_validator(mode="after")
    def _increase(self) -> Self:
        for name, (low, high) in (("area", self.area), ("aspect", self.aspect)):
            if low > high:
                raise ValueError(f"{name}: {low:g} is above {high:g}; give the smaller number first")
        return self


class PolicyParams(Section):
    """Published policies: random operations from a fixed list, see ``augmentation.policies``."""

    name: Literal["trivial_augment", "rand_augment"]
    """``trivial_augment``: one operation of any strength; ``rand_augment``: several of one strength."""
    operations: Annotated[int, Field(ge=1, le=OPERATIONS)] = 2
    """Operations for each image; for ``rand_augment``."""
    magnitude: Annotated[int, Field(ge=0, le=30)] = 9
    """Strength of the operations; for ``rand_augment``."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.name == "trivial_augment" and (given := sorted(self.model_fields_set - {"name"})):
            raise ValueError(f"{given[0]} applies to rand_augment; trivial_augment has no parameters; remove it")
        return self


class NamedTransform(Section):
    """A transform of albumentations by its name there, with its own parameters as further keys."""

    model_config = ConfigDict(extra="allow")

    name: Name
    p: Fraction | None = None
    """Probability for each image; null uses the library's default, mostly 0.5."""

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that are given."""
        return {**(self.__pydantic_extra__ or {}), **({} if self.p is None else {"p": self.p})}

    @model_validator(mode="after")
    def _can_be_created(self) -> Self:
        transforms.create(self.name, self.parameters)
        return self


class AugmentationParams(Section):
    """Augmentation of training images. All of it is off by default, and is applied in the order of these fields.

    Numbers without another explanation are the largest change in either direction, drawn uniformly.
    """

    resized_crop: ResizedCropParams | None = None
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
    horizontal_flip: bool = False
    vertical_flip: bool = False
    policy: PolicyParams | None = None
    brightness: Change = 0.0
    """Relative change of all values."""
    contrast: Change = 0.0
    """Relative change of the distances from the image's mean grey."""
    saturation: Change = 0.0
    """Relative change of the distances from each pixel's grey."""
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the colour circle."""
    grey: Fraction = 0.0
    """Probability of removing all colour."""
    blur: Annotated[float, Field(ge=0, le=20)] = 0.0
    """Largest standard deviation of a Gaussian blur, in pixels; uniform from 0."""
    jpeg: Annotated[int, Field(ge=1, le=100)] | None = None
    """Lowest quality of JPEG compression, uniform up to 100."""
    transforms: tuple[NamedTransform, ...] = ()
    """Transforms of albumentations."""
    erase: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Side of a mid-grey square, as a share of height and width (*cutout*)."""
    mixup: Alpha = 0.0
    """Alpha of MixUp: images and targets of a batch are averaged in pairs, with weights from Beta(alpha, alpha)."""
    cutmix: Alpha = 0.0
    """Alpha of CutMix: a rectangle comes from another image of the batch. With ``mixup`` too, each batch gets one of
    the two at random."""

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are mixed, so that targets are soft."""
        return bool(self.mixup or self.cutmix)
