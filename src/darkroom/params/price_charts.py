"""The section ``data.price_charts``: how a table of daily prices becomes labelled chart images."""

import typing
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from darkroom.base.errors import InputError
from darkroom.params.section import Count, Name, Section, Seed

MovingAverage = Literal[5, 10, 20, 50, 100, 252]
CANDLE_COLUMNS = 4  # pixels per day: a body of three, so that the wick is centred, and a gap of one


class ChartClassesParams(Section):
    """Classes by forward return: ``labels[0] < thresholds[0] <= labels[1] < thresholds[1] <= …``."""

    labels: tuple[Name, ...] = ("down", "up")
    thresholds: tuple[Annotated[float, Field(gt=-1)], ...] = (0.0,)
    """Returns that separate the classes, as shares (0.01 is 1 %); one fewer than labels."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ChartClassesParams":
        if len(self.labels) != len(self.thresholds) + 1 or len(self.labels) < 2:  # noqa: PLR2004
            raise ValueError(
                f"{len(self.labels)} labels and {len(self.thresholds)} thresholds are set; set at least two labels, "
                "and one threshold fewer than labels"
            )
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("a label occurs twice; make the labels distinct")
        if sorted(set(self.thresholds)) != list(self.thresholds):
            raise ValueError("thresholds do not increase; order them from the lowest return to the highest")
        return self


class ChartSplitsParams(Section):
    """First days of the later splits. All drawn days and label days of training charts precede ``validation``."""

    validation: date
    """First day of the validation charts."""
    test: date
    """First day of the test charts."""

    @model_validator(mode="after")
    def _fits_together(self) -> "ChartSplitsParams":
        if self.validation >= self.test:
            raise ValueError(f"validation {self.validation} is not before test {self.test}; set an earlier day")
        return self


class PriceChartsParams(Section):
    """Windows, classes, splits and drawing style of price charts."""

    window: Annotated[int, Field(ge=2)] = 20
    """Trading days per chart."""
    stride: Count = 5
    """Trading days between the starts of consecutive charts."""
    horizon: Count = 5
    """Trading days from the last drawn day to the one whose close determines the class."""
    classes: ChartClassesParams = ChartClassesParams()
    splits: ChartSplitsParams
    style: Literal["candlestick", "line"] = "candlestick"
    moving_averages: tuple[MovingAverage, ...] = typing.get_args(MovingAverage)
    """Lengths in days; each is drawn once enough days have passed. Validation and test charts show all of them."""
    variants: Count = 4
    """Training images per window: one with all moving averages, the others with a random subset."""
    seed: Seed = 0
    """Seed of the random subsets."""
    maximum_gap: Count = 7
    """Largest gap between rows, in calendar days. The New York Stock Exchange's closure in September 2001 left a gap of
    7; exchanges with longer holidays, and shares whose trading is halted, need more."""

    @model_validator(mode="after")
    def _fits_together(self) -> "PriceChartsParams":
        if len(set(self.moving_averages)) < len(self.moving_averages):
            raise ValueError("moving_averages lists a length twice; list each once")
        return self


def check_chart_size(params: PriceChartsParams, size: tuple[int, int, int]) -> None:
    """Check that an image is wide enough for all days of a chart.

    Raises:
        InputError: it is too narrow.
    """
    needed = params.window * (CANDLE_COLUMNS if params.style == "candlestick" else 1)
    if size[1] < needed:
        other = ", or style line" if params.style == "candlestick" else ""
        raise InputError(
            f"preprocess.size: a width of {size[1]} is too small for a {params.style} chart of {params.window} days, "
            f"which needs {needed}; increase it, or reduce data.price_charts.window{other}"
        )
