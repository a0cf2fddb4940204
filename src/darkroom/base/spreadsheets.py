"""Tables as CSV files, which people open in spreadsheets: no cell of text is taken for a formula.

A cell that a spreadsheet would run (``=1+1``, ``@SUM(A1)``) gets an apostrophe in front, which spreadsheets take for
"this is text"; ``read`` removes it.
"""

import csv
import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from darkroom.base.files import write_text

if TYPE_CHECKING:
    import pandas as pd

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
    table: pd.DataFrame = pd.read_csv(source, dtype=kinds, keep_default_na=False)
    return table.assign(**{name: table[name].map(text_of) for name in (table.columns if texts is None else texts)})
