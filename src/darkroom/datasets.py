"""Packed arrays on disk, and batches of them for Keras."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from darkroom.arrays import ROWS
from darkroom.errors import InputError
from darkroom.files import read_json, write_json
from darkroom.images import Pixels

LEVELS = 256  # of 8 bits
COUNTED = 2**24  # pixels at a time: OpenCV gives counts as float32, which is exact up to here

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Description:
    """What all splits share, and what the packaged model must know of them."""

    labels: tuple[str, ...]
    """Class names; a label's place here is its class number everywhere."""
    size: tuple[int, int, int]
    """Height, width, channels."""
    interpolation: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]
    aspect: Literal["stretch", "pad", "crop"]
    mean: tuple[float, ...]
    """Of the training images' values from 0 to 255, for each channel."""
    deviation: tuple[float, ...]
    """Standard deviation of the same."""
    source: str
    """Kind of the source, as params.yaml names it."""
    counts: dict[str, int]
    """Images in each split."""
    training_counts: dict[str, int]
    """Training images of each class."""
    digest: str
    """Of the images, labels and splits."""
    background: Literal["white", "black", "grey"] = "white"
    """What shows through where an image is transparent."""
    quarantined: int = 0
    """Images of the source that are not used."""
    price_charts: dict[str, Any] | None = None
    """How charts were drawn, as ``data.price_charts`` of params.yaml says it; None for images that are no charts."""

    def write(self, path: str | Path) -> None:
        """Write as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: str | Path) -> "Description":
        """Read what ``write`` wrote."""
        values: dict[str, Any] = read_json(path)
        return cls(**{**values, **{key: tuple(values[key]) for key in ("labels", "size", "mean", "deviation")}})


@dataclass(frozen=True)
class Split:
    """The images of one split."""

    images: Pixels
    """uint8 of shape (images, height, width, channels), mapped from disk."""
    classes: Integers
    """Class numbers."""
    manifest: pd.DataFrame
    """Their rows of the manifest, in the same order."""


def read_split(folder: str | Path, labels: Sequence[str]) -> Split:
    """Read a split; the images stay on disk until they are used."""
    folder = Path(folder)
    manifest = pd.read_parquet(folder / "manifest.parquet")
    number = {label: index for index, label in enumerate(labels)}
    classes = np.asarray(manifest["label"].map(number).astype("int64"), dtype=np.int64)
    return Split(np.load(folder / "images.npy", mmap_mode="r"), classes, manifest)


TRAINED_ON = (
    "dataset.json",
    *(f"{split}/{name}" for split in ("train", "validation") for name in ("images.npy", "manifest.parquet")),
)
"""The files of the prepared folder that a training reads."""


def require_prepared(folder: str | Path) -> None:
    """Check that training and validation images are there.

    Raises:
        InputError: a file is missing.
    """
    missing = [part for part in TRAINED_ON if not (Path(folder) / part).is_file()]
    if missing:
        raise InputError(f"{folder}/{missing[0]}: no such file; dvc repro preprocess makes it")


class ChannelCounts:
    """Counts how often each value occurs in each channel, portion by portion: mean and deviation follow exactly."""

    def __init__(self, channels: int) -> None:
        self._counts = np.zeros((channels, LEVELS), dtype=np.int64)

    def add(self, images: Pixels) -> None:
        """Take images: uint8 of shape (images, height, width, channels)."""
        import cv2  # here, since who only reads descriptions, as promotion does, starts without it

        pixels = images.reshape(-1, 1, len(self._counts))
        for start in range(0, len(pixels), COUNTED):
            portion = pixels[start : start + COUNTED]
            for channel in range(len(self._counts)):
                counts = cv2.calcHist([portion], [channel], None, [LEVELS], [0, LEVELS])
                self._counts[channel] += counts.ravel().astype(np.int64)

    def mean_and_deviation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel.

        Raises:
            InputError: a channel is the same everywhere, so that nothing can be divided by its deviation.
        """
        values, count = np.arange(LEVELS), self._counts[0].sum()
        mean = self._counts @ values / count
        deviation = np.sqrt(np.maximum(self._counts @ values**2 / count - mean**2, 0))
        if (deviation < 1e-6).any():  # noqa: PLR2004
            raise InputError(
                "a channel has the same value in all training images; check the images and preprocess.size"
            )
        return tuple(mean.tolist()), tuple(deviation.tolist())


def channel_statistics(images: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel of images; see ``ChannelCounts``."""
    counts = ChannelCounts(images.shape[3])
    for start in range(0, len(images), ROWS):
        counts.add(images[start : start + ROWS])
    return counts.mean_and_deviation()


def one_hot(classes: Integers, count: int) -> Floats:
    """Turn class numbers of shape (n,) into float32 rows of shape (n, count)."""
    return np.eye(count, dtype=np.float32)[classes]


def balanced_weights(classes: Integers, count: int) -> Floats:
    """Return a weight for each class, inverse to its share, that averages to 1 over the images."""
    sizes = np.bincount(classes, minlength=count)
    return (len(classes) / (count * np.maximum(sizes, 1))).astype(np.float32)


def batch_seed(*numbers: int) -> int:
    """Mix seed, epoch and batch number into a seed for one batch."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
