"""Test images that a model has learnt from, or from near-duplicates of which."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base.types import HASH_DIGITS, Flags
from darkroom.data.formats import families, manifest
from darkroom.tracking.seen_images import SeenImages

COLUMNS = ("picture", "sha256", "group")
MANIFEST, FAMILIES = "manifest.parquet", "families.parquet"


@dataclass(frozen=True)
class Relations:
    """Which images belong together."""

    rows: pd.DataFrame
    """``COLUMNS`` of all current images."""
    families: pd.DataFrame
    """Families of current and earlier pictures, see ``formats.families``."""

    @classmethod
    def read(cls, folder: Path) -> "Relations":
        """Read the output of the stage ``split``."""
        return cls(manifest.read(folder / MANIFEST)[list(COLUMNS)], families.read(folder / FAMILIES))


def leaked(test: pd.DataFrame, seen: SeenImages, related: Relations) -> Flags:
    """Return which test images a model has seen: the picture itself, its file, or another of its family or group.

    Args:
        test: manifest of the test images.
        seen: the model's images.
        related: which images belong together.
    """
    files, pictures = (set(seen.table[column]) - {""} for column in ("sha256", "picture"))
    rows = related.rows
    # Of a model of an earlier Darkroom version, only the files are known.
    known = _prefix(rows["sha256"]).isin(files) | _prefix(rows["picture"]).isin(pictures)
    groups = set(rows["group"][known]) - {""}
    pictures |= set(_prefix(rows["picture"])[known])
    relatives = _prefix(related.families["picture"])
    family = related.families["family"].isin(related.families["family"][relatives.isin(pictures)])
    pictures |= set(relatives[family])
    found = _prefix(test["sha256"]).isin(files) | _prefix(test["picture"]).isin(pictures) | test["group"].isin(groups)
    return np.asarray(found, dtype=np.bool_)


def training_changed(one: SeenImages, other: SeenImages) -> bool:
    """Return whether two models were trained on different pictures, or on other labels of the same.

    If a model's labels are not recorded, pictures are compared; if its pictures are not, files.
    """
    if one.training_labels and other.training_labels:
        return one.training_labels != other.training_labels
    if one.training_pictures and other.training_pictures:
        return one.training_pictures != other.training_pictures
    return one.training_files != other.training_files


def _prefix(hashes: pd.Series) -> pd.Series:
    return hashes.str[:HASH_DIGITS]
