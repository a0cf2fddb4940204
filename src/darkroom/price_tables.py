"""Tables of daily prices: reading and checking."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom.errors import InputError

PRICES = ("open", "high", "low", "close")
DAY = r"^(\d{4}-\d\d-\d\d)(?:[T ].*)?$"  # a time behind it is that of the day's opening, and is not looked at


@dataclass(frozen=True, eq=False)
class PriceSeries:
    """The days of one ticker, in order."""

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
        path: a CSV file with the columns date (``2015-03-02``), open, high, low, close and, for more than one, ticker;
            upper or lower case, in any order, others besides. Without a column ticker it is called by the file's name.
        maximum_gap: calendar days from one row of a ticker to its next one at most.

    Returns:
        One series for each ticker, in the order in which they first appear.

    Raises:
        InputError: a column is missing; a day is none, is repeated, comes before or too long after its predecessor;
            prices are missing, no numbers, not above 0, or contradict one another. The text names the line of the file.
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
    """Read the known columns as text; the index is the number of the line in the file."""
    try:
        # Without a header, so that rows are counted as an editor counts lines, and too long ones are refused.
        text = pd.read_csv(path, header=None, dtype="str", keep_default_na=False, skip_blank_lines=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a CSV file of daily prices") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as CSV ({str(error).strip()}); correct the file") from None
    text.index += 1
    names = [name.strip().lower() for name in text.iloc[0]]
    for name in ("date", *PRICES, "ticker"):
        count = names.count(name)
        if count > 1 or (count == 0 and name != "ticker"):
            raise InputError(
                f"{path}, line 1: column {name} {'is missing' if count == 0 else 'is there twice'}; the columns date, "
                f"{', '.join(PRICES)} and, for several shares, ticker were expected"
            )
    text.columns = pd.Index(names)
    rows = text.iloc[1:][[name for name in ("ticker", "date", *PRICES) if name in names]]
    rows = pd.DataFrame({name: rows[name].str.strip() for name in rows})
    return rows[(rows != "").any(axis=1)]


def _parsed(path: Path, raw: pd.DataFrame) -> pd.DataFrame:
    """Turn text into ticker, day and prices."""
    if raw.empty:
        raise InputError(f"{path}: no row of prices; one for each day was expected")
    frame = pd.DataFrame(index=raw.index)
    frame["ticker"] = raw["ticker"] if "ticker" in raw else path.name.partition(".")[0]
    if line := _first(frame["ticker"] == ""):
        raise InputError(f"{path}, line {line}: no ticker; fill it in, or take the row out")
    frame["day"] = pd.to_datetime(raw["date"].str.extract(DAY, expand=False), format="%Y-%m-%d", errors="coerce")
    if line := _first(frame["day"].isna()):
        raise InputError(f"{path}, line {line}: date {raw.loc[line, 'date']!r} given; a day as 2015-03-02 was expected")
    for name in PRICES:
        frame[name] = pd.to_numeric(raw[name], errors="coerce").astype("float64")
        # Also what is no number, of which no comparison holds.
        if line := _first(~(frame[name] > 0) | (frame[name] == np.inf)):
            given = f"{raw.loc[line, name]!r} given" if raw.loc[line, name] else "is missing"
            raise InputError(f"{path}, line {line}: {name} {given}; a number above 0 was expected")
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
        raise InputError(f"{place(line)} is there twice; take one of the rows out")
    if line := _first(gap < 0):
        raise InputError(f"{place(line)} comes after {before[line]:%Y-%m-%d}; sort the rows of each ticker by date")
    if line := _first(gap > maximum_gap):
        raise InputError(
            f"{place(line)} is {gap[line]:.0f} days after {before[line]:%Y-%m-%d}, and at most "
            f"data.price_charts.maximum_gap = {maximum_gap} were expected; fill the gap in, or allow it"
        )


def _first(wrong: "pd.Series[bool]") -> int | None:
    """Return the first line for which something holds."""
    return int(wrong.index[int(wrong.to_numpy().argmax())]) if wrong.any() else None
