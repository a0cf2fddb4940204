"""From the manifest to packed arrays of one size, for each split."""

from pathlib import Path

import numpy as np
import pandas as pd

from darkroom import images, manifest
from darkroom.datasets import Description, channel_statistics, read_split, write_split
from darkroom.errors import InputError
from darkroom.params import DataParams, PreprocessParams
from darkroom.sources import Sample, content_hash, open_image, samples


def pack(rows: pd.DataFrame, data: DataParams, params: PreprocessParams, folder: str | Path) -> Description:
    """Resize all images and write them, one folder for each split, with a description of the whole.

    Args:
        rows: the manifest with its splits.
        data: the source that the manifest was made from.
        params: size, interpolation and rule for the proportions.
        folder: gets ``train``, ``validation``, ``test`` and ``dataset.json``.

    Raises:
        InputError: an image is gone or is another one than when the manifest was written.
    """
    folder = Path(folder)
    known = {sample.name: sample for sample in samples(data)}
    for split in manifest.SPLITS:
        of_split = rows[rows["split"] == split].reset_index(drop=True)
        write_split(folder / split, _resized(of_split, known, params), of_split)
    labels = manifest.labels_of(rows)
    mean, deviation = channel_statistics(read_split(folder / "train", labels).images)
    description = Description(
        labels=tuple(labels),
        size=params.size,
        interpolation=params.interpolation,
        aspect=params.aspect,
        mean=mean,
        deviation=deviation,
        source=data.source,
        counts={split: int((rows["split"] == split).sum()) for split in manifest.SPLITS},
        training_counts={label: int(((rows["split"] == "train") & (rows["label"] == label)).sum()) for label in labels},
        digest=manifest.digest(rows),
    )
    description.write(folder / "dataset.json")
    return description


def _resized(rows: pd.DataFrame, known: dict[str, Sample], params: PreprocessParams) -> images.Pixels:
    def resize(row: tuple[str, str]) -> images.Pixels:
        name, sha256 = row
        content = known[name].content() if name in known else b""
        if content_hash(content) != sha256:
            raise InputError(f"{name} has changed since it was ingested; run dvc repro to ingest it anew")
        return images.to_pixels(open_image(name, content), params.size, params.interpolation, params.aspect)

    packed = np.empty((len(rows), *params.size), dtype=np.uint8)
    pairs = list(rows[["name", "sha256"]].itertuples(index=False, name=None))
    for index, pixels in enumerate(manifest.in_threads(resize, pairs, "resizing images")):
        packed[index] = pixels
    return packed
