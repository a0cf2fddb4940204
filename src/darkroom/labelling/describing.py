"""Choose the features of the data, and compute those that are not there yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darkroom.base.errors import InputError
from darkroom.base.types import Floats, Integers
from darkroom.data.prepared.datasets import Description
from darkroom.data.prepared.described import Described, DescribedRecord, images_of
from darkroom.data.prepared.features import SPLITS, FeatureFolder
from darkroom.data.prepared.prepared import Prepared
from darkroom.labelling import imagenet, pixels
from darkroom.networks.efficientnet_lite import LITE0

SMALLEST_COLOUR = 32
"""Pixels of the shorter side from which on colour images get ImageNet's features: on 6,000 images of CIFAR-10 (32×32)
predictions from them were right for .756, from pixels for .395."""
SMALLEST_GREY = 64
"""The same for grey images: smaller ones are mostly signs and shapes. On the digits, pixels were right for .969,
ImageNet's features for .918."""
MOST_IMAGES = 10_000
"""Images up to which ImageNet's features are computed for this table alone: a minute or two on two cores, where 60,000
would take ten."""
MOST_DIMENSIONS = 4096
"""Features of a network's frozen layers with more numbers are not used."""
Report = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """What ``describe`` did."""

    record: DescribedRecord
    computed: int
    """Images whose features were computed."""


def describe(models: Sequence[str], prepared: Prepared, networks: Path, described: Described, report: Report) -> Done:
    """Write the features of all training and validation images; those that are there and still fit are kept.

    Args:
        models: networks, in order of preference.
        prepared: the images.
        networks: folder with a folder of features for each network.
        described: the folder to write.
        report: called with lines about the progress.

    Raises:
        InputError: the folder of features of a network is missing or damaged.
    """
    images, description = images_of(prepared), prepared.description
    sizes = [description.counts[split] for split in SPLITS]
    known = _of_network(models, networks, sizes)
    record = known[0] if known else _record(description)
    if (kept := _kept(described, record, images)) is not None:
        found, new = kept
    else:
        found, new = np.zeros((len(images), 0), np.float32), np.arange(len(images))
    if known:
        found = known[1]
    elif record.source == "pixels":
        found = pixels.extract(chain(*(prepared.images(split) for split in SPLITS)), sizes[0]) if len(new) else found
    elif len(new):
        found = found if found.shape[1] else np.zeros((len(images), imagenet.DIMENSIONS), np.float32)
        found[new] = _from_imagenet(prepared, new, record, report)
    record = replace(record, images=len(found), dimensions=found.shape[1])
    described.write(np.array(found, dtype=np.float32), images, record)
    return Done(record, 0 if known else len(new))


def _of_network(models: Sequence[str], folder: Path, sizes: Sequence[int]) -> tuple[DescribedRecord, Floats] | None:
    """Return the features of the first network that has frozen ones; None without any.

    Raises:
        InputError: the folder of a network is missing, so that another one would be taken in its place.
    """
    for network in models:
        of_network = FeatureFolder(folder / network)
        of_network.require()
        key = of_network.key()
        arrays = of_network.arrays(key) if key else None
        if arrays is None or [len(one) for one in arrays] != list(sizes):
            continue
        pooled = np.concatenate([_pooled(one) for one in arrays])
        if pooled.shape[1] <= MOST_DIMENSIONS:
            made_by = {"source": "network", "key": key}
            return DescribedRecord("network", made_by, f"the frozen layers of {network}"), pooled
    return None


def _pooled(features: Floats) -> Floats:
    """Return features of shape (images, dimensions); maps are averaged."""
    axes = tuple(range(1, features.ndim - 1))
    averaged: Floats = features.mean(axis=axes, dtype=np.float32) if axes else np.asarray(features)
    return averaged


def _record(description: Description) -> DescribedRecord:
    """Return what features that no network has will be of."""
    height, width, channels = size = description.size
    images = sum(description.counts[split] for split in SPLITS)
    is_small = min(height, width) < (SMALLEST_COLOUR if channels == 3 else SMALLEST_GREY)  # noqa: PLR2004 - colour
    if is_small or images > MOST_IMAGES:
        made_by: dict[str, Any] = {
            "source": "pixels",
            "digest": description.images,
            "prepared": description.preparation,
        }
        limits = (
            "pixels tell centred shapes apart; where an object stands and how it is lit counts as much as what it is"
        )
        if not is_small:
            limits += (
                f"; ImageNet's features are computed for up to {MOST_IMAGES:,} images, or for more if models in "
                "params.yaml lists logistic_regression"
            )
        return DescribedRecord("pixels", made_by, f"{height}×{width} pixels, compressed", limits)
    side = imagenet.side_for(size)
    made_by = {
        "source": "imagenet",
        "weights": LITE0.sha256,
        "method": imagenet.METHOD,
        "side": side,
        "prepared": description.preparation,
        "versions": [f"{name} {_version(name)}" for name in ("keras", "tensorflow", "tensorflow-cpu")],
    }
    limits = f"images of {height}×{width} pixels are enlarged to {side}×{side}" if max(height, width) < side else ""
    return DescribedRecord("imagenet", made_by, f"EfficientNet-Lite0 of ImageNet at {side}×{side} pixels", limits)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "–"


def _kept(described: Described, record: DescribedRecord, images: pd.DataFrame) -> tuple[Floats, Integers] | None:
    """Return the features that are there already, by picture, and the rows that lack them; None without any."""
    try:
        if described.record().made_by != record.made_by:
            return None
        before, features = described.images(), described.features()
    except (InputError, OSError, ValueError, EOFError):
        return None
    rows = pd.Series(np.arange(len(before)), index=before["picture"])
    place = images["picture"].map(rows[~rows.index.duplicated()])
    found = np.zeros((len(images), features.shape[1]), np.float32)
    there = place.notna().to_numpy()
    found[there] = features[place[there].to_numpy(dtype=np.int64)]
    return found, np.flatnonzero(~there)


def _from_imagenet(prepared: Prepared, rows: Integers, record: DescribedRecord, report: Report) -> Floats:
    """Compute the features of some rows of training and validation images together."""
    training, validation = (prepared.images(split) for split in SPLITS)
    report(f"features of {len(rows)} images by {record.summary}")
    started = 0

    def count(done: int) -> None:
        report(f"{started + done} of {len(rows)} images")

    first, side = rows[rows < len(training)], int(record.made_by["side"])
    of_training = imagenet.extract(training, first, side, count)
    started = len(first)
    return np.concatenate([of_training, imagenet.extract(validation, rows[len(first) :] - len(training), side, count)])
