"""Parquet files with embedded images, as in Hugging Face data sets."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from darkroom.base.errors import InputError
from darkroom.base.failures import first_line
from darkroom.base.files import files_below, leads_out
from darkroom.base.types import SplitName
from darkroom.data.formats.manifest import UNLABELLED
from darkroom.data.formats.samples import LeftOut, Sample
from darkroom.data.sources import limits
from darkroom.data.sources.folders import LEADS_OUT
from darkroom.data.sources.layout import is_hidden
from darkroom.data.sources.tables import further_columns, parquet_files, parquet_splits
from darkroom.data.sources.tables.columns import LABEL_IT, Listed, require_columns
from darkroom.data.sources.tables.further_columns import Further
from darkroom.data.sources.tables.parquet_files import ImageColumn, InParquet
from darkroom.params import DataParams

if TYPE_CHECKING:
    import pandas as pd

ENDING = ".parquet"


def find_parquet(data: DataParams) -> Listed:
    """List the images embedded in one or more Parquet files, the format of Hugging Face data sets.

    Names of files and folders assign the splits, see ``parquet_splits.of_files``. Images of a file without any label
    are left out if another file has labels.

    Raises:
        InputError: no such file, a column is missing, a row has no label, or names of splits are ambiguous.
    """
    root = Path(data.path)
    every = [root] if not root.is_dir() else [file for file in files_below(root) if _is_parquet(file, root)]
    real = os.path.realpath(root)
    out = [] if not root.is_dir() or data.follow_links else [path for path in every if leads_out(path, real)]
    files = sorted({*every}.difference(out))
    if not files:
        links = f" but {len(out)} links out of it (data.follow_links)" if out else ""
        raise InputError(f"data.path: {root} holds no .parquet file{links}; set it to a file, or a folder of them")
    splits, notes = parquet_splits.of_files(files, root, data.layout)
    found: list[Sample] = []
    left_out = [LeftOut(path.relative_to(root).as_posix(), *LEADS_OUT) for path in out]
    classes: dict[Path, frozenset[str] | None] = {}
    columns: list[pd.DataFrame] = []
    for number, path in enumerate(files):
        name = path.name if path == root else path.relative_to(root).as_posix()
        name = name[: -len(ENDING)] if name.lower().endswith(ENDING) else name
        samples, rows, classes[path], further = _in_parquet(path, name, splits[path], data, number)
        found += samples
        columns.append(further.of_images(range(len(samples)), [sample.name for sample in samples]))
        notes = (*notes, *further.notes(path))
        left_out += [LeftOut(f"{name}/{row:06d}", UNLABELLED, LABEL_IT) for row in range(rows)]
        if rows:
            notes = (*notes, f"{name}.parquet: no row has a label, so its {rows} images are left out")
    parquet_splits.require_same_classes(classes, root)
    notes = (*notes, *parquet_splits.missing_parts(files))
    return found, left_out, notes, further_columns.joined(columns)


def _is_parquet(file: Path, root: Path) -> bool:
    return file.suffix.lower() == ENDING and not any(map(is_hidden, file.relative_to(root).parts))


def _in_parquet(
    path: Path, name: str, split: SplitName | None, data: DataParams, number: int
) -> tuple[list[Sample], int, frozenset[str] | None, Further]:
    """Return the images of a file, and how many it has without a label, which are all or none.

    Returns:
        Third, the names of numbered classes: none if the file does not name them; None if its labels are texts. Last,
        the further columns.
    """
    try:
        table = parquet_files.open_file(path)
        held_out = split not in {None, "train"}
        if held_out and data.label_column not in table.columns:
            return [], table.rows, None, Further()
        require_columns(path, table.columns, [data.image_column, data.label_column, data.group_column, None])
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
        return [], len(labels), None, Further()
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
    numbered = any(isinstance(label, int) for label in labels)
    return found, 0, frozenset(names or ()) if numbered else None, further


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
