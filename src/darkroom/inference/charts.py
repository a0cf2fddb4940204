"""Draw price charts as pixels, for ingestion and for packaged models, which contain a copy of this module.

Imports only NumPy. Charts follow J. Jiang, B. Kelly and D. Xiu, (Re-)Imag(in)ing Price Trends, The Journal of Finance
78 (2023), section I: bright on black, no axes, each chart scaled to the full height.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Style = Literal["candlestick", "line"]
# Grey value; red, green, blue.
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
"""Colours of moving averages, by number of days; independent of which others are drawn."""


def moving_average(closes: Floats, days: int, count: int) -> Floats:
    """Return the mean of the last ``days`` closes on each of the last ``count`` days.

    Each mean is computed from its own closes alone, so that it does not depend on earlier days, to the last bit.

    Args:
        closes: float64 of shape (all days,).
        days: length of the window.
        count: number of days, at most all.

    Returns:
        float64 of shape (count,); NaN on days with fewer than ``days`` closes up to them.
    """
    result = np.full(count, np.nan)
    known = min(len(closes) - days + 1, count)
    if known > 0:
        past = closes[len(closes) - known - days + 1 :]
        result[count - known :] = np.lib.stride_tricks.sliding_window_view(past, days).mean(axis=1)
    return result


def draw(prices: Floats, averages: Mapping[int, Floats], style: Style, size: tuple[int, int, int]) -> Pixels:
    """Draw one chart.

    Each day is centred on a column of its own; lines between days are interpolated. The lowest drawn value lies on the
    bottom row of pixels and the highest on the top row.

    Args:
        prices: float64 of shape (days, 4): open, high, low, close.
        averages: moving averages by number of days, float64 of shape (days,), NaN if undefined.
        style: ``candlestick``: body from open to close, wick from low to high; ``line``: closes only.
        size: height, width and channels, 1 (grey) or 3 (colour); candlesticks need at least 4 columns per day.

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
    """Return the centre column of each day."""
    return (2 * np.arange(days) + 1) * width // (2 * days)


def _day_of_column(days: int, width: int) -> npt.NDArray[np.int64]:
    """Return the day of each column."""
    return np.arange(width) * days // width


def _between(first: Floats, last: Floats, height: int) -> Mask:
    """Mark in each column the rows between two rounded values, inclusive; none if one is NaN."""
    rows = np.arange(height)[:, None]
    low, high = np.floor(np.minimum(first, last) + 0.5), np.floor(np.maximum(first, last) + 0.5)
    mask: Mask = (rows >= low) & (rows <= high)
    return mask


def _candles(rows: Floats, height: int, width: int) -> Mask:
    """Mark bodies and wicks; ``rows`` has shape (days, 4): open, high, low, close."""
    days, day = len(rows), _day_of_column(len(rows), width)
    # Bodies have an odd width, so that the wick is centred, and at least one column separates two days.
    half = (width // days - 2) // 2
    distance = np.abs(np.arange(width) - _centres(days, width)[day])
    opened, high, low, closed = rows[day].T
    mask: Mask = _between(high, low, height) & (distance == 0)
    mask |= _between(opened, closed, height) & (distance <= half)
    return mask


def _curve(rows: Floats, height: int, width: int) -> Mask:
    """Mark a line without gaps through the rows of the days, which are NaN before the first value."""
    known = ~np.isnan(rows)
    if not known.any():
        return np.zeros((height, width), dtype=np.bool_)
    centres, rows = _centres(len(rows), width)[known], rows[known]
    columns = np.arange(width)
    # Evaluate half a column before and after the centre, where the neighbouring columns start.
    places = np.interp(columns[:, None] + (-0.5, 0.0, 0.5), centres, rows)
    inside = (columns >= centres[0]) & (columns <= centres[-1])
    mask: Mask = _between(places.min(axis=1), places.max(axis=1), height) & inside
    return mask
