"""Plain-text tables for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from darkroom.base.terminal import shown


def plain_table(rows: Sequence[Mapping[str, Any]], *, head: bool = True, commas: bool = False) -> str:
    """Format rows as aligned columns: numeric columns to the right, others to the left.

    Args:
        rows: mappings with the same keys, which are the column names.
        head: whether to include a header line.
        commas: whether integers get thousands separators.

    Returns:
        One line per row, each with a line break; empty if there are no rows.
    """
    from tabulate import tabulate

    if not rows:
        return ""
    names = list(rows[0])
    cells = [[_cell(value, commas=commas) for value in row.values()] for row in rows]
    text = tabulate(
        # The header is a row, since tabulate pads columns with real headers.
        [names, *cells] if head else cells,
        tablefmt="plain",
        # tabulate would parse a run ID such as 12345e67 as a number.
        disable_numparse=True,
        colalign=["right" if _is_numeric([row[name] for row in rows]) else "left" for name in names],
    )
    return "".join(f"{line.rstrip()}\n" for line in text.split("\n"))


def _cell(value: Any, *, commas: bool) -> str:
    """Format a value: lists comma-separated, floats with six significant digits."""
    if isinstance(value, list):
        return ", ".join(_cell(item, commas=commas) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if commas and isinstance(value, int) else shown(str(value))


def _is_numeric(values: Sequence[Any]) -> bool:
    """Whether all non-empty cells of a column are numbers."""
    given = [value for value in values if value != ""]
    return bool(given) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in given)
