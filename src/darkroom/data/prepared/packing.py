"""Pack the ingested images into one array per split."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from darkroom.base.types import Integers, SplitName
from darkroom.data.formats import manifest
from darkroom.data.formats.arrays import ArrayWriter, read_portions
from darkroom.data.formats.manifest import SPLITS
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.prepared import Prepared
from darkroom.data.prepared.statistics import ChannelCounts
from darkroom.params import DataParams, PreprocessParams


def pack(
    rows: pd.DataFrame,
    images: str | Path,
    params: PreprocessParams,
    prepared: Prepared,
    *,
    data: DataParams,
    quarantined: int = 0,
) -> Description:
    """Write the images and manifest of each split to its own folder, with a common description.

    Args:
        rows: the manifest with splits; its index is the image's index in the file.
        images: file of all ingested images.
        params: image size and preprocessing, for the description.
        prepared: the folder to write into.
        data: source of the images.
        quarantined: number of quarantined images.
    """
    numbers = {split: rows.index[rows["split"] == split].to_numpy() for split in SPLITS}
    with ThreadPoolExecutor(1) as beside:
        # Images are written while Python makes the tables.
        counted = beside.submit(_write_images, images, numbers, params.size, prepared)
        of_split = {split: rows.loc[numbers[split]] for split in SPLITS}
        for split, table in of_split.items():
            manifest.write(table.reset_index(drop=True), prepared.manifest_file(split))
        digest = manifest.digest(rows)
        seen = manifest.digest_in_order(pd.concat([of_split["train"], of_split["validation"]]))
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
        counts={split: len(table) for split, table in of_split.items()},
        training_counts={label: int(training[label]) for label in labels},
        digest=digest,
        background=params.background,
        quarantined=quarantined,
        price_charts=None if data.price_charts is None else data.price_charts.model_dump(mode="json"),
        images=seen,
    )
    description.write(prepared.description_file)
    return description


def _write_images(
    images: str | Path, numbers: Mapping[SplitName, Integers], size: tuple[int, int, int], prepared: Prepared
) -> ChannelCounts:
    """Write the images of each split, given their indices; return the value counts of the training images."""
    counts = ChannelCounts(size[2])
    with (
        ArrayWriter(prepared.images_file("train"), (len(numbers["train"]), *size)) as train,
        ArrayWriter(prepared.images_file("validation"), (len(numbers["validation"]), *size)) as validation,
        ArrayWriter(prepared.images_file("test"), (len(numbers["test"]), *size)) as test,
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
