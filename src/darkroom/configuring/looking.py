"""Look at images: number, classes, sizes, colours."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from darkroom.base.errors import ImageError, InputError
from darkroom.data import sources
from darkroom.data.formats.samples import Sample, open_image
from darkroom.data.formats.usable import commonest
from darkroom.inference import images
from darkroom.params import DataParams

LOOKED_AT = 200
"""Number of images that are decoded, evenly spread over the source."""
COLOUR_DIFFERENCE = 12
"""Largest difference of red, green and blue in a grey image, of 255; JPEG files of grey scans have small ones."""
ENDINGS = {
    **dict.fromkeys((".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz"), "archive"),
    **dict.fromkeys((".csv", ".tsv"), "table"),
    ".parquet": "parquet",
}
GIVEN: Mapping[str, tuple[str, ...]] = {
    "layout": ("folder", "archive", "parquet"),
    "name_encoding": ("archive",),
    "image_column": ("table", "parquet"),
    "label_column": ("table", "parquet"),
}
"""Parameters of ``data`` that a person may have to state, and for which sources."""


@dataclass(frozen=True)
class Look:
    """What the choice of settings depends on."""

    data: DataParams
    counts: Mapping[str, int]
    """Images of each class."""
    shorter: int
    """Median of the shorter sides, in pixels."""
    longer: int
    """Median of the longer sides, in pixels."""
    is_grey: bool
    """Whether all images looked at are grey."""
    unreadable: int
    """How many of the images looked at cannot be decoded."""
    looked_at: int

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(self.counts.values())

    @property
    def smallest_class(self) -> int:
        """Images of the smallest class."""
        return min(self.counts.values())

    @property
    def largest_class(self) -> int:
        """Images of the largest class."""
        return max(self.counts.values())


def look(path: str, given: Mapping[str, str] = MappingProxyType({})) -> Look:
    """Look at a folder of class folders, an archive of one, a table, or a folder of Parquet files.

    Args:
        path: where it is.
        given: values of the section ``data`` that the images do not tell, see ``GIVEN``.

    Raises:
        InputError: the path does not exist, has no images or one class, or none of them can be decoded.
    """
    source = _source(Path(path))
    for key in given:
        if source not in GIVEN[key]:
            option = f"--{key.replace('_', '-')}"
            raise InputError(f"{path} is no {' or '.join(GIVEN[key])}, which {option} is for; remove the option")
    data = DataParams.model_validate({"source": source, "path": path, **given})
    try:
        found = sources.find(data, (1, 1, 3))
    except InputError as error:
        hint = " (for configure: --layout)" if "data.layout" in str(error) else ""
        raise InputError(f"{error}{hint}") from None
    chosen = _spread(found.samples)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        measured = list(threads.map(_measure, chosen))
    seen = [each for each in measured if not isinstance(each, str)]
    if not seen:
        why = commonest((sample.name, str(reason)) for sample, reason in zip(chosen, measured, strict=True))
        raise InputError(f"{path}: none of {len(chosen)} images can be decoded; {why}; look at some in a viewer")
    shorter, longer = (int(np.median([side[axis] for side, _ in seen])) for axis in (0, 1))
    return Look(
        data,
        Counter(sample.label for sample in found.samples),
        shorter,
        longer,
        all(is_grey for _, is_grey in seen),
        len(chosen) - len(seen),
        len(chosen),
    )


def _source(path: Path) -> str:
    if not path.exists():
        raise InputError(f"{path} does not exist; name a folder with one subfolder per class, a zip file or a table")
    if path.is_dir():
        return "parquet" if _has_parquet(path) else "folder"
    if path.suffix.lower() not in ENDINGS:
        raise InputError(f"{path}: expected a folder, or a file ending in {', '.join(ENDINGS)}; name one of these")
    return ENDINGS[path.suffix.lower()]


def _has_parquet(folder: Path) -> bool:
    """Return whether a folder has Parquet files, at any depth, and no images."""
    endings = {Path(name).suffix for _, _, names in os.walk(folder) for name in names}
    return ".parquet" in endings and endings.isdisjoint({*images.ENDINGS, *map(str.upper, images.ENDINGS)})


def _spread(samples: Sequence[Sample]) -> list[Sample]:
    """Return up to ``LOOKED_AT`` samples at equal distances, in the order in which they are stored."""
    rows = np.unique(np.linspace(0, len(samples) - 1, LOOKED_AT).astype(np.int64))
    return sorted((samples[row] for row in rows), key=lambda sample: sample.order)


def _measure(sample: Sample) -> tuple[tuple[int, int], bool] | str:
    """Return the shorter and longer side in pixels and whether an image is grey, or why it cannot be decoded."""
    try:
        decoded = open_image(sample.content(), 64)
        colour = np.asarray(images.to_channels(decoded.image, 3), dtype=np.int16)
    except ImageError as error:
        return str(error)
    sides = sorted((decoded.width, decoded.height))
    return (sides[0], sides[1]), bool(np.ptp(colour, axis=2).max() <= COLOUR_DIFFERENCE)
