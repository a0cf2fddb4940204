"""What the paths of a folder or an archive say: splits, classes, and what is no image."""

from collections.abc import Iterable
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
IN_A_SPLIT = 3  # parts of a path: the split's folder, the class's and the image


class Labelled(NamedTuple):
    """A path below the source, and what it says of the image."""

    path: str
    label: str
    split: SplitName | None


def is_hidden(path: str) -> bool:
    """Say whether a path is hidden, or litter of an operating system; macOS puts its own notes into archives."""
    parts = path.split("/")
    return parts[-1].lower() in LITTER or any(part.startswith(".") or part == "__MACOSX" for part in parts)


def is_image(path: str) -> bool:
    """Say whether a path is that of an image in a folder."""
    return "/" in path and path.lower().endswith(images.ENDINGS)


def labelled(paths: Iterable[str]) -> list[Labelled]:
    """Read classes, and splits where there are any, from the paths of images, in the order of the paths.

    ``<class>/<image>`` at any depth below the class; or ``<split>/<class>/<image>`` where all that lies at the top is
    named after splits, training images are among it, and there is a class below each.

    Args:
        paths: below the source, with forward slashes.
    """
    parts = sorted(path.split("/") for path in paths if is_image(path))
    splits = {top: SPLIT_FOLDERS.get(top.lower()) for top in {path[0] for path in parts}}
    named = set(splits.values())
    given = None not in named and "train" in named and len(named) > 1 and min(map(len, parts)) >= IN_A_SPLIT
    if not given:
        return [Labelled("/".join(path), path[0], None) for path in parts]
    return [Labelled("/".join(path), path[1], splits[path[0]]) for path in parts]
