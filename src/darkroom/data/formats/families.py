"""Families: the same picture in other bytes, sizes or colours, in the current and in earlier data."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from darkroom.base.damage import reading
from darkroom.base.types import Integers

COLUMNS = {"picture": "str", "family": "int64"}


def table(pictures: Sequence[str], families: Integers) -> pd.DataFrame:
    """Return the pictures that share a family with another one.

    Args:
        pictures: hash of each picture, see ``manifest.COLUMNS``; may repeat.
        families: number of each one's family.

    Returns:
        ``COLUMNS``, a row per picture, sorted; families are numbered from 0 in the order of their first picture.
    """
    rows = pd.DataFrame({"picture": list(pictures), "family": families}).drop_duplicates()
    rows = rows[rows["family"].duplicated(keep=False)].sort_values("picture", kind="stable")
    numbers = pd.factorize(rows["family"])[0]
    return rows.assign(family=numbers).astype(COLUMNS).reset_index(drop=True)


def write(families: pd.DataFrame, path: str | Path) -> None:
    """Write the table as Parquet."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    families.to_parquet(path, use_dictionary=False)


def read(path: str | Path) -> pd.DataFrame:
    """Read a table written by ``write``."""
    with reading(path):
        return pd.read_parquet(path)
