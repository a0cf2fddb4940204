"""Tables of image paths and labels, as CSV or Parquet."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.types import SplitName
from darkroom.data.formats.manifest import UNLABELLED
from darkroom.data.formats.samples import File, LeftOut, Sample
from darkroom.data.sources import folders
from darkroom.data.sources.layout import is_hidden
from darkroom.data.sources.split_names import split_of
from darkroom.data.sources.tables import csv_files, further_columns, parquet_files, parquet_splits
from darkroom.data.sources.tables.columns import LABEL_IT, Listed, require_columns
from darkroom.data.sources.tables.further_columns import Further
from darkroom.data.sources.tables.paths import OUTSIDE, Paths
from darkroom.inference import images
from darkroom.params import DataParams

TABLES = (".csv", ".tsv", ".parquet")
ROW = re.compile(r" \(row \d+\)$")
"""Ends the name of an image that is left out, for the row that names it."""


def find_table(data: DataParams) -> Listed:
    """List the images named in a table; paths are relative to the table's folder.

    ``data.path`` is the table, or a folder that contains exactly one, or one ``metadata`` table in each of its folders,
    as in Hugging Face's image folders; the folders' names then assign the splits. Images of a split without any label,
    such as published test images, are left out, and so are images in the folder that no row names.

    Raises:
        InputError: a column is missing, or a row has no image, no label, a missing image or a repeated one.
    """
    root = Path(data.path)
    tables = _tables(root)
    several = len(tables) > 1
    splits, notes = parquet_splits.of_files(tables, root, data.layout) if several else ({}, ())
    found: list[Sample] = []
    left_out: list[LeftOut] = []
    columns: list[pd.DataFrame] = []
    for path in tables:
        samples, without, told, further = _in_table(path, data, splits.get(path))
        below = f"{path.parent.name}/" if several else ""
        found += [sample._replace(name=below + sample.name) for sample in samples]
        left_out += [file._replace(name=below + file.name) for file in without]
        columns.append(further.assign(name=below + further["name"]))
        notes += told
    if root.is_dir():
        left_out += _without_row(root, [*found, *left_out])
    return found, left_out, notes, further_columns.joined(columns)


def _in_table(path: Path, data: DataParams, of_file: SplitName | None) -> Listed:
    """List the images of one table.

    Args:
        path: the table.
        data: its columns.
        of_file: split of rows that name none.
    """
    table, further = _read_table(path, data)
    without = _splits_without_labels(table)
    paths = Paths(path, Path(data.path) if Path(data.path).is_dir() else path.parent, follow=data.follow_links)
    seen: dict[str, int] = {}
    found: list[Sample] = []
    rows: list[int] = []
    left_out: list[LeftOut] = []
    for row, values in enumerate(table.itertuples(index=False, name=None), start=2):
        image, label, group, split = values
        where = f"{path}, row {row}"
        if image and split in without:
            left_out.append(LeftOut(f"{Path(image).as_posix()} (row {row})", UNLABELLED, LABEL_IT))
            continue
        if not image or not label:
            empty = data.label_column if image else data.image_column
            raise InputError(f"{where}: the {empty} is empty; every row needs an image and a label")
        name, file = paths.named(image)
        if name in seen:
            raise InputError(f"{where}: {name} is already in row {seen[name]}; keep one of them")
        seen[name] = row
        if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises on names that are too long
            raise InputError(f"{where}: {file} does not exist; paths are relative to the folder of the table")
        if paths.is_outside(file):
            left_out.append(LeftOut(f"{name} (row {row})", *OUTSIDE))
            continue
        place = File(file, os.stat(file).st_ino)  # noqa: PTH116 - of very many rows
        found.append(Sample(name, label, place, _split(split, where) or of_file, group))
        rows.append(row - 2)
    notes = [f"no image of the split {split} has a label: its images are left out" for split in sorted(without)]
    columns = further.of_images(rows, [sample.name for sample in found])
    if data.split_column is None:
        notes += further_columns.of_splits(further, path)
    return found, left_out, (*notes, *further.notes(path)), columns


def _without_row(root: Path, listed: Sequence[Sample | LeftOut]) -> list[LeftOut]:
    """Return the images in the folder that no row of its tables names."""
    rows = {os.path.abspath(root / ROW.sub("", one.name)) for one in listed}  # noqa: PTH100 - without following links
    inside = (
        (below + name, file.path) for below, files in folders.Walk(root).folders() for name, file in files.items()
    )
    without = [
        (name, path) for name, path in inside
        if name.lower().endswith(images.ENDINGS) and os.path.abspath(path) not in rows  # noqa: PTH100
    ]  # fmt: skip
    # Rows may name them by another path.
    real = set(map(os.path.realpath, rows)) if without else set()
    return [LeftOut(name, UNLABELLED, LABEL_IT) for name, path in without if os.path.realpath(path) not in real]


def _splits_without_labels(table: pd.DataFrame) -> set[str]:
    """Return the splits, as written in the table, of which no row has a label."""
    label, split = table.iloc[:, 1], table.iloc[:, 3]
    return set(split[split != ""]) - set(split[label != ""])


def _tables(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLES and not is_hidden(file.name))
    if not tables:
        tables = sorted(file for file in path.glob("*/metadata.*") if file.suffix.lower() in TABLES)
        if tables and len({file.parent for file in tables}) == len(tables):
            return tables
    if len(tables) != 1:
        what = f"{len(tables)} tables" if tables else f"no table ({', '.join(TABLES)})"
        raise InputError(f"data.path: {path} holds {what}; expected exactly one: set data.path to the file")
    return tables


def _read_table(path: Path, data: DataParams) -> tuple[pd.DataFrame, Further]:
    """Return image, label, group and split as text, empty if missing, and the further columns.

    Labels such as ``007`` stay text.
    """
    columns = [data.image_column, data.label_column, data.group_column, data.split_column]
    try:
        table, further = (_read_parquet if path.suffix.lower() == ".parquet" else _read_csv)(path, columns)
    except InputError:
        raise
    except UnicodeDecodeError:
        raise InputError(f"data.path: {path} is not in UTF-8; save it as CSV in UTF-8") from None
    except parquet_files.DAMAGE as error:
        raise InputError(
            f"data.path: {path} cannot be read as a table ({first_line(error)}); expected CSV or Parquet"
        ) from None
    empty = pd.Series([""] * len(table))
    four = pd.concat([empty if column is None else table[column].map(_text) for column in columns], axis=1)
    return four, further


def _read_parquet(path: Path, columns: Sequence[str | None]) -> tuple[pd.DataFrame, Further]:
    table = parquet_files.open_file(path)
    require_columns(path, table.columns, columns)
    wanted = [*dict.fromkeys(filter(None, columns))]
    values = parquet_files.read_texts(table, wanted)
    return pd.DataFrame(dict(zip(wanted, values, strict=True))), further_columns.of_parquet(table, _own(columns))


def _own(columns: Sequence[str | None]) -> set[str]:
    """Return the columns that are no further ones; the group's is one too, as a group has a name of its own."""
    image, label, _, split = columns
    return {name for name in (image, label, split) if name}


def _read_csv(path: Path, columns: Sequence[str | None]) -> tuple[pd.DataFrame, Further]:
    separator = "\t" if path.suffix == ".tsv" else ","
    with csv_files.opened(path, separator) as file:
        # As a row, because pandas gives names that stand twice other names.
        header = pd.read_csv(file, dtype=str, keep_default_na=False, sep=separator, header=None, nrows=1)
        there = [str(column) for column in header.iloc[0]]
        require_columns(path, there, columns)
        further = further_columns.chosen(there, _own(columns), os.fstat(file.fileno()).st_size)
        file.seek(0)
        wanted = [*dict.fromkeys([*filter(None, columns), *further.names])]
        table: pd.DataFrame = pd.read_csv(file, dtype=str, keep_default_na=False, sep=separator, usecols=wanted)
    return table, further.with_values({name: table[name] for name in further.names})


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value).strip()


def _split(text: str, where: str) -> SplitName | None:
    if text and split_of(text) is None:
        raise InputError(f"{where}: split {text!r}; expected train, validation, test or an empty cell")
    return split_of(text) if text else None
