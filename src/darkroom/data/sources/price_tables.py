"""Read and check tables of daily prices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom.base.errors import InputError
from darkroom.data.sources.tables import csv_files

PRICES = ("open", "high", "low", "close")
DAY = r"^(\d{4}-\d\d-\d\d)(?:[T ].*)?$"  # a time of day is ignored


@dataclass(frozen=True, eq=False)
class PriceSeries:
    """Daily prices of one ticker, sorted by day."""

    ticker: str
    days: npt.NDArray[np.datetime64]
    prices: npt.NDArray[np.float64]
    """float64 of shape (days, 4): open, high, low, close."""

    @property
    def closes(self) -> npt.NDArray[np.float64]:
        """float64 of shape (days,)."""
        return self.prices[:, 3]


def read_table(path: str | Path, maximum_gap: int) -> list[PriceSeries]:
    """Read and check a table of daily prices.

    Args:
        path: CSV file with the columns date (``2015-03-02``), open, high, low, close and, for several tickers, ticker;
            in any case and order, other columns are ignored. The default ticker is the name of the file.
        maximum_gap: maximum number of calendar days between consecutive rows of a ticker.

    Returns:
        One series per ticker, in order of first appearance.

    Raises:
        InputError: a column is missing; a date is invalid, repeated, out of order or follows too large a gap; a price
            is missing, not a number above 0, or inconsistent with the others. The message names the line.
    """
    path = Path(path)
    raw = _read_columns(path)
    frame = _parsed(path, raw)
    _check_prices(path, frame)
    _check_days(path, frame, maximum_gap)
    return [
        PriceSeries(str(ticker), rows["day"].to_numpy().astype("datetime64[D]"), rows[list(PRICES)].to_numpy())
        for ticker, rows in frame.groupby("ticker", sort=False)
    ]


def _read_columns(path: Path) -> pd.DataFrame:
    """Read the required columns as text, indexed by line number in the file."""
    try:
        # header=None: rows are numbered like lines in an editor, and too long rows are rejected.
        with csv_files.opened(path) as file:
            text = pd.read_csv(file, header=None, dtype="str", keep_default_na=False, skip_blank_lines=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a CSV file of daily prices") from None
    except ValueError as error:  # pandas' own are of this kind
        raise InputError(f"{path}: not readable as CSV ({str(error).strip()}); correct the file") from None
    text.index += 1
    names = [name.strip().lower() for name in text.iloc[0]]
    for name in ("date", *PRICES, "ticker"):
        count = names.count(name)
        if count > 1 or (count == 0 and name != "ticker"):
            raise InputError(
                f"{path}, line 1: column {name} {'is missing' if count == 0 else 'is repeated'}; expected the columns "
                f"date, {', '.join(PRICES)} and, for several tickers, ticker"
            )
    text.columns = pd.Index(names)
    rows = text.iloc[1:][[name for name in ("ticker", "date", *PRICES) if name in names]]
    rows = pd.DataFrame({name: rows[name].str.strip() for name in rows})
    return rows[(rows != "").any(axis=1)]


def _parsed(path: Path, raw: pd.DataFrame) -> pd.DataFrame:
    """Parse ticker, day and prices."""
    if raw.empty:
        raise InputError(f"{path}: no row of prices; expected one row per day")
    frame = pd.DataFrame(index=raw.index)
    frame["ticker"] = raw["ticker"] if "ticker" in raw else path.name.partition(".")[0]
    if line := _first(frame["ticker"] == ""):
        raise InputError(f"{path}, line {line}: no ticker; fill it in, or remove the row")
    frame["day"] = pd.to_datetime(raw["date"].str.extract(DAY, expand=False), format="%Y-%m-%d", errors="coerce")
    if line := _first(frame["day"].isna()):
        raise InputError(
            f"{path}, line {line}: date {raw.loc[line, 'date']!r} given; expected a day such as 2015-03-02"
        )
    for name in PRICES:
        frame[name] = pd.to_numeric(raw[name], errors="coerce").astype("float64")
        # Negated, so that NaN is rejected too.
        if line := _first(~(frame[name] > 0) | (frame[name] == np.inf)):
            given = f"{raw.loc[line, name]!r} given" if raw.loc[line, name] else "is missing"
            raise InputError(f"{path}, line {line}: {name} {given}; expected a number above 0")
    return frame


def _check_prices(path: Path, frame: pd.DataFrame) -> None:
    for name, wrong, where in (
        ("high", frame["high"] < frame[list(PRICES)].max(axis=1), "below"),
        ("low", frame["low"] > frame[list(PRICES)].min(axis=1), "above"),
    ):
        if line := _first(wrong):
            given = ", ".join(f"{price} {frame[price][line]:g}" for price in PRICES)
            raise InputError(f"{path}, line {line}: {name} is {where} another price ({given}); correct the row")


def _check_days(path: Path, frame: pd.DataFrame, maximum_gap: int) -> None:
    before = frame.groupby("ticker", sort=False)["day"].shift()
    gap = (frame["day"] - before).dt.days

    def place(line: int) -> str:
        ticker, day = str(frame.loc[line, "ticker"]), frame["day"][line]
        return f"{path}, line {line}: {ticker}: {day:%Y-%m-%d}"

    if line := _first(gap == 0):
        raise InputError(f"{place(line)} is repeated; remove one of the rows")
    if line := _first(gap < 0):
        raise InputError(f"{place(line)} comes after {before[line]:%Y-%m-%d}; sort the rows of each ticker by date")
    if line := _first(gap > maximum_gap):
        raise InputError(
            f"{place(line)} is {gap[line]:.0f} days after {before[line]:%Y-%m-%d}, but at most "
            f"data.price_charts.maximum_gap = {maximum_gap} are allowed; add the missing days, or raise the limit"
        )


def _first(wrong: "pd.Series[bool]") -> int | None:
    """Return the first line for which the condition holds; None if there is none."""
    return int(wrong.index[int(wrong.to_numpy().argmax())]) if wrong.any() else None
