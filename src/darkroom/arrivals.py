"""New images, in a folder or a zip file, whose classes may be unknown."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from darkroom import images
from darkroom.datasets import Description
from darkroom.decoding import PORTION, in_threads
from darkroom.errors import ImageError, InputError
from darkroom.images import Pixels
from darkroom.samples import Place, Sample, content_hash, open_image
from darkroom.sources import archives, folders


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
    """List the images of a folder, a zip or a tar file, at any depth, without labels.

    Raises:
        InputError: there is no such place, it holds no image, or it is an archive that is not to be trusted.
    """
    path = Path(place)
    if not path.exists():
        raise InputError(f"{place} does not exist; name a folder of new images, or a zip file of them")
    inside: dict[str, Place]
    if path.is_dir():
        inside = {below + name: file for below, files in folders.listed(path) for name, file in files.items()}
    else:
        inside = {name: entry.place for name, entry in archives.files(path).items()}
    found = [Sample(name, "", held) for name, held in sorted(inside.items()) if name.lower().endswith(images.ENDINGS)]
    if not found:
        raise InputError(f"{place} holds no image ({', '.join(images.ENDINGS)}); name another folder or zip file")
    return found


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
    return [sample._replace(label=of_one[depth]) for sample, of_one in zip(found, folders, strict=True)]


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

    portions = (found[start : start + PORTION] for start in range(0, len(found), PORTION))
    results: list[Arrival | str] = []
    with tqdm(total=len(found), desc="reading images", unit=" images", disable=None) as progress:
        for portion in in_threads(lambda samples: [read_one(sample) for sample in samples], portions):
            results += portion
            progress.update(len(portion))
    arrivals = [result for result in results if isinstance(result, Arrival)]
    return arrivals, [result for result in results if isinstance(result, str)]


def _read(sample: Sample, description: Description) -> Arrival:
    content = sample.content()
    size, interpolation = description.size, description.interpolation
    decoded = open_image(content, images.least_side(size, interpolation))
    pixels = images.to_pixels(
        decoded.image, size, interpolation, description.aspect, description.background, decoded.box
    )
    return Arrival(sample.name, sample.label, content_hash(content), pixels, decoded.width, decoded.height)
