"""Price charts as pixels; ingestion, and a packaged model that brings a copy of this module along, both draw with it.

Nothing but NumPy is imported, and nothing of Darkroom. As in J. Jiang, B. Kelly and D. Xiu, (Re-)Imag(in)ing Price
Trends, The Journal of Finance 78 (2023), section I: bright on black, no axes, each chart scaled so that what is drawn
fills its height.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Style = Literal["candlestick", "line"]

# Grey value, and red, green and blue.
RISING = (255, (38, 200, 120))
FALLING = (95, (239, 60, 60))
CLOSES = (255, (255, 255, 255))
AVERAGES = {
    5: (215, (255, 225, 60)),
    10: (185, (255, 150, 30)),
    20: (155, (60, 220, 255)),
    50: (125, (90, 120, 255)),
    100: (70, (230, 90, 255)),
    252: (45, (150, 150, 150)),
}
"""The moving averages that can be drawn, by their days; each has its own colour, whichever others are drawn."""


def moving_average(closes: Floats, days: int, count: int) -> Floats:
    """Return the mean of the last ``days`` closes on each of the last ``count`` days.

    Each mean is taken over its own closes alone, so that it is the same to the last bit however far the past goes back.

    Args:
        closes: float64 of shape (all days,).
        days: over how many days.
        count: for how many days, at most all.

    Returns:
        float64 of shape (count,); NaN on days that have not so many up to them.
    """
    result = np.full(count, np.nan)
    known = min(len(closes) - days + 1, count)
    if known > 0:
        past = closes[len(closes) - known - days + 1 :]
        result[count - known :] = np.lib.stride_tricks.sliding_window_view(past, days).mean(axis=1)
    return result


def draw(prices: Floats, averages: Mapping[int, Floats], style: Style, size: tuple[int, int, int]) -> Pixels:
    """Draw one chart.

    Each day has a column of its own, its centre, and prices between those of two days are interpolated. The lowest of
    all that is drawn lies on the lowest row of pixels and the highest on the highest one.

    Args:
        prices: float64 of shape (days, 4): open, high, low, close.
        averages: moving averages to draw over them, by their days: float64 of shape (days,), NaN where there is none.
        style: ``candlestick``: a body from open to close, a wick from low to high; ``line``: the closes alone.
        size: height, width and channels, 1 (grey) or 3 (colour); at least 4 columns for a day's candlestick.

    Returns:
        uint8 of shape ``size``.
    """
    height, width, channels = size
    image = np.zeros(size, dtype=np.uint8)
    drawn = np.concatenate([prices.ravel() if style == "candlestick" else prices[:, 3], *averages.values()])
    bottom, top = np.nanmin(drawn), np.nanmax(drawn)

    def rows(values: Floats) -> Floats:
        if top == bottom:
            return np.where(np.isnan(values), np.nan, (height - 1) / 2)
        result: Floats = (top - values) / (top - bottom) * (height - 1)
        return result

    def paint(mask: Mask, colour: tuple[int, tuple[int, int, int]]) -> None:
        image[mask] = colour[0] if channels == 1 else colour[1]

    if style == "candlestick":
        rising = (prices[:, 3] >= prices[:, 0])[_day_of_column(len(prices), width)]
        candles = _candles(rows(prices), height, width)
        paint(candles & rising, RISING)
        paint(candles & ~rising, FALLING)
    for days in sorted(averages, reverse=True):
        paint(_curve(rows(averages[days]), height, width), AVERAGES[days])
    if style == "line":
        paint(_curve(rows(prices[:, 3]), height, width), CLOSES)
    return image


def _centres(days: int, width: int) -> npt.NDArray[np.int64]:
    """Return the column of each day."""
    return (2 * np.arange(days) + 1) * width // (2 * days)


def _day_of_column(days: int, width: int) -> npt.NDArray[np.int64]:
    """Return the number of the day that each column belongs to."""
    return np.arange(width) * days // width


def _between(first: Floats, last: Floats, height: int) -> Mask:
    """Mark, in each column, the rows from the nearer to the farther of two, both rounded; none where one is NaN."""
    rows = np.arange(height)[:, None]
    low, high = np.floor(np.minimum(first, last) + 0.5), np.floor(np.maximum(first, last) + 0.5)
    mask: Mask = (rows >= low) & (rows <= high)
    return mask


def _candles(rows: Floats, height: int, width: int) -> Mask:
    """Mark bodies and wicks; ``rows`` are those of open, high, low and close."""
    days, day = len(rows), _day_of_column(len(rows), width)
    # An odd number of columns, so that the wick is in the middle, and at least one is left between two days.
    half = (width // days - 2) // 2
    distance = np.abs(np.arange(width) - _centres(days, width)[day])
    opened, high, low, closed = rows[day].T
    mask: Mask = _between(high, low, height) & (distance == 0)
    mask |= _between(opened, closed, height) & (distance <= half)
    return mask


def _curve(rows: Floats, height: int, width: int) -> Mask:
    """Mark a line without holes through the rows of the days that have one, which are the last days."""
    known = ~np.isnan(rows)
    if not known.any():
        return np.zeros((height, width), dtype=np.bool_)
    centres, rows = _centres(len(rows), width)[known], rows[known]
    columns = np.arange(width)
    # From half a column before to half a column behind, where the next one begins.
    places = np.interp(columns[:, None] + (-0.5, 0.0, 0.5), centres, rows)
    inside = (columns >= centres[0]) & (columns <= centres[-1])
    mask: Mask = _between(places.min(axis=1), places.max(axis=1), height) & inside
    return mask
