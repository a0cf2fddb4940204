"""The manifest: one row for each image. It is the contract between the stages before training."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import pandas as pd
from tqdm import tqdm

from darkroom import images
from darkroom.errors import InputError
from darkroom.params import PreprocessParams, SplitParams
from darkroom.sources import Sample, content_hash, open_image

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

COLUMNS = {
    "name": "str",
    "label": "str",
    "sha256": "str",
    "width": "int64",
    "height": "int64",
    "mode": "str",
    "pixel_mean": "float64",  # of the grey values, 0 to 255
    "pixel_deviation": "float64",
}

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def build(found: Iterable[Sample]) -> pd.DataFrame:
    """Read every image once and describe it.

    Returns:
        A frame with ``COLUMNS``, in the order of the source.

    Raises:
        ImageError: an image cannot be decoded; the text names it.
    """
    rows = list(in_threads(_describe, list(found), "reading images"))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _describe(sample: Sample) -> tuple[str | int | float, ...]:
    content = sample.content()
    image = open_image(sample.name, content)
    grey = np.asarray(images.to_channels(image, 1), dtype=np.float64)
    return (
        sample.name,
        sample.label,
        content_hash(content),
        image.width,
        image.height,
        image.mode,
        float(grey.mean()),
        float(grey.std()),
    )


def in_threads(function: Callable[[_Item], _Result], items: list[_Item], what: str) -> Iterator[_Result]:
    """Apply a function on all cores (Pillow frees the interpreter while it decodes), in order, with a progress bar."""
    with ThreadPoolExecutor() as pool, tqdm(total=len(items), desc=what, unit=" images", disable=None) as progress:
        rest = iter(items)
        # In portions, so that results do not pile up in memory faster than they are taken.
        while portion := list(islice(rest, 256)):
            for result in pool.map(function, portion):
                progress.update()
                yield result


def split_of(sha256: str, seed: int, shares: SplitParams) -> SplitName:
    """Choose an image's split by a threshold on a hash of the seed and the image's content.

    There is no state: the split of an image depends on nothing but its content, the seed and the shares. It stays the
    same when other images come or go, and images of equal content are never apart.
    """
    digest = hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < shares.train:
        return "train"
    return "validation" if place < shares.train + shares.validation else "test"


def with_splits(manifest: pd.DataFrame, params: PreprocessParams) -> pd.DataFrame:
    """Return the manifest with a column ``split``.

    Raises:
        InputError: a class has no image in one of the splits.
    """
    split = [split_of(sha256, params.seed, params.split) for sha256 in manifest["sha256"]]
    manifest = manifest.assign(split=pd.Series(split, index=manifest.index, dtype="str"))
    counts = pd.crosstab(manifest["label"], manifest["split"]).reindex(columns=SPLITS, fill_value=0)
    for label, row in counts.iterrows():
        for name in SPLITS:
            if row[name] == 0:
                raise InputError(
                    f"class {label!r} ({row.sum()} images) has no {name} image; add images to it, "
                    f"or change preprocess.split or preprocess.seed in params.yaml"
                )
    return manifest


def labels_of(manifest: pd.DataFrame) -> list[str]:
    """Return the class names in the order that every stage and the packaged model use."""
    return sorted(manifest["label"].dropna().unique())


def digest(manifest: pd.DataFrame) -> str:
    """Return a digest of the images, their labels and their splits, whatever their order."""
    lines = sorted("\t".join(row) for row in manifest[["sha256", "label", "split"]].itertuples(index=False, name=None))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def write(manifest: pd.DataFrame, path: str | Path) -> None:
    """Write a manifest as Parquet, which keeps a label such as ``007`` or ``nan`` the text that it is."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    manifest.to_parquet(path, index=False)


def read(path: str | Path) -> pd.DataFrame:
    """Read a manifest."""
    return pd.read_parquet(path)
