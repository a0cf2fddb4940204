"""Data sets of published results as arrays, from the folder set by DARKROOM_DATASETS.

A tenth of the official training images is used for validation, the same for all recipes; the official test images are
used once per training, at its end.
"""

import gzip
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.data.prepared.datasets import Description, Split
from darkroom.data.prepared.statistics import channel_statistics
from darkroom.inference.images import Pixels, decode, to_pixels
from darkroom.params import AugmentationParams

SPLIT_SEED = 0
VALIDATION_SHARE = 0.1
CACHE = Path(".darkroom/benchmarks")
AUGMENTATION = {
    "fashion_mnist": AugmentationParams(horizontal_flip=True, crop=1),
    "cifar10": AugmentationParams(horizontal_flip=True, crop=3),
}
OF_NETWORK = {"cifar_cnn": AugmentationParams(horizontal_flip=True, crop=2)}


def augmentation(data: str, network: str) -> AugmentationParams:
    """Return the ``preprocess.augmentation`` for a data set and network; a recipe may override it."""
    return OF_NETWORK.get(network, AUGMENTATION[data])


FASHION_LABELS = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")


def load(name: str) -> tuple[Description, Split, Split, Split]:
    """Return a data set's description, and its training, validation and test images."""
    labels, images, classes, test_images, test_classes = {"fashion_mnist": _fashion_mnist, "cifar10": _cifar10}[name]()
    validation = _validation_rows(classes)
    train = Split(images[~validation], classes[~validation], pd.DataFrame())
    mean, deviation = channel_statistics(train.images)
    description = Description(
        labels=labels,
        size=images.shape[1:],
        interpolation="bicubic",
        aspect="stretch",
        mean=mean,
        deviation=deviation,
        source=name,
        counts={"train": len(train.classes), "validation": int(validation.sum()), "test": len(test_classes)},
        training_counts={},
        digest=name,
    )
    return (
        description,
        train,
        Split(images[validation], classes[validation], pd.DataFrame()),
        Split(test_images, test_classes, pd.DataFrame()),
    )


def _validation_rows(classes: np.ndarray) -> np.ndarray:
    """Choose a random tenth of each class."""
    chosen = np.zeros(len(classes), dtype=bool)
    generator = np.random.default_rng(SPLIT_SEED)
    for number in range(classes.max() + 1):
        rows = np.flatnonzero(classes == number)
        chosen[generator.choice(rows, round(VALIDATION_SHARE * len(rows)), replace=False)] = True
    return chosen


def folder() -> Path:
    """Return the folder of the data sets."""
    if "DARKROOM_DATASETS" not in os.environ:
        sys.exit("DARKROOM_DATASETS is not set; set it to the folder with fashion-mnist/ and cifar10-images.zip")
    return Path(os.environ["DARKROOM_DATASETS"])


def _fashion_mnist() -> tuple[tuple[str, ...], Pixels, np.ndarray, Pixels, np.ndarray]:
    def read(name: str, offset: int) -> np.ndarray:
        with gzip.open(folder() / "fashion-mnist" / name) as file:
            return np.frombuffer(file.read(), np.uint8, offset=offset)

    def images(part: str) -> Pixels:
        return read(f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)

    def classes(part: str) -> np.ndarray:
        return read(f"{part}-labels-idx1-ubyte.gz", 8).astype(np.int64)

    return FASHION_LABELS, images("train"), classes("train"), images("t10k"), classes("t10k")


def _cifar10() -> tuple[tuple[str, ...], Pixels, np.ndarray, Pixels, np.ndarray]:
    """Decode the JPEG files once; their quality is 75, so that results on the lossless images are higher."""
    packed = CACHE / "cifar10.npz"
    if not packed.is_file():
        packed.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder() / "cifar10-images.zip") as archive:
            names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
            labels = sorted({name.split("/")[-2] for name in names})
            arrays = {"labels": np.array(labels)}
            for part in ("train", "test"):
                chosen = [name for name in names if f"/{part}/" in name]
                arrays[f"{part}_classes"] = np.array([labels.index(name.split("/")[-2]) for name in chosen])
                pixels = [to_pixels(decode(archive.read(name)), (32, 32, 3), "bicubic", "stretch") for name in chosen]
                arrays[f"{part}_images"] = np.stack(pixels)
        np.savez(packed, allow_pickle=False, **arrays)
    with np.load(packed) as file:
        return (
            tuple(file["labels"].tolist()),
            file["train_images"],
            file["train_classes"],
            file["test_images"],
            file["test_classes"],
        )
