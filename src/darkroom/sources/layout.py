"""What the paths of a folder or an archive say: splits, classes, and what is no image."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from darkroom import images
from darkroom.samples import SplitName

SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
LITTER = {"thumbs.db", "desktop.ini"}  # what Windows leaves in folders of pictures
IN_A_CLASS = 2  # parts of a path: the class's folder and the image
IN_A_SPLIT = 3


class Labelled(NamedTuple):
    """A path below the source, and what it says of the image."""

    path: PurePosixPath
    label: str
    split: SplitName | None


def is_hidden(path: PurePosixPath) -> bool:
    """Say whether a path is hidden, or litter of an operating system; macOS puts its own notes into archives."""
    return path.name.lower() in LITTER or any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def is_image(path: PurePosixPath) -> bool:
    """Say whether a path is that of an image in a folder."""
    return path.suffix.lower() in images.ENDINGS and len(path.parts) >= IN_A_CLASS


def labelled(paths: Iterable[PurePosixPath]) -> list[Labelled]:
    """Read classes, and splits where there are any, from the paths of images, in the order of the paths.

    ``<class>/<image>`` at any depth below the class; or ``<split>/<class>/<image>`` where all that lies at the top is
    named after splits, training images are among it, and there is a class below each.
    """
    paths = sorted(path for path in paths if is_image(path))
    tops = {path.parts[0] for path in paths}
    splits = {SPLIT_FOLDERS.get(top.lower()) for top in tops}
    given = (
        None not in splits
        and "train" in splits
        and len(splits) > 1
        and all(len(path.parts) >= IN_A_SPLIT for path in paths)
    )
    if not given:
        return [Labelled(path, path.parts[0], None) for path in paths]
    return [Labelled(path, path.parts[1], SPLIT_FOLDERS[path.parts[0].lower()]) for path in paths]
