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
BELOW_A_SPLIT = 2  # dividers in a path: after the split's folder, and after the class's


def is_hidden(path: str) -> bool:
    """Say whether a path is hidden, or litter of an operating system; macOS puts its own notes into archives."""
    if path.startswith(".") or "/." in path or path.rpartition("/")[2].lower() in LITTER:
        return True
    return "__MACOSX" in path and "__MACOSX" in path.split("/")


def is_image(path: str) -> bool:
    """Say whether a path is that of an image in a folder."""
    return "/" in path and path.lower().endswith(images.ENDINGS)


class Layout(NamedTuple):
    """What the paths of a source say."""

    images: list[tuple[str, str, SplitName | None]]
    """Path, class and split of each image, in the order of the paths."""
    others: list[str]
    """The paths that are no image's, in their order."""


def read_layout(paths: Iterable[str]) -> Layout:
    """Read classes, and splits where there are any, from the paths of images.

    ``<class>/<image>`` at any depth below the class; or ``<split>/<class>/<image>`` where all that lies at the top is
    named after splits, training images are among it, and there is a class below each.

    Args:
        paths: below the source, with forward slashes.
    """
    inside: list[str] = []
    others: list[str] = []
    for path in paths:
        (inside if is_image(path) else others).append(path)
    others.sort()
    # In the order of their parts: the divider comes before all other characters.
    inside.sort(key=lambda path: path.replace("/", "\0"))
    tops = [path.partition("/")[0] for path in inside]
    splits = {top: SPLIT_FOLDERS.get(top.lower()) for top in set(tops)}
    named = set(splits.values())
    given = None not in named and "train" in named and len(named) > 1
    if not given or any(path.count("/") < BELOW_A_SPLIT for path in inside):
        return Layout([(path, top, None) for path, top in zip(inside, tops, strict=True)], others)
    return Layout([(path, path.split("/", 2)[1], splits[top]) for path, top in zip(inside, tops, strict=True)], others)
