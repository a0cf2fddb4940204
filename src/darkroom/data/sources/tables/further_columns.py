"""Further columns of a table: what people know of the images beside the label, such as the site or the camera.

All of them are read that are short texts or numbers; evaluation slices by them (``data/prepared/own_columns.py``).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from darkroom.base.terminal import named, shown
from darkroom.data.formats import manifest
from darkroom.data.sources import limits
from darkroom.data.sources.split_names import part_of, split_of
from darkroom.data.sources.tables import parquet_files
from darkroom.data.sources.tables.parquet_files import ParquetTable

NAME = "name"
SHOWN = 20
"""Columns in a message."""
TAKEN = {*manifest.COLUMNS, "split", "cluster", "leaked", "unverified"}
"""What Darkroom itself knows of each image by the same name."""
INDEX = "Unnamed: "
"""Begins pandas' name of a column without one, such as an index that was saved too."""
ELSEWHERE = "data/columns.csv holds such columns too"


@dataclass(frozen=True)
class Further:
    """The further columns of one table."""

    values: Mapping[str, pd.Series] = field(default_factory=dict)
    """Text by column, in the order of the rows."""
    names: tuple[str, ...] = ()
    """The columns."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Why a column is not read."""

    def with_values(self, values: Mapping[str, pd.Series]) -> "Further":
        """Add the values of the columns."""
        return replace(self, values={name: column.astype("str").str.strip() for name, column in values.items()})

    def of_images(self, rows: Sequence[int], names: Sequence[str]) -> pd.DataFrame:
        """Return the columns of the images in these rows, with their names in the column ``name``."""
        columns = {name: column.iloc[list(rows)].to_numpy() for name, column in self.values.items()}
        return pd.DataFrame({NAME: pd.Series(list(names), dtype="str"), **columns})

    def notes(self, path: Path) -> list[str]:
        """Say which columns are read, and which are not."""
        lines = [f"{path.name}: columns of your own: {_some(self.names)}"] if self.names else []
        for reason in dict.fromkeys(self.left_out.values()):
            columns = [name for name, why in self.left_out.items() if why == reason]
            lines.append(f"{path.name}: not read as columns of your own, {reason}: {_some(columns)}")
        return lines


def of_splits(further: Further, path: Path) -> list[str]:
    """Say which columns seem to assign splits, by their name or their values, although none was named for that."""
    called = [name for name in further.left_out if part_of(name) == "unclear"]
    filled = ((name, set(values[values != ""].unique()[:SHOWN])) for name, values in further.values.items())
    called += [name for name, values in filled if len(values) > 1 and "train" in map(split_of, values)]
    return [
        f"{path.name}: the column {shown(name)} assigns no splits; set data.split_column: {shown(name)} if it does"
        for name in called
    ]


def _some(columns: Sequence[str]) -> str:
    return named(columns[:SHOWN]) + (f" and {len(columns) - SHOWN:,} more" if len(columns) > SHOWN else "")


def chosen(there: Sequence[str], own: Collection[str], size: int) -> Further:
    """Choose the further columns of a table.

    Args:
        there: all columns.
        own: those of image, label and split.
        size: bytes to read.
    """
    others = [name for name in there if name not in own and name and not name.startswith(INDEX)]
    left_out = {name: "as Darkroom knows them itself" for name in others if name in TAKEN}
    twice = {name for name, count in Counter(others).items() if count > 1}
    left_out |= dict.fromkeys((name for name in others if name in twice), "as several have the same name")
    others = [name for name in others if name not in TAKEN | twice]
    if len(others) > limits.MAXIMUM_FURTHER:
        return Further(left_out=dict.fromkeys(others, f"more than {limits.MAXIMUM_FURTHER} ({ELSEWHERE})") | left_out)
    if size > limits.MAXIMUM_FURTHER_BYTES:
        why = f"more than {limits.MAXIMUM_FURTHER_BYTES:,} bytes ({ELSEWHERE})"
        return Further(left_out=dict.fromkeys(others, why) | left_out)
    return Further(names=tuple(others), left_out=left_out)


def of_parquet(table: ParquetTable, own: Collection[str]) -> Further:
    """Read the further columns of a Parquet file.

    Raises:
        Exception: one of ``parquet_files.DAMAGE``: the file is damaged.
    """
    flat = [name for name in table.columns if not _is_nested(table.kind(name))]
    found = chosen(flat, own, 0)
    read: dict[str, pd.Series] = {}
    left_out = dict(found.left_out)
    room = limits.MAXIMUM_FURTHER_BYTES
    for name in found.names:
        column, why = parquet_files.read_column(table, name, room)
        if column is None:
            left_out[name] = why
        else:
            room -= column.nbytes
            read[name] = pd.Series(pc.fill_null(column, ""), dtype="str")
    return Further(names=tuple(read), left_out=left_out).with_values(read)


def _is_nested(kind: pa.DataType) -> bool:
    return bool(pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the columns of several tables as one; a column that one of them lacks is empty there."""
    if all(list(table.columns) == [NAME] for table in tables):
        return empty()
    return pd.concat(tables, ignore_index=True).fillna("").astype("str")


def empty() -> pd.DataFrame:
    """Return the table of a source that says no more of its images."""
    return pd.DataFrame({NAME: pd.Series(dtype="str")})
