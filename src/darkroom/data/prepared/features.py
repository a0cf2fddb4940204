"""The folder in which the stage ``features`` keeps the features of one network. TensorFlow is not imported here."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from darkroom.base.errors import InputError
from darkroom.base.files import read_json, write_json
from darkroom.base.types import Floats, SplitName

SPLITS: tuple[SplitName, ...] = ("train", "validation")
"""Features of test images are computed in evaluation alone."""


@dataclass(frozen=True)
class FeatureRecord:
    """What ``features.json`` says."""

    network: str
    weights: str | None
    """Digest of the initial weights' file, or ``imagenet`` where the network's code states it; None without any."""
    reason: str | None = None
    """Why there are no features; None if there are."""
    key: str | None = None
    """Digest of all that the features depend on: images, layers and weights."""
    layer: str | None = None
    """The last frozen layer."""
    shape: tuple[int, ...] = ()
    """Shape of one image's features."""
    images: int = 0
    """Number of images."""


@dataclass(frozen=True)
class FeatureFolder:
    """Features of training and validation images, float32 of shape (images, …), with a record of what they are of."""

    folder: Path

    @property
    def record_file(self) -> Path:
        """Path of the record, a JSON file."""
        return self.folder / "features.json"

    def array_file(self, split: SplitName) -> Path:
        """Return the path of a split's features."""
        return self.folder / f"{split}.npy"

    def key(self) -> str | None:
        """Return the digest of what the features depend on; None if there are none."""
        try:
            record: Any = read_json(self.record_file)
            return str(record["key"]) if record["key"] else None
        except (OSError, InputError, KeyError, TypeError):
            return None

    def arrays(self, key: str) -> tuple[Floats, ...] | None:
        """Memory-map the features of training and validation images.

        Args:
            key: the digest that the features must have.

        Returns:
            None if the folder does not have them.
        """
        if self.key() != key:
            return None
        try:
            return tuple(np.load(self.array_file(split), mmap_mode="r") for split in SPLITS)
        except (OSError, ValueError, EOFError):  # damaged
            return None

    def require(self) -> None:
        """Check that the stage ``features`` has left its record here, and the features that it states.

        Raises:
            InputError: something is missing or damaged.
        """
        try:
            key = read_json(self.record_file)["key"]
        except (OSError, InputError, KeyError, TypeError):
            key = ""
        if key is not None and self.arrays(key) is None:
            raise InputError(
                f"{self.folder} is missing or incomplete, so it is unknown whether there are features of the network "
                f"{self.folder.name}; run dvc repro features@{self.folder.name}, or fetch them with dvc pull"
            )

    def other_with(self, key: str) -> "FeatureFolder | None":
        """Return the folder of another network with the same features, if there is one.

        Its key states all that they depend on, so that it does not matter who has computed them.
        """
        others = (FeatureFolder(path.parent) for path in sorted(self.folder.parent.glob("*/features.json")))
        return next((other for other in others if other.arrays(key) is not None), None)

    def write(self, record: FeatureRecord, source: "FeatureFolder | None" = None, *, move: bool = False) -> None:
        """Replace the content of the folder.

        Args:
            record: written last, so that what an interruption leaves does not count.
            source: folder with the features; None if there are none.
            move: whether the features are moved instead of copied.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.record_file.unlink(missing_ok=True)
        for split in SPLITS:
            self.array_file(split).unlink(missing_ok=True)
            if source is not None:
                place = shutil.move if move else shutil.copyfile
                place(source.array_file(split), self.array_file(split))
        self.write_record(record)

    def write_record(self, record: FeatureRecord) -> None:
        """Replace the record and leave the features."""
        # DVC may have linked the file to its cache.
        self.record_file.unlink(missing_ok=True)
        write_json(self.record_file, asdict(record))
