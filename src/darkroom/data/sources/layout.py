"""Derive splits and classes from the paths of a folder or archive."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

from darkroom.base.types import SplitName
from darkroom.inference import images

SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
FileT = TypeVar("FileT")
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # files of Windows and macOS, in lower case
BELOW_A_SPLIT = 2  # slashes in "<split>/<class>/"


def is_hidden(name: str) -> bool:
    """Return whether a file or folder is hidden, or created by an operating system."""
    return name[:1] == "." or name.lower() in LITTER


def is_image(path: str) -> bool:
    """Return whether a path is an image below the top folder."""
    return "/" in path and path.lower().endswith(images.ENDINGS)


class FolderFiles(NamedTuple, Generic[FileT]):
    """The files of one folder."""

    below: str
    """Path of the folder relative to the source, with a trailing slash; empty for the source itself."""
    files: dict[str, FileT]
    """Files by name, sorted."""


class Layout(NamedTuple, Generic[FileT]):
    """Classes and splits of the files of a source."""

    images: list[tuple[FolderFiles[FileT], str, SplitName | None]]
    """Images of each folder with class and split, sorted by path components."""
    others: list[str]
    """Sorted paths of all other files."""


def group_by_folder(files: Mapping[str, FileT]) -> Iterator[FolderFiles[FileT]]:
    """Sort files by path components and group them by folder."""
    in_order = sorted(files, key=lambda path: path.split("/"))
    for below, together in groupby(in_order, lambda path: path[: path.rfind("/") + 1]):
        yield FolderFiles(below, {path[len(below) :]: files[path] for path in together})


def read_layout(folders: Iterable[FolderFiles[FileT]]) -> Layout[FileT]:
    """Derive classes, and splits if there are any, from the paths of images.

    The layout is ``<split>/<class>/<image>`` if all top folders have names of splits, one of them is ``train``, and
    each has class folders; otherwise ``<class>/<image>``, at any depth below the class.

    Args:
        folders: files sorted by path components.
    """
    inside: list[FolderFiles[FileT]] = []
    others: list[str] = []
    for below, files in folders:
        shown = {name: file for name, file in files.items() if name.lower().endswith(images.ENDINGS)} if below else {}
        if shown:
            inside.append(FolderFiles(below, shown))
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
