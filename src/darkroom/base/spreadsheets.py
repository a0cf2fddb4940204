"""Tables as CSV files, which people open in spreadsheets: no cell of text is taken for a formula.

A cell that a spreadsheet would run (``=1+1``, ``@SUM(A1)``) gets an apostrophe in front, which spreadsheets take for
"this is text"; ``read`` removes it.
"""

import csv
import re
import warnings
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.base import contents
from darkroom.base.damage import reading
from darkroom.base.files import open_regular, read_limited, write_text

if TYPE_CHECKING:
    import pandas as pd

MAXIMUM_BYTES = 256_000_000
MAXIMUM_COLUMNS = 1000
"""Limits of a table that people write."""
SEPARATORS = re.compile(r"[;\t|]")
"""Signs between cells that other programs write."""
CONFLICT = re.compile("^<<<<<<< ", re.MULTILINE)
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # some spreadsheets take the wide forms too
"""Beginnings of formulas, also if they have got apostrophes already, so that ``text_of`` knows how many to remove."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
"""Harmless, although they may begin with a sign."""


def cell_of(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def text_of(cell: str) -> str:
    """Return the text of a cell that ``cell_of`` wrote."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def as_csv(table: "pd.DataFrame", float_format: str | None = None) -> str:
    """Return a table as CSV, without its index and with the same line endings on all systems."""
    guarded = table.rename(columns=cell_of)
    for name in guarded.columns[[not _is_numeric(kind) for kind in guarded.dtypes]]:
        guarded[name] = [cell_of(value) if isinstance(value, str) else value for value in guarded[name]]
    text: str = guarded.to_csv(index=False, lineterminator="\n", float_format=float_format)
    if "\r" in text:
        # Without quotation marks, a return within a cell would be read as the end of a line.
        text = guarded.to_csv(index=False, lineterminator="\n", float_format=float_format, quoting=csv.QUOTE_NONNUMERIC)
    return text


def _is_numeric(kind: object) -> bool:
    return getattr(kind, "kind", "O") in "biuf"


def write(path: str | Path, table: "pd.DataFrame", float_format: str | None = None) -> None:
    """Write a table as CSV; see ``as_csv``."""
    write_text(path, as_csv(table, float_format))


def read(source: Path | StringIO, texts: tuple[str, ...] | None = None) -> "pd.DataFrame":
    """Read a table that ``write`` wrote; names such as ``007``, ``NaN`` or ``None`` stay as they are.

    Args:
        source: the file, or its text.
        texts: the columns of text; None for all.
    """
    import pandas as pd

    kinds = str if texts is None else dict.fromkeys(texts, str)
    if isinstance(source, Path):
        with reading(source), open_regular(source) as file:
            table: pd.DataFrame = pd.read_csv(file, dtype=kinds, keep_default_na=False, index_col=False)
    else:
        table = pd.read_csv(source, dtype=kinds, keep_default_na=False, index_col=False)
    return table.assign(**{name: table[name].map(text_of) for name in (table.columns if texts is None else texts)})


def read_given(path: Path) -> "pd.DataFrame":
    """Read a table that people have written or changed, all of its columns as text.

    Raises:
        OSError: it does not exist, is no regular file, or is too large.
        ValueError: it is not CSV in UTF-8 with commas, a column stands twice, there are too many, or a row has more
            cells.
    """
    content = read_limited(path, MAXIMUM_BYTES)
    if other := contents.of_table(content[: contents.LOOKED_AT]):
        raise ValueError(f"it {other}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not in UTF-8: byte {content[error.start]:#04x} at {error.start:,}") from None
    if CONFLICT.search(text):
        raise ValueError("it has conflict markers of git, <<<<<<<")
    try:
        header = next(csv.reader(StringIO(text)), [])
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if len(header) > MAXIMUM_COLUMNS:
        raise ValueError(f"{len(header):,} columns; at most {MAXIMUM_COLUMNS:,} are accepted")
    if len(header) == 1 and (sign := SEPARATORS.search(header[0])):
        raise ValueError(f"its cells are separated by {sign[0]!r} instead of commas")
    for name, count in Counter(header).items():
        if count > 1 and name:
            raise ValueError(f"the column {name[:60]!r} stands twice")
    with warnings.catch_warnings():
        # Of rows with more cells than columns, pandas would leave out the last ones.
        warnings.simplefilter("error")
        try:
            return read(StringIO(text))
        except Warning:
            raise ValueError("a row has more cells than there are columns; are cells with commas quoted?") from None
