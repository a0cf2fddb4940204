"""Tables of image paths and labels (CSV or Parquet), and Parquet files with embedded images."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from darkroom.base.errors import ImageError, InputError
from darkroom.base.files import files_below
from darkroom.base.types import SplitName
from darkroom.data.formats.samples import File, Sample
from darkroom.data.sources.layout import SPLIT_FOLDERS
from darkroom.params import DataParams

TABLES = (".csv", ".tsv", ".parquet")


def find_table(data: DataParams) -> list[Sample]:
    """List the images named in a table; paths are relative to the table's folder.

    ``data.path`` is the table, or a folder that contains exactly one.

    Raises:
        InputError: a column is missing, or a row has no image, no label, a missing image or a repeated one.
    """
    path = _table(Path(data.path))
    table = _read_table(path, data)
    seen: dict[str, int] = {}
    found = []
    for row, values in enumerate(table.itertuples(index=False, name=None), start=2):
        image, label, group, split = values
        where = f"{path}, row {row}"
        if not image or not label:
            empty = data.label_column if image else data.image_column
            raise InputError(f"{where}: the {empty} is empty; every row needs an image and a label")
        if image in seen:
            raise InputError(f"{where}: {image} is already in row {seen[image]}; keep one of them")
        seen[image] = row
        file = path.parent / image
        if not file.is_file():
            raise InputError(f"{where}: {file} does not exist; paths are relative to the folder of the table")
        place = File(str(file), file.stat().st_ino)
        found.append(Sample(Path(image).as_posix(), label, place, _split(split, where), group))
    return found


def _table(path: Path) -> Path:
    if path.is_file():
        return path
    tables = sorted(file for file in path.iterdir() if file.suffix.lower() in TABLES)
    if len(tables) != 1:
        what = f"{len(tables)} tables" if tables else f"no table ({', '.join(TABLES)})"
        raise InputError(f"data.path: {path} holds {what}; expected exactly one: set data.path to the file")
    return tables[0]


def _read_table(path: Path, data: DataParams) -> pd.DataFrame:
    """Return image, label, group and split as text, empty if missing; labels such as ``007`` stay text."""
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, sep="\t" if path.suffix == ".tsv" else ",")
    except (ValueError, OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"data.path: {path} cannot be read as a table ({reason}); expected CSV or Parquet") from None
    columns = [data.image_column, data.label_column, data.group_column, data.split_column]
    _require_columns(path, [str(column) for column in table.columns], columns)
    empty = pd.Series([""] * len(table))
    return pd.concat([empty if column is None else table[column].map(_text) for column in columns], axis=1)


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value).strip()


def _require_columns(path: Path, there: list[str], wanted: list[str | None]) -> None:
    keys = ("image_column", "label_column", "group_column", "split_column")
    for key, column in zip(keys, wanted, strict=True):
        if column is not None and column not in there:
            raise InputError(f"{path}: no column {column!r}; its columns are {', '.join(there)}: set data.{key}")


def _split(text: str, where: str) -> SplitName | None:
    if text and text.lower() not in SPLIT_FOLDERS:
        raise InputError(f"{where}: split {text!r}; expected train, validation, test or an empty cell")
    return SPLIT_FOLDERS[text.lower()] if text else None


@dataclass
class _Opened:
    """An open Parquet file with one row group in memory."""

    file: pq.ParquetFile
    column: str
    lock: Lock = field(default_factory=Lock)
    group: int = -1
    rows: pa.ChunkedArray | None = None

    def value(self, group: int, row: int) -> Any:
        with self.lock:
            if self.group != group:
                self.rows, self.group = self.file.read_row_group(group, columns=[self.column])[self.column], group
            assert self.rows is not None  # noqa: S101 - for the type checker
            return self.rows[row].as_py()


@dataclass(frozen=True, slots=True)
class InParquet:
    """An image in a cell of a Parquet file: bytes, or a struct with ``bytes`` as in Hugging Face data sets."""

    opened: _Opened
    group: int
    row: int

    def read(self) -> bytes:
        """Return the encoded image."""
        value = self.opened.value(self.group, self.row)
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise ImageError("the cell does not contain the bytes of an image")
        return content


def find_parquet(data: DataParams) -> list[Sample]:
    """List the images embedded in one or more Parquet files, the format of Hugging Face data sets.

    The start of a file or folder name, such as ``test-00000-of-00001.parquet``, assigns the split if all files have one
    and these differ.

    Raises:
        InputError: no such file, a column is missing, or a row has no label.
    """
    root = Path(data.path)
    files = [root] if root.is_file() else [file for file in files_below(root) if file.suffix == ".parquet"]
    if not files:
        raise InputError(f"data.path: {root} holds no .parquet file; set it to a file, or a folder of them")
    splits = {path: _split_of_file(path, root) for path in files}
    # A single split name assigns nothing: the images would all be in one split.
    given = len(set(splits.values())) > 1 and None not in splits.values()
    found: list[Sample] = []
    for number, path in enumerate(files):
        name = path.name if path == root else path.relative_to(root).as_posix()
        found += _in_parquet(path, name.removesuffix(".parquet"), splits[path] if given else None, data, number)
    return found


def _split_of_file(path: Path, root: Path) -> SplitName | None:
    first = path.name if path == root else path.relative_to(root).parts[0]
    return SPLIT_FOLDERS.get(first.replace(".", "-").split("-")[0].lower())


def _in_parquet(path: Path, name: str, split: SplitName | None, data: DataParams, number: int) -> list[Sample]:
    try:
        file = pq.ParquetFile(path)
        _require_columns(path, file.schema_arrow.names, [data.image_column, data.label_column, data.group_column, None])
        wanted = [column for column in (data.label_column, data.group_column) if column]
        table = file.read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"data.path: {path} cannot be read as Parquet ({reason}); write or download it again"
        ) from None
    names = _class_names(file.schema_arrow, data.label_column)
    labels = table[data.label_column].to_pylist()
    groups = table[data.group_column].to_pylist() if data.group_column else [""] * len(labels)
    opened = _Opened(file, data.image_column)
    found: list[Sample] = []
    for group in range(file.num_row_groups):
        for row in range(file.metadata.row_group(group).num_rows):
            index = len(found)
            label = _label(labels[index], names, f"{path}, row {index + 1}")
            place = InParquet(opened, group, row)
            owner = "" if groups[index] is None else str(groups[index])
            found.append(Sample(f"{name}/{index:06d}", label, place, split, owner, number * 2**32 + index))
    return found


def _class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Return the class names from Hugging Face's metadata, by class number; None if there is none."""
    try:
        note = json.loads((schema.metadata or {})[b"huggingface"])
        names: list[str] = note["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return names


def _label(value: Any, names: list[str] | None, where: str) -> str:
    if value is None or value == "":
        raise InputError(f"{where}: no label; every row needs one")
    if names is None or isinstance(value, str):
        return str(value)
    if not 0 <= value < len(names):
        raise InputError(f"{where}: label {value}, but the file has {len(names)} class names; correct it")
    return str(names[value])
