"""Charts of daily prices as samples; see ``price_charts``."""

from dataclasses import dataclass
from pathlib import Path

from darkroom.base.errors import InputError
from darkroom.data.formats.samples import Sample
from darkroom.data.sources import price_charts
from darkroom.data.sources.price_charts import ChartSample
from darkroom.inference import images
from darkroom.params import DataParams, PriceChartsParams


@dataclass(frozen=True, slots=True)
class LazyChart:
    """A chart drawn on demand."""

    chart: ChartSample

    def read(self) -> images.Pixels:
        """Draw the chart."""
        return self.chart.pixels()


def find(path: Path, data: DataParams, size: tuple[int, int, int]) -> list[Sample]:
    """List the charts of a table of prices.

    Raises:
        InputError: the table cannot be used; see ``price_tables.read_table``.
    """
    found = price_charts.samples(path, _params(data), size)
    return [Sample(chart.name, chart.label, LazyChart(chart), chart.split, chart.group) for chart in found]


def notes(path: Path, data: DataParams) -> tuple[str, ...]:
    """Return a message with the number of unused windows, those across two splits and tickers with too few days."""
    unused = price_charts.left_out(path, _params(data))
    if not unused:
        return ()
    return (
        f"{len(unused)} windows are not used: they span two splits, or a ticker has too few days; first: {unused[0]}",
    )


def _params(data: DataParams) -> PriceChartsParams:
    if data.price_charts is None:
        raise InputError("data.price_charts is missing; data.source price_charts requires it")
    return data.price_charts
