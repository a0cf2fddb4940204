"""The manifest: one row for each image. It is the contract between the stages before training."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = {
    "name": "str",
    "label": "str",
    "sha256": "str",
    "width": "int64",
    "height": "int64",
    "mode": "str",  # Pillow's name of the pixel format
    "format": "str",  # of the file; empty where there is none
    "pixel_mean": "float64",  # of the grey values, 0 to 255
    "pixel_deviation": "float64",
    "red": "float64",  # means of the channels, 0 to 255; all the same for grey images
    "green": "float64",
    "blue": "float64",
    "given_split": "str",  # by the source; empty where it gives none
    "group": "str",  # images of one group never straddle splits; empty for an image by itself
    "note": "str",  # what is odd about a sound image
}
QUARANTINE_COLUMNS = {"name": "str", "label": "str", "reason": "str", "remedy": "str"}


def from_columns(columns: Mapping[Any, Sequence[Any] | pd.Series]) -> pd.DataFrame:
    """Make a manifest: a frame with ``COLUMNS``, of a mapping that has these and perhaps others."""
    return pd.DataFrame({name: columns[name] for name in COLUMNS}).astype(COLUMNS)


def quarantine_from_rows(rows: Iterable[tuple[Any, ...]]) -> pd.DataFrame:
    """Make the table of the images that are not used: a frame with ``QUARANTINE_COLUMNS``."""
    return pd.DataFrame(list(rows), columns=list(QUARANTINE_COLUMNS)).astype(QUARANTINE_COLUMNS)


def without(manifest: pd.DataFrame, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the images that are used; the index stays that of the ingested images."""
    return manifest[~manifest["name"].isin(quarantine["name"])]


def labels_of(manifest: pd.DataFrame) -> list[str]:
    """Return the class names in the order that every stage and the packaged model use."""
    return sorted(manifest["label"].dropna().unique())


def digest(manifest: pd.DataFrame) -> str:
    """Return a digest of the images, their labels and their splits, whatever their order."""
    # By Arrow, which does not keep other threads from Python meanwhile.
    columns = [pa.array(manifest[name], pa.large_string()) for name in ("sha256", "label", "split")]
    tab, end = pa.array(["\t", "\n"], pa.large_string())
    lines = pc.binary_join_element_wise(*columns, tab)
    in_order = lines.take(pc.array_sort_indices(lines))
    (text,) = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], in_order), end)
    return hashlib.sha256(text.as_buffer()).hexdigest()[:16]


def write(manifest: pd.DataFrame, path: str | Path) -> None:
    """Write a manifest with its index as Parquet, which keeps a label such as ``007`` the text that it is."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of values that seldom repeat, a table of all there are would be in vain.
    repeated = [name for name, kind in manifest.dtypes.items() if kind != "float64" and name not in {"name", "sha256"}]
    manifest.to_parquet(path, use_dictionary=repeated)


def read(path: str | Path) -> pd.DataFrame:
    """Read a manifest."""
    # Mapped, which takes three quarters of the time; the table is a copy, so that the file may change or go.
    return pd.read_parquet(path, memory_map=True)


def write_quarantine(quarantine: pd.DataFrame, path: str | Path) -> None:
    """Write the table of the images that are not used, as CSV for people."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    quarantine.to_csv(path, index=False)


def read_quarantine(path: str | Path) -> pd.DataFrame:
    """Read what ``write_quarantine`` wrote; every cell is text."""
    return pd.read_csv(path, dtype="str", keep_default_na=False)
