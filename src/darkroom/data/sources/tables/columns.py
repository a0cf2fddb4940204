"""The columns of tables from outside."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.data.formats.samples import LeftOut, Sample

Listed = tuple[list[Sample], list[LeftOut], tuple[str, ...], pd.DataFrame]
"""Images, images that are not used, what was taken for what, and the further columns by ``name``."""
LABEL_IT = "label it to use it"
SHOWN = 20  # columns that an error lists
OPTIONS = ("image_column", "label_column")
"""Of which ``darkroom configure`` has options."""
SEPARATORS = re.compile(r"[;\t|,]")
"""Signs between cells that other programs write."""


def require_columns(path: Path, there: list[str], wanted: Sequence[str | None]) -> None:
    """Check that a table has the columns that params.yaml names.

    Args:
        path: the table.
        there: its columns.
        wanted: the columns of images, labels, groups and splits; None for those that are not used.

    Raises:
        InputError: a column is missing, or stands twice.
    """
    listed = ", ".join(name if name == name.strip() and name else repr(name) for name in there[:SHOWN])
    shown = f"{listed}{f' and {len(there) - SHOWN:,} more' if len(there) > SHOWN else ''}"
    keys = ("image_column", "label_column", "group_column", "split_column")
    for key, column in zip(keys, wanted, strict=True):
        if column is not None and there.count(column) > 1:
            raise InputError(f"{path}: the column {column!r} stands {there.count(column)} times; rename all but one")
        if column is not None and column not in there and len(there) == 1 and (sign := SEPARATORS.search(there[0])):
            raise InputError(
                f"{path}: its cells are separated by {sign[0]!r}; save it with commas, or as .tsv with tabs"
            )
        if column is not None and column not in there:
            option = f", or give configure --{key.replace('_', '-')}" if key in OPTIONS else ""
            raise InputError(f"{path}: no column {column!r}; its columns are {shown}: set data.{key}{option}")
