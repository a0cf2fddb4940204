"""What the paths of a folder or an archive say: splits, classes, and what is no image."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

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
Held = TypeVar("Held")
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # what Windows and macOS leave beside pictures, in small letters
BELOW_A_SPLIT = 2  # dividers in the path of a folder: after the split's name, and after the class's


def is_hidden(name: str) -> bool:
    """Say whether a file or folder is hidden, or litter of an operating system."""
    return name[:1] == "." or name.lower() in LITTER


def is_image(path: str) -> bool:
    """Say whether a path is that of an image in a folder."""
    return "/" in path and path.lower().endswith(images.ENDINGS)


class Listed(NamedTuple, Generic[Held]):
    """Files that lie side by side."""

    below: str
    """Their folder's path below the source, each part with a forward slash behind it; empty for the source itself."""
    files: dict[str, Held]
    """What is known of each, by their names, in the order of these."""


class Layout(NamedTuple, Generic[Held]):
    """What the paths of a source say."""

    images: list[tuple[Listed[Held], str, SplitName | None]]
    """Images side by side, with their class and split, in the order of the parts of their paths."""
    others: list[str]
    """The paths that are no image's, in their order."""


def side_by_side(files: Mapping[str, Held]) -> Iterator[Listed[Held]]:
    """Put files into the order of the parts of their paths, and those together that lie side by side."""
    in_order = sorted(files, key=lambda path: path.split("/"))
    for below, together in groupby(in_order, lambda path: path[: path.rfind("/") + 1]):
        yield Listed(below, {path[len(below) :]: files[path] for path in together})


def read_layout(listed: Iterable[Listed[Held]]) -> Layout[Held]:
    """Read classes, and splits where there are any, from where images lie.

    ``<class>/<image>`` at any depth below the class; or ``<split>/<class>/<image>`` where all that lies at the top is
    named after splits, training images are among it, and there is a class below each.

    Args:
        listed: files in the order of the parts of their paths.
    """
    inside: list[Listed[Held]] = []
    others: list[str] = []
    for below, files in listed:
        shown = {name: held for name, held in files.items() if name.lower().endswith(images.ENDINGS)} if below else {}
        if shown:
            inside.append(Listed(below, shown))
        if len(shown) < len(files):
            others += [below + name for name in files.keys() - shown.keys()]
    others.sort()
    parts = [below.split("/") for below, _ in inside]
    splits = {top: SPLIT_FOLDERS.get(top.lower()) for top, *_ in parts}
    named = set(splits.values())
    given = None not in named and "train" in named and len(named) > 1
    if not given or any(below.count("/") < BELOW_A_SPLIT for below, _ in inside):
        return Layout([(each, top, None) for each, (top, *_) in zip(inside, parts, strict=True)], others)
    return Layout([(each, label, splits[top]) for each, (top, label, *_) in zip(inside, parts, strict=True)], others)
