"""Charts of daily prices as images; see ``price_charts``."""

from dataclasses import dataclass
from pathlib import Path

from darkroom import images, price_charts
from darkroom.errors import InputError
from darkroom.params import DataParams
from darkroom.price_charts import ChartSample
from darkroom.samples import Sample
from darkroom.sections import PriceChartsParams


@dataclass(frozen=True, slots=True)
class Drawn:
    """A chart that is drawn when it is read."""

    chart: ChartSample

    def read(self) -> images.Pixels:
        """Return the chart's pixels."""
        return self.chart.pixels()


def find(path: Path, data: DataParams, size: tuple[int, int, int]) -> list[Sample]:
    """List the charts of a table of prices.

    Raises:
        InputError: the table cannot be used; see ``price_tables.read_table``.
    """
    found = price_charts.samples(path, _params(data), size)
    return [Sample(chart.name, chart.label, Drawn(chart), chart.split, chart.group) for chart in found]


def notes(path: Path, data: DataParams) -> tuple[str, ...]:
    """Say how many windows are not used, because they lie in two splits, or because a ticker has too few days."""
    unused = price_charts.left_out(path, _params(data))
    if not unused:
        return ()
    return (f"{len(unused)} windows lie in two splits, or in too few days, and are not used; {unused[0]} is the first",)


def _params(data: DataParams) -> PriceChartsParams:
    if data.price_charts is None:
        raise InputError("data.price_charts is missing; data.source price_charts needs it")
    return data.price_charts
