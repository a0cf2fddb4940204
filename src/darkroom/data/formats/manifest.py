"""The manifest, one row per image: the format that the stages before training exchange."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from darkroom.base import spreadsheets
from darkroom.base.damage import reading
from darkroom.base.types import SplitName

COLUMNS = {
    "name": "str",
    "label": "str",
    "sha256": "str",  # of the file
    "picture": "str",  # of the decoded picture, see ``pictures.picture_hash``; lossless copies share it
    "width": "int64",
    "height": "int64",
    "mode": "str",  # Pillow's image mode
    "format": "str",  # file format; empty if unknown
    "pixel_mean": "float64",  # of grey values, 0 to 255
    "pixel_deviation": "float64",
    "red": "float64",  # channel means, 0 to 255; equal for grey images
    "green": "float64",
    "blue": "float64",
    "given_split": "str",  # split assigned by the source; empty if none
    "group": "str",  # images of one group share a split; empty if ungrouped
    "note": "str",  # remark on a usable image
    "source_label": "str",  # label that the source gives, if ``corrections`` change it; empty otherwise
}
UNIQUE = {"name", "sha256", "picture"}
"""Columns of text whose values rarely repeat."""
QUARANTINE_COLUMNS = {"name": "str", "label": "str", "reason": "str", "remedy": "str"}
UNLABELLED = "the source gives it no label"
"""Reason of images that are sound but cannot be used, such as published test images; they do not count as damaged."""


def from_columns(columns: Mapping[Any, Sequence[Any] | pd.Series]) -> pd.DataFrame:
    """Build a manifest with ``COLUMNS`` from a mapping; extra columns are dropped."""
    return pd.DataFrame({name: columns[name] for name in COLUMNS}).astype(COLUMNS)


def quarantine_from_rows(rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """Build the table of quarantined files, with ``QUARANTINE_COLUMNS``."""
    return pd.DataFrame(list(rows), columns=list(QUARANTINE_COLUMNS)).astype(QUARANTINE_COLUMNS)


def without(manifest: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Return the manifest without quarantined images; the index still numbers the ingested images."""
    return manifest[~manifest["name"].isin(quarantine["name"])]


def labels_of(manifest: pd.DataFrame) -> list[str]:
    """Return the sorted class names; every stage and the packaged model use this order."""
    return sorted(manifest["label"].dropna().unique())


def digest(manifest: pd.DataFrame) -> str:
    """Return a digest of the images, their labels and splits, independent of row order."""
    # Arrow releases the GIL, so other threads can run.
    columns = [pa.array(manifest[name], pa.large_string()) for name in ("sha256", "label", "split")]
    tab, end = pa.array(["\t", "\n"], pa.large_string())
    lines = pc.binary_join_element_wise(*columns, tab)
    in_order = lines.take(pc.array_sort_indices(lines))
    (text,) = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], in_order), end)
    return hashlib.sha256(text.as_buffer()).hexdigest()[:16]


def digest_in_order(manifest: pd.DataFrame) -> str:
    """Return a digest of the images alone, in the order of the rows."""
    return hashlib.sha256("\n".join(manifest["sha256"]).encode()).hexdigest()[:16]


def write(manifest: pd.DataFrame, path: str | Path) -> None:
    """Write a manifest with its index as Parquet, which keeps labels such as ``007`` as text."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Dictionary encoding does not pay off for columns whose values rarely repeat.
    repeated = [name for name, kind in manifest.dtypes.items() if kind != "float64" and name not in UNIQUE]
    manifest.to_parquet(path, use_dictionary=repeated)


def read(path: str | Path) -> pd.DataFrame:
    """Read a manifest."""
    # Memory mapping saves a quarter of the time. The frame is a copy, so the file may change or be deleted.
    with reading(path):
        return pd.read_parquet(path, memory_map=True)


def write_quarantine(quarantine: pd.DataFrame, path: str | Path) -> None:
    """Write the quarantined files as CSV."""
    spreadsheets.write(path, quarantine)


def read_quarantine(path: str | Path) -> pd.DataFrame:
    """Read a file written by ``write_quarantine``; every cell is text."""
    return spreadsheets.read(Path(path))


def write_columns(columns: pd.DataFrame | None, path: str | Path) -> None:
    """Write what the source says of the images beside the label, all text, by ``name``; None: nothing."""
    nothing = pd.DataFrame({"name": pd.Series(dtype="str")})
    (nothing if columns is None else columns).to_parquet(path, index=False)


SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")
