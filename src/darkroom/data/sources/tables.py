"""Tables of image paths and labels (CSV or Parquet), and Parquet files with embedded images."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.files import files_below, leads_out
from darkroom.base.types import SplitName
from darkroom.data.formats.manifest import UNLABELLED
from darkroom.data.formats.samples import File, LeftOut, Sample
from darkroom.data.sources import csv_files, further_columns, limits, parquet_files, parquet_splits
from darkroom.data.sources.folders import LEADS_OUT
from darkroom.data.sources.further_columns import Further
from darkroom.data.sources.parquet_files import ImageColumn, InParquet
from darkroom.data.sources.split_names import split_of
from darkroom.params import DataParams

TABLES = (".csv", ".tsv", ".parquet")
SHOWN = 20  # columns that an error lists
Listed = tuple[list[Sample], list[LeftOut], tuple[str, ...], pd.DataFrame]
"""Images, images without a label, what was taken for what, and the further columns by ``name``."""
LABEL_IT = "label it to use it"


def find_table(data: DataParams) -> Listed:
    """List the images named in a table; paths are relative to the table's folder.

    ``data.path`` is the table, or a folder that contains exactly one, or one ``metadata`` table in each of its folders,
    as in Hugging Face's image folders; the folders' names then assign the splits. Images of a split without any label,
    such as published test images, are left out.

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
    seen: dict[str, int] = {}
    found: list[Sample] = []
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
        if image in seen:
            raise InputError(f"{where}: {image} is already in row {seen[image]}; keep one of them")
        seen[image] = row
        file = path.parent / image
        if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises on names that are too long
            raise InputError(f"{where}: {file} does not exist; paths are relative to the folder of the table")
        place = File(str(file), file.stat().st_ino)
        found.append(Sample(Path(image).as_posix(), label, place, _split(split, where) or of_file, group))
    notes = [f"no image of the split {split} has a label: its images are left out" for split in sorted(without)]
    columns = further.of_images([row - 2 for row in seen.values()], [sample.name for sample in found])
    return found, left_out, (*notes, *further.notes(path)), columns


def _splits_without_labels(table: pd.DataFrame) -> set[str]:
    """Return the splits, as written in the table, of which no row has a label."""
    label, split = table.iloc[:, 1], table.iloc[:, 3]
    return set(split[split != ""]) - set(split[label != ""])


def _tables(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLES)
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
    except parquet_files.DAMAGE as error:
        raise InputError(
            f"data.path: {path} cannot be read as a table ({first_line(error)}); expected CSV or Parquet"
        ) from None
    empty = pd.Series([""] * len(table))
    four = pd.concat([empty if column is None else table[column].map(_text) for column in columns], axis=1)
    return four, further


def _read_parquet(path: Path, columns: Sequence[str | None]) -> tuple[pd.DataFrame, Further]:
    table = parquet_files.open_file(path)
    _require_columns(path, table.columns, columns)
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
        there = [str(column) for column in pd.read_csv(file, dtype=str, sep=separator, nrows=0).columns]
        _require_columns(path, there, columns)
        further = further_columns.chosen(there, _own(columns), os.fstat(file.fileno()).st_size)
        file.seek(0)
        wanted = [*dict.fromkeys([*filter(None, columns), *further.names])]
        table: pd.DataFrame = pd.read_csv(file, dtype=str, keep_default_na=False, sep=separator, usecols=wanted)
    return table, further.with_values({name: table[name] for name in further.names})


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value).strip()


def _require_columns(path: Path, there: list[str], wanted: Sequence[str | None]) -> None:
    shown = f"{', '.join(there[:SHOWN])}{f' and {len(there) - SHOWN:,} more' if len(there) > SHOWN else ''}"
    keys = ("image_column", "label_column", "group_column", "split_column")
    for key, column in zip(keys, wanted, strict=True):
        if column is not None and column not in there:
            raise InputError(f"{path}: no column {column!r}; its columns are {shown}: set data.{key}")


def _split(text: str, where: str) -> SplitName | None:
    if text and split_of(text) is None:
        raise InputError(f"{where}: split {text!r}; expected train, validation, test or an empty cell")
    return split_of(text) if text else None


def find_parquet(data: DataParams) -> Listed:
    """List the images embedded in one or more Parquet files, the format of Hugging Face data sets.

    Names of files and folders assign the splits, see ``parquet_splits.of_files``. Images of a file without any label
    are left out if another file has labels.

    Raises:
        InputError: no such file, a column is missing, a row has no label, or names of splits are ambiguous.
    """
    root = Path(data.path)
    every = [root] if not root.is_dir() else [file for file in files_below(root) if file.suffix == ".parquet"]
    real = os.path.realpath(root)
    out = [] if not root.is_dir() or data.follow_links else [path for path in every if leads_out(path, real)]
    files = sorted({*every}.difference(out))
    if not files:
        links = f" but {len(out)} links out of it (data.follow_links)" if out else ""
        raise InputError(f"data.path: {root} holds no .parquet file{links}; set it to a file, or a folder of them")
    splits, notes = parquet_splits.of_files(files, root, data.layout)
    found: list[Sample] = []
    columns: list[pd.DataFrame] = []
    left_out = [LeftOut(path.relative_to(root).as_posix(), *LEADS_OUT) for path in out]
    for number, path in enumerate(files):
        name = (path.name if path == root else path.relative_to(root).as_posix()).removesuffix(".parquet")
        samples, rows, further = _in_parquet(path, name, splits[path], data, number)
        found += samples
        columns.append(further.of_images(range(len(samples)), [sample.name for sample in samples]))
        notes = (*notes, *further.notes(path))
        left_out += [LeftOut(f"{name}/{row:06d}", UNLABELLED, LABEL_IT) for row in range(rows)]
        if rows:
            notes = (*notes, f"{name}.parquet: no row has a label, so its {rows} images are left out")
    return found, left_out, notes, further_columns.joined(columns)


def _in_parquet(
    path: Path, name: str, split: SplitName | None, data: DataParams, number: int
) -> tuple[list[Sample], int, Further]:
    """Return the images of a file, how many it has without a label, which are all or none, and further columns."""
    try:
        table = parquet_files.open_file(path)
        held_out = split not in {None, "train"}
        if held_out and data.label_column not in table.columns:
            return [], table.rows, Further()
        _require_columns(path, table.columns, [data.image_column, data.label_column, data.group_column, None])
        wanted = [column for column in (data.label_column, data.group_column) if column]
        labels, *more = parquet_files.read_texts(table, wanted)
        further = further_columns.of_parquet(table, {data.image_column, data.label_column})
    except InputError:
        raise
    except parquet_files.DAMAGE as error:
        raise InputError(
            f"data.path: {path} cannot be read as Parquet ({first_line(error)}); write or download it again"
        ) from None
    names = _class_names(table.file.schema_arrow, data.label_column)
    if parquet_splits.has_no_labels(labels, numbered=names is not None or held_out):
        return [], len(labels), Further()
    groups = more[0] if more else [""] * len(labels)
    opened = ImageColumn.of(table, data.image_column)
    found: list[Sample] = []
    for group, described in enumerate(table.groups):
        for row in range(described.rows):
            index = len(found)
            label = _label(labels[index], names, f"{path}, row {index + 1}")
            place = InParquet(opened, group, row)
            owner = "" if groups[index] is None else str(groups[index])
            found.append(Sample(f"{name}/{index:06d}", label, place, split, owner, number * 2**32 + index))
    return found, 0, further


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Return the class names from Hugging Face's metadata, by class number; None if there is none."""
    try:
        note = json.loads((schema.metadata or {})[b"huggingface"])
        names: Any = note["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if not isinstance(names, list):
        return None
    return names if all(isinstance(name, str) and len(name) <= limits.MAXIMUM_TEXT for name in names) else None


def _label(value: Any, names: list[str] | None, where: str) -> str:
    if value is None or value == "" or (value == parquet_splits.MISSING and names is not None):
        raise InputError(
            f"{where}: no label, while other rows of the file have one; label it, or take the row out (a file without "
            "any label is left out)"
        )
    if names is None or isinstance(value, str):
        return str(value)
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise InputError(f"{where}: label {value}, but the file has {len(names)} class names; correct it")
    return str(names[value])
