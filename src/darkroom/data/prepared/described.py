"""The folder in which the stage ``describe`` keeps one table of features of all training and validation images.

``features.npy`` holds float32 of shape (images, dimensions); ``images.parquet`` a row per image, in the same order;
``described.json`` what made the features. Test images are not in it.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom.base.damage import reading
from darkroom.base.errors import InputError
from darkroom.base.files import read_json, write_json
from darkroom.base.types import Floats
from darkroom.data.prepared.features import SPLITS
from darkroom.data.prepared.prepared import Prepared

COLUMNS = {"picture": "str", "name": "str", "label": "str", "split": "str", "row": "int64"}
"""Of ``images.parquet``. ``row`` is the image's row in its split; the training images come first."""


@dataclass(frozen=True)
class DescribedRecord:
    """What ``described.json`` says."""

    source: str
    """What the features are: ``network`` (frozen layers of a network in ``models``), ``imagenet`` or ``pixels``."""
    made_by: dict[str, Any] = field(default_factory=dict)
    """All that the features of a picture depend on; equal values mean equal features."""
    summary: str = ""
    """One line for people: what the features are of."""
    limits: str = ""
    """One line for people: what they cannot tell; empty if there is nothing to say."""
    images: int = 0
    dimensions: int = 0


@dataclass(frozen=True)
class Described:
    """The folder; read lazily."""

    folder: Path

    @classmethod
    def of_project(cls, root: Path = Path()) -> "Described":
        """Return the folder of a project, as dvc.yaml names it."""
        return cls(root / "data" / "described")

    @property
    def record_file(self) -> Path:
        """Path of the record, a JSON file."""
        return self.folder / "described.json"

    @property
    def features_file(self) -> Path:
        """Path of the features."""
        return self.folder / "features.npy"

    @property
    def images_file(self) -> Path:
        """Path of the table of images."""
        return self.folder / "images.parquet"

    def record(self) -> DescribedRecord:
        """Read the record.

        Raises:
            InputError: the stage has not run, or its file is damaged.
        """
        try:
            return DescribedRecord(**read_json(self.record_file))
        except (OSError, InputError, TypeError):
            raise InputError(f"{self.folder} has no features of images; run dvc repro describe") from None

    def features(self) -> Floats:
        """Memory-map the features: float32 of shape (images, dimensions)."""
        with reading(self.features_file):
            found: Floats = np.load(self.features_file, mmap_mode="r")
        return found

    def images(self) -> pd.DataFrame:
        """Read the table of images, with ``COLUMNS``."""
        with reading(self.images_file):
            return pd.read_parquet(self.images_file)

    def write(self, features: Floats, images: pd.DataFrame, record: DescribedRecord) -> None:
        """Replace the content of the folder; the record comes last, so that an interruption leaves none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for file in (self.record_file, self.features_file, self.images_file):
            # DVC may have linked the file to its cache.
            file.unlink(missing_ok=True)
        np.save(self.features_file, features)
        images.astype(COLUMNS).to_parquet(self.images_file)
        write_json(self.record_file, asdict(record))


def images_of(prepared: Prepared) -> pd.DataFrame:
    """Return the table of training and validation images, with ``COLUMNS``."""
    of_splits = []
    for split in SPLITS:
        rows = prepared.manifest(split, ["picture", "name", "label"])
        of_splits.append(rows.assign(split=split, row=np.arange(len(rows))))
    return pd.concat(of_splits, ignore_index=True)[list(COLUMNS)].astype(COLUMNS)
