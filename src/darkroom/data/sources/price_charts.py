"""The source ``price_charts``: daily prices drawn as charts, labelled by the forward return.

Splits are consecutive periods, the same for every ticker. A window is left out if its days, from the first drawn to the
one that decides its label, span two splits: charts of different splits share no day. Moving averages use earlier days,
also those of an earlier split, because the past is known when a chart is read.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from darkroom.base.errors import InputError
from darkroom.base.types import SplitName
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.sources.price_tables import PriceSeries, read_table
from darkroom.inference import charts
from darkroom.params import PriceChartsParams
from darkroom.params.price_charts import ChartSplitsParams, check_chart_size

Size = tuple[int, int, int]
Draw = Callable[[charts.Floats, dict[int, charts.Floats], charts.Style, Size], charts.Pixels]


@dataclass(frozen=True)
class Window:
    """Row numbers of a series: the days of a chart, and the day that decides its label."""

    series: PriceSeries
    start: int
    end: int
    """One past the last drawn day."""
    last: int
    """Day whose close decides the label; the last drawn day if there is no label."""

    @property
    def first_day(self) -> str:
        """First drawn day."""
        return str(self.series.days[self.start])

    @property
    def last_day(self) -> str:
        """Day that decides the label."""
        return str(self.series.days[self.last])

    @property
    def name(self) -> str:
        """Ticker, first and last drawn day."""
        return f"{self.series.ticker}/{self.first_day}-{self.series.days[self.end - 1]}"

    def forward_return(self) -> float:
        """Return the relative change of the close from the last drawn day to the one that decides the label."""
        return float(self.series.closes[self.last] / self.series.closes[self.end - 1] - 1)

    def overlays(self, averages: Sequence[int]) -> tuple[int, ...]:
        """Return the moving averages with at least one point in the chart, shortest first."""
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
    """A labelled chart, drawn on demand."""

    name: str
    """Unique: ticker, first and last drawn day, and moving averages, as
    ``AAPL/2015-03-02-2015-03-27/ma5-20`` or ``…/plain``."""
    label: str
    split: SplitName
    group: str
    """Ticker and first day of a block as long as window and horizon. Windows that start in one block overlap; they stay
    in one split."""
    first_day: str
    """First drawn day, as ``2015-03-02``."""
    last_day: str
    """Day whose close decides the label."""
    pixels: Callable[[], charts.Pixels]
    """Draws it: uint8 of shape (height, width, channels)."""


def samples(path: str | Path, params: PriceChartsParams, size: Size) -> list[ChartSample]:
    """List the charts of a table.

    A training window is listed ``variants`` times with different moving averages: all of them, then subsets chosen by
    a hash of seed and window. Windows of other splits are listed once, with all moving averages.

    Args:
        path: a CSV file, see ``price_tables.read_table``.
        params: windows, style, classes and splits.
        size: height, width and channels (1 or 3) of the charts.

    Raises:
        InputError: see ``price_tables.read_table``; also if a split has no window or the width is too small.
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
    """Return the names that ``samples`` leaves out: windows across two splits, and tickers with too few days."""
    names: list[str] = []
    for series in read_table(path, params.maximum_gap):
        found = list(windows(series, params))
        names.extend(window.name for window in found if split_of(window, params.splits) is None)
        names.extend([] if found else [series.ticker])
    return names


def newest(
    series: PriceSeries, params: PriceChartsParams, size: Size, draw: Draw = charts.draw
) -> tuple[str, charts.Pixels]:
    """Draw the last days of a series, whose label is not known yet, like the validation and test charts.

    Args:
        series: from ``price_tables.read_table``.
        params: window, style and moving averages.
        size: height, width and channels of the chart.
        draw: ``charts.draw``, or the version of it that a model was trained with.

    Returns:
        Name (ticker and days), and the chart.

    Raises:
        InputError: the series is shorter than a chart.
    """
    count = len(series.days)
    if count < params.window:
        raise InputError(f"{series.ticker}: {count} days given, but a chart needs {params.window}; provide more days")
    window = Window(series, count - params.window, count, count - 1)
    return window.name, window.pixels(window.overlays(params.moving_averages), params.style, size, draw)


def windows(series: PriceSeries, params: PriceChartsParams) -> Iterator[Window]:
    """Yield all windows of a series whose label is known, including those across two splits."""
    for start in range(0, len(series.days) - params.window - params.horizon + 1, params.stride):
        end = start + params.window
        yield Window(series, start, end, end - 1 + params.horizon)


def split_of(window: Window, splits: ChartSplitsParams) -> SplitName | None:
    """Return the split that contains a window up to the day that decides its label; None if it spans two splits."""
    first, last = (_split_of_day(day, splits) for day in (window.first_day, window.last_day))
    return first if first == last else None


def _split_of_day(day: str, splits: ChartSplitsParams) -> SplitName:
    if day < splits.validation.isoformat():
        return "train"
    return "validation" if day < splits.test.isoformat() else "test"


def label_of(forward_return: float, params: PriceChartsParams) -> str:
    """Return the label of a return; a return equal to a threshold gets the label above it."""
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
    """Choose sets of overlays: the full set, then subsets in the order of a hash.

    Args:
        overlays: all overlays.
        count: number of sets, at most all subsets.
        key: seed of the hash; the choice depends on nothing else, not even on library versions.
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
            f"{path}: no {lacking[0]} chart: the table covers {first} to {last}, data.price_charts.splits starts "
            f"validation on {params.splits.validation} and test on {params.splits.test}, and a chart needs "
            f"{params.window + params.horizon} trading days; move the splits, or provide more days"
        )
