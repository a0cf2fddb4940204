"""The prepared folder: the packed images of each split, and their description."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base.damage import reading
from darkroom.base.errors import InputError
from darkroom.base.files import file_digest
from darkroom.base.types import Pixels, SplitName
from darkroom.data.prepared.datasets import Description, Split

DESCRIPTION, IMAGES, MANIFEST = "dataset.json", "images.npy", "manifest.parquet"
TRAINED_ON = (DESCRIPTION, *(f"{split}/{name}" for split in ("train", "validation") for name in (IMAGES, MANIFEST)))
"""Files of the prepared folder that training reads."""


@dataclass(frozen=True)
class Prepared:
    """The prepared folder, read lazily; only ``test`` reads test images."""

    folder: Path

    @classmethod
    def of_project(cls, root: Path = Path()) -> "Prepared":
        """Return the prepared folder of a project, as dvc.yaml names it."""
        return cls(root / "data" / "prepared")

    @cached_property
    def description(self) -> Description:
        """The properties that all splits share."""
        return Description.read(self.description_file)

    @property
    def description_file(self) -> Path:
        """Path of the description, a JSON file."""
        return self.folder / DESCRIPTION

    def images_file(self, name: SplitName) -> Path:
        """Return the path of a split's packed images."""
        return self.folder / name / IMAGES

    def manifest_file(self, name: SplitName) -> Path:
        """Return the path of a split's manifest."""
        return self.folder / name / MANIFEST

    def has(self, name: SplitName) -> bool:
        """Whether images and manifest of a split exist."""
        return self.manifest_file(name).is_file() and self.images_file(name).is_file()

    def images(self, name: SplitName) -> Pixels:
        """Memory-map the images of a split: uint8 of shape (images, height, width, channels)."""
        with reading(self.images_file(name)):
            packed: Pixels = np.load(self.images_file(name), mmap_mode="r")
        return packed

    def manifest(self, name: SplitName, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read the manifest of a split, in the order of its images.

        Args:
            name: the split.
            columns: columns to read; all by default.
        """
        with reading(self.manifest_file(name)):
            return pd.read_parquet(self.manifest_file(name), columns=None if columns is None else list(columns))

    def split(self, name: SplitName) -> Split:
        """Read a split; the images are memory-mapped."""
        manifest = self.manifest(name)
        number = {label: index for index, label in enumerate(self.description.labels)}
        classes = np.asarray(manifest["label"].map(number).astype("int64"), dtype=np.int64)
        return Split(self.images(name), classes, manifest)

    @property
    def training(self) -> Split:
        """The training images."""
        return self.split("train")

    @property
    def validation(self) -> Split:
        """The validation images."""
        return self.split("validation")

    @property
    def test(self) -> Split:
        """The test images, for evaluation and promotion only."""
        return self.split("test")

    @property
    def digest(self) -> str:
        """Digest of the description, which includes the digest of the images and the preprocessing."""
        return file_digest(self.description_file)

    def can_train(self) -> bool:
        """Whether all files that training reads exist."""
        return self._missing() is None

    def require(self) -> None:
        """Check that all files that training reads exist.

        Raises:
            InputError: a file is missing.
        """
        if missing := self._missing():
            raise InputError(f"{self.folder}/{missing}: no such file; run dvc repro preprocess")

    def _missing(self) -> str | None:
        return next((name for name in TRAINED_ON if not (self.folder / name).is_file()), None)
