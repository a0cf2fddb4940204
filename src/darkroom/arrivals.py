"""New images, in a folder or a zip file, whose classes may be unknown."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath, PurePosixPath

from darkroom import images
from darkroom.datasets import Description
from darkroom.errors import ImageError, InputError
from darkroom.images import Pixels
from darkroom.manifest import in_threads
from darkroom.sources import Member, Sample, content_hash, open_image


@dataclass(frozen=True)
class Arrival:
    """A new image that was read."""

    name: str
    label: str
    """Empty where it is unknown."""
    sha256: str
    """Of its content."""
    pixels: Pixels
    """At the size of the training images."""
    width: int
    """In its file."""
    height: int


def find(place: str) -> list[Sample]:
    """List the images of a folder or a zip file, at any depth, without labels.

    Raises:
        InputError: there is no such place, or it holds no image.
    """
    path = Path(place)
    if not path.exists():
        raise InputError(f"{place} does not exist; name a folder of new images, or a zip file of them")
    if path.is_dir():
        inside = ((file.relative_to(path), file) for file in path.rglob("*") if file.is_file())
        found = [Sample(name.as_posix(), "", file) for name, file in sorted(inside) if _is_image(name)]
    elif zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        names = sorted(info.filename for info in archive.infolist() if not info.is_dir())
        found = [Sample(name, "", Member(archive, name)) for name in names if _is_image(PurePosixPath(name))]
    else:
        raise InputError(f"{place} is neither a folder nor a zip file; name one of new images")
    if not found:
        raise InputError(f"{place} holds no image ({', '.join(images.ENDINGS)}); name another folder or zip file")
    return found


def _is_image(path: PurePath) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in images.ENDINGS and not hidden


def labelled(found: Sequence[Sample], labels: Sequence[str]) -> list[Sample] | None:
    """Label images by the folders that they are in; None where these are not classes.

    Args:
        found: images with the paths of their files as names.
        labels: the classes of the training data. At the depth where a folder has the name of one, all folders are
            classes, also those that the training data lack.
    """
    folders = [PurePosixPath(sample.name).parts[:-1] for sample in found]
    depths = (depth for of_one in folders for depth, folder in enumerate(of_one) if folder in labels)
    depth = min(depths, default=None)
    if depth is None or any(len(of_one) <= depth for of_one in folders):
        return None
    return [replace(sample, label=of_one[depth]) for sample, of_one in zip(found, folders, strict=True)]


def read(found: Sequence[Sample], description: Description) -> tuple[list[Arrival], list[str]]:
    """Read images, and bring them to the size of the training images as preprocessing does.

    Returns:
        Those that can be read; of each other one its name and why.
    """

    def read_one(sample: Sample) -> Arrival | str:
        try:
            return _read(sample, description)
        except ImageError as error:
            return f"{sample.name}: {str(error).removeprefix(f'{sample.name}: ')}"

    results = list(in_threads(read_one, list(found), "reading images"))
    arrivals = [result for result in results if isinstance(result, Arrival)]
    return arrivals, [result for result in results if isinstance(result, str)]


def _read(sample: Sample, description: Description) -> Arrival:
    content = sample.content()
    image = open_image(sample.name, content)
    pixels = images.to_pixels(image, description.size, description.interpolation, description.aspect)
    return Arrival(sample.name, sample.label, content_hash(content), pixels, image.width, image.height)
