"""The source ``price_charts``: a table of daily prices, drawn as charts that are classified by the return after them.

The splits lie one after the other in time, the same days for every ticker. A window whose drawn days, or whose days up
to the one that decides its class, lie in two splits is left out, so that no chart shares a day with one of another
split. Moving averages look back as far as they are long, over such a border too: the past is known to who looks at a
chart.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from darkroom import charts
from darkroom.errors import InputError
from darkroom.price_tables import PriceSeries, read_table
from darkroom.samples import SPLITS, SplitName
from darkroom.sections import ChartSplitsParams, PriceChartsParams, check_chart_size

Size = tuple[int, int, int]
Draw = Callable[[charts.Floats, dict[int, charts.Floats], charts.Style, Size], charts.Pixels]


@dataclass(frozen=True)
class Window:
    """The days of a chart, and the day that decides its class, as row numbers of a series."""

    series: PriceSeries
    start: int
    end: int
    """Behind the last day that is drawn."""
    last: int
    """The day whose close decides; of a window that is only drawn its last day."""

    @property
    def first_day(self) -> str:
        """The first day that is drawn."""
        return str(self.series.days[self.start])

    @property
    def last_day(self) -> str:
        """The day that decides."""
        return str(self.series.days[self.last])

    @property
    def name(self) -> str:
        """Ticker, first and last day that is drawn."""
        return f"{self.series.ticker}/{self.first_day}-{self.series.days[self.end - 1]}"

    def forward_return(self) -> float:
        """Return what the close gains from the last day that is drawn to the one that decides, as a share."""
        return float(self.series.closes[self.last] / self.series.closes[self.end - 1] - 1)

    def overlays(self, averages: Sequence[int]) -> tuple[int, ...]:
        """Return the moving averages that have at least one point in the chart, shortest first."""
        return tuple(days for days in sorted(averages) if days <= self.end)

    def pixels(
        self, overlays: Sequence[int], style: charts.Style, size: Size, draw: Draw = charts.draw
    ) -> charts.Pixels:
        """Draw the chart: uint8 of shape ``size``."""
        count = self.end - self.start
        past = self.series.closes[: self.end]
        averages = {days: charts.moving_average(past, days, count) for days in overlays}
        return draw(self.series.prices[self.start : self.end], averages, style, size)


@dataclass(frozen=True)
class ChartSample:
    """One labelled chart, which is drawn when it is asked for."""

    name: str
    """Unique: ticker, first and last day that is drawn, and the moving averages, as
    ``AAPL/2015-03-02-2015-03-27/ma5-20`` or ``…/plain``."""
    label: str
    split: SplitName
    group: str
    """Ticker and first day of a block as long as a window with its horizon. Windows that begin in the same block
    overlap; a group is never in two splits."""
    first_day: str
    """First day that is drawn, as ``2015-03-02``."""
    last_day: str
    """Day whose close decides the label."""
    pixels: Callable[[], charts.Pixels]
    """Draws it: uint8 of shape (height, width, channels)."""


def samples(path: str | Path, params: PriceChartsParams, size: Size) -> list[ChartSample]:
    """List the charts of a table.

    A training window comes ``variants`` times, each time with other moving averages (all of them, and then those that
    a hash of the seed and the window puts first); a window of another split comes once, with all of them.

    Args:
        path: a CSV file, see ``price_tables.read_table``.
        params: what is drawn, and what decides the classes.
        size: height, width and channels (1 or 3) of the charts.

    Raises:
        InputError: see ``price_tables.read_table``; a split has no window, or the width is too small.
    """
    check_chart_size(params, size)
    found: list[ChartSample] = []
    table = read_table(path, params.maximum_gap)
    for series in table:
        first: dict[SplitName, int] = {}
        for window in windows(series, params):
            split = split_of(window, params.splits)
            if split is None:
                continue
            block = first.setdefault(split, window.start)
            block += (window.start - block) // (params.window + params.horizon) * (params.window + params.horizon)
            found.extend(_variants(window, split, f"{series.ticker}/{series.days[block]}", params, size))
    _check_splits({sample.split for sample in found}, table, params, path)
    return found


def left_out(path: str | Path, params: PriceChartsParams) -> list[str]:
    """Name what ``samples`` leaves out: windows that lie in two splits, and tickers with too few days for any."""
    names: list[str] = []
    for series in read_table(path, params.maximum_gap):
        found = list(windows(series, params))
        names.extend(window.name for window in found if split_of(window, params.splits) is None)
        names.extend([] if found else [series.ticker])
    return names


def newest(
    series: PriceSeries, params: PriceChartsParams, size: Size, draw: Draw = charts.draw
) -> tuple[str, charts.Pixels]:
    """Draw the last days of a series, whose class nobody knows yet, as the charts to validate and test with are.

    Args:
        series: one of ``price_tables.read_table``.
        params: what is drawn.
        size: height, width and channels of the chart.
        draw: ``charts.draw``, or that of the version that a model was trained with.

    Returns:
        A name, ticker and days, and the chart.

    Raises:
        InputError: the series is shorter than a chart.
    """
    count = len(series.days)
    if count < params.window:
        raise InputError(f"{series.ticker}: {count} days given, and a chart draws {params.window}; give more days")
    window = Window(series, count - params.window, count, count - 1)
    return window.name, window.pixels(window.overlays(params.moving_averages), params.style, size, draw)


def windows(series: PriceSeries, params: PriceChartsParams) -> Iterator[Window]:
    """Yield all windows of a series that are followed by the day that decides, those between two splits too."""
    for start in range(0, len(series.days) - params.window - params.horizon + 1, params.stride):
        end = start + params.window
        yield Window(series, start, end, end - 1 + params.horizon)


def split_of(window: Window, splits: ChartSplitsParams) -> SplitName | None:
    """Return the split that holds all days of a window, the one that decides included; None if none does."""
    first, last = (_split_of_day(day, splits) for day in (window.first_day, window.last_day))
    return first if first == last else None


def _split_of_day(day: str, splits: ChartSplitsParams) -> SplitName:
    if day < splits.validation.isoformat():
        return "train"
    return "validation" if day < splits.test.isoformat() else "test"


def label_of(forward_return: float, params: PriceChartsParams) -> str:
    """Return the class of a return; one that is just a threshold belongs to the class above it."""
    thresholds = params.classes.thresholds
    return params.classes.labels[int(np.searchsorted(thresholds, forward_return, side="right"))]


def _variants(
    window: Window, split: SplitName, group: str, params: PriceChartsParams, size: Size
) -> Iterator[ChartSample]:
    overlays = window.overlays(params.moving_averages)
    chosen = overlay_sets(overlays, params.variants, f"{params.seed}:{window.name}") if split == "train" else [overlays]
    for some in chosen:
        yield ChartSample(
            name=f"{window.name}/{'ma' + '-'.join(map(str, some)) if some else 'plain'}",
            label=label_of(window.forward_return(), params),
            split=split,
            group=group,
            first_day=window.first_day,
            last_day=window.last_day,
            pixels=partial(window.pixels, some, params.style, size),
        )


def overlay_sets(overlays: Sequence[int], count: int, key: str) -> list[tuple[int, ...]]:
    """Choose sets of overlays: all of them first, then those that a hash of a key puts first.

    Args:
        overlays: what there is to choose from.
        count: how many sets; fewer if there are fewer.
        key: the same key makes the same choice, with any version of any library.
    """
    subsets = [
        tuple(overlay for place, overlay in enumerate(overlays) if number >> place & 1)
        for number in range(2 ** len(overlays) - 1)
    ]
    if count > 1:
        subsets.sort(key=lambda subset: hashlib.sha256(f"{key}:{subset}".encode()).digest())
    return [tuple(overlays), *subsets[: count - 1]]


def _check_splits(
    found: set[SplitName], table: Sequence[PriceSeries], params: PriceChartsParams, path: str | Path
) -> None:
    lacking = [split for split in SPLITS if split not in found]
    if lacking:
        first, last = min(series.days[0] for series in table), max(series.days[-1] for series in table)
        raise InputError(
            f"{path}: no {lacking[0]} chart: the table goes from {first} to {last}, data.price_charts.splits begins "
            f"validation on {params.splits.validation} and test on {params.splits.test}, and a chart takes "
            f"{params.window + params.horizon} trading days; move the splits, or give more days"
        )
