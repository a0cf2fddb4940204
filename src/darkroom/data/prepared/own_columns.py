"""Columns of one's own about the images: ``data/columns.csv``, such as the site, the camera or the patient's sex.

A row per image: ``name`` as in the page of the data, and any further columns. Evaluation slices the test images by
them; ``promote.groups`` names columns by whose values no group may be lost. The file is in git with ``name`` alone.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darkroom.base import spreadsheets
from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.terminal import named, shown

FILE = Path("data/columns.csv")
NAME = "name"
SHOWN = 3
"""Names in a message."""
NONE = "none"
"""Shown for an empty cell."""


def join(manifest: pd.DataFrame, needed: Sequence[str] = (), path: Path = FILE) -> pd.DataFrame:
    """Add the columns of one's own to a manifest.

    Args:
        manifest: rows with ``name``.
        needed: columns that must be there.
        path: the file; if it is missing, there are no columns.

    Returns:
        The manifest with the same rows and index.

    Raises:
        InputError: the file cannot be read, lacks an image or a needed column, has an image twice, or a column of it is
            called as one of the manifest.
    """
    table = _read(path)
    if missing := [column for column in needed if column not in table.columns.drop(NAME)]:
        have = named(table.columns.drop(NAME)) or "no columns but name"
        raise InputError(f"promote.groups: {path} has no column {missing[0]!r}, it has {have}; add it or name another")
    if len(table.columns) == 1:
        return manifest
    if taken := [column for column in table.columns.drop(NAME) if column in manifest.columns]:
        raise InputError(f"{path}: the column {taken[0]!r} is known of every image already; give it another name")
    lacking = manifest.loc[~manifest[NAME].isin(table[NAME]), NAME]
    if len(lacking):
        raise InputError(
            f"{path} has no row for {len(lacking)} of {len(manifest)} images ({named(lacking[:SHOWN])}"
            f"{', …' if len(lacking) > SHOWN else ''}); add a row for each, with empty cells if nothing is known"
        )
    of_names = table.set_index(NAME).loc[manifest[NAME]].replace("", NONE)
    return manifest.assign(**{str(column): of_names[column].to_numpy() for column in of_names})


def _read(path: Path) -> pd.DataFrame:
    if not os.path.lexists(path):
        return pd.DataFrame({NAME: pd.Series(dtype="str")})
    try:
        table = spreadsheets.read_given(path)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise InputError(f"{path} cannot be read ({reason}); save it as a CSV file in UTF-8, with commas") from None
    table = table.rename(columns=lambda column: str(column).removeprefix("\ufeff").strip())
    if NAME not in table:
        raise InputError(f"{path} has no column {NAME!r}, it has {named(table.columns)}; add the images' names")
    if table[NAME].duplicated().any():
        twice = table.loc[table[NAME].duplicated(), NAME].iloc[0]
        raise InputError(f"{path} has two rows for {shown(twice)}; delete one")
    return table
