"""Read new images from a folder or archive; their labels may be unknown."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple, NoReturn

from tqdm import tqdm

from darkroom.base.errors import ImageError, InputError
from darkroom.base.pools import in_turn
from darkroom.base.types import Pixels
from darkroom.data.formats.pictures import picture_of
from darkroom.data.formats.samples import File, LeftOut, Sample, Unread, open_image, printable
from darkroom.data.ingestion import reading
from darkroom.data.ingestion.reading import PORTION, portion_size
from darkroom.data.prepared.datasets import Description
from darkroom.data.sources import archives, folders
from darkroom.inference import images

ALL = "/*"
"""Follows the name of a folder that is not read."""


@dataclass(frozen=True)
class NewImage:
    """A decoded new image."""

    name: str
    label: str
    """Empty if unknown."""
    picture: str
    """Hash of the decoded picture, see ``pictures.picture_hash``."""
    pixels: Pixels
    """uint8, at the size of the training images."""
    width: int
    """Width and height in the file."""
    height: int


class Unreadable(NamedTuple):
    """A file that cannot be read as an image, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def find(place: str, encoding: str | None = None) -> list[Sample]:
    """List the images of a folder, zip or tar file, at any depth, without labels.

    Args:
        place: its path.
        encoding: that of names in an archive that does not say it.

    Raises:
        InputError: the path does not exist, has no images, or is an unsafe archive.
    """
    found = sorted((one for one in _inside(place, encoding) if _is_read(one)), key=lambda one: one.name)
    if not found:
        raise InputError(f"{place} holds no image ({', '.join(images.ENDINGS)}); pass another folder or zip file")
    # Tables and pages of these images are UTF-8, which names of files need not be.
    return [one._replace(name=printable(one.name)) for one in found]


def others(place: str, encoding: str | None = None) -> list[str]:
    """Return the names of the files that ``find`` does not list, because their extensions are not those of images."""
    return sorted(printable(one.name) for one in _inside(place, encoding) if not _is_read(one))


def _is_read(one: Sample) -> bool:
    return one.name.lower().endswith((*images.ENDINGS, ALL))


def _inside(place: str, encoding: str | None) -> list[Sample]:
    """List all visible files of a folder or archive.

    Raises:
        InputError: the path does not exist, or is an unsafe archive.
    """
    path = Path(place)
    if not path.exists():
        raise InputError(f"{place} does not exist; pass a folder or zip file of new images")
    if path.is_dir():
        walk = folders.Walk(path)
        inside = [Sample(below + name, "", file) for below, files in walk.folders() for name, file in files.items()]
        return inside + _links(path, walk.left_out)
    entries = archives.contents(path, encoding).entries
    return [Sample(name, "", one.place, order=one.order) for name, one in entries.items()]


def _links(path: Path, left_out: Sequence[LeftOut]) -> list[Sample]:
    """Return links that are not followed as unreadable samples; those to folders as if they held something."""
    named = [(one, one.name + ALL if (path / one.name).is_dir() else one.name) for one in left_out]
    return [Sample(name, "", Unread(one.reason)) for one, name in named]


def label_by_folder(found: Sequence[Sample], labels: Sequence[str]) -> list[Sample] | None:
    """Label images by their folders; return None if no folder level contains classes.

    Args:
        found: samples named by their paths.
        labels: classes of the training data. The first level at which a folder is named like a class is the class
            level; its other folders are new classes.
    """
    folders = [PurePosixPath(sample.name).parts[:-1] for sample in found]
    depths = (depth for of_one in folders for depth, folder in enumerate(of_one) if folder in labels)
    depth = min(depths, default=None)
    if depth is None or any(len(of_one) <= depth for of_one in folders):
        return None
    return [sample._replace(label=of_one[depth]) for sample, of_one in zip(found, folders, strict=True)]


def read(found: Sequence[Sample], description: Description) -> tuple[list[NewImage], list[Unreadable]]:
    """Read images and resize them like the training images.

    Returns:
        The readable images, and the others.
    """

    def read_one(number: int, given: File | bytes | Pixels | ImageError) -> NewImage | Unreadable:
        sample = found[number]
        try:
            content = reading.read_content(given) if isinstance(given, File) else given
            if isinstance(content, ImageError):
                raise content
            return _read(sample, content, description)
        except ImageError as error:
            return Unreadable(sample.name, str(error).removeprefix(f"{sample.name}: "))

    # In the order of the archive: compressed ones can only be read forward.
    in_order = sorted(range(len(found)), key=lambda number: found[number].order)
    portions = reading.split_up(found, in_order, PORTION)
    results: dict[int, NewImage | Unreadable] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool, _progress(len(found)) as progress:
        for done in in_turn(pool, lambda one: [(at, read_one(at, given)) for at, given in one], portions, portion_size):
            results.update(done)
            progress.update(len(done))
    by_name = [results[number] for number in range(len(found))]
    arrivals = [result for result in by_name if isinstance(result, NewImage)]
    return arrivals, [result for result in by_name if isinstance(result, Unreadable)]


def _progress(count: int) -> "tqdm[NoReturn]":
    return tqdm(total=count, desc="reading images", unit=" images", disable=None)


def _read(sample: Sample, content: bytes | Pixels, description: Description) -> NewImage:
    size, interpolation = description.size, description.interpolation
    decoded = open_image(content, images.least_side(size, interpolation))
    pixels = images.to_pixels(
        decoded.image, size, interpolation, description.aspect, description.background, decoded.box
    )
    return NewImage(sample.name, sample.label, picture_of(content, decoded), pixels, decoded.width, decoded.height)
