"""What all parts of params.yaml have in common."""

import typing
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from darkroom.errors import InputError

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


MovingAverage = Literal[5, 10, 20, 50, 100, 252]
CANDLE_COLUMNS = 4  # a body of three columns, so that its wick is in the middle, and one between two days


class ChartClassesParams(Section):
    """Which forward returns make which class: ``labels[0] < thresholds[0] <= labels[1] < thresholds[1] <= …``."""

    labels: tuple[Name, ...] = ("down", "up")
    thresholds: tuple[Annotated[float, Field(gt=-1)], ...] = (0.0,)
    """Returns, as shares (0.01 is 1 %), that part two classes; one less than there are labels."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ChartClassesParams":
        if len(self.labels) != len(self.thresholds) + 1 or len(self.labels) < 2:  # noqa: PLR2004
            raise ValueError(
                f"{len(self.labels)} labels and {len(self.thresholds)} thresholds given; give at least two labels, "
                "and a threshold between each two of them"
            )
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("a label is given twice; give each class a name of its own")
        if sorted(set(self.thresholds)) != list(self.thresholds):
            raise ValueError("thresholds do not rise; give them from the lowest return to the highest")
        return self


class ChartSplitsParams(Section):
    """Days that part the splits: all that a training chart draws and is labelled by lies before ``validation``."""

    validation: date
    """First day of the validation charts."""
    test: date
    """First day of the test charts."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ChartSplitsParams":
        if self.validation >= self.test:
            raise ValueError(f"validation {self.validation} is not before test {self.test}; give an earlier day")
        return self


class PriceChartsParams(Section):
    """How a table of daily prices becomes charts and classes."""

    window: Annotated[int, Field(ge=2)] = 20
    """Days that a chart draws."""
    stride: Count = 5
    """Days from the beginning of one chart to that of the next."""
    horizon: Count = 5
    """Days from the last one drawn to the one whose close decides the class."""
    classes: ChartClassesParams = ChartClassesParams()
    splits: ChartSplitsParams
    style: Literal["candlestick", "line"] = "candlestick"
    moving_averages: tuple[MovingAverage, ...] = typing.get_args(MovingAverage)
    """Over how many days; each is drawn where so many have passed. Charts to validate and test with show all."""
    variants: Count = 4
    """Training images of each window: one with all moving averages, the others with some or none of them."""
    seed: Seed = 0
    """Of the choice which."""
    maximum_gap: Count = 7
    """Calendar days from one row to the next at most. The closure of the New York Stock Exchange in September 2001 made
    7; exchanges with longer holidays, and shares whose trade is halted, need more."""

    @model_validator(mode="after")
    def _fits_together(self) -> "PriceChartsParams":
        if len(set(self.moving_averages)) < len(self.moving_averages):
            raise ValueError("moving_averages names one twice; name each once")
        return self


GEOMETRY = ("rotation", "shift", "scale", "shear", "crop", "horizontal_flip", "vertical_flip")
"""Augmentations that move what is in an image. ``erase`` is none of them: it hides a part, and moves none."""


def refuse_geometry(augmentation: AugmentationParams, place: str = "preprocess.augmentation") -> None:
    """Refuse for price charts what would make them say something else: a rise that is flipped is a fall.

    Raises:
        InputError: such an augmentation is on; the text begins with ``place``.
    """
    moving = [name for name in GEOMETRY if getattr(augmentation, name)]
    if moving:
        raise InputError(
            f"{place}: {', '.join(moving)} given, which would change what a price chart says; leave it out: charts are "
            "varied by data.price_charts.variants"
        )


def check_chart_size(params: PriceChartsParams, size: tuple[int, int, int]) -> None:
    """Check that each day finds its place in the width of an image.

    Raises:
        InputError: it does not.
    """
    needed = params.window * (CANDLE_COLUMNS if params.style == "candlestick" else 1)
    if size[1] < needed:
        other = ", or style line" if params.style == "candlestick" else ""
        raise InputError(
            f"preprocess.size: a width of {size[1]} is too small for a {params.style} chart of {params.window} days, "
            f"which needs {needed}; enlarge it, or choose a smaller data.price_charts.window{other}"
        )
