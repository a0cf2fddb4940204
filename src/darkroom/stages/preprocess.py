"""From the manifest and the ingested images to packed arrays, one for each split."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import manifest
from darkroom.arrays import ArrayWriter, read_portions
from darkroom.datasets import ChannelCounts, Description, Integers
from darkroom.params import DataParams, PreprocessParams
from darkroom.samples import SPLITS, SplitName


def pack(
    rows: pd.DataFrame,
    images: str | Path,
    params: PreprocessParams,
    folder: str | Path,
    *,
    data: DataParams,
    quarantined: int = 0,
) -> Description:
    """Divide the images and write them, one folder for each split, with a description of the whole.

    Args:
        rows: the manifest with its splits; the index counts the images of the file.
        images: the file of all ingested images.
        params: size and rules, for the description.
        folder: gets ``train``, ``validation``, ``test`` and ``dataset.json``.
        data: where they are from.
        quarantined: number of the images that are not used.
    """
    folder = Path(folder)
    numbers = {split: rows.index[rows["split"] == split].to_numpy() for split in SPLITS}
    with ThreadPoolExecutor(1) as beside:
        # The system writes while Python makes the tables.
        counted = beside.submit(_write_images, images, numbers, params.size, folder)
        of_split = {split: rows.loc[numbers[split]] for split in SPLITS}
        for split, part in of_split.items():
            manifest.write(part.reset_index(drop=True), folder / split / "manifest.parquet")
        digest = manifest.digest(rows)
    mean, deviation = counted.result().mean_and_deviation()
    training = of_split["train"]["label"].value_counts()
    labels = manifest.labels_of(rows)
    description = Description(
        labels=tuple(labels),
        size=params.size,
        interpolation=params.interpolation,
        aspect=params.aspect,
        mean=mean,
        deviation=deviation,
        source=data.source,
        counts={split: len(part) for split, part in of_split.items()},
        training_counts={label: int(training[label]) for label in labels},
        digest=digest,
        background=params.background,
        quarantined=quarantined,
        price_charts=None if data.price_charts is None else data.price_charts.model_dump(mode="json"),
    )
    description.write(folder / "dataset.json")
    return description


def _write_images(
    images: str | Path, numbers: Mapping[SplitName, Integers], size: tuple[int, int, int], folder: Path
) -> ChannelCounts:
    """Write the images of each split, by their numbers; return how often each value occurs in those of training."""
    counts = ChannelCounts(size[2])
    with (
        ArrayWriter(folder / "train" / "images.npy", (len(numbers["train"]), *size)) as train,
        ArrayWriter(folder / "validation" / "images.npy", (len(numbers["validation"]), *size)) as validation,
        ArrayWriter(folder / "test" / "images.npy", (len(numbers["test"]), *size)) as test,
    ):
        start = 0
        for portion in read_portions(images):
            for split, target in zip(SPLITS, (train, validation, test), strict=True):
                first, last = np.searchsorted(numbers[split], [start, start + len(portion)])
                chosen = portion[numbers[split][first:last] - start]
                target.write(chosen.data)
                if split == "train":
                    counts.add(chosen)
            start += len(portion)
    return counts
