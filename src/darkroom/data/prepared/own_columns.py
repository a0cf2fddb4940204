"""Columns of one's own about the images, such as the site, the camera or the patient's sex.

They are the further columns of a table of images (``data/ingested/columns.parquet``), and those of
``data/columns.csv``: a row per image, ``name`` as in the page of the data, and any further columns. Evaluation slices
the test images by them; ``promote.groups`` names columns by whose values no group may be lost; ``darkroom drift``
compares new images within groups. The file is in git with ``name`` alone.
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
OF_SOURCE = Path("data/ingested/columns.parquet")
NAME = "name"
SHOWN = 3
"""Names in a message."""
NONE = "none"
"""Shown for an empty cell."""


def join(
    manifest: pd.DataFrame, needed: Sequence[str] = (), path: Path = FILE, source: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Add the columns of one's own to a manifest.

    Args:
        manifest: rows with ``name``.
        needed: columns that must be there.
        path: the file; if it is missing, it has no columns.
        source: the further columns of the source; None reads those of the last ingestion.

    Returns:
        The manifest with the same rows and index.

    Raises:
        InputError: the file cannot be read, lacks an image or a needed column, has an image twice, or a column of it is
            called as one of the manifest or of the source.
    """
    known = _with(manifest, of_source() if source is None else source)
    table = read(path)
    there = [*known.columns.drop(manifest.columns), *table.columns.drop(NAME)]
    if missing := [column for column in needed if column not in there]:
        have = named(there) or "none"
        raise InputError(
            f"promote.groups: neither {path} nor a table of images has a column {missing[0]!r} (columns: {have}); add "
            "it or name another"
        )
    return with_table(known, table, path)


def with_table(manifest: pd.DataFrame, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the columns of a table that ``read`` returned to rows with ``name``.

    Raises:
        InputError: the table lacks an image, or has a column of the rows.
    """
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
    return _with(manifest, table)


def _with(manifest: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    if len(table.columns) == 1:
        return manifest
    of_names = table.set_index(NAME).reindex(manifest[NAME]).fillna("").replace("", NONE)
    return manifest.assign(**{str(column): of_names[column].to_numpy() for column in of_names})


def of_source(path: Path = OF_SOURCE) -> pd.DataFrame:
    """Read the further columns of the source, as the stage ``ingest`` wrote them."""
    return pd.read_parquet(path) if path.is_file() else _none()


def _none() -> pd.DataFrame:
    return pd.DataFrame({NAME: pd.Series(dtype="str")})


def read(path: Path) -> pd.DataFrame:
    """Read a table of columns that people wrote, all text; without columns if the file is missing.

    Raises:
        InputError: it cannot be read, has no column ``name``, or has two rows for an image.
    """
    if not os.path.lexists(path):
        return _none()
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
